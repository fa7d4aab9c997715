"""What travels through Scrapy: an article, and where it was met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crawler.archive import Validator
from crawler.article import Article


@dataclass(slots=True)
class Ticket:
    """A feed document on its way: its validators are kept once all that it listed is safe.

    ``open`` counts entries whose fate is not known yet, the document itself among them. One that
    failed for a time leaves no validator behind, so the next run meets all of it again.
    """

    validator: Validator
    keep: Callable[[Validator], None]
    open: int = 1
    failed: bool = False

    def settle(self, *, failed: bool = False) -> None:
        """Says that one of the open things is done (or is to be tried again next time)."""
        self.failed |= failed
        self.open -= 1
        if self.open == 0 and not self.failed:
            self.keep(self.validator)


@dataclass(slots=True)
class NewsItem(Article):
    """An article in Scrapy's hands. Equal, exported and shown like the article it is.

    ``timezone`` is its source's; ``base_url`` is what relative addresses in the body are relative
    to; ``entry`` is the digest of its feed entry; ``seen`` wants to know of the normalised article,
    ``met`` of an article that was known by how many seconds its date has moved.
    """

    timezone: str = field(default="Asia/Shanghai", compare=False, repr=False)
    met_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False, repr=False)
    base_url: str | None = field(default=None, compare=False, repr=False)
    entry: bytes | None = field(default=None, compare=False, repr=False)
    tickets: list[Ticket] = field(default_factory=list, compare=False, repr=False)
    seen: Callable[[Article], None] | None = field(default=None, compare=False, repr=False)
    met: Callable[[int], None] | None = field(default=None, compare=False, repr=False)
