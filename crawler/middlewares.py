"""What stands between a request and the network: which addresses are asked, and what is taken off
a response before anybody reads it.

Glue: how an address is judged stands in ``addresses.py``; ``downloads.py`` asks the guard again
about the address that is really connected to. Content encodings are read in ``decoding.py``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self
from urllib.parse import quote, urljoin

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response, TextResponse
from scrapy.responsetypes import responsetypes
from w3lib.url import safe_url_string

from crawler.addresses import Origin, is_public, read_origin, refuse_address
from crawler.decoding import ENCODINGS, decode_body
from crawler.errors import CutError, DownloadError, TooLargeError
from crawler.extensions import RunReporter

_NO_ADDRESS = "no-address"


class AddressRefused(DownloadError, IgnoreRequest):  # noqa: N818 - as IgnoreRequest
    """The address must not be asked, now or later."""


def make_request(url: str, **options: Any) -> Request:
    """Gives a request for an address that somebody else wrote. For what cannot be an address it is
    one that the guard refuses, so that it ends as every refused one does."""
    try:
        return Request(url, **options)
    except ValueError:
        return Request(f"{_NO_ADDRESS}://{quote(url[:500], safe='')}", **options)


class AddressGuard:
    """Lets requests through to what the operator declared and to public addresses.

    ``declared`` are the origins of all sources of the run; ``unverified`` are those of them whose
    certificates are not looked at.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.declared: set[Origin] = set()
        self.unverified: set[Origin] = set()
        self._crawler = crawler
        crawler.signals.connect(self.spider_opened, signal=signals.spider_opened)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def spider_opened(self, spider: Any) -> None:
        for source in getattr(spider, "sources", ()):
            for url in source.addresses:
                self.declare(url, verify_certificate=source.verify_certificate)
            reporter = self._crawler.get_extension(RunReporter)
            if reporter is not None and not source.verify_certificate:
                reporter.report.of(source.name).warn(
                    "certificates are not verified (verify_certificate = false)",
                    source.addresses[0],
                )

    def declare(self, url: str, *, verify_certificate: bool = True) -> None:
        """Trusts the host and port of an address, or of a template that tells them."""
        with suppress(ValueError):
            origin = read_origin(url)
            self.declared.add(origin)
            if not verify_certificate:
                self.unverified.add(origin)

    def process_request(self, request: Request) -> None:
        self.check_url(request.url)

    def check_url(self, url: str) -> None:
        """Raises AddressRefused where the form of the address tells enough."""
        if url.startswith(_NO_ADDRESS):
            raise self._refuse("it cannot be read")
        reason = refuse_address(url, self.declared)
        if reason is not None:
            raise self._refuse(reason)

    def check_redirect(self, response: Response) -> None:
        """Raises AddressRefused for a redirect to where it must not lead, also where Scrapy would
        only leave it alone."""
        location = response.headers.get("Location")
        if location and 300 < response.status < 400 and response.status != 304:
            try:
                url = urljoin(response.url, safe_url_string(location.strip()))
            except ValueError as error:
                raise self._refuse(f"it cannot be read: {error}") from error
            self.check_url(url)

    def check_connection(self, origin: Origin, address: str) -> None:
        """Raises AddressRefused when the IP address that a host stands for must not be asked."""
        if origin not in self.declared and not is_public(address):
            name = "" if origin[0] == address else f"{origin[0]} is "
            raise self._refuse(f"{name}{address}, which is not public")

    def _refuse(self, reason: str) -> AddressRefused:
        self._crawler.stats.inc_value("news/address_refused")
        return AddressRefused(f"refused address: {reason}")


class TooLargeResponse(TooLargeError, IgnoreRequest):  # noqa: N818
    """As large tomorrow: not asked for again."""


class ContentEncoding:
    """Stands in for Scrapy's HttpCompressionMiddleware, which takes half a body for the whole."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._max_bytes = crawler.settings.getint("NEWS_MAX_BYTES")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        request.headers.setdefault("Accept-Encoding", ", ".join(ENCODINGS))

    def process_response(self, request: Request, response: Response) -> Request | Response:
        told = b",".join(response.headers.getlist("Content-Encoding")).decode("latin-1")
        if not told or request.method == "HEAD":
            return response
        encodings = [name.strip().lower() for name in told.split(",")]
        try:
            body = decode_body(response.body, encodings, max_bytes=self._max_bytes)
        except TooLargeError as error:
            raise TooLargeResponse(str(error)) from error
        except CutError:
            assert self._crawler.spider is not None
            again = get_retry_request(request, spider=self._crawler.spider, reason="cut")
            if again is None:
                raise
            return again
        if body is None:
            return response
        del response.headers["Content-Encoding"]
        kind = responsetypes.from_args(headers=response.headers, url=response.url, body=body)
        # The charset is told anew from the decoded bytes.
        telling = {"encoding": None} if issubclass(kind, TextResponse) else {}
        return response.replace(cls=kind, body=body, **telling)
