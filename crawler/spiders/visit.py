"""A visit: what a run does at one source, from its feeds to its articles.

Glue: what a feed or a page says is read in the pure rooms; here it is asked for, in the order
feed, entries, pages. A spider makes one visit or many. What becomes of an entry's page is the
business of ``articles``, how the source is doing that of ``health``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from scrapy import Request
from scrapy.http import Response
from twisted.python.failure import Failure

from crawler.archive import Archive, Validator
from crawler.archive.decide import identify
from crawler.article import Entry, Feed
from crawler.drift import FEW, IS_EMPTY
from crawler.errors import FeedError
from crawler.feeds import parse_feed
from crawler.feeds.lists import find_next_pages
from crawler.feeds.whole import is_whole
from crawler.items import NewsItem, Ticket
from crawler.manners import SOURCE
from crawler.middlewares import make_request
from crawler.options import Options
from crawler.report import SourceReport
from crawler.schedule import SourceState, read_freshness
from crawler.sources import FeedRule, Source
from crawler.spiders.arguments import Wanted
from crawler.spiders.articles import NOT_SEEN, Articles, Asked, Listing
from crawler.spiders.health import Health
from crawler.spiders.responses import (
    is_missing,
    read_header,
    response_time,
    say_failure,
)

# Documents from this size on are parsed off the reactor, so that other downloads go on meanwhile.
BIG_DOCUMENT = 256 * 1024
# One at a time: together they are no faster, and each may take some hundred megabytes.
_BIG_DOCUMENTS = asyncio.Lock()
# After so many entries others have their turn, also where all of them are known already.
ENTRIES_AT_ONCE = 256
# Of one feed. An index may list thousands of sitemaps; the newest come first or the operator names
# one.
MOST_FOLLOWED = 50
# Pages of a list that a run reads at most: where the rule names no number, and where the operator
# asks for articles since a day.
LIST_PAGES = 10
MOST_LIST_PAGES = 1_000
MOST_DAYS = 1_000
LIST_PRIORITY = 10_000


class Visit:
    """One source's part of a run. ``keep`` takes validators in the order of the articles."""

    def __init__(
        self,
        source: Source,
        *,
        wanted: Wanted,
        options: Options,
        report: SourceReport,
        archive: Archive,
        keep: Callable[[Validator], None],
        goes_on: Callable[[], bool],
    ) -> None:
        self.source = source
        self.report = report
        self._wanted = wanted
        self._options = options
        self._archive = archive
        self._keep = keep
        self._goes_on = goes_on
        self._zone = ZoneInfo(source.timezone)
        self._asked: dict[bytes, Asked] = {}
        self._has_more = False
        # Lists that were asked for and are not read yet.
        self.lists_open = 0
        self._taken = 0
        self._health = Health(source, report, archive.find_state(source.name))
        # Whoever asks for articles since a day has asked for something long.
        self._meta = {} if wanted.since else {SOURCE: source.name}
        self._articles = Articles(
            source,
            options=options,
            report=report,
            watch=self._health.watch,
            meta=self._meta,
            forget=self._forget,
            hear=self._health.hear,
            warn_once=self._health.warn_once,
        )
        self._followed: Counter[int] = Counter()
        unseen = [feed for feed in source.feeds if not feed.verified]
        unseen_pages = [page for page in source.pages if not page.verified]
        report.verified = source.verified and not (unseen or unseen_pages)

    # ------------------------------------------------------------ feeds

    def start(self, now: datetime) -> Iterator[Request]:
        """Gives the requests for the first page of every feed that is wanted."""
        for number, rule in enumerate(self.source.feeds, 1):
            if self._wanted.channel not in (None, rule.channel):
                continue
            if not rule.is_dated:
                yield self._ask_list(Listing(rule, number))
                continue
            for day in self._list_days(rule, now):
                dated = replace(rule, url=_write_day(rule.url, day))
                yield self._ask_list(Listing(dated, number, day=day))

    def _list_days(self, rule: FeedRule, now: datetime) -> list[date]:
        """The days of a list that has an address for each, the newest first."""
        today = now.astimezone(self._zone).date()
        last = min(filter(None, (rule.until, self._wanted.until, today)))
        first = self._wanted.since or (
            last if self._wanted.until else today - timedelta(days=rule.days - 1)
        )
        first = max(first, rule.since or date.min)
        count = (last - first).days + 1
        if count > MOST_DAYS:
            self.report.warn(f"{count} days asked for, the last {MOST_DAYS} are read", rule.url)
        return [last - timedelta(days=back) for back in range(min(count, MOST_DAYS))]

    def _ask_list(self, listing: Listing) -> Request:
        rule = listing.rule
        headers = dict(rule.headers)
        listing.key = self._validator_key(rule)
        listing.asked.add(rule.url)
        # Whoever asks for older articles has to be led past a first page that has not changed.
        known = None if self._meets_all(rule) else self._find_validator(listing)
        listing.was_whole = known is not None
        if known and known.etag:
            headers["If-None-Match"] = known.etag
        if known and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        return self._request_list(listing, headers)

    def _request_list(self, listing: Listing, headers: dict[str, str]) -> Request:
        self.lists_open += 1
        return make_request(
            listing.rule.url,
            headers=headers,
            callback=self.parse_feed,
            errback=self.feed_failed,
            cb_kwargs={"listing": listing},
            meta={"handle_httpstatus_list": [304], **self._meta},
            dont_filter=True,
            # Before all pages, and in the order of the file: an article that stands in several
            # lists gets the channel that is declared first.
            priority=LIST_PRIORITY - listing.number,
        )

    def _meets_all(self, rule: FeedRule) -> bool:
        wanted = self._wanted
        return wanted.refresh or (rule.is_paged and bool(wanted.since or wanted.until))

    def _validator_key(self, rule: FeedRule) -> str:
        """What a feed is remembered under: its address, and how it and its pages are read, so a
        changed rule meets the feed anew."""
        source = self.source
        reading = repr((rule, source.pages, source.timezone, source.label, source.noise))
        return f"{rule.url} {sha256(reading.encode()).hexdigest()[:12]}"

    def _find_validator(self, listing: Listing) -> Validator | None:
        """The validators of a list that was read to its end."""
        known = self._archive.find_validator(self.source.name, listing.key)
        return known if known and known.body else None

    async def parse_feed(self, response: Response, listing: Listing) -> AsyncIterator[Any]:
        try:
            async for output in self._read_list(response, listing):
                yield output
        finally:
            self.lists_open -= 1

    async def _read_list(self, response: Response, listing: Listing) -> AsyncIterator[Any]:
        report = self.report
        rule = listing.rule
        report.bytes += len(response.body)
        digest = sha256(response.body).digest()
        self._health.note_freshness(read_freshness(read_header(response, "Cache-Control")))
        if listing.page == 1:
            known = self._find_validator(listing) if listing.was_whole else None
            if response.status == 304 or (known and known.body == digest):
                report.feeds += 1
                report.conditional += 1
                self._health.note_issue(listing)
                return
        met_at = datetime.now(UTC)
        try:
            feed = await self._read_feed(response, rule)
        except FeedError as error:
            self._list_failed(listing, error.reason, response.url)
            return
        self._health.note_problems(feed, listing, response.url)
        if feed.advertised and not feed.entries:
            for request in self._follow(feed, listing, response):
                yield request
            return
        report.skipped += feed.skipped
        is_first = listing.page == 1 and not listing.day
        if (
            rule.rows
            and not feed.entries
            and (not feed.skipped or (is_first and feed.skipped >= FEW))
        ):
            if listing.page > 1:
                self._settle(listing)  # the page behind the last one
            elif listing.day:
                self._health.note_no_issue(listing, "rows match nothing", response.url)
            else:
                report.feeds_failed += 1
            return
        if listing.page == 1 and not listing.day and not rule.rows:
            missing = self._health.count_entries(rule, len(feed.entries) + feed.skipped)
            if missing:
                self._list_failed(listing, f"{IS_EMPTY} {missing} entries were", response.url)
                return
        if listing.page == 1:
            self._open(listing, response, feed, digest, met_at)
            report.feeds += 1
            self._health.note_feed(listing, feed)
        self._part_guids(feed, response.url)
        ticket = listing.ticket
        assert ticket is not None
        ticket.failed |= feed.cut
        fresh = 0
        listed = len(listing.met)
        for number, entry in enumerate(feed.entries, 1):
            if number % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
                if not self._goes_on():
                    return  # the run was asked to stop: the ticket stays open
            if listing.day and entry.published is None:
                entry.published = datetime.combine(listing.day, time(), self._zone)
            output = self.place_entry(entry, feed, listing, met_at)
            if output is not None:
                fresh += 1
                yield output
        listing.rows += len(feed.entries) + feed.skipped
        following = self._turn(feed, listing, response.url, fresh, len(listing.met) - listed)
        if following is not None:
            yield following
        self._settle(listing)

    def _open(
        self, listing: Listing, response: Response, feed: Feed, digest: bytes, met_at: datetime
    ) -> None:
        listing.ticket = Ticket(
            Validator(
                source=self.source.name,
                url=listing.key,
                etag=read_header(response, "ETag"),
                last_modified=read_header(response, "Last-Modified"),
                body=digest,
                at=int(met_at.timestamp()),
            ),
            keep=self._keep,
            failed=feed.cut,
        )
        rule = listing.rule
        if not rule.verified:
            self._health.warn_once(f"feed {listing.number}: {NOT_SEEN}", response.url)

    def _settle(self, listing: Listing, *, failed: bool = False) -> None:
        if listing.ticket:
            listing.ticket.settle(failed=failed)

    def _turn(
        self, feed: Feed, listing: Listing, url: str, fresh: int, unmet: int
    ) -> Request | None:
        """Gives the request for the list's next page, None where there is no reason to go on.

        ``fresh`` counts this page's entries that became articles or requests, ``unmet`` those that
        no earlier page of the list had.
        """
        rule = listing.rule
        if not rule.is_paged:
            return None
        further = find_next_pages(feed, rule, url=url, page=listing.page, offset=listing.rows)
        if listing.page == 1:
            self._health.note_next(listing, url, leads_on=bool(further))
        for address in further:
            if address not in listing.asked and address not in listing.waiting:
                listing.waiting.append(address)
        if not listing.waiting or unmet == 0 or self._is_full():
            return None
        since = self._wanted.since
        if since:
            dates = [entry.published for entry in feed.entries if entry.published]
            if dates and max(dates).astimezone(self._zone).date() < since:
                return None
        elif not self._wanted.refresh and listing.was_whole and fresh == 0:
            return None
        most = MOST_LIST_PAGES if since else rule.pages or LIST_PAGES
        if listing.page >= most:
            if since or rule.pages is None:
                self.report.warn(f"{most} pages of the list read, there are more", url)
            return None
        if listing.page == 1:
            # From here on, until the end is reached, a killed run must not look like a whole one.
            self._forget(listing)
        address = listing.waiting.pop(0)
        listing.asked.add(address)
        listing.page += 1
        assert listing.ticket is not None
        listing.ticket.open += 1
        listing.rule = replace(rule, url=address)
        return self._request_list(listing, dict(rule.headers))

    def _forget(self, listing: Listing) -> None:
        if listing.was_whole:
            now = int(datetime.now(UTC).timestamp())
            self._keep(Validator(self.source.name, listing.key, None, None, b"", now))

    def _list_failed(self, listing: Listing, reason: str, url: str) -> None:
        if listing.page > 1:
            self.report.refuse(f"page {listing.page} of the list: {reason}", url)
            self._settle(listing, failed=True)
            return
        self.report.feeds_failed += 1
        self.report.refuse(reason, url)

    async def _read_feed(self, response: Response, rule: FeedRule) -> Feed:
        def read() -> Feed:
            return parse_feed(
                response.body,
                url=response.url,
                content_type=read_header(response, "Content-Type"),
                rule=rule,
                timezone=self.source.timezone,
                now=response_time(response),
                max_entries=self._options.max_entries,
                max_page=self._options.max_page,
                max_depth=self._options.max_depth,
                max_attributes=self._options.max_attributes,
                max_bytes=self._options.max_bytes,
            )

        packed = response.body.startswith(b"\x1f\x8b")
        is_big = packed or len(response.body) > BIG_DOCUMENT
        if not is_big:
            return read()
        async with _BIG_DOCUMENTS:
            return await asyncio.to_thread(read)

    def _follow(self, feed: Feed, listing: Listing, response: Response) -> Iterator[Request]:
        """The feed that a page advertises, or the sitemaps of an index."""
        depth = response.meta.get("followed", 0)
        if depth >= 2:
            self.report.feeds_failed += 1
            self.report.refuse("points to another document for the third time", response.url)
            return
        most = 1
        if feed.format == "sitemapindex":
            most = MOST_FOLLOWED - self._followed[listing.number]
        urls = feed.advertised[:most]
        self._followed[listing.number] += len(urls)
        if not urls:
            self.report.feeds_failed += 1
            self.report.refuse(f"more than {MOST_FOLLOWED} sitemaps of one feed", response.url)
        elif len(urls) < len(feed.advertised) and feed.format == "sitemapindex":
            self.report.warn(f"{len(feed.advertised)} sitemaps, followed {len(urls)}", response.url)
        for url in urls:
            request = self._ask_list(Listing(replace(listing.rule, url=url), listing.number))
            request.meta["followed"] = depth + 1
            yield request

    def feed_failed(self, failure: Failure) -> None:
        self.lists_open -= 1
        request: Request = failure.request  # type: ignore[attr-defined]
        listing: Listing = request.cb_kwargs["listing"]
        self._health.hear(failure)
        if listing.day and is_missing(failure):
            self._health.note_no_issue(listing, say_failure(failure), request.url, is_missing=True)
            return
        if listing.page > 1 and listing.rule.next_url and is_missing(failure):
            # Pages that are counted on end where one is missing; the second rarely is.
            if listing.page == 2:
                self.report.warn(f"no page 2 of the list: {say_failure(failure)}", request.url)
            self._settle(listing)
            return
        self._list_failed(listing, say_failure(failure), request.url)

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
        self, entry: Entry, feed: Feed, listing: Listing, met_at: datetime
    ) -> NewsItem | Request | None:
        """Gives the article of an entry, the request for its page, or None when neither is due."""
        report = self.report
        rule, ticket = listing.rule, listing.ticket
        assert ticket is not None
        report.entries += 1
        report.see(entry.published)
        identity = b""
        if rule.is_paged or self._wanted.limit:
            identity = self._identify(entry)
            listing.met.add(identity)
        if not self._is_wanted(entry.published) or self._is_full():
            ticket.failed = True  # not all of the feed was wanted: it is to be met again
            return None
        digest = digest_entry(entry)
        body = None if rule.fulltext == "never" else entry.content
        if body is None and rule.fulltext != "never" and is_whole(entry, feed.format):
            body = entry.summary
        if body is None and rule.fulltext != "always" and (entry.detail or entry.link):
            return self._ask_page(entry, feed, listing, digest)
        if body is None and rule.rows and self._is_on_pages(rule):
            report.refuse(
                f"{entry.title[:60]!r} has no address, and its text is on its page", rule.url
            )
            return None
        if body is None:  # no page is to be asked: what the feed says is all there is
            body = entry.content or entry.summary
        if not (body or entry.title or entry.images):
            report.refuse("an entry with neither title nor text nor address", feed.title)
            return None
        if identity and not self._wanted.refresh and self._is_current(identity, digest):
            return None
        self._taken += 1
        ticket.open += 1
        item = self._articles.make_item(entry, feed, listing, [ticket], digest, met_at, body)
        item.seen = partial(self._articles.see_entry, listing)
        return item

    def _is_on_pages(self, rule: FeedRule) -> bool:
        """Tells whether the texts of a list are on pages, whatever its rows say of them."""
        if rule.fulltext == "auto":
            return bool(self.source.pages) and not rule.content
        return rule.fulltext == "never"

    def _identify(self, entry: Entry) -> bytes:
        """The identity of an entry's article; of one that has only its text, that of the entry."""
        return identify(
            self.source.name,
            guid=entry.id,
            url=entry.link or entry.detail,
            content=entry.title + (entry.content or entry.summary or ""),
        )

    def _is_wanted(self, at: datetime | None) -> bool:
        if at is None or not (self._wanted.since or self._wanted.until):
            return True
        return self._wanted.holds(at.astimezone(self._zone).date())

    def _is_full(self) -> bool:
        return self._wanted.limit is not None and self._taken >= self._wanted.limit

    def _is_current(self, identity: bytes, digest: bytes) -> bool:
        if not self._archive.is_current(identity, digest):
            return False
        self.report.unchanged += 1
        return True

    def _ask_page(
        self, entry: Entry, feed: Feed, listing: Listing, digest: bytes
    ) -> Request | None:
        ticket = listing.ticket
        assert ticket is not None
        identity = identify(
            self.source.name, guid=entry.id, url=entry.link or entry.detail, content=None
        )
        asked = self._asked.get(identity)
        if asked is not None:
            self.report.unchanged += 1  # listed twice
            if not asked.done:
                if listing.number < asked.listing.number:
                    asked.listing = listing  # the channel declared first counts
                ticket.open += 1
                asked.tickets.append(ticket)
            elif asked.failed:
                ticket.failed = True
            return None
        if self._archive.is_removed(identity):
            self.report.removed += 1
            return None
        if not self._wanted.refresh and self._is_current(identity, digest):
            return None
        if len(self._asked) >= self._options.max_pages and not self._wanted.since:
            if not self._has_more:
                self._has_more = True
                most = self._options.max_pages
                self.report.warn(
                    f"{most} pages asked for (NEWS_MAX_PAGES), the rest comes with the next run",
                    listing.rule.url,
                )
            ticket.failed = True
            return None
        self._taken += 1
        ticket.open += 1
        asked = Asked(entry, feed, listing, digest, [ticket])
        self._asked[identity] = asked
        return self._articles.ask(asked)

    def count_pages(self) -> tuple[int, int]:
        """Gives how many article pages were asked for, and how many of them are done with."""
        pages = list(self._asked.values())
        return len(pages), sum(asked.done for asked in pages)

    def end(self, now: datetime) -> SourceState:
        """Gives what the ledger is to remember of the source. To be called once, when everything is
        done."""
        pages = self._articles
        return self._health.end(
            now, first_unfit=pages.first_unfit, first_partial=pages.first_partial
        )


def _write_day(url: str, day: date) -> str:
    """Gives the address of a day's issue: ``{date:%Y-%m/%d}`` filled in."""
    head, *rest = url.split("{date:")
    for part in rest:
        form, _, tail = part.partition("}")
        head += day.strftime(form) + tail
    return head


def digest_entry(entry: Entry) -> bytes:
    """Gives 16 bytes that change when the entry's title, text or dates do.

    "3 小时前" is another instant each time it is read: such dates do not count.
    """
    dates = () if entry.is_approximate else (entry.published, entry.updated)
    times = [at.timestamp() if at else 0 for at in dates]
    told = (entry.title, entry.summary or "", entry.content or "", repr(times))
    return sha256("\0".join(told).encode("utf-8", "replace")).digest()[:16]
