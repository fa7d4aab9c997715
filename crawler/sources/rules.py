"""What a source file can declare, as records. Pure: nothing is read or checked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

FullText = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class FeedRule:
    """One feed or list of a source.

    Without ``rows`` the document is recognised from its bytes (RSS, Atom, RDF, JSON Feed, sitemap).
    With ``rows`` it is a list: ``format`` "html" (rows and fields are CSS or XPath) or "json"
    (rows and fields are JMESPath, fields relative to the row).
    ``fulltext``: "auto" takes the feed's text where it is whole and fetches the page otherwise,
    "always" takes only the feed's text, "never" always fetches the page.
    """

    url: str
    channel: str = ""
    format: Literal["html", "json"] | None = None
    rows: str | None = None
    id: str | None = None
    title: str | None = None
    link: str | None = None
    date: str | None = None
    summary: str | None = None
    content: str | None = None
    author: str | None = None
    origin: str | None = None
    image: str | None = None
    category: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fulltext: FullText = "auto"


@dataclass(frozen=True, slots=True)
class PageRule:
    """How to read one layout of a source's article pages; the first rule that fits wins.

    Selectors are CSS (with ``::text`` and ``::attr()``) or XPath. ``since`` and ``until`` say
    (inclusively, in the source's zone) of which days articles can have this layout.
    ``drop`` is taken out of the body before anything reads it.
    """

    body: str
    title: str | None = None
    published: str | None = None
    updated: str | None = None
    byline: str | None = None
    origin: str | None = None
    channel: str | None = None
    image: str | None = None
    drop: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A publisher we declare. ``name`` is the file's stem, ``timezone`` an IANA name.

    ``verified`` is False for a layout that nobody has seen lately; reports repeat it.
    """

    name: str
    label: str
    slug: str = ""
    section: str = ""
    timezone: str = "Asia/Shanghai"
    feeds: tuple[FeedRule, ...] = ()
    pages: tuple[PageRule, ...] = ()
    verified: bool = True
    zone_declared: bool = True
