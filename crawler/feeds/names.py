"""Canonical names of elements, so that readers need to know one name for each thing.

A canonical name is a prefix and a local name in lower case: ``dc:creator``. The prefix is chosen by
the namespace, whatever the document calls it; the formats' own namespaces have none. So Atom
elements in RSS, RSS in a namespace of its own and CDF's capitals need no code elsewhere.
"""

from __future__ import annotations

from lxml import etree

# What lxml may give as the name of an element; for parsed ones it is a str.
Tag = str | bytes | bytearray | etree.QName

# Namespaces by what is left of their address without scheme, "www." and closing "/" or "#": all
# of them are seen with both schemes, with and without the slash, and in any case.
_NAMESPACES = {
    "w3.org/2005/atom": "",
    "purl.org/atom/ns": "",
    "purl.org/rss/1.0": "",
    "purl.org/rss/1.0/modules/rss091": "",
    "purl.org/net/rss1.1": "",
    "my.netscape.com/rdf/simple/0.9": "",
    "channel.netscape.com/rdf/simple/0.9": "",
    "blogs.law.harvard.edu/tech/rss": "",
    "cyber.law.harvard.edu/rss/rss.html": "",
    "purl.org/echo": "",
    "purl.org/pie": "",
    "sitemaps.org/schemas/sitemap/0.9": "",
    "sitemaps.org/schemas/sitemap/0.84": "",
    "google.com/schemas/sitemap/0.84": "",
    "google.com/schemas/sitemap/0.9": "",
    "purl.org/dc/elements/1.1": "dc",
    "purl.org/dc/elements/1.0": "dc",
    "purl.org/dc/terms": "dcterms",
    "purl.org/rss/1.0/modules/content": "content",
    "purl.org/rss/1.0/modules/syndication": "sy",
    "purl.org/rss/1.0/modules/slash": "slash",
    "wellformedweb.org/commentapi": "wfw",
    "search.yahoo.com/mrss": "media",
    "itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "example.com/dtds/podcast-1.0.dtd": "itunes",
    "rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "prismstandard.org/namespaces/1.2/basic": "prism",
    "prismstandard.org/namespaces/basic/2.0": "prism",
    "news.yandex.ru": "yandex",
    "turbo.yandex.ru": "turbo",
    "news.rambler.ru": "rambler",
    "news.mail.ru": "mailru",
    "google.com/schemas/sitemap-news/0.9": "news",
    "google.com/schemas/sitemap-image/1.1": "image",
    "google.com/schemas/sitemap-video/1.1": "video",
    "w3.org/1999/xhtml": "xhtml",
    "w3.org/1999/02/22-rdf-syntax-ns": "rdf",
}
PREFIXES = frozenset(_NAMESPACES.values()) - {""}
# The tolerant parser knows prefixes only and puts them in the place of the address.
_NAMESPACES.update((prefix, prefix) for prefix in PREFIXES)
_NAMESPACES["?"] = "?"


def find_prefix(address: str) -> str | None:
    """The canonical prefix of a namespace, "" for the formats' own, None for an unknown one."""
    bare = address.strip().lower().removeprefix("https://").removeprefix("http://")
    bare = bare.removeprefix("www.").rstrip("/#")
    if bare.startswith("backend.userland.com/rss"):
        return ""
    return _NAMESPACES.get(bare)


def choose_prefix(prefix: str, address: str) -> str:
    """The canonical prefix that a declaration means; "?" is an unknown vocabulary.

    For an unknown address a known prefix tells what was meant, and an unknown default namespace is
    a dialect of the format itself.
    """
    known = find_prefix(address)
    if known is not None:
        return known
    if prefix in PREFIXES or not prefix:
        return prefix
    return "?"


class Names(dict[Tag, str]):
    """Canonical names by lxml's names (``{address}local``), filled as they are asked for.

    One is made for each document, so that a hostile one cannot fill the memory of the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bound: dict[str, str] = {}

    def bind(self, prefix: str, address: str) -> None:
        """Takes note of a namespace declaration (``prefix`` "" for the default one)."""
        self._bound.setdefault(address, choose_prefix(prefix, address))

    def __missing__(self, tag: Tag) -> str:
        address, closed, local = str(tag).removeprefix("{").rpartition("}")
        name = local.lower()
        if closed:
            prefix = self._bound.get(address)
            if prefix is None:
                prefix = choose_prefix("", address)
            if prefix:
                name = f"{prefix}:{name}"
        self[tag] = name
        return name
