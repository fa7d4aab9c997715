"""Sources are data: one TOML file each, loaded and checked here.

The shipped ones lie beside this file; a user's own folder is read too, and a file there of the
same name takes a shipped one's place. Every fault is a SourceError that names file and key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from crawler.errors import SourceError
from crawler.selectors import SelectorError, compile_selector
from crawler.sources.rules import AUTO, FeedRule, PageRule, Source

__all__ = ["FeedRule", "PageRule", "Source", "load_sources", "read_source"]

IMAGE_PROXIES = "image-proxies.toml"
# The public instance of RSSHub; a mirror of one's own is NEWS_RSSHUB.
RSSHUB = "https://rsshub.app"
# Names of our own spiders, and of the source that holds posts of unknown make.
RESERVED = frozenset(("feed", "posts", "imported", "harvest"))
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_SLUG = re.compile(r"[a-z0-9._]+")
_SHIPPED = Path(__file__).parent

Check = Callable[[Any], Any]


def load_sources(
    path: Path | str | None = None,
    *,
    timezone: str = "Asia/Shanghai",
    rsshub: str = RSSHUB,
) -> dict[str, Source]:
    """Gives all sources by name: the shipped ones, then those of the user's folder ``path``.

    ``timezone`` is for those that declare none, ``rsshub`` the address of the RSSHub mirror that
    ``{rsshub}`` stands for. Raises SourceError.
    """
    files = {file.stem: file for file in sorted(_SHIPPED.glob("*.toml"), key=_name_of)}
    if path is not None:
        folder = Path(path)
        if not folder.is_dir():
            raise SourceError("is not a folder of source files", path=str(folder))
        files |= {
            file.stem: file
            for file in sorted(folder.glob("*.toml"), key=_name_of)
            if file.name != IMAGE_PROXIES
        }
    sources = {}
    for name, file in files.items():
        try:
            text = file.read_text("utf-8-sig")  # editors on Windows begin files with a BOM
        except UnicodeDecodeError as error:
            raise SourceError(f"expected UTF-8: {error}", path=str(file)) from error
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", path=str(file)) from error
        sources[name] = read_source(
            text, name=name, path=str(file), timezone=timezone, rsshub=rsshub
        )
    return sources


def _name_of(file: Path) -> str:
    """What files are sorted by: stcn comes before stcn-rsshub, and the label they share is its."""
    return file.stem


def read_source(
    text: str,
    *,
    name: str,
    path: str = "",
    timezone: str = "Asia/Shanghai",
    rsshub: str = RSSHUB,
) -> Source:
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
    values = _read_table(table, SOURCE_KEYS, path, "")
    values["zone_declared"] = "timezone" in values
    values.setdefault("timezone", timezone)
    if "delay" in values:
        values["delay_s"] = values.pop("delay")
    feeds = values.pop("feed", [])
    pages = values.pop("page", [])
    if not feeds:
        raise SourceError("expected at least one [[feed]] with a url", path=path, key="feed")
    if "label" not in values:
        raise SourceError("expected the publisher's name", path=path, key="label")
    return Source(
        name=name,
        feeds=tuple(_read_feed(feed, path, f"feed {n}", rsshub) for n, feed in enumerate(feeds, 1)),
        pages=tuple(_read_page(page, path, f"page {n}") for n, page in enumerate(pages, 1)),
        **({"slug": re.sub(r"[^a-z0-9]+", "", name)} | values),
    )


def _read_feed(table: object, path: str, where: str, rsshub: str) -> FeedRule:
    values = _read_table(table, FEED_KEYS, path, where)
    if "url" not in values:
        raise SourceError("expected the feed's address", path=path, key=f"{where}: url")
    for key in ("url", "next_url"):
        if key in values:
            values[key] = values[key].replace("{rsshub}", rsshub.rstrip("/"))
    listed = [key for key in (*_FIELD_KEYS, "skip", "next", "cursor") if key in values]
    if listed and "rows" not in values:
        raise SourceError(
            "belongs to a list, which needs rows", path=path, key=f"{where}: {listed[0]}"
        )
    is_json = values.get("format") == "json"
    cursor = values.get("cursor", {})
    selectors = {
        key: values[key] for key in ("rows", "skip", "next", *_FIELD_KEYS) if key in values
    }
    selectors |= {f"cursor {name}": selector for name, selector in cursor.items()}
    _compile(selectors, is_json=is_json, path=path, where=where)
    _check_names(
        values.get("next_url", ""), {"page", "n", "offset", *cursor}, path, f"{where}: next_url"
    )
    if "next" in values and "next_url" in values:
        raise SourceError("expected next or next_url, found both", path=path, key=f"{where}: next")
    if "cursor" in values and "next_url" not in values:
        raise SourceError("belongs to next_url", path=path, key=f"{where}: cursor")
    unused = [name for name in cursor if f"{{{name}}}" not in values["next_url"]]
    if unused:
        raise SourceError(
            f"expected {{{unused[0]}}} in next_url, found {values['next_url']!r}",
            path=path,
            key=f"{where}: cursor",
        )
    if "pages" in values and "rows" in values and not ("next" in values or "next_url" in values):
        raise SourceError("belongs to next or next_url", path=path, key=f"{where}: pages")
    for key in ("days", "since", "until"):
        if key in values and "{date:" not in values["url"]:
            raise SourceError(
                "belongs to an address with {date:…}", path=path, key=f"{where}: {key}"
            )
    _check_span(values, path, where)
    return FeedRule(**values)


def _read_page(table: object, path: str, where: str) -> PageRule:
    values = _read_table(table, PAGE_KEYS, path, where)
    if "body" not in values:
        raise SourceError(
            f"expected the selector of the text, or {AUTO!r}", path=path, key=f"{where}: body"
        )
    selectors = {key: values[key] for key in _SELECTOR_KEYS if key in values}
    if values["body"] == AUTO:
        del selectors["body"]
    is_json = values.get("format") == "json"
    _compile(selectors, is_json=is_json, path=path, where=where)
    if "caption" in values and compile_selector(values["caption"]).xpath:
        raise SourceError("expected CSS", path=path, key=f"{where}: caption")
    for selector in values.get("drop", ()):
        _compile({"drop": selector}, is_json=False, path=path, where=where)
    _check_names(
        values.get("page_url", ""), {"base", "ext", "page", "n"}, path, f"{where}: page_url"
    )
    if "page_count" in values and "next" in values:
        raise SourceError(
            "expected next or page_count, found both", path=path, key=f"{where}: next"
        )
    if "page_url" in values and "page_count" not in values:
        raise SourceError("belongs to page_count", path=path, key=f"{where}: page_url")
    if "page_count" in values and re.compile(values["page_count"]).groups < 1:
        raise SourceError(
            "expected an expression with a group, as in countPage = (\\d+)",
            path=path,
            key=f"{where}: page_count",
        )
    _check_span(values, path, where)
    return PageRule(**values)


def _check_span(values: Mapping[str, Any], path: str, where: str) -> None:
    since, until = values.get("since"), values.get("until")
    if since and until and since > until:
        raise SourceError(
            f"expected a day not before since ({since}), found {until}",
            path=path,
            key=f"{where}: until",
        )


def _compile(selectors: Mapping[str, str], *, is_json: bool, path: str, where: str) -> None:
    for key, selector in selectors.items():
        try:
            if is_json:
                _check_calls(jmespath.compile(selector).parsed)
            elif compile_selector(selector).attribute is not None and key == "rows":
                raise SelectorError(f"found {selector!r}, expected elements, not what is in them")
        except SelectorError as error:
            raise SourceError(str(error), path=path, key=f"{where}: {key}") from error
        except JMESPathError as error:
            # Its messages have lines that draw an arrow.
            why = str(error).splitlines()[0].removesuffix(", for expression:").rstrip(":")
            raise SourceError(
                f"found {selector!r}, expected JMESPath: {why}", path=path, key=f"{where}: {key}"
            ) from error


# One more than the standard has, see feeds/paths.py.
_FUNCTIONS = {**Functions.FUNCTION_TABLE, "from_json": {"signature": ({},)}}


def _check_calls(node: Any) -> None:
    """Raises JMESPathError for a function that there is not, or with too few or many arguments;
    the library says so only when it meets a row."""
    if not isinstance(node, dict):
        return
    if node["type"] == "function_expression":
        function = _FUNCTIONS.get(node["value"])
        if function is None:
            raise JMESPathError(f"there is no function {node['value']}()")
        wanted, given = len(function["signature"]), len(node["children"])
        many = any(part.get("variadic") for part in function["signature"])
        if given < wanted or (given > wanted and not many):
            raise JMESPathError(f"{node['value']}() takes {wanted} arguments, not {given}")
    for child in node["children"]:
        _check_calls(child)


_BRACED = re.compile(r"\{([^{}]*)\}")


def _check_names(template: str, names: Iterable[str], path: str, key: str) -> None:
    """Raises SourceError when a template asks for a name that it does not get."""
    for name in _BRACED.findall(template):
        if name not in names:
            raise SourceError(
                f"unknown name {{{name}}}, expected "
                + ", ".join(f"{{{known}}}" for known in sorted(names)),
                path=path,
                key=key,
            )


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


_DATE_NAME = re.compile(r"date:((?:%[YmdyjHMS]|[^%{}])+)")


def _url(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text.replace("{rsshub}", RSSHUB))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an absolute http or https address")
    for name in _BRACED.findall(text):
        if name != "rsshub" and not _DATE_NAME.fullmatch(name):
            raise ValueError("an address in which {rsshub} or {date:%Y-%m/%d} may stand")
    return text


def _template(value: object) -> str:
    text = _text(value)
    if not _BRACED.search(text):
        raise ValueError("an address with a name in braces, such as {page}")
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


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
        raise ValueError("a whole number from 1 to 1000")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise ValueError("seconds, from 0 to 3600")
    return float(value)


def _expression(value: object) -> str:
    text = _text(value)
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return text


def _expressions(value: object) -> tuple[str, ...]:
    return tuple(map(_expression, _texts(value)))


def _cursor(value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {"cursor": _text(value)}
    if not isinstance(value, dict) or not value:
        raise ValueError("a selector, or a table of names and selectors")
    return {name: _text(selector) for name, selector in value.items()}


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_text(value),)
    if not isinstance(value, list):
        raise ValueError("a list of texts")
    return tuple(map(_text, value))


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("a table of texts")
    if not all(text.isprintable() for item in value.items() for text in item):
        raise ValueError("headers of one line")
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


SOURCE_KEYS: dict[str, Check] = {
    "label": _text,
    "slug": _slug,
    "section": _text,
    "timezone": _zone,
    "noise": _expressions,
    "delay": _seconds,
    "concurrency": _count,
    "verified": _flag,
    "ended": _day,
    "verify_certificate": _flag,
    "feed": _tables,
    "page": _tables,
}
_FIELD_KEYS = (
    "id", "title", "link", "detail", "date", "updated", "summary", "content", "author", "origin",
    "image", "tags", "stocks",
)  # fmt: skip
FEED_KEYS: dict[str, Check] = {
    "url": _url,
    "channel": _text,
    "format": _one_of("html", "json"),
    "rows": _text,
    "skip": _text,
    **dict.fromkeys(_FIELD_KEYS, _text),
    "headers": _headers,
    "fulltext": _one_of("auto", "always", "never"),
    "next": _text,
    "next_url": _template,
    "cursor": _cursor,
    "pages": _count,
    "days": _count,
    "since": _day,
    "until": _day,
    "seen": _day,
    "verified": _flag,
}
_SELECTOR_KEYS = (
    "body", "title", "subtitle", "published", "updated", "byline", "origin", "editor", "section",
    "channel", "tags", "stocks", "lead", "image", "caption", "gone", "next",
)  # fmt: skip
PAGE_KEYS: dict[str, Check] = {
    **dict.fromkeys(_SELECTOR_KEYS, _text),
    "format": _one_of("html", "json"),
    "drop": _texts,
    "page_count": _expression,
    "page_url": _template,
    "since": _day,
    "until": _day,
    "seen": _day,
    "verified": _flag,
}


def labels(sources: Iterable[Source]) -> dict[str, str]:
    """Gives the source that a publisher's label stands for: the first one declared, but one that
    is not verified only where there is no other."""
    found: dict[str, str] = {}
    for source in sorted(sources, key=lambda source: not source.verified):
        found.setdefault(source.label, source.name)
    return found
