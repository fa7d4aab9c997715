"""Fetches a document or two and keeps them: for commands that look at one page."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, ClassVar

from scrapy import Request, Spider
from scrapy.crawler import CrawlerProcessBase
from scrapy.http import Response
from scrapy.settings import BaseSettings
from twisted.python.failure import Failure

from crawler.middlewares import AddressGuard, make_request
from crawler.options import list_download_settings
from crawler.sources import Source
from crawler.spiders.responses import say_failure

# Gives the address to fetch next, None for none.
Choose = Callable[[Response], str | None]


class FetchSpider(Spider):
    """Asks for ``url``, then once for what ``choose`` gives; writes no archive and no report."""

    name = "fetch"
    sources: tuple[Source, ...] = ()
    url: str
    headers: ClassVar[dict[str, str]] = {}
    choose: Choose | None = None
    responses: list[Response]
    reasons: list[str]

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        for name in ("ITEM_PIPELINES", "EXTENSIONS"):
            settings.set(name, {}, priority="spider")
        for name, value in list_download_settings(settings).items():
            settings.set(name, value, priority="cmdline")

    async def start(self) -> AsyncIterator[Any]:
        self.responses, self.reasons = [], []
        guard = self.crawler.get_downloader_middleware(AddressGuard)
        assert guard is not None
        guard.declare(self.url)  # the operator's own; what it leads to is judged
        yield self._ask(self.url)

    def _ask(self, url: str) -> Request:
        return make_request(
            url, callback=self.parse, errback=self.fail, headers=self.headers, dont_filter=True
        )

    def parse(self, response: Response, **_: Any) -> Iterable[Request]:
        self.responses.append(response)
        following = self.choose(response) if self.choose and len(self.responses) == 1 else None
        return [self._ask(following)] if following else []

    def fail(self, failure: Failure) -> None:
        request: Request = failure.request  # type: ignore[attr-defined]
        self.reasons.append(f"{request.url}: {say_failure(failure)}")


def speak_softly(settings: BaseSettings | None, opts: argparse.Namespace) -> None:
    """Leaves the log to errors, unless the operator asks for more."""
    if settings is not None and not opts.loglevel:
        settings.set("LOG_LEVEL", "ERROR", priority="cmdline")


def fetch(
    process: CrawlerProcessBase, url: str, *, choose: Choose | None = None
) -> tuple[list[Response], list[str]]:
    """Gives the responses, one or two, and why one did not come. To be called once a process."""
    responses: list[Response] = []
    reasons: list[str] = []
    spider = type(
        "FetchSpider",
        (FetchSpider,),
        {
            "url": url,
            "choose": staticmethod(choose) if choose else None,
        },
    )
    crawler = process.create_crawler(spider)
    process.crawl(crawler)
    process.start()
    found = crawler.spider
    if isinstance(found, FetchSpider):
        responses, reasons = found.responses, found.reasons
    return responses, reasons
