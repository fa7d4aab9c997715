"""Lists that a rule describes: rows of an HTML page or of a JSON document, as entries.

HTML fields are selectors (``crawler.selectors``) under the row. A field that names an element means
its text, but for ``link`` its address, for ``image`` the picture's, for ``summary`` and ``content``
its HTML. Without a ``link`` or ``title`` selector, those of the row's first link count.

JSON fields are JMESPath under the row, which knows one function more: ``from_json(text)`` for JSON
inside a string. JSON may come as ``callback({…})``, as ``var x = {…};`` or in the
``script#__NEXT_DATA__`` of a page.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

from crawler.article import Entry, Feed, Problem
from crawler.bylines import clean_origin
from crawler.dates import parse_date
from crawler.encoding import decode_text
from crawler.errors import FeedError, LimitError
from crawler.feeds.fields import (
    escape_text,
    looks_like_markup,
    read_author,
    read_title,
    read_url,
    squeeze,
)
from crawler.feeds.json import load_json
from crawler.selectors import (
    LexborTree,
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
    "id", "title", "link", "date", "summary", "content", "author", "origin", "image", "category",
)  # fmt: skip
_DRIFTING = ("title", "link", "date")  # fields that a list, if it has them, has in some row


@dataclass(slots=True)
class _Row:
    """What a row says, as it stands there; ``dates`` are candidates, the first readable counts."""

    id: str = ""
    title: str = ""
    link: str = ""
    dates: list[str | float] = field(default_factory=list)
    summary: str = ""
    content: str = ""
    authors: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    origin: str = ""
    images: list[str] = field(default_factory=list)


def read_rows(
    data: bytes,
    *,
    url: str,
    content_type: str | None,
    rule: FeedRule,
    timezone: str,
    now: datetime | None,
    max_entries: int,
    max_depth: int = 200,
) -> Feed:
    """Gives the list in ``data`` as a Feed of format "html" or "json", rows in document order.

    ``rule`` has rows; without a format it is HTML unless the bytes are JSON. A link that stands
    in several rows is listed once. Rows that were left out, and selectors of title, link or date
    that match nothing at all, are in ``Feed.problems``: such a list has changed its layout.

    Raises FeedError for a document that is not what the rule says or a rule that cannot be read,
    LimitError for more than ``max_entries`` rows or JSON deeper than ``max_depth``.
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
        base = url
        rows = _read_json(decoded.text, url, rule, max_depth)
    elif is_json:
        raise FeedError(f"found JSON, expected HTML with rows {rule.rows!r}", url=url)
    else:
        base, rows = _read_html(decoded.text, url, rule)
    if len(rows) > max_entries:
        reason = f"{len(rows)} rows, more than {max_entries} (NEWS_MAX_ENTRIES)"
        raise LimitError(reason, url=url)
    _add_entries(feed, rows, base, timezone, now)
    _note_drift(feed, rows, rule)
    return feed


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
                first.title = first.title or entry.title  # a picture's link, then the headline's
                continue
        if entry.date_text:
            reason = f"date cannot be read: {entry.date_text[:80]!r}"
            feed.problems.append(Problem(reason, len(feed.entries)))
        feed.entries.append(entry)


def _make_entry(row: _Row, base: str, timezone: str, now: datetime | None) -> Entry:
    entry = Entry(
        id=row.id or None,
        link=read_url(row.link, base),
        title=row.title,
        summary=row.summary or None,
        content=row.content or None,
        base_url=base,
        authors=list(dict.fromkeys(filter(None, map(read_author, row.authors)))),
        categories=list(dict.fromkeys(filter(None, map(squeeze, row.categories)))),
        images=list(dict.fromkeys(filter(None, (read_url(text, base) for text in row.images)))),
        origin=clean_origin(row.origin) if row.origin else None,
    )
    for text in row.dates:
        entry.published = parse_date(text, timezone=timezone, now=now)
        if entry.published is not None:
            break
    else:
        entry.date_text = str(row.dates[0]) if row.dates else None
    return entry


def _note_drift(feed: Feed, rows: list[_Row], rule: FeedRule) -> None:
    """Says so when a selector matches nothing: a list without rows is no empty list."""
    if not rows:
        feed.problems.append(Problem(f"rows {rule.rows!r} matched nothing"))
        return
    has = {
        "title": any(row.title for row in rows),
        "link": any(row.link for row in rows),
        "date": any(row.dates for row in rows),
    }
    for name in _DRIFTING:
        selector = getattr(rule, name)
        if selector and not has[name]:
            reason = f"{name} {selector!r} matched nothing in {len(rows)} rows"
            feed.problems.append(Problem(reason))


# ------------------------------------------------------------------------------------- HTML

_BASE = compile_selector("base::attr(href)")
_LINK = compile_selector("a[href]")
_CUT = ("…", "...")


def _read_html(text: str, url: str, rule: FeedRule) -> tuple[str, list[_Row]]:
    """The address that links start from, and the rows."""
    excess = find_excess(text)
    if excess:
        raise FeedError(excess, url=url)
    try:
        reader = _HtmlReader(text, rule)
    except SelectorError as error:
        raise FeedError(str(error), url=url) from error
    base = read_url(reader.tree.find(_BASE), url) or url
    return base, [reader.read_row(node) for node in reader.nodes]


class _HtmlReader:
    """The tree of a page and the compiled rule. Raises SelectorError."""

    def __init__(self, text: str, rule: FeedRule) -> None:
        self._fields: dict[str, Selector] = {
            name: compile_selector(selector)
            for name in _FIELDS
            if (selector := getattr(rule, name))
        }
        rows = compile_selector(rule.rows or "")
        self.tree: Tree = parse_tree(text, [rows, _BASE, _LINK, *self._fields.values()])
        self.nodes = self.tree.select(rows)

    def read_row(self, row: Node) -> _Row:
        return _Row(
            id=self._text("id", row),
            title=self._title(row),
            link=self._link(row),
            dates=[*self._texts("date", row)],
            summary=self._markup("summary", row),
            content=self._markup("content", row),
            authors=self._texts("author", row),
            categories=self._texts("category", row),
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

    def _link(self, row: Node) -> str:
        if "link" not in self._fields:
            return next((self.tree.read(node, "href") for node in self.tree.select(_LINK, row)), "")
        nodes = self._elements("link", row)
        for node in nodes:
            for link in [node, *self.tree.select(_LINK, node)]:
                if address := self.tree.read(link, "href"):
                    return address
        return "" if nodes else self._text("link", row)

    def _markup(self, name: str, row: Node) -> str:
        nodes = self._elements(name, row)
        if nodes:
            return "\n".join(self.tree.html(node, inner=True).strip() for node in nodes).strip()
        return "<br>\n".join(map(escape_text, self._texts(name, row)))

    def _images(self, row: Node) -> list[str]:
        nodes = self._elements("image", row)
        return [read_image(self.tree, node) for node in nodes] or self._texts("image", row)


# ------------------------------------------------------------------------------------- JSON


class _Functions(Functions):  # type: ignore[misc]
    @signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_from_json(self, text: str | None) -> Any:
        """JSON inside a string (``ext`` in the feed of zhibo.sina.com.cn); null for other text."""
        try:
            return json.loads(text or "null", strict=False)
        except (ValueError, RecursionError):
            return None


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def _read_json(text: str, url: str, rule: FeedRule, max_depth: int) -> list[_Row]:
    paths = {name: _compile_path(path, url) for name in _FIELDS if (path := getattr(rule, name))}
    rows_path = _compile_path(rule.rows or "@", url)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        text = _find_embedded(text, url)
    found = _search(rows_path, load_json(text, url=url, max_depth=max_depth))
    rows = found if isinstance(found, list) else [found]
    return [
        _read_object({name: _search(path, row) for name, path in paths.items()})
        for row in rows
        if row is not None
    ]


def _compile_path(path: str, url: str) -> Any:
    try:
        return jmespath.compile(path)  # which keeps what it has compiled
    except JMESPathError as error:
        raise FeedError(f"found {path!r}, expected JMESPath: {error}", url=url) from error


def _search(path: Any, data: Any) -> Any:
    """What the path finds; None where it asks for what this value cannot give."""
    try:
        return path.search(data, options=_OPTIONS)
    except (JMESPathError, RecursionError):
        return None


def _read_object(values: dict[str, Any]) -> _Row:
    texts = {name: [str(part) for part in _list_scalars(value)] for name, value in values.items()}

    def first(name: str) -> str:
        return next((text for text in texts.get(name, ()) if text.strip()), "")

    return _Row(
        id=first("id").strip(),
        title=read_title(first("title"), markup=None),
        link=first("link"),
        dates=[part for part in _list_scalars(values.get("date")) if part != ""],
        summary=_read_markup(texts.get("summary", [])),
        content=_read_markup(texts.get("content", [])),
        authors=texts.get("author", []),
        categories=texts.get("category", []),
        origin=first("origin"),
        images=texts.get("image", []),
    )


def _list_scalars(value: Any) -> list[str | float]:
    """Texts and numbers, of a list all of them; what else there is says nothing."""
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if type(part) in (str, int, float)]


def _read_markup(texts: list[str]) -> str:
    return "<br>\n".join(
        text.strip() if looks_like_markup(text) else escape_text(text) for text in texts if text
    )


def _find_embedded(text: str, url: str) -> str:
    """The JSON that Next.js leaves in its pages (cnstock.com and cls.cn, 2026)."""
    excess = find_excess(text)
    script = None if excess else LexborTree(text).root.css_first("script#__NEXT_DATA__")
    if script is None:
        raise FeedError(f"found an HTML page, expected JSON; it begins {text[:60]!r}", url=url)
    return script.text()
