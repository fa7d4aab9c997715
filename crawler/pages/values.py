"""Single values out of a page: what rules and the generic reading have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from crawler.dates import parse_date

_LONG = 10_000  # characters; a selector that hits more names the page, not its date
# A date with its year, as it stands in a line with a lot around it. By expression: it is running
# text. The parts are bounded and begin with different characters.
_DATE = re.compile(
    r"(?<![\d.])(?:19|20)\d\d\s?(?:[-/.]|年)\s?\d{1,2}\s?(?:[-/.]|月)\s?\d{1,2}(?!\d)\s?日?"
    r"(?:[\sT,|]{0,9}\d{1,2}[:\uff1a时]\d{2}(?:[:\uff1a分]\d{2})?)?"
)
_CLOCK = re.compile(r"[:\uff1a时]\d")


def find_date(text: str, *, timezone: str, now: datetime | None) -> datetime | None:
    """Gives the date that the text is or has in it, the first one with a time of day if any.

    None when there is none. Dates inside a longer text count only with their year.
    """
    if not text:
        return None
    at = parse_date(text, timezone=timezone, now=now)
    if at is not None:
        return at
    return next(find_dates(text[:_LONG], timezone=timezone), None)


def find_dates(text: str, *, timezone: str) -> Iterator[datetime]:
    """Gives the dates with a year in a text of any length; those with a time of day first."""
    found = [match[0] for match in _DATE.finditer(text)]
    for written in sorted(found, key=lambda date: not _CLOCK.search(date)):
        at = parse_date(written, timezone=timezone)
        if at is not None:
            yield at
