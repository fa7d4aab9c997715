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
    first page of a list held when last it led to a second one.
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


def find_interval(
    published: Iterable[datetime],
    *,
    now: datetime,
    failures: int = 0,
    fresh_s: int = 0,
    retry_after_s: int = 0,
) -> timedelta:
    """Gives how long to wait before a source is asked again.

    ``published`` are the dates that its lists held: a list that spans an hour is asked every
    quarter of an hour, one that spans a month once a day. ``fresh_s`` is what the documents say of
    their own freshness (TTL, Cache-Control), ``retry_after_s`` what the server asked for; both in
    seconds. ``failures`` is how many runs in a row have failed, this one counted.
    """
    asked = min(timedelta(seconds=max(0, retry_after_s)), MOST_ASKED)
    if failures:
        wait = min(AFTER_FAILURE * (1 << min(failures - 1, 10)), LONGEST)
        return max(wait, asked)
    dates = [at for at in published if at <= now]
    wait = (now - min(dates)) / SHARE if dates else LONGEST / SHARE
    wait = max(wait, min(timedelta(seconds=max(0, fresh_s)), LONGEST))
    return max(min(max(wait, SHORTEST), LONGEST), asked)


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
