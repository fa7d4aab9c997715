"""Blocks -> the text form, and back: one line a paragraph, a blank line between."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.markup.blocks import (
    LINE_BREAK,
    Block,
    Path,
    Token,
    squeeze,
    tidy_lines,
)


def render_text(blocks: Iterable[Block]) -> str:
    """Gives the visible text. Items of a list stand on consecutive lines behind their markers."""
    parts: list[str] = []
    previous: Path = ()
    marker = ""
    for block in blocks:
        text = block.text
        if not text:
            continue
        path = block.path
        gap = "\n\n"
        if path or previous:
            shared = count_shared(previous, path)
            if marker and goes_on(previous, path, shared):
                gap = "\n"
            marker = _marker(path, shared)
            text = marker + text
        if parts:
            parts.append(gap)
        parts.append(text)
        previous = path
    return "".join(parts)


def count_shared(previous: Path, path: Path) -> int:
    """Gives how many containers, from outside, both blocks stand in."""
    shared = 0
    for before, after in zip(previous, path, strict=False):
        if before is not after:
            break
        shared += 1
    return shared


def goes_on(previous: Path, path: Path, shared: int) -> bool:
    """Tells whether an item begins here that goes on with the list the previous block is in."""
    if len(path) == shared or not path[shared].list_id:
        return False
    opened = path[shared]
    if len(previous) > shared and previous[shared].list_id:
        return previous[shared].list_id == opened.list_id
    return shared > 0 and path[shared - 1].list_id > 0


def _marker(path: Path, shared: int) -> str:
    """Gives the marker of the innermost item that begins here, nested items two blanks deeper."""
    if not any(container.list_id for container in path[shared:]):
        return ""
    items = [container for container in path if container.list_id]
    bullet = f"{items[-1].number}. " if items[-1].ordered else "• "
    return "  " * (len(items) - 1) + bullet


def parse_text(text: str) -> list[Block]:
    """Gives the paragraphs of a text body, whose lines were as the text form has them."""
    blocks: list[Block] = []
    for paragraph in tidy_lines(text).split("\n\n"):
        lines = [squeeze(line).strip(" ") for line in paragraph.split("\n")]
        tokens: list[Token] = []
        for line in lines:
            tokens += [LINE_BREAK, line] if tokens else [line]
        if paragraph:
            blocks.append(Block("p", (), "\n".join(lines), tokens))
    return blocks
