"""What a run shows on a terminal: held against a terminal that is emulated."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyte
import pytest
from rich.console import Console
from scrapy.settings import Settings

from crawler.commands.crawl import wants_view
from crawler.progress import ProgressView, _Packed, estimate_left_s, render_sources
from crawler.report import HostReport, RunReport, SourceReport
from tests.conftest import ROOT, Desk
from tests.test_stopping import Dripping, dripping, make_feed  # noqa: F401

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[\w.]+\] (INFO|WARNING|ERROR): .+")

# Makes the terminal the one whose keys send signals to the command.
IN_FRONT = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("scrapy", run_name="__main__", alter_sys=True)
"""


class Terminal:
    """Both ends of a terminal, and what stands on it; ``data`` is all that was written to it."""

    def __init__(self, columns: int) -> None:
        self._ours, self.end = pty.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._screen = pyte.HistoryScreen(columns, 24, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self.data = b""

    def read(self) -> bool:
        """Takes in what was written since; tells whether there may be more."""
        assert select.select([self._ours], [], [], 60)[0], self.lines
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # nobody has the other end
            return False
        self.data += data
        self._stream.feed(data)
        return bool(data)

    def type(self, data: bytes) -> None:
        os.write(self._ours, data)

    @property
    def lines(self) -> list[str]:
        """The lines from the first on, those that have left at the top among them."""
        columns = self._screen.columns
        gone = ["".join(row[x].data for x in range(columns)) for row in self._screen.history.top]
        lines = [line.rstrip() for line in [*gone, *self._screen.display]]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def has_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def close(self) -> None:
        os.close(self._ours)


@contextmanager
def terminal(columns: int) -> Iterator[Terminal]:
    made = Terminal(columns)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def start(
    desk: Desk, made: Terminal, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the real command on the terminal, as its only window to the world."""
    command = [sys.executable, "-c", IN_FRONT, arguments[0], "-s", f"NEWS_ARCHIVE={desk.archive}"]
    command += ["-s", f"NEWS_SOURCES={desk.folder / 'sources'}", *arguments[1:]]
    # The size is the terminal's, not that of the one where the tests run.
    inherited = {key: os.environ[key] for key in os.environ.keys() - {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        command,
        stdin=made.end,
        stdout=made.end,
        stderr=made.end,
        cwd=ROOT,
        env=inherited | {"TERM": "xterm-256color"} | environment,
        start_new_session=True,
    ) as process:
        os.close(made.end)
        try:
            yield process
        finally:
            process.kill()


def test_log_stays_whole_and_the_table_is_last(desk):
    what = ["harvest", "wire", "list-gbk", "-s", "DOWNLOAD_DELAY=0.01"]
    with terminal(160) as made, start(desk, made, *what) as process:
        while made.read():
            pass
        assert process.wait() == 0
        lines = made.lines
        assert made.has_cursor
    # The view was there, and has gone.
    assert b" requests" in made.data
    assert b" of 2 sources" in made.data
    assert not [line for line in lines if "requests" in line and "downloader" not in line]
    report = desk.report()["sources"]
    for name in ("wire", "list-gbk"):
        (told,) = (line for line in lines if f" {name}: " in line)
        assert LINE.fullmatch(told), told
        assert f"INFO: {name}: {report[name]['new']} new" in told
    # Every line that has a time begins with it.
    for line in lines:
        assert LINE.match(line) or not LINE.search(line), line
    table = [line.split() for line in lines[-5:]]
    assert re.fullmatch(r"harvest: done in \d:\d\d:\d\d", " ".join(table[0]))
    assert table[1][:2] == ["source", "new"]
    total = sum(counts["new"] for counts in report.values())
    assert [row[:2] for row in table[2:]] == [
        ["list-gbk", str(report["list-gbk"]["new"])],
        ["wire", str(report["wire"]["new"])],
        ["all", str(total)],
    ]


def test_interrupt_leaves_a_clean_terminal_and_nothing_of_a_dry_run(desk, dripping):  # noqa: F811
    temporary = desk.folder / "temp"
    temporary.mkdir()
    dripping.feed = make_feed(*(f"{dripping.url}/{n}" for n in range(9)))
    what = ["crawl", "feed", "--dry-run", "-a", f"url={dripping.url}/x.xml", "-a", "name=财经早报"]
    more = {"NO_COLOR": "1", "TMPDIR": str(temporary)}
    with terminal(40) as made, start(desk, made, *what, **more) as process:
        shown = re.compile(r"feed: 0:00:\d\d, 9 waiting(, \d requests)?,")
        while not any(shown.fullmatch(line) for line in made.lines):
            assert made.read()
        assert made.has_cursor  # a process that is killed now leaves it
        made.type(b"\x03")  # Ctrl-C, which the terminal shows too
        while made.read():
            pass
        assert process.wait() == 1
        lines = made.lines
        assert made.has_cursor
    assert not [line for line in lines if "waiting" in line or "^C" in line]
    assert "stopped by SIGINT" in "".join(lines)
    assert len([line for line in lines if line.startswith("new ")]) == 3
    assert lines[-2:] == ["source    new", "财经早报    3"]
    assert not desk.archive.exists()
    assert not list(temporary.iterdir())
    assert not re.search(rb"\x1b\[[0-9;]*3\dm", made.data)


# ---------------------------------------------------------------- without a crawl


@dataclass
class Crawl:
    """As much of a crawler as the view looks at."""

    report: RunReport | None
    spider: Any = None
    spidercls: Any = field(default_factory=lambda: SimpleNamespace(name="harvest"))
    settings: Settings = field(default_factory=lambda: Settings({}, priority="project"))

    def get_extension(self, kind: type) -> Any:
        if self.report is None:
            raise RuntimeError
        return SimpleNamespace(report=self.report)


def test_crash_leaves_a_clean_terminal_and_the_streams_as_they_were(monkeypatch):
    report = RunReport(started_at=datetime.now(UTC), hosts={"a": HostReport(requests=1)})
    with terminal(60) as made, open(made.end, "w") as end:
        monkeypatch.setattr(sys, "stderr", end)
        handler = logging.StreamHandler(end)
        monkeypatch.setattr(logging.root, "handlers", [handler])
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("COLUMNS", raising=False)

        def crash() -> None:
            with ProgressView(Crawl(report)):  # type: ignore[arg-type]
                logging.getLogger("x").error("a line that is longer than the terminal %s", "x" * 50)
                print("half a line", end="", file=sys.stderr)
                print(" and its rest", file=sys.stderr)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            crash()
        assert sys.stderr is end
        assert handler.stream is end
        end.write("$ ")
        end.close()
        while made.read():
            pass
        assert made.lines == [
            "a line that is longer than the terminal " + "x" * 20,
            "x" * 30,
            "half a line and its rest",
            "$",
        ]
        assert made.has_cursor
        assert b"1 requests" in made.data


@pytest.mark.parametrize(
    ("is_terminal", "term", "settings", "wanted"),
    [
        (True, "xterm", {}, True),
        (True, "xterm", {"LOG_LEVEL": "DEBUG"}, True),
        (True, "xterm", {"LOG_LEVEL": "WARNING"}, False),
        (True, "xterm", {"LOG_ENABLED": False}, False),
        (True, "dumb", {}, False),
        (True, None, {}, False),
        (False, "xterm", {}, False),
    ],
    ids=["terminal", "debug", "quiet", "nolog", "dumb", "no-term", "pipe"],
)
def test_view_is_for_those_who_look(monkeypatch, is_terminal, term, settings, wanted):
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: is_terminal))
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    assert wants_view(Settings({"LOG_LEVEL": "INFO"} | settings)) is wanted


@pytest.mark.parametrize(
    ("loads", "elapsed_s", "left_s"),
    [
        ([(0, 10, 5)], 10, 10),
        ([(0, 10, 5), (0, 100, 10), (0, 3, 3)], 10, 90),
        ([(0, 10, 5), (1, 0, 0)], 10, None),
        ([(0, 10, 0)], 10, None),
        ([(0, 10, 10)], 10, None),
        ([(0, 10, 5)], 1, None),
        ([], 10, None),
    ],
    ids=["one", "slowest", "list-open", "none-done", "all-done", "young", "nothing"],
)
def test_time_left_is_told_where_it_can_be_known(loads, elapsed_s, left_s):
    assert estimate_left_s(loads, elapsed_s) == left_s


def draw(*parts: Any, width: int, **environment: str) -> str:
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=True,
        highlight=False,
        _environ={"TERM": "xterm"} | environment,
    )
    for part in parts:
        console.print(part)
    return text.getvalue()


def draw_sources(sources: dict[str, SourceReport], width: int, **environment: str) -> str:
    return draw(*render_sources(sources, Console(width=width)), width=width, **environment)


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines())


SOURCES = {
    "财经早报": SourceReport(new=12, warning_count=3),
    "stcn\x1b[2J": SourceReport(feeds_failed=2, refused_count=2),
}
WIDE = """\
source             new  refused  warnings  feeds failed
stcn [2J (failed)    0        2         0             2
财经早报            12        0         3             0
all                 12        2         3             2"""
NARROW = """\
stcn [2J (failed)
  0 new, 2 refused, 2 feeds failed
财经早报
  12 new, 3 warnings"""


@pytest.mark.parametrize(("width", "expected"), [(80, WIDE), (40, NARROW)], ids=["wide", "narrow"])
def test_table_fits(width, expected):
    assert plain(draw_sources(SOURCES, width)) == expected


def test_colours_are_left_out_where_they_are_not_wanted():
    assert "\x1b[31m" in draw_sources(SOURCES, 80)
    assert "\x1b[31m" not in draw_sources(SOURCES, 80, NO_COLOR="1")


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        (["财经早报", "12 new"], ["财经早报, 12 new"]),
        (["财经早报", "12 new", "3 updated"], ["财经早报, 12 new,", "3 updated"]),
        (["财经早报证券时报网第一财经", "1"], ["财经早报证券时报网 …", "1"]),
    ],
    ids=["one-line", "two", "too-long"],
)
def test_parts_are_not_broken(parts, lines):
    assert plain(draw(_Packed(parts), width=20)).splitlines() == lines
