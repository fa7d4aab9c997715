"""HTML that is nothing but paragraphs, breaks, images and inline marks -> text, without a tree.

Most feed bodies are of that kind, and then reading their tags in line says what the tree would.
Whatever else occurs in a body, hidden text above all, leaves it to the tree. That both agree is a
law in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from crawler.markup.blocks import INDENT, is_seen, squeeze, trim_lines
from crawler.markup.links import clean_web_url
from crawler.markup.walk import PickImage, is_plain_style

# What stands for a tag until its text is read. None of them can be written by a reference.
_INLINE, _BLOCK, _BREAK, _IMAGE = "\x1d", "\x1e", "\x1f", "\x1c"
_MARKERS: Final = (_INLINE, _BLOCK, _BREAK, _IMAGE)

# Tags are matched whole or not at all, every repetition possessive. Angle brackets in attributes,
# upper case and half-quoted attributes occur, but seldom: the tree reads those.
_ATTRIBUTES = (
    r"""(?:\s++(?!hidden|style(?!="))[a-z][a-z0-9:_-]*+"""
    r"""(?:=(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++))?+)*+\s*+/?+>"""
)
_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|big|cite|em|font|i|label|mark|s|small|span|strong|sub|sup|u)" + _ATTRIBUTES
)
_PARAGRAPH_TAG = re.compile("</?p" + _ATTRIBUTES)
_BREAK_TAG = re.compile("<br" + _ATTRIBUTES)
_BLOCK_TAG = re.compile("<(/?(?:article|center|div|h[1-6]|section))" + _ATTRIBUTES)
_IMAGE_TAG = re.compile(r"""<img((?:\s++(?!hidden)[a-z][a-z0-9:_-]*+="[^"<>]*+")*+)\s*+/?+>""")
_STYLE = re.compile('style="([^"]*)"')
_ATTRIBUTE = re.compile(r'([a-z][a-z0-9:_-]*)="([^"]*)"')


def flatten(html: str, pick_image: PickImage) -> tuple[str, dict[str, None]] | None:
    """Gives the text form of simple HTML and its images; None where it is not simple."""
    text, found = _INLINE_TAG.subn(_INLINE, html)
    text, paragraphs = _PARAGRAPH_TAG.subn(_BLOCK, text)
    text, breaks = _BREAK_TAG.subn(_BREAK, text)
    found += paragraphs + breaks
    tags = html.count("<")
    images: dict[str, None] = {}
    blocks: list[str] = []
    if found != tags:
        blocks = _BLOCK_TAG.findall(text)
        found += len(blocks) + len(_IMAGE_TAG.findall(text))
        if found != tags or not _are_nested(blocks):
            return None
    if any(marker in html for marker in _MARKERS) or not all(
        map(is_plain_style, set(_STYLE.findall(html)))
    ):
        return None
    lined = not (paragraphs or breaks or blocks)
    if lined and ("\r" in text or "&#" in text):
        return None

    def mark_image(tag: re.Match[str]) -> str:
        url = _pick(tag[1], pick_image)
        if not url:
            return _INLINE
        images[url] = None
        return _IMAGE

    if "<" in text:
        text = _IMAGE_TAG.sub(mark_image, _BLOCK_TAG.sub(_BLOCK, text))
    if lined:
        text = text.replace("\n", _BLOCK)
    if "&" in text:
        text = unescape(text)
    text = text.replace(_INLINE, "")
    if images and not breaks:
        text = text.replace(_IMAGE, "")
    return "\n\n".join(_list_paragraphs(text)), images


def _are_nested(tags: list[str]) -> bool:
    """Tells whether each end tag meets its own start tag, so that none of them is void."""
    opened: list[str] = []
    headings = 0
    for tag in tags:
        if tag[0] != "/":
            headings += tag[0] == "h"
            if headings > 1:
                return False
            opened.append(tag)
        elif not opened or opened.pop() != tag[1:]:
            return False
        else:
            headings -= tag[1] == "h"
    return True


def _pick(text: str, pick_image: PickImage) -> str | None:
    attributes: dict[str, str | None] = {}
    for key, value in _ATTRIBUTE.findall(text):
        attributes.setdefault(key, unescape(value) if "&" in value else value)
    url = pick_image(attributes)
    return clean_web_url(url) if url else None


def _list_paragraphs(text: str) -> Iterator[str]:
    """Gives the paragraphs; in one, a break parts lines and two in a row part paragraphs.

    A line of nothing but an image is not seen in text, but keeps its breaks from being in a row.
    """
    for part in text.split(_BLOCK):
        if _BREAK not in part:
            if line := _tidy(part):
                yield line
            continue
        lines: list[str] = []
        for piece in part.split(_BREAK):
            line = _tidy(piece)
            if line:
                lines.append(line)
            elif lines and _IMAGE not in piece:
                yield "\n".join(lines)
                lines.clear()
        if lines:
            yield "\n".join(lines)


def _tidy(line: str) -> str:
    line = line.strip(INDENT)
    return line if is_seen(line) and "  " not in line else trim_lines(squeeze(line))
