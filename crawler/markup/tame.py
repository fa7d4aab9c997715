"""Bounds on hostile HTML before a tree is built of it.

Tree builders are quadratic in depth, in misnested formatting and in the attributes of one tag
(lexbor: 100,000 open ``div`` 13 s, 100,000 attributes 18 s). What is small cannot cost much and
goes through untouched; anything else is written anew: balanced, bounded, in linear time.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

_FEW_TAGS: Final = 1000  # as deep as that, lexbor takes 7 ms
_SHORT: Final = 32_768  # characters; with all of them attributes of one tag, lexbor takes 0.1 s
_REACH: Final = 256  # open elements looked at from the innermost, so that no tag costs more

# A tag with its attributes, or the beginning of a comment or the like. Every repetition is
# possessive and the end of input ends a tag, so no part of it is read twice.
_MARKUP = re.compile(
    r"""<(?:(?P<slash>/?)(?P<name>[a-zA-Z][^\s/>]*+)"""
    r"""(?P<attributes>(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+)(?:>|\Z)|[!?/])"""
)
_ATTRIBUTE = re.compile(r"""([^\s/>=]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]*+))?+""")
_OPEN_REFERENCE = re.compile(r"&#?[0-9A-Za-z]*\Z")
_LONGEST_REFERENCE: Final = 34  # characters; the longest name has 31
_COMMENT_END = re.compile(r"--!?>")

_VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source"
    " track wbr".split()
)
# Their content is text, whatever it looks like. Readers see it only in these two.
_VERBATIM = ("xmp", "plaintext")
_RAW = frozenset("script style textarea title iframe noembed noframes".split()) | set(_VERBATIM)
_BLOCKS = frozenset(
    "address article aside blockquote body caption center col colgroup dd details dialog dir div dl"
    " dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend"
    " li listing main menu nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_SCOPES = frozenset("table td th caption button object marquee template svg math select".split())

# What a start tag ends when it is open, and where the search for it stops (HTML, 13.1.2.4).
_SECTIONS = frozenset("tbody thead tfoot caption colgroup tr td th".split())
_BORDERS = (_BLOCKS | _SCOPES) - {"address", "div", "p"}
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset(["li"]), _BORDERS),
    "dt": (frozenset(["dt", "dd"]), _BORDERS),
    "dd": (frozenset(["dt", "dd"]), _BORDERS),
    "td": (frozenset(["td", "th"]), frozenset(["tr", "table"])),
    "th": (frozenset(["td", "th"]), frozenset(["tr", "table"])),
    "tr": (frozenset(["tr", "td", "th", "caption"]), frozenset(["table"])),
    **dict.fromkeys(("tbody", "thead", "tfoot"), (_SECTIONS, frozenset(["table"]))),
    "option": (frozenset(["option"]), frozenset(["select"])),
}
_PARAGRAPH = frozenset(["p"])
_ENDS_PARAGRAPH = (_BLOCKS - _SECTIONS) | {"xmp", "plaintext"}
_PARAGRAPH_BREAK: Final = "<br><br>"  # stands for a block that is nested too deep


def tame(html: str, *, max_depth: int, max_attributes: int) -> str:
    """Gives HTML that a tree can be built of in linear time and that says the same.

    Written anew, elements deeper than ``max_depth`` are flattened to paragraph breaks, and
    attributes past ``max_attributes``, comments and scripts are gone.
    """
    if len(html) <= _SHORT and html.count("<") <= _FEW_TAGS:
        return html
    return rewrite(html, max_depth=max_depth, max_attributes=max_attributes)


def rewrite(html: str, *, max_depth: int, max_attributes: int) -> str:
    """Gives balanced HTML of bounded depth, in linear time."""
    stack = _Stack(max_depth)
    out = stack.out
    position = 0
    while (markup := _MARKUP.search(html, position)) is not None:
        if markup.start() > position:
            out.append(_protect(html[position : markup.start()]))
        pieces = len(out)
        position = markup.end()
        name = (markup["name"] or "").lower()
        if not name:
            position = _skip_comment(html, markup.start())
        elif markup["slash"]:
            stack.close(name)
        elif name in _RAW and not stack.is_foreign():
            end = _find_end(html, name, position)
            if name in _VERBATIM:
                stack.open("pre", _write_tag("pre", markup["attributes"], max_attributes))
                out.append(_protect(html[position:end].replace("&", "&amp;")))
                stack.close("pre")
            position = end
        else:
            stack.open(name, _write_tag(name, markup["attributes"], max_attributes))
        if out and len(out) == pieces and _OPEN_REFERENCE.search(out[-1][-_LONGEST_REFERENCE:]):
            out.append("<wbr>")  # else it would go on behind the tag that is gone
    if position < len(html):
        out.append(_protect(html[position:]))
    stack.close_all()
    return "".join(out)


class _Stack:
    """The open elements, and what has been written so far."""

    def __init__(self, max_depth: int) -> None:
        self.out: list[str] = []
        self._max_depth = max_depth
        self._depth = 0  # of what has been written; elements nested deeper are only counted
        self._open: list[tuple[str, bool]] = []
        self._counts: dict[str, int] = {}

    def open(self, name: str, tag: str) -> None:
        if name in _SECTIONS and not self._counts.get("table"):
            return
        if name in _ENDS_PARAGRAPH and self._counts.get("p"):
            self._end_implied(_PARAGRAPH, _BLOCKS | _SCOPES)
        if name in _ENDS:
            self._end_implied(*_ENDS[name])
        if name in _VOID:
            self.out.append(tag)
            return
        written = self._depth < self._max_depth
        if written:
            self._depth += 1
            self.out.append(tag)
        elif name in _BLOCKS:
            self._break()
        self._open.append((name, written))
        self._counts[name] = self._counts.get(name, 0) + 1

    def close(self, name: str) -> None:
        """Ends the innermost element of that name, unless it is beyond a border for it."""
        if name in _HEADINGS and not self._counts.get(name):  # any of them ends any other
            name = next((heading for heading in _HEADINGS if self._counts.get(heading)), name)
        if not self._counts.get(name):
            if name == "br":
                self.out.append("<br>")
            elif name == "p":
                self.out.append("<p></p>")
            return
        borders = _SCOPES if name in _BLOCKS else _BLOCKS | _SCOPES
        if name in ("table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption"):
            borders = frozenset(["table"])
        elif name in ("svg", "math"):  # either ends what is open of the other inside it
            borders = (_BLOCKS | _SCOPES) - {"svg", "math"}
        for index in range(len(self._open) - 1, max(-1, len(self._open) - _REACH), -1):
            found = self._open[index][0]
            if found == name:
                break
            if found in borders:
                return
        while self._pop() != name:
            pass

    def is_foreign(self) -> bool:
        return bool(self._counts.get("svg") or self._counts.get("math"))

    def close_all(self) -> None:
        while self._open:
            self._pop()

    def _end_implied(self, ended: frozenset[str], borders: frozenset[str]) -> None:
        outermost = len(self._open)
        for index in range(outermost - 1, max(-1, outermost - _REACH), -1):
            name = self._open[index][0]
            if name in ended:
                outermost = index
            elif name in borders:
                break
        while len(self._open) > outermost:
            self._pop()

    def _pop(self) -> str:
        name, written = self._open.pop()
        self._counts[name] -= 1
        if written:
            self._depth -= 1
            self.out.append(f"</{name}>")
        elif name in _BLOCKS:
            self._break()
        return name

    def _break(self) -> None:
        if not self.out or self.out[-1] != _PARAGRAPH_BREAK:
            self.out.append(_PARAGRAPH_BREAK)


def _protect(text: str) -> str:
    """Writes "<" as a reference, lest it meets letters once the tag between them is gone."""
    return text.replace("<", "&lt;") if "<" in text else text


def _skip_comment(html: str, start: int) -> int:
    """Gives where a comment, declaration or bogus tag ends that begins at ``start``."""
    if html.startswith("<!--", start):
        end = _COMMENT_END.search(html, start + 2)
        return end.end() if end else len(html)
    return html.find(">", start) + 1 or len(html)


def _find_end(html: str, name: str, position: int) -> int:
    if name == "plaintext":
        return len(html)
    end = re.compile(rf"</{name}(?=[\s/>]|\Z)", re.IGNORECASE).search(html, position)
    return end.start() if end else len(html)


def _write_tag(name: str, attributes: str, max_attributes: int) -> str:
    if not attributes:
        return f"<{name}>"
    parts = [f"<{name}"]
    for found in islice(_ATTRIBUTE.finditer(attributes), max_attributes):
        key, value = found.groups()
        if value is None:
            parts.append(f' {key}=""')
            continue
        if value[:1] in ('"', "'") and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        value = value.replace('"', "&quot;")
        parts.append(f' {key}="{value}"')
    return "".join(parts) + ">"
