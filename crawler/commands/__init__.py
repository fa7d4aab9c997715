"""Our commands. Wrong usage ends each with one line and exit status 2; a reader of what they print
who has seen enough ends them in silence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from textwrap import fill
from typing import TypeVar

from scrapy.commands import ScrapyCommand, ScrapyHelpFormatter
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings

from crawler.errors import ArchiveError, DamagedLedgerError

C = TypeVar("C", bound=ScrapyCommand)
Run = Callable[[C, list[str], argparse.Namespace], None]
Told = Mapping[str, str]


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Adds the options that make a crawl show what it would write, and write nothing."""
    group = parser.add_argument_group(title="Dry run")
    group.add_argument(
        "--dry-run",
        dest="dry_run",
        action="store_const",
        const="list",
        help="write nothing; print a line for every post that would be written",
    )
    group.add_argument(
        "--dry-run-posts",
        dest="dry_run",
        action="store_const",
        const="posts",
        help="write nothing; print the posts",
    )


class _LineByLine(argparse.RawDescriptionHelpFormatter, ScrapyHelpFormatter):
    """Scrapy's help with line breaks in the descriptions of groups."""


def add_spider_arguments(parser: argparse.ArgumentParser, told: Mapping[str, Told]) -> None:
    """Tells, below the options, what ``-a`` takes: by the spider's name, a line for each."""
    parser.formatter_class = _LineByLine
    parser.description = fill(parser.description or "")
    for spider, arguments in told.items():
        lines = [
            fill(what, initial_indent=f"-a {f'{name}=':<15}", subsequent_indent=" " * 18, width=76)
            for name, what in arguments.items()
        ]
        parser.add_argument_group(f"arguments of {spider}", "\n".join(lines))


def read_dry_run(opts: argparse.Namespace, settings: BaseSettings) -> None:
    if opts.dry_run:
        settings.set("NEWS_DRY_RUN", opts.dry_run, priority="cmdline")
    if isinstance(sys.stdout, TextIOWrapper):
        # A title in another charset than the terminal's must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")


def refuse_source(name: str) -> UsageError:
    """Gives what to raise for the name of a source that is none."""
    return UsageError(
        f"unknown source {name!r}: scrapy list names them all, "
        "your own with -s NEWS_SOURCES=FOLDER",
        print_help=False,
    )


def say_error(error: ArchiveError) -> str:
    """What happened, and what mends a ledger."""
    hint = "; scrapy archive rebuild makes it again"
    return f"{error}{hint if isinstance(error, DamagedLedgerError) else ''}"


def usage_in_one_line(run: Run[C]) -> Run[C]:
    """Makes ``run`` say wrong usage in one line; Scrapy would print the usage around it."""

    @wraps(run)
    def guarded(self: C, args: list[str], opts: argparse.Namespace) -> None:
        try:
            run(self, args, opts)
        except UsageError as error:
            name = type(self).__module__.rpartition(".")[2]
            print(f"scrapy {name}: {error}", file=sys.stderr)
            self.exitcode = 2
        except BrokenPipeError:
            _drop_output()
            self.exitcode = 1

    return guarded


def _drop_output() -> None:
    """Keeps Python from complaining at its end that nobody reads standard output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def open_standard_output() -> Iterator[Callable[[bytes], object]]:
    """Gives what writes to standard output. Raises BrokenPipeError when nobody reads it any more,
    and ArchiveError when it cannot be written."""
    try:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _drop_output()
        raise
    except OSError as error:
        raise ArchiveError(f"standard output: {error.strerror}") from error
