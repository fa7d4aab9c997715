"""What a response, or the failure to get one, says: its moment, its header fields, its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawler.dates import parse_date
from crawler.errors import DownloadError
from crawler.extensions import say_error
from crawler.manners import SILENCE, say_silence

# An HTTP status that will be the same tomorrow: the article is written from the feed's own text.
GONE = frozenset((401, 403, 404, 405, 410, 414, 451))


def response_time(response: Response) -> datetime:
    """Gives the moment the response speaks of: its Date, less the time it lay in a cache."""
    at = parse_date(read_header(response, "Date") or "", timezone="UTC")
    age = read_header(response, "Age") or ""
    if at is None:
        return datetime.now(UTC)
    return at - timedelta(seconds=int(age)) if age.isdecimal() and len(age) < 9 else at


def say_failure(failure: Failure) -> str:
    """Gives the reason of a failed request in a few words."""
    error = failure.value
    if isinstance(error, HttpError):
        return f"HTTP {error.response.status}"
    if isinstance(error, DownloadError):
        return str(error)
    if isinstance(error, ValueError):  # raised by Scrapy and Twisted for what is no address
        return f"refused address: it cannot be read: {error}"
    if "max redirections" in str(error):
        return "refused: more redirects than REDIRECT_MAX_TIMES"
    if isinstance(error, SILENCE):
        return say_silence(error)
    if isinstance(error, IgnoreRequest):
        return str(error).lower() if "robots" in str(error).lower() else f"refused: {error}"
    return say_error(failure)


def is_for_good(failure: Failure) -> bool:
    """Tells whether asking again tomorrow would bring the same."""
    error = failure.value
    if isinstance(error, HttpError):
        return error.response.status in GONE
    return isinstance(error, (IgnoreRequest, ValueError))


def is_missing(failure: Failure) -> bool:
    """Tells whether there is nothing at the address."""
    error = failure.value
    return isinstance(error, HttpError) and error.response.status in (404, 410)


def read_header(response: Response, name: str) -> str | None:
    """Gives the value of a header field, None where the response has none."""
    value = response.headers.get(name)
    return value.decode("latin-1") if value else None
