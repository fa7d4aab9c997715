"""A source file to start from, as TOML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from crawler.sources.rules import AUTO, FeedRule, PageRule

_FEED_KEYS = (
    "url", "format", "rows", "skip", "id", "title", "link", "detail", "date", "updated", "summary",
    "content", "author", "origin", "image", "tags", "stocks", "fulltext", "next", "next_url",
)  # fmt: skip
_PAGE_KEYS = (
    "body", "format", "title", "published", "byline", "origin", "drop", "next", "page_count",
)  # fmt: skip
_DEFAULTS = {"fulltext": "auto", "format": None}


def write_source(
    label: str, feed: FeedRule | None, page: PageRule | None, *, url: str, section: str = ""
) -> str:
    """Gives a source file that declares what was found, with words on what is to be looked at."""
    return "\n".join(_write_lines(label, feed, page, url, section)) + "\n"


def _write_lines(
    label: str, feed: FeedRule | None, page: PageRule | None, url: str, section: str
) -> Iterator[str]:
    yield f"# Drafted by scrapy probe {url}: read it, correct it, name it."
    yield f"label = {quote_value(label)}"
    if section:
        yield f"section = {quote_value(section)}"
    yield 'timezone = "Asia/Shanghai"  # of dates that name none'
    yield "[[feed]]"
    if feed is None:
        parts = urlsplit(url)
        home = quote_value(f"{parts.scheme}://{parts.netloc}/")
        yield f"url = {home}  # the list that names the page"
        yield 'rows = "li"'
    else:
        for key in _FEED_KEYS:
            value = getattr(feed, key)
            if value and value != _DEFAULTS.get(key):
                yield f"{key} = {quote_value(value)}"
        for name, selector in feed.cursor.items():
            if feed.next_url:
                yield f"cursor = {quote_value(selector)}"
            else:
                yield f"# cursor = {quote_value(selector)}, for a next_url with {{{name}}}"
        if feed.rows and not feed.date:
            yield "# date = no date was found in the rows"
    if page is not None:
        yield "[[page]]"
        for key in _PAGE_KEYS:
            value = getattr(page, key)
            if value:
                note = "  # found by itself; name the element" if value == AUTO else ""
                yield f"{key} = {quote_value(value)}{note}"


_ESCAPED = re.compile(r'[\\"\x00-\x1f\x7f]')


def quote_value(value: object) -> str:
    """Gives a text, or a list of texts, as TOML has it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(quote_value, value)) + "]"
    text = str(value)
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return (
        '"'
        + _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        .replace("\\u0022", '\\"')
        .replace("\\u005c", "\\\\")
        + '"'
    )
