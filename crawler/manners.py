"""Manners: how often a host is asked, when it is left alone and when it is given up.

Glue: what an answer means for its host is decided in ``hosts.py``. Requests that must wait stand in
the scheduler's queue, so that a host that is left alone keeps no other one waiting.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from copy import copy
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Self

from scrapy import Request, Spider, signals
from scrapy.core.downloader import Downloader, Slot
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    IgnoreRequest,
)
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.pqueues import DownloaderAwarePriorityQueue
from scrapy.robotstxt import ProtegoRobotParser, RobotParser
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.error import ConnectError

from crawler.errors import DownloadError, HostGivenUpError, RobotsError, SourceTimeError
from crawler.extensions import RunReporter
from crawler.hosts import Host, Patience, name_host
from crawler.middlewares import TooLargeResponse
from crawler.options import read_options
from crawler.report import RunReport
from crawler.schedule import read_retry_after

# Where a request says which source's time it takes; without it, it takes nobody's.
SOURCE = "source"
# A robots.txt is small, and everything else waits for it.
ROBOTS_SECONDS = 30.0
ROBOTS_MAX_BYTES = 2 * 1024 * 1024
# Of a robots.txt this much is read (RFC 9309, 2.5).
ROBOTS_READ_BYTES = 512 * 1024
_REFUSALS = frozenset((429, 503))
# What tells of the host and not of the page that was asked for.
SILENCE = (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ConnectError,
)
# What is thrown before a request reaches its host.
_NOT_ASKED = (IgnoreRequest, HostGivenUpError, RobotsError, SourceTimeError)


def get_host(request: Request) -> str:
    parts = urlparse_cached(request)
    return name_host(f"{parts.scheme}://{parts.netloc}")


class HostDownloader(Downloader):
    """Scrapy's, but that a host is a name and a port, and that a request which was redirected to
    another host has that one's manners."""

    def get_slot_key(self, request: Request) -> str:
        return get_host(request)


class Manners:
    """Counts every request and what came of it, leaves hosts alone that ask for it, and ends what
    takes too long."""

    def __init__(self, crawler: Crawler) -> None:
        options = read_options(crawler.settings)
        self._crawler = crawler
        self._patience = Patience(most_s=options.max_retry_after, first_s=options.backoff)
        self._max_crawl_delay_s = options.max_crawl_delay
        self._max_s = float(options.max_seconds)
        self._max_source_s = options.max_source_seconds
        self._started: dict[str, float] = {}
        self._hosts: dict[str, Host] = {}
        self._gentle: set[str] = set()
        self._report = RunReport(started_at=datetime.now(UTC))
        crawler.signals.connect(self.spider_opened, signal=signals.spider_opened)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def spider_opened(self) -> None:
        reporter = self._crawler.get_extension(RunReporter)
        if reporter is not None:
            self._report = reporter.report

    def find_host(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host()
        return host

    def report_host(self, name: str) -> Host:
        """Gives the host, which the report will tell of."""
        host = self.find_host(name)
        self._report.hosts[name] = host.report
        return host

    async def process_request(self, request: Request) -> None:
        name = get_host(request)
        host = self.find_host(name)
        # What was under way already when the host asked to be left alone.
        while (wait_s := host.held_until - monotonic()) > 0 and self._crawler.crawling:
            await asyncio.sleep(min(wait_s, _TICK_S))
        if host.report.gave_up:
            raise HostGivenUpError(
                f"{name} is given up for this run: {host.report.gave_up}",
                retry_after_s=host.retry_after_s,
            )
        most_s = min(self._max_s, self._count_left_s(request))
        if _is_robots(request):
            most_s = min(most_s, ROBOTS_SECONDS)
            request.meta["download_maxsize"] = ROBOTS_MAX_BYTES
        if most_s <= 0:
            raise self._say_late()
        request.meta["download_timeout"] = most_s

    def process_response(self, request: Request, response: Response) -> Response:
        name = get_host(request)
        host = self._count(request, name)
        host.report.bytes += len(response.body)
        told = response.headers.get("Retry-After") or b""
        asked_s = read_retry_after(told.decode("latin-1"), now=datetime.now(UTC))
        if response.status in _REFUSALS or (asked_s and response.status >= 300):
            self._leave_alone(name, host, response.status, asked_s)
        else:
            host.answer()
        if name in self._gentle and (slot := self._find_slot(name)):
            slot.lastseen = max(slot.lastseen, monotonic())  # the delay begins with the answer
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        if not self._crawler.crawling:
            return  # somebody has stopped the run
        if isinstance(exception, _NOT_ASKED) and not isinstance(exception, TooLargeResponse):
            return
        host = self._count(request, get_host(request))
        if isinstance(exception, DownloadTimeoutError):
            # The next run may try again; here two more tries would hold up all others.
            request.meta["dont_retry"] = True
            if self._count_left_s(request) <= 0:
                raise self._say_late() from exception
        if isinstance(exception, SILENCE):
            host.fail(say_silence(exception))

    def _count(self, request: Request, name: str) -> Host:
        host = self.report_host(name)
        host.report.requests += 1
        host.report.retries += request.meta.get("retry_times", 0) > 0
        if slot := self._find_slot(name):
            host.report.delay_s = slot.delay
        return host

    def _find_slot(self, name: str) -> Slot | None:
        slots: dict[str, Slot] = self._crawler.engine.downloader.slots
        return slots.get(name)

    # ------------------------------------------------------------ a host's peace

    def _leave_alone(self, name: str, host: Host, status: int, asked_s: int) -> None:
        is_anew = host.refuse(
            f"HTTP {status}",
            monotonic(),
            self._patience,
            asked_s=asked_s,
            jitter=random.random(),  # noqa: S311
        )
        slot = self._find_slot(name)
        if slot is None:
            return
        if status == 429 and is_anew:
            self.slow_down(name, host.raise_delay(slot.delay))
        # What waits in the slot for its turn waits until then.
        slot.lastseen = max(slot.lastseen, host.held_until - slot.delay)

    def slow_down(self, name: str, delay_s: float, *, concurrency: int | None = None) -> None:
        """Lets a host be asked no more often than once in so many seconds."""
        downloader = self._crawler.engine.downloader
        slot = self._find_slot(name)
        # A slot that is not used for a minute is forgotten and made anew from these.
        declared = dict(downloader.per_slot_settings.get(name, {}))
        usual_s = slot.delay if slot else declared.get("delay", downloader._delay)
        declared["delay"] = max(delay_s, usual_s)
        if concurrency is not None:
            declared["concurrency"] = concurrency
        downloader.per_slot_settings[name] = declared
        if slot:
            slot.delay = declared["delay"]
            slot.concurrency = declared.get("concurrency", slot.concurrency)

    def obey_delay(self, name: str, delay_s: float) -> None:
        """Keeps the Crawl-delay of a host's robots.txt, up to NEWS_MAX_CRAWL_DELAY."""
        if delay_s > self._max_crawl_delay_s:
            self._report.warnings.append(
                f"{name}: Crawl-delay {delay_s:g} s, "
                f"{self._max_crawl_delay_s:g} s are kept (NEWS_MAX_CRAWL_DELAY)"
            )
            delay_s = self._max_crawl_delay_s
        self._gentle.add(name)
        self.slow_down(name, delay_s, concurrency=1)

    def find_wait_s(self, name: str, busy: int) -> float:
        """Gives the seconds until the host may be asked; 0 for now. Where the answers that it still
        owes decide it, the seconds after which to look again. ``busy`` counts those."""
        host = self.find_host(name)
        if host.report.gave_up:
            return 0.0  # every request that waits for it is told so
        now = monotonic()
        if host.held_until > now:
            return host.held_until - now
        slot = self._find_slot(name)
        if busy >= (slot.concurrency if slot and host.is_well else 1):
            return _LONG_S
        if slot is None or not slot.delay:
            return 0.0
        # One at a time is on its way to the slot: what stands there already waits badly.
        wait_s = slot.lastseen + slot.delay - now
        return max(wait_s, 0.02) if busy > len(slot.transferring) else max(wait_s, 0.0)

    # ------------------------------------------------------------ a source's time

    def _count_left_s(self, request: Request) -> float:
        """The seconds that are left to the request's source, from its first request on."""
        source = request.meta.get(SOURCE)
        if source is None:
            return float("inf")
        now = monotonic()
        return self._started.setdefault(source, now) + self._max_source_s - now

    def _say_late(self) -> SourceTimeError:
        return SourceTimeError(
            f"the source took longer than {self._max_source_s:g} s (NEWS_MAX_SOURCE_SECONDS)"
        )


def say_silence(error: Exception) -> str:
    """Gives in a few words why there was no answer."""
    if isinstance(error, DownloadTimeoutError):
        # Scrapy's own deadline says so; else it is the connection's.
        late = "took longer" in str(error)
        return "timed out (NEWS_MAX_SECONDS)" if late else "timed out: no connection"
    if isinstance(error, CannotResolveHostError):
        return "no such host"
    if isinstance(error, DownloadConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__


# While a request waits here, somebody may stop the run, or the host may be given up.
_TICK_S = 0.5
# Where only an answer can change anything; the engine looks again after each of them.
_LONG_S = 5.0


class HostQueue(DownloaderAwarePriorityQueue):
    """Gives requests whose host may be asked now; the others stay, and take no place among
    CONCURRENT_REQUESTS."""

    def __init__(self, crawler: Crawler, *arguments: Any, **options: Any) -> None:
        super().__init__(crawler, *arguments, **options)
        manners = crawler.get_downloader_middleware(Manners)
        assert manners is not None
        self._manners = manners
        self._timer: asyncio.TimerHandle | None = None

    def pop(self) -> Request | None:
        busy = Counter(map(get_host, self.crawler.engine.downloader.active))
        soonest_s = _LONG_S
        for name in self.pqueues:
            wait_s = self._manners.find_wait_s(name, busy[name])
            if wait_s <= 0:
                break
            soonest_s = min(soonest_s, wait_s)
        else:
            if self.pqueues:
                self._look_again(soonest_s)
            return None
        queue = self.pqueues.pop(name)
        request: Request | None = queue.pop()
        if len(queue):
            self.pqueues[name] = queue  # behind the other hosts, so that each has its turn
        else:
            queue.close()
        return request

    def _look_again(self, after_s: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + after_s
        if self._timer is not None and not self._timer.cancelled():
            if loop.time() < self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        slot = self.crawler.engine._slot
        if slot is not None:
            slot.nextcall.schedule()


# ---------------------------------------------------------------- robots.txt


class Robots(RobotsTxtMiddleware):
    """Scrapy's, with what RFC 9309 says of a robots.txt that is not there (everything is allowed)
    or cannot be had (nothing is, for now), and with its delays. Each is asked for once a run."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._agent = self._robotstxt_useragent or self._default_useragent
        self._found: dict[str, asyncio.Task[RobotParser | DownloadError]] = {}
        self._disallowed: Counter[str] = Counter()

    async def process_request(self, request: Request, spider: Spider | None = None) -> None:
        if _is_robots(request):
            return
        parts = urlparse_cached(request)
        if parts.netloc not in self._found:
            url = f"{parts.scheme}://{parts.netloc}/robots.txt"
            self._found[parts.netloc] = asyncio.create_task(self._find_parser(url))
        parser = await asyncio.shield(self._found[parts.netloc])
        if isinstance(parser, DownloadError):
            raise copy(parser)
        try:
            self.process_request_2(parser, request)
        except IgnoreRequest:
            name = get_host(request)
            self._disallowed[name] += 1
            self._manners.report_host(name).report.robots = f"disallowed {self._disallowed[name]}"
            raise

    async def _find_parser(self, url: str) -> RobotParser | DownloadError:
        """Gives the parser, or why nothing may be asked for the time being."""
        request = Request(
            url,
            priority=self.DOWNLOAD_PRIORITY,
            meta={"dont_obey_robotstxt": True},
            callback=NO_CALLBACK,
        )
        name = get_host(request)
        body = b""
        verdict = "none"
        try:
            response = await self.crawler.engine.download_async(request)
            if response.status == 429 or response.status >= 500:
                raise RobotsError(f"HTTP {response.status}")
            if response.status < 300:
                body = response.body[:ROBOTS_READ_BYTES]
                verdict = "allowed"
        except TooLargeResponse as error:
            self._manners.report_host(name).report.robots = "unreachable"
            return RobotsError(f"{error} (asked for robots.txt)")
        except IgnoreRequest:
            pass  # it leads nowhere, which is as if there were none
        except HostGivenUpError as error:
            self._manners.report_host(name).report.robots = "unreachable"
            return error
        except Exception as error:
            # Whatever went wrong, nobody knows what it says.
            self._manners.report_host(name).report.robots = "unreachable"
            return RobotsError(f"{say_silence(error)} (asked for robots.txt)")
        self._manners.report_host(name).report.robots = verdict
        parser = ProtegoRobotParser(body, self.crawler.spider)
        if delay_s := self._read_delay_s(parser):
            self._manners.obey_delay(name, delay_s)
        return parser

    def _read_delay_s(self, parser: ProtegoRobotParser) -> float:
        """The greater of Crawl-delay and Request-rate, 0 for none."""
        rate = parser.rp.request_rate(self._agent)
        rate_s = rate.seconds / rate.requests if rate else 0.0
        return max(parser.crawl_delay(self._agent) or 0.0, rate_s)

    @property
    def _manners(self) -> Manners:
        manners = self.crawler.get_downloader_middleware(Manners)
        assert manners is not None
        return manners


def _is_robots(request: Request) -> bool:
    return bool(request.meta.get("dont_obey_robotstxt"))
