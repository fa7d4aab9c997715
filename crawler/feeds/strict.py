"""Well-formed XML, element by element: the fast way.

Hands every entry element to a reader as soon as it is complete and then frees it, so that memory
does not grow with the document. Anything that is not well-formed raises; ``scan`` takes over.
"""

from __future__ import annotations

import re

from lxml import etree

from crawler.errors import FeedError, LimitError
from crawler.feeds.xml import XmlReader

# A document is handed over in pieces of this many bytes: large enough to cost nothing, small enough
# that few entries are in memory at once.
_PIECE = 1 << 16
# How many tags and attributes may stand without an entry. libxml2 takes about 100 bytes for each,
# so this is 100 MB; the longest article seen had some 4,000.
_MAX_PARTS = 1_000_000
# A field takes four bytes for each of its characters, if one of them is beyond U+FFFF.
_MAX_ENTRY_BYTES = 24 * 1024 * 1024
_HIDDEN = re.compile(rb"<!(--|\[CDATA\[)")
_ENTRY_START = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)[\s>]", re.IGNORECASE)
_ENTRY_END = re.compile(rb"</(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)\s{0,9}>", re.IGNORECASE)
_OPEN = 500  # of the 2,048 levels that libxml2 takes, a good part
# What entries stand in; an entry anywhere else needs a second look.
_HOLDERS = frozenset({"channel", "rss", "rdf:rdf", "feed", "urlset", "sitemapindex", "items"})


class NotWellFormedError(FeedError):
    """The document is not well-formed, or hides entries in something else."""


def read_strictly(
    data: bytes, begin: int, reader: XmlReader, entry_names: frozenset[str], *, url: str
) -> None:
    """Reads ``data`` (UTF-8) into ``reader``, from ``begin`` on, where its root element begins.

    No network, no files, no entities: there is no document type before the root element. Raises
    NotWellFormedError when the other reader is to be asked, LimitError when the document is over
    a bound.
    """
    spellings = (f(name) for name in entry_names for f in (str.lower, str.upper, str.title))
    parser = etree.XMLPullParser(
        events=("end", "start-ns"),
        tag=[f"{{*}}{spelling}" for spelling in spellings],
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )
    names = reader.names
    previous: etree._Element | None = None
    parts = counted = 0  # roughly, since ``since``; and exactly, before it
    since = last = begin
    view = memoryview(data)
    try:
        for start in range(begin, len(data), _PIECE):
            piece = bytes(view[start : start + _PIECE])
            parser.feed(piece)
            entries = 0
            for event, found in parser.read_events():
                if event == "start-ns":
                    names.bind(*found)
                elif _is_entry(found, reader, entry_names):
                    reader.add(found)
                    found.clear(keep_tail=True)
                    if previous is not None and (parent := previous.getparent()) is not None:
                        parent.remove(previous)
                    previous = found
                    entries += 1
            if entries:
                parts, counted, since, last = 0, 0, start, start
                continue
            if start - last > _MAX_ENTRY_BYTES:
                reason = f"an entry of more than {_MAX_ENTRY_BYTES} bytes (NEWS_MAX_TEXT)"
                raise LimitError(reason, url=url)
            parts += piece.count(b"<") + piece.count(b"=")
            if counted + parts > _MAX_PARTS:
                found_parts, since = _count_parts(data, since, min(start + _PIECE, len(data)))
                counted += found_parts
                parts = 0
                if counted > _MAX_PARTS:
                    reason = f"more than {_MAX_PARTS} tags without an entry (NEWS_MAX_ENTRIES)"
                    raise LimitError(reason, url=url)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        depth = error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT and "depth" in str(error)
        # Entries that do not end nest in each other; that depth is damage, not structure.
        if depth and len(_ENTRY_START.findall(data)) - len(_ENTRY_END.findall(data)) < _OPEN:
            reason = "more levels of elements than any reader takes (NEWS_MAX_DEPTH)"
            raise LimitError(reason, url=url) from error
        # The log has the first error, the exception the last.
        log = parser.feed_error_log
        message = log[0].message if len(log) else str(error)
        reason = message.partition("\n")[0][:200]
        raise NotWellFormedError(f"not well-formed: {reason}", url=url) from error
    # A comment or a CDATA section that ends too late is well-formed, and eats entries.
    if data.count(b"</entry>" if reader.feed.format == "atom" else b"</item>") > reader.seen:
        raise NotWellFormedError("entries inside a comment or a text", url=url)
    reader.finish(root)


def _count_parts(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """The tags and attributes from ``begin`` to ``end``, and where to go on: what may be the start
    of a comment or CDATA section that has not ended is left for then."""
    parts = 0
    position = begin
    while (hidden := _HIDDEN.search(data, position, end)) is not None:
        parts += _count(data, position, hidden.start())
        mark = b"-->" if hidden[1] == b"--" else b"]]>"
        close = data.find(mark, hidden.end(), end)
        if close < 0:
            return parts, hidden.start()
        position = close + len(mark)
    cut = data.rfind(b"<", max(position, end - len(b"<![CDATA[")), end)
    end = cut if cut >= 0 else end
    return parts + _count(data, position, end), end


def _count(data: bytes, begin: int, end: int) -> int:
    return data.count(b"<", begin, end) + data.count(b"=", begin, end)


def _is_entry(element: etree._Element, reader: XmlReader, entry_names: frozenset[str]) -> bool:
    """Whether an element is an entry, and not something of that name in the text of one.

    Right inside another entry, it is a sign that tags are missing.
    """
    parent = element.getparent()
    if parent is None or (name := reader.names[parent.tag]) in _HOLDERS:
        return True
    if name in entry_names:
        raise NotWellFormedError("an entry inside an entry")
    return not any(reader.names[above.tag] in entry_names for above in element.iterancestors())
