"""An article's last two stations: it is normalised, and it is archived."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, NoReturn, Self
from zoneinfo import ZoneInfo

from itemadapter import ItemAdapter
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from crawler.archive import Archive, Candidate, Outcome, Patience, Validator, Verdict
from crawler.errors import ArchiveError
from crawler.extensions import RunReporter
from crawler.items import NewsItem
from crawler.normalize import find_overlong, normalize
from crawler.options import read_options
from crawler.report import make_printable

logger = logging.getLogger(__name__)

# Articles of one group: a sync and a commit each cost milliseconds, a group of this size shares
# one; what a killed run has to fetch again is at most this much.
GROUP_SIZE = 256
GROUP_SECONDS = 2.0
MOST_SHOWN = 500  # characters of an overlong article's address
# How long others' locks on the archive are waited for (DESIGN 5), by every crawl of this process.
PATIENCE = Patience(90.0)

_COUNTED = {
    Verdict.NEW: "new",
    Verdict.UPDATED: "updated",
    Verdict.DUPLICATE: "duplicates",
    Verdict.UNCHANGED: "unchanged",
    Verdict.REMOVED: "removed",
}


_FIELDS = frozenset(field.name for field in fields(NewsItem))


class ArchiveFailed(DropItem):
    """The archive could not be written: what was met is not on disk and not marked as seen."""


class TextTooLong(DropItem):
    """A field of the article is over NEWS_MAX_TEXT."""


class NormalizePipeline:
    """Strips markup, decodes images, reads credits, hashes."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._options = read_options(crawler.settings)
        self._table = self._options.load_image_table()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_item(self, item: Any) -> Any:
        if not isinstance(item, NewsItem):
            # Of somebody's own spider: any kind of item whose fields are an article's.
            values = ItemAdapter(item)
            if "title" not in values or not _FIELDS.issuperset(values.field_names()):
                return item
            item = NewsItem(**values)
        if reason := find_overlong(item, max_text=self._options.max_text):
            self._refuse(item, reason)
        clean = normalize(
            item,
            body=self._options.body,
            table=self._table,
            base_url=item.base_url,
            max_depth=self._options.max_depth,
        )
        if item.seen:
            item.seen(clean)
        return clean

    def _refuse(self, item: NewsItem, reason: str) -> NoReturn:
        reporter = self._crawler.get_extension(RunReporter)
        assert reporter is not None
        url = (item.canonical_url or "")[:MOST_SHOWN]
        reporter.report.of(item.source[:MOST_SHOWN]).refuse(reason, url)
        for ticket in item.tickets:
            ticket.settle()
        raise TextTooLong(reason)


class ArchivePipeline:
    """Hands articles to the archive in groups, off the reactor, and counts what became of them."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._options = read_options(crawler.settings)
        self._zone = ZoneInfo(self._options.timezone)
        self._waiting: list[Candidate | Validator] = []
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failed = ""
        self._stats = crawler.stats
        self.archive: Archive | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def open_spider(self) -> None:
        """Opens the archive; ``archive`` stays None, and the run fails, when it cannot be."""
        reporter = self._crawler.get_extension(RunReporter)
        assert reporter is not None
        self._report = reporter.report
        try:
            archive = Archive(
                self._options.archive,
                self._options.render,
                read=self._options.read,
                near=self._options.near,
                wait_s=PATIENCE,
                dry=self._options.is_dry,
            )
            archive.note_form(self._options.dialect, self._options.body)
        except ArchiveError as error:
            self._fail(f"archive: {error}")
            return
        self._report.warnings += archive.warnings
        self.archive = archive

    async def process_item(self, item: Any) -> Any:
        if self._failed:
            raise ArchiveFailed(self._failed)
        self._stats.inc_value("item_scraped_count")
        if not isinstance(item, NewsItem):
            return item
        self._waiting.append(
            Candidate(article=item, timezone=item.timezone, met_at=item.met_at, entry=item.entry)
        )
        for ticket in item.tickets:
            ticket.settle()
        if len(self._waiting) >= GROUP_SIZE:
            if self._writing:
                await self._writing  # no faster than the disk
            self._start_writing()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GROUP_SECONDS, self._start_writing)
        return item

    def keep_validator(self, validator: Validator) -> None:
        """Keeps a feed's validators, after all the articles that were handed in before."""
        self._waiting.append(validator)

    def _start_writing(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._waiting and (self._writing is None or self._writing.done()):
            batch, self._waiting = self._waiting, []
            self._writing = asyncio.create_task(self._write(batch))

    async def _write(self, batch: list[Candidate | Validator]) -> None:
        assert self.archive is not None
        try:
            outcomes = await asyncio.to_thread(self.archive.commit, batch)
        except ArchiveError as error:
            self._fail(f"archive: {error}")
        except Exception as error:
            # A fault of ours: what it met is not on disk, so the run must not look as if it were.
            logger.exception("the archive could not be written")
            self._fail(f"archive: {error}")
        else:
            for outcome in outcomes:
                self._count(outcome)
            if self._options.is_dry:
                self._show(self.archive, outcomes)

    def _fail(self, message: str) -> None:
        """Ends the run: nothing more is taken in, and the exit status says so."""
        if not self._failed:
            self._failed = message
            self._report.errors.append(self._failed)
            if self._crawler.crawling and self.archive is not None:
                closing = self._crawler.engine.close_spider_async(reason="archive_failed")
                self._closing = asyncio.create_task(_quietly(closing))

    def _count(self, outcome: Outcome) -> None:
        article = outcome.article
        report = self._report.of(article.source)
        name = _COUNTED.get(outcome.verdict)
        if name:
            setattr(report, name, getattr(report, name) + 1)
        if outcome.shared is not None:
            address = article.canonical_url or article.guid or article.title
            report.note_near(address, outcome.twin or "", outcome.shared)
        if outcome.moved_s is not None and isinstance(article, NewsItem) and article.met:
            article.met(outcome.moved_s)
        if outcome.healed:
            report.healed += 1
            report.warn("its file was missing or changed and was written again", outcome.path)

    def _show(self, archive: Archive, outcomes: Iterable[Outcome]) -> None:
        """Says on standard output what a dry run would have written."""
        try:
            for outcome in outcomes:
                if not outcome.is_written:
                    continue
                print(describe_outcome(outcome, self._zone))
                if self._options.dry_run == "posts":
                    post = archive.find_written(outcome.path) or b""
                    print(post.decode("utf-8", "replace"))
            sys.stdout.flush()
        except OSError as error:
            # Whoever reads has gone, or a disk is full; Python would fail once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._fail(f"standard output: {error.strerror}")

    async def close_spider(self) -> None:
        if self._writing:
            await self._writing
        if self._timer:
            self._timer.cancel()
        if self._waiting and not self._failed:
            batch, self._waiting = self._waiting, []
            await self._write(batch)
        if self.archive is not None:
            self._keep_states(self.archive)
            try:
                self.archive.close()
            except ArchiveError as error:
                self._fail(f"archive: {error}")

    def _keep_states(self, archive: Archive) -> None:
        """Lets the ledger remember how each source has been doing, unless the run was stopped."""
        if not self._crawler.crawling:
            return
        visits = getattr(self._crawler.spider, "visits", ())
        now = datetime.now(UTC)
        try:
            states = {visit.source.name: visit.end(now) for visit in visits}
        except Exception as error:
            # A fault of ours: Scrapy would log it and end as if all were well.
            logger.exception("what the run saw could not be added up")
            self._fail(f"{type(error).__name__}: {error}")
            return
        if states and not self._failed:
            try:
                archive.put_states(states)
            except ArchiveError as error:
                self._fail(f"archive: {error}")


def describe_outcome(outcome: Outcome, zone: ZoneInfo) -> str:
    """Gives a line: what becomes of the article, its post's path, its date in ``zone``, title."""
    article = outcome.article
    word = outcome.verdict.value
    if outcome.retold or outcome.healed:
        word = "healed" if outcome.healed else "retold"
    at = f"{article.published.astimezone(zone):%Y-%m-%d %H:%M}" if article.published else "undated"
    near = f" (near-duplicate of {outcome.twin})" if outcome.shared is not None else ""
    return make_printable(f"{word:<8} {outcome.path}  {at:<16}  {article.title}{near}")


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(RuntimeError):  # the spider is closing already
        await closing
