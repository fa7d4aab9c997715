"""Around a run: its report, and a log that does not speak of every article."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.extensions import corestats
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult
from twisted.python.failure import Failure

from crawler.archive.files import sync_folder
from crawler.archive.presence import is_locked
from crawler.options import read_options
from crawler.report import RunReport

logger = logging.getLogger(__name__)

_COUNTS = "new updated duplicates near_duplicates unchanged healed removed partial".split()


class QuietLogFormatter(LogFormatter):
    """Scrapy's, without making up a line for every article that no log will show."""

    def __init__(self, level: str) -> None:
        self._shows_articles = level == "DEBUG"

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings["LOG_LEVEL"])

    # Scrapy takes None for "no line" (core/scraper.py); its annotation has not heard of it.
    def scraped(  # type: ignore[override]
        self, item: Any, response: Response | Failure | None, spider: Spider
    ) -> LogFormatterResult | None:
        return super().scraped(item, response, spider) if self._shows_articles else None

    def dropped(
        self,
        item: Any,
        exception: BaseException,
        response: Response | Failure | None,
        spider: Spider,
    ) -> LogFormatterResult:
        """Without the whole article: a full disk drops many, and the run's end says why."""
        return {"level": logging.DEBUG, "msg": "Dropped: %(why)s", "args": {"why": exception}}


class CoreStats(corestats.CoreStats):
    """Scrapy's, but that the pipeline counts articles: a signal with a receiver makes a task for
    each of them, at a tenth of the cost of a whole full-text article."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        stats = super().from_crawler(crawler)
        crawler.signals.disconnect(stats.item_scraped, signal=signals.item_scraped)
        return stats


class RunReporter:
    """Keeps the run's report and writes it when the spider has closed.

    Others get it by ``crawler.get_extension(RunReporter).report``.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.report = RunReport(started_at=datetime.now(UTC))
        self._crawler = crawler
        options = read_options(crawler.settings)
        self._folder = options.archive / "reports"
        self._is_dry = options.is_dry
        crawler.signals.connect(self.spider_error, signal=signals.spider_error)
        crawler.signals.connect(self.item_error, signal=signals.item_error)
        crawler.signals.connect(self.spider_closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def spider_error(self, failure: Failure, response: Response, spider: Spider) -> None:
        self.report.errors.append(f"{response.url}: {say_error(failure)}")

    def item_error(self, item: Any, failure: Failure) -> None:
        name = getattr(item, "canonical_url", None) or getattr(item, "title", "")
        self.report.errors.append(f"{name}: {say_error(failure)}")

    def spider_closed(self, spider: Spider, reason: str) -> None:
        report = self.report
        report.ended_at = datetime.now(UTC)
        stats = self._crawler.stats
        if self._is_dry:
            logger.info("dry run, nothing was written; what a crawl would have done:")
        for name, source in sorted(report.sources.items()):
            why = source.troubles
            told = f"; {why[0].url}: {why[0].reason}" if why else ""
            if source.failed_wholly:
                logger.error("%s: failed, %s%s", name, source.summary(), told)
            elif source.feeds_failed:
                logger.warning("%s: %s%s", name, source.summary(), told)
            else:
                logger.info("%s: %s%s", name, source.summary(), told)
            for key in _COUNTS:
                stats.inc_value(f"news/{key}", getattr(source, key))
            stats.inc_value("news/refused", source.refused_count)
            stats.inc_value("news/warnings", source.warning_count)
        for message in report.errors:
            logger.error(message)
        self.write()

    def write(self) -> None:
        """Writes the report as it is now; a failure becomes one of its errors and is told. A dry
        run leaves none."""
        if self._is_dry:
            return
        report = self.report
        try:
            write_report(self._folder, report)
        except OSError as error:
            report.errors.append(f"{error.filename or self._folder}: {error.strerror}")
            logger.error("the report cannot be written: %s", report.errors[-1])


def say_error(failure: Failure) -> str:
    return f"{type(failure.value).__name__}: {failure.value}".rstrip(": ")


def write_report(folder: Path, report: RunReport) -> Path:
    """Writes ``<UTC time>.json`` and makes ``latest.json`` its copy, each whole or not at all.

    Raises OSError. Temp files of runs that were killed are swept.
    """
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "is a symbolic link", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    _sweep_reports(folder)
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n"
    at = report.started_at
    while (path := folder / f"{at:%Y%m%dT%H%M%S}.{at.microsecond:06}Z.json").exists():
        at += timedelta(microseconds=1)  # a clock that was set back, or stands still
    for target in (path, folder / "latest.json"):
        _write_whole(target, text.encode())
    sync_folder(str(folder))
    return path


def _write_whole(target: Path, data: bytes) -> None:
    temp = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        # A locked temp file is one that somebody is at work on.
        fcntl.flock(fd, fcntl.LOCK_EX)
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(fd)
        temp.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise
    finally:
        os.close(fd)


def _sweep_reports(folder: Path) -> None:
    for temp in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if not is_locked(temp):
                temp.unlink()
