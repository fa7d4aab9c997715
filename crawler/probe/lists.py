"""The rows of an HTML list, found by what they have in common. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime

from selectolax.lexbor import LexborNode

from crawler.feeds.fields import read_url
from crawler.pages.values import find_date
from crawler.probe.names import is_within, name_nodes, name_within, stem_class
from crawler.selectors import LexborTree, visible_texts
from crawler.sources.rules import FeedRule

FEWEST_ROWS = 2
# Fewer rows than this are a list only where each has its date.
_FEW_ROWS = 4
_LEAST_TITLE = 8  # characters of a headline; Latin ones are longer, navigation is shorter
_LEAST_LATIN = 16
_MOST_LINKS = 3_000
_DATE_LENGTH = 60
_HEADING = "h1, h2, h3, h4, h5, h6"
_NEXT = re.compile(
    r"^\s*(?:下一?页|后一页|下页|next(?: page)?|older.*|›|»|>|>>)\s*[>›»]*\s*$", re.IGNORECASE
)
_PAGE_NUMBER = re.compile(r"(?<=[?&])(page|pageNo|page_no|pageNum|pageIndex|page_index|p|pn)=1\b")


def propose_html_list(
    tree: LexborTree, *, url: str, timezone: str, now: datetime | None
) -> FeedRule | None:
    """Gives a rule for the rows of headlines that the page mostly consists of, None without any."""
    best: tuple[float, list[tuple[LexborNode, LexborNode]]] | None = None
    for group in _group_rows(tree):
        rows = [row for row, _ in group]
        dated = sum(bool(_date_node(row, link, timezone, now)) for row, link in group)
        if len(rows) < _FEW_ROWS and dated < len(rows):
            continue
        letters = sum(len(_text(link)) for _, link in group)
        score = letters * (1 + 2 * dated / len(rows))
        if best is None or score > best[0]:
            best = (score, group)
    if best is None:
        return None
    group = _with_short_ones(best[1])
    rows = [row for row, _ in group]
    links = [link for _, link in group]
    selector = name_nodes(tree.root, rows)
    if selector is None:
        return None
    link = name_within(rows, links) or "a"
    heads = [node.css_first(_HEADING) or node for node in links]
    title = name_within(rows, heads) or link
    dates = [(row, node) for row, link in group if (node := _date_node(row, link, timezone, now))]
    date = None
    if len(dates) * 2 > len(rows):
        date = name_within([row for row, _ in dates], [node for _, node in dates])
    return FeedRule(
        url=url,
        format="html",
        rows=selector,
        title=title,
        link=link,
        date=date,
        next=_find_next(tree),
        next_url=None if _find_next(tree) else _number_pages(url),
    )


def _group_rows(tree: LexborTree) -> list[list[tuple[LexborNode, LexborNode]]]:
    """Rows with their headline links, grouped by what they look like from outside."""
    links = [node for node in tree.root.css("a[href]")[:_MOST_LINKS] if _is_headline(node)]
    inside: defaultdict[int, int] = defaultdict(int)  # how many headlines an element has
    seen: set[tuple[int, str]] = set()
    for link in links:
        href = link.attributes.get("href") or ""
        node: LexborNode | None = link
        while node is not None:
            if (node.mem_id, href) not in seen:
                seen.add((node.mem_id, href))
                inside[node.mem_id] += 1
            node = node.parent
    groups: defaultdict[tuple[str, ...], dict[int, tuple[LexborNode, LexborNode]]] = defaultdict(
        dict
    )
    for link in links:
        row = link
        while row.parent is not None and inside[row.parent.mem_id] == 1:
            row = row.parent
        parent = row.parent
        if parent is None or row.tag in ("html", "body"):
            continue
        look = (_look(row), _look(parent), _look(parent.parent))
        groups[look].setdefault(row.mem_id, (row, link))
    return [list(group.values()) for group in groups.values() if len(group) >= FEWEST_ROWS]


def _with_short_ones(
    group: list[tuple[LexborNode, LexborNode]],
) -> list[tuple[LexborNode, LexborNode]]:
    """The rows, and those of the same look beside them whose headlines are as short as the words
    of a menu (沪指翻红)."""
    known = {row.mem_id for row, _ in group}
    look = _look(group[0][0])
    parents = {row.parent.mem_id: row.parent for row, _ in group if row.parent is not None}
    every = list(group)
    for parent in parents.values():
        for row in parent.iter():
            if row.mem_id in known or _look(row) != look:
                continue
            links = row.css("a[href]")
            if links and _text(links[0]):
                every.append((row, links[0]))
    return every


def _look(node: LexborNode | None) -> str:
    """What rows of a list have in common, whether they are odd or even, the first or the last."""
    if node is None:
        return ""
    names = (node.attributes.get("class") or "").split()
    return f"{node.tag}.{' '.join(sorted(set(filter(None, map(stem_class, names)))))}"


def _text(node: LexborNode) -> str:
    return " ".join("".join(visible_texts(node)).split())


def _is_headline(link: LexborNode) -> bool:
    href = link.attributes.get("href") or ""
    if not href or href.startswith(("#", "javascript:", "mailto:", "tel:")):
        return False
    # Where the text is cut the whole headline hangs on the link.
    text = max(_text(link), link.attributes.get("title") or "", key=len)
    least = _LEAST_LATIN if text.isascii() else _LEAST_TITLE
    return len(text) >= least


def _date_node(
    row: LexborNode, link: LexborNode, timezone: str, now: datetime | None
) -> LexborNode | None:
    """The element of a row whose text is a date and holds the least besides; outside the headline
    if any is, for headlines begin with 今日 and 昨天 too."""
    headline = _text(link)
    for inside in (False, True):
        dated = [
            (len(text), node)
            for node in row.css("*")
            if 0 < len(text := _text(node)) <= _DATE_LENGTH
            and node.mem_id != row.mem_id
            and (text == headline or is_within(node, link)) == inside
            and find_date(text, timezone=timezone, now=now)
        ]
        if dated:
            shortest = min(length for length, _ in dated)
            first = next(node for length, node in dated if length == shortest)
            # Of an element and the one around it, both with this text, the inner one.
            return [
                node
                for length, node in dated
                if length == shortest and (node.mem_id == first.mem_id or is_within(node, first))
            ][-1]
    return None


def _find_next(tree: LexborTree) -> str | None:
    for link in tree.root.css("a[href]"):
        href = link.attributes.get("href") or ""
        if _NEXT.match(_text(link)) and read_url(href, "http://a.example/x") and href != "#":
            return name_nodes(tree.root, [link]) if not href.startswith("javascript:") else None
    return None


def _number_pages(url: str) -> str | None:
    numbered = _PAGE_NUMBER.sub(r"\1={page}", url)
    return numbered if numbered != url else None
