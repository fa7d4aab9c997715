"""Lists that a rule describes: rows of an HTML page or of a JSON document, as entries.

HTML fields are selectors (``crawler.selectors``) under the row. A field that names an element means
its text, but for ``link`` its address, for ``image`` the picture's, for ``summary`` and ``content``
its HTML. Without a ``link`` or ``title`` selector, those of the row's first link count.

JSON fields are JMESPath under the row (``crawler.feeds.paths``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin

from crawler.article import Entry, Feed, Problem
from crawler.bylines import clean_origin
from crawler.dates import parse_date
from crawler.encoding import decode_text
from crawler.errors import FeedError, LimitError
from crawler.feeds.fields import (
    escape_text,
    read_author,
    read_title,
    read_url,
    squeeze,
)
from crawler.feeds.paths import (
    compile_path,
    is_true,
    join_markup,
    list_scalars,
    list_texts,
    read_document,
    search,
)
from crawler.selectors import (
    Node,
    Selector,
    SelectorError,
    Tree,
    compile_selector,
    find_excess,
    parse_tree,
    read_image,
)
from crawler.sources.rules import FeedRule

_FIELDS = (
    "id", "title", "link", "detail", "date", "updated", "summary", "content", "author", "origin",
    "image", "tags", "stocks",
)  # fmt: skip
MATCHED_NOTHING = "matched nothing"  # how such a problem is said
_MANY = 3  # rows without a date that can be read, or a text, tell of the list, fewer of the rows
# Fields that a list, if it has them, has in some row.
_DRIFTING = ("title", "link", "date", "content")


@dataclass(slots=True)
class _Row:
    """What a row says, as it stands there; ``dates`` are candidates, the first readable counts."""

    id: str = ""
    title: str = ""
    link: str = ""
    detail: str = ""
    dates: list[str | float] = field(default_factory=list)
    updates: list[str | float] = field(default_factory=list)
    summary: str = ""
    content: str = ""
    authors: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    stocks: list[str] = field(default_factory=list)
    origin: str = ""
    images: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """A document as its rule reads it: the address that links start from, the rows, how many were
    skipped, the addresses of further pages, and the cursors as they stand there ("" for none)."""

    base: str
    rows: list[_Row]
    skipped: int = 0
    next: list[str] = field(default_factory=list)
    cursor: dict[str, str] = field(default_factory=dict)


def read_rows(
    data: bytes,
    *,
    url: str,
    content_type: str | None,
    rule: FeedRule,
    timezone: str,
    now: datetime | None,
    max_entries: int,
    max_page: int,
    max_depth: int,
    max_attributes: int,
) -> Feed:
    """Gives the list in ``data`` as a Feed of format "html" or "json", rows in document order.

    ``rule`` has rows; without a format it is HTML unless the bytes are JSON. A link that stands
    in several rows is listed once. Rows that were left out, and selectors of title, link or date
    that match nothing at all, are in ``Feed.problems``: such a list has changed its layout.

    Raises FeedError for a document that is not what the rule says or a rule that cannot be read,
    LimitError for more than ``max_entries`` rows and for HTML of more than ``max_page`` characters,
    deeper than ``max_depth`` or with more than ``max_attributes`` in one element.
    """
    decoded = decode_text(
        data, content_type=content_type, kind="json" if rule.format == "json" else "html"
    )
    is_json = _JSON_START.match(decoded.text) is not None
    feed = Feed(rule.format or ("json" if is_json else "html"), encoding=decoded.encoding)
    if decoded.guessed:
        feed.problems.append(Problem(f"charset guessed: {decoded.encoding}"))
    if decoded.replaced:
        reason = f"{decoded.replaced} characters are not {decoded.encoding}: replaced by U+FFFD"
        feed.problems.append(Problem(reason))
    if feed.format == "json":
        found = _read_json(decoded.text, url, rule, max_depth)
    elif is_json:
        raise FeedError(f"found JSON, expected HTML with rows {rule.rows!r}", url=url)
    else:
        excess = find_excess(
            decoded.text, max_page=max_page, max_depth=max_depth, max_attributes=max_attributes
        )
        if excess:
            raise LimitError(excess, url=url)
        found = _read_html(decoded.text, url, rule)
    if len(found.rows) > max_entries:
        reason = f"{len(found.rows)} rows, more than {max_entries} (NEWS_MAX_ENTRIES)"
        raise LimitError(reason, url=url)
    _add_entries(feed, found.rows, found.base, timezone, now)
    _note_drift(feed, found, rule)
    feed.skipped = found.skipped
    feed.cursor = found.cursor
    further = (read_url(link, found.base) for link in found.next)
    feed.next_urls = list(dict.fromkeys(filter(None, further)))
    return feed


def find_next_pages(feed: Feed, rule: FeedRule, *, url: str, page: int, offset: int) -> list[str]:
    """Gives the addresses of the list's further pages that this one tells, in order.

    ``url`` is this page's, ``page`` its number (from 1), ``offset`` the rows up to its end. A
    cursor that is empty has come to the end.
    """
    if not rule.next_url:
        return feed.next_urls
    if not all(feed.cursor.get(name) for name in rule.cursor):
        return []
    values = {"page": str(page + 1), "n": str(page), "offset": str(offset), **feed.cursor}
    address = _BRACED.sub(lambda match: quote(values[match[1]], safe=""), rule.next_url)
    found = read_url(urljoin(url, address), url)
    return [found] if found else []


_BRACED = re.compile(r"\{(\w+)\}")


# A value, an assignment or a call. Every repeat is bounded and possessive.
_JSON_START = re.compile(
    r"\ufeff?\s*+(?:[\[{]|(?:/\*[^*]{0,200}\*/\s*+)?(?:(?:var|let|const)\s++)?[A-Za-z_$][\w$.]{0,99}+"
    r"\s*+(?:&&\s*+[\w$.]{1,99}+\s*+)?[=(]\s*+[(\[{])"
)


def _add_entries(
    feed: Feed, rows: list[_Row], base: str, timezone: str, now: datetime | None
) -> None:
    listed: dict[tuple[str, str | None], Entry] = {}
    for index, row in enumerate(rows):
        entry = _make_entry(row, base, timezone, now)
        if row.link and entry.link is None:
            feed.problems.append(Problem(f"link {row.link[:200]!r} is no http address", index))
        if not (entry.link or entry.title or entry.summary or entry.content):
            feed.problems.append(Problem("row without link and title", index))
            continue
        if entry.link:
            first = listed.setdefault((entry.link, entry.id), entry)
            if first is not entry:
                _fill(first, entry)
                continue
        if entry.date_text:
            reason = f"date cannot be read: {entry.date_text[:80]!r}"
            feed.problems.append(Problem(reason, len(feed.entries)))
        feed.entries.append(entry)


def _fill(entry: Entry, later: Entry) -> None:
    """Takes from a later row of the same article what the first one lacks: a picture's link comes
    before the headline's, a block of top stories with cut titles before the list."""
    if later.title and (not entry.title or entry.title.endswith(_CUT)):
        entry.title = later.title
    for name in ("detail", "summary", "content", "published", "updated", "origin"):
        if getattr(entry, name) is None:
            setattr(entry, name, getattr(later, name))
    for name in ("authors", "categories", "stocks", "images"):
        if not getattr(entry, name):
            setattr(entry, name, getattr(later, name))


def _make_entry(row: _Row, base: str, timezone: str, now: datetime | None) -> Entry:
    entry = Entry(
        id=row.id or None,
        link=read_url(row.link, base),
        title=row.title,
        summary=row.summary or None,
        content=row.content or None,
        base_url=base,
        authors=list(dict.fromkeys(filter(None, map(read_author, row.authors)))),
        categories=split_words(row.tags),
        stocks=split_codes(row.stocks),
        detail=read_url(row.detail, base),
        images=list(dict.fromkeys(filter(None, (read_url(text, base) for text in row.images)))),
        origin=clean_origin(row.origin) if row.origin else None,
    )
    entry.published = _first_date(row.dates, timezone, now)
    entry.updated = _first_date(row.updates, timezone, now)
    entry.is_approximate = any(_COUNTED_BACK.search(str(text)) for text in row.dates)
    if row.dates and entry.published is None:
        entry.date_text = str(row.dates[0])
    return entry


_COUNTED_BACK = re.compile(r"前|刚刚|剛剛|\bago\b|just now", re.IGNORECASE)


def _first_date(
    texts: Iterable[str | float], timezone: str, now: datetime | None
) -> datetime | None:
    dates = (parse_date(text, timezone=timezone, now=now) for text in texts)
    return next(filter(None, dates), None)


# Words in one value are parted so; never by blanks, for names may hold them.
_BETWEEN_WORDS = re.compile(r"[,，、;；|]")


_WORDS_LABEL = re.compile(
    r"\A\s*+(?:相关)?(?:标签|关键[词字]|话题|股票|个股|证券代码|tags?|keywords?)\s*+[:：]",
    re.IGNORECASE,
)


def split_words(values: Iterable[str]) -> list[str]:
    """Gives the words (tags, codes) in the values, tidy, without label and repeats.

    >>> split_words(["标签：回购、轻工"])
    ['回购', '轻工']
    """
    bare = (_WORDS_LABEL.sub("", value, count=1) for value in values)
    words = (squeeze(word).strip() for value in bare for word in _BETWEEN_WORDS.split(value))
    return list(dict.fromkeys(filter(None, words)))


# 东方财富 writes a stock as market and code: 1.600519 in its lists, 1,600519 in its pages.
_MARKET_CODE = re.compile(r"(\d{1,3}),(\w{5,12})")


def split_codes(values: Iterable[str]) -> list[str]:
    """Gives the stocks' codes in the values, as ``split_words`` does.

    >>> split_codes(["1,600519", "000001,300750"])
    ['1.600519', '000001', '300750']
    """
    return split_words(
        f"{match[1]}.{match[2]}" if (match := _MARKET_CODE.fullmatch(value.strip())) else value
        for value in values
    )


def _note_drift(feed: Feed, found: _Found, rule: FeedRule) -> None:
    """Says so when a selector matches nothing: a list without rows is no empty list."""
    rows = found.rows
    if not rows:
        if not found.skipped:
            feed.problems.append(Problem(f"rows {rule.rows!r} {MATCHED_NOTHING}"))
        elif found.skipped >= _MANY:
            reason = f"rows {rule.rows!r} {MATCHED_NOTHING} that skip {rule.skip!r} leaves"
            feed.problems.append(Problem(f"{reason}, of {found.skipped}"))
        return
    has = {
        "title": any(row.title for row in rows),
        "link": any(row.link for row in rows),
        "date": any(row.dates for row in rows),
        "content": len(rows) < _MANY or any(row.content for row in rows),
    }
    for name in _DRIFTING:
        selector = getattr(rule, name)
        if selector and not has[name]:
            reason = f"{name} {selector!r} {MATCHED_NOTHING} in {len(rows)} rows"
            feed.problems.append(Problem(reason))
    if has["link"] and not any(entry.link for entry in feed.entries):
        sample = next(row.link for row in rows if row.link)
        reason = f"link {rule.link or 'a'!r} {MATCHED_NOTHING} in {len(rows)} rows"
        feed.problems.append(Problem(f"{reason} that is an address, as {sample[:40]!r}"))
    unread = [entry.date_text for entry in feed.entries if entry.date_text]
    if rule.date and len(unread) >= _MANY and len(unread) == len(feed.entries):
        reason = f"date {rule.date!r} {MATCHED_NOTHING} in {len(rows)} rows that is a date"
        feed.problems.append(Problem(f"{reason}, as {unread[0][:40]!r}"))


# ------------------------------------------------------------------------------------- HTML

_BASE = compile_selector("base::attr(href)")
_LINK = compile_selector("a[href]")
_CUT = ("…", "...")


def _read_html(text: str, url: str, rule: FeedRule) -> _Found:
    try:
        reader = _HtmlReader(text, rule)
    except SelectorError as error:
        raise FeedError(str(error), url=url) from error
    return _Found(
        base=read_url(reader.tree.find(_BASE), url) or url,
        rows=[reader.read_row(node) for node in reader.nodes],
        skipped=reader.skipped,
        next=reader.find_next(),
        cursor=reader.read_cursor(),
    )


class _HtmlReader:
    """The tree of a page and the compiled rule. Raises SelectorError."""

    def __init__(self, text: str, rule: FeedRule) -> None:
        self._fields: dict[str, Selector] = {
            name: compile_selector(selector)
            for name in _FIELDS
            if (selector := getattr(rule, name))
        }
        rows = compile_selector(rule.rows or "")
        skip = compile_selector(rule.skip) if rule.skip else None
        self._next = compile_selector(rule.next) if rule.next else None
        self._cursor = {name: compile_selector(text) for name, text in rule.cursor.items()}
        used = [rows, skip, self._next, *self._cursor.values(), _BASE, _LINK]
        self.tree: Tree = parse_tree(text, [*filter(None, used), *self._fields.values()])
        listed = self.tree.select(rows)
        self.nodes = [node for node in listed if not (skip and self._is_skipped(skip, node))]
        self.skipped = len(listed) - len(self.nodes)

    def _is_skipped(self, skip: Selector, row: Node) -> bool:
        if skip.attribute is not None or skip.xpath:
            return bool(self.tree.find(skip, row) or self.tree.select(skip, row))
        return bool(self.tree.select(skip, row))

    def find_next(self) -> list[str]:
        return find_links(self.tree, self._next) if self._next else []

    def read_cursor(self) -> dict[str, str]:
        return {name: self.tree.find(selector) for name, selector in self._cursor.items()}

    def read_row(self, row: Node) -> _Row:
        return _Row(
            id=self._text("id", row),
            title=self._title(row),
            link=self._link(row),
            detail=self._link(row, "detail") if "detail" in self._fields else "",
            dates=[*self._texts("date", row)],
            updates=[*self._texts("updated", row)],
            summary=self._markup("summary", row),
            content=self._markup("content", row),
            authors=self._texts("author", row),
            tags=self._texts("tags", row),
            stocks=self._texts("stocks", row),
            origin=self._text("origin", row),
            images=self._images(row),
        )

    def _text(self, name: str, row: Node) -> str:
        selector = self._fields.get(name)
        return self.tree.find(selector, row) if selector else ""

    def _texts(self, name: str, row: Node) -> list[str]:
        selector = self._fields.get(name)
        return self.tree.find_all(selector, row) if selector else []

    def _elements(self, name: str, row: Node) -> list[Node]:
        """The elements of a selector that asks for no value of theirs."""
        selector = self._fields.get(name)
        if selector is None or selector.attribute is not None:
            return []
        return self.tree.select(selector, row)

    def _title(self, row: Node) -> str:
        title = self.tree.find(self._fields.get("title", _LINK), row)
        if title.endswith(_CUT):  # what hangs on the link is whole
            start = title.rstrip("….")
            for node in [*self._elements("title", row), *self.tree.select(_LINK, row)]:
                whole = self.tree.read(node, "title")
                if whole.startswith(start):
                    return whole
        return title

    def _link(self, row: Node, name: str = "link") -> str:
        if name not in self._fields:
            return next((self.tree.read(node, "href") for node in self.tree.select(_LINK, row)), "")
        return next(iter(find_links(self.tree, self._fields[name], row)), "")

    def _markup(self, name: str, row: Node) -> str:
        nodes = self._elements(name, row)
        if nodes:
            return "\n".join(self.tree.html(node, inner=True).strip() for node in nodes).strip()
        return "<br>\n".join(map(escape_text, self._texts(name, row)))

    def _images(self, row: Node) -> list[str]:
        nodes = self._elements("image", row)
        return [read_image(self.tree, node) for node in nodes] or self._texts("image", row)


def find_links(tree: Tree, selector: Selector, under: Node | None = None) -> list[str]:
    """Gives the addresses that a selector stands for, as written: of elements their link, or the
    first link in them; else the values."""
    nodes = [] if selector.attribute is not None else tree.select(selector, under)
    found = []
    for node in nodes:
        links = (tree.read(link, "href") for link in [node, *tree.select(_LINK, node)])
        if address := next(filter(None, links), ""):
            found.append(address)
    return found if nodes else tree.find_all(selector, under)


# ------------------------------------------------------------------------------------- JSON


def _read_json(text: str, url: str, rule: FeedRule, max_depth: int) -> _Found:
    paths = {name: compile_path(path, url=url) for name in _FIELDS if (path := getattr(rule, name))}
    rows_path = compile_path(rule.rows or "@", url=url)
    skip = compile_path(rule.skip, url=url) if rule.skip else None
    document = read_document(text, url=url, max_depth=max_depth)
    found = search(rows_path, document)
    listed = [row for row in (found if isinstance(found, list) else [found]) if row is not None]
    rows = [row for row in listed if skip is None or not is_true(search(skip, row))]
    return _Found(
        base=url,
        rows=[
            _read_object({name: search(path, row) for name, path in paths.items()}) for row in rows
        ],
        skipped=len(listed) - len(rows),
        next=list_texts(search(compile_path(rule.next, url=url), document)) if rule.next else [],
        cursor={
            name: _first(search(compile_path(path, url=url), document))
            for name, path in rule.cursor.items()
        },
    )


def _first(value: Any) -> str:
    return next(iter(list_texts(value)), "")


def _read_object(values: dict[str, Any]) -> _Row:
    texts = {name: list_texts(value) for name, value in values.items()}

    def first(name: str) -> str:
        return next((text for text in texts.get(name, ()) if text.strip()), "")

    return _Row(
        id=first("id").strip(),
        title=read_title(first("title"), markup=None),
        link=first("link"),
        detail=first("detail"),
        dates=[part for part in list_scalars(values.get("date")) if part != ""],
        updates=[part for part in list_scalars(values.get("updated")) if part != ""],
        summary=join_markup(texts.get("summary", [])),
        content=join_markup(texts.get("content", [])),
        authors=texts.get("author", []),
        tags=texts.get("tags", []),
        stocks=texts.get("stocks", []),
        origin=first("origin"),
        images=texts.get("image", []),
    )
