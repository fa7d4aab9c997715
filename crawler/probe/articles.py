"""Selectors for what an article page says, found from what the generic reading found. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from selectolax.lexbor import LexborNode

from crawler.article import Article
from crawler.errors import PageError
from crawler.pages import read_page
from crawler.pages.values import find_date
from crawler.probe.names import is_within, name_nodes
from crawler.selectors import LexborTree, visible_texts
from crawler.sources.rules import AUTO, PageRule

_COUNTS = (
    r"countPage\s*=\s*\D?(\d+)",
    r"createPageHTML\(\s*\D?(\d+)",
    r"(?:pageCount|page_count|totalPages?|maxPage|pageTotal)\s*[=:]\s*\D?(\d+)",
)
_NEXT = re.compile(r"^\s*(?:下一?页|后一页|next(?: page)?)\s*[>›»]*\s*$", re.IGNORECASE)
_SHORT = 120  # characters of an element that may be a date line or a credit
_JUNK = ("script", "style")


def propose_page(
    text: str, article: Article, *, url: str, timezone: str, now: datetime | None
) -> PageRule:
    """Gives a rule that reads the page as the generic reading did, as far as its values stand in
    elements that can be named; ``body`` is "auto" where the text cannot."""
    tree = LexborTree(text)
    root = tree.root
    body = _find_body(root, article)
    selector = name_nodes(root, [body]) if body is not None else None
    rule = PageRule(
        body=selector or AUTO,
        title=_name(root, _find_title(root, article.title)),
        published=_name(root, _find_dated(root, article.published, body, timezone, now)),
        byline=_name(root, _find_credit(root, article.byline, body)),
        origin=_name(root, _find_credit(root, article.origin, body)),
        drop=tuple(name for name in _JUNK if body is not None and body.css_first(name)),
        page_count=next((count for count in _COUNTS if re.search(count, text)), None),
    )
    if rule.page_count is None:
        rule = replace(rule, next=_find_next(root))
    try:
        read = read_page(text, url=url, rule=rule, timezone=timezone, now=now).article
    except PageError:
        return PageRule(body=AUTO)
    fields = ("title", "published", "byline", "origin")
    wrong: dict[str, Any] = {
        name: None for name in fields if getattr(read, name) != getattr(article, name)
    }
    return replace(rule, **wrong)


def _name(root: LexborNode, node: LexborNode | None) -> str | None:
    return name_nodes(root, [node]) if node is not None else None


def _text(node: LexborNode) -> str:
    return " ".join("".join(visible_texts(node)).split())


def _find_body(root: LexborNode, article: Article) -> LexborNode | None:
    """The smallest element with (nearly) all of the text that was found."""
    wanted = "".join(_text(LexborTree(article.body).root).split())
    if not wanted:
        return None
    found = None
    node: LexborNode | None = root
    while node is not None:
        text = "".join(_text(node).split())
        if not _covers(text, wanted):
            break
        found = node
        node = next(
            (child for child in node.iter() if _covers("".join(_text(child).split()), wanted)),
            None,
        )
    return None if found is None or found.tag in ("html", "body") else found


def _covers(text: str, wanted: str) -> bool:
    """Tells whether head, middle and tail of the text stand in another."""
    third = len(wanted) // 3
    probes = (wanted[:20], wanted[third : third + 20], wanted[2 * third :][:20], wanted[-20:])
    return len(text) >= len(wanted) * 0.7 and sum(probe in text for probe in probes) >= 2


def _find_title(root: LexborNode, title: str) -> LexborNode | None:
    if not title:
        return None
    for tag in ("h1", "h2", "h3", "div", "p", "span", "strong"):
        for node in root.css(tag):
            if _text(node) == title:
                return node
    return None


def _find_dated(
    root: LexborNode,
    at: datetime | None,
    body: LexborNode | None,
    timezone: str,
    now: datetime | None,
) -> LexborNode | None:
    """The smallest short element outside the text whose date is the article's."""
    if at is None:
        return None
    inside = {node.mem_id for node in body.css("*")} if body is not None else set()
    found = None
    for node in root.css("time, span, em, i, p, div, td, li, font, small, b"):
        if node.mem_id in inside:
            continue
        text = _text(node)
        if found is not None and not is_within(node, found):
            continue
        if 0 < len(text) <= _SHORT and find_date(text, timezone=timezone, now=now) == at:
            found = node
    return found


def _find_credit(root: LexborNode, value: str | None, body: LexborNode | None) -> LexborNode | None:
    if not value:
        return None
    inside = {node.mem_id for node in body.css("*")} if body is not None else set()
    for node in root.css("span, em, i, a, p, div, td, font, small, b"):
        if node.mem_id in inside or node.css_first("span, em, i, a, p, div, td") not in (
            None,
            node,
        ):
            continue
        text = _text(node)
        if len(text) <= len(value) + 8 and value in text:
            return node
    return None


def _find_next(root: LexborNode) -> str | None:
    for link in root.css("a[href]"):
        href = link.attributes.get("href") or ""
        if _NEXT.match(_text(link)) and href and not href.startswith(("#", "javascript:")):
            return name_nodes(root, [link])
    return None
