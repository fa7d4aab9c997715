"""An orderly end when somebody asks for one: SIGTERM, SIGINT.

Scrapy's own waits for every download however slow, and at the second signal stops without writing
what was accepted. Here nothing more is asked for; what is under way has some seconds; what was
accepted is on disk when the process ends, and the report says why it ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from scrapy import Request
from scrapy.core.engine import ExecutionEngine
from scrapy.crawler import Crawler, CrawlerProcessBase
from scrapy.exceptions import DownloadFailedError
from scrapy.http import Response

from crawler.extensions import RunReporter
from crawler.pipelines import PATIENCE

logger = logging.getLogger(__name__)

# Downloads that are under way may finish for so long.
GRACE_S = 5.0
# How long somebody else's lock on the archive is waited for after the first and the second signal.
WAIT_S = (10.0, 2.0)
# After so long the process ends whatever it waits for; the archive bears that at every instant,
# and the next run looks after it. Schedulers send SIGKILL after 30 s or more.
LIMIT_S = (27.0, 4.0)
_TICK_S = 0.1


class StopGate:
    """Downloader middleware: after a signal no request gets out, and what is broken off does not
    pass for an answer. (Where no length was declared, an end that came too early looks like any.)
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self.is_broken_off = False

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        if not self._crawler.crawling:
            raise DownloadFailedError("stopped")

    def process_response(self, request: Request, response: Response) -> Response:
        if self.is_broken_off:
            raise DownloadFailedError("stopped")
        return response


class Stopper:
    """Ends the crawls of a process at the first SIGTERM or SIGINT, and at the second without
    waiting for any download. To be installed before ``process.start``, which must leave the
    signals alone (``install_signal_handlers=False``). ``clear`` takes what stands there off the
    terminal, should the process be ended where it is."""

    def __init__(self, process: CrawlerProcessBase, clear: Callable[[], None]) -> None:
        self._process = process
        self._clear = clear
        self._crawlers: list[Crawler] = []
        self._signals = 0
        self._stopped: set[Crawler] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGINT, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # Runs between any two steps of the main thread: takes notes and hands over, no more.
        from twisted.internet import reactor

        call: Any = reactor.callFromThread
        if self._signals >= len(LIMIT_S):
            return
        turn = self._signals
        self._signals += 1
        self._crawlers = list(self._process.crawlers)
        PATIENCE.wait_s = WAIT_S[turn]
        timer = threading.Timer(LIMIT_S[turn], self._end)
        timer.daemon = True
        timer.start()
        call(self._abort) if turn else call(self._begin, signal.Signals(number).name)

    def _begin(self, name: str) -> None:
        from twisted.internet import reactor

        later: Any = reactor.callLater
        message = f"stopped by {name}"
        logger.warning("%s: what was accepted is being written", message)
        for crawler in self._crawlers:
            reporter = crawler.get_extension(RunReporter) if _engine_of(crawler) else None
            if reporter:
                reporter.report.errors.append(message)
        later(GRACE_S, self._abort)
        self._tick()

    def _tick(self) -> None:
        """Sends nothing more; again and again, since what waits elsewhere may still arrive."""
        from twisted.internet import reactor

        later: Any = reactor.callLater
        for crawler in self._crawlers:
            engine = _engine_of(crawler)
            if engine and engine.running and crawler not in self._stopped:
                self._stopped.add(crawler)
                crawler.crawling = False
                task = asyncio.ensure_future(engine.stop_async())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if engine:
                _empty_queues(engine)
        later(_TICK_S, self._tick)

    def _abort(self) -> None:
        """Breaks every connection off: what it was for is met again next run."""
        from twisted.internet import reactor
        from twisted.internet.tcp import Client

        for crawler in self._crawlers:
            gate = crawler.get_downloader_middleware(StopGate) if _engine_of(crawler) else None
            if gate:
                gate.is_broken_off = True
        known: Any = reactor
        for connection in {*known.getReaders(), *known.getWriters()}:
            if isinstance(connection, Client):
                connection.abortConnection()  # type: ignore[no-untyped-call]
        known.callLater(_TICK_S, self._abort)

    def _end(self) -> None:
        """Ends the process from a thread of its own, with the report where that can be written."""
        report = threading.Thread(target=self._write_reports, daemon=True)
        report.start()
        report.join(0.5)
        os.write(2, b"scrapy: stopped while something was still being waited for\n")
        os._exit(1)

    def _write_reports(self) -> None:
        for crawler in self._crawlers:
            reporter = crawler.get_extension(RunReporter) if _engine_of(crawler) else None
            if reporter and reporter.report.ended_at is None:
                reporter.report.errors.append("stopped while something was still being waited for")
                reporter.write()
        self._clear()


def _engine_of(crawler: Crawler) -> ExecutionEngine | None:
    """Gives the crawl's engine; None where the signal came before there was one."""
    try:
        return crawler.engine
    except RuntimeError:
        return None


def _empty_queues(engine: ExecutionEngine) -> None:
    """Takes out what waits for its turn to be sent."""
    for slot in list(engine.downloader.slots.values()):
        while slot.queue:
            _, waiting = slot.queue.popleft()
            waiting.errback(DownloadFailedError("stopped"))
