"""JSON Feed 1.0 and 1.1 to entries, and JSON out of its wrappers. Other JSON needs a rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from itertools import islice

from crawler.article import Enclosure, Entry, Feed, Problem
from crawler.dates import read_date
from crawler.errors import FeedError, LimitError
from crawler.feeds.fields import (
    DATES_WITHOUT_ZONE,
    escape_text,
    is_image,
    looks_like_markup,
    read_author,
    read_title,
    read_url,
    squeeze,
)

# How far into a document its JSON may begin: wrappers are a name, an assignment, a comment.
_WRAPPER_CHARS = 1_000
# How many damaged places are stepped over before the rest counts as lost.
_MAX_DAMAGES = 1_000

_NEXT_OBJECT = re.compile(r"\s*+(?=\{)")
# How many values and containers a document may have, and the texts among them. Python takes 60 to
# 190 bytes for each; a feed of NEWS_MAX_ENTRIES short entries has half as many.
_MAX_PARTS = 2_000_000
_PART = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{\[,]', re.DOTALL)

_OPENING = re.compile(r"[{\[]")
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ITEMS = re.compile(r'"items"\s*+:\s*+\[')
_BETWEEN_OBJECTS = re.compile(r"\}\s*+,\s*+(?=\{)")
_TEXTS = frozenset({"id", "title", "content_html", "content_text", "summary"})


def load_json(text: str, *, url: str, max_depth: int) -> object:
    """The value in a JSON document, bare or wrapped: ``callback({…})``, ``var x = {…};``. Of
    objects one after the other (NDJSON) the list.

    Lone surrogates become U+FFFD. Raises FeedError when there is no JSON, LimitError when it has
    more than ``max_depth`` levels or more values than there is memory for.
    """
    _check_size(text, url)
    try:
        value = _load(text)
    except ValueError as error:
        raise FeedError(f"no JSON that can be read: {error}", url=url) from error
    except RecursionError as error:
        raise _too_deep(url, max_depth) from error
    _check_depth(value, url, max_depth)
    return _scrub(value) if _LONE_SURROGATE.search(text) else value


def _check_size(text: str, url: str) -> None:
    """Raises LimitError before a tree of millions of values is built, which no bytes bound."""
    if sum(map(text.count, "{[,")) <= _MAX_PARTS:
        return  # most documents; where texts are full of commas, a second look
    parts = (match for match in _PART.finditer(text) if match[0][0] != '"')
    if next(islice(parts, _MAX_PARTS, None), None) is not None:
        raise LimitError(f"more than {_MAX_PARTS} values of JSON (NEWS_MAX_ENTRIES)", url=url)


def _load(text: str) -> object:
    text = text.lstrip("\ufeff \t\r\n")
    decoder = json.JSONDecoder(strict=False)
    if text[:1] in {"{", "["}:
        value, end = decoder.raw_decode(text)
        values = [value]
        while text[0] == "{" and (next_one := _NEXT_OBJECT.match(text, end)):
            value, end = decoder.raw_decode(text, next_one.end())
            values.append(value)
        return values if len(values) > 1 else value
    failure: ValueError | None = None
    for match in _OPENING.finditer(text, 0, _WRAPPER_CHARS):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except ValueError as error:
            failure = failure or error
            continue
        if isinstance(value, dict) or any(map(_is_container, value)):
            return value
    raise failure or ValueError("neither an object nor a list in it")


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list))


def _check_depth(value: object, url: str, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        level = [
            part
            for holder in level
            for part in (holder.values() if isinstance(holder, dict) else holder)  # type: ignore[attr-defined]
            if type(part) is dict or type(part) is list
        ]
        if not level:
            return
    raise _too_deep(url, max_depth)


def _too_deep(url: str, max_depth: int) -> LimitError:
    return LimitError(f"more than {max_depth} levels of JSON (NEWS_MAX_DEPTH)", url=url)


def _scrub(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_scrub(part) for part in value]
    if isinstance(value, dict):
        return {str(_scrub(key)): _scrub(part) for key, part in value.items()}
    return value


def read_json_feed(
    text: str,
    *,
    url: str,
    zone: tzinfo,
    now: datetime | None,
    max_entries: int,
    max_depth: int,
) -> Feed:
    """A JSON Feed (jsonfeed.org/version/1.1); of a damaged one, the items that are whole.

    Raises FeedError when the document is no JSON Feed, LimitError when it is over a bound.
    """
    feed = Feed("json")
    try:
        document = load_json(text, url=url, max_depth=max_depth)
    except LimitError:
        raise
    except FeedError as error:
        document = _salvage(text, feed)
        if document is None:
            raise
        feed.problems.insert(0, Problem(f"damaged: {error.reason}"))
        _check_depth(document, url, max_depth)
        document = _scrub(document)
    if not isinstance(document, dict) or not _is_json_feed(document):
        reason = "JSON that is no JSON Feed: a list of items needs a rule with rows"
        raise FeedError(reason, url=url)
    items = [item for item in _list(document.get("items")) if isinstance(item, dict)]
    if len(items) > max_entries:
        raise LimitError(f"more than {max_entries} entries (NEWS_MAX_ENTRIES)", url=url)
    feed.title = squeeze(_text(document.get("title")))
    feed.link = read_url(_text(document.get("home_page_url")), url)
    feed.language = _text(document.get("language")).strip() or None
    following = read_url(_text(document.get("next_url")), url)
    feed.next_urls = [following] if following else []
    unzoned = 0
    for item in items:
        entry = _read_item(item, url)
        for key in ("date_published", "date_modified"):
            stated = item.get(key)
            if stated in (None, "") or isinstance(stated, bool):
                continue
            text = stated if isinstance(stated, str) else repr(stated)
            if not isinstance(stated, (str, int, float)):
                continue
            found = read_date(stated, timezone=zone, now=now)
            if found.at is None:
                feed.problems.append(
                    Problem(f"date cannot be read: {text[:80]!r}", len(feed.entries))
                )
                entry.date_text = entry.date_text or text
            else:
                unzoned += not found.named_zone
            if key == "date_published":
                entry.published = found.at
            else:
                entry.updated = found.at
        if entry.published is not None:
            entry.date_text = None
        entry.language = entry.language or feed.language
        feed.entries.append(entry)
    if unzoned:
        feed.problems.append(Problem(f"{DATES_WITHOUT_ZONE}: {unzoned}, read in {zone}"))
    return feed


def _is_json_feed(document: dict[str, object]) -> bool:
    if "jsonfeed.org" in _text(document.get("version")):
        return True
    items = _list(document.get("items"))
    return any(
        isinstance(item, dict) and ("content_html" in item or "content_text" in item)
        for item in items
    )


def _read_item(item: dict[str, object], url: str) -> Entry:
    entry = Entry(base_url=url)
    entry.id = _text(item.get("id")).strip() or None
    entry.link = (
        read_url(_text(item.get("url")), url)
        or read_url(_text(item.get("external_url")), url)
        or read_url(entry.id, None)
    )
    entry.title = read_title(_text(item.get("title")), markup=None)
    entry.content = (
        _text(item.get("content_html")).strip() or escape_text(_text(item.get("content_text")))
    ) or None
    entry.summary = _read_summary(_text(item.get("summary")))
    entry.authors = _read_authors(item)
    entry.categories = list(
        dict.fromkeys(word for tag in _list(item.get("tags")) if (word := squeeze(_text(tag))))
    )
    for key in ("image", "banner_image"):
        _add_image(entry, read_url(_text(item.get(key)), url))
    for attachment in _list(item.get("attachments")):
        if isinstance(attachment, dict) and (
            address := read_url(_text(attachment.get("url")), url)
        ):
            mime = _text(attachment.get("mime_type")).strip()
            entry.enclosures.append(Enclosure(address, mime))
            if is_image(address, mime):
                _add_image(entry, address)
    entry.language = _text(item.get("language")).strip() or None
    return entry


def _read_summary(text: str) -> str | None:
    return (text.strip() if looks_like_markup(text) else escape_text(text)) or None


def _read_authors(item: dict[str, object]) -> list[str]:
    """Version 1.1 has a list of authors, 1.0 one author; both have objects with a name."""
    people: Iterable[object] = [*_list(item.get("authors")), item.get("author")]
    names = (
        read_author(_text(person.get("name")) if isinstance(person, dict) else _text(person))
        for person in people
    )
    return list(dict.fromkeys(name for name in names if name))


def _add_image(entry: Entry, address: str | None) -> None:
    if address and address not in entry.images:
        entry.images.append(address)


def _text(value: object) -> str:
    """A JSON value as text: strings and numbers (ids are often numbers), else nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


# --- damaged documents ---


def _salvage(text: str, feed: Feed) -> dict[str, object] | None:
    """A damaged JSON Feed with the items that are whole; None when it has no list of items."""
    opening = _ITEMS.search(text)
    if opening is None:
        return None
    try:
        head = json.loads(text[text.find("{") : opening.end()] + "]}", strict=False)
    except (ValueError, RecursionError):
        head = {}
    document: dict[str, object] = head if isinstance(head, dict) else {}
    document.setdefault("version", "jsonfeed.org")
    items: list[object] = []
    decoder = json.JSONDecoder(strict=False)
    position = opening.end()
    lost = attempts = 0
    in_step = True
    feed.cut = True
    while attempts < _MAX_DAMAGES:
        position = _skip(text, position)
        if in_step and text[position : position + 1] == "]":
            feed.cut = False
            break
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            value = None
            attempts += 1
            lost += in_step
            in_step = False
        # Stepping into a damaged item can lead to one of its authors or attachments.
        if isinstance(value, dict) and "mime_type" not in value and not _TEXTS.isdisjoint(value):
            items.append(value)
            in_step = True
        elif not in_step:
            boundary = _BETWEEN_OBJECTS.search(text, position)
            if boundary is None:
                break
            position = boundary.end()
    if lost:
        feed.problems.append(Problem(f"damaged items: {lost}, left out"))
    document["items"] = items
    return document


_FILLING = re.compile(r"[\s,]*+")


def _skip(text: str, position: int) -> int:
    match = _FILLING.match(text, position)
    return match.end() if match else position
