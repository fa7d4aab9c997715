"""The nouns of the house: what a feed lists, what a feed is, what an article is.

Records only. How they are read, cleaned, compared or written is the business of other rooms.
Texts are ``str`` without surrogates; instants are aware datetimes; URLs are absolute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Form = Literal["text", "markdown", "html"]
FORMS: tuple[Form, ...] = ("text", "markdown", "html")


@dataclass(slots=True)
class Problem:
    """Something in an input that was repaired or left out.

    ``index`` counts the feed's entries from 0; None means the feed as a whole.
    """

    reason: str
    index: int | None = None


@dataclass(slots=True)
class Enclosure:
    """A media file that a feed entry names; ``type`` is its MIME type, "" when unknown."""

    url: str
    type: str = ""


@dataclass(slots=True)
class Entry:
    """One element of a feed, as the feed gives it: nothing cleaned, nothing guessed.

    ``title`` is plain text. ``summary`` and ``content`` are HTML fragments (None: the feed has
    none), their relative addresses to be resolved against ``base_url``. ``id`` is the feed's own
    identifier, verbatim. ``date_text`` is what stood where a date was expected when it could not
    be read. ``detail`` is where the text is fetched from when that is not ``link``; ``stocks`` are
    codes of securities as written. ``is_approximate`` says that its dates were counted back from
    the moment of asking ("3 小时前").
    """

    id: str | None = None
    link: str | None = None
    title: str = ""
    summary: str | None = None
    content: str | None = None
    base_url: str | None = None
    authors: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    published: datetime | None = None
    updated: datetime | None = None
    images: list[str] = field(default_factory=list)
    enclosures: list[Enclosure] = field(default_factory=list)
    origin: str | None = None
    language: str | None = None
    date_text: str | None = None
    detail: str | None = None
    stocks: list[str] = field(default_factory=list)
    is_approximate: bool = False


@dataclass(slots=True)
class Feed:
    """A document listing entries, in document order.

    ``format`` is one of ``rss`` ``rdf`` ``atom`` ``json`` ``sitemap`` ``sitemapindex`` ``html``.
    ``advertised`` are the feeds an HTML page points to (best first), or the sitemaps of an index.
    ``cut`` says that the document ended before its end; what was complete is in ``entries``.
    ``next_urls`` are further pages of a paged list, in order; ``cursor`` holds what a rule picked
    for the next page's address, ``skipped`` counts the rows that it leaves out.
    """

    format: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    title: str = ""
    link: str | None = None
    language: str | None = None
    encoding: str = "utf-8"
    ttl_s: int | None = None
    cut: bool = False
    advertised: list[str] = field(default_factory=list)
    next_urls: list[str] = field(default_factory=list)
    cursor: dict[str, str] = field(default_factory=dict)
    skipped: int = 0


@dataclass(slots=True)
class Article:
    """Our normalised item: the record both dialects share (FORMAT, section 1).

    Two articles are equal when everything that every dialect can hold is equal. ``slug`` lives in
    one dialect only, and ``seed_parts`` (header keys, link lines, date spelling
    of a seed file that the record has no field for) beside the record: they do not count.

    ``section``, ``label`` and ``channel`` are the three category levels; "" means none.
    ``image`` is the head image, ``images`` all images of the body, decoded, without repeats.
    ``dated`` is "fetched" when ``published`` is the time of the first fetch for want of a date.
    ``partial`` tells why the body is only what the feed itself said.
    ``keywords`` and ``stocks`` (codes of securities) are as the publisher gives them; ``captions``
    are those of images, by their URL.
    ``hash`` is ``sha256:`` and 64 hexadecimal digits.
    ``extra`` holds header keys we do not know, as text or list of texts.
    """

    title: str = ""
    section: str = ""
    label: str = ""
    channel: str = ""
    slug: str = field(default="", compare=False)
    published: datetime | None = None
    image: str | None = None
    images: list[str] = field(default_factory=list)
    body: str = ""
    lead: str | None = None
    source: str = ""
    guid: str | None = None
    canonical_url: str | None = None
    byline: str | None = None
    origin: str | None = None
    editor: str | None = None
    subtitle: str | None = None
    keywords: list[str] = field(default_factory=list)
    stocks: list[str] = field(default_factory=list)
    captions: dict[str, str] = field(default_factory=dict)
    updated: datetime | None = None
    dated: str | None = None
    partial: str | None = None
    form: Form = "html"
    hash: str | None = None
    extra: dict[str, str | list[str]] = field(default_factory=dict)
    seed_parts: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
