"""``scrapy crawl``: Scrapy's own, with an exit status that tells how it went."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from scrapy import Spider
from scrapy.commands import BaseRunSpiderCommand
from scrapy.crawler import CrawlerProcessBase
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings
from scrapy.spiderloader import get_spider_loader

from crawler.commands import (
    add_dry_run,
    add_spider_arguments,
    read_dry_run,
    refuse_source,
    usage_in_one_line,
)
from crawler.extensions import RunReporter
from crawler.options import read_options
from crawler.spiders.feed import FeedSpider
from crawler.spiders.posts import PostsSpider
from crawler.spiders.source import SourceSpider
from crawler.stopping import Stopper


class Command(BaseRunSpiderCommand):
    requires_project = True

    def syntax(self) -> str:
        return "[options] <source>"

    def short_desc(self) -> str:
        return "Crawl one source (see scrapy list), any feed, or a folder of posts"

    def long_desc(self) -> str:
        return (
            "Crawls one declared source, any feed (scrapy crawl feed -a url=URL) or existing "
            "posts (scrapy crawl posts -a path=DIR) into the archive. Exit status: 0 done, also "
            "when nothing is new; 1 the source failed wholly or the archive could not be written; "
            "2 wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_dry_run(parser)
        sources, posts = SourceSpider.arguments, PostsSpider.arguments
        feed = {name: what for name, what in FeedSpider.arguments.items() if name not in sources}
        told = {"a source": sources, "feed, and those of a source": feed, "posts": posts}
        add_spider_arguments(parser, told)

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        assert self.settings is not None
        read_dry_run(opts, self.settings)
        # Before Scrapy begins to log, so that wrong usage is one line and nothing else.
        self._check_usage(args, opts)
        if self.exitcode:
            sys.exit(self.exitcode)

    @usage_in_one_line
    def _check_usage(self, args: list[str], opts: argparse.Namespace) -> None:
        if len(args) != 1:
            raise UsageError(f"crawl takes the name of one source, {len(args)} given")
        assert self.settings is not None
        read_options(self.settings).load_image_table()
        try:
            spider = get_spider_loader(self.settings).load(args[0])
        except KeyError as error:
            raise refuse_source(args[0]) from error
        check = getattr(spider, "check_arguments", None)
        if check is not None:
            check(dict(opts.spargs))

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        assert self.crawler_process is not None
        self.exitcode = run_spider(self.crawler_process, args[0], opts.spargs)


def run_spider(
    process: CrawlerProcessBase,
    spider: str | type[Spider],
    arguments: Mapping[str, str],
) -> int:
    """Runs one spider to its end; gives the exit status that its report tells."""
    # What was imported stays, and articles are no cycles: the collector need not look often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    crawler = process.create_crawler(spider)
    with ExitStack() as stack:
        clear = _do_nothing
        if wants_view(process.settings):
            # Imported for those only who look.
            from crawler.progress import ProgressView

            clear = stack.enter_context(ProgressView(crawler)).clear
        process.crawl(crawler, **arguments)
        Stopper(process, clear).install()
        process.start(install_signal_handlers=False)
    reporter = crawler.get_extension(RunReporter)
    if process.bootstrap_failed or reporter is None:
        return 1
    return reporter.report.exit_status


def wants_view(settings: BaseSettings) -> bool:
    """Tells whether somebody looks: at a terminal that can move its cursor, and not with a log
    that is to be quiet."""
    return (
        sys.stderr.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        and settings.getbool("LOG_ENABLED")
        and logging.getLevelName(settings["LOG_LEVEL"]) <= logging.INFO
    )


def _do_nothing() -> None:
    pass
