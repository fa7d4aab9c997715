"""The days that an overview is about."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Period:
    """Calendar days of one zone, the last of them that of ``made_at``. ``edges`` are the midnights
    between them and around them, in seconds UTC: a day may have 23 or 25 hours."""

    made_at: datetime
    zone: ZoneInfo
    days: tuple[date, ...]
    edges: tuple[int, ...]

    @classmethod
    def make(cls, days: int, *, now: datetime, zone: ZoneInfo) -> Period:
        """``days`` is at most MOST_DAYS."""
        now = now.astimezone(zone)
        first = now.date() - timedelta(days=days - 1)
        dates = tuple(first + timedelta(days=n) for n in range(days + 1))
        midnights = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in dates)
        return cls(now, zone, dates[:-1], tuple(int(at.timestamp()) for at in midnights))

    @property
    def since(self) -> int:
        """Seconds UTC of the first midnight."""
        return self.edges[0]

    def find_day(self, at: float) -> int | None:
        """Gives the number of the day that seconds UTC fall into, None outside of all."""
        if not self.edges[0] <= at < self.edges[-1]:
            return None
        return bisect_right(self.edges, at) - 1

    def is_midnight(self, at: int) -> bool:
        """Tells whether this is how a date without a clock is kept."""
        day = self.find_day(at)
        return day is not None and self.edges[day] == at
