"""Selectors for elements, short and likely to last. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from selectolax.lexbor import LexborNode

from crawler.selectors import SelectorError, compile_selector

# What stands for itself in CSS; a long run of digits is the number of an article or a build.
_PLAIN = re.compile(r"-?[A-Za-z_][A-Za-z0-9_-]{0,40}")
_NUMBERED = re.compile(r"\d{3,}")
# Class names that a build tool makes: index_item__3xKzQ, css-1a2b3c, sc-bdVaJa.
_HASHED = re.compile(r"^([A-Za-z][A-Za-z0-9-]*(?:_[A-Za-z0-9-]+)*?)__[A-Za-z0-9_-]{4,}$")
_MADE = re.compile(r"^(?:css|sc|jsx|jss)-[A-Za-z0-9]{4,}$|[a-f0-9]{6,}$")
# Says how something looks or that it is the first, not what it is.
_STYLES = frozenset(
    "clearfix clear fl fr left right cf active on cur current first last odd even hide show hidden "
    "mt10 mb10 box wrap container main content-box bold red".split()
)


def stem_class(name: str) -> str:
    """Gives what of a class name says what an element is; "" for what a build tool made or what
    says how it looks.

    >>> stem_class("index_item__3xKzQ"), stem_class("even"), stem_class("item-1024")
    ('index_item__', '', '')
    """
    if hashed := _HASHED.match(name):
        return f"{hashed[1]}__" if _PLAIN.fullmatch(f"{hashed[1]}__") else ""
    if _MADE.search(name) or not _PLAIN.fullmatch(name) or _NUMBERED.search(name):
        return ""
    return "" if name.lower() in _STYLES else name


def list_names(node: LexborNode) -> Iterator[str]:
    """Yields compound selectors for one element, the most telling first."""
    attributes = node.attributes
    tag = node.tag or "*"
    identifier = attributes.get("id") or ""
    if _PLAIN.fullmatch(identifier) and not _NUMBERED.search(identifier):
        yield f"#{identifier}"
    weak = []
    for name in (attributes.get("class") or "").split():
        stem = stem_class(name)
        if stem.endswith("__"):
            yield f"{tag}[class*={stem}]"
        elif stem:
            yield f".{name}"
            yield f"{tag}.{name}"
        elif name.lower() in _STYLES:
            weak.append(f"{tag}.{name}")
    yield from weak
    yield tag


def name_nodes(root: LexborNode, nodes: Sequence[LexborNode], *, most: int = 4) -> str | None:
    """Gives a selector under ``root`` that selects these nodes and no others (a tenth of others is
    forgiven where there are many), None where none of the tried ones does."""
    wanted = {node.mem_id for node in nodes}
    best: tuple[float, int, str] | None = None
    for rank, selector in enumerate(_list_selectors(root, nodes[0], most)):
        try:
            compile_selector(selector)
        except SelectorError:
            continue
        found = {node.mem_id for node in root.css(selector)}
        common = len(found & wanted)
        if not common:
            continue
        score = common / len(found | wanted)
        if found == wanted:
            return selector
        if best is None or score > best[0]:
            best = (score, rank, selector)
    return best[2] if best and best[0] >= 0.8 else None


def _list_selectors(root: LexborNode, node: LexborNode, most: int) -> Iterator[str]:
    """Selectors for an element, by itself and then below its ancestors, the short ones first."""
    own = list(dict.fromkeys(list_names(node)))[:6]
    yield from (name for name in own if name[0] in "#.")
    ancestors: list[LexborNode] = []
    bare = [name for name in own if name == node.tag]
    parent = node.parent
    while parent is not None and parent.mem_id != root.mem_id and len(ancestors) < most:
        if parent.tag not in ("html", "body"):
            ancestors.append(parent)
        parent = parent.parent
    yield from (name for name in own if name[0] not in "#." and name not in bare)
    for distance, ancestor in enumerate(ancestors):
        joint = " > " if distance == 0 else " "
        for above in list(dict.fromkeys(list_names(ancestor)))[:4]:
            if above == ancestor.tag and distance:
                continue
            for name in own:
                yield f"{above}{joint}{name}"
    if ancestors:
        place = _place(node)
        for above in list(dict.fromkeys(list_names(ancestors[0])))[:4]:
            yield f"{above} > {node.tag}:last-child"
            yield f"{above} > {node.tag}:nth-child({place})"
    yield from bare


def _place(node: LexborNode) -> int:
    """The element's number among its siblings, from 1."""
    count = 1
    before = node.prev
    while before is not None:
        count += not (before.tag or "-").startswith("-")
        before = before.prev
    return count


def name_within(rows: Iterable[LexborNode], picked: Sequence[LexborNode]) -> str | None:
    """Gives a selector that finds, first in each row, the element picked there; None where none
    of the tried ones does it in nine rows of ten."""
    pairs = list(zip(rows, picked, strict=True))
    if not pairs:
        return None
    row, node = pairs[0]
    names = [node.tag or "*", *dict.fromkeys(_list_selectors(row, node, 3))]
    names += [f"{node.tag}:last-child", f"{node.tag}:first-child"]
    for name in names:
        try:
            compile_selector(name)
        except SelectorError:
            continue
        hits = 0
        for row, node in pairs:
            found = row.css_first(name)
            hits += found is not None and found.mem_id == node.mem_id
        if hits * 10 >= len(pairs) * 9:
            return name
    return None


def is_within(node: LexborNode, outer: LexborNode) -> bool:
    """Tells whether an element lies in another."""
    parent = node.parent
    while parent is not None:
        if parent.mem_id == outer.mem_id:
            return True
        parent = parent.parent
    return False
