"""What a source file can declare, as records. Pure: nothing is read or checked here."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FullText = Literal["auto", "always", "never"]
Format = Literal["html", "json"]

# The body of a page rule that leaves the text to structured data and the densest text.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class FeedRule:
    """One feed or list of a source.

    Without ``rows`` the document is recognised from its bytes (RSS, Atom, RDF, JSON Feed, sitemap).
    With ``rows`` it is a list: ``format`` "html" (rows and fields are CSS or XPath) or "json"
    (rows and fields are JMESPath, fields relative to the row); rows that ``skip`` matches are left
    out. ``detail`` is where the text is fetched from when that is not ``link``.
    ``fulltext``: "auto" takes the feed's text where it is whole and fetches the page otherwise,
    "always" takes only the feed's text, "never" always fetches the page.

    ``url`` may hold ``{rsshub}`` (the mirror's address) and ``{date:%Y-%m/%d}``: then it is a list
    for every day from ``since`` to ``until`` (inclusive), and the last ``days`` of them are read.
    Further pages of a list are what ``next`` finds in it, or the template ``next_url`` with
    ``{page}`` (2, 3, …), ``{n}`` (1, 2, …), ``{offset}`` (rows so far) and the names of ``cursor``
    (``{cursor}`` where there is only one). ``pages`` is how many pages of a list a run reads at
    most. ``seen`` is the day on which somebody saw this layout working.
    """

    url: str
    channel: str = ""
    format: Format | None = None
    rows: str | None = None
    skip: str | None = None
    id: str | None = None
    title: str | None = None
    link: str | None = None
    detail: str | None = None
    date: str | None = None
    updated: str | None = None
    summary: str | None = None
    content: str | None = None
    author: str | None = None
    origin: str | None = None
    image: str | None = None
    tags: str | None = None
    stocks: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fulltext: FullText = "auto"
    next: str | None = None
    next_url: str | None = None
    cursor: Mapping[str, str] = field(default_factory=dict)
    pages: int | None = None
    days: int = 3
    since: datetime.date | None = None
    until: datetime.date | None = None
    seen: datetime.date | None = None
    verified: bool = True

    @property
    def is_paged(self) -> bool:
        return bool(self.next or self.next_url or (self.pages or 1) > 1)

    @property
    def is_dated(self) -> bool:
        return "{date:" in self.url


@dataclass(frozen=True, slots=True)
class PageRule:
    """How to read one layout of a source's article pages; the first rule that fits wins.

    Selectors are CSS (with ``::text`` and ``::attr()``) or XPath; with ``format`` "json" they are
    JMESPath. ``body`` "auto" leaves the text to structured data and the densest text. ``drop`` is
    taken out of the body before anything reads it. A page on which ``gone`` finds something (an
    element, or a value that is neither null, false nor 0) is no article any more, or none that is
    open: what the feed itself says is written. ``since`` and ``until`` say (inclusively, in the
    source's zone) of which days articles can have this layout.

    The other pages of an article are the addresses that ``next`` finds, or as many as the first
    group of the expression ``page_count`` finds in the page's source, named by ``page_url`` with
    ``{base}`` (the address without its ending), ``{ext}`` (the ending, with its dot), ``{page}``
    (2, 3, …) and ``{n}`` (1, 2, …).
    """

    body: str
    format: Format | None = None
    title: str | None = None
    subtitle: str | None = None
    published: str | None = None
    updated: str | None = None
    byline: str | None = None
    origin: str | None = None
    editor: str | None = None
    section: str | None = None
    channel: str | None = None
    tags: str | None = None
    stocks: str | None = None
    lead: str | None = None
    image: str | None = None
    caption: str | None = None
    drop: tuple[str, ...] = ()
    gone: str | None = None
    next: str | None = None
    page_count: str | None = None
    page_url: str = "{base}_{n}{ext}"
    since: datetime.date | None = None
    until: datetime.date | None = None
    seen: datetime.date | None = None
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A publisher we declare. ``name`` is the file's stem, ``timezone`` an IANA name.

    ``noise`` are expressions: a paragraph that one of them matches wholly is no text of the
    article. ``delay_s`` (seconds between requests to one host) and ``concurrency`` (requests to one
    host at a time) are this source's own manners, None the settings'. ``verified`` is False for a
    source that nobody has seen working lately; reports repeat it. ``ended`` is the last day of a
    source that is known to be gone: it is crawled by name only. ``verify_certificate`` is False
    for hosts whose certificates the operator takes on trust.
    """

    name: str
    label: str
    slug: str = ""
    section: str = ""
    timezone: str = "Asia/Shanghai"
    noise: tuple[str, ...] = ()
    delay_s: float | None = None
    concurrency: int | None = None
    feeds: tuple[FeedRule, ...] = ()
    pages: tuple[PageRule, ...] = ()
    verified: bool = True
    ended: datetime.date | None = None
    verify_certificate: bool = True
    zone_declared: bool = True

    @property
    def addresses(self) -> list[str]:
        """What the operator declared: the hosts and ports of these may be asked wherever they
        are."""
        return [url for feed in self.feeds for url in (feed.url, feed.next_url) if url]
