"""Articles of the archive as feeds of our own: Atom 1.0 (RFC 4287) and JSON Feed 1.1. Pure.

Owns how an article stands in a feed and how a feed is bounded. Which articles a feed has, and where
it is written, is the archive's business. The same articles give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from html import escape
from uuid import UUID, uuid5

from crawler.article import Article
from crawler.feeds.fields import read_url, squeeze
from crawler.images import pick_image, usable_image_url
from crawler.markup import convert

GENERATOR = "news-archive-crawler"
ATOM, JSON = "atom.xml", "feed.json"
# What every feed of ours begins with, and nobody else's.
ATOM_START = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/">\n'
    f"<generator>{GENERATOR}</generator>\n"
)
# Names that identifiers are made in; another one would make all entries new to every reader.
_ENTRIES = UUID("0b7e1c52-3f0d-5a86-9d3e-6f4c2a1b8e70")
_FEEDS = UUID("5d2f9a14-8c6b-5e37-b1a0-27e4d98c3f65")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # of a feed without entries, which must tell a time too
_SUMMARY_LENGTH = 200  # characters
# What no XML document may hold, not even as a reference (XML 1.0, section 2.2).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Head:
    """What a feed says of itself. ``path`` is its folder below the place where all are published,
    "" for the whole archive's; ``base_url`` that place, with its slash, None where it is not
    known."""

    title: str
    path: str = ""
    base_url: str | None = None

    @property
    def id(self) -> str:
        """Two archives published at two places have two feeds; their entries may be the same."""
        return f"urn:uuid:{uuid5(_FEEDS, (self.base_url or '') + self.path)}"

    def locate(self, name: str) -> str | None:
        """Gives the address of a file of this feed."""
        folder = f"{self.path}/" if self.path else ""
        return f"{self.base_url}{folder}{name}" if self.base_url else None


@dataclass(frozen=True, slots=True)
class Item:
    """An article as it stands in feeds of both kinds; ``updated`` is aware."""

    atom: bytes
    json: bytes
    updated: datetime


def identify_entry(source: str, digits: str) -> str:
    """Gives the identifier of an entry: from what a post is known by as long as it is there.

    ``digits`` are the first twelve of its identity, which stand in the name of its file.
    """
    return f"urn:uuid:{uuid5(_ENTRIES, f'{source}/{digits}')}"


def list_categories(article: Article) -> list[tuple[str, ...]]:
    """Gives the categories that an article is in, from the outermost: 金融, 金融 / 证券时报网, …"""
    levels = [level for level in (article.section, article.label, article.channel) if level]
    return [tuple(levels[: depth + 1]) for depth in range(len(levels))]


def render_item(article: Article, *, id: str, at: datetime, zone: tzinfo) -> Item:
    """Gives an article as feeds have it. ``at`` stands in where it tells no date; times are told in
    ``zone``. The body is clean HTML whatever its form was, its images among it."""
    published = (article.published or at).astimezone(zone)
    updated = (article.updated or published).astimezone(zone)
    text, html = _render_body(article)
    summary = _summarise(article.lead or "", text)
    url = read_url(article.canonical_url, None)
    image = usable_image_url(article.image, base_url=url) if article.image else None
    names = map(_tidy, (article.byline or "", article.label, article.source, GENERATOR))
    author = next(filter(None, names))
    words = [article.section, article.label, article.channel, *article.keywords]
    tags = list(dict.fromkeys(filter(None, map(_tidy, words))))
    atom = "".join(
        [
            f'<entry>\n<id>{id}</id>\n<title type="text">{escape_xml(article.title)}</title>\n',
            f"<published>{_rfc3339(published)}</published>\n",
            f"<updated>{_rfc3339(updated)}</updated>\n",
            f'<link rel="alternate" type="text/html" href="{escape_xml(url)}"/>\n' if url else "",
            f"<author><name>{escape_xml(author)}</name></author>\n",
            *(f'<category term="{escape_xml(tag)}"/>\n' for tag in tags),
            f'<summary type="text">{escape_xml(summary)}</summary>\n' if summary else "",
            f'<media:thumbnail url="{escape_xml(image)}"/>\n' if image else "",
            f'<content type="html">{escape_xml(html)}</content>\n</entry>\n',
        ]
    )
    fields = {
        "id": id,
        "url": url,
        "title": article.title,
        "content_html": html,
        "summary": summary,
        "image": image,
        "date_published": _rfc3339(published),
        "date_modified": _rfc3339(updated) if article.updated else None,
        "authors": [{"name": author}],
        "tags": tags or None,
    }
    present = {key: value for key, value in fields.items() if value is not None}
    return Item(_encode(atom), _encode(json.dumps(present, ensure_ascii=False)), updated)


def render_atom(head: Head, items: Sequence[Item], *, max_bytes: int) -> bytes:
    """Gives an Atom document of those items, in their order, that fit into ``max_bytes``."""
    updated = _rfc3339(max((item.updated for item in items), default=_NEVER))
    own, home = head.locate(ATOM), head.base_url
    start = "".join(
        [
            ATOM_START,
            f"<id>{head.id}</id>\n<title>{escape_xml(head.title)}</title>\n",
            f"<updated>{updated}</updated>\n",
            f'<link rel="self" type="application/atom+xml" href="{escape_xml(own)}"/>\n'
            if own
            else "",
            f'<link rel="alternate" type="text/html" href="{escape_xml(home)}"/>\n' if home else "",
            f"<author><name>{escape_xml(head.title)}</name></author>\n",
        ]
    )
    end = b"</feed>\n"
    room = max_bytes - len(_encode(start)) - len(end)
    return _encode(start) + b"".join(_fit((item.atom for item in items), room)) + end


def render_json_feed(head: Head, items: Sequence[Item], *, max_bytes: int) -> bytes:
    """Gives a JSON Feed of those items, in their order, that fit into ``max_bytes``."""
    fields = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": head.title,
        "home_page_url": head.base_url,
        "feed_url": head.locate(JSON),
    }
    present = {key: value for key, value in fields.items() if value}
    start = _encode(json.dumps(present, ensure_ascii=False)[:-1] + ', "items": [\n')
    end = b"\n]}\n"
    parts = _fit((item.json for item in items), max_bytes - len(start) - len(end), joint=2)
    return start + b",\n".join(parts) + end


def render_index(heads: Sequence[Head], *, count: int) -> bytes:
    """Gives the page that names all feeds, the first of them to feed readers too."""
    title = escape_xml(heads[0].title)
    rows = "".join(
        f'<li>{escape_xml(head.title)}: <a href="{_join(head, ATOM)}">Atom</a>, '
        f'<a href="{_join(head, JSON)}">JSON Feed</a></li>\n'
        for head in heads
    )
    return _encode(
        '<!doctype html>\n<html>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n"
        f'<link rel="alternate" type="application/atom+xml" title="{title}" href="{ATOM}">\n'
        f'<link rel="alternate" type="application/feed+json" title="{title}" href="{JSON}">\n'
        f"<h1>{title}</h1>\n<p>The newest {count} articles of each. 各取最新 {count} 篇。</p>\n"
        f"<ul>\n{rows}</ul>\n</html>\n"
    )


def _join(head: Head, name: str) -> str:
    return f"{head.path}/{name}" if head.path else name


def _fit(parts: Iterable[bytes], room: int, *, joint: int = 0) -> Iterator[bytes]:
    """Yields the parts that there is room for: one that is too large costs only itself."""
    for part in parts:
        if len(part) + joint <= room:
            room -= len(part) + joint
            yield part


def _render_body(article: Article) -> tuple[str, str]:
    """Gives the visible text and the HTML. Images that the body does not show (a text body shows
    none) stand before it, the first one, and behind it."""
    render = partial(
        convert,
        form="html",
        base_url=article.canonical_url,
        pick_image=partial(pick_image, base_url=article.canonical_url),
    )
    body = render(article.body, origin=article.form)
    beside = [url for url in article.images if url not in body.images]
    before = 0 if body.images else 1
    shown = [
        render("".join(_show(url, article) for url in urls), origin="html").body if urls else ""
        for urls in (beside[:before], beside[before:])
    ]
    return body.text, "\n".join(filter(None, (shown[0], body.body, shown[1])))


def _show(url: str, article: Article) -> str:
    return f'<p><img src="{escape(url)}" alt="{escape(article.captions.get(url, ""))}"></p>'


def _summarise(lead: str, text: str) -> str | None:
    """The lead, else how the text begins; None where there is no more to the text than that."""
    summary = " ".join((lead or text[: 2 * _SUMMARY_LENGTH]).split())
    if len(summary) > _SUMMARY_LENGTH:
        summary = summary[: _SUMMARY_LENGTH - 1] + "…"
    return summary if 0 < len(summary) < len(text) - len(summary) else None


def _tidy(name: str) -> str:
    return squeeze(drop_no_xml(name))


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def drop_no_xml(text: str) -> str:
    """Gives the text without what no XML document may hold."""
    return _NO_XML.sub("", text)


def escape_xml(text: str) -> str:
    """Gives the text as it stands in an element or in an attribute."""
    return escape(drop_no_xml(text)).replace("\r", "&#13;")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
