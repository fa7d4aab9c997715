"""``scrapy sources``: how every declared source has been doing; lists of feeds in and out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from unicodedata import east_asian_width
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.archive import read_states
from crawler.archive.export import open_output
from crawler.commands import open_standard_output, refuse_source, say_error, usage_in_one_line
from crawler.errors import ArchiveError, LedgerError, NewsError
from crawler.opml import Outline, name_source, parse_opml, render_opml, write_source
from crawler.options import Options, read_options
from crawler.schedule import SourceState, iso
from crawler.sources import RESERVED, Source, read_source

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
            "found anything changed, of those that its lists held, and what was odd in it. With "
            "--opml the feeds as a list for feed readers instead; with --import a source file for "
            "every feed of such a list. Exit status 1 where an outline could not be taken; it is "
            "named."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add = parser.add_argument_group("OPML").add_argument
        add("--opml", metavar="FILE", help="write the declared feeds here; - is standard output")
        add("--import", dest="list", metavar="FILE", help="read a list of feeds")
        add("-o", "--output", metavar="DIR", help="where its source files go (NEWS_SOURCES)")

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        assert self.settings is not None
        options = read_options(self.settings)
        declared = options.load_sources()
        for name in args:
            if name not in declared:
                raise refuse_source(name)
        names = args or list(declared)
        if opts.output and not opts.list:
            raise UsageError("-o DIR belongs to --import FILE", print_help=False)
        if opts.list and (args or opts.opml):
            raise UsageError("--import FILE stands alone", print_help=False)
        if opts.list:
            self._import(options, declared, opts)
            return
        if opts.opml:
            self._export([declared[name] for name in names], options, opts.opml)
            return
        try:
            states = read_states(options.archive, names)
        except LedgerError as error:
            self._fail(say_error(error))
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

    def _export(self, sources: list[Source], options: Options, target: str) -> None:
        outlines = [outline for source in sources for outline in _list_outlines(source, options)]
        data = render_opml("News sources", outlines)
        try:
            if target == "-":
                with open_standard_output() as write:
                    write(data)
            else:
                with open_output(Path(target)) as write:
                    write(data)
        except ArchiveError as error:
            self._fail(str(error))
        except BrokenPipeError:
            self.exitcode = 1

    def _import(
        self, options: Options, declared: dict[str, Source], opts: argparse.Namespace
    ) -> None:
        folder = Path(opts.output) if opts.output else options.sources_path
        if folder is None:
            raise UsageError("--import takes a folder: -o DIR", print_help=False)
        try:
            data = Path(opts.list).read_bytes()
        except OSError as error:
            raise UsageError(f"{opts.list}: {error.strerror}", print_help=False) from error
        try:
            outlines, problems = parse_opml(data, url=opts.list, max_entries=options.max_entries)
            folder.mkdir(parents=True, exist_ok=True)
            # What was imported before, whether or not the folder is that of NEWS_SOURCES.
            declared |= replace(options, sources_path=folder).load_sources()
            taken = {*declared, *RESERVED, *(path.stem for path in folder.glob("*.toml"))}
        except NewsError as error:
            raise UsageError(str(error), print_help=False) from error
        except OSError as error:
            self._fail(f"{error.filename}: {error.strerror}")
            return
        owners = {feed.url: name for name, source in declared.items() for feed in source.feeds}
        for problem in problems:
            self._fail(f"{opts.list}: {problem.reason}")
        for outline in outlines:
            if outline.xml_url in owners:
                print(f"{outline.title}: {outline.xml_url} is in {owners[outline.xml_url]} already")
                continue
            name = name_source(outline, taken)
            taken.add(name)
            path = folder / f"{name}.toml"
            text = write_source(outline)
            try:
                read_source(text, name=name, path=str(path))
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
            except NewsError as error:
                self._fail(f"{opts.list}: {outline.title}: {error}")
            except OSError as error:
                self._fail(f"{path}: {error.strerror}")
            else:
                print(f"{path}: {outline.title}, {outline.xml_url}")

    def _fail(self, message: str) -> None:
        print(f"scrapy sources: {message}", file=sys.stderr)
        self.exitcode = 1


def _list_outlines(source: Source, options: Options) -> Iterable[Outline]:
    """Yields what a source declares. What needs its rules to be read is no feed to a feed reader,
    and is named as a link; a list for every day has no address."""
    for feed in source.feeds:
        if feed.is_dated:
            continue
        is_list = feed.rows is not None
        parts = urlsplit(feed.url)
        # Where a mirror's feed comes from it does not tell.
        is_mirrored = feed.url.startswith(options.rsshub)
        levels = tuple(filter(None, (source.section, feed.channel)))
        yield Outline(
            source.label,
            xml_url=None if is_list else feed.url,
            html_url=None if is_list or is_mirrored else f"{parts.scheme}://{parts.netloc}/",
            url=feed.url if is_list else None,
            folders=levels,
            category=tuple(filter(None, (source.section, source.label, feed.channel))),
        )


def _describe(source: Source, state: SourceState | None, zone: ZoneInfo) -> tuple[str, ...]:
    if state is None:
        due = "-" if source.ended else "now"
        return (source.name, source.label, "never", due, "-", "-", _say_verified(source) or "-")
    return (
        source.name,
        source.label,
        _say(iso(state.run_at), zone),
        "-" if source.ended else _say(iso(state.due_at), zone),
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
    if source.ended:
        return f"ended {source.ended}"
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
