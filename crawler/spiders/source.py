"""The one spider behind every declared source: feeds and lists in, articles out.

Glue: what a feed or a page says is read in the pure rooms; here it is asked for, in the order
feed, entries, pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadTimeoutError, IgnoreRequest, UsageError
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawler.archive import Validator
from crawler.archive.decide import identify
from crawler.article import Article, Entry, Feed
from crawler.bylines import clean_byline
from crawler.dates import parse_date
from crawler.encoding import decode_text
from crawler.errors import FeedError, PageError
from crawler.extensions import RunReporter, say_error
from crawler.feeds import parse_feed
from crawler.feeds.fields import DATES_WITHOUT_ZONE
from crawler.feeds.whole import is_whole
from crawler.items import NewsItem, Ticket
from crawler.options import Options, read_options
from crawler.pages import check_is_text, extract_from_text
from crawler.pipelines import ArchivePipeline
from crawler.sources import FeedRule, Source

# Documents from this size on are parsed off the reactor, so that other downloads go on meanwhile.
BIG_DOCUMENT = 256 * 1024
# After so many entries others have their turn, also where all of them are known already.
ENTRIES_AT_ONCE = 256
# How a title ends that a list has cut.
_CUT = ("…", "...", "..")
# An HTTP status that will be the same tomorrow: the article is written from the feed's own text.
GONE = frozenset((401, 403, 404, 405, 410, 414, 451))
# An index may list thousands of sitemaps; the newest come first or the operator names one.
MOST_FOLLOWED = 50


@dataclass(slots=True)
class _Page:
    """An article page that was asked for in this run, and the feeds that wait for it."""

    tickets: list[Ticket] = field(default_factory=list)
    done: bool = False
    failed: bool = False


class SourceSpider(Spider):
    """Crawls ``source``. Arguments: since, until (days, inclusive), limit, channel, refresh."""

    name = ""
    source: Source
    options: Options
    arguments: ClassVar[dict[str, str]] = {
        "since": "only articles of this day and later, e.g. 2026-06-01 (in the source's zone)",
        "until": "only articles of this day and earlier",
        "limit": "at most so many articles",
        "channel": "only the feeds of this channel, as the source file names it",
        "refresh": "1: fetch known pages and unchanged feeds again",
    }

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name)
        self.since = read_day(kwargs.get("since"), "since")
        self.until = read_day(kwargs.get("until"), "until")
        self.limit = read_count(kwargs.get("limit"), "limit")
        self.channel: str | None = kwargs.get("channel")
        self.refresh = read_flag(kwargs.get("refresh"), "refresh")
        self._pages: dict[bytes, _Page] = {}
        self._accepted = 0

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        bounds = {
            "DOWNLOAD_MAXSIZE": settings.getint("NEWS_MAX_BYTES"),
            "DOWNLOAD_TIMEOUT": settings.getint("NEWS_MAX_SECONDS"),
        }
        for key, value in bounds.items():
            settings.set(key, value, priority="spider")

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.options = read_options(crawler.settings)
        return spider

    @classmethod
    def check_arguments(cls, arguments: dict[str, str]) -> None:
        """Raises UsageError, with one line, when the ``-a`` arguments make no sense."""
        for key in arguments:
            if key not in cls.arguments:
                raise UsageError(
                    f"-a {key}=…: unknown argument, expected one of {', '.join(cls.arguments)}",
                    print_help=False,
                )
        spider = cls(**arguments)
        channels = [feed.channel for feed in spider.source.feeds]
        if spider.channel is not None and spider.channel not in channels:
            raise UsageError(
                f"-a channel={spider.channel}: source {cls.name} has {', '.join(channels)}",
                print_help=False,
            )

    # ------------------------------------------------------------ feeds

    async def start(self) -> AsyncIterator[Any]:
        reporter = self.crawler.get_extension(RunReporter)
        pipeline = self.crawler.get_item_pipeline(ArchivePipeline)
        assert reporter is not None
        assert pipeline is not None
        self.report = reporter.report.of(self.source.name)
        self.report.verified = self.source.verified
        if pipeline.archive is None:
            return
        self._keep = pipeline.keep_validator
        self._archive = pipeline.archive
        for rule in self.source.feeds:
            if self.channel is None or rule.channel == self.channel:
                yield self.ask_feed(rule)

    def ask_feed(self, rule: FeedRule) -> Request:
        headers = dict(rule.headers)
        if not self.refresh:
            known = self._archive.find_validator(self.source.name, self._validator_key(rule))
            if known and known.etag:
                headers["If-None-Match"] = known.etag
            if known and known.last_modified:
                headers["If-Modified-Since"] = known.last_modified
        return Request(
            rule.url,
            headers=headers,
            callback=self.parse_feed,
            errback=self.feed_failed,
            cb_kwargs={"rule": rule},
            meta={"handle_httpstatus_list": [304]},
            dont_filter=True,
            priority=10,
        )

    def _validator_key(self, rule: FeedRule) -> str:
        """What a feed is remembered under: its address, and how it and its pages are read, so a
        changed rule meets the feed anew."""
        reading = repr((rule, self.source.pages, self.source.timezone, self.source.label))
        return f"{rule.url} {sha256(reading.encode()).hexdigest()[:12]}"

    async def parse_feed(self, response: Response, rule: FeedRule) -> AsyncIterator[Any]:
        report = self.report
        report.bytes += len(response.body)
        key = self._validator_key(rule)
        digest = sha256(response.body).digest()
        known = None if self.refresh else self._archive.find_validator(self.source.name, key)
        if response.status == 304 or (known and known.body == digest):
            report.feeds += 1
            report.conditional += 1
            return
        met_at = datetime.now(UTC)
        try:
            feed = await self._read_feed(response, rule)
        except FeedError as error:
            report.feeds_failed += 1
            report.refuse(error.reason, response.url)
            return
        for problem in feed.problems:
            if self.source.zone_declared and problem.reason.startswith(DATES_WITHOUT_ZONE):
                continue
            where = "" if problem.index is None else f"entry {problem.index}: "
            report.warn(where + problem.reason, response.url)
        if feed.advertised and not feed.entries:
            for request in self._follow(feed, rule, response):
                yield request
            return
        if rule.rows and not feed.entries:
            report.feeds_failed += 1
            return
        report.feeds += 1
        ticket = Ticket(
            Validator(
                source=self.source.name,
                url=key,
                etag=_header(response, "ETag"),
                last_modified=_header(response, "Last-Modified"),
                body=digest,
                at=int(met_at.timestamp()),
            ),
            keep=self._keep,
            failed=feed.cut,
        )
        self._part_guids(feed, response.url)
        for number, entry in enumerate(feed.entries, 1):
            if number % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
            output = self.place_entry(entry, feed, rule, ticket, met_at)
            if output is not None:
                yield output
        ticket.settle()

    async def _read_feed(self, response: Response, rule: FeedRule) -> Feed:
        def read() -> Feed:
            return parse_feed(
                response.body,
                url=response.url,
                content_type=_header(response, "Content-Type"),
                rule=rule,
                timezone=self.source.timezone,
                now=response_time(response),
                max_entries=self.options.max_entries,
                max_depth=self.options.max_depth,
                max_bytes=self.options.max_bytes,
            )

        packed = response.body.startswith(b"\x1f\x8b")
        is_big = packed or len(response.body) > BIG_DOCUMENT
        return await asyncio.to_thread(read) if is_big else read()

    def _follow(self, feed: Feed, rule: FeedRule, response: Response) -> Iterator[Request]:
        """The feed that a page advertises, or the sitemaps of an index."""
        depth = response.meta.get("followed", 0)
        if depth >= 2:
            self.report.feeds_failed += 1
            self.report.refuse("points to another document for the third time", response.url)
            return
        urls = feed.advertised[: MOST_FOLLOWED if feed.format == "sitemapindex" else 1]
        if len(urls) < len(feed.advertised) and feed.format == "sitemapindex":
            self.report.warn(f"{len(feed.advertised)} sitemaps, followed {len(urls)}", response.url)
        for url in urls:
            request = self.ask_feed(replace(rule, url=url))
            request.meta["followed"] = depth + 1
            yield request

    def feed_failed(self, failure: Failure) -> None:
        self.report.feeds_failed += 1
        self.report.refuse(say_failure(failure), failure.request.url)  # type: ignore[attr-defined]

    # ------------------------------------------------------------ entries

    def _part_guids(self, feed: Feed, url: str) -> None:
        """Lets addresses count where a document has one guid for several of them."""
        links: dict[str, set[str | None]] = {}
        for entry in feed.entries:
            if entry.id:
                links.setdefault(entry.id, set()).add(entry.link)
        for guid, shared in links.items():
            if len(shared) > 1:
                self.report.warn(f"guid {guid[:80]!r} stands for {len(shared)} addresses", url)
        for entry in feed.entries:
            if entry.id and entry.link and len(links[entry.id]) > 1:
                entry.id = None

    def place_entry(
        self, entry: Entry, feed: Feed, rule: FeedRule, ticket: Ticket, met_at: datetime
    ) -> Any:
        """Gives the article of an entry, the request for its page, or None when neither is due."""
        report = self.report
        report.entries += 1
        report.see(entry.published)
        if not self._is_wanted(entry.published) or self._is_full():
            ticket.failed = True  # not all of the feed was wanted: it is to be met again
            return None
        digest = digest_entry(entry)
        body = None if rule.fulltext == "never" else entry.content
        if body is None and rule.fulltext != "never" and is_whole(entry, feed.format):
            body = entry.summary
        if body is None and rule.fulltext != "always" and entry.link:
            return self._ask_page(entry, feed, rule, ticket, digest)
        if not (body or entry.title or entry.images):
            report.refuse("an entry with neither title nor text nor address", feed.title)
            return None
        ticket.open += 1
        return self._make_item(entry, feed, rule, [ticket], digest, met_at, body)

    def _is_wanted(self, at: datetime | None) -> bool:
        if at is None or not (self.since or self.until):
            return True
        day = at.astimezone(ZoneInfo(self.source.timezone)).date()
        return (self.since is None or day >= self.since) and (
            self.until is None or day <= self.until
        )

    def _is_full(self) -> bool:
        if self.limit is not None and self._accepted >= self.limit:
            return True
        self._accepted += 1
        return False

    def _ask_page(
        self, entry: Entry, feed: Feed, rule: FeedRule, ticket: Ticket, digest: bytes
    ) -> Request | None:
        assert entry.link is not None
        identity = identify(self.source.name, guid=entry.id, url=entry.link, content=None)
        page = self._pages.get(identity)
        if page is not None:
            self.report.unchanged += 1  # listed twice
            if not page.done:
                ticket.open += 1
                page.tickets.append(ticket)
            elif page.failed:
                ticket.failed = True
            return None
        if not self.refresh and self._archive.is_current(identity, digest):
            self.report.unchanged += 1
            return None
        ticket.open += 1
        page = self._pages[identity] = _Page([ticket])
        return Request(
            entry.link,
            callback=self.parse_page,
            errback=self.page_failed,
            cb_kwargs={"entry": entry, "feed": feed, "rule": rule, "digest": digest, "page": page},
            dont_filter=True,
        )

    # ------------------------------------------------------------ pages

    def parse_page(
        self,
        response: Response,
        entry: Entry,
        feed: Feed,
        rule: FeedRule,
        digest: bytes,
        page: _Page,
    ) -> Any:
        self.report.bytes += len(response.body)
        content_type = _header(response, "Content-Type")
        try:
            check_is_text(response.body, url=response.url, content_type=content_type)
        except PageError as error:
            return self._write_partial(entry, feed, rule, digest, page, error.reason, response.url)
        decoded = decode_text(response.body, content_type=content_type, kind="html")
        if decoded.guessed:
            self.report.warn(f"charset guessed: {decoded.encoding}", response.url)
        if decoded.replaced:
            self.report.warn(
                f"{decoded.replaced} characters cannot be read in {decoded.encoding}", response.url
            )
        try:
            found = extract_from_text(
                decoded.text,
                url=response.url,
                rule=self.source.pages or None,
                timezone=self.source.timezone,
                now=response_time(response),
            )
        except PageError as error:
            if not self.source.pages:
                return self._write_partial(
                    entry, feed, rule, digest, page, error.reason, response.url
                )
            # The layout has changed, or is one that the rules do not know: to be met again.
            self._give_up(page)
            self.report.refuse(error.reason, response.url)
            return None
        page.done = True
        item = self._make_item(
            entry, feed, rule, page.tickets, digest, datetime.now(UTC), found.body
        )
        if not self.source.pages and entry.title and not entry.title.endswith(_CUT):
            found.title = ""  # guessed, where the feed tells
        self._prefer(item, found)
        item.base_url = response.url
        return item

    def _prefer(self, item: NewsItem, page: Article) -> None:
        """The page's own values beat the list's."""
        item.title = page.title or item.title
        item.published = page.published or item.published
        item.updated = page.updated or item.updated
        item.byline = page.byline or item.byline
        item.origin = page.origin or item.origin
        item.channel = page.channel or item.channel
        item.image = page.image or item.image
        item.guid = item.guid or page.guid
        self.report.see(page.published)

    def page_failed(self, failure: Failure) -> Any:
        asked: dict[str, Any] = failure.request.cb_kwargs  # type: ignore[attr-defined]
        url: str = failure.request.url  # type: ignore[attr-defined]
        reason = say_failure(failure)
        page: _Page = asked["page"]
        if not is_for_good(failure):
            self._give_up(page)
            self.report.refuse(f"{reason}; to be tried again next run", url)
            return None
        return self._write_partial(
            asked["entry"], asked["feed"], asked["rule"], asked["digest"], page, reason, url
        )

    def _write_partial(
        self,
        entry: Entry,
        feed: Feed,
        rule: FeedRule,
        digest: bytes,
        page: _Page,
        reason: str,
        url: str,
    ) -> NewsItem | None:
        """Gives the article as the feed itself tells it, for a page that will never be had."""
        page.done = True
        text = entry.content or entry.summary or ""
        if not (entry.title or text):
            self.report.refuse(f"{reason}; the feed itself says nothing of it", url)
            for ticket in page.tickets:
                ticket.settle()
            return None
        self.report.partial += 1
        self.report.warn(f"written from the feed's own text: {reason}", url)
        item = self._make_item(entry, feed, rule, page.tickets, digest, datetime.now(UTC), text)
        item.partial = reason
        return item

    def _give_up(self, page: _Page) -> None:
        page.done = page.failed = True
        for ticket in page.tickets:
            ticket.settle(failed=True)

    # ------------------------------------------------------------ articles

    def _make_item(
        self,
        entry: Entry,
        feed: Feed,
        rule: FeedRule,
        tickets: list[Ticket],
        digest: bytes,
        met_at: datetime,
        body: str | None,
    ) -> NewsItem:
        source = self.source
        label = source.label or feed.title or source.name
        byline = clean_byline(" ".join(entry.authors)) if entry.authors else None
        published = entry.published or entry.updated
        updated = entry.updated if entry.updated and entry.updated != published else None
        return NewsItem(
            title=entry.title,
            section=source.section,
            label=label,
            channel=rule.channel,
            slug=source.slug,
            published=published,
            image=entry.images[0] if entry.images else None,
            images=list(entry.images),
            body=body or "",
            source=source.name,
            guid=entry.id,
            canonical_url=entry.link,
            byline=None if byline in (label, feed.title) else byline,
            origin=entry.origin,
            updated=updated,
            timezone=source.timezone,
            met_at=met_at,
            base_url=entry.base_url or entry.link,
            entry=digest,
            tickets=tickets,
        )


def digest_entry(entry: Entry) -> bytes:
    """Gives 16 bytes that change when the entry's title, text or dates do."""
    times = [at.timestamp() if at else 0 for at in (entry.published, entry.updated)]
    told = (entry.title, entry.summary or "", entry.content or "", repr(times))
    return sha256("\0".join(told).encode("utf-8", "replace")).digest()[:16]


def response_time(response: Response) -> datetime:
    """Gives the moment the response speaks of: its Date, less the time it lay in a cache."""
    at = parse_date(_header(response, "Date") or "", timezone="UTC")
    age = _header(response, "Age") or ""
    if at is None:
        return datetime.now(UTC)
    return at - timedelta(seconds=int(age)) if age.isdecimal() and len(age) < 9 else at


def say_failure(failure: Failure) -> str:
    """Gives the reason of a failed request in a few words."""
    error = failure.value
    if isinstance(error, HttpError):
        return f"HTTP {error.response.status}"
    if isinstance(error, DownloadTimeoutError):
        return "timed out (NEWS_MAX_SECONDS)"
    if "download max size" in str(error) or "DOWNLOAD_MAXSIZE" in str(error):
        return "larger than NEWS_MAX_BYTES"
    if isinstance(error, IgnoreRequest):
        return str(error).lower() if "robots" in str(error).lower() else f"refused: {error}"
    return say_error(failure)


def is_for_good(failure: Failure) -> bool:
    """Tells whether asking again tomorrow would bring the same."""
    error = failure.value
    if isinstance(error, HttpError):
        return error.response.status in GONE
    return isinstance(error, IgnoreRequest)


def _header(response: Response, name: str) -> str | None:
    value = response.headers.get(name)
    return value.decode("latin-1") if value else None


# ---------------------------------------------------------------- arguments


def read_day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise wrong_argument(name, text, "a day such as 2026-06-01") from None


def read_count(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise wrong_argument(name, text, "a whole number above 0")
    return int(text)


def read_flag(text: str | None, name: str) -> bool:
    if text not in (None, "0", "1"):
        raise wrong_argument(name, text, "0 or 1")
    return text == "1"


def read_url(text: str | None, name: str) -> str:
    parts = urlsplit(text or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong_argument(name, text or "", "an absolute http or https address")
    return text or ""


def wrong_argument(name: str, text: str, expected: str) -> UsageError:
    return UsageError(f"-a {name}={text}: expected {expected}", print_help=False)
