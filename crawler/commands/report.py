"""``scrapy report``: what happened lately, as a page for people."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.archive import open_to_read
from crawler.archive.export import open_output
from crawler.archive.history import read_overview
from crawler.archive.reports import FOLDER, PAGE, place_page
from crawler.commands import open_standard_output, say_error, usage_in_one_line
from crawler.errors import ArchiveError
from crawler.options import Options, read_options
from crawler.overview import LANGUAGES, MOST_DAYS, Period, render_page

_DAYS = 90


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options]"

    def short_desc(self) -> str:
        return "Write a page of what happened lately: articles, delays, troubles, hosts, runs"

    def long_desc(self) -> str:
        return (
            "One HTML page in English and Chinese that needs nothing beside itself. It is made "
            "from the ledger and the runs' reports in the archive of NEWS_ARCHIVE, which are only "
            "read; days are those of NEWS_TIMEZONE."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add = parser.add_argument
        add(
            "-o",
            "--output",
            metavar="FILE",
            help=f"write FILE, whole or not at all, instead of {FOLDER}/{PAGE} in the archive; - "
            "is standard output",
        )
        add("--days", metavar="N", default=str(_DAYS), help=f"the last N days (default {_DAYS})")
        add(
            "--lang",
            metavar="CODE",
            help=f"begin in {' or '.join(LANGUAGES)} instead of the browser's language",
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if args:
            raise UsageError(f"report takes no {args[0]!r}", print_help=False)
        if not (re.fullmatch("[0-9]{1,4}", opts.days) and 1 <= int(opts.days) <= MOST_DAYS):
            raise UsageError(
                f"--days is {opts.days!r}, expected a number from 1 to {MOST_DAYS}",
                print_help=False,
            )
        if opts.lang not in (None, *LANGUAGES):
            raise UsageError(
                f"--lang is {opts.lang!r}, expected one of {', '.join(LANGUAGES)}", print_help=False
            )
        assert self.settings is not None
        options = read_options(self.settings)
        labels = {name: source.label for name, source in options.load_sources().items()}
        try:
            page = _make_page(options, labels, int(opts.days), opts.lang)
            path = Path(opts.output) if opts.output else place_page(options.archive)
            with open_standard_output() if opts.output == "-" else open_output(path) as write:
                write(page)
        except BrokenPipeError:
            self.exitcode = 1
        except ArchiveError as error:
            print(f"scrapy report: {say_error(error)}", file=sys.stderr)
            self.exitcode = 1
        else:
            if opts.output != "-":
                print(path)


def _make_page(options: Options, labels: dict[str, str], days: int, language: str | None) -> bytes:
    period = Period.make(days, now=datetime.now(UTC), zone=ZoneInfo(options.timezone))
    with contextlib.closing(open_to_read(options.archive)) as ledger:
        return render_page(read_overview(options.archive, ledger, period, labels), language)
