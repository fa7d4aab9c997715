"""Dates as feeds and pages write them: one text in, one aware datetime out, or nothing.

The table ``WHOLE`` reads what nearly every feed sends (RFC 1123, ISO 8601), as it stands. What is
left is tidied (full-width characters, blanks) and looked up in ``FORMS``: Chinese dates, dates
with a label or a source around them, dates without a year, spans such as 3小时前. The rest goes to
python-dateutil, which here may neither fill a gap nor guess an order. A text that cannot be read,
names an impossible day or lies outside the years 1970 to 2200 (as written) is no date: never
today, never an error.

This room does not know the time (``now`` is an argument) and does not look for dates in prose.

Regular expressions and not a grammar, because a date is one line of at most 200 characters
(longer ones are refused), and no expression here repeats a part that can repeat itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import timezone as fixed_zone
from email.utils import format_datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Before it lie the zero dates of databases (0001-01-01, 1900-01-01), after it typing errors."""

MAX_TEXT = 200
"""Characters; the longest date seen with its label and source was under 100."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""What an editor's clock may be ahead of the server's: 06-04 12:01, listed at 12:00, is of today
and not of last year."""

MAX_AROUND = 80
"""Characters a text may hold besides its date; more is prose."""


@dataclass(slots=True)
class DateRead:
    """What a text says about a time.

    ``at`` is None when the text cannot be read. ``named_zone`` is False where the zone of the
    source had to be used; an epoch or a span (3小时前) needs none and counts as named.
    """

    at: datetime | None
    named_zone: bool


Builder = Callable[[re.Match[str], tzinfo, datetime | None], DateRead]


def parse_date(
    text: str | float, *, timezone: str | tzinfo, now: datetime | None = None
) -> datetime | None:
    """Returns the time that ``text`` names, in the zone it names, else in ``timezone``.

    None: it cannot be read. See ``read_date``.

    >>> str(parse_date("2021年6月4日 下午2:30", timezone="Asia/Shanghai"))
    '2021-06-04 14:30:00+08:00'
    """
    return read_date(text, timezone=timezone, now=now).at


def read_date(
    text: str | float, *, timezone: str | tzinfo, now: datetime | None = None
) -> DateRead:
    """Returns the time that ``text`` names, and whether it named its zone.

    ``text`` is a str of any kind, or a number from JSON: epoch seconds, milliseconds, micro- or
    nanoseconds, told apart by their size, or the digits of a date (20210604, 20210604095600).
    ``timezone`` is the zone of the source, an IANA name or a tzinfo; an unknown name is the
    caller's mistake and raises what zoneinfo raises. ``now`` is aware; dates without a year and
    spans are counted back from it, never come out later than it by more than ``CLOCKS_DIFFER``,
    and are None without it.
    A date without a time is midnight. ``CST`` is China's zone where the source's clock is at
    +08:00, else North America's (RFC 822, section 5.1). An unknown zone name counts as none.
    """
    zone = _load_zone(timezone) if isinstance(timezone, str) else timezone
    if not isinstance(text, str):
        return _read_number(text, zone)
    for pattern, build in WHOLE:
        match = pattern.fullmatch(text)
        if match:
            return _built(build, match, zone, now)
    return _read_untidy(text, zone, now)


def format_rfc1123(at: datetime) -> str:
    """Returns ``at`` as in HTTP and RSS, with English names whatever the locale.

    >>> format_rfc1123(datetime(2021, 6, 4, 1, 56, tzinfo=UTC))
    'Fri, 04 Jun 2021 01:56:00 GMT'
    """
    return format_datetime(_aware(at).astimezone(UTC), usegmt=True)


def format_local(at: datetime, timezone: str | tzinfo) -> str:
    """Returns ``at`` on the clock of ``timezone``, with the offset.

    >>> format_local(datetime(2022, 3, 31, 6, 30, 55, tzinfo=UTC), "Asia/Shanghai")
    '2022-03-31 14:30:55 +0800'
    """
    zone = _load_zone(timezone) if isinstance(timezone, str) else timezone
    text = _aware(at).astimezone(zone).isoformat(" ", "seconds")
    if len(text) != 25:
        # Monrovia stood at -00:44:30 until 1972; four digits of offset cannot say that.
        text = at.astimezone(UTC).isoformat(" ", "seconds")
    return f"{text[:19]} {text[19:22]}{text[23:]}"


def _aware(at: datetime) -> datetime:
    """Refuses a naive datetime, which Python would read on the clock of the machine."""
    if at.utcoffset() is None:
        raise ValueError(f"expected an aware datetime, found {at!r}")
    return at


# ---------------------------------------------------------------------------------- words

_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}

# Zone names that dates carry, by hours east of Greenwich. RFC 822 names the American ones. Of
# names with several meanings the one of the feeds that write it counts (IST: India).
_ZONE_NAMES = {
    0: "z utc ut gmt wet etc/utc etc/gmt",
    1: "bst cet mez west",
    2: "cest mesz eet",
    3: "eest msk",
    5.5: "ist",
    7: "ict wib",
    8: "hkt sgt myt pht awst bjt 北京时间 北京時間",
    9: "jst kst",
    9.5: "acst",
    10: "aest",
    11: "aedt",
    12: "nzst",
    13: "nzdt",
    -3: "adt brt art",
    -4: "ast edt",
    -5: "est cdt",
    -6: "mdt",
    -7: "mst pdt",
    -8: "pst akdt",
    -9: "akst",
    -10: "hst",
}
_ZONE_HOURS = {name: hours for hours, names in _ZONE_NAMES.items() for name in names.split()}
_ZONE_REGIONS = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}

# The parts of a day: hours to add to 1..11, and the hour that twelve is. Twelve in the evening
# ends the day.
_DAY_PARTS = {
    **dict.fromkeys(("am", "a", "凌晨", "清晨", "早晨", "早上", "早", "上午", "오전"), (0, 0)),
    **dict.fromkeys(("pm", "p", "下午", "午后", "傍晚", "오후"), (12, 12)),
    **dict.fromkeys(("中午", "正午"), (12, 12)),
    **dict.fromkeys(("晚上", "晚间", "夜间", "夜里", "深夜", "半夜", "午夜", "晚"), (12, 24)),
}

_DAYS_BACK = {"今": 0, "today": 0, "昨": 1, "yesterday": 1, "前": 2, "大前": 3}

_COUNTS = {"半": 0.5, "half an": 0.5, "half a": 0.5, "a": 1.0, "an": 1.0, "one": 1.0, "两": 2.0}
_COUNTS |= {word: float(number) for number, word in enumerate("一二三四五六七八九十", 1)}
_SECONDS_IN = {
    **dict.fromkeys(("秒", "秒钟", "秒鐘", "second", "sec", "s"), 1),
    **dict.fromkeys(("分", "分钟", "分鐘", "minute", "min", "m"), 60),
    **dict.fromkeys(("小时", "小時", "钟头", "hour", "hr", "h"), 3600),
    **dict.fromkeys(("天", "day", "d"), 86400),
    **dict.fromkeys(("周", "週", "星期", "礼拜", "week", "w"), 7 * 86400),
}
_MONTHS_IN = {"月": 1, "month": 1, "年": 12, "year": 12}

# ------------------------------------------------------------------------------- builders

_Clock = tuple[int, int, int, int]  # hour, minute, second, microsecond
_MIDNIGHT: _Clock = (0, 0, 0, 0)


def _built(build: Builder, match: re.Match[str], zone: tzinfo, now: datetime | None) -> DateRead:
    """Returns what ``build`` makes of a match; nothing where the calendar has no such time."""
    try:
        return build(match, zone, now)
    except (ValueError, OverflowError):
        return DateRead(None, False)


def _read_iso(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    year, month, day, hour, minute, second, fraction, half, name = match.groups()
    clock = _clock(hour, minute, second, fraction, half) if hour else _MIDNIGHT
    return _date_read((int(year), int(month), int(day)), clock, name, zone)


def _read_rfc(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    day, month, year, hour, minute, second, fraction, half, name = match.groups()
    clock = _clock(hour, minute, second, fraction, half) if hour else _MIDNIGHT
    return _date_read((_full_year(year), _MONTHS[month[:3].lower()], int(day)), clock, name, zone)


def _read_parts(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    """Builds from groups called year, month (a number or a name), day and those of a clock."""
    found = match.groupdict()
    month = found["month"]
    number = int(month) if month.isdigit() else _MONTHS[month[:3].lower()]
    day = (_full_year(found["year"]), number, int(found["day"]))
    return _date_read(day, *_named_clock(found), zone)


def _read_week(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    at = date.fromisocalendar(int(match[1]), int(match[2]), int(match[3] or 1))
    return _date_read((at.year, at.month, at.day), _MIDNIGHT, None, zone)


def _read_ordinal(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    at = date(int(match[1]), 1, 1) + timedelta(days=int(match[2]) - 1)
    if at.year != int(match[1]):
        raise ValueError("no such day in the year")
    return _date_read((at.year, at.month, at.day), _MIDNIGHT, None, zone)


def _read_month(match: re.Match[str], zone: tzinfo, _: datetime | None) -> DateRead:
    # W3CDTF knows months without a day; an archive sorted by days needs one.
    return _date_read((int(match[1]), int(match[2]), 1), _MIDNIGHT, None, zone)


def _read_yearless(match: re.Match[str], zone: tzinfo, now: datetime | None) -> DateRead:
    if now is None:
        return DateRead(None, False)
    found = match.groupdict()
    month, day = int(found["month"]), int(found["day"])
    clock, name = _named_clock(found)
    year = now.astimezone(_find_zone(name, zone) or zone).year
    # Only a 29 February can need more than one step back, and at most eight (around 2100).
    for back in range(9):
        try:
            read = _date_read((year - back, month, day), clock, name, zone)
        except ValueError:
            if (month, day) != (2, 29):
                raise
            continue
        if not _is_later(read, now):
            return read
    return DateRead(None, False)


def _read_day_word(match: re.Match[str], zone: tzinfo, now: datetime | None) -> DateRead:
    """Builds from a word for a day (none: today) and a clock."""
    if now is None:
        return DateRead(None, False)
    found = match.groupdict()
    clock, name = _named_clock(found)
    today = now.astimezone(_find_zone(name, zone) or zone).date()
    back = _DAYS_BACK[(found.get("word") or "今").lower()]
    # A page kept since yesterday still says 今天 20:00: what would lie ahead is a day older.
    for days in (back, back + 1):
        day = today - timedelta(days=days)
        read = _date_read((day.year, day.month, day.day), clock, name, zone)
        if not _is_later(read, now):
            return read
    return DateRead(None, False)


def _read_span(match: re.Match[str], zone: tzinfo, now: datetime | None) -> DateRead:
    if now is None:
        return DateRead(None, False)
    amount, unit = match[1].lower(), match[2].lower()
    count = float(amount) if amount.isdigit() else _COUNTS[amount]
    if unit not in _SECONDS_IN and unit not in _MONTHS_IN:
        unit = unit.rstrip("s")
    at = now.astimezone(UTC)
    if unit in _SECONDS_IN:
        at -= timedelta(seconds=count * _SECONDS_IN[unit])
    elif amount == "半" and unit == "月":
        at -= timedelta(days=15)
    else:
        from dateutil.relativedelta import relativedelta

        at -= relativedelta(months=int(count * _MONTHS_IN[unit]))
    return DateRead(_in_range(at.astimezone(zone)), True)


def _read_just_now(_: re.Match[str], zone: tzinfo, now: datetime | None) -> DateRead:
    return DateRead(now.astimezone(zone), True) if now else DateRead(None, False)


def _clock(
    hour: str, minute: str | None, second: str | None, fraction: str | None, part: str | None
) -> _Clock:
    return (
        int(hour) if part is None else _hour_of_day(int(hour), part.lower()),
        30 if minute == "半" else int(minute or 0),
        int(second or 0),
        int(fraction[:6].ljust(6, "0")) if fraction else 0,
    )


def _named_clock(found: Mapping[str, str | None]) -> tuple[_Clock, str | None]:
    """Returns the clock, midnight if there is none, and the name of the zone."""
    hour, part = found.get("hour"), found.get("part") or found.get("half")
    clock = _MIDNIGHT
    if hour:
        clock = _clock(hour, found["minute"], found.get("second"), found.get("fraction"), part)
    return clock, found.get("zone")


def _hour_of_day(hour: int, part: str) -> int:
    """Returns the hour of 24 that ``hour`` is in a part of the day.

    >>> _hour_of_day(2, "下午"), _hour_of_day(12, "凌晨"), _hour_of_day(14, "下午")
    (14, 0, 14)
    """
    add, twelve = _DAY_PARTS[part]
    if hour == 12:
        return twelve
    if hour == 0 or hour > 12:
        return hour
    if part in {"中午", "正午"} and hour >= 10:
        return hour  # 中午11:50
    if twelve == 24 and hour < 5:
        return hour  # 深夜1点
    return hour + add


def _full_year(digits: str) -> int:
    """Returns the year that two, three or four digits stand for (RFC 2822, section 4.3)."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (2000 if year < 50 else 1900)


def _date_read(
    day: tuple[int, int, int], clock: _Clock, name: str | None, zone: tzinfo
) -> DateRead:
    """Builds the aware time; ValueError where the calendar or the range has none.

    24:00 is the next midnight (ISO 8601); a leap second is the second before it.
    """
    year, month, day_of_month = day
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError("year out of range")
    named = _find_zone(name, zone) if name else None
    hour, minute, second, microsecond = clock
    if hour == 24 and clock == (24, 0, 0, 0):
        midnight = datetime(year, month, day_of_month, tzinfo=named or zone)
        return DateRead(_in_range(midnight + timedelta(days=1)), named is not None)
    if second == 60:
        second = 59
    at = datetime(year, month, day_of_month, hour, minute, second, microsecond, named or zone)
    return DateRead(at, named is not None)


def _in_range(at: datetime) -> datetime:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError("year out of range")
    return at


def _is_later(read: DateRead, now: datetime) -> bool:
    # In UTC: on one and the same clock Python compares digits, which a change of clock repeats.
    return read.at is not None and read.at.astimezone(UTC) - CLOCKS_DIFFER > now.astimezone(UTC)


@lru_cache(maxsize=256)
def _load_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _find_zone(name: str | None, zone: tzinfo) -> tzinfo | None:
    """Returns the zone that a name or an offset means; None for no name and for unknown ones.

    ValueError where an offset is a day or more.
    """
    if name is None:
        return None
    if name.lower() == "cst":
        return _fixed_zone(8 if _stands_at_plus_eight(zone) else -6)
    return _zone_by_name(name)


@lru_cache(maxsize=64)
def _stands_at_plus_eight(zone: tzinfo) -> bool:
    # Any day will do: no zone at +08:00 changes its clock.
    return zone.utcoffset(datetime(2020, 1, 1)) == timedelta(hours=8)


@lru_cache(maxsize=1024)
def _zone_by_name(name: str) -> tzinfo | None:
    name = name.lower().replace(" ", "").replace(":", "")
    sign = "-" if "-" in name else "+"
    _, found, digits = name.partition(sign)
    if found:
        hours, minutes = (digits, "0") if len(digits) < 3 else (digits[:-2], digits[-2:])
        if int(minutes) > 59:
            raise ValueError("no such offset")
        east = int(hours) + int(minutes) / 60
        return _fixed_zone(-east if sign == "-" else east)
    if name in _ZONE_REGIONS:
        return _load_zone(_ZONE_REGIONS[name])
    return _fixed_zone(_ZONE_HOURS[name]) if name in _ZONE_HOURS else None


def _fixed_zone(hours_east: float) -> tzinfo:
    return fixed_zone(timedelta(minutes=round(hours_east * 60))) if hours_east else UTC


# -------------------------------------------------------------------------------- numbers


def _read_number(number: float, zone: tzinfo) -> DateRead:
    """Reads a JSON number: the digits of a date, or an epoch told by its size.

    Seconds count from 1973 (nine digits) on: smaller numbers are years, counts and ids.
    """
    if isinstance(number, bool) or not 1e7 < number < 1e20:  # refuses what is not a number, too
        return DateRead(None, False)
    if isinstance(number, int):
        digits = str(number)
        match = _DIGITS.fullmatch(digits)
        if match:
            read = _built(_read_parts, match, zone, None)
            if read.at or len(digits) in {8, 14}:
                return read
    for smallest, per_second in ((1e8, 1), (1e11, 10**3), (1e14, 10**6), (1e17, 10**9)):
        if smallest <= number < smallest * 100:
            try:
                return DateRead(_in_range(datetime.fromtimestamp(number / per_second, UTC)), True)
            except (ValueError, OverflowError):
                break
    return DateRead(None, False)


# ------------------------------------------------------------------------------ the tables


@cache  # FORMS are compiled when a text gets as far as them: most feeds never need one
def _compile(pattern: str) -> re.Pattern[str]:
    # ASCII: \d, \s and \w are what they look like, and a word ends where Chinese begins.
    return re.compile(pattern, re.ASCII | re.IGNORECASE)


_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
# An offset, GMT+8, or a name; a name stands alone (not 00abc) and does not go on in Chinese
# (ET快讯).
_ZONE_TEXT = (
    r"(?:gmt|utc?)?\s?[+-]\s?\d{1,2}(?::?\d{2})?(?!\d)"
    r"|(?:z|gmt|utc?|(?<=[\s(])(?:[a-z]{1,5}|etc/(?:utc|gmt)))(?![a-z0-9/\u4e00-\u9fff])"
    r"|北京[时時][间間]"
)
_ZONE = rf"(?:\s?\(?({_ZONE_TEXT})\)?)?"
_TIME = r"(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d+))?)?(?:\s?([ap])\.?m\b\.?)?"

WHOLE: tuple[tuple[re.Pattern[str], Builder], ...] = (
    (_compile(rf"\s*(\d{{4}})-(\d\d?)-(\d\d?)(?:(?:T|\s\s?){_TIME})?{_ZONE}\s*"), _read_iso),
    (
        _compile(
            r"\s*(?:[a-z]{2,9}\.?(?:,\s?|\s))?(\d\d?)(?:st|nd|rd|th)?[\s-]?"
            rf"({_MONTH})\.?,?[\s-]?(\d{{2,4}}),?(?:(?:T|\s\s?){_TIME}{_ZONE})?\s*"
        ),
        _read_rfc,
    ),
)
"""Read as they stand, before anything is tidied: nearly every feed date ends here."""

# Nothing that would make the digits part of a longer number, a path or a file name.
_START, _END = r"(?<![\w./-])(?<!\d:)", r"(?![\w/]|[-.:]\d|\s?\d\d?:)"
_NAMED_ZONE = rf"(?:\s?\(?(?P<zone>{_ZONE_TEXT})\)?)?"
_NAMED_TIME = (
    r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s?(?P<half>[ap])\.?m\b\.?)?"
)
_DAY_PART = "|".join(sorted(_DAY_PARTS.keys() - {"a", "p"}, key=len, reverse=True))
_CLOCK = (
    rf"(?P<part>{_DAY_PART})?\s?(?P<hour>\d\d?)(?::(?=\d\d)|\s?[时時点點시]\s?)"
    r"(?:(?P<minute>\d\d?|半)(?:\s?[:分분]\s?(?:(?P<second>\d\d?)(?:[.,](?P<fraction>\d+))?"
    r"\s?[秒초]?)?)?)?(?:\s?(?P<half>[ap])\.?m\b\.?)?" + _NAMED_ZONE
)
_YEAR_DAY = (
    r"(?P<year>\d{4}|\d\d(?=年))\s?[-/.年년]\s?(?P<month>\d\d?)\s?[-/.月월]\s?"
    r"(?P<day>\d\d?)\s?[日号號일.]?"
)
_WEEKDAY = (
    r"(?:[\s,(]{0,3}(?:(?:星期|周|週|礼拜|禮拜)[一二三四五六日天]"
    r"|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?)[\s,)]{0,3})?"
)
_GAP = r"(?:[\s,|·]{0,3}|T)"
_ENGLISH_GAP = r" (?:at |- |\| )?"
_DIGITS = _compile(
    r"(?P<year>(?:19|20|21)\d\d)(?P<month>\d\d)(?P<day>\d\d)"
    r"(?:[T\s_]?(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    rf"{_NAMED_ZONE})?"
)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a date inside a tidied text.

    ``around`` says what may stand beside it: "any" (anything short that blanks or signs set
    apart), "words" (the same without digits), "label" (only such as 发布时间: before it and
    来源: after it), "none".
    """

    name: str
    pattern: str
    build: Builder
    around: str


FORMS: tuple[_Form, ...] = (
    _Form("compact", (_START + _DIGITS.pattern + _END), _read_parts, "label"),
    _Form(
        "time-before-date",
        (rf"(?<![\w.:]){_NAMED_TIME}[\s,|]{{1,3}}{_YEAR_DAY}{_END}"),
        _read_parts,
        "any",
    ),
    _Form(
        "year-month-day",
        (rf"{_START}{_YEAR_DAY}{_WEEKDAY}(?:{_GAP}{_CLOCK})?{_END}"),
        _read_parts,
        "any",
    ),
    _Form(
        "day-month-year",
        (
            rf"{_START}(?P<day>\d\d?)(?:st|nd|rd|th)?(?: of)?[\s-]?(?P<month>{_MONTH})\.?,?[\s-]?"
            rf"(?P<year>\d{{4}}|\d\d(?= \d)),?(?:{_ENGLISH_GAP}{_NAMED_TIME}{_NAMED_ZONE})?{_END}"
        ),
        _read_parts,
        "any",
    ),
    _Form(
        "asctime",
        (
            rf"\b(?P<month>{_MONTH}) (?P<day>\d\d?) {_NAMED_TIME}{_NAMED_ZONE} "
            rf"(?P<year>\d{{4}}){_END}"
        ),
        _read_parts,
        "any",
    ),
    _Form(
        "month-day-year",
        (
            rf"\b(?P<month>{_MONTH})\.?[ -](?P<day>\d\d?)(?:st|nd|rd|th)?,?[ -](?P<year>\d{{4}}),?"
            rf"(?:{_ENGLISH_GAP}{_NAMED_TIME}{_NAMED_ZONE})?{_END}"
        ),
        _read_parts,
        "any",
    ),
    _Form("week", (r"(\d{4})-?W(\d\d)(?:-?(\d))?"), _read_week, "none"),
    _Form("day-of-year", (r"(\d{4})-(\d{3})"), _read_ordinal, "none"),
    _Form("month", (r"(\d{4})-(\d\d)"), _read_month, "none"),
    _Form(
        "month-day-time",
        (
            rf"{_START}(?P<month>\d\d?)\s?[-/.月월]\s?(?P<day>\d\d?)\s?[日号號일]?{_WEEKDAY}"
            rf"(?:[\s,|·]{{1,3}}|(?<=[日号號일) ])){_CLOCK}{_END}"
        ),
        _read_yearless,
        "any",
    ),
    _Form(
        "month-day",
        (
            rf"{_START}(?P<month>\d\d?)(?:(?<=\d\d)[-/](?=\d\d)|\s?[月월]\s?)(?P<day>\d\d?)"
            rf"\s?[日号號일]?{_WEEKDAY}{_END}"
        ),
        _read_yearless,
        "label",
    ),
    _Form(
        "day-word",
        (
            r"(?P<word>(?:今|昨|大?前)(?=[天日早晚])|\b(?:today|yesterday)\b)[天日]?,?(?: at)?"
            rf"(?:{_GAP}{_CLOCK})?(?!\w|\s?\d)"
        ),
        _read_day_word,
        "words",
    ),
    _Form(
        "span",
        (
            rf"{_START}(\d{{1,6}}|半|[一二两三四五六七八九十]|half an?|an?|one)\s?[个個]?多?\s?"
            r"(秒[钟鐘]?|分[钟鐘]?|小[时時]|钟头|天|周|週|星期|礼拜|月|年"
            r"|(?:second|sec|minute|min|hour|hr|day|week|month|year)s?|[smhdw])"
            r"\s?(?:[之以]?前|ago\b)"
        ),
        _read_span,
        "words",
    ),
    _Form(
        "just-now",
        (r"刚刚|剛剛|刚才|剛才|just now|(?:a )?moments? ago"),
        _read_just_now,
        "label",
    ),
    _Form("time", (rf"{_START}{_CLOCK}{_END}"), _read_day_word, "label"),
)
"""Tried in this order on the tidied text; the first that stands apart decides."""

_LABELS = (
    "发布|发表|刊发|首发|更新|修改|最后|最近|创建|上传|录入|时间|日期|于|發布|發表|時間|於"
    "|date|time|published|posted|updated|modified|created|last|on|at"
)
_LABEL_BEFORE = _compile(rf"(?:{_LABELS}|[\s:\[(【<|·~-])*")
_LABEL_AFTER = _compile(
    r"[\s\])】>|,.;·]*(?:$|(?:发布|發布|发表|更新|刊发|来源|來源|出处|作者|编辑|责编|记者|阅读"
    r"|点击|浏览|评论|source|by|published|posted|updated).*)"
)
_SIGNS = r"[\s:;,.|<>\[\](){}【】《》「」“”\"'·•—–_~#*]"
_APART_BEFORE = _compile(rf".*(?:{_SIGNS}|{_LABELS})")
_APART_AFTER = _compile(rf"{_SIGNS}|发布|發布|发表|更新|刊发|来源|來源|作者|阅读")
_SENTENCE = _compile("[。!?]")
_COMMENT = _compile(r"\([^()]*\)")
_NUMBER = _compile(r"\d{1,20}(?:\.\d{1,20})?")


def _read_untidy(text: str, zone: tzinfo, now: datetime | None) -> DateRead:
    text = _tidy(text)
    if not text or len(text) > MAX_TEXT:
        return DateRead(None, False)
    if _NUMBER.fullmatch(text):
        return _read_number(float(text) if "." in text else int(text), zone)
    for pattern, build in WHOLE:
        match = pattern.fullmatch(text)
        if match:
            return _built(build, match, zone, now)
    for form in FORMS:
        for match in _compile(form.pattern).finditer(text):
            if _stands_apart(text[: match.start()], text[match.end() :], form.around):
                return _built(form.build, match, zone, now)
    without_comments = _COMMENT.sub(" ", text)
    if without_comments != text:
        return _read_untidy(without_comments, zone, now)
    return _read_with_dateutil(text, zone)


def _tidy(text: str) -> str:
    """Returns the text with plain digits, signs and single blanks, without invisible marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text[: 10 * MAX_TEXT])
        # Old browsers put a U+200E between the parts of a date.
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return " ".join(text.split())


def _stands_apart(before: str, after: str, around: str) -> bool:
    """Tells whether what is beside a date leaves it a date, and not a number in a sentence."""
    if not before and not after:
        return True
    if around == "label":
        return bool(_LABEL_BEFORE.fullmatch(before) and _LABEL_AFTER.match(after))
    rest = before + after
    if around == "none" or len(rest) > MAX_AROUND or _SENTENCE.search(rest):
        return False
    if around == "words" and any(sign.isdigit() for sign in rest):
        return False
    return (not before or bool(_APART_BEFORE.fullmatch(before))) and (
        not after or bool(_APART_AFTER.match(after))
    )


# ------------------------------------------------------------------------------- dateutil

_PEELED = _compile(rf"(?:(?:{_LABELS})\b:?\s?)*(.*?)(?:\s?[|·•].*)?")
_ZONE_AT_END = _compile(
    r"(.*[\dm])\s?\(?((?:gmt|utc?)?[+-]\d\d?:?(?:\d\d)?|"
    + "|".join(sorted(_ZONE_HOURS.keys() | _ZONE_REGIONS.keys() | {"cst"}))
    + r")\)?"
)
# A month's name, or three numbers with one sign between; and always a year of four digits.
_WORTH_ASKING = _compile(
    rf"(?=.*(?<!\d)(?:19|20|21)\d\d(?!\d)).*(?:\b{_MONTH}\b|(?<!\d)\d\d?([-/.])\d\d?\1\d{{4}}).*"
)


def _read_with_dateutil(text: str, zone: tzinfo) -> DateRead:
    """Asks python-dateutil, twice: what hangs on the default date or on the order is no date."""
    peeled = _PEELED.fullmatch(text)
    text, name = peeled[1] if peeled else text, None
    match = _ZONE_AT_END.fullmatch(text)
    if match:
        text, name = match.groups()
    if not _WORTH_ASKING.fullmatch(text):
        return DateRead(None, False)
    # Imported here: it takes as long as a thousand dates, and hardly any crawl needs it.
    from dateutil import parser

    try:
        first, second = (
            parser.parse(text, default=default, dayfirst=day_first, ignoretz=True)
            for default, day_first in (
                (datetime(1972, 1, 1), False),
                (datetime(2004, 2, 2), True),
            )
        )
        if first != second:
            return DateRead(None, False)
        named = _find_zone(name, zone)
        return DateRead(_in_range(first.replace(tzinfo=named or zone)), named is not None)
    # What dateutil raises on hostile text: its ParserError is a ValueError, the rest are slips.
    except (ValueError, OverflowError, TypeError, ArithmeticError, LookupError, AttributeError):
        return DateRead(None, False)
