"""Signs that a site has changed its layout, although its pages can still be read. Pure.

What a run saw is held against itself and against what earlier runs saw. Nothing here stops a run:
the report names it, with the rule and a sample.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from crawler.feeds.lists import MATCHED_NOTHING
from crawler.pages.rules import NO_RULE_FITS
from crawler.report import Trouble
from crawler.sources.rules import PageRule

# Fewer than this tell of an article and not of a layout.
FEW = 3
HOLLOW = 40  # characters; a headline repeated where the text should be
SHRUNK = 4  # times shorter than usual
ENOUGH = 10  # texts that make a usual length
# A run of pages without what others have is no chance below this: about a dozen where half have it.
UNLIKELY = 0.0005
_MOST_KEPT = 1_000
# How layouts are named: of pages, and of what the feed itself gave.
OF_RULE, OF_NO_RULE, FEED = "page rule ", "pages without a rule", "feed "
# What is said of a feed that had entries.
IS_EMPTY = "empty, where"
_REMEMBERED = 200
_HALF_HOUR = 30 * 60


@dataclass(frozen=True, slots=True)
class Sight:
    """One article as its page, or the feed itself, gave it.

    ``layout`` says what read it ("page rule '.text'", "feed 2 (快讯)"), ``rule`` is that of a page.
    ``listed_at`` is what the list said of its page's date; ``counted`` tells whether the page said
    how many pages the article has; ``digest`` stands for its text.
    """

    url: str
    layout: str
    rule: PageRule | None
    title: str
    length: int
    published: datetime | None
    listed_at: datetime | None
    digest: bytes = b""
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Usual:
    """What the texts of a layout were like in earlier runs: ``length`` is their median in
    characters, ``texts`` how many there were, ``counted`` how many of their pages said how many
    pages the article has. ``last`` are the newest of them, for a run that sees fewer than a layout
    can be judged by."""

    length: int = 0
    texts: int = 0
    counted: int = 0
    last: tuple[Sight, ...] = ()

    def as_json(self) -> list[Any]:
        """Gives it as JSON values, for the ledger; ``read_usual`` takes them back."""
        last = [
            [s.url, s.title, s.length, _stamp(s.published), _stamp(s.listed_at), s.digest.hex(),
             s.counted]
            for s in self.last
        ]  # fmt: skip
        return [self.length, self.texts, self.counted, last]


def read_usual(layout: str, values: list[Any]) -> Usual:
    """Gives what ``Usual.as_json`` was called of."""
    length, texts, counted, last = values
    return Usual(
        length,
        texts,
        counted,
        tuple(
            Sight(
                url, layout, None, title, size, _read_stamp(published), _read_stamp(listed_at),
                bytes.fromhex(digest), counted=bool(was_counted),
            )
            for url, title, size, published, listed_at, digest, was_counted in last
        ),
    )  # fmt: skip


def _stamp(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at else None


def _read_stamp(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(slots=True)
class Watch:
    """What a run saw of a source's articles, the first thousand of them.

    ``moves`` are the articles that were known, each by how many seconds its date has moved.
    """

    sights: list[Sight] = field(default_factory=list)
    moves: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.sights) >= _MOST_KEPT

    def see(self, sight: Sight) -> None:
        if not self.is_full:
            self.sights.append(sight)

    def meet(self, url: str, moved_s: int) -> None:
        if len(self.moves) < _MOST_KEPT:
            self.moves.append((moved_s, url))

    def list_layouts(self) -> dict[str, list[Sight]]:
        layouts: defaultdict[str, list[Sight]] = defaultdict(list)
        for sight in self.sights:
            layouts[sight.layout].append(sight)
        return layouts


def learn(watch: Watch, usual: Mapping[str, Usual]) -> dict[str, Usual]:
    """Gives what is usual, by layout, with this run among the runs; the last two hundred texts
    count."""
    learned = dict(usual)
    for name, sights in watch.list_layouts().items():
        before = usual.get(name, Usual())
        texts = min(before.texts, _REMEMBERED)
        counted = before.counted * texts // max(1, before.texts)
        total = before.length * texts + int(median(s.length for s in sights)) * len(sights)
        learned[name] = Usual(
            length=total // (texts + len(sights)),
            texts=texts + len(sights),
            counted=counted + sum(sight.counted for sight in sights),
            last=(*before.last, *sights)[1 - FEW :],
        )
    return learned


def find_drift(
    watch: Watch, *, now: datetime, usual: Mapping[str, Usual] | None = None
) -> Iterator[Trouble]:
    """Yields what looks like a changed layout, one for each sign and layout, with a sample's
    address. ``usual`` is what earlier runs have learned."""
    for name, sights in watch.list_layouts().items():
        rule = sights[0].rule
        before = (usual or {}).get(name, Usual())
        is_series = False
        if len(sights) < FEW:
            # Where articles come one by one no run alone sees enough of them.
            sights = [*sights, *(replace(sight, rule=rule) for sight in before.last)]
            days = {sight.published.date() for sight in sights if sight.published}
            is_series = len(days) == len(sights)  # what comes once a day may have one name
        if before.texts < ENOUGH:
            before = Usual()
        for found in (
            # What a feed says by itself may be short: flashes, headlines.
            None if name.startswith(FEED) else _find_hollow(sights),
            _find_shrunk(sights, before.length),
            _find_uncounted(sights, before),
            None if is_series else _find_same_title(sights),
            _find_same_text(sights),
            _find_missing(sights, rule),
            _find_shift(sights),
            _find_same_date(sights),
            _find_future(sights, now),
        ):
            if found:
                yield Trouble(f"{name}: {found.reason}", found.url)
    if jump := _find_jump(watch.moves):
        yield jump


def is_drift(reason: str) -> bool:
    """Tells whether the reason of a warning or a refusal is a sign of a changed layout: one of
    the above, a selector that matches nothing, a page that no rule fits, an empty feed. Of a
    report's warnings the first ``drift`` are, whatever they say."""
    begins = reason.startswith((OF_RULE, OF_NO_RULE, NO_RULE_FITS, IS_EMPTY))
    return begins or MATCHED_NOTHING in reason


def _find_hollow(sights: list[Sight]) -> Trouble | None:
    hollow = [sight for sight in sights if sight.length < HOLLOW]
    if len(hollow) < FEW or len(hollow) * 2 <= len(sights):
        return None
    return Trouble(
        f"{len(hollow)} of {len(sights)} bodies hold less than {HOLLOW} characters", hollow[0].url
    )


def _find_shrunk(sights: list[Sight], usual: int) -> Trouble | None:
    if len(sights) < FEW or not usual:
        return None
    length = median(sight.length for sight in sights)
    if length * SHRUNK >= usual:
        return None
    if length and len(sights) < ENOUGH and sights[0].layout.startswith(FEED):
        return None  # a few flashes that say their headline only
    shortest = min(sights, key=lambda sight: sight.length)
    return Trouble(
        f"bodies are suddenly short, {length:.0f} characters where {usual} were usual",
        shortest.url,
    )


def _find_uncounted(sights: list[Sight], usual: Usual) -> Trouble | None:
    """An article whose pages are not counted is archived with its first page alone."""
    rule = sights[0].rule
    if rule is None or not rule.page_count or not usual.texts:
        return None
    if any(sight.counted for sight in sights) or len(sights) < FEW:
        return None
    if (1 - usual.counted / usual.texts) ** len(sights) > UNLIKELY:
        return None
    return Trouble(
        f"page_count {rule.page_count!r} finds nothing on any of {len(sights)} pages, where "
        f"{usual.counted} of {usual.texts} had it",
        sights[0].url,
    )


def _find_same_title(sights: list[Sight]) -> Trouble | None:
    titles = Counter(sight.title for sight in sights if sight.title)
    if not titles:
        return None
    title, count = titles.most_common(1)[0]
    if count < FEW or count * 5 < len(sights) * 4:
        return None
    return Trouble(
        f"{count} of {len(sights)} articles have the title {title[:60]!r}",
        next(sight.url for sight in sights if sight.title == title),
    )


def _find_same_text(sights: list[Sight]) -> Trouble | None:
    """An error page with status 200, or what stands in front of a wall, under several titles. One
    article at several addresses has one title."""
    by_text: defaultdict[bytes, dict[str, str]] = defaultdict(dict)
    for sight in sights:
        if sight.digest:
            by_text[sight.digest].setdefault(sight.title, sight.url)
    titles = max(by_text.values(), key=len, default={})
    if len(titles) < FEW:
        return None
    return Trouble(f"{len(titles)} titles have one and the same text", next(iter(titles.values())))


def _find_missing(sights: list[Sight], rule: PageRule | None) -> Trouble | None:
    if rule is None or len(sights) < FEW:
        return None
    for name, missing in (
        ("title", all(not sight.title for sight in sights)),
        ("published", all(sight.published is None for sight in sights)),
    ):
        selector = getattr(rule, name)
        if selector and missing:
            return Trouble(
                f"{name} {selector!r} gives nothing on any of {len(sights)} pages", sights[0].url
            )
    return None


def _find_shift(sights: list[Sight]) -> Trouble | None:
    """Dates of pages that lie the same whole half-hours off those of the list."""
    shifts = [
        (int((sight.published - sight.listed_at).total_seconds()), sight.url)
        for sight in sights
        if sight.published and sight.listed_at and _has_clock(sight.listed_at)
    ]
    return _find_common(shifts, "dates of {} pages lie {:+g} hours off those of the list")


def _find_jump(moves: list[tuple[int, str]]) -> Trouble | None:
    """Known articles whose dates all moved alike: another zone, not so many corrections."""
    return _find_common(moves, "dates of {} known articles are {:+g} hours off what they were")


def _find_common(shifts: list[tuple[int, str]], reason: str) -> Trouble | None:
    """What two thirds of the shifts (seconds) have in common, in half-hours: an hour or more. The
    others are of "yesterday" and "three hours ago", or are corrections."""
    counts = Counter(round(seconds / _HALF_HOUR) for seconds, _ in shifts)
    if not counts:
        return None
    steps, count = counts.most_common(1)[0]
    if count < FEW or abs(steps) < 2 or count * 3 < len(shifts) * 2:
        return None
    return Trouble(
        reason.format(f"{count} of {len(shifts)}", steps / 2),
        next(url for seconds, url in shifts if round(seconds / _HALF_HOUR) == steps),
    )


def _has_clock(at: datetime) -> bool:
    """A list that tells days only is never exact."""
    return (at.minute, at.second) != (0, 0)


def _find_same_date(sights: list[Sight]) -> Trouble | None:
    dates = Counter(sight.published for sight in sights if sight.published)
    if not dates:
        return None
    at, count = dates.most_common(1)[0]
    if count < 2 * FEW or count < len(sights) or not _has_clock(at):
        return None
    return Trouble(f"all {count} articles have the date {at:%Y-%m-%d %H:%M %z}", sights[0].url)


def _find_future(sights: list[Sight], now: datetime) -> Trouble | None:
    ahead = [s for s in sights if s.published and s.published > now + timedelta(hours=1)]
    if not ahead:
        return None
    at = f"{ahead[0].published:%Y-%m-%d %H:%M %z}"
    reason = f"{len(ahead)} of {len(sights)} dates lie in the future, as {at}"
    return Trouble(reason, ahead[0].url)
