"""Signs that a site has changed its layout, although its pages can still be read. Pure.

What a run saw is held against itself and against what earlier runs saw. Nothing here stops a run:
the report names it, with the rule and a sample.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from crawler.feeds.lists import NO_ROWS
from crawler.pages.rules import NO_RULE_FITS
from crawler.report import Trouble
from crawler.sources.rules import PageRule

# Fewer than this tell of an article and not of a layout.
FEW = 3
HOLLOW = 40  # characters; a headline repeated where the text should be
SHRUNK = 4  # times shorter than usual
ENOUGH = 10  # texts that make a usual length
_MOST_KEPT = 1_000
# How what ``find_drift`` yields begins, and what is said of a feed that had entries.
_OF_RULE, _OF_NO_RULE = "page rule ", "pages without a rule"
IS_EMPTY = "empty, where"


@dataclass(frozen=True, slots=True)
class Sight:
    """One article as its page gave it. ``listed_at`` is what the list said of its date; ``digest``
    stands for its text."""

    url: str
    rule: PageRule | None
    title: str
    length: int
    published: datetime | None
    listed_at: datetime | None
    digest: bytes = b""


@dataclass(slots=True)
class Watch:
    """What a run saw of a source's pages, the first thousand of them."""

    sights: list[Sight] = field(default_factory=list)

    def see(self, sight: Sight) -> None:
        if len(self.sights) < _MOST_KEPT:
            self.sights.append(sight)

    @property
    def usual_length(self) -> int:
        return int(median(sight.length for sight in self.sights)) if self.sights else 0


def find_drift(
    watch: Watch, *, now: datetime, usual_length: int = 0, bodies: int = 0
) -> Iterator[Trouble]:
    """Yields what looks like a changed layout, one for each sign and rule, with a sample's address.

    ``usual_length`` (characters) is that of ``bodies`` texts seen in earlier runs.
    """
    by_rule: defaultdict[PageRule | None, list[Sight]] = defaultdict(list)
    for sight in watch.sights:
        by_rule[sight.rule].append(sight)
    for rule, sights in by_rule.items():
        name = f"{_OF_RULE}{rule.body!r}" if rule else _OF_NO_RULE
        for found in (
            _find_hollow(sights),
            _find_shrunk(sights, usual_length if bodies >= ENOUGH else 0),
            _find_same_title(sights),
            _find_same_text(sights),
            _find_missing(sights, rule),
            _find_shift(sights),
            _find_same_date(sights),
            _find_future(sights, now),
        ):
            if found:
                yield Trouble(f"{name}: {found.reason}", found.url)


def is_drift(reason: str) -> bool:
    """Tells whether the reason of a warning or a refusal is a sign of a changed layout: one of
    the above, a selector that matches nothing, a page that no rule fits, an empty feed."""
    return reason.startswith((_OF_RULE, _OF_NO_RULE, NO_RULE_FITS, IS_EMPTY)) or NO_ROWS in reason


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
    shortest = min(sights, key=lambda sight: sight.length)
    return Trouble(
        f"bodies are suddenly short, {length:.0f} characters where {usual} were usual",
        shortest.url,
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
    """Dates of pages that all lie the same whole half-hours off those of the list."""
    shifts = [
        (round((sight.published - sight.listed_at) / timedelta(minutes=30)), sight.url)
        for sight in sights
        if sight.published and sight.listed_at and _has_clock(sight.listed_at)
    ]
    counts = Counter(steps for steps, _ in shifts)
    if len(shifts) < FEW or not counts:
        return None
    steps, count = counts.most_common(1)[0]
    if abs(steps) < 2 or count * 5 < len(shifts) * 4:
        return None
    return Trouble(
        f"dates of {count} of {len(shifts)} pages lie {steps / 2:+g} hours off those of the list",
        next(url for found, url in shifts if found == steps),
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
