"""A run on a terminal: how far it is, below its log, and a table when it has ended.

Nothing hangs on signals or on articles: a thread looks at the run's report some times a second.
Where standard error is no terminal, or the log is not wanted, nothing of this is imported and the
log is all there is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import IO, Any, Self

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text
from scrapy.crawler import Crawler

from crawler.extensions import RunReporter
from crawler.options import read_options
from crawler.report import RunReport, SourceReport, make_printable

LOOKS_A_SECOND = 4
# Of a run so young no speed is known.
YOUNG_S = 3.0


class ProgressView:
    """The view of one crawl, while it is entered. Leaving it prints the table."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=lambda: _Packed(self._describe()),
            refresh_per_second=LOOKS_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._end = ExitStack()

    def __enter__(self) -> Self:
        self._live.start()
        # A process that is killed cannot give the cursor back, so it is not taken.
        self._console.show_cursor(True)
        self._end.callback(self.clear)
        for stream, redirect in ((sys.stderr, redirect_stderr), (sys.stdout, redirect_stdout)):
            if stream.isatty():
                above = _Above(self._console, stream)
                self._end.callback(_move_log, above, stream)
                self._end.enter_context(redirect(above))
                _move_log(stream, above)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.close()
        report = self._find_report()
        if error is None and report is not None:
            self._print_table(report)

    def clear(self) -> None:
        """Takes the view off the terminal."""
        self._live.stop()

    def _find_report(self) -> RunReport | None:
        """Gives the run's report; None where it has not begun."""
        try:
            reporter = self._crawler.get_extension(RunReporter)
        except RuntimeError:
            return None
        return reporter.report if reporter else None

    # ------------------------------------------------------------ while it runs

    def _describe(self) -> list[str]:
        report = self._find_report()
        if report is None:
            return ["starting"]
        elapsed_s = (datetime.now(UTC) - report.started_at).total_seconds()
        spider: Any = self._crawler.spider
        visits = list(getattr(spider, "visits", ()))
        sources = len(getattr(spider, "sources", ()))
        # What a thread reads here another one writes: lists are copied before they are gone over.
        loads = [(visit.lists_open, *visit.count_pages()) for visit in visits]
        waiting = sum(lists + asked - done for lists, asked, done in loads)
        told = [f"{self._crawler.spidercls.name}: {_say_time(elapsed_s)}"]
        if sources > 1:
            ended = sum(lists == 0 and asked == done for lists, asked, done in loads)
            told.append(f"{ended} of {sources} sources")
        if waiting:
            told.append(f"{waiting} waiting")
        left_s = estimate_left_s(loads, elapsed_s) if len(visits) == sources else None
        if left_s is not None:
            told.append(f"about {_say_time(left_s)} left")
        requests = sum(host.requests for host in list(report.hosts.values()))
        if requests:
            rate = f" ({requests / elapsed_s:.1f}/s)" if elapsed_s > YOUNG_S else ""
            told.append(f"{requests} requests{rate}")
        total = _add_up(list(report.sources.values()))
        told += [f"{count} {name}" for name, count in total.items() if count or name == "new"]
        return told

    # ------------------------------------------------------------ when it has ended

    def _print_table(self, report: RunReport) -> None:
        elapsed_s = (datetime.now(UTC) - report.started_at).total_seconds()
        how = "ended with exit status 1" if report.exit_status else "done"
        dry = read_options(self._crawler.settings).is_dry
        would = "; dry run: nothing was written, this would be" if dry else ""
        title = f"{self._crawler.spidercls.name}: {how} in {_say_time(elapsed_s)}{would}"
        self._console.print(Text(title, style="bold"))
        for part in render_sources(report.sources, self._console):
            self._console.print(part)


def estimate_left_s(loads: Iterable[tuple[int, int, int]], elapsed_s: float) -> float | None:
    """Gives the seconds after which the slowest source will be done; None where nobody can know.

    ``loads`` has for each source the lists that are on their way, the pages asked for and those
    done. Sources are asked side by side, each at the pace of its host.
    """
    left_s = 0.0
    for lists, asked, done in loads:
        if lists or (asked > done == 0):
            return None
        if asked > done:
            left_s = max(left_s, (asked - done) * elapsed_s / done)
    return left_s if left_s and elapsed_s > YOUNG_S else None


def render_sources(sources: dict[str, SourceReport], console: Console) -> Iterator[Table | Text]:
    """Yields a table of what came of each source; where it is too wide, two lines for each."""
    if not sources:
        return
    rows = {
        make_printable(name) + (" (failed)" if report.failed_wholly else ""): report
        for name, report in sorted(sources.items())
    }
    total = _add_up(sources.values())
    names = [name for name, count in total.items() if count or name == "new"]
    # Without lines: their characters take two places on some terminals in China.
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="underline")
    table.add_column("source", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    for name, report in rows.items():
        counts = report.count_all()
        style = "red" if report.failed_wholly else ""
        table.add_row(name, *(str(counts[key]) for key in names), style=style)
    if len(rows) > 1:
        table.add_row("all", *(str(total[key]) for key in names), style="bold")
    widest = max(cell_len(name) for name in [*rows, "source"])
    least = widest + sum(2 + max(map(len, name.split())) for name in names)
    if least <= console.width:
        yield table
        return
    for name, report in rows.items():
        yield Text(name, style="red" if report.failed_wholly else "bold")
        yield Text(f"  {report.summary()}")


def _add_up(sources: Iterable[SourceReport]) -> dict[str, int]:
    total = SourceReport().count_all()
    for report in sources:
        for name, count in report.count_all().items():
            total[name] += count
    return total


def _say_time(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


class _Packed:
    """Parts of a sentence in as few lines as they fit into, none of them broken if it can be."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = ""
        for part in self._parts:
            longer = f"{line}, {part}" if line else part
            if line and cell_len(longer) >= options.max_width:
                yield Text(f"{line},", overflow="ellipsis", no_wrap=True)
                longer = part
            line = longer
        yield Text(line, overflow="ellipsis", no_wrap=True)


class _Above:
    """A stream to the terminal whose lines appear above the view, as long as they are."""

    def __init__(self, console: Console, stream: IO[str]) -> None:
        self._console = console
        self._stream = stream
        self._rest = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: whole lines are there already."""


def _move_log(old: object, new: Any) -> None:
    """Lets handlers of the log that write to one stream write to another."""
    for handler in logging.root.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is old:
            handler.setStream(new)
