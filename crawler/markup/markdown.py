"""Blocks -> Markdown that every renderer gives back as it was meant, and Markdown -> HTML.

Written for CommonMark with tables; checked against what the site builders' renderers add to it:
kramdown (Jekyll) reads ``{:`` as attributes, ``$$`` as formulas, a leading ``:`` as a definition
and any bare ``|`` as a table; marked (Hexo) reads ``~`` as strike-through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from markdown_it import MarkdownIt

from crawler.markup.blocks import (
    LINE_BREAK,
    Block,
    Cell,
    Close,
    Container,
    Image,
    Open,
    Path,
    Token,
    join_code,
    tidy_tokens,
)
from crawler.markup.html import render_table
from crawler.markup.text import count_shared, goes_on

# What has a meaning anywhere in a line. Every branch begins with a literal character, so that the
# search runs over the others at the speed of a character set. Runs of underscores are looked at
# again: inside a word they have no meaning.
_SPECIAL = re.compile(r"\\|`|\*|\[|\]|~|\||<|\$\$++|\{(?=:)|&(?=\#?[0-9A-Za-z]+;)|__*+")
_REFERENCE = re.compile(r"&(?=\#?[0-9A-Za-z]+;)")
# What has a meaning where a line begins.
_LINE_START = re.compile(
    r"(?P<sign>[#>:]|=(?==*\\?\Z)|-(?=[-:|\s\\]|\Z)|\+(?=[\s\\]|\Z))"
    r"|(?P<number>[0-9]+)(?=[.)](?:[\s\\]|\Z))"
)
_CLOSING_HASHES = re.compile(r"#+\Z")
_LAST_BACKSLASH = re.compile(r"\\\\\Z")  # two of them: for kramdown a line break before a list
_CODE_SPECIAL = re.compile(r"[\\`*\[\]~|$_<>&{}!]")
# What posts write as references (or with one more zero, FORMAT 2.5), which are none in code.
_TEMPLATE_CODE = re.compile(r"\{[{%#]|[}%#]\}|&\#0*12[35];")
# What would come alive where a renderer does not see that it is code: only CommonMark's and ours
# look for fences in quotes and lists, and marked takes the backtick behind a bare address for a
# part of that.
_LIVE_CODE = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(:\[])|\{:|&(?=\#?[0-9A-Za-z]+;)")
_NOT_IN_SPAN = re.compile(r"[|{}\n]")
_BACKTICKS = re.compile(r"`+")
_TILDES = re.compile(r"~+")
_ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MOST_FILLED: Final = 1000  # cells
_RULE = "___"  # not "---" or "***", which begin a list item or a header elsewhere


def render_markdown(blocks: Iterable[Block]) -> str:
    """Gives Markdown in which only what the blocks mean has a meaning."""
    parts: list[str] = []
    previous: Path = ()
    markers: list[str] = []  # of the containers of ``previous``
    in_item_line = False  # whether the last block was a paragraph right behind an item's marker
    for block in blocks:
        content = _render_block(block)
        if not content:
            continue
        path = block.path
        shared = count_shared(previous, path)
        around = "".join(_indent(marker) for marker in markers[:shared])
        if parts:
            tight = (
                in_item_line
                and block.kind == "p"
                and goes_on(previous, path, shared)
                and _is_tight(previous, path, shared)
            )
            parts.append("\n" if tight else f"\n{around.rstrip()}\n")
        opened = _choose_markers(path, shared, previous, markers)
        markers = markers[:shared] + opened
        indent = around + "".join(map(_indent, opened))
        blank = "\n" + indent.rstrip()
        parts.append(around + "".join(opened))
        for index, line in enumerate(content.split("\n")):
            if index:
                parts.append("\n" + indent + line if line else blank)
            else:
                parts.append(line)
        previous = path
        in_item_line = block.kind == "p" and any(marker != "> " for marker in opened)
    return "".join(parts)


def _indent(marker: str) -> str:
    return marker if marker == "> " else " " * len(marker)


def _is_tight(previous: Path, path: Path, shared: int) -> bool:
    """Tells whether an item may begin on the next line. One after a quote would be drawn into it,
    one that is numbered out of turn begins a list, and that into the paragraph before it.
    """
    if any(not container.list_id for container in previous[shared:]):
        return False
    opened = path[shared]
    if len(previous) > shared:
        return _follows(previous[shared], opened)
    return not opened.ordered or opened.number == 1


def _choose_markers(path: Path, shared: int, previous: Path, markers: Sequence[str]) -> list[str]:
    """Gives the markers of the containers that begin here.

    A list right behind another of its kind, or a number out of turn, takes the other marker, which
    is how Markdown tells two lists apart.
    """
    chosen: list[str] = []
    for index in range(shared, len(path)):
        container = path[index]
        before = previous[index] if index == shared and len(previous) > shared else None
        if not container.list_id:
            chosen.append("> ")
            continue
        sign = "." if container.ordered else "-"
        if before is not None and before.list_id and before.ordered == container.ordered:
            sign = markers[index][-2]
            if not _follows(before, container):
                sign = {"-": "*", "*": "-", ".": ")", ")": "."}[sign]
        chosen.append(f"{container.number}{sign} " if container.ordered else f"{sign} ")
    return chosen


def _follows(before: Container, after: Container) -> bool:
    return before.list_id == after.list_id and (
        not after.ordered or after.number == before.number + 1
    )


def _render_block(block: Block) -> str:
    """Gives a block's lines without what the containers around it put before them."""
    if block.kind == "p":
        content = render_inline(block.tokens, line_break="\\\n")
        content = _LAST_BACKSLASH.sub("&#92;", content)
        return "\n".join(map(_escape_start, content.split("\n")))
    if block.kind == "table":
        return _render_table(block.rows)
    if block.kind == "hr":
        return _RULE
    if block.kind == "pre":
        return _render_code_block(block)
    heading = render_inline(block.tokens, line_break="<br>")
    heading = _CLOSING_HASHES.sub(_escape_hashes, heading)
    return f"{'#' * int(block.kind[1])} {heading}" if heading else ""


def _escape_hashes(hashes: re.Match[str]) -> str:
    """Keeps a heading's last hashes; by a reference behind a brace, see ``_escape_special``."""
    if hashes.string[: hashes.start()].endswith("{"):
        return f"&#35;{hashes[0][1:]}"
    return f"\\{hashes[0]}"


def _render_code_block(block: Block) -> str:
    """Gives a fenced block, or an HTML one of character references where that might be run: as a
    template, or by a renderer that knows no fences there. Images that stood in it follow.

    The fence is one that kramdown knows in all of its modes.
    """
    code = join_code(block.tokens)
    if block.path:
        code = code.expandtabs(4)  # a tab behind an indentation is not as wide as it was
    parts: list[str] = []
    if _TEMPLATE_CODE.search(code) or (block.path and _LIVE_CODE.search(code)):
        parts.append(f"<pre><code>{_escape_code(code)}</code></pre>")
    elif code:
        longest = max(map(len, _TILDES.findall(code)), default=0)
        fence = "~" * max(3, longest + 1)
        parts.append(f"{fence}\n{code}\n{fence}")
    images: list[Token] = [token for token in block.tokens if isinstance(token, Image)]
    if images:
        parts.append(render_inline(images, line_break=""))
    return "\n\n".join(parts)


def _render_table(rows: Sequence[Sequence[Cell]]) -> str:
    """Gives a pipe table, its first row the header; HTML for what a pipe table cannot hold: merged
    cells, a lone row (kramdown wants a body) and rows so uneven that filling them up would cost.
    """
    width = max(map(len, rows))
    if (
        len(rows) < 2
        or width * len(rows) > 2 * sum(map(len, rows)) + _MOST_FILLED
        or any(cell.colspan > 1 or cell.rowspan > 1 for row in rows for cell in row)
    ):
        return render_table(rows)
    lines: list[str] = []
    for row in rows:
        cells = [render_inline(cell.tokens, line_break="<br>") for cell in row]
        cells += [""] * (width - len(cells))
        lines.append(f"| {' | '.join(cells)} |")
        if len(lines) == 1:
            lines.append("|" + " --- |" * width)
    return "\n".join(lines)


def render_inline(tokens: Iterable[Token], *, line_break: str) -> str:
    """Gives running text with its marks, special characters escaped."""
    tidy = tidy_tokens(tokens)
    parts: list[str] = []
    begun: list[int] = []  # indexes of parts that begin emphasis and wait for its end
    emphases: list[tuple[str, int, int]] = []
    hrefs: list[str] = []
    in_code = False
    index = 0
    while index < len(tidy):
        token = tidy[index]
        index += 1
        escape_text = _escape_label if hrefs else _escape_text
        if token == LINE_BREAK:
            parts.append("<br>" if hrefs else line_break)  # marked has no links of two lines
        elif isinstance(token, str):
            parts.append(_escape_code(token) if in_code else escape_text(token))
        elif isinstance(token, Image):
            parts.append(f"![{_escape_label(token.alt)}]({_write_url(token.url)})")
        elif token.mark in ("strong", "em"):
            if isinstance(token, Open):
                begun.append(len(parts))
            else:
                emphases.append((token.mark, begun.pop(), len(parts)))
            parts.append("")
        elif token.mark == "code":
            span = _write_code(tidy[index : index + 2]) if isinstance(token, Open) else ""
            if span:
                parts.append(span)
                index += 2
            else:
                in_code = isinstance(token, Open)
                parts.append("<code>" if in_code else "</code>")
        elif isinstance(token, Open):
            if token.mark == "a" and parts and parts[-1].endswith("!"):
                parts[-1] = parts[-1][:-1] + "\\!"  # else the link would be an image
            if token.mark == "a":
                parts.append("[")
                hrefs.append(token.href)
            else:
                parts.append(f"<{token.mark}>")
        elif token.mark == "a":
            parts.append(f"]({_write_url(hrefs.pop())})")
        else:
            parts.append(f"</{token.mark}>")
    _write_emphasis(parts, emphases)
    return "".join(parts)


def _write_emphasis(parts: list[str], emphases: Sequence[tuple[str, int, int]]) -> None:
    """Fills in the asterisks, or tags where asterisks would not be read as emphasis.

    They are not beside each other, and not between punctuation inside and a letter outside: in
    Chinese, which parts no words, the latter is common (CommonMark 0.31, section 6.2).
    """
    edges = {edge for _, start, end in emphases for edge in (start, end)}
    for mark, start, end in emphases:
        alone = edges.isdisjoint((start - 1, start + 1, end - 1, end + 1))
        if (
            alone
            and _flanks(parts[start - 1][-1] if start else "", parts[start + 1][0])
            and _flanks(parts[end + 1][0] if end + 1 < len(parts) else "", parts[end - 1][-1])
        ):
            parts[start] = parts[end] = "**" if mark == "strong" else "*"
        else:
            parts[start], parts[end] = f"<{mark}>", f"</{mark}>"


def _flanks(outside: str, inside: str) -> bool:
    """Tells whether asterisks between the two characters belong to the inner one.

    Whether symbols (as against punctuation) count differs between versions of CommonMark, so
    inside they do and outside they do not. An empty ``outside`` is the edge of the text.
    """
    if inside.isspace():
        return False
    if unicodedata.category(inside)[0] not in "PS":
        return True
    return (
        not outside
        or outside.isspace()
        or outside in _ASCII_PUNCTUATION
        or (unicodedata.category(outside)[0] == "P")
    )


def _write_code(following: Sequence[Token]) -> str:
    """Gives a code span for the text that follows; "" where it needs tags instead."""
    text, end = following
    if not isinstance(text, str) or not isinstance(end, Close):
        return ""
    if _NOT_IN_SPAN.search(text) or _LIVE_CODE.search(text):
        return ""
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest and "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _write_url(url: str) -> str:
    url = _REFERENCE.sub("&amp;", url)
    return f"<{url}>" if "(" in url or ")" in url else url


def _escape_text(text: str) -> str:
    return _SPECIAL.sub(_escape_special, text)


def _escape_label(text: str) -> str:
    """For text in brackets: marked takes the backslashes off its brackets and reads it again, and
    kramdown takes one that begins with ``^`` for a footnote.
    """
    text = _escape_text(text).replace("\\[", "&#91;").replace("\\]", "&#93;")
    return f"&#94;{text[1:]}" if text.startswith("^") else text


def _escape_special(special: re.Match[str]) -> str:
    found = special[0]
    if found == "<":
        return "&lt;"
    if found == "&":
        return "&amp;"
    if found == "{" and special.string[: special.start()].endswith("{"):
        # Hexo runs template code after Markdown, when a backslash between two braces is gone.
        return "&#123;"
    if found[0] == "_":
        start, end = special.span()
        text = special.string
        if text[max(0, start - 1) : start].isalnum() and text[end : end + 1].isalnum():
            return found
    return "".join(["\\" + sign for sign in found])


def _escape_start(line: str) -> str:
    start = _LINE_START.match(line)
    if start is None:
        return line
    cut = start.end() if start["number"] else 0
    return f"{line[:cut]}\\{line[cut:]}"


def _escape_code(text: str) -> str:
    """Writes special characters as references: kramdown leaves backslashes in code tags alone."""
    return _CODE_SPECIAL.sub(lambda special: f"&#{ord(special[0])};", text)


class _Reader(MarkdownIt):
    """CommonMark with tables and strike-through that leaves addresses to us: unsafe ones are
    dropped from the links later, and encoding them twice would change them.
    """

    def __init__(self) -> None:
        super().__init__("commonmark", {"maxNesting": 100})
        self.enable(["table", "strikethrough"])

    def validateLink(self, url: str) -> bool:  # noqa: N802
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url


_READER: Final = _Reader()


def read_markdown(body: str) -> str:
    """Gives the HTML of a Markdown body, raw HTML in it as it was: not clean."""
    return str(_READER.render(body))
