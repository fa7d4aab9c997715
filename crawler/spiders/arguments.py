"""The ``-a`` arguments of spiders, read and refused in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from scrapy.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a source is wanted: days (inclusive, in the source's zone), at most ``limit``
    articles that are not known yet, one channel; ``refresh`` also fetches what is known again."""

    since: date | None = None
    until: date | None = None
    limit: int | None = None
    channel: str | None = None
    refresh: bool = False

    def holds(self, day: date) -> bool:
        return (self.since is None or day >= self.since) and (
            self.until is None or day <= self.until
        )


def read_day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise wrong_argument(name, text, "a day such as 2026-06-01") from None


def read_count(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise wrong_argument(name, text, "a whole number above 0")
    return int(text)


def read_flag(text: str | None, name: str) -> bool:
    if text not in (None, "0", "1"):
        raise wrong_argument(name, text, "0 or 1")
    return text == "1"


def read_url(text: str | None, name: str) -> str:
    parts = urlsplit(text or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong_argument(name, text or "", "an absolute http or https address")
    return text or ""


def wrong_argument(name: str, text: str, expected: str) -> UsageError:
    return UsageError(f"-a {name}={text}: expected {expected}", print_help=False)
