"""Sources are data: one TOML file each, loaded and checked here.

The shipped ones lie beside this file; a user's own folder is read too, and a file there of the
same name takes a shipped one's place. Every fault is a SourceError that names file and key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError

from crawler.errors import SourceError
from crawler.selectors import SelectorError, compile_selector
from crawler.sources.rules import FeedRule, PageRule, Source

__all__ = ["FeedRule", "PageRule", "Source", "load_sources", "read_source"]

IMAGE_PROXIES = "image-proxies.toml"
# Names of our own spiders, and of the source that holds posts of unknown make.
RESERVED = frozenset(("feed", "posts", "imported"))
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_SLUG = re.compile(r"[a-z0-9._]+")
_SHIPPED = Path(__file__).parent

Check = Callable[[Any], Any]


def load_sources(
    path: Path | str | None = None, *, timezone: str = "Asia/Shanghai"
) -> dict[str, Source]:
    """Gives all sources by name: the shipped ones, then those of the user's folder ``path``.

    ``timezone`` is for those that declare none. Raises SourceError.
    """
    files = {file.stem: file for file in sorted(_SHIPPED.glob("*.toml"))}
    if path is not None:
        folder = Path(path)
        if not folder.is_dir():
            raise SourceError("is not a folder of source files", path=str(folder))
        files |= {
            file.stem: file for file in sorted(folder.glob("*.toml")) if file.name != IMAGE_PROXIES
        }
    sources = {}
    for name, file in files.items():
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot be read: {error}", path=str(file)) from error
        sources[name] = read_source(text, name=name, path=str(file), timezone=timezone)
    return sources


def read_source(text: str, *, name: str, path: str = "", timezone: str = "Asia/Shanghai") -> Source:
    """Gives the source that a TOML text declares. ``path`` stands in the errors' messages."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"is not TOML: {error}", path=path) from error
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise SourceError(
            "the file's name is the source's: lower-case letters, digits, . _ -, "
            f"none of {', '.join(sorted(RESERVED))}",
            path=path,
        )
    values = _read_table(table, _SOURCE_KEYS, path, "")
    values["zone_declared"] = "timezone" in values
    values.setdefault("timezone", timezone)
    feeds = values.pop("feed", [])
    pages = values.pop("page", [])
    if not feeds:
        raise SourceError("expected at least one [[feed]] with a url", path=path, key="feed")
    if "label" not in values:
        raise SourceError("expected the publisher's name", path=path, key="label")
    return Source(
        name=name,
        feeds=tuple(_read_feed(feed, path, f"feed {n}") for n, feed in enumerate(feeds, 1)),
        pages=tuple(_read_page(page, path, f"page {n}") for n, page in enumerate(pages, 1)),
        **({"slug": re.sub(r"[^a-z0-9]+", "", name)} | values),
    )


def _read_feed(table: object, path: str, where: str) -> FeedRule:
    values = _read_table(table, _FEED_KEYS, path, where)
    if "url" not in values:
        raise SourceError("expected the feed's address", path=path, key=f"{where}: url")
    listed = [key for key in _FIELD_KEYS if key in values]
    if listed and "rows" not in values:
        raise SourceError(
            "belongs to a list, which needs rows", path=path, key=f"{where}: {listed[0]}"
        )
    compiled = jmespath.compile if values.get("format") == "json" else compile_selector
    for key in ("rows", *_FIELD_KEYS):
        if key in values:
            try:
                compiled(values[key])
            except (SelectorError, JMESPathError) as error:
                raise SourceError(str(error), path=path, key=f"{where}: {key}") from error
    return FeedRule(**values)


def _read_page(table: object, path: str, where: str) -> PageRule:
    values = _read_table(table, _PAGE_KEYS, path, where)
    if "body" not in values:
        raise SourceError("expected the selector of the text", path=path, key=f"{where}: body")
    for key, value in values.items():
        for selector in value if key == "drop" else (value,):
            if isinstance(selector, str):
                try:
                    compile_selector(selector)
                except SelectorError as error:
                    raise SourceError(str(error), path=path, key=f"{where}: {key}") from error
    return PageRule(**values)


def _read_table(table: object, keys: Mapping[str, Check], path: str, where: str) -> dict[str, Any]:
    prefix = f"{where}: " if where else ""
    if not isinstance(table, dict):
        raise SourceError(f"expected a table, found {table!r}", path=path, key=where)
    values = {}
    for key, value in table.items():
        check = keys.get(key)
        if check is None:
            raise SourceError(
                f"unknown key, expected one of {', '.join(sorted(keys))}",
                path=path,
                key=f"{prefix}{key}",
            )
        try:
            values[key] = check(value)
        except ValueError as error:
            raise SourceError(
                f"expected {error}, found {value!r}", path=path, key=f"{prefix}{key}"
            ) from error
    return values


# ---------------------------------------------------------------- what each key may hold


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value.strip()


def _url(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an absolute http or https address")
    return text


def _slug(value: object) -> str:
    text = _text(value)
    if not _SLUG.fullmatch(text):
        raise ValueError("lower-case Latin letters, digits, dots or underscores")
    return text


def _zone(value: object) -> str:
    text = _text(value)
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("the name of a time zone such as Asia/Shanghai") from error
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("a day such as 2022-12-31, without quotes")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_text(value),)
    if not isinstance(value, list):
        raise ValueError("a list of texts")
    return tuple(map(_text, value))


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("a table of texts")
    return value


def _tables(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("a list of tables, written [[…]]")
    return value


def _one_of(*allowed: str) -> Check:
    def check(value: object) -> str:
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return str(value)

    return check


_SOURCE_KEYS: dict[str, Check] = {
    "label": _text,
    "slug": _slug,
    "section": _text,
    "timezone": _zone,
    "verified": _flag,
    "feed": _tables,
    "page": _tables,
}
_FIELD_KEYS = (
    "id", "title", "link", "date", "summary", "content", "author", "origin", "image", "category",
)  # fmt: skip
_FEED_KEYS: dict[str, Check] = {
    "url": _url,
    "channel": _text,
    "format": _one_of("html", "json"),
    "rows": _text,
    **dict.fromkeys(_FIELD_KEYS, _text),
    "headers": _headers,
    "fulltext": _one_of("auto", "always", "never"),
}
_PAGE_KEYS: dict[str, Check] = {
    **{field.name: _text for field in fields(PageRule)},
    "drop": _texts,
    "since": _day,
    "until": _day,
}


def labels(sources: Iterable[Source]) -> dict[str, str]:
    """Gives the source that a publisher's label stands for: the first one declared."""
    found: dict[str, str] = {}
    for source in sources:
        found.setdefault(source.label, source.name)
    return found
