"""Articles: from an entry to the item that is archived, by way of its pages.

Glue: pages are asked for and put together here; what they say is read in the pure rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy import Request
from scrapy.http import Response
from twisted.python.failure import Failure

from crawler.article import Article, Entry, Feed
from crawler.bylines import clean_byline
from crawler.drift import FEED, OF_NO_RULE, OF_RULE, Sight, Watch
from crawler.encoding import decode_text
from crawler.errors import GonePageError, PageError
from crawler.feeds.fields import count_visible
from crawler.items import NewsItem, Ticket
from crawler.middlewares import make_request
from crawler.options import Options
from crawler.pages import Page, check_is_text, read_page
from crawler.pages.failed import find_failure
from crawler.pages.generic import complete_title
from crawler.pages.noise import drop_noise
from crawler.report import SourceReport
from crawler.sources import FeedRule, PageRule, Source
from crawler.sources.rules import AUTO
from crawler.spiders.responses import (
    is_for_good,
    read_header,
    response_time,
    say_failure,
)

CHARSET_GUESSED = "charset guessed"
NOT_SEEN = "verified = false, nobody has seen this layout lately"
# How a title ends that a list has cut.
_CUT = ("…", "...", "..")
# An article has fewer pages than this; a longer row of links is something else.
MOST_PAGES = 50


@dataclass(slots=True)
class Listing:
    """A declared list on its way, from its first page to its last.

    ``rule`` has the address of this very document; ``day`` is that of an issue. ``was_whole`` says
    that an earlier run came to the list's end, so this one may stop where everything is known.
    """

    rule: FeedRule
    number: int
    day: date | None = None
    was_whole: bool = False
    key: str = ""
    ticket: Ticket | None = None
    page: int = 1
    rows: int = 0
    waiting: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    met: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class Asked:
    """An article page that was asked for in this run, and the feeds that wait for it."""

    entry: Entry
    feed: Feed
    listing: Listing
    digest: bytes
    tickets: list[Ticket]
    done: bool = False
    failed: bool = False


@dataclass(slots=True)
class _Parts:
    """An article of several pages: ``bodies`` by address, None until it is there."""

    asked: Asked
    item: NewsItem
    rule: PageRule | None
    bodies: dict[str, str | None]
    missing: list[str] = field(default_factory=list)
    given_up: bool = False


class Articles:
    """The articles of one source in one run.

    ``forget`` makes a list be met again from its first page to its last; ``hear`` takes note of
    what a server asks for; ``warn_once`` says what need not be said of every page.
    """

    def __init__(
        self,
        source: Source,
        *,
        options: Options,
        report: SourceReport,
        watch: Watch,
        meta: Mapping[str, str],
        forget: Callable[[Listing], None],
        hear: Callable[[Failure], None],
        warn_once: Callable[[str, str], None],
    ) -> None:
        self.source = source
        self.report = report
        self._options = options
        self._watch = watch
        self._meta = meta
        self._forget = forget
        self._hear = hear
        self._warn_once = warn_once
        self.first_partial = self.first_unfit = ""

    def ask(self, asked: Asked) -> Request:
        """Gives the request for the page of an entry."""
        entry = asked.entry
        return make_request(
            entry.detail or entry.link or "",
            callback=self.parse_page,
            errback=self.page_failed,
            cb_kwargs={"asked": asked},
            meta=dict(self._meta),
            dont_filter=True,
        )

    def parse_page(self, response: Response, asked: Asked) -> Any:
        entry = asked.entry
        self.report.bytes += len(response.body)
        try:
            text = self._read_text(response)
        except PageError as error:
            return self._write_partial(asked, error.reason, response.url)
        if failure := self._find_failure(text, entry):
            reason, for_good = failure
            if for_good:
                return self._write_partial(asked, reason, response.url)
            self._give_up(asked)
            self.report.refuse(f"{reason}; to be tried again next run", response.url)
            return None
        try:
            page = self._read_page(text, response, self.source.pages, entry.published)
        except PageError as error:
            if not self.source.pages or isinstance(error, GonePageError):
                return self._write_partial(asked, error.reason, response.url)
            # The layout has changed, or is one that the rules do not know: to be met again.
            self._give_up(asked)
            self.report.refuse(error.reason, response.url)
            self.report.unfit += 1
            self.first_unfit = self.first_unfit or response.url
            return None
        self.report.pages += 1
        if page.rule and not page.rule.verified:
            number = self.source.pages.index(page.rule) + 1
            self._warn_once(f"page {number}: {NOT_SEEN}", response.url)
        item = self.make_item(
            entry,
            asked.feed,
            asked.listing,
            asked.tickets,
            asked.digest,
            datetime.now(UTC),
            page.article.body,
        )
        if page.rule is None and entry.title and not entry.title.endswith(_CUT):
            page.article.title = ""  # guessed, where the feed tells
        if not page.article.title and entry.title.endswith(_CUT):
            page.article.title = complete_title(text, entry.title)
        if self._is_vaguer(page, entry):
            page.article.published = None
        item.seen = partial(self._see_page, page, entry.published)
        self._prefer(item, page.article)
        item.base_url = response.url
        others = self._list_others(page.others, response.url)
        if not others:
            asked.done = True
            return item
        parts = _Parts(asked, item, page.rule, dict.fromkeys(others))
        return [self._ask_part(parts, url) for url in others]

    def _find_failure(self, text: str, entry: Entry) -> tuple[str, bool] | None:
        """What shows that the page is no article. Where a rule says how one looks, that tells, but
        for a page of nothing at all."""
        if text.strip() and any(rule.body != AUTO for rule in self.source.pages):
            return None
        return find_failure(text, title=entry.title)

    def _is_vaguer(self, page: Page, entry: Entry) -> bool:
        """Tells whether the page's date was guessed and is a day alone (at the top of many pages
        today's stands), where the feed tells a time of day."""
        if page.rule and (page.rule.published or page.rule.body != AUTO):
            return False
        zone = ZoneInfo(self.source.timezone)
        dates = (page.article.published, entry.published)
        has_clock = [at is not None and at.astimezone(zone).time() != time() for at in dates]
        return has_clock == [False, True]

    def _read_text(self, response: Response) -> str:
        """The decoded page. Raises PageError for what is no text, or longer than any page."""
        size, most = len(response.body), self._options.max_page
        if size > 4 * most:
            reason = f"a page of {size} bytes, more than {most} characters (NEWS_MAX_PAGE)"
            raise PageError(reason, url=response.url)
        content_type = read_header(response, "Content-Type")
        check_is_text(response.body, url=response.url, content_type=content_type)
        decoded = decode_text(response.body, content_type=content_type, kind="html")
        if decoded.guessed:
            self._warn_once(f"{CHARSET_GUESSED}: {decoded.encoding}", response.url)
        if decoded.replaced:
            self.report.warn(
                f"{decoded.replaced} characters cannot be read in {decoded.encoding}", response.url
            )
        return decoded.text

    def _read_page(
        self,
        text: str,
        response: Response,
        rules: Iterable[PageRule],
        listed_at: datetime | None,
    ) -> Page:
        return read_page(
            text,
            url=response.url,
            rule=tuple(rules) or None,
            timezone=self.source.timezone,
            now=response_time(response),
            listed_at=listed_at,
            max_page=self._options.max_page,
            max_depth=self._options.max_depth,
            max_attributes=self._options.max_attributes,
        )

    def _prefer(self, item: NewsItem, page: Article) -> None:
        """The page's own values beat the list's."""
        for name in (
            "title", "published", "updated", "byline", "origin", "editor", "subtitle", "lead",
            "section", "channel", "image", "keywords", "stocks", "captions",
        ):  # fmt: skip
            if value := getattr(page, name):
                setattr(item, name, value)
        item.guid = item.guid or page.guid
        self.report.see(page.published)

    def _see_page(self, page: Page, listed_at: datetime | None, clean: Article) -> None:
        """Takes note of an article as its page gave it, for what they look like together."""
        if self._watch.is_full:
            return
        rule, told = page.rule, page.article
        sight = Sight(
            url=clean.canonical_url or "",
            layout=f"{OF_RULE}{rule.body!r}" if rule else OF_NO_RULE,
            rule=rule,
            title=told.title if rule and rule.title else clean.title,
            length=_measure(clean),
            published=told.published,
            listed_at=listed_at,
            digest=_digest(clean),
            counted=page.counted,
        )
        self._watch.see(sight)

    def see_entry(self, listing: Listing, clean: Article) -> None:
        """Takes note of an article as the feed itself gave it."""
        if self._watch.is_full:
            return
        channel = listing.rule.channel
        sight = Sight(
            url=clean.canonical_url or listing.rule.url,
            layout=f"{FEED}{listing.number}" + (f" ({channel})" if channel else ""),
            rule=None,
            title=clean.title,
            length=_measure(clean),
            published=clean.published,
            listed_at=None,
            digest=_digest(clean),
        )
        self._watch.see(sight)

    def page_failed(self, failure: Failure) -> Any:
        request: Request = failure.request  # type: ignore[attr-defined]
        asked: Asked = request.cb_kwargs["asked"]
        reason = say_failure(failure)
        self._hear(failure)
        if not is_for_good(failure):
            self._give_up(asked)
            self.report.refuse(f"{reason}; to be tried again next run", request.url)
            return None
        return self._write_partial(asked, reason, request.url)

    # ------------------------------------------------------------ an article's other pages

    def _list_others(self, urls: Iterable[str], url: str) -> list[str]:
        """The further pages that are of the same site; others are named and left."""
        host = urlsplit(url).netloc
        others = []
        for other in urls:
            if urlsplit(other).netloc == host:
                others.append(other)
            else:
                self._warn_once("an article's pages on another host are left out", other)
        return others

    def _ask_part(self, parts: _Parts, url: str) -> Request:
        return make_request(
            url,
            callback=self.parse_part,
            errback=self.part_failed,
            cb_kwargs={"parts": parts, "url": url},
            meta=dict(self._meta),
            dont_filter=True,
            priority=5,
        )

    def parse_part(self, response: Response, parts: _Parts, url: str) -> Any:
        self.report.bytes += len(response.body)
        try:
            text = self._read_text(response)
            rules = (parts.rule,) if parts.rule else ()
            page = self._read_page(text, response, rules, parts.asked.entry.published)
        except PageError as error:
            self._part_failed(parts, error.reason, response.url)
            return None
        self.report.pages += 1
        known = [parts.item.body, *filter(None, parts.bodies.values())]
        parts.bodies[url] = "" if page.article.body in known else page.article.body
        parts.item.captions |= page.article.captions
        # Pages that the first one counted are all known, and counted again they get other names.
        others = () if parts.rule and parts.rule.page_count else page.others
        further = [
            other
            for other in self._list_others(others, response.url)
            if other not in parts.bodies and other != parts.item.base_url
        ][: MOST_PAGES - len(parts.bodies)]
        parts.bodies |= dict.fromkeys(further)
        return [*(self._ask_part(parts, other) for other in further), *self._join(parts)]

    def part_failed(self, failure: Failure) -> Any:
        request: Request = failure.request  # type: ignore[attr-defined]
        parts: _Parts = request.cb_kwargs["parts"]
        reason = say_failure(failure)
        self._hear(failure)
        if not is_for_good(failure):
            self._part_failed(parts, reason, request.url)
            return None
        url = request.cb_kwargs["url"]
        number = list(parts.bodies).index(url) + 2
        parts.bodies[url] = ""
        parts.missing.append(f"page {number}: {reason}")
        self.report.warn(f"written without page {number}: {reason}", url)
        return list(self._join(parts))

    def _part_failed(self, parts: _Parts, reason: str, url: str) -> None:
        if not parts.given_up:
            parts.given_up = True
            self._give_up(parts.asked)
        self.report.refuse(f"{reason}; the article is to be tried again next run", url)

    def _join(self, parts: _Parts) -> Iterator[NewsItem]:
        """The whole article, once all of its pages are there."""
        bodies = parts.bodies.values()
        if parts.given_up or any(body is None for body in bodies):
            return
        item = parts.item
        item.body = "\n".join([item.body, *(self._clean(body or "") for body in bodies if body)])
        item.partial = "; ".join(parts.missing) or None
        if parts.missing:
            self.report.partial += 1
        parts.asked.done = True
        yield item

    def _write_partial(self, asked: Asked, reason: str, url: str) -> NewsItem | None:
        """Gives the article as the feed itself tells it, for a page that will never be had."""
        asked.done = True
        entry = asked.entry
        text = entry.content or entry.summary or ""
        if not (entry.title or text):
            self.report.refuse(f"{reason}; the feed itself says nothing of it", url)
            for ticket in asked.tickets:
                ticket.settle()
            return None
        self.report.partial += 1
        self.first_partial = self.first_partial or url
        self.report.warn(f"written from the feed's own text: {reason}", url)
        item = self.make_item(
            entry,
            asked.feed,
            asked.listing,
            asked.tickets,
            asked.digest,
            datetime.now(UTC),
            text,
        )
        item.partial = reason
        return item

    def _give_up(self, asked: Asked) -> None:
        asked.done = asked.failed = True
        for ticket in asked.tickets:
            ticket.settle(failed=True)
        if asked.listing.rule.is_paged:
            self._forget(asked.listing)  # the next run has to come past this article again

    # ------------------------------------------------------------ articles

    def _clean(self, body: str) -> str:
        return drop_noise(body, self.source.noise) if body and self.source.noise else body

    def make_item(
        self,
        entry: Entry,
        feed: Feed,
        listing: Listing,
        tickets: list[Ticket],
        digest: bytes,
        met_at: datetime,
        body: str | None,
    ) -> NewsItem:
        source, rule = self.source, listing.rule
        label = source.label or feed.title or source.name
        byline = clean_byline(" ".join(entry.authors)) if entry.authors else None
        published = entry.published or entry.updated
        updated = entry.updated if entry.updated and entry.updated != published else None
        url = entry.link or entry.detail
        return NewsItem(
            title=entry.title,
            section=source.section,
            label=label,
            channel=rule.channel,
            slug=source.slug,
            published=published,
            image=entry.images[0] if entry.images else None,
            images=list(entry.images),
            body=self._clean(body or ""),
            source=source.name,
            guid=entry.id,
            canonical_url=url,
            byline=None if byline in (label, feed.title) else byline,
            origin=entry.origin,
            keywords=list(entry.categories) if rule.tags else [],
            stocks=list(entry.stocks),
            updated=updated,
            timezone=source.timezone,
            met_at=met_at,
            base_url=entry.base_url or entry.link,
            entry=digest,
            tickets=tickets,
            met=partial(self._watch.meet, url or rule.url),
        )


def _measure(clean: Article) -> int:
    return len(clean.body) if clean.form == "text" else count_visible(clean.body)


def _digest(clean: Article) -> bytes:
    return sha256(clean.body.encode("utf-8", "replace")).digest() if clean.body else b""
