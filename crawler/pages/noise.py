"""Paragraphs that are no text of the article, by the expressions of its source. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from crawler.markup.blocks import squeeze
from crawler.selectors import LexborTree, compile_selector

_BODY = compile_selector("body")
# What can be a paragraph; an element with another of these in it is none.
_PARAGRAPHS = "p, div, section, li, td, blockquote, h1, h2, h3, h4, h5, h6, center, span, font"
_PARAGRAPH = compile_selector(_PARAGRAPHS)


@lru_cache(maxsize=256)
def _compile(expressions: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expression})" for expression in expressions))


def drop_noise(html: str, expressions: Iterable[str]) -> str:
    """Gives the fragment without the paragraphs, and the lines between line breaks, whose text one
    of the expressions matches wholly.

    >>> drop_noise("<p>正文。</p><p>郑重声明：以上内容与本网立场无关。</p>", ["郑重声明：.*"])
    '<p>正文。</p>'
    """
    pattern = _compile(tuple(expressions))
    tree = LexborTree(html)
    top = tree.select(_BODY)[0]
    for node in tree.select(_PARAGRAPH, top):
        if tree.key(node) == tree.key(top):
            continue
        text = tree.read(node, "")
        if text and pattern.fullmatch(text):
            node.decompose()
    lines = [node for node in top.traverse(include_text=True) if node.tag == "-text"]
    for node in lines:
        text = squeeze(node.text_content or "").strip()
        if text and pattern.fullmatch(text):
            node.decompose()
    return tree.html(top, inner=True)
