"""Work on many files, shared out to several processes; its results come in order.

The processes are new interpreters and not forks: whoever asks may be a crawl with threads, a
reactor and an open ledger. Nor do they run the asking program's script again, as those of
``multiprocessing`` would: a script that starts a crawl would start it once more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle, islice
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Generic, TypeVar

Result = TypeVar("Result")

# Files handed over at once: handing over costs nothing beside reading them, and what the pipe has
# to hold (two batches of names for each process) stays far below its 64 kB or more.
BATCH = 128
# About as many files as are read while a new process starts.
ALONE = 2048
# More would wait for the one process that writes the ledger.
MOST_PROCESSES = 8

_CHILD = """
import sys
from multiprocessing.connection import Connection
line = Connection(int(sys.argv[1]))
sys.path[:] = line.recv()
from crawler.archive.workers import serve
serve(line)
"""


def read_in_order(
    task: Callable[[str], Result], names: Iterable[str], *, alone: int = ALONE
) -> Iterator[Result]:
    """Yields ``task(name)`` for every name, in their order, a bounded number of them ahead.

    The first ``alone`` are done here; all are on a machine with one processor, where no process can
    be had, and when ``task`` cannot be pickled. What a process leaves undone that fails or is ended
    is done here too, so what the task raises is raised here.
    """
    names = iter(names)
    yield from map(task, islice(names, alone))
    batches = iter(lambda: list(islice(names, BATCH)), [])
    first = next(batches, None)
    if first is None:
        return
    yield from map(task, first)
    count = min(_count_processors(), MOST_PROCESSES)
    if count == 1 or not _can_be_sent(task):
        yield from map(task, names)
        return
    workers: list[_Worker[Result]] = []
    waiting: deque[tuple[_Worker[Result], list[str]]] = deque()
    try:
        with contextlib.suppress(OSError):  # no more processes, memory, descriptors
            while len(workers) < count:
                workers.append(_Worker(task))
        if not workers:
            yield from map(task, chain.from_iterable(batches))
        for worker, batch in zip(cycle(workers), batches, strict=False):
            worker.ask(batch)
            waiting.append((worker, batch))
            if len(waiting) == 2 * len(workers):
                worker, batch = waiting.popleft()
                yield from worker.answer(batch)
        for worker, batch in waiting:
            yield from worker.answer(batch)
    finally:
        for worker in workers:
            worker.end()


def _count_processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _can_be_sent(task: Callable[[str], object]) -> bool:
    try:
        ForkingPickler.dumps(task)
    except (PicklingError, AttributeError, TypeError):
        return False
    return True


class _Worker(Generic[Result]):
    """One process, and what is to be done here when it fails."""

    def __init__(self, task: Callable[[str], Result]) -> None:
        self._task = task
        self._line, far_end = Pipe()
        with far_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(far_end.fileno())],
                pass_fds=[far_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what fails there fails again here, and is told
            )
        self._send(sys.path)
        self._send(task)

    def _send(self, message: object) -> None:
        with contextlib.suppress(OSError):  # it has ended: its answers will be missing
            self._line.send(message)

    def ask(self, names: list[str]) -> None:
        self._send(names)

    def answer(self, names: list[str]) -> list[Result]:
        """Gives the results of the oldest names asked for."""
        try:
            results: list[Result] = self._line.recv()
        except (EOFError, OSError):
            return list(map(self._task, names))
        return results

    def end(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()


def serve(line: Connection) -> None:
    """Does what is asked for on the line until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked decides what becomes of it
    task = line.recv()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            line.send(list(map(task, line.recv())))
