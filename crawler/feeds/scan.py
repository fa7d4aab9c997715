"""Damaged XML, element by element: the tolerant way.

Reads feeds that are not well-formed as a person would: what stands between ``<title>`` and
``</title>`` is the title, whatever else is wrong. It looks for entries, and in them for the
elements that feeds have; anything else is skipped or, inside a text, is markup. It builds the
elements that a well-formed document would have had and hands them to the same reader.

What it repairs: missing and misspelled end tags, missing start tags of entries, markup that was
not escaped, stray ``<`` and ``&``, undeclared entities and prefixes, CDATA sections that do not
end, illegal characters, junk before, between and after. A document that ends too early gives the
entries that were complete.

Expressions and not a tree walk, because there is no tree. None can run away: quantifiers are
possessive, and every search goes forward and remembers what it found (``_Scanner._find``), so the
time is proportional to the length whatever the input.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from html.entities import html5

from lxml import etree

from crawler.article import Problem
from crawler.feeds.names import PREFIXES, choose_prefix
from crawler.feeds.xml import Element, XmlReader

_ROOTS = frozenset({"rss", "rdf:rdf", "rdf", "feed", "urlset", "sitemapindex"})
# Elements with elements inside; all the others hold text or markup.
_GROUPS = frozenset(
    "author contributor source image textinput media:group media:content dc:creator"
    " news:news news:publication image:image video:video".split()
)
_FIELDS = frozenset(
    "title link guid id description summary content pubdate published updated modified issued"
    " created date lastbuilddate category author contributor comments enclosure source image"
    " language ttl keywords tags abstract body fullitem full-text fulltext managingeditor"
    " webmaster copyright rights generator docs textinput subtitle tagline info logo icon loc"
    " lastmod changefreq priority xhtml:body".split()
)
_PARTS = _FIELDS | {"name", "email", "uri", "url"}
_VOCABULARIES = tuple(f"{prefix}:" for prefix in sorted(PREFIXES - {"xhtml", "rdf"}))
# Attributes that the reader asks for.
_ATTRIBUTES = {
    name.lower(): name
    for name in "href rel type mode src url term label text medium isPermaLink lastmod".split()
} | {
    "rdf:about": "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about",
    "xml:base": "{http://www.w3.org/XML/1998/namespace}base",
    "xml:lang": "{http://www.w3.org/XML/1998/namespace}lang",
}
# An entry with more elements than this is none; the rest of it is skipped.
_MAX_FIELDS = 10_000
# The same for groups in it, and how deep those are: a credit in a picture in a group.
_MAX_PARTS = 200
_MAX_GROUP_DEPTH = 4
# How many names that feeds do not have are looked up, how many prefixes are known, and how many
# CDATA sections one text has.
_MAX_STRANGERS = 200
_MAX_SECTIONS = 1_000
# How many tags and attributes of one text become elements; libxml2 takes 100 bytes for each.
_MAX_ADOPTED = 100_000
# How much text the entities of a document may add to it, in characters.
_MAX_EXPANSION = 1_000_000

# "<" ends an attribute value: XML forbids it there, and a missing quote must not eat the document.
_START_TAG = re.compile(
    r"<([A-Za-z_][\w.:-]*+)((?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*+)>"
    r"|<([A-Za-z_][\w.:-]*+)([^<>]*+)>?+"
)
_END_TAG = re.compile(r"</\s*+([A-Za-z_][\w.:-]*+)[^<>]*+>?+")
_LOCAL_NAME = re.compile(r"[a-z_][a-z0-9_.-]*+")
_ATTRIBUTE = re.compile(
    r"(?<![\w.:-])([\w.:-]++)\s*+=\s*+(?:\"([^\"<]*+)\"|'([^'<]*+)'|([^\s\"'<>]++))"
)
_REFERENCE = re.compile(r"&(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][\w.-]{0,39});")
_OTHER_REFERENCE = re.compile(_REFERENCE.pattern.replace("&", "&(?!amp;)", 1))
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
# windows-1252 characters that went through a careless conversion, as in HTML, section 13.2.5.80.
_REPAIRED_C1 = {
    code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)
}
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_TAG_LIKE = re.compile(r"</?[A-Za-z][^<>]*+>|<!--")
_ESCAPED_TAG = re.compile(r"&lt;/?(?:p|div|a|br|img|span|b|strong|em|ul|li|table)\b", re.IGNORECASE)
# The end of a text whose own end tag is missing: the next element of the kinds that stand beside
# it, or an end tag of what it stands in.
_NEXT_FIELD = re.compile(
    rf"<(?:(?:{'|'.join(sorted(name for name in _FIELDS if ':' not in name))})"
    rf"|(?:{'|'.join(sorted(PREFIXES - {'xhtml'}))}|atom):[\w-]++)(?=[\s/>])",
    re.IGNORECASE,
)
_LAST_END_TAG = re.compile(r"</[^<>]*+>?+\s*+\Z")
_BROKEN_CDATA = re.compile(r"\A\s*<!?\[?[\[CDAT\x00-\x1f\ufffd]{3,9}\[")
_CDATA = "<![CDATA["
_FRAGMENT_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=True,
    remove_comments=True,
    remove_pis=True,
)


def read_tolerantly(
    text: str,
    start: int,
    reader: XmlReader,
    entry_names: frozenset[str],
    entities: Mapping[str, str],
) -> None:
    """Reads ``text`` into ``reader``, from ``start`` on, where its root element begins.

    ``entities`` are the document's own. Sets ``reader.feed.cut`` when the document ended too
    early. Raises LimitError as the reader does, and nothing else.
    """
    if _UNWANTED.search(text, start):
        text, start = _ILLEGAL.sub("", text[start:]).translate(_REPAIRED_C1), 0
    _Scanner(text, reader, entry_names, entities).run(start)


def _detach(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


class _Scanner:
    """One pass over a document. Positions are offsets in ``text``; its length means "nowhere"."""

    def __init__(
        self,
        text: str,
        reader: XmlReader,
        entry_names: frozenset[str],
        entities: Mapping[str, str],
    ) -> None:
        self._text = text
        self._end = len(text)
        self._reader = reader
        self._entry_names = entry_names
        self._entities = entities
        names = "|".join(sorted(entry_names))
        self._edge = re.compile(
            rf"</?(?:[\w-]++:)?(?:{names})(?=[\s/>])"
            r"|</(?:channel|rss|feed|urlset|sitemapindex|rdf:rdf)(?=[\s>])",
            re.IGNORECASE,
        )
        self._found: dict[str, tuple[int, int]] = {}
        self._next_edge = (0, -1)
        self._prefixes: dict[str, str] = {"atom": "", "rss": ""}
        self._declared: dict[str, str] = {}
        self._strangers: set[str] = set()
        self._expanded = 0
        # The tree, as far as it is needed: entries leave it when they are read.
        self._root: Element = etree.Element("feed")
        self._holder: Element = self._root
        self._item: Element | None = None
        # How many children the holder had when the last entry ended.
        self._mark = 0
        self._rooted = False
        self._ended = False

    def run(self, position: int) -> None:
        text = self._text
        while True:
            start = text.find("<", position)
            if start < 0:
                break
            following = text[start + 1 : start + 2]
            if following == "/":
                position = self._end_element(start)
            elif following == "!":
                position = self._skip_declaration(start)
            elif following == "?":
                close = self._find(">", start)
                position = min(close + 1, self._end)
            else:
                position = self._start_element(start)
        feed = self._reader.feed
        if self._item is not None:
            feed.problems.append(Problem("the document ends inside an entry: it is left out"))
            self._ended = False
            _detach(self._item)
            self._item = None
        self._close_item()
        feed.cut = not self._ended
        self._reader.finish(self._root)

    # --- searching ---

    def _find(self, needle: str, position: int) -> int:
        """Where ``needle`` is next, the length if nowhere; the same stretch is not read twice."""
        searched, found = self._found.get(needle, (0, -1))
        if searched <= position <= found:
            return found
        found = self._text.find(needle, position)
        if found < 0:
            found = self._end
        self._found[needle] = (position, found)
        return found

    def _close_cdata(self, start: int) -> int | None:
        """Where the CDATA section at ``start`` ends, None when it does not.

        One that holds the beginning of another has lost its own end.
        """
        close = self._find("]]>", start)
        if close == self._end or self._find(_CDATA, start + 9) < close:
            return None
        return close + 3

    def _find_edge(self, position: int) -> int:
        """Where the next entry begins or this one ends, outside CDATA sections."""
        searched, found = self._next_edge
        if searched <= position <= found:
            return found
        start = position
        for _ in range(_MAX_SECTIONS):
            match = self._edge.search(self._text, position)
            found = match.start() if match else self._end
            section = self._find(_CDATA, position)
            if section >= found:
                break
            close = self._close_cdata(section)
            if close is None:
                break
            position = close
        self._next_edge = (start, found)
        return found

    def _find_end(self, name: str, position: int) -> tuple[int, int] | None:
        """Where the end tag of ``name`` begins and ends, None when this entry has none."""
        edge = self._find_edge(position)
        needle = f"</{name}"
        for _ in range(_MAX_SECTIONS):
            start = self._find(needle, position)
            if start >= edge:
                return None
            section = self._find(_CDATA, position)
            if section < start and (close := self._close_cdata(section)) is not None:
                position = close
                continue
            match = _END_TAG.match(self._text, start)
            if match and match[1] == name:
                return start, match.end()
            position = start + 2
        return None

    # --- tags ---

    def _start_element(self, start: int) -> int:
        match = _START_TAG.match(self._text, start)
        if match is None:
            return start + 1
        raw = match[1] or match[3]
        attributes = match[2] or match[4] or ""
        after = match.end()
        if "xmlns" in attributes:
            self._declare(attributes)
        name = self._name(raw, attributes)
        if name in self._entry_names:
            self._close_item()
            self._item = self._build(self._holder, name, attributes)
            if attributes.endswith("/"):
                self._close_item()
            return after
        if name in _ROOTS:
            self._rooted = True
            for key, value in self._read_attributes(attributes).items():
                self._root.set(key, value)
            return after
        if name == "channel":
            if self._holder is self._root:
                self._holder = self._build(self._root, name, attributes)
            return after
        return self._read_field(
            self._holder if self._item is None else self._item, name, raw, attributes, after
        )

    def _end_element(self, start: int) -> int:
        match = _END_TAG.match(self._text, start)
        if match is None:
            return start + 2
        name = self._name(match[1], "")
        if name in self._entry_names or (
            match.end() == self._end and any(entry.startswith(name) for entry in self._entry_names)
        ):
            if self._item is None:
                self._revive_item(name)
            self._close_item()
        elif name in _ROOTS or name == "channel":
            self._close_item()
            whole = name in _ROOTS or not self._rooted
            self._ended = whole and match[0].endswith(">")
        return match.end()

    def _skip_declaration(self, start: int) -> int:
        text = self._text
        if text.startswith("<!--", start):
            close = self._find("-->", start + 4)
            return close + 3 if close < self._end else start + 4
        if text.startswith(_CDATA, start):
            return self._close_cdata(start) or start + 9
        return min(self._find(">", start) + 1, self._end)

    # --- entries ---

    def _close_item(self) -> None:
        item, self._item = self._item, None
        if item is None:
            return
        self._reader.add(item)
        _detach(item)
        self._mark = len(self._holder)

    def _revive_item(self, name: str) -> None:
        """Makes an entry of what stands before an end tag that has no start tag.

        Before the first entry that is what follows the last title, as the channel has one, too.
        """
        loose = self._holder[self._mark :]
        if self._mark == 0:
            titles = [place for place, child in enumerate(loose) if child.tag == "title"]
            if len(titles) < 2:
                return
            loose = loose[titles[-1] :]
        if loose:
            self._item = etree.SubElement(self._holder, name)
            self._item.extend(loose)

    # --- fields ---

    def _read_field(self, parent: Element, name: str, raw: str, attributes: str, after: int) -> int:
        """Reads one element into ``parent``; returns where to go on."""
        known = name in _PARTS or name.startswith(_VOCABULARIES)
        if len(parent) >= _MAX_FIELDS:
            return max(after, self._find_edge(after))
        if attributes.endswith("/"):
            if known:
                self._build(parent, name, attributes)
            return after
        if not known:
            if raw not in self._strangers and len(self._strangers) >= _MAX_STRANGERS:
                return after
            self._strangers.add(raw)
            place = self._find_end(raw, after)
            return place[1] if place else after
        place = self._find_end(raw, after)
        if place:
            end, following = place
            inner = self._text[after:end]
        else:
            edge = self._find_edge(after)
            match = _NEXT_FIELD.search(self._text, after, edge)
            following = match.start() if match else edge
            # What is left of its end tag, or one that belongs elsewhere.
            inner = _LAST_END_TAG.sub("", self._text[after:following])
        element = self._build(parent, name, attributes)
        if name in _GROUPS and "<" in inner and not inner.lstrip().startswith(_CDATA):
            self._read_group(element, inner, 1)
        else:
            self._set_text(element, inner)
        return following

    def _read_group(self, group: Element, inner: str, depth: int) -> None:
        """Reads the elements in ``inner``, all that stand between the tags of ``group``."""
        position = 0
        while len(group) < _MAX_PARTS and (match := _START_TAG.search(inner, position)):
            raw = match[1] or match[3]
            attributes = match[2] or match[4] or ""
            name = self._name(raw, attributes)
            position = match.end()
            if not (name in _PARTS or name.startswith(_VOCABULARIES)):
                continue
            part = self._build(group, name, attributes)
            if attributes.endswith("/"):
                continue
            end = inner.find(f"</{raw}", position)
            if end >= 0:
                text = inner[position:end]
                if name in _GROUPS and "<" in text and depth < _MAX_GROUP_DEPTH:
                    self._read_group(part, text, depth + 1)
                else:
                    self._set_text(part, text)
                position = end
        if not len(group):
            self._set_text(group, inner)

    def _build(self, parent: Element, name: str, attributes: str) -> Element:
        prefix, colon, local = name.rpartition(":")
        tag = f"{{{prefix}}}{local}" if colon else local
        return etree.SubElement(parent, tag, self._read_attributes(attributes))

    def _read_attributes(self, attributes: str) -> dict[str, str]:
        found: dict[str, str] = {}
        if "=" in attributes:
            for match in _ATTRIBUTE.finditer(attributes):
                key = _ATTRIBUTES.get(match[1].lower())
                if key and key not in found:
                    value = next(text for text in match.groups()[1:] if text is not None)
                    found[key] = self._unescape(value)
        return found

    def _declare(self, attributes: str) -> None:
        for match in _ATTRIBUTE.finditer(attributes):
            prefix = match[1].partition("xmlns:")[2]
            if prefix and len(self._declared) < _MAX_STRANGERS:
                address = match[2] or match[3] or match[4] or "?"
                self._prefixes[prefix] = choose_prefix(prefix, address)
                self._declared[prefix] = address

    def _name(self, raw: str, attributes: str) -> str:
        """The canonical name of a tag, by declarations seen so far, else by the prefix itself."""
        local = raw.lower()
        if ":" not in local:
            if "xmlns" in attributes:
                for match in _ATTRIBUTE.finditer(attributes):
                    if match[1] == "xmlns":
                        prefix = choose_prefix("", match[2] or match[3] or match[4] or "")
                        return f"{prefix}:{local}" if prefix else local
            return local
        prefix, _, local = local.partition(":")
        known = self._prefixes.get(raw.partition(":")[0])
        if known is None:
            known = prefix if prefix in PREFIXES else "?"
        if not _LOCAL_NAME.fullmatch(local):
            return "?"
        return f"{known}:{local}" if known else local

    # --- texts ---

    def _set_text(self, element: Element, inner: str) -> None:
        if "<" not in inner:
            element.text = self._unescape(inner) if "&" in inner else inner
            return
        text, markup = self._read_inner(inner)
        if markup and self._adopt_children(element, inner):
            return
        element.text = text
        if markup and element.get("type") not in {"html", "text/html"}:
            element.set("type", "html")

    def _adopt_children(self, element: Element, inner: str) -> bool:
        """Takes markup that is well-formed by itself as the elements it is; False if it is not."""
        if inner.count("<") + inner.count("=") > _MAX_ADOPTED:
            return False
        scope = "".join(
            f' xmlns:{prefix}="{html.escape(address)}"'
            for prefix, address in self._declared.items()
        )
        inner = _REFERENCE.sub(self._replace_name, inner)
        try:
            found = etree.fromstring(f"<x{scope}>{inner}</x>", _FRAGMENT_PARSER)
        except etree.XMLSyntaxError:
            return False
        element.text = found.text
        element.extend(found)
        return True

    def _replace_name(self, match: re.Match[str]) -> str:
        """A named reference as its character, unless XML itself knows the name."""
        if match[1].startswith("#") or match[1] in _XML_NAMES:
            return match[0]
        return html.escape(self._replace_reference(match), quote=False)

    def _read_inner(self, inner: str) -> tuple[str, bool]:
        """The text of an element, and whether markup stood in it that was not escaped."""
        if _BROKEN_CDATA.match(inner) and not inner.lstrip().startswith(_CDATA):
            inner = _BROKEN_CDATA.sub(_CDATA, inner)
        pieces: list[str] = []
        markup = False
        position = 0
        while True:
            section = inner.find(_CDATA, position)
            plain = inner[position:section] if section >= 0 else inner[position:]
            if "<" in plain and _TAG_LIKE.search(plain) and not _ESCAPED_TAG.search(plain):
                markup = True
                pieces.append(plain)
            else:
                pieces.append(self._unescape(plain))
            if section < 0:
                break
            close = inner.find("]]>", section)
            if close < 0:
                pieces.append(inner[section + 9 :])
                break
            pieces.append(inner[section + 9 : close])
            position = close + 3
        return "".join(pieces).replace("]]>", ""), markup

    def _unescape(self, text: str) -> str:
        if "&" not in text:
            return text
        # The common ones without a call for each; "&amp;" last, for it may make new references.
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
        if "&" in text and _OTHER_REFERENCE.search(text):
            text = _ILLEGAL.sub("", _OTHER_REFERENCE.sub(self._replace_reference, text))
        return text.replace("&amp;", "&")

    def _replace_reference(self, match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("#"):
            return html.unescape(match[0])
        value = self._entities.get(name)
        if value is None:
            return html5.get(f"{name};", match[0])
        self._expanded += len(value)
        return value if self._expanded <= _MAX_EXPANSION else match[0]
