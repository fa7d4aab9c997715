"""Selectors as source files declare them, and the trees they run on.

One subset, for pages and HTML lists:

- CSS (Selectors 3, and ``:has()`` ``:is()`` ``:where()``), optionally ending in ``::text`` (what a
  reader sees of the element, white space squeezed) or ``::attr(name)``. With nothing before the
  two colons the element itself is meant: ``::attr(href)``.
- XPath 1.0, when it begins with ``/``, ``./`` or ``(``. It may give elements, attributes, texts or
  a number. Under a row it begins with ``./``, for ``//a`` is any link of the document.

As in parsel, CSS under an element also tries that element itself. Where a value is asked for and
the selector names an element, the value is its text. Of ``h1, h2`` the first in the document wins.

CSS runs on lexbor, which costs a quarter of lxml on a page of 38 kB. Once one selector of a rule
is XPath, the whole rule runs on lxml, its CSS translated by cssselect (which lacks ``:not(a, b)``
and ``*:nth-of-type()``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import islice
from math import isnan
from typing import Any, Protocol

import cssselect
import lxml.html
from lxml import etree
from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import NewsError
from crawler.markup.blocks import INDENT, squeeze

Node = Any
"""An element of the tree it came from; only that tree knows what to do with it."""


class SelectorError(NewsError):
    """A selector cannot be read: what was found, and what was expected."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One compiled selector. ``query`` is the CSS without its ending ("" is the element itself) or
    the XPath; ``attribute`` is "" for text, None where the selector names the element."""

    source: str
    query: str
    attribute: str | None = None
    xpath: bool = False


_ENDING = re.compile(r"::(?:text|attr\(\s*([^\s()\"']+)\s*\))\Z")
_XPATH_START = ("/", "./", "(")
_PROBE = LexborHTMLParser("<p>")


@lru_cache(maxsize=4096)
def compile_selector(text: str) -> Selector:
    """Gives the selector that ``text`` stands for. Raises SelectorError.

    >>> compile_selector(".tt a::attr(href)").attribute
    'href'
    """
    source = text.strip()
    if source.startswith(_XPATH_START):
        _compile_xpath(source)
        return Selector(source, source, xpath=True)
    ending = _ENDING.search(source)
    query = source[: ending.start()].rstrip() if ending else source
    if query or not ending:
        try:
            _PROBE.css(query)
        except (SelectolaxError, UnicodeEncodeError) as error:  # lone surrogates
            raise SelectorError(
                f"found {source[:200]!r}, expected CSS that may end in ::text or ::attr(name), "
                "or XPath beginning with / ./ or ("
            ) from error
    return Selector(source, query, (ending[1] or "") if ending else None)


# XPath 1.0, section 4, the node types, and the operators that can stand before a bracket. lxml
# finds a wrong name only on a page that has the elements before it.
_XPATH_CALLS = frozenset(
    "last position count id local-name namespace-uri name string concat starts-with contains "
    "substring-before substring-after substring string-length normalize-space translate boolean "
    "not true false lang number sum floor ceiling round text node comment processing-instruction "
    "and or div mod".split()
)
_XPATH_CALL = re.compile(r"([\w.:-]+)\s*\(")
_XPATH_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")


@lru_cache(maxsize=4096)
def _compile_xpath(query: str) -> etree.XPath:
    try:
        compiled = etree.XPath(query, smart_strings=False)
        compiled(etree.Element("html"))  # unknown prefixes show only in use
    except (etree.XPathError, ValueError) as error:  # ValueError: control characters
        raise SelectorError(f"found {query[:200]!r}, expected XPath 1.0: {error}") from error
    for called in _XPATH_CALL.findall(_XPATH_TEXT.sub("", query)):
        name = called.rpartition("::")[2]
        if name not in _XPATH_CALLS:
            raise SelectorError(
                f"found {query[:200]!r}, expected XPath 1.0, which has no function {name}()"
            )
    return compiled


@lru_cache(maxsize=4096)
def _translate_css(query: str) -> etree.XPath:
    try:
        return etree.XPath(cssselect.HTMLTranslator().css_to_xpath(query), smart_strings=False)
    except (cssselect.SelectorError, etree.XPathError, ValueError) as error:
        raise SelectorError(
            f"found {query[:200]!r}, expected CSS that can run beside XPath: {error}"
        ) from error


# ------------------------------------------------------------------------------------ trees


class Tree(Protocol):
    """A parsed HTML document. Without a node its methods mean the whole document."""

    def select(self, selector: Selector, under: Node | None = None) -> list[Node]:
        """Gives the elements, in document order; what ends in ::text or ::attr() names its own."""

    def find(self, selector: Selector, under: Node | None = None) -> str:
        """Gives the first value that is not empty, else ""."""

    def find_all(self, selector: Selector, under: Node | None = None) -> list[str]:
        """Gives all values that are not empty."""

    def read(self, node: Node, attribute: str) -> str:
        """Gives the attribute, or for "" the visible text, white space squeezed; "" if none.

        A value is a line: of a text in thousands of pieces the first ones are given.
        """

    def html(self, node: Node, *, inner: bool = False) -> str:
        """Gives the element as HTML, with ``inner`` only what is in it."""

    def drop(self, selectors: Iterable[Selector], under: Node) -> None:
        """Takes what the selectors name out of the element; never the element itself."""

    def outermost(self, nodes: list[Node]) -> list[Node]:
        """Gives the nodes that lie in none of the others."""

    def shows(self, node: Node) -> bool:
        """Tells whether the element has visible text or an image."""

    def key(self, node: Node) -> object:
        """Gives what is equal for the same element only."""


def parse_tree(text: str, selectors: Iterable[Selector] = ()) -> Tree:
    """Gives the document as the tree on which all of the selectors run.

    ``text`` may be any; bound it with ``find_excess`` first. Selectors that lxml needs and cannot
    run raise SelectorError here.
    """
    used = list(selectors)
    if not any(selector.xpath for selector in used):
        return LexborTree(text)
    for selector in used:
        if not selector.xpath and selector.query:
            _translate_css(selector.query)
    return _LxmlTree(text)


_MOST_TEXTS = 2_000
_IMAGE_ATTRIBUTES = ("data-original", "data-original-src", "data-src", "src", "content", "href")


def read_image(tree: Tree, node: Node) -> str:
    """Gives the address that an img, meta or link element has, as written; "" for none.

    Lazy images have a spacer in ``src`` and the picture in another attribute (FORMAT, section 7).
    """
    values = (tree.read(node, attribute) for attribute in _IMAGE_ATTRIBUTES)
    return next(filter(None, values), "")


_UNSEEN = frozenset(
    "script style template noscript textarea select svg iframe object math head".split()
)
_PARTING = frozenset(
    "address article aside blockquote br caption center dd details div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol p pre section summary "
    "table tbody td tfoot th thead tr ul".split()
)


class LexborTree:
    """CSS only. ``root`` is the html element.

    Nodes are told apart by ``mem_id``: lexbor's ``==`` compares their HTML.
    """

    __slots__ = ("root",)

    def __init__(self, text: str) -> None:
        # Encoding here drops lone surrogates, which lexbor would refuse.
        data = text.encode("utf-8", "ignore")
        root = LexborHTMLParser(data, options=LexborDocumentOptions.WO_EVENTS).root
        assert root is not None
        self.root: LexborNode = root

    def select(self, selector: Selector, under: Node | None = None) -> list[Node]:
        node = self.root if under is None else under
        if not selector.query:
            return [node]
        nodes = node.css(selector.query)
        if "," in selector.query:  # lexbor lists an element for each part of "a, b" that it fits
            nodes = list({found.mem_id: found for found in nodes}.values())
        return nodes

    def find(self, selector: Selector, under: Node | None = None) -> str:
        node = self.root if under is None else under
        attribute = selector.attribute or ""
        if not selector.query:
            return self.read(node, attribute)
        first = node.css_first(selector.query)
        if first is None:
            return ""
        found = self.read(first, attribute)
        if not found:
            for other in self.select(selector, under)[1:]:
                found = self.read(other, attribute)
                if found:
                    break
        return found

    def find_all(self, selector: Selector, under: Node | None = None) -> list[str]:
        attribute = selector.attribute or ""
        found = [self.read(node, attribute) for node in self.select(selector, under)]
        return [value for value in found if value]

    def read(self, node: Node, attribute: str) -> str:
        if attribute:
            return _squeeze(node.attributes.get(attribute) or "")
        child = node.first_child
        if child is None:
            return ""
        if child.next is None and child.tag == "-text":
            return _squeeze(child.text_content or "")
        return _squeeze("".join(islice(visible_texts(node), _MOST_TEXTS)))

    def html(self, node: Node, *, inner: bool = False) -> str:
        return (node.inner_html if inner else node.html) or ""

    def drop(self, selectors: Iterable[Selector], under: Node) -> None:
        for selector in selectors:
            for node in self.select(selector, under) if selector.query else ():
                if node.mem_id != under.mem_id:
                    node.decompose()

    def outermost(self, nodes: list[Node]) -> list[Node]:
        if len(nodes) < 2:
            return nodes
        inside = dict.fromkeys([node.mem_id for node in nodes], True)
        kept = []
        for node in nodes:
            passed = []
            parent = node.parent
            while parent is not None and parent.mem_id not in inside:
                passed.append(parent.mem_id)
                parent = parent.parent
            found = parent is not None and inside[parent.mem_id]
            inside.update(dict.fromkeys(passed, found))
            if not found:
                kept.append(node)
        return kept

    def shows(self, node: Node) -> bool:
        return any(text.strip(INDENT) for text in visible_texts(node, image="□"))

    def key(self, node: Node) -> object:
        return node.mem_id


def visible_texts(top: LexborNode, image: str = "") -> Iterator[str]:
    """The visible texts below ``top``, with a blank where a block or line begins or ends, and
    ``image`` for each image."""
    open_nodes: list[LexborNode] = []
    node = top.first_child
    while True:
        if node is None:
            if not open_nodes:
                return
            node = open_nodes.pop()
            if node.tag in _PARTING:
                yield " "
            node = node.next
            continue
        tag = node.tag
        if tag == "-text":
            yield node.text_content or ""
        elif tag == "img":
            yield image
        elif tag not in _UNSEEN:
            if tag in _PARTING:
                yield " "
            child = node.first_child
            if child is not None:
                open_nodes.append(node)
                node = child
                continue
        node = node.next


class _LxmlTree:
    """CSS and XPath."""

    __slots__ = ("_root",)

    def __init__(self, text: str) -> None:
        parser = lxml.html.HTMLParser(
            encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
        )
        root = etree.fromstring(text.encode("utf-8", "ignore"), parser)
        self._root: Node = parser.makeelement("html") if root is None else root

    def _run(self, selector: Selector, under: Node | None) -> list[Any]:
        node = self._root if under is None else under
        if not selector.query:
            return [node]
        run = (_compile_xpath if selector.xpath else _translate_css)(selector.query)
        try:
            found = run(node)
        except etree.XPathError:  # such as a node-set that on this page is none
            return []
        if isinstance(found, list):
            return found
        if isinstance(found, float):
            return [] if isnan(found) else [f"{found:.15g}"]
        return [found] if isinstance(found, str) else []

    def select(self, selector: Selector, under: Node | None = None) -> list[Node]:
        return [found for found in self._run(selector, under) if not isinstance(found, str)]

    def find(self, selector: Selector, under: Node | None = None) -> str:
        return next(self._values(selector, under), "")

    def find_all(self, selector: Selector, under: Node | None = None) -> list[str]:
        return list(self._values(selector, under))

    def _values(self, selector: Selector, under: Node | None) -> Iterator[str]:
        attribute = selector.attribute or ""
        for found in self._run(selector, under):
            value = _squeeze(found) if isinstance(found, str) else self.read(found, attribute)
            if value:
                yield value

    def read(self, node: Node, attribute: str) -> str:
        if attribute:
            return _squeeze(node.get(attribute) or "")
        return _squeeze("".join(islice(_lxml_texts(node), _MOST_TEXTS)))

    def html(self, node: Node, *, inner: bool = False) -> str:
        if not inner:
            return _lxml_html(node, with_tail=False)
        return escape(node.text or "", quote=False) + "".join(map(_lxml_html, node))

    def drop(self, selectors: Iterable[Selector], under: Node) -> None:
        kept = {under, *under.iterancestors()}
        for selector in selectors:
            for node in self.select(selector, under) if selector.query else ():
                if node not in kept and node.getparent() is not None:
                    node.drop_tree()

    def outermost(self, nodes: list[Node]) -> list[Node]:
        if len(nodes) < 2:
            return nodes
        inside = dict.fromkeys(nodes, True)
        kept = []
        for node in nodes:
            passed = []
            parent = node.getparent()
            while parent is not None and parent not in inside:
                passed.append(parent)
                parent = parent.getparent()
            found = parent is not None and inside[parent]
            inside.update(dict.fromkeys(passed, found))
            if not found:
                kept.append(node)
        return kept

    def shows(self, node: Node) -> bool:
        return node.find(".//img") is not None or bool("".join(_lxml_texts(node)).strip(INDENT))

    def key(self, node: Node) -> object:
        return node


def _lxml_html(node: Node, *, with_tail: bool = True) -> str:
    return etree.tostring(node, method="html", encoding="unicode", with_tail=with_tail)


def _lxml_texts(node: Node) -> Iterator[str]:
    """As ``visible_texts``."""
    walk = etree.iterwalk(node, events=("start", "end"))
    for event, inner in walk:
        if event == "start":
            if inner.tag in _PARTING:
                yield " "
            if inner.tag in _UNSEEN and inner is not node:
                walk.skip_subtree()
            else:
                yield inner.text or ""
        elif inner is not node:
            if inner.tag in _PARTING:
                yield " "
            yield inner.tail or ""


def _squeeze(text: str) -> str:
    text = text.strip(INDENT)
    return text if text.isprintable() and "  " not in text else squeeze(text)


# ----------------------------------------------------------------------------------- bounds

# Both parsers take time that grows with the square of the depth and of the attributes of one
# element (2 ns times the square). lexbor repeats every formatting element left open in each later
# paragraph, as the HTML standard has it (300 in 6,000 paragraphs, 50 kB: 1.2 s and 620 MB).
# A tree takes up to 25 times the memory of its characters, and some 400 bytes for each tag.
MAX_PAGE = 8_000_000
_SHARE = 40  # so many characters for each tag at most
MAX_DEPTH = 200
MAX_ATTRIBUTES = 2_000
_LEFT_OPEN = 5  # pages may be as many times deeper: most leave elements open
MAX_ROOTS = 100  # more than one <html> or <body> are merged, attribute by attribute
MAX_REPEATS = 1_000_000
_MOST_ALIKE = 42  # three of each formatting element without attributes
_HARMLESS = 65_536  # characters: no nesting or attribute list in so little costs half a second
_LONG_TAG = 4_000
_ENDED = frozenset(  # tags that need no end tag
    "area base br col embed hr img input link meta param source track wbr "
    # and what the next of its kind or the end of its parent closes
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup rt rp html head body".split()
)
# Expressions and not a tree walk: they decide whether to build the tree. None has a repeat that
# can give back what it took.
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_NAMED_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]*)(?=[\s/>])")
_SCRIPT = re.compile(r"<script\b.*?(?:</script|\Z)", re.DOTALL | re.IGNORECASE)
_FORMATTING = re.compile(  # factored by first letter: ignoring case would cost five times the time
    r"</?[bisuetcfnBISUETCFN](?:|[mM]|[tT]|[iI][gG]|[oO][dD][eE]|[oO][nN][tT]|[oO][bB][rR]"
    r"|[mM][aA][lL][lL]|[tT][rR][iI][kK][eE]|[tT][rR][oO][nN][gG])[\s/>]"
)
_ROOT = re.compile(r"<(?:[hH][tT][mM][lL]|[bB][oO][dD][yY])[\s/>]")
_TAG_START = re.compile(r"<[a-zA-Z]")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_WORD = re.compile(r"[^\s\"'/=]+")


def find_excess(
    text: str,
    *,
    max_page: int = MAX_PAGE,
    max_depth: int = MAX_DEPTH,
    max_attributes: int = MAX_ATTRIBUTES,
) -> str | None:
    """Gives the reason why parsing this HTML would take too much time or memory, None when it
    would not.

    A page may have ``max_page`` characters, and a tag for every forty of these. Elements left open
    count, so five times ``max_depth`` is what is too deep. Costs some 30 µs for a page of 38 kB;
    reads the tags one by one only in long documents.
    """
    if len(text) > max_page:
        return f"a page of {len(text)} characters, more than {max_page} (NEWS_MAX_PAGE)"
    count = text.count("<")
    if count * _SHARE > max_page:
        return f"a page of {count} tags, more than {max_page // _SHARE} (NEWS_MAX_PAGE)"
    if count * count > 4 * MAX_REPEATS:  # as many left open as there are paragraphs, at the worst
        formatting = _FORMATTING.findall(text)
        left_open = _find_depth([(tag[1:2], "") for tag in formatting])
        special = sum(tag[-1] != ">" for tag in formatting)
        if min(left_open, special + _MOST_ALIKE) * count > MAX_REPEATS:
            return "too many formatting elements left open"
    if len(text) <= _HARMLESS:
        return None
    for part in text.split(">"):
        if len(part) > _LONG_TAG and (start := _TAG_START.search(part)):
            names = _WORD.findall(_QUOTED.sub(" ", part[start.start() :]))
            if len(names) > max_attributes and len(set(names)) > max_attributes:
                return f"more than {max_attributes} attributes in one element (NEWS_MAX_ATTRIBUTES)"
    if len(_ROOT.findall(text)) > MAX_ROOTS:
        return f"more than {MAX_ROOTS} html or body elements"
    most = _LEFT_OPEN * max_depth
    if count > 8 * most:
        # In scripts "<" is mostly a comparison; but in SVG they are markup like any other.
        tags = _TAG.findall(_SCRIPT.sub("", text)), _NAMED_TAG.findall(text)
        if max(map(_find_depth, tags)) > most:
            return f"elements nested more than {most} deep (NEWS_MAX_DEPTH)"
    return None


def _find_depth(tags: Iterable[tuple[str, str]]) -> int:
    """How many elements are open at most; a tag is "/" for an end or anything else, and a name."""
    ends = [end == "/" for end, name in tags if name.lower() not in _ENDED]
    depth = deepest = 0
    for is_end in ends:
        if not is_end:
            depth += 1
            deepest += depth > deepest
        elif depth:
            depth -= 1
    return deepest
