"""OPML 2.0: lists of feeds, as feed readers keep and hand them on. Pure.

Owns the outlines and their names as sources. Refuses to know which sources there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape, unescape
from itertools import count
from typing import TypeAlias
from urllib.parse import urlsplit

from lxml import etree

from crawler.addresses import refuse_address
from crawler.article import Problem
from crawler.encoding import decode_text
from crawler.errors import FeedError, LimitError
from crawler.feeds.fields import read_url, squeeze
from crawler.probe.sources import quote_value
from crawler.syndication import drop_no_xml, escape_xml

_ROOT = re.compile(r"<opml(?=[\s>])", re.IGNORECASE)
_BARE_AMPERSAND = re.compile(
    r"&(?!#[0-9]{1,7};|#x[0-9a-f]{1,6};|[a-z][a-z0-9]{1,31};)", re.IGNORECASE
)
_REFERENCE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[a-z][a-z0-9]{1,31};", re.IGNORECASE)
# lxml looks every value up by its name, which is quadratic; outlines seen had ten.
_MOST_ATTRIBUTES = 100
_NO_NAME = re.compile(r"[^a-z0-9._]+")
# What hosts begin with before the publisher's own name.
_PREFIX = re.compile(r"^(?:www|feeds?|rss|blog|news)\d?\.(?=.+\.)")
_NAME_LENGTH = 50  # characters, of 60 that a source's name may have: a number may follow


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed in a list. ``folders`` are the outlines it stands in, from the outermost. ``url`` is
    that of a list that is no feed; it has no ``xml_url`` then."""

    title: str
    xml_url: str | None = None
    html_url: str | None = None
    folders: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    url: str | None = None


def render_opml(title: str, outlines: Iterable[Outline]) -> bytes:
    """Gives a list with the outlines in their folders, both in the order in which they come."""
    tree: _Tree = {}
    for outline in outlines:
        branch = tree
        for name in outline.folders:
            # A folder's key is its name, an outline's itself: they cannot be taken for another.
            branch = branch.setdefault(name, {})
        branch[outline] = {}
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<opml version="2.0">',
        f"<head><title>{escape_xml(title)}</title></head>",
        "<body>",
        *_render_tree(tree),
        "</body>",
        "</opml>",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


_Tree: TypeAlias = "dict[str | Outline, _Tree]"


def _render_tree(tree: _Tree) -> Iterator[str]:
    for key, branch in tree.items():
        if isinstance(key, Outline):
            yield _render_outline(key)
        else:
            yield f'<outline text="{escape_xml(key)}">'
            yield from _render_tree(branch)
            yield "</outline>"


def _render_outline(outline: Outline) -> str:
    attributes = {
        "type": "rss" if outline.xml_url else "link",
        "text": outline.title,
        "title": outline.title,
        "xmlUrl": outline.xml_url,
        "htmlUrl": outline.html_url,
        "url": outline.url,
        # A slash or comma in a name would make two categories of it.
        "category": "".join(f"/{re.sub('[/,]', '-', level)}" for level in outline.category),
    }
    told = "".join(f' {key}="{escape_xml(text)}"' for key, text in attributes.items() if text)
    return f"<outline{told}/>"


def parse_opml(
    data: bytes, *, url: str = "", max_entries: int = 200_000
) -> tuple[list[Outline], list[Problem]]:
    """Gives the feeds of a list, each address once, and what is wrong with the other outlines.

    ``url`` (an address or a path) stands in errors. Links, notes and empty folders are no feeds and
    nothing wrong. Bare ampersands and named characters of HTML
    are taken for what they mean. Raises FeedError for what is no OPML, LimitError for more than
    ``max_entries`` outlines.
    """
    root = _read_xml(data, url)
    body = next((child for child in root if _name_of(child) == "body"), None)
    if body is None:
        raise FeedError("OPML without a body", url=url)
    outlines: dict[str, Outline] = {}
    problems: list[Problem] = []
    waiting: list[tuple[etree._Element, tuple[str, ...]]] = [(c, ()) for c in reversed(body)]
    seen = 0
    while waiting:
        element, folders = waiting.pop()
        if _name_of(element) != "outline":
            continue
        if seen >= max_entries:
            raise LimitError(f"more than {max_entries} outlines (NEWS_MAX_ENTRIES)", url=url)
        # Names of attributes are written in any case: xmlUrl, xmlURL, xmlurl.
        keys = map(str, element.keys()[:_MOST_ATTRIBUTES])
        told = {key.lower(): squeeze(element.get(key) or "") for key in keys}
        title = told.get("title") or told.get("text") or ""
        waiting += [(child, (*folders, title) if title else folders) for child in reversed(element)]
        address = read_url(told.get("xmlurl"), None)
        if address and (reason := refuse_address(address, frozenset())):
            # Whoever made the list is not who runs this.
            problems.append(Problem(f"{title or address}: {address}: {reason}", seen))
        elif address:
            outlines.setdefault(
                address,
                Outline(
                    title or urlsplit(address).netloc,
                    xml_url=address,
                    html_url=read_url(told.get("htmlurl"), None),
                    folders=folders,
                    category=_read_category(told.get("category", "")),
                ),
            )
        elif "xmlurl" in told or told.get("type") == "rss":
            found = f"xmlUrl is {told['xmlurl']!r}" if "xmlurl" in told else "no xmlUrl"
            reason = f"{found}, expected an http or https address"
            problems.append(Problem(f"{title or 'an outline'}: {reason}", seen))
        seen += 1
    return list(outlines.values()), problems


def _read_xml(data: bytes, url: str) -> etree._Element:
    text = decode_text(data, kind="xml").text
    start = _ROOT.search(text)
    if start is None:
        raise FeedError("no OPML: there is no element opml in it", url=url)
    # From the root on: what stands before it (a document type) declares nothing, so that there are
    # no entities but XML's own, and nothing to be fetched.
    text = drop_no_xml(text[start.start() :])
    text = _REFERENCE.sub(lambda found: escape(unescape(found[0])), text)
    text = _BARE_AMPERSAND.sub("&amp;", text)
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        reason = str(error).partition("\n")[0][:200]
        raise FeedError(f"not well-formed: {reason}", url=url) from error


def _name_of(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _read_category(text: str) -> tuple[str, ...]:
    """The first category of a list of them: /Boston/Weather, or a word."""
    first = text.partition(",")[0]
    return tuple(filter(None, map(squeeze, first.split("/"))))


# ---------------------------------------------------------------- outlines as sources


def name_source(outline: Outline, taken: Iterable[str]) -> str:
    """Gives a name for the source that an outline becomes, none of those that are ``taken``: what
    of its title is Latin, else its host."""
    host = _PREFIX.sub("", urlsplit(outline.xml_url or "").hostname or "")
    plain = outline.title.lower() if outline.title.isascii() else host
    name = _NO_NAME.sub("-", plain).strip("-._")[:_NAME_LENGTH].rstrip("-._") or "feed"
    known = set(taken)
    if name not in known:
        return name
    return next(numbered for n in count(2) if (numbered := f"{name}-{n}") not in known)


def write_source(outline: Outline) -> str:
    """Gives the source file of an outline: the folders it stands in (else its category) are section
    and channel."""
    levels = outline.folders or outline.category
    lines = [f"label = {quote_value(outline.title)}"]
    if levels:
        lines.append(f"section = {quote_value(levels[0])}")
    lines.append("[[feed]]")
    if len(levels) > 1:
        lines.append(f"channel = {quote_value(levels[-1])}")
    lines.append(f"url = {quote_value(outline.xml_url)}")
    return "\n".join(lines) + "\n"
