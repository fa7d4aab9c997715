"""Any feed, from bytes to entries: the best is made of what is there, and nothing is lost.

``parse_feed`` takes bytes and knows nothing of requests. What a document is, its bytes say and not
its label: RSS 0.90 to 2.0, RDF, Atom 0.3 and 1.0, CDF, JSON Feed, sitemaps, HTML pages that
advertise feeds; lists in HTML or JSON with a rule.

The rooms inside: ``strict`` and ``scan`` find elements (well-formed or not), ``xml`` reads their
fields, ``json`` and ``html`` read the rest, ``lists`` what a rule describes.
"""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, tzinfo
from sys import getsizeof
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crawler.article import Feed, Problem
from crawler.encoding import Kind, claims_utf8, decode, find_charset
from crawler.errors import FeedError, LimitError
from crawler.feeds.html import read_advertised
from crawler.feeds.json import read_json_feed
from crawler.feeds.scan import read_tolerantly
from crawler.feeds.strict import NotWellFormedError, read_strictly
from crawler.feeds.xml import XmlReader

if TYPE_CHECKING:
    from crawler.sources.rules import FeedRule

__all__ = ["parse_feed"]

# Text with one character beyond U+FFFF takes four bytes for each in memory, and what is read of it
# again as much.
_MAX_WIDE = 24 * 1024 * 1024
# How far into a document its root element may begin: licences in comments, warnings of PHP.
_PROLOG_BYTES = 1 << 18

_ROOT = re.compile(
    rb"<(?:[A-Za-z_][\w.-]{0,40}:)?"
    rb"(rss|feed|rdf|urlset|sitemapindex|channel|item|entry|html)(?=[\s/>])",
    re.IGNORECASE,
)
_FORMATS = {
    b"rss": "rss",
    b"channel": "rss",
    b"item": "rss",
    b"rdf": "rdf",
    b"feed": "atom",
    b"entry": "atom",
    b"urlset": "sitemap",
    b"sitemapindex": "sitemapindex",
    b"html": "html",
}
_FEED_ENTRIES = frozenset({"item", "entry"})
_ENTRIES = {"sitemap": frozenset({"url"}), "sitemapindex": frozenset({"sitemap"})}

# A script: callback({…}), var x = {…}, a.b && a.b([…]).
_SCRIPT = re.compile(
    rb"(?:/\*[^*]{0,200}\*/\s*+)?(?:(?:var|let|const)\s++)?[A-Za-z_$][\w$.]*+\s*+"
    rb"(?:\[[^\]<>]{1,40}\]\s*+)?(?:&&\s*+[\w$.]++\s*+)?[=(]\s*+[(\[{]"
)
_DOCTYPE = re.compile(rb"<!doctype\b[^\[>]*+(?:\[(?:[^\]]|\](?!\s*>))*+\]\s*+)?>", re.IGNORECASE)
_ENTITY = re.compile(
    rb"<!ENTITY\s++([A-Za-z][\w.-]{0,39})\s++(?:\"([^\"%<&]{0,1000})\"|'([^'%<&]{0,1000})')\s*+>"
)
# C1 controls, bare and as references: windows-1252 characters that went through a careless
# conversion (HTML, section 13.2.5.80, has the same table).
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_C1_REFERENCE = re.compile(rb"&#(?:1[2-5][0-9]|[xX]0{0,2}[89][0-9a-fA-F]);")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a document is read against: its address, the clock and the limits."""

    url: str
    zone: tzinfo
    now: datetime | None
    max_entries: int
    max_page: int
    max_depth: int


@dataclass(frozen=True, slots=True)
class _Root:
    """The root element: where it begins, and the text entities declared before it."""

    format: str
    start: int
    entities: dict[str, str]


def parse_feed(
    data: bytes,
    *,
    url: str,
    content_type: str | None = None,
    rule: FeedRule | None = None,
    timezone: str = "Asia/Shanghai",
    now: datetime | None = None,
    max_entries: int = 200_000,
    max_page: int = 8_000_000,
    max_depth: int = 200,
    max_attributes: int = 2_000,
    max_bytes: int = 64 << 20,
) -> Feed:
    """The feed in ``data``, or the feeds that the page in it advertises.

    ``url`` is where the document was found: relative addresses start from it. ``content_type`` is
    the value of the HTTP header, of which only the charset counts. With a ``rule`` that has rows
    the document is a list and is read by it. ``timezone`` (an IANA name) is for dates that name no
    zone, ``now`` (aware) for dates that are counted back from it. ``max_bytes`` bounds what a
    gzipped document may unpack to.

    What was repaired or left out is in ``Feed.problems``. Raises FeedError for a document that is
    no feed and advertises none, LimitError (naming the setting) for one that is over a bound, and
    nothing else, whatever the bytes.
    """
    data, cut = _unpack(data, url=url, max_bytes=max_bytes)
    if rule is not None and rule.rows:
        from crawler.feeds.lists import read_rows

        feed = read_rows(
            data,
            url=url,
            content_type=content_type,
            rule=rule,
            timezone=timezone,
            now=now,
            max_entries=max_entries,
            max_page=max_page,
            max_depth=max_depth,
            max_attributes=max_attributes,
        )
    else:
        bounds = _Bounds(url, ZoneInfo(timezone), now, max_entries, max_page, max_depth)
        feed = _read(data, content_type, bounds)
    feed.cut = feed.cut or cut
    return feed


def _read(data: bytes, content_type: str | None, bounds: _Bounds) -> Feed:
    kind = _recognise(data)
    if kind == "html" and len(data) > 4 * bounds.max_page:
        reason = f"a page of {len(data)} bytes, more than {bounds.max_page} characters"
        raise LimitError(f"{reason} (NEWS_MAX_PAGE)", url=bounds.url)
    failure = ""
    if kind == "xml" and claims_utf8(data, content_type=content_type, kind=kind):
        # Most feeds are UTF-8 and well-formed: the parser checks both at no cost.
        body = _repair_c1(data.removeprefix(codecs.BOM_UTF8))
        if root := _find_root(body):
            try:
                return _read_well_formed(body, root, bounds)
            except NotWellFormedError as error:
                failure = error.reason  # and not the error, which would keep all that was read
    charset = find_charset(data, content_type=content_type, kind=kind)
    if not charset.whole:
        failure = ""  # it may have been no more than the bytes
    decoded = decode(data, charset)
    if len(decoded.text) > _MAX_WIDE and getsizeof(decoded.text) > 3 * len(decoded.text):
        reason = f"more than {_MAX_WIDE} characters, some beyond U+FFFF (NEWS_MAX_BYTES)"
        raise LimitError(reason, url=bounds.url)
    if kind == "json":
        feed = read_json_feed(
            decoded.text,
            url=bounds.url,
            zone=bounds.zone,
            now=bounds.now,
            max_entries=bounds.max_entries,
            max_depth=bounds.max_depth,
        )
    else:
        feed = _read_markup(decoded.text, failure, bounds)
    feed.encoding = decoded.encoding
    if decoded.guessed:
        feed.problems.append(Problem(f"charset guessed: {decoded.encoding}"))
    if decoded.replaced:
        reason = f"{decoded.replaced} characters are not {decoded.encoding}: replaced by U+FFFD"
        feed.problems.append(Problem(reason))
    return feed


def _read_markup(text: str, failure: str, bounds: _Bounds) -> Feed:
    """XML or HTML as text; ``failure`` is what the strict parser said of it, if it was asked."""
    body = _repair_c1(text.encode())
    root = _find_root(body)
    if root is None or root.format == "html":
        feed = read_advertised(text, url=bounds.url)
        if feed.advertised:
            return feed
        found = "an HTML page that advertises no feed" if root else "neither feed nor page"
        raise FeedError(f"{found}; it begins {text[:60].strip()!r}", url=bounds.url)
    if not failure:
        try:
            return _read_well_formed(body, root, bounds)
        except NotWellFormedError as error:
            failure = error.reason
    reader, entry_names = _make_reader(root, bounds)
    reader.feed.problems.append(Problem(failure))
    # Repairs before the root only make this smaller, and the scan begins a little before it.
    start = len(body[: root.start].decode())
    del body
    read_tolerantly(text, start, reader, entry_names, root.entities)
    return reader.feed


def _read_well_formed(body: bytes, root: _Root, bounds: _Bounds) -> Feed:
    """Raises NotWellFormedError for a document that is to be read tolerantly."""
    reader, entry_names = _make_reader(root, bounds)
    read_strictly(body, root.start, reader, entry_names, url=bounds.url)
    return reader.feed


def _make_reader(root: _Root, bounds: _Bounds) -> tuple[XmlReader, frozenset[str]]:
    reader = XmlReader(
        Feed(root.format),
        url=bounds.url,
        zone=bounds.zone,
        now=bounds.now,
        max_entries=bounds.max_entries,
        max_depth=bounds.max_depth,
    )
    return reader, _ENTRIES.get(root.format, _FEED_ENTRIES)


def _recognise(data: bytes) -> Kind:
    """What kind of document this is, as far as its first bytes tell before they are decoded."""
    head = data[:_PROLOG_BYTES]
    if b"\0" in head:
        head = head.translate(None, b"\0")
    head = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if head.startswith((b"{", b"[")) or (not head.startswith(b"<") and _SCRIPT.match(head)):
        return "json"
    root = _find_root(head)
    is_page = root.format == "html" if root else b"<" in head
    return "html" if is_page else "xml"


def _find_root(data: bytes) -> _Root | None:
    """The first element that a feed, sitemap or page begins with.

    Declaration, comments and document type are stepped over and never reach the parser, so what
    they ask for (entities, other files) is not done. Only text entities are remembered.
    """
    position = 0
    closed = True  # until a comment does not end: then none behind it does
    entities: dict[str, str] = {}
    end = min(len(data), _PROLOG_BYTES)
    while position < end:
        if data[position : position + 1].isspace():
            position += 1
        elif data.startswith(b"<!--", position):
            close = data.find(b"-->", position, end) if closed else -1
            closed = close > 0
            position = close + 3 if closed else position + 4
        elif data.startswith(b"<?", position):
            close = data.find(b">", position, end)
            position = close + 1 if close > 0 else position + 2
        elif doctype := _DOCTYPE.match(data, position, end):
            for match in _ENTITY.finditer(doctype[0]):
                value = match[2] if match[2] is not None else match[3]
                entities.setdefault(match[1].decode(), value.decode("utf-8", "replace"))
            position = doctype.end()
        else:
            break
    root = _ROOT.match(data, position) or _ROOT.search(data, position, end)
    if root is None:
        return None
    return _Root(_FORMATS[root[1].lower()], root.start(), entities)


def _repair_c1(body: bytes) -> bytes:
    if b"\xc2" in body and _C1.search(body):
        body = _C1.sub(_read_c1, body)
    if b"&" in body and _C1_REFERENCE.search(body):
        body = _C1_REFERENCE.sub(_read_c1, body)
    return body


def _read_c1(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found.startswith(b"&"):
        digits = found[2:-1].lower()
        code = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    else:
        code = found[1]
    if not 0x80 <= code <= 0x9F:
        return found
    return bytes([code]).decode("cp1252", "replace").replace("\ufffd", chr(code)).encode()


def _unpack(data: bytes, *, url: str, max_bytes: int) -> tuple[bytes, bool]:
    """Gzipped data unpacked (sitemaps are served so), and whether its end is missing."""
    if not data.startswith(b"\x1f\x8b"):
        return data, False
    pieces: list[bytes] = []
    size = 0
    while data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            piece = unpacker.decompress(data, max_bytes - size + 1)
        except zlib.error as error:
            if not pieces:
                raise FeedError(f"gzip data that cannot be unpacked: {error}", url=url) from error
            return b"".join(pieces), True
        size += len(piece)
        if size > max_bytes:
            raise LimitError(f"more than {max_bytes} bytes unpacked (NEWS_MAX_BYTES)", url=url)
        pieces.append(piece)
        if not unpacker.eof:
            return b"".join(pieces), True
        data = unpacker.unused_data
    return b"".join(pieces), False
