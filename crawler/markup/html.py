"""Blocks -> clean HTML: a small allow-list, one block a line, sanitised once more at the end.

Posts go through Markdown renderers, which leave HTML alone up to an empty line, or take a line of
dashes and pipes for a table's: there are none of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import nh3

from crawler.markup.blocks import (
    LINE_BREAK,
    Block,
    Cell,
    Close,
    Container,
    Open,
    Path,
    Token,
    join_code,
    tidy_tokens,
)
from crawler.markup.links import ALLOWED_SCHEMES
from crawler.markup.text import count_shared

ALLOWED_TAGS: Final = frozenset(
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre table tr th td hr br"
    " a strong em code sub sup del u img".split()
)
ALLOWED_ATTRIBUTES: Final = {
    "a": {"href"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "li": {"value"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}

_ODD_LINE_END = re.compile(r"\n(?=[ \t]*+(?:[-:|][-:| \t]*+)?(?:\n|\Z))")

_CLEANER: Final = nh3.Cleaner(
    tags=set(ALLOWED_TAGS),
    attributes=ALLOWED_ATTRIBUTES,
    url_schemes=set(ALLOWED_SCHEMES),
    link_rel=None,
)


def render_html(blocks: Iterable[Block]) -> str:
    """Gives HTML that holds nothing but the allowed tags, attributes and schemes."""
    return _CLEANER.clean(_render_blocks(blocks))


def _render_blocks(blocks: Iterable[Block]) -> str:
    lines: list[str] = []
    previous: Path = ()
    numbers: dict[int, int] = {}
    for block in blocks:
        path = block.path
        inner = _render_block(block)
        if not inner:
            continue
        shared = count_shared(previous, path)
        opened = path[shared:]
        following = opened[0] if opened else None
        _close(previous[shared:], following, lines)
        lead = _open(opened, previous[shared] if len(previous) > shared else None, numbers)
        bare = block.kind == "p" and opened and opened[-1].list_id
        lines.append(lead + (inner if bare or block.kind != "p" else f"<p>{inner}</p>"))
        previous = path
    _close(previous, None, lines)
    return "\n".join(lines)


def _close(containers: Path, following: Container | None, lines: list[str]) -> None:
    """Ends containers from the innermost; a list goes on where ``following`` is its next item."""
    for depth in range(len(containers) - 1, -1, -1):
        container = containers[depth]
        if not container.list_id:
            lines.append("</blockquote>")
        else:
            lines[-1] += "</li>"
            if depth or following is None or following.list_id != container.list_id:
                lines.append("</ol>" if container.ordered else "</ul>")


def _open(containers: Path, before: Container | None, numbers: dict[int, int]) -> str:
    """Begins containers from the outermost; the first may be the next item of its list."""
    tags: list[str] = []
    for depth, container in enumerate(containers):
        if not container.list_id:
            tags.append("<blockquote>\n")
            continue
        goes_on = depth == 0 and before is not None and before.list_id == container.list_id
        expected = numbers.get(container.list_id, 1) if goes_on else container.number
        numbers[container.list_id] = container.number + 1
        if not container.ordered:
            tags.append("<li>" if goes_on else "<ul>\n<li>")
            continue
        if not goes_on:
            tags.append(f'<ol start="{expected}">\n' if expected != 1 else "<ol>\n")
        tags.append("<li>" if expected == container.number else f'<li value="{container.number}">')
    return "".join(tags)


def _render_block(block: Block) -> str:
    """Gives a block's HTML, without the tags of a paragraph; empty when there is nothing in it."""
    if block.kind == "table":
        return render_table(block.rows)
    if block.kind == "hr":
        return "<hr>"
    if block.kind == "pre":
        return f"<pre>{_ODD_LINE_END.sub('<br>', _render_pre(block.tokens))}</pre>"
    inner = render_inline(tidy_tokens(block.tokens))
    return f"<{block.kind}>{inner}</{block.kind}>" if inner and block.kind != "p" else inner


def render_table(rows: Sequence[Sequence[Cell]]) -> str:
    """Gives a table of one row a line and without empty lines."""
    lines = ["<table>"]
    for row in rows:
        cells: list[str] = []
        for cell in row:
            tag = "th" if cell.header else "td"
            spans = f' colspan="{cell.colspan}"' if cell.colspan > 1 else ""
            spans += f' rowspan="{cell.rowspan}"' if cell.rowspan > 1 else ""
            cells.append(f"<{tag}{spans}>{render_inline(tidy_tokens(cell.tokens))}</{tag}>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines.append("</table>")
    return "\n".join(lines)


def render_inline(tokens: Iterable[Token]) -> str:
    parts: list[str] = []
    for token in tokens:
        if token == LINE_BREAK:
            parts.append("<br>")
        elif isinstance(token, str):
            parts.append(escape(token, quote=False))
        elif isinstance(token, Open):
            href = f' href="{escape(token.href)}"' if token.mark == "a" else ""
            parts.append(f"<{token.mark}{href}>")
        elif isinstance(token, Close):
            parts.append(f"</{token.mark}>")
        else:
            alt = f' alt="{escape(token.alt)}"' if token.alt else ""
            parts.append(f'<img src="{escape(token.url)}"{alt}>')
    return "".join(parts)


def _render_pre(tokens: Sequence[Token]) -> str:
    """Gives preformatted text; one that carries marks keeps the blanks at its line ends."""
    shown = [token for token in tokens if getattr(token, "mark", "") != "code"]
    if all(isinstance(token, str) for token in shown):
        return escape(join_code(shown), quote=False)
    parts = [
        escape(token, quote=False) if isinstance(token, str) else render_inline([token])
        for token in shown
    ]
    return "".join(parts).strip("\n")
