"""The rows of a JSON document, and which of their keys say what. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from crawler.dates import parse_date
from crawler.errors import FeedError
from crawler.feeds.fields import looks_like_markup
from crawler.feeds.paths import compile_path, read_document, search
from crawler.probe.lists import FEWEST_ROWS
from crawler.sources.rules import FeedRule

_MOST_DEPTH = 8
_FEW_ROWS = 3  # fewer say too little about a key without a name
_MOST_ROWS = 20  # of which the fields are looked at
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PAGED = re.compile(r"(?<=[?&])(page|pageNo|page_no|pageNum|pageIndex|page_index|p|pn)=\d+")
_ADDRESS = re.compile(r"(?:https?:)?//[^\s/]+\S*|/\S+/\S*|/\S+\.s?html?")

# Words of key names, the best first.
_NAMES = {
    "title": ("title", "headline", "subject", "livetitle", "newstitle"),
    "link": ("url", "link", "uniqueurl", "shareurl", "weburl", "urlw", "href", "docurl", "uri"),
    "date": (
        "showtime", "publishedat", "pubdate", "publishtime", "displaytime", "date", "ctime",
        "createtime", "inputtime", "time", "datetime", "createdate", "ordertime", "updatetime",
    ),
    "id": ("id", "code", "newsid", "guid", "infocode", "articleid", "docid", "uuid", "liveid"),
    "summary": ("summary", "digest", "brief", "description", "intro", "abstract", "newsnotes"),
    "content": ("content", "contenthtml", "body", "richtext", "text", "fulltext", "livecontent"),
    "origin": ("source", "medianame", "from", "sourcename", "newssource", "media"),
    "author": ("author", "newsauthor", "writer", "reporter"),
    "image": ("image", "thumb", "cover", "pic", "img", "originpic", "images"),
}  # fmt: skip
# Ends of names that say it too: artTitle, Art_ShowTime, contentUrl.
_ENDS = {
    "title": ("title", "headline"),
    "link": ("url", "link"),
    "date": ("time", "date"),
    "id": ("id", "code"),
    "summary": ("summary", "digest", "abstract"),
    "content": ("content", "html", "text"),
}
_PICTURES = re.compile(r"im(?:g|age)|pic|thumb|cover|avatar|icon|logo")
_HEADLINE = range(6, 120)  # characters
_NEWS_AGE = timedelta(days=3650)
_CURSORS = (
    "nextcursor", "next", "cursor", "pagetime", "lasttime", "sortend", "nextid", "lastid", "maxid",
)  # fmt: skip


def propose_json_list(
    text: str, *, url: str, timezone: str, now: datetime | None
) -> FeedRule | None:
    """Gives a rule for the array that looks most like articles; None where there is no JSON with
    such an array."""
    try:
        document = read_document(text, url=url, max_depth=200)
    except FeedError:
        return None
    best: tuple[float, str, dict[str, str]] | None = None
    for path, rows in _walk_arrays(document, "", 0):
        fields = _guess_fields(rows[:_MOST_ROWS], timezone, now)
        if "title" not in fields and "content" not in fields:
            continue
        score = len(rows) ** 0.5 * (2 * ("title" in fields) + len(fields) + ("link" in fields))
        if best is None or score > best[0]:
            best = (score, path or "@", fields)
    if best is None:
        return None
    _, path, fields = best
    cursor = _find_cursor(document, path)
    numbered = _PAGED.sub(r"\1={page}", url)
    rule = FeedRule(
        url=url,
        format="json",
        rows=path,
        next_url=numbered if numbered != url else None,
        cursor={} if numbered != url or not cursor else {"cursor": cursor},
    )
    texts: dict[str, Any] = dict(fields)
    return replace(rule, **texts)


def _walk_arrays(value: Any, path: str, depth: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, dict)]
        if len(rows) >= FEWEST_ROWS or (rows and len(rows) == len(value)):
            yield path, rows
    elif isinstance(value, dict):
        for key, part in value.items():
            name = key if _PLAIN.fullmatch(key) else f'"{key}"'
            if '"' not in key:
                yield from _walk_arrays(part, f"{path}.{name}" if path else name, depth + 1)


def _guess_fields(
    rows: list[dict[str, Any]], timezone: str, now: datetime | None
) -> dict[str, str]:
    """JMESPath by field, for the keys (and those of objects in the row) that say so."""
    paths = _list_paths(rows)
    fields: dict[str, str] = {}
    for name, words in _NAMES.items():
        ranked = []
        for path in paths:
            key = re.sub(r"[^a-z]", "", path.rpartition(".")[2].lower())
            place = _place_name(name, key)
            if place is None or path in fields.values():
                continue
            values = [search(compile_path(path), row) for row in rows]
            if _fits(name, values, timezone, now):
                ranked.append((place >= len(words), path.count("."), place, path))
        if ranked:
            fields[name] = min(ranked)[3]
    for name in ("date", "title"):
        if name not in fields and len(rows) >= _FEW_ROWS:
            found = (
                path
                for path in paths
                if path not in fields.values()
                and _looks_like(
                    name, [search(compile_path(path), row) for row in rows], timezone, now
                )
            )
            if likely := next(found, None):
                fields[name] = likely
    return fields


def _place_name(name: str, key: str) -> int | None:
    """How well a key's name says that it is the field, 0 best; None: it does not."""
    words, ends = _NAMES[name], _ENDS.get(name, ())
    if key in words:
        return words.index(key)
    if name == "link" and _PICTURES.search(key):
        return None
    return next((len(words) + n for n, end in enumerate(ends) if key.endswith(end)), None)


def _looks_like(name: str, values: list[Any], timezone: str, now: datetime | None) -> bool:
    """Tells whether the values themselves say what they are, whatever the key is called."""
    if name == "date":
        dates = [
            parse_date(value, timezone=timezone, now=now)
            for value in values
            if type(value) in (str, int, float)
        ]
        return len(dates) == len(values) and all(
            at is not None and (now is None or abs(now - at) < _NEWS_AGE) for at in dates
        )
    texts = [value for value in values if isinstance(value, str)]
    return (
        len(texts) == len(set(texts)) == len(values)
        and all(len(text) in _HEADLINE and not text.isascii() for text in texts)
        and not any(looks_like_markup(text) or _ADDRESS.match(text) for text in texts)
        and not all(parse_date(text, timezone=timezone, now=now) for text in texts)
    )


def _list_paths(rows: list[dict[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        for key, value in row.items():
            if not _PLAIN.fullmatch(key):
                continue
            found[key] = None
            if isinstance(value, dict):
                found |= {f"{key}.{inner}": None for inner in value if _PLAIN.fullmatch(inner)}
    return list(found)


def _fits(name: str, values: list[Any], timezone: str, now: datetime | None) -> bool:
    """Tells whether most of a key's values are what the field is to hold."""
    given = [value for value in values if value not in (None, "", [], {})]
    if not given or len(given) * 2 < len(values):
        return False
    texts = [value for value in given if isinstance(value, str)]
    if name == "date":
        return all(
            type(value) in (str, int, float)
            and parse_date(value, timezone=timezone, now=now) is not None
            for value in given
        )
    if name == "id":
        scalars = [value for value in given if type(value) in (str, int)]
        return len(scalars) == len(values) == len(set(scalars))
    if name == "image":
        return all(isinstance(value, str) and _ADDRESS.match(value) for value in given)
    if len(texts) < len(given):
        return False
    if name == "link":
        return all(_ADDRESS.match(text) for text in texts)
    if name == "title":
        return all(len(text) <= 200 for text in texts)
    if name == "content":
        return any(len(text) > 60 or looks_like_markup(text) for text in texts)
    return True


def _find_cursor(document: Any, rows: str) -> str | None:
    """A value beside the rows whose name says that the next page begins there."""
    above = rows.rpartition(".")[0]
    for path in dict.fromkeys((above, "")):
        found = search(compile_path(path), document) if path else document
        if not isinstance(found, dict):
            continue
        for name in _CURSORS:
            for key, value in found.items():
                if re.sub(r"[^a-z]", "", key.lower()) == name and type(value) in (str, int):
                    return f"{path}.{key}" if path else key
    return None
