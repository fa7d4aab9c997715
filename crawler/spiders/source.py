"""The spider behind every declared source, and the one that visits many of them in one run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings

from crawler.extensions import RunReporter
from crawler.hosts import name_host
from crawler.options import Options, list_download_settings, read_options
from crawler.pipelines import ArchivePipeline
from crawler.sources import Source
from crawler.spiders.arguments import Wanted, read_count, read_day, read_flag
from crawler.spiders.visit import Visit


class SourceSpider(Spider):
    """Visits ``sources``. Arguments: since, until (days, inclusive), limit, channel, refresh."""

    name = ""
    sources: tuple[Source, ...] = ()
    options: Options
    arguments: ClassVar[dict[str, str]] = {
        "since": "only articles of this day and later, e.g. 2026-06-01 (in the source's zone)",
        "until": "only articles of this day and earlier",
        "limit": "at most so many articles that are not known yet",
        "channel": "only the feeds of this channel, as the source file names it",
        "refresh": "1: fetch known pages and unchanged feeds again",
    }

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name)
        self.wanted = Wanted(
            since=read_day(kwargs.get("since"), "since"),
            until=read_day(kwargs.get("until"), "until"),
            limit=read_count(kwargs.get("limit"), "limit"),
            channel=kwargs.get("channel"),
            refresh=read_flag(kwargs.get("refresh"), "refresh"),
        )
        self.visits: list[Visit] = []

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        slots = _list_slots(cls.sources, settings) | settings.getdict("DOWNLOAD_SLOTS")
        for key, value in (list_download_settings(settings) | {"DOWNLOAD_SLOTS": slots}).items():
            settings.set(key, value, priority="cmdline")

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.options = read_options(crawler.settings)
        return spider

    @classmethod
    def check_arguments(cls, arguments: dict[str, str]) -> None:
        """Raises UsageError, with one line, when the ``-a`` arguments make no sense."""
        for key in arguments:
            if key not in cls.arguments:
                raise UsageError(
                    f"-a {key}=…: unknown argument, expected one of {', '.join(cls.arguments)}",
                    print_help=False,
                )
        spider = cls(**arguments)
        since, until = spider.wanted.since, spider.wanted.until
        if since and until and since > until:
            raise UsageError(
                f"-a since={since} -a until={until}: expected since not after until",
                print_help=False,
            )
        channels = [feed.channel for source in spider.sources for feed in source.feeds]
        if spider.wanted.channel is not None and spider.wanted.channel not in channels:
            raise UsageError(
                f"-a channel={spider.wanted.channel}: source {cls.name} has "
                f"{', '.join(dict.fromkeys(filter(None, channels))) or 'no channels'}",
                print_help=False,
            )

    async def start(self) -> AsyncIterator[Any]:
        reporter = self.crawler.get_extension(RunReporter)
        pipeline = self.crawler.get_item_pipeline(ArchivePipeline)
        assert reporter is not None
        assert pipeline is not None
        if pipeline.archive is None:
            return
        now = datetime.now(UTC)
        for source in self.sources:
            visit = Visit(
                source,
                wanted=self.wanted,
                options=self.options,
                report=reporter.report.of(source.name),
                archive=pipeline.archive,
                keep=pipeline.keep_validator,
                goes_on=lambda: self.crawler.crawling,
            )
            self.visits.append(visit)
            for request in visit.start(now):
                yield request


def _list_slots(
    sources: Iterable[Source], settings: BaseSettings
) -> dict[str, dict[str, float | int]]:
    """The manners of hosts whose sources have their own; of two that share one, the gentler."""
    slots: dict[str, dict[str, float | int]] = {}
    for source in sources:
        if source.delay_s is None and source.concurrency is None:
            continue
        delay = settings.getfloat("DOWNLOAD_DELAY") if source.delay_s is None else source.delay_s
        most = source.concurrency or settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN")
        for host in {name_host(feed.url) for feed in source.feeds}:
            slot = slots.setdefault(host, {"delay": delay, "concurrency": most})
            slot["delay"] = max(slot["delay"], delay)
            slot["concurrency"] = min(slot["concurrency"], most)
    return slots
