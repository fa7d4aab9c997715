"""``scrapy harvest``: the scheduled run over all sources that are due."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime

from scrapy.commands import BaseRunSpiderCommand

from crawler.archive import read_states
from crawler.commands import (
    add_dry_run,
    add_spider_arguments,
    read_dry_run,
    refuse_source,
    usage_in_one_line,
)
from crawler.commands.crawl import run_spider
from crawler.errors import ArchiveError
from crawler.options import read_options
from crawler.sources import Source
from crawler.spiders.harvest import make_harvest
from crawler.spiders.source import SourceSpider

logger = logging.getLogger(__name__)


class Command(BaseRunSpiderCommand):
    requires_project = True

    def syntax(self) -> str:
        return "[options] [SOURCE...]"

    def short_desc(self) -> str:
        return "Crawl all sources that are due, in one run"

    def long_desc(self) -> str:
        return (
            "Visits all declared sources that are due and not ended, or those that are named, in "
            "one process with one report; what fails at one source costs the others nothing. How "
            "often a source is due follows what it publishes and says of its freshness. Safe to "
            "overlap. Exit status: 0 done, also when nothing is due or new; 1 a source failed "
            "wholly or the archive could not be written; 2 wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument_group(title="Harvest").add_argument(
            "--all", action="store_true", help="every source, due or not, ended or not"
        )
        add_dry_run(parser)
        add_spider_arguments(parser, {"its sources": SourceSpider.arguments})

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        assert self.settings is not None
        read_dry_run(opts, self.settings)
        # Before Scrapy begins to log, so that wrong usage is one line and nothing else.
        self._choose(args, opts)
        if self.exitcode:
            sys.exit(self.exitcode)

    @usage_in_one_line
    def _choose(self, args: list[str], opts: argparse.Namespace) -> None:
        assert self.settings is not None
        options = read_options(self.settings)
        options.load_image_table()
        declared = options.load_sources()
        unknown = [name for name in args if name not in declared]
        if unknown:
            raise refuse_source(unknown[0])
        if args or opts.all:
            self._sources: list[Source] = [declared[name] for name in args or declared]
        else:
            now = datetime.now(UTC)
            try:
                states = read_states(options.archive, declared, dry=options.is_dry)
            except ArchiveError:
                states = {}  # the run itself says what is wrong with it, and mends it
            self._sources = [
                source
                for name, source in declared.items()
                if not source.ended and (name not in states or states[name].is_due(now))
            ]
        make_harvest(self._sources).check_arguments(dict(opts.spargs))

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if not self._sources:
            logger.info("nothing is due")
            return
        assert self.crawler_process is not None
        self.exitcode = run_spider(self.crawler_process, make_harvest(self._sources), opts.spargs)
