"""The densest text of a page: one walk over its tree, no learned weights.

Every block-level element is scored by its own text: running text counts for it, links and scraps
against it. Scores add up from the leaves; the element with the best sum has the article, less what
its class names or its links show to stand beside it. Each number here was read off some hundred
news pages, Chinese and English, and the results hardly move when it is half or twice as large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from selectolax.lexbor import LexborNode

from crawler.selectors import LexborTree

_LEAST = 100.0  # bytes of running text, some 30 characters of Chinese
# With less than that, ten times as much under a name for what stands beside is the article.
_SHORT = 300.0
_LINK = 2.0  # how much more than a byte of text a byte of link weighs, outside of running text
_SCRAP = 0.2  # how much a byte without punctuation weighs: captions, cells, labels
_SCRAP_COST = 15.0  # bytes; what a block without punctuation has to make up for
_NEARLY_ALL, _MOST = 0.85, 0.6  # shares of a parent's score
_MUCH_LINK = 0.25  # the share of links where there are links rather than text
_LITTLE = 0.2  # the share of the text that may stand before its title
_SMALL = 20  # blocks in a heading or a line of date and source, itself included

# Elements without text of an article, and those that part no blocks or are empty.
_NOTHING = frozenset(
    "script style template noscript svg iframe object embed math head button select textarea input "
    "option nav aside footer canvas audio video link meta".split()
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q rp rt ruby "
    "s samp small span strike strong sub sup time tt u var wbr".split()
)
_EMPTY = frozenset("br img hr source track area col param".split())
_WHOLE = frozenset("html body main article".split())  # whatever their class says

# Words of class names and ids (split at signs and capitals): what stands beside an article, the
# article, and what says neither.
_BESIDE = frozenset(
    "ad ads adv advert advertisement aside author banner bdshare breadcrumb breadcrumbs carousel "
    "comment comments consent cookie cookies copyright crumb crumbs disclaimer disqus fenxiang "
    "foot footer gdpr gg header hot login masthead menu modal nav navbar navigation newsletter "
    "outbrain pager pagination pinglun popular popup privacy promo promotion qrcode rank ranking "
    "recommend recommendation recommendations recommended recommends relate related share sharing "
    "shenming sidebar signup slider social sponsor sponsored statement subscribe subscription "
    "swiper taboola tag tags toolbar tools tuijian weixin xiangguan".split()
)
_ARTICLE = frozenset("article body content entry main post story text".split())
_FILLING = frozenset(
    "area bar block bottom box con cont container div group info inner item items left line list "
    "mod module panel right row section top ul wrap wrapper wrp".split()
)
_ABOUT = frozenset("enable enabled has is no non not with without".split())

# By expression, for these are names and lines, not markup; none has a repeat inside a repeat.
_WORDS = re.compile(r"[a-z]+|[A-Z][a-z]*")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
_MARKS = re.compile(r"[。！？；，、…]|[.!?;,](?=\s|\Z)")
_DATELINE = re.compile(r"\d{4}\s?[-/.年]\s?\d|\d:\d\d|来源|來源|作者|责任?编辑")
_NOISE = re.compile(r"[\s\"'“”‘’]+")


@dataclass(slots=True, eq=False)
class _Block:
    """A block-level element.

    Sizes are bytes of UTF-8, which weighs a Chinese character like the half of an English word
    that it is: ``prose`` outside, ``link`` inside of links; ``marks`` are signs of punctuation.
    They and the score are first those of its own text, then of all in it. ``apart``: it is not
    counted for its parent; ``beside``: it or an ancestor is apart. ``end``: the index after its
    last descendant.
    """

    node: LexborNode
    parent: int
    apart: bool = False
    beside: bool = False
    prose: int = 0
    link: int = 0
    marks: int = 0
    score: float = 0.0
    end: int = 0


def find_body(tree: LexborTree, title: str) -> str | None:
    """Gives the HTML of the element that has the article, cleaned of what is not; None when there
    is no running text. ``title`` is the article's, "" when unknown. Changes the tree."""
    blocks = _list_blocks(tree.root)
    _score(blocks)
    best = _choose(blocks)
    if blocks[best].score < _LEAST:
        return None
    _clean(tree, blocks, best, title)
    return tree.html(blocks[best].node)


def _list_blocks(root: LexborNode) -> list[_Block]:
    """The blocks in document order, with the text that is directly theirs."""
    blocks = [_Block(root, -1)]
    waiting: list[tuple[LexborNode | None, int, bool]] = []
    node, owner, linked = root.first_child, 0, False
    while node is not None or waiting:
        if node is None:
            node, owner, linked = waiting.pop()
            continue
        tag = node.tag or "-"
        if tag == "-text":
            text = (node.text_content or "").strip()
            if text:
                block = blocks[owner]
                if linked:
                    block.link += len(text.encode())
                else:
                    block.prose += len(text.encode())
                    block.marks += len(_MARKS.findall(text))
        elif tag in _INLINE:
            waiting.append((node.next, owner, linked))
            linked = linked or tag == "a"
            node = node.first_child
            continue
        elif tag[0] != "-" and tag not in _EMPTY:
            apart = tag in _NOTHING or (tag not in _WHOLE and _stands_beside(node))
            blocks.append(_Block(node, owner, apart, apart or blocks[owner].beside))
            if tag not in _NOTHING:
                waiting.append((node.next, owner, linked))
                owner = len(blocks) - 1
                node = node.first_child
                continue
        node = node.next
    return blocks


def _stands_beside(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"[:200]
    if any(map(_is_beside, names.split())):
        return True
    style = attributes.get("style")
    return bool(style and _HIDDEN.search(style))


@lru_cache(maxsize=4096)
def _is_beside(name: str) -> bool:
    """Tells whether a class name or id names no article: by the last word that says anything, or
    by any word where none means the article. ``with-sidebar`` is about something else.

    >>> _is_beside("article-share-box"), _is_beside("share-article"), _is_beside("shareBox")
    (True, False, True)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not _ABOUT.isdisjoint(words):
        return False
    while words and words[-1] in _FILLING:
        words.pop()
    return bool(words) and (
        words[-1] in _BESIDE or (_ARTICLE.isdisjoint(words) and not _BESIDE.isdisjoint(words))
    )


def _score(blocks: list[_Block]) -> None:
    """Scores each block by its own text, then adds up what parents hold."""
    for block in blocks:
        if block.marks:
            block.score = float(block.prose - block.link)
        elif block.prose or block.link:
            block.score = _SCRAP * block.prose - _LINK * block.link - _SCRAP_COST
    for index in range(len(blocks) - 1, 0, -1):
        block = blocks[index]
        parent = blocks[block.parent]
        block.end = block.end or index + 1
        parent.end = parent.end or block.end
        if not block.apart:
            parent.prose += block.prose
            parent.link += block.link
            parent.score += block.score
    blocks[0].end = len(blocks)


def _choose(blocks: list[_Block]) -> int:
    """The index of the innermost block that has nearly all of the best score."""
    order = range(len(blocks))
    best = max(order, key=lambda index: 0.0 if blocks[index].beside else blocks[index].score)
    named = max(order, key=lambda index: blocks[index].score)
    if blocks[best].score < max(_LEAST, min(_SHORT, 0.1 * blocks[named].score)):
        best = named  # an article under a name that elsewhere stands beside it
    inner: int | None = best
    while inner is not None:
        best = inner
        children = _list_children(blocks, best)
        inner = next((index for index in children if _is_core(blocks, index)), None)
    return best


def _list_children(blocks: list[_Block], parent: int) -> Iterator[int]:
    index = parent + 1
    while index < blocks[parent].end:
        yield index
        index = blocks[index].end


def _is_core(blocks: list[_Block], index: int) -> bool:
    """Tells whether a block is what its parent is about: it holds blocks itself and nearly all of
    the score, or most of it while what is around it is full of links."""
    block = blocks[index]
    parent = blocks[block.parent]
    if block.end == index + 1 or block.score < _MOST * parent.score:
        return False
    prose, link = parent.prose - block.prose, parent.link - block.link
    return block.score > _NEARLY_ALL * parent.score or link > _MUCH_LINK * (prose + link)


def _clean(tree: LexborTree, blocks: list[_Block], best: int, title: str) -> None:
    """Takes out of the best block what is no article: its title with all before it, the line of
    date and source after it, what stands beside, and lists of links."""
    heading = _find_heading(tree, blocks, best, title)
    begun = False  # whether running text has been met
    index = best + 1
    while index < blocks[best].end:
        block = blocks[index]
        holds_heading = index < heading < block.end
        if not holds_heading and (
            index <= heading
            or block.apart
            or (block.score < 0.0 and block.link > block.prose)
            or (not begun and block.end - index < _SMALL and _is_dateline(tree, block))
        ):
            block.node.decompose()
            index = block.end
        else:
            begun = begun or (index > heading and block.end == index + 1 and block.marks > 0)
            index += 1


def _find_heading(tree: LexborTree, blocks: list[_Block], best: int, title: str) -> int:
    """The index of the block that shows the title above the text, 0 when there is none."""
    wanted = _NOISE.sub("", title)
    longest = 2 * len(title.encode()) + 20
    before = 0.0
    for index in range(best + 1, blocks[best].end):
        block = blocks[index]
        if before > _LITTLE * blocks[best].score or not wanted:
            break
        small = block.end - index < _SMALL and block.prose + block.link < longest
        if small and _NOISE.sub("", tree.read(block.node, "")) == wanted:
            return index
        if block.end == index + 1:
            before += block.score
    return 0


def _is_dateline(tree: LexborTree, block: _Block) -> bool:
    """Tells whether all it has is a line about the article."""
    if block.score > 0.0 or block.node.css_first("img") is not None:
        return False
    return _DATELINE.search(tree.read(block.node, "")) is not None
