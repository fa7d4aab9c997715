"""``scrapy sources``: how every declared source has been doing."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.archive import read_states
from crawler.commands import usage_in_one_line
from crawler.errors import LedgerError
from crawler.options import read_options
from crawler.schedule import SourceState, iso
from crawler.sources import Source

_HEAD = ("source", "publisher", "last run", "due", "newest", "new/listed", "health")


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] [SOURCE...]"

    def short_desc(self) -> str:
        return "Show how every source has been doing: last run, newest article, yield, health"

    def long_desc(self) -> str:
        return (
            "A table of all declared sources, or of those that are named. Times are in "
            "NEWS_TIMEZONE. new/listed and health: the articles that were new in the last run that "
            "found anything changed, of those that its lists held, and what was odd in it."
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        assert self.settings is not None
        options = read_options(self.settings)
        declared = options.load_sources()
        for name in args:
            if name not in declared:
                raise UsageError(
                    f"unknown source {name!r}: scrapy list names them all", print_help=False
                )
        names = args or list(declared)
        try:
            states = read_states(options.archive, names)
        except LedgerError as error:
            print(f"scrapy sources: {error}", file=sys.stderr)
            self.exitcode = 1
            return
        zone = ZoneInfo(options.timezone)
        rows = [_HEAD, *(_describe(declared[name], states.get(name), zone) for name in names)]
        widths = [max(map(_measure, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (
                cell + " " * (width - _measure(cell))
                for cell, width in zip(row, widths, strict=True)
            )
            print("  ".join(cells).rstrip())


def _describe(source: Source, state: SourceState | None, zone: ZoneInfo) -> tuple[str, ...]:
    if state is None:
        return (source.name, source.label, "never", "now", "-", "-", _say_verified(source) or "-")
    return (
        source.name,
        source.label,
        _say(iso(state.run_at), zone),
        _say(iso(state.due_at), zone),
        _say(iso(state.newest_at), zone),
        f"{state.new}/{state.entries}",
        _say_health(source, state),
    )


def _say_health(source: Source, state: SourceState) -> str:
    if state.failures:
        times = "the last time" if state.failures == 1 else f"{state.failures} times in a row"
        return f"failed {times}: {state.trouble}"
    return "; ".join(filter(None, (_say_verified(source), state.trouble))) or "ok"


def _say_verified(source: Source) -> str:
    flags = [rule.verified for rule in source.feeds] + [rule.verified for rule in source.pages]
    unseen = flags.count(False)
    if not source.verified or unseen == len(flags):
        return "not verified"
    return f"{unseen} of {len(flags)} rules not verified" if unseen else ""


def _say(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "-"


def _measure(text: str) -> int:
    """The columns that a text takes on a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
