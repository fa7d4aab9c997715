"""The feeds that an HTML page advertises, best first. Lists in pages are another room's.

Tags are found by expression and not in a tree: three kinds of them matter, none depends on what it
stands in, and a tree of a hostile page takes time that grows with the square of its depth.
"""

from __future__ import annotations

import html
import re

from crawler.article import Feed
from crawler.feeds.fields import read_title, read_url

# By what readers can do with them: the first kinds have full texts and dates.
_TYPES = {
    "application/rss+xml": 0,
    "application/atom+xml": 0,
    "application/feed+json": 0,
    "application/rdf+xml": 1,
    "application/x.atom+xml": 1,
    "application/x-rss+xml": 1,
    "text/rss+xml": 1,
    "text/atom+xml": 1,
    "application/xml": 2,
    "text/xml": 2,
    "application/json": 2,
}
# Comments come after what the site publishes, links in the text after both.
_COMMENTS = 10
_IN_TEXT = 20
# A page advertises a handful and links to hundreds; the rest of a longer list is not read.
_MAX_LINKS = 20_000

_LESSER = re.compile(r"comment|评论|評論|回复|回應", re.IGNORECASE)
_FEED_ADDRESS = re.compile(
    r"(?:^|[/._?=-])(?:rss|atom|feeds?|rdf)(?:$|[/._?&=-])|\.(?:rss|atom|rdf)$", re.IGNORECASE
)
# Possessive: each tag is read once or not at all.
_TAG = re.compile(r"<(link|a|base)(?=\s)((?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*+)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"(?<![a-z-])([a-z-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'<>]++))", re.IGNORECASE
)
_TITLE = re.compile(r"<title\b[^<>]*+>([^<]*+)", re.IGNORECASE)


def read_advertised(text: str, *, url: str) -> Feed:
    """The page as a feed without entries; ``advertised`` is empty when it names none.

    Order: links of the head by type, comments last, in document order; without any, the links in
    the text whose address says feed.
    """
    first, *rest = text.split("<!--")
    text = first + "".join(part.partition("-->")[2] for part in rest)
    feed = Feed("html")
    title = _TITLE.search(text)
    feed.title = read_title(title[1], markup=True) if title else ""
    base = url
    ranked: list[tuple[int, str]] = []
    for count, tag in enumerate(_TAG.finditer(text)):
        if count == _MAX_LINKS:
            break
        names = _read_attributes(tag[2])
        address = read_url(names.get("href"), base)
        if address is None:
            continue
        name = tag[1].lower()
        if name == "base":
            base = address
        elif name == "link":
            rank = _rank_link(names, address)
            if rank is not None:
                ranked.append((rank, address))
        elif _FEED_ADDRESS.search(address):
            ranked.append((_IN_TEXT, address))
    if any(rank < _IN_TEXT for rank, _ in ranked):
        ranked = [pair for pair in ranked if pair[0] < _IN_TEXT]
    ranked.sort(key=lambda pair: pair[0])
    feed.advertised = list(dict.fromkeys(address for _, address in ranked))
    return feed


def _rank_link(names: dict[str, str], address: str) -> int | None:
    """How good a feed a link element promises, the smaller the better; None for other links."""
    relations = names.get("rel", "").lower().split()
    rank = _TYPES.get(names.get("type", "").lower().partition(";")[0].strip())
    if rank is None or ("alternate" not in relations and "feed" not in relations):
        return None
    # WordPress and others offer their programming interface as application/json.
    if rank == 2 and not _FEED_ADDRESS.search(address):
        return None
    return rank + _COMMENTS if _LESSER.search(f"{address} {names.get('title', '')}") else rank


def _read_attributes(attributes: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(attributes):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), html.unescape(value))
    return found
