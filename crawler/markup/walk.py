"""HTML tree -> blocks: the one place that knows what a reader sees of an HTML fragment.

The walk keeps its own stack, so no depth of nesting can exhaust Python's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from crawler.markup.blocks import (
    INDENT,
    LINE_BREAK,
    Block,
    Cell,
    Close,
    Container,
    Image,
    Mark,
    Open,
    Path,
    Token,
    is_seen,
    squeeze,
    squeeze_lines,
    tidy_lines,
    trim_lines,
)
from crawler.markup.links import clean_link, clean_web_url

_SKIPPED: Final = object()
_NO_EVENTS: Final = LexborDocumentOptions.WO_EVENTS.value  # the tree is read, never changed

Attributes = Mapping[str, str | None]
PickImage = Callable[[Attributes], str | None]

# CommonMark renderers stop at 20 levels by default and a list takes two of them.
_MAX_CONTAINERS: Final = 8
_MAX_NUMBER: Final = 999_999_999  # of a list item; CommonMark reads nine digits
_MAX_SPAN: Final = 1000  # of a cell; the HTML standard's own bound for columns
_MAX_CELL_BLOCKS: Final = 3  # more paragraphs than that in one cell: the table is there for layout

# What an element does to the text around and in it. Without a role it is inline: its text counts.
(
    _DROP,
    _BLOCK,
    _HEADING,
    _PRE,
    _LIST,
    _ITEM,
    _QUOTE,
    _TABLE,
    _ROW,
    _CELL,
    _RULE,
    _BREAK,
    _MARK,
    _LINK,
    _IMAGE,
    _NOSCRIPT,
    _RUBY_TEXT,
    _QUOTED,
    _DIALOG,
    _PICTURE,
    _SOURCE,
    _TEXT,
    _MARK_BLOCK,
    _LINK_BLOCK,
) = range(1, 25)

_TAGS: dict[int, str] = {
    _DROP: "script style template head title meta link base svg iframe frame frameset noframes"
    " noembed object embed applet video audio canvas map area param track textarea select option"
    " optgroup datalist input rp annotation annotation-xml colgroup col -comment -doctype",
    _BLOCK: "p div section article main header footer aside nav address center figure figcaption"
    " caption fieldset legend details summary form dl dt dd hgroup search body html",
    _HEADING: "h1 h2 h3 h4 h5 h6",
    _PRE: "pre listing xmp plaintext",
    _LIST: "ul ol dir menu",
    _ITEM: "li",
    _QUOTE: "blockquote",
    _TABLE: "table",
    _ROW: "tr",
    _CELL: "td th",
    _RULE: "hr",
    _BREAK: "br",
    _MARK: "strong b em i code sub sup del s strike u ins",
    _LINK: "a",
    _IMAGE: "img",
    _NOSCRIPT: "noscript",
    _RUBY_TEXT: "rt",
    _QUOTED: "q",
    _DIALOG: "dialog",
    _PICTURE: "picture",
    _SOURCE: "source",
    _TEXT: "-text",
}
_RICH_ROLES: dict[str, int] = {tag: role for role, tags in _TAGS.items() for tag in tags.split()}
_PLAIN_ROLES = {tag: role for tag, role in _RICH_ROLES.items() if role not in (_MARK, _LINK)}
_MARKS = {"b": "strong", "i": "em", "s": "del", "strike": "del", "ins": "u"}
_STRUCTURE = re.compile(
    "</?(?:"
    + "|".join(tag for tag, role in _RICH_ROLES.items() if _BLOCK <= role <= _BREAK)
    + r")[\s/>]",
    re.IGNORECASE,
)

_AS_BLOCKS = {0: _BLOCK, _MARK: _MARK_BLOCK, _LINK: _LINK_BLOCK}

# How an element's own style changes what is seen of it.
_HIDDEN, _INVISIBLE, _AS_BLOCK, _TINY = 1, 2, 4, 8
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_ZERO = re.compile(r"[+-]?(?:0++(?:\.0*+)?|\.0++)(?:[a-z]++|%)?\Z")
_LONGEST_KNOWN_STYLE: Final = 500  # characters; longer ones are read anew each time


def read_style(style: str) -> int:
    """Gives what a ``style`` attribute says about being seen, as a set of flags."""
    found = 0
    for declaration in _CSS_COMMENT.sub("", style).lower().split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip()
        value = value.partition("!")[0].strip()
        if name == "display":
            found &= ~(_HIDDEN | _AS_BLOCK)
            if value == "none":
                found |= _HIDDEN
            elif value in ("block", "flex", "grid", "list-item", "table"):
                found |= _AS_BLOCK
        elif name == "visibility":
            found &= ~_INVISIBLE
            if value in ("hidden", "collapse"):
                found |= _INVISIBLE
        elif name == "font-size":
            found &= ~_TINY
            if value and _ZERO.match(value):
                found |= _TINY
    return found


_read_known_style = lru_cache(maxsize=1024)(read_style)


def is_plain_style(style: str) -> bool:
    """Tells whether a ``style`` attribute, as written, leaves what is seen as it is."""
    return "&" not in style and not _see(style)


def _see(style: str) -> int:
    return (_read_known_style if len(style) <= _LONGEST_KNOWN_STYLE else read_style)(style)


def is_structured(html: str) -> bool:
    """Tells whether any markup in it parts lines; where none does, its line ends do."""
    return _STRUCTURE.search(html) is not None


@dataclass(slots=True)
class _List:
    list_id: int
    ordered: bool
    next_number: int
    base: Path
    last: Path | None = None


@dataclass(slots=True)
class _OpenCell:
    blocks: list[Block]
    header: bool
    colspan: int
    rowspan: int


class Walker:
    """Collects the blocks of one HTML fragment; ``images`` are its usable images in order.

    With ``rich`` the tokens carry marks. With ``lined`` every line end parts paragraphs.
    """

    __slots__ = (
        "_base_url",
        "_kind",
        "_lined",
        "_list",
        "_list_count",
        "_marks",
        "_path",
        "_pick_image",
        "_pictured",
        "_rich",
        "_shown_image",
        "_source",
        "_stand_in",
        "_stray_items",
        "_table",
        "_tokens",
        "blocks",
        "images",
    )

    def __init__(
        self, *, rich: bool, lined: bool, base_url: str | None, pick_image: PickImage
    ) -> None:
        self.blocks: list[Block] = []
        self.images: dict[str, None] = {}
        self._rich = rich
        self._lined = lined
        self._base_url = base_url
        self._pick_image = pick_image
        self._tokens: list[Token] = []
        self._pictured = False
        self._kind = "p"
        self._path: Path = ()
        self._list: _List | None = None
        self._list_count = 0
        self._stray_items: _List | None = None
        self._table: list[list[_OpenCell]] | None = None
        self._marks: list[Open] = []
        self._shown_image = 0
        self._stand_in: str | None = None
        # In a picture, its first source: it stands in for an image without a usable address.
        self._source: Attributes | None = None

    def walk(self, html: str) -> None:
        """Reads an HTML fragment. Call it once."""
        # Encoding here drops lone surrogates, which lexbor would refuse.
        parser = LexborHTMLParser(
            html.encode("utf-8", "ignore"), is_fragment=True, options=_NO_EVENTS
        )
        node = parser.root
        if node is None:
            return
        role_of = (_RICH_ROLES if self._rich else _PLAIN_ROLES).get
        tokens = self._tokens
        stack: list[tuple[LexborNode, int, object]] = []
        tiny: list[int] = []  # how deep the open elements stand whose own text is too small to see
        while True:
            tag = node.tag or ""
            if tag == "-text":
                text = node.text_content or ""
                if tiny and tiny[-1] == len(stack) - 1:
                    pass
                elif is_seen(text) and self._kind != "pre":
                    tokens.append(text)
                else:
                    self._add_text(text)
            elif (role := role_of(tag, 0)) != _DROP:
                child: LexborNode | None = None
                saved: object = None
                attributes = node.attributes
                if attributes and ("style" in attributes or "hidden" in attributes):
                    role, is_tiny = self._see_style(role, attributes)
                    if is_tiny:
                        tiny.append(len(stack))
                if role == _BLOCK:
                    if tokens:
                        self._part()
                    child = node.first_child
                elif role == 0:
                    child = node.first_child
                elif role == _BREAK:
                    self._break_line()
                elif role == _IMAGE:
                    self._add_image(attributes, node.mem_id)
                elif role != _DROP:
                    saved = self._enter(role, tag, attributes, node)
                    if saved is not _SKIPPED:
                        child = node.first_child
                        if child is None:
                            self._leave(role, saved)
                if child is not None:
                    stack.append((node, role, saved))
                    node = child
                    continue
                if tiny and tiny[-1] == len(stack):
                    tiny.pop()
            while (following := node.next) is None:
                if not stack:
                    self._flush()
                    return
                node, role, saved = stack.pop()
                if role == _BLOCK:
                    if tokens:
                        self._part()
                elif role:
                    self._leave(role, saved)
                if tiny and tiny[-1] == len(stack):
                    tiny.pop()
            node = following

    def _see_style(self, role: int, attributes: Attributes) -> tuple[int, bool]:
        """Gives the role that an element has once its own style is considered, and whether text
        right in it is too small to see. Elements in it are not: page styles give them a size.
        """
        if "hidden" in attributes:
            return _DROP, False
        seen = _see(attributes["style"] or "")
        if seen & _HIDDEN:
            return _DROP, False
        # Lazy loaders make their images visible, and WeChat's pages their whole text (2021 on).
        if seen & _INVISIBLE and role != _IMAGE and attributes.get("id") != "js_content":
            return _DROP, False
        return _AS_BLOCKS.get(role, role) if seen & _AS_BLOCK else role, bool(seen & _TINY)

    def _enter(self, role: int, tag: str, attributes: Attributes, node: LexborNode) -> object:
        """Begins an element; gives what leaving it must restore, or _SKIPPED to pass it by."""
        if role in (_MARK_BLOCK, _LINK_BLOCK):
            self._part()
        if role in (_MARK, _MARK_BLOCK):
            return self._open_mark(cast("Mark", _MARKS.get(tag, tag)))
        if role in (_LINK, _LINK_BLOCK):
            href = clean_link(attributes.get("href"), self._base_url)
            return self._open_mark("a", href) if href else None
        if role in (_RUBY_TEXT, _QUOTED):
            self._add_glyph(role, 0)
            return None
        if role == _NOSCRIPT:
            self._add_stand_ins(node)
            return _SKIPPED
        if role in (_PICTURE, _SOURCE):
            if role == _PICTURE:
                self._source = {}
            elif self._source is not None:
                self._source = self._source or attributes
            return None
        if role == _DIALOG and "open" not in attributes:
            return _SKIPPED
        self._flush()
        if role in (_HEADING, _PRE):
            kind, self._kind = self._kind, "pre" if role == _PRE else tag
            return kind
        if role == _RULE:
            self.blocks.append(Block("hr", self._path, ""))
            return _SKIPPED
        if role == _LIST:
            return self._open_list(tag == "ol", attributes)
        if role == _ITEM:
            return self._open_item(attributes)
        if role == _QUOTE:
            return self._open_container(Container())
        if role == _TABLE:
            around = (self.blocks, self._table, self._kind, self._list)
            self.blocks, self._table, self._kind, self._list = [], [], "p", None
            return around
        if role == _ROW and self._table is not None:
            self._table.append([])
        if role == _CELL and self._table is not None:
            return self._open_cell(tag == "th", attributes)
        return None

    def _leave(self, role: int, saved: object) -> None:
        if role in (_MARK, _LINK, _MARK_BLOCK, _LINK_BLOCK):
            if isinstance(saved, Open):
                self._marks.pop()
                _close_mark(self._tokens, saved)
            if role in (_MARK_BLOCK, _LINK_BLOCK):
                self._part()
            return
        if role in (_RUBY_TEXT, _QUOTED):
            self._add_glyph(role, 1)
            return
        if role == _SOURCE:
            return
        if role == _PICTURE:
            self._source = None
            return
        self._flush()
        if role in (_HEADING, _PRE):
            self._kind = cast("str", saved)
        elif role == _LIST:
            self._list, self._path = cast("tuple[_List | None, Path]", saved)
        elif role in (_ITEM, _QUOTE):
            self._path = cast("Path", saved)
        elif role == _TABLE:
            beside, rows = self.blocks, self._table or []
            self.blocks, self._table, self._kind, self._list = cast(
                "tuple[list[Block], list[list[_OpenCell]] | None, str, _List | None]", saved
            )
            self.blocks.extend(beside)
            self._add_table(rows)
        elif role == _CELL and saved is not None:
            self.blocks = cast("list[Block]", saved)

    def _open_mark(self, mark: Mark, href: str = "") -> Open | None:
        if any(opened.mark == mark for opened in self._marks):
            return None
        if mark == "code" and self._kind == "pre":
            return None
        token = Open(mark, href)
        self._marks.append(token)
        self._tokens.append(token)
        return token

    def _open_list(self, ordered: bool, attributes: Attributes) -> object:
        around = (self._list, self._path)
        # A list straight inside a list belongs to the item before it.
        if self._list and self._list.last is not None and self._path == self._list.base:
            self._path = self._list.last
        start = _read_number(attributes.get("start"), 1) if ordered else 1
        self._list = self._new_list(ordered, start)
        return around

    def _new_list(self, ordered: bool, start: int) -> _List:
        self._list_count += 1
        return _List(self._list_count, ordered, start, self._path)

    def _open_item(self, attributes: Attributes) -> Path:
        items = self._list or self._stray_items
        if items is None:
            items = self._stray_items = self._new_list(False, 1)
        number = _read_number(attributes.get("value"), items.next_number)
        items.next_number = min(number + 1, _MAX_NUMBER)
        around = self._open_container(Container(items.list_id, items.ordered, number))
        items.last = self._path
        return around

    def _open_container(self, container: Container) -> Path:
        around = self._path
        if len(around) < _MAX_CONTAINERS:
            self._path = (*around, container)
        return around

    def _open_cell(self, header: bool, attributes: Attributes) -> list[Block]:
        around = self.blocks
        cell = _OpenCell(
            [],
            header,
            _read_span(attributes.get("colspan")),
            _read_span(attributes.get("rowspan")),
        )
        table = self._table or []
        if not table:
            table.append([])
        table[-1].append(cell)
        self.blocks = cell.blocks
        return around

    def _add_stand_ins(self, noscript: LexborNode) -> None:
        """Shows the images in a noscript, unless they stand in for one that was shown before."""
        before = noscript.prev
        while before is not None and (before.is_empty_text_node or before.is_comment_node):
            before = before.prev
        if before is not None and before.mem_id == self._shown_image:
            return
        for image in noscript.css("img"):
            self._add_image(image.attributes, image.mem_id, stands_in=True)

    def _add_glyph(self, role: int, side: int) -> None:
        self._tokens.append(("()" if role == _RUBY_TEXT else "“”")[side])

    def _add_text(self, text: str) -> None:
        tokens = self._tokens
        if self._kind == "pre":
            text = squeeze_lines(text)
        elif self._lined and "\n" in text:
            *lines, text = map(squeeze, text.split("\n"))
            for line in lines:
                tokens.append(line)
                self._flush()
        else:
            if not tokens:  # what indents a paragraph is trimmed in any case
                text = text.lstrip(INDENT)
            if not is_seen(text):
                text = squeeze(text)
        if text:
            tokens.append(text)

    def _break_line(self) -> None:
        """Parts lines; the second break in a row, or one before any text, parts paragraphs."""
        if self._kind == "pre":
            self._tokens.append(LINE_BREAK)
            return
        for token in reversed(self._tokens):
            if isinstance(token, Image) or (isinstance(token, str) and token.strip(INDENT)):
                self._tokens.append(LINE_BREAK)
                return
            if token == LINE_BREAK:
                break
        self._flush()

    def _add_image(self, attributes: Attributes, node_id: int, *, stands_in: bool = False) -> None:
        url = self._pick_image(attributes)
        if url is None and self._source:
            url = self._pick_image(self._source)
        url = clean_web_url(url) if url else None
        if url is None:
            return
        self._shown_image = node_id
        if stands_in and url in self.images:
            return
        if url == self._stand_in:  # the noscript came before its image
            self._stand_in = None
            return
        if stands_in:
            self._stand_in = url
        self.images[url] = None
        alt = attributes.get("alt") if self._rich else None
        self._tokens.append(Image(url, squeeze(alt).strip(INDENT) if alt else ""))
        self._pictured = True

    def _part(self) -> None:
        """Ends the paragraph; in preformatted text, the line."""
        tokens = self._tokens
        if self._kind != "pre":
            if tokens:
                self._flush()
            return
        shown = next(
            (token for token in reversed(tokens) if not isinstance(token, Open | Close)), ""
        )
        if shown and not (isinstance(shown, str) and shown.endswith("\n")):
            tokens.append(LINE_BREAK)

    def _flush(self) -> None:
        """Ends the block, and opens the marks around it again for the next one."""
        tokens = self._tokens
        if not tokens:
            return
        if self._rich or self._pictured:
            text = "".join([token for token in tokens if isinstance(token, str)])
        else:
            text = "".join(tokens)  # type: ignore[arg-type]
        text = trim_lines(text) if self._kind != "pre" else tidy_lines(text)
        if text or self._pictured:
            ended = tokens[:]
            for mark in reversed(self._marks):
                _close_mark(ended, mark)
            self.blocks.append(Block(self._kind, self._path, text, ended))
            self._pictured = False
        tokens.clear()
        tokens.extend(self._marks)

    def _add_table(self, table: list[list[_OpenCell]]) -> None:
        """Adds a table of data as one block; a table made for layout is only its content."""
        if not self._is_data(table):
            for row in table:
                for cell in row:
                    self.blocks.extend(cell.blocks)
            return
        rows = [[_close_cell(cell) for cell in row] for row in table if row]
        if any(cell.text or cell.tokens for row in rows for cell in row):
            lines = ["\t".join([cell.text for cell in row]).strip("\t") for row in rows]
            text = "\n".join([line for line in lines if line])
            self.blocks.append(Block("table", self._path, text, [], rows))

    def _is_data(self, table: list[list[_OpenCell]]) -> bool:
        return max(map(len, table), default=0) > 1 and all(
            len(cell.blocks) <= _MAX_CELL_BLOCKS
            and all(
                block.path == self._path and block.kind not in ("pre", "hr", "table")
                for block in cell.blocks
            )
            for row in table
            for cell in row
        )


def _close_mark(tokens: list[Token], opened: Open) -> None:
    """Ends a mark; one with nothing in it leaves no trace."""
    if tokens[-1] is opened:
        tokens.pop()
    else:
        tokens.append(Close(opened.mark))


def _close_cell(cell: _OpenCell) -> Cell:
    tokens: list[Token] = []
    for block in cell.blocks:
        if tokens:
            tokens.append(LINE_BREAK)
        tokens.extend(block.tokens)
    text = " ".join([block.text for block in cell.blocks if block.text]).replace("\n", " ")
    return Cell(tokens, text, cell.header, cell.colspan, cell.rowspan)


def _read_number(value: str | None, default: int) -> int:
    """Gives the number a list item carries; only what Markdown can write counts."""
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default


def _read_span(value: str | None) -> int:
    return max(1, min(_read_number(value, 1), _MAX_SPAN))
