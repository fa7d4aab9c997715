"""When a source is due again, and how it has been doing. Pure: the clock is an argument.

The state of a source is what the last runs told of it; the ledger keeps it as one line of JSON and
can lose it: a source without a state is due.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from crawler.dates import parse_date

# A list is met again when a quarter of it has moved on, so that nothing slips out between two runs.
SHARE = 4
# A list of fewer rows tells no pace; of longer ones, one row in so many may be pinned.
PINNED = 5
# A list without anything new for longer than a weekend has stopped; before that it may be night.
QUIET = timedelta(days=3)
AT_NIGHT = timedelta(hours=1)
SHORTEST = timedelta(minutes=10)
LONGEST = timedelta(hours=24)
# After a failure: a quarter of an hour, then twice as long each time.
AFTER_FAILURE = timedelta(minutes=15)
# What a server asks for (Retry-After) is heard up to this.
MOST_ASKED = timedelta(days=7)

# A feed that had entries and is empty is believed when it is so for the third time in a row.
EMPTY_RUNS = 3


@dataclass(slots=True)
class SourceState:
    """What is known of a source between two runs. Times are seconds UTC, None where unknown.

    ``failures`` counts the runs in a row that failed wholly; ``new`` and ``entries`` are those of
    the last run; ``trouble`` is why the last run failed or what it warned of, "" for none.
    ``layouts`` has, by its name, what the texts of each layout are usually like (``drift.Usual``).
    ``feeds`` has, by the digest of a feed's address, how many entries it held when last it held
    any, and how many times in a row it was empty since. ``paged`` has, likewise, how many rows the
    first page of a list held when last it led to a second one, and ``spans`` how far it went back,
    for runs in which it has not changed. ``fresh_s`` is what the source said of its freshness.
    """

    run_at: int | None = None
    due_at: int | None = None
    newest_at: int | None = None
    failures: int = 0
    new: int = 0
    entries: int = 0
    trouble: str = ""
    layouts: dict[str, list[Any]] = field(default_factory=dict)
    feeds: dict[str, list[int]] = field(default_factory=dict)
    paged: dict[str, int] = field(default_factory=dict)
    spans: dict[str, list[int]] = field(default_factory=dict)
    fresh_s: int = 0

    def is_due(self, now: datetime) -> bool:
        return self.due_at is None or self.due_at <= now.timestamp()


_KEYS = frozenset(each.name for each in fields(SourceState))


def count_entries(before: Iterable[int] | None, entries: int) -> tuple[list[int], int]:
    """Gives what is remembered of a feed (see ``SourceState.feeds``), and how many entries are
    missing: none where it holds some, never held any, or is empty for the third time in a row.

    >>> count_entries([20, 0], 0), count_entries([20, 2], 0), count_entries(None, 5)
    (([20, 1], 20), ([0, 0], 0), ([5, 0], 0))
    """
    had, empty = before or (0, 0)
    if entries or not had or empty + 1 >= EMPTY_RUNS:
        return [entries, 0], 0
    return [had, empty + 1], had


def parse_state(text: str | None) -> SourceState:
    """Gives the state in a line of JSON, without what other versions knew besides; an empty one
    where there is none that can be read."""
    try:
        values = json.loads(text or "{}")
        known = {key: value for key, value in values.items() if key in _KEYS}
        return SourceState(**known)
    except (ValueError, TypeError, AttributeError):
        return SourceState()


def render_state(state: SourceState) -> str:
    return json.dumps(asdict(state), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Span:
    """How far a list goes back. ``newest`` is None where the list is too short to tell a pace."""

    oldest: datetime
    newest: datetime | None = None

    @property
    def seconds(self) -> list[int]:
        ends = (self.oldest, self.newest or self.oldest)
        return [int(at.timestamp()) for at in ends[: 2 if self.newest else 1]]


def read_span(seconds: Iterable[int]) -> Span:
    """Gives the span whose ``seconds`` these are."""
    return Span(*(datetime.fromtimestamp(at, UTC) for at in seconds))


def find_span(published: Iterable[datetime]) -> Span | None:
    """Gives how far a list goes back, None of one without dates. Its oldest fifth does not count:
    such rows are pinned, or are top stories of last month."""
    dates = sorted(published)
    if not dates:
        return None
    return Span(dates[len(dates) // PINNED], dates[-1] if len(dates) >= PINNED else None)


def find_interval(
    spans: Iterable[Span],
    *,
    now: datetime,
    failures: int = 0,
    fresh_s: int = 0,
    retry_after_s: int = 0,
) -> timedelta:
    """Gives how long to wait before a source is asked again.

    ``spans`` are those of its lists (``find_span``), and the shortest one counts: a list that spans
    an hour is asked every quarter of an hour, one that spans a month once a day. After a quiet
    night or weekend it is still asked before it can have turned over at its usual pace. ``fresh_s``
    is what the documents say of their own freshness (TTL, Cache-Control), ``retry_after_s`` what
    the server asked for; both in seconds. ``failures`` is how many runs in a row have failed, this
    one counted.
    """
    asked = min(timedelta(seconds=max(0, retry_after_s)), MOST_ASKED)
    if failures:
        wait = min(AFTER_FAILURE * (1 << min(failures - 1, 10)), LONGEST)
        return max(wait, asked)
    waits = [_find_wait(span, now) for span in spans if span.oldest <= now]
    wait = min(waits, default=LONGEST / SHARE)
    wait = max(wait, min(timedelta(seconds=max(0, fresh_s)), LONGEST))
    return max(min(max(wait, SHORTEST), LONGEST), asked)


def _find_wait(span: Span, now: datetime) -> timedelta:
    wait = (now - span.oldest) / SHARE
    if span.newest is None or now - span.newest > QUIET:
        return wait
    return min(wait, max(span.newest - span.oldest, AT_NIGHT))


def read_freshness(cache_control: str | None) -> int:
    """Gives the seconds for which a response says it is fresh; 0 for none (RFC 9111, 5.2.2)."""
    text = (cache_control or "").lower()
    if "no-cache" in text or "no-store" in text:
        return 0
    match = _MAX_AGE.search(text)
    return int(match[1]) if match else 0


def read_retry_after(value: str | None, *, now: datetime) -> int:
    """Gives the seconds that a Retry-After header asks for, from its seconds or its date; 0 for
    none that can be read (RFC 9110, 10.2.3)."""
    text = (value or "").strip()
    if text.isdecimal():
        return int(text[:9])
    at = parse_date(text, timezone="UTC") if text else None
    return max(0, ceil((at - now).total_seconds())) if at else 0


_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})")


def iso(seconds: int | None) -> datetime | None:
    """Gives the instant of seconds UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
