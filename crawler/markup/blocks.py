"""What an article's body is made of: a flat list of blocks that every form is rendered from.

A block knows the quotes and list items around it (its path) and what runs through it (its tokens).
Nothing nests, so no renderer needs recursion, and the three forms agree on what is visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

LINE_BREAK: Final = "\n"  # as a token of its own; other text tokens hold none, except in "pre"

# What indents a line or pads its end without being seen: blanks of all widths and zero-width marks.
INDENT: Final = (
    " \t\n\v\f\r\x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)

# Control characters, soft hyphens, byte order marks, direction overrides, stand-ins for objects and
# noncharacters: nobody sees them, some of them hide or reorder what is seen. A stand-in (U+FFFC) is
# what Hexo marks its own places with: "<!--swig", one and a number ends a whole build.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u202a-\u202e\u2066-\u2069\ufeff\ufdd0-\ufdef\ufff9-\ufffc\ufffe\uffff"
    "\ud800-\udfff]"
)
_SPACES = re.compile("[ \t\n\v\f\r\xa0\u2028\u2029]+")
_BLANKS = re.compile("  +")
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


@dataclass(slots=True, eq=False)
class Container:
    """A quote, or an item of a list: ``list_id`` tells lists apart, 0 is a quote."""

    list_id: int = 0
    ordered: bool = False
    number: int = 1


Path = tuple[Container, ...]
Mark = Literal["strong", "em", "a", "code", "sub", "sup", "del", "u"]


@dataclass(slots=True)
class Open:
    """A mark begins; ``href`` is an absolute URL for "a" and empty for all others."""

    mark: Mark
    href: str = ""


@dataclass(slots=True)
class Close:
    mark: Mark


@dataclass(slots=True)
class Image:
    url: str
    alt: str = ""


Token = str | Open | Close | Image


@dataclass(slots=True)
class Cell:
    """A cell of a table; what it says fits one line."""

    tokens: list[Token]
    text: str
    header: bool = False
    colspan: int = 1
    rowspan: int = 1


@dataclass(slots=True)
class Block:
    """A paragraph, ``h1`` to ``h6``, ``pre``, ``hr`` or ``table``.

    ``text`` is what the reader sees of it, lines parted by LF. ``tokens`` carry marks only where
    the walker was asked for them; a table has ``rows`` in their place.
    """

    kind: str
    path: Path
    text: str
    tokens: Sequence[Token] = ()
    rows: Sequence[Sequence[Cell]] = ()


def is_seen(text: str) -> bool:
    """Tells whether a line has nothing to be squeezed out of it but blanks; cheap to ask."""
    return text.isprintable() and "\ufffc" not in text


def squeeze(text: str) -> str:
    """Gives running text with its white space collapsed and without unseen characters.

    U+3000 stays: inside a line it is a blank that the author set.
    """
    return _SPACES.sub(" ", _UNSEEN.sub("", text))


def squeeze_lines(text: str) -> str:
    """Gives preformatted text with LF line ends, plain blanks and without unseen characters."""
    return _UNSEEN.sub("", _LINE_ENDS.sub("\n", text).replace("\xa0", " "))


def trim_lines(text: str) -> str:
    """Gives running text with every line trimmed and the empty ones gone."""
    text = text.strip(INDENT)
    if "  " in text:
        text = _BLANKS.sub(" ", text)
    if "\n" in text:
        text = "\n".join([line for part in text.split("\n") if (line := part.strip(INDENT))])
    return text


def tidy_lines(text: str) -> str:
    """Gives lines as the text form holds them; doing it twice changes nothing.

    Padding is gone from both ends of a line, save an indentation of plain blanks or tabs, which
    code and nested items need. No line is empty but for one between paragraphs.
    """
    if (
        # Tidy text is known at a glance: of all blanks only U+0020 is printable.
        is_seen(text.replace("\n", ""))
        and not text.startswith("\n")
        and not text.endswith((" ", "\n"))
        and " \n" not in text
        and "\n\n\n" not in text
    ):
        return text
    lines: list[str] = []
    for line in _UNSEEN.sub("", _LINE_ENDS.sub("\n", text)).split("\n"):
        words = line.strip(INDENT)
        if words:
            indent = line[: line.index(words[0])]
            lines.append(indent + words if not indent.strip(" \t") else words)
        elif lines and lines[-1]:
            lines.append("")
    return "\n".join(lines).rstrip("\n").replace("\xa0", " ")


def join_code(tokens: Iterable[Token]) -> str:
    """Gives the lines of a "pre" block, without blanks at their ends or empty lines around them."""
    text = "".join([token for token in tokens if isinstance(token, str)])
    return "\n".join([line.rstrip(INDENT) for line in text.split("\n")]).strip("\n")


def tidy_tokens(tokens: Iterable[Token]) -> list[Token]:
    """Gives the tokens of a running block in their one canonical order.

    White space stands outside of marks, once; lines are trimmed; neighbouring texts and equal
    marks are joined; empty marks and line breaks at the edges are gone.
    """
    tidy: list[Token] = []
    line_start = True
    gap = False
    for token in tokens:
        if token == LINE_BREAK:
            if not line_start:
                _trim_end(tidy)
                tidy.append(LINE_BREAK)
            line_start, gap = True, False
        elif isinstance(token, str):
            text = token.lstrip(INDENT) if line_start else token
            words = text.strip(" ")
            gap = gap or (text[:1] == " " and not line_start)
            if words:
                if gap:
                    _insert_blank(tidy)
                tidy.append(_BLANKS.sub(" ", words) if "  " in words else words)
                line_start, gap = False, text[-1] == " "
        elif isinstance(token, Image):
            if gap:
                _insert_blank(tidy)
            tidy.append(token)
            line_start = gap = False
        elif isinstance(token, Open):
            _append_open(tidy, token, gap)
        elif tidy and isinstance(tidy[-1], Open):
            tidy.pop()
        else:
            tidy.append(token)
    _trim_end(tidy)
    return _join_texts(tidy)


def _insert_blank(tidy: list[Token]) -> None:
    """Puts one blank before the marks that have just been opened."""
    index = len(tidy)
    while index and isinstance(tidy[index - 1], Open):
        index -= 1
    tidy.insert(index, " ")


def _append_open(tidy: list[Token], token: Open, gap: bool) -> None:
    """Opens a mark, or goes on in an equal one that was closed just now."""
    last = tidy[-1] if tidy else None
    if isinstance(last, Close) and last.mark == token.mark != "a" and not gap:
        tidy.pop()
    else:
        tidy.append(token)


def _join_texts(tokens: list[Token]) -> list[Token]:
    joined: list[Token] = []
    texts: list[str] = []
    for token in tokens:
        if isinstance(token, str) and token != LINE_BREAK:
            texts.append(token)
            continue
        if texts:
            joined.append("".join(texts))
            texts.clear()
        joined.append(token)
    if texts:
        joined.append("".join(texts))
    return joined


def _trim_end(tidy: list[Token]) -> None:
    """Trims the end of the last line, behind marks too; a mark left empty goes with it."""
    marks: list[Open | Close] = []
    while tidy:
        last = tidy.pop()
        if isinstance(last, str):
            if last := last.rstrip(INDENT):
                tidy.append(last)
                break
        elif isinstance(last, Image):
            tidy.append(last)
            break
        elif isinstance(last, Open) and marks and isinstance(marks[-1], Close):
            marks.pop()
        else:
            marks.append(last)
    tidy.extend(reversed(marks))
