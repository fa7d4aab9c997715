"""Dates: what feeds and pages write is read, what is none stays none, and never lies ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import dates
from crawler.dates import (
    CLOCKS_DIFFER,
    DateRead,
    format_local,
    format_rfc1123,
    parse_date,
    read_date,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2021, 6, 4, 12, 0, tzinfo=SHANGHAI)

# The same moment, seen from different clocks.
ZONED = {
    "rfc1123": "Fri, 04 Jun 2021 01:56:00 GMT",
    "rfc822 offset": "Fri, 04 Jun 2021 09:56:00 +0800",
    "rfc850": "Friday, 04-Jun-21 01:56:00 GMT",
    "no weekday": "04 Jun 2021 01:56:00 GMT",
    "wrong weekday": "Mon, 04 Jun 2021 01:56:00 GMT",
    "lower case": "fri, 04 jun 2021 01:56:00 gmt",
    "two-digit year": "Fri, 04 Jun 21 01:56:00 GMT",
    "three-digit year": "Fri, 04 Jun 121 01:56:00 GMT",
    "single digits": "Fri, 4 Jun 2021 1:56:0 GMT",
    "no seconds": "Fri, 04 Jun 2021 01:56 GMT",
    "full month": "Fri, 04 June 2021 01:56:00 GMT",
    "extra blanks": "  Fri,  04   Jun 2021   01:56:00    GMT ",
    "line break inside": "Fri, 04 Jun 2021\n 01:56:00 GMT",
    "no comma": "Fri 04 Jun 2021 01:56:00 GMT",
    "no blank after comma": "Fri,04 Jun 2021 01:56:00 GMT",
    "UT": "Fri, 04 Jun 2021 01:56:00 UT",
    "UTC": "Fri, 04 Jun 2021 01:56:00 UTC",
    "Z": "Fri, 04 Jun 2021 01:56:00 Z",
    "-0000": "Fri, 04 Jun 2021 01:56:00 -0000",
    "colon in offset": "Fri, 04 Jun 2021 09:56:00 +08:00",
    "short offset": "Fri, 04 Jun 2021 09:56:00 +8",
    "GMT+8": "Fri, 04 Jun 2021 09:56:00 GMT+8",
    "GMT+0800": "Fri, 04 Jun 2021 09:56:00 GMT+0800",
    "UTC+08:00": "2021-06-04 09:56:00 UTC+08:00",
    "EST": "Thu, 03 Jun 2021 20:56:00 EST",
    "EDT": "Thu, 03 Jun 2021 21:56:00 EDT",
    "PDT": "Thu, 03 Jun 2021 18:56:00 PDT",
    "ET knows summer": "Thu, 03 Jun 2021 21:56:00 ET",
    "Etc/GMT": "Fri, 04 Jun 2021 01:56:00 Etc/GMT",
    "comment": "Fri, 04 Jun 2021 01:56:00 +0000 (UTC)",
    "comment inside": "Fri, 04 (fourth) Jun 2021 01:56:00 +0000",
    "weibo": "Fri Jun 04 09:56:00 +0800 2021",
    "unix date": "Fri Jun  4 09:56:00 CST 2021",
    "JavaScript": "Fri Jun 04 2021 09:56:00 GMT+0800 (中国标准时间)",
    "label": "Updated: Fri, 04 Jun 2021 01:56:00 GMT",
    "iso Z": "2021-06-04T01:56:00Z",
    "iso lower z": "2021-06-04t01:56:00z",
    "iso offset": "2021-06-04T09:56:00+08:00",
    "iso short offset": "2021-06-04T09:56:00+0800",
    "iso hour offset": "2021-06-04T09:56+08",
    "iso blank before offset": "2021-06-04T09:56:00 +08:00",
    "iso blank": "2021-06-04 01:56:00Z",
    "iso fraction": "2021-06-04T01:56:00.000Z",
    "iso nanoseconds": "2021-06-04T01:56:00.000000000Z",
    "iso fraction comma": "2021-06-04T01:56:00,0Z",
    "iso basic": "20210604T015600Z",
    "iso negative half hour": "2021-06-03T22:26:00-03:30",
    "java": "2021-06-04T09:56:00+08:00[Asia/Shanghai]",
    "jekyll": "2021-06-04 09:56:00 +0800",
    "beijing time": "2021-06-04 09:56（北京时间）",
    "china standard time": "2021-06-04 09:56:00 CST",
    "perforce": "Thu, 2021/06/03 21:56:00 EDT",
    "english": "June 3, 2021 9:56 PM EDT",
    "english at": "Posted on June 3rd, 2021 at 9:56 p.m. EDT",
    "epoch seconds": "1622771760",
    "epoch seconds as float": "1622771760.0",
    "epoch milliseconds": "1622771760000",
    "epoch microseconds": "1622771760000000",
    "epoch nanoseconds": "1622771760000000000",
}


@pytest.mark.parametrize("text", ZONED.values(), ids=ZONED)
def test_date_with_a_zone_is_that_instant_whatever_the_source(text: str) -> None:
    instant = datetime(2021, 6, 4, 1, 56, tzinfo=UTC)
    assert read_date(text, timezone="Asia/Shanghai") == DateRead(instant, True)


ZONELESS = {
    "iso": ("2021-06-04T09:56:00", "2021-06-04 09:56:00"),
    "blank": ("2021-06-04 09:56:30", "2021-06-04 09:56:30"),
    "no seconds": ("2021-06-04 09:56", "2021-06-04 09:56:00"),
    "single digits": ("2021-6-4 9:56", "2021-06-04 09:56:00"),
    "fraction": ("2021-06-04 09:56:30.25", "2021-06-04 09:56:30.250000"),
    "am": ("2021-06-04 09:56 AM", "2021-06-04 09:56:00"),
    "pm": ("2021-06-04 9:56:00 pm", "2021-06-04 21:56:00"),
    "date only": ("2021-06-04", "2021-06-04 00:00:00"),
    "basic": ("20210604T095600", "2021-06-04 09:56:00"),
    "basic date": ("20210604", "2021-06-04 00:00:00"),
    "fourteen digits": ("20210604095600", "2021-06-04 09:56:00"),
    "twelve digits": ("202106040956", "2021-06-04 09:56:00"),
    "year and month": ("2021-06", "2021-06-01 00:00:00"),
    "week": ("2021-W22-5", "2021-06-04 00:00:00"),
    "week alone": ("2021W22", "2021-05-31 00:00:00"),
    "day of the year": ("2021-155", "2021-06-04 00:00:00"),
    "slashes": ("2022/3/31 14:30", "2022-03-31 14:30:00"),
    "dots": ("2022.03.31", "2022-03-31 00:00:00"),
    "dots and time": ("2022.3.31 14:30:55", "2022-03-31 14:30:55"),
    "chinese": ("2021年6月4日 09:56", "2021-06-04 09:56:00"),
    "chinese without a gap": ("2021年06月04日09:56", "2021-06-04 09:56:00"),
    "chinese clock": ("2021年06月04日 09时56分30秒", "2021-06-04 09:56:30"),
    "chinese date": ("2021年6月4日", "2021-06-04 00:00:00"),
    "chinese with blanks": ("2021 年 6 月 4 日 9 时 56 分", "2021-06-04 09:56:00"),
    "chinese two-digit year": ("21年6月4日 09:56", "2021-06-04 09:56:00"),
    "hao": ("2021年6月4号", "2021-06-04 00:00:00"),
    "morning": ("2021年6月4日 上午9:56", "2021-06-04 09:56:00"),
    "afternoon": ("2021年6月4日下午2:30", "2021-06-04 14:30:00"),
    "afternoon of 24": ("2021年6月4日 下午14:30", "2021-06-04 14:30:00"),
    "evening": ("2021年6月4日 晚上8点", "2021-06-04 20:00:00"),
    "half past": ("2021年6月4日 晚上8点半", "2021-06-04 20:30:00"),
    "noon": ("2021年6月4日 中午12:05", "2021-06-04 12:05:00"),
    "before noon": ("2021年6月4日 中午11:50", "2021-06-04 11:50:00"),
    "after midnight": ("2021/6/4 上午12:05:00", "2021-06-04 00:05:00"),
    "small hours": ("2021年6月4日 凌晨2点", "2021-06-04 02:00:00"),
    "deep night": ("2021年6月4日 深夜1点", "2021-06-04 01:00:00"),
    "end of the evening": ("2021年6月4日 晚上12点", "2021-06-05 00:00:00"),
    "weekday": ("2021年6月4日 星期五 09:56", "2021-06-04 09:56:00"),
    "weekday in brackets": ("2021年6月4日（周五）09:56", "2021-06-04 09:56:00"),
    "korean": ("2021년 06월 04일  01:31:15", "2021-06-04 01:31:15"),
    "korean afternoon": ("2021-06-04 오후 11:23:17", "2021-06-04 23:23:17"),
    "label": ("发布时间：2021-06-04 09:56", "2021-06-04 09:56:00"),
    "label without colon": ("发布于2021-06-04 09:56", "2021-06-04 09:56:00"),
    "verb after": ("2021-06-04 09:56发布", "2021-06-04 09:56:00"),
    "source after": ("2021-06-04 09:56 来源：证券时报", "2021-06-04 09:56:00"),
    "source before": ("来源：证券时报 2021-06-04 09:56", "2021-06-04 09:56:00"),
    "paper and page": ("来源：证券时报 2026-09-24 A004版", "2026-09-24 00:00:00"),
    "brackets": ("[2021-06-04]", "2021-06-04 00:00:00"),
    "chinese brackets": ("【2021-06-04 09:56】", "2021-06-04 09:56:00"),
    "first of two": (
        "发布时间：2021-06-04 09:56 更新时间：2021-06-05 10:00",
        "2021-06-04 09:56:00",
    ),
    "full width": ("２０２１-０６-０４　０９：５６", "2021-06-04 09:56:00"),
    "nbsp": ("2021-06-04\u00a009:56", "2021-06-04 09:56:00"),
    "glued cells": ("2021-06-0409:56", "2021-06-04 09:56:00"),
    "direction marks": ("\u200e2021\u200e/\u200e6\u200e/\u200e4 09:56", "2021-06-04 09:56:00"),
    "time first": ("09:56 2021-06-04", "2021-06-04 09:56:00"),
    "bar": ("2021-06-04 | 09:56", "2021-06-04 09:56:00"),
    "asctime": ("Fri Jun  4 09:56:00 2021", "2021-06-04 09:56:00"),
    "rfc date": ("Fri, 04 Jun 2021", "2021-06-04 00:00:00"),
    "unknown zone": ("Fri, 04 Jun 2021 09:56:00 XYZ", "2021-06-04 09:56:00"),
    "newsroom, not a zone": ("2021-06-04 09:56 ET快讯", "2021-06-04 09:56:00"),
    "english": ("June 4, 2021", "2021-06-04 00:00:00"),
    "english pm": ("Jun 4, 2021 9:56 pm", "2021-06-04 21:56:00"),
    "english ordinal": ("4th of June 2021", "2021-06-04 00:00:00"),
    "next midnight": ("2021-06-04T24:00:00", "2021-06-05 00:00:00"),
    "leap second": ("2016-12-31 23:59:60", "2016-12-31 23:59:59"),
    "leap day": ("2020-02-29", "2020-02-29 00:00:00"),
    "first year": ("1970-01-01", "1970-01-01 00:00:00"),
    "last year": ("2200-12-31 23:59", "2200-12-31 23:59:00"),
    "dateutil month in the middle": ("2021 Jun 4", "2021-06-04 00:00:00"),
    "dateutil hyphens": ("2021-Jun-04 09:56", "2021-06-04 09:56:00"),
    "dateutil one order only": ("6/13/2021 2:30:00 PM", "2021-06-13 14:30:00"),
}


@pytest.mark.parametrize(("text", "expected"), ZONELESS.values(), ids=ZONELESS)
def test_date_without_a_zone_is_on_the_clock_of_the_source(text: str, expected: str) -> None:
    at = datetime.fromisoformat(expected).replace(tzinfo=SHANGHAI)
    read = read_date(text, timezone="Asia/Shanghai")
    assert read == DateRead(at, False)
    assert read.at is not None
    assert read.at.tzinfo is SHANGHAI


RELATIVE = {
    "month and day": ("03-31 14:30", "2021-03-31 14:30"),
    "chinese month and day": ("3月31日 14:30", "2021-03-31 14:30"),
    "month and day alone": ("03-31", "2021-03-31 00:00"),
    "chinese, alone": ("3月31日", "2021-03-31 00:00"),
    "today's date": ("06-04 12:00", "2021-06-04 12:00"),
    "more ahead than clocks differ is last year": ("06-04 12:06", "2020-06-04 12:06"),
    "month ahead is last year": ("12-31 23:00", "2020-12-31 23:00"),
    "leap day": ("02-29 10:00", "2020-02-29 10:00"),
    "with a source": ("证券时报 03-31 14:30", "2021-03-31 14:30"),
    "time past": ("08:30", "2021-06-04 08:30"),
    "time now": ("12:00", "2021-06-04 12:00"),
    "time ahead is yesterday": ("12:06", "2021-06-03 12:06"),
    "time with a label": ("发布时间：08:30", "2021-06-04 08:30"),
    "yesterday": ("昨天 14:30", "2021-06-03 14:30"),
    "yesterday glued": ("昨天14:30", "2021-06-03 14:30"),
    "yesterday evening": ("昨晚8点", "2021-06-03 20:00"),
    "yesterday afternoon": ("昨日下午2:30", "2021-06-03 14:30"),
    "day before": ("前天 09:00", "2021-06-02 09:00"),
    "two before": ("大前天 09:00", "2021-06-01 09:00"),
    "today": ("今天 08:00", "2021-06-04 08:00"),
    "a minute ahead": ("06-04 12:01", "2021-06-04 12:01"),
    "today, a minute ahead": ("今天 12:01", "2021-06-04 12:01"),
    "today ahead is a kept page": ("今天 20:00", "2021-06-03 20:00"),
    "english yesterday": ("Yesterday at 2:30 pm", "2021-06-03 14:30"),
    "yesterday alone": ("昨天", "2021-06-03 00:00"),
}


@pytest.mark.parametrize(("text", "expected"), RELATIVE.values(), ids=RELATIVE)
def test_date_without_a_year_is_the_last_one_that_is_not_ahead(text: str, expected: str) -> None:
    at = datetime.fromisoformat(expected).replace(tzinfo=SHANGHAI)
    assert read_date(text, timezone=SHANGHAI, now=NOW) == DateRead(at, False)


def test_date_without_a_year_uses_the_zone_it_names() -> None:
    # In Greenwich it is 04:00.
    at = datetime(2021, 6, 4, 3, 59, tzinfo=UTC)
    assert read_date("06-04 03:59 GMT", timezone=SHANGHAI, now=NOW) == DateRead(at, True)
    assert parse_date("06-04 04:06 GMT", timezone=SHANGHAI, now=NOW) == at.replace(
        year=2020, hour=4, minute=6
    )


def test_leap_day_is_looked_for_across_a_century_without_one() -> None:
    now = datetime(2103, 12, 31, tzinfo=UTC)
    assert parse_date("02-29 10:00", timezone="UTC", now=now) == datetime(
        2096, 2, 29, 10, tzinfo=UTC
    )


SPANS = {
    "hours": ("3小时前", timedelta(hours=3)),
    "minutes": ("5分钟前", timedelta(minutes=5)),
    "minutes with a blank": ("5 分钟前", timedelta(minutes=5)),
    "seconds": ("30秒前", timedelta(seconds=30)),
    "days": ("2天前", timedelta(days=2)),
    "two": ("两天前", timedelta(days=2)),
    "week": ("一周前", timedelta(days=7)),
    "half an hour": ("半小时前", timedelta(minutes=30)),
    "half an hour, ge": ("半个小时前", timedelta(minutes=30)),
    "month": ("1个月前", timedelta(days=31)),
    "half a month": ("半个月前", timedelta(days=15)),
    "year": ("1年前", timedelta(days=365)),
    "just now": ("刚刚", timedelta()),
    "with a verb": ("发布于3小时前", timedelta(hours=3)),
    "with a source": ("证券时报 · 3小时前", timedelta(hours=3)),
    "english": ("3 hours ago", timedelta(hours=3)),
    "english article": ("an hour ago", timedelta(hours=1)),
    "english short": ("5m ago", timedelta(minutes=5)),
}


@pytest.mark.parametrize(("text", "span"), SPANS.values(), ids=SPANS)
def test_span_is_counted_back_from_now_and_needs_no_zone(text: str, span: timedelta) -> None:
    assert read_date(text, timezone=NEW_YORK, now=NOW) == DateRead(NOW - span, True)


@pytest.mark.parametrize("text", [text for text, _ in (*RELATIVE.values(), *SPANS.values())])
def test_relative_date_without_now_is_none(text: str) -> None:
    assert read_date(text, timezone=SHANGHAI) == DateRead(None, False)


NO_DATE = {
    "empty": "",
    "blank": " \u3000\n",
    "javascript's": "Invalid Date",
    "zone alone": "+0800",
    "zone alone after a blank": " +0800",
    "zone name": "GMT",
    "zeros": "0000-00-00 00:00:00",
    "year one": "0001-01-01T00:00:00Z",
    "before the epoch": "1969-12-31T23:59:59Z",
    "too late": "2201-01-01",
    "30 February": "2021-02-30",
    "30 February, time readable": "2021-02-30 14:30",
    "30 February, rfc": "Tue, 30 Feb 2021 14:30:00 GMT",
    "30 February, no year": "02-30 14:30",
    "31 June, chinese": "2021年6月31日",
    "month 13": "13月4日",
    "hour 25": "2021-06-04 25:00",
    "time 25:61": "25:61",
    "minute 60": "2021-06-04 10:60",
    "offset of a day": "2021-06-04T09:56:00+24:00",
    "offset minutes": "2021-06-04T09:56:00+08:60",
    "day 366 of 365": "2021-366",
    "week 54": "2021-W54-1",
    "broken off": "2021-06-04 09:5x",
    "goes on": "2021-06-04 09:56:00abc",
    "year": "2021",
    "chinese month": "2021年6月",
    "english month": "May 2021",
    "english day": "4 June",
    "small number": "12345678",
    "huge number": "9" * 500,
    "version": "1.5",
    "score": "比分 3:05 结束",
    "two orders": "04/06/2021",
    "two-digit year of any order": "21-06-04",
    "year and number": "2021 年度报告",
    "share": "第3季度净利润增长20%",
    "prose": "12 monkeys in 2021",
    "prose with a month": "May the 4th be with you",
    "prose with a number of": "Issue 5 of 2021",
    "tomorrow": "明天 10:00",
    "friday": "周五 14:30",
    "later": "3小时后",
    "time in a sentence": "会议14:30召开",
    "span in a sentence": "地震发生3小时前警方",
    "day in a sentence": "公司于6月4日公告",
    "two sentences": "2021-06-04 开会。结果如何",
    "long text": "2021-06-04 09:56 " + "来源" * 120,
    "address": "https://x.example/2021/06/04/a.html",
    "file name": "2021-06-04-title.md",
    "document number": "A-2021-06-04",
    "just now in a sentence": "刚刚过去的一周",
    "many days": "999999天前",
}


@pytest.mark.parametrize("text", NO_DATE.values(), ids=NO_DATE)
def test_unreadable_text_is_no_date_and_never_today(text: str) -> None:
    assert read_date(text, timezone="Asia/Shanghai", now=NOW) == DateRead(None, False)


NUMBERS = {
    "seconds": (1622771760, datetime(2021, 6, 4, 1, 56, tzinfo=UTC)),
    "milliseconds": (1622771760123, datetime(2021, 6, 4, 1, 56, 0, 123000, UTC)),
    "float seconds": (1622771760.5, datetime(2021, 6, 4, 1, 56, 0, 500000, UTC)),
    "microseconds": (1622771760123456, datetime(2021, 6, 4, 1, 56, 0, 123456, UTC)),
    "digits of a date": (20210604, datetime(2021, 6, 4, tzinfo=SHANGHAI)),
    "digits of a date and time": (20210604095600, datetime(2021, 6, 4, 9, 56, tzinfo=SHANGHAI)),
    "digits of no date": (20211304, None),
    "zero": (0, None),
    "year": (2021, None),
    "negative": (-1622771760, None),
    "true": (True, None),
    "infinity": (float("inf"), None),
    "not a number": (float("nan"), None),
    "huge": (10**400, None),
    "after 2200 in seconds": (7289654401, None),
}


@pytest.mark.parametrize(("number", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_json_number_is_told_by_its_size(number: float, expected: datetime | None) -> None:
    assert parse_date(number, timezone="Asia/Shanghai") == expected


CST = {
    "Shanghai": ("Asia/Shanghai", 8),
    "Taipei": ("Asia/Taipei", 8),
    "fixed +08:00": (timezone(timedelta(hours=8)), 8),
    "Chicago": ("America/Chicago", -6),
    "New York": ("America/New_York", -6),
    "UTC": (UTC, -6),
}


@pytest.mark.parametrize(("zone", "hours"), CST.values(), ids=CST)
@pytest.mark.parametrize(
    "text", ["2021-06-04 09:56:00 CST", "2021 Jun 4 09:56 CST"], ids=["table", "dateutil"]
)
def test_cst_is_china_where_the_source_stands_at_plus_eight(
    zone: str, hours: int, text: str
) -> None:
    at = datetime(2021, 6, 4, 9, 56, tzinfo=timezone(timedelta(hours=hours)))
    assert read_date(text, timezone=zone) == DateRead(at, True)


def test_source_zone_keeps_its_summer_time() -> None:
    summer = parse_date("2021-06-04 09:56", timezone="America/New_York")
    winter = parse_date("2021-12-04 09:56", timezone="America/New_York")
    assert summer == datetime(2021, 6, 4, 13, 56, tzinfo=UTC)
    assert winter == datetime(2021, 12, 4, 14, 56, tzinfo=UTC)


def test_time_in_the_hour_that_summer_time_skips_is_not_ahead() -> None:
    # 02:30 does not exist that day; read as 03:30 it would lie after now (03:10).
    now = datetime(2021, 3, 14, 7, 10, tzinfo=UTC)
    assert parse_date("02:30", timezone=NEW_YORK, now=now) == datetime(
        2021, 3, 13, 7, 30, tzinfo=UTC
    )


def test_unknown_source_zone_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        parse_date("2021-06-04", timezone="Mars/Olympus")


def test_rfc1123_is_written_in_english_and_gmt() -> None:
    at = datetime(2021, 6, 4, 9, 56, tzinfo=SHANGHAI)
    assert format_rfc1123(at) == "Fri, 04 Jun 2021 01:56:00 GMT"


def test_local_time_is_written_with_its_offset() -> None:
    at = datetime(2022, 3, 31, 6, 30, 55, 999, tzinfo=UTC)
    assert format_local(at, "Asia/Shanghai") == "2022-03-31 14:30:55 +0800"
    assert format_local(at, NEW_YORK) == "2022-03-31 02:30:55 -0400"
    assert format_local(at, UTC) == "2022-03-31 06:30:55 +0000"


def test_offset_with_seconds_does_not_change_the_instant() -> None:
    at = datetime(1970, 6, 1, tzinfo=UTC)
    text = format_local(at, "Africa/Monrovia")
    assert text == "1970-06-01 00:00:00 +0000"


@pytest.mark.parametrize("write", [format_rfc1123, lambda at: format_local(at, UTC)])
def test_naive_time_is_not_written_on_the_clock_of_the_machine(write: object) -> None:
    assert callable(write)
    with pytest.raises(ValueError, match="aware"):
        write(datetime(2021, 6, 4))


seconds = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
zones = st.sampled_from(
    [SHANGHAI, NEW_YORK, UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("Africa/Monrovia")]
)


@given(at=seconds, zone=zones)
def test_what_is_written_reads_back(at: datetime, zone: ZoneInfo) -> None:
    assert parse_date(format_rfc1123(at), timezone=zone) == at
    assert parse_date(format_local(at, zone), timezone="UTC") == at


# Pieces of dates, so that the tables are reached and not only refused.
pieces = st.sampled_from(
    [
        *ZONED.values(),
        *(text for text, _ in (*RELATIVE.values(), *SPANS.values())),
        *"年月日时分秒点前半昨今天:-/. ,()+|：　",
        *"上午 晚上 CST GMT EST ago 02 29 31 2021 00 24 60 99 Jun W53 T Z pm".split(),
    ]
)
texts = st.text() | st.lists(pieces, max_size=9).map("".join)


@given(text=texts)
def test_any_text_is_read_or_refused(text: str) -> None:
    at = parse_date(text, timezone=SHANGHAI, now=NOW)
    assert at is None or (1970 <= at.year <= 2200 and at.utcoffset() is not None)


@given(number=st.integers() | st.floats())
def test_any_number_is_read_or_refused(number: float) -> None:
    at = parse_date(number, timezone=SHANGHAI)
    assert at is None or 1970 <= at.year <= 2200


@given(
    text=st.sampled_from([text for text, _ in (*RELATIVE.values(), *SPANS.values())])
    | st.from_regex(r"[0-2][0-9]:[0-5][0-9]|[01][0-9]-[0-3][0-9]( [0-2][0-9]:00)?", fullmatch=True),
    now=st.datetimes(datetime(1980, 1, 1), datetime(2199, 1, 1), timezones=zones),
    zone=zones,
)
def test_relative_date_is_never_ahead(text: str, now: datetime, zone: ZoneInfo) -> None:
    at = parse_date(text, timezone=zone, now=now)
    assert at is None or at.astimezone(UTC) <= now.astimezone(UTC) + CLOCKS_DIFFER


def test_every_form_of_the_table_has_a_case() -> None:
    cases = [*ZONED.values()]
    cases += (text for text, _ in (*ZONELESS.values(), *RELATIVE.values(), *SPANS.values()))
    missing = [
        form.name
        for form in dates.FORMS
        if not any(dates._compile(form.pattern).search(text) for text in cases)
    ]
    assert missing == []
