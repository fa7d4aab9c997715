"""What can go wrong, as one tree. Each error says where it happened and what was expected."""

from __future__ import annotations


class NewsError(Exception):
    """Base of every error that our own code raises on purpose."""


class FeedError(NewsError):
    """A document could not be read as a feed: ``url`` says which, ``reason`` why."""

    def __init__(self, reason: str, *, url: str = "") -> None:
        super().__init__(f"{url}: {reason}" if url else reason)
        self.url = url
        self.reason = reason


class PageError(NewsError):
    """An article page gave no article: ``url`` says which, ``reason`` why."""

    def __init__(self, reason: str, *, url: str = "") -> None:
        super().__init__(f"{url}: {reason}" if url else reason)
        self.url = url
        self.reason = reason


class NotAPageError(PageError):
    """What came is no text at all: a PDF, an image, a video."""


class GonePageError(PageError):
    """A page that says itself that its article is gone, or not open to everybody."""


class LimitError(FeedError):
    """An input is over a bound; the reason names the ``NEWS_MAX_…`` setting."""


class DownloadError(NewsError):
    """A request brought no response that may be used; the message says why."""


class CutError(DownloadError):
    """Of a response a part is missing or broken; asking again may bring all of it."""


class TooLargeError(DownloadError):
    """A response is over NEWS_MAX_BYTES when it is decoded."""


class HostGivenUpError(DownloadError):
    """A host is asked nothing more in this run; it asked for ``retry_after_s`` seconds of peace."""

    def __init__(self, reason: str, *, retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class RobotsError(DownloadError):
    """A robots.txt cannot be had at the moment, so that nobody knows what it allows."""


class SourceTimeError(DownloadError):
    """A source took longer than NEWS_MAX_SOURCE_SECONDS."""


class SourceError(NewsError):
    """A source file does not validate: file, key, what was found, what was expected."""

    def __init__(self, reason: str, *, path: str = "", key: str = "") -> None:
        where = ": ".join(part for part in (path, key) if part)
        super().__init__(f"{where}: {reason}" if where else reason)
        self.path = path
        self.key = key
        self.reason = reason


class PostError(NewsError):
    """A post cannot be rendered in the dialect asked for; the message names key and value."""


class ReportError(NewsError):
    """A run's report is not as reports are written; the message says what was found."""


class ArchiveError(NewsError):
    """The archive could not be read or written; the message names the path."""


class LedgerError(ArchiveError):
    """The ledger cannot be used: locked, unwritable, of another version. Names its path."""


class DamagedLedgerError(LedgerError):
    """What stands in the ledger's place is no ledger (any more); it can be rebuilt."""
