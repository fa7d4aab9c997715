"""Values out of JSON by JMESPath, for lists and for pages that are JSON.

JSON may come as ``callback({…})``, as ``var x = {…};`` or in the ``script#__NEXT_DATA__`` of a
page. JMESPath knows one function more than its standard: ``from_json(text)`` for JSON in a string.
"""

from __future__ import annotations

import json
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

from crawler.errors import FeedError
from crawler.feeds.fields import escape_text, looks_like_markup
from crawler.feeds.json import load_json
from crawler.selectors import LexborTree, find_excess


class _Functions(Functions):  # type: ignore[misc]
    @signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_from_json(self, text: str | None) -> Any:
        """JSON inside a string (``ext`` in the feed of zhibo.sina.com.cn); null for other text."""
        try:
            return json.loads(text or "null", strict=False)
        except (ValueError, RecursionError):
            return None


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def read_document(text: str, *, url: str, max_depth: int) -> Any:
    """Gives the JSON of a document, out of whatever it is wrapped in. Raises FeedError."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        text = _find_embedded(text, url)
    return load_json(text, url=url, max_depth=max_depth)


def compile_path(path: str, *, url: str = "") -> Any:
    """Gives the compiled JMESPath. Raises FeedError."""
    try:
        return jmespath.compile(path)  # which keeps what it has compiled
    except JMESPathError as error:
        raise FeedError(f"found {path!r}, expected JMESPath: {error}", url=url) from error


def search(path: Any, data: Any) -> Any:
    """Gives what the path finds; None where it asks for what this value cannot give."""
    try:
        return path.search(data, options=_OPTIONS)
    except (JMESPathError, RecursionError):
        return None


def is_true(value: Any) -> bool:
    """Tells whether a value says yes. JMESPath has no zero that is false, and interfaces write
    "0"."""
    return value not in (None, False, 0, "0", "", [], {}, "false")


def list_scalars(value: Any) -> list[str | float]:
    """Gives texts and numbers, of a list all of them; what else there is says nothing."""
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if type(part) in (str, int, float)]


def list_texts(value: Any) -> list[str]:
    return [str(part) for part in list_scalars(value)]


def join_markup(texts: list[str]) -> str:
    """Gives texts, each HTML or plain, as one HTML fragment; a plain line is a paragraph."""
    return "<br>\n".join(
        text.strip() if looks_like_markup(text) else _escape_lines(text) for text in texts if text
    )


def _escape_lines(text: str) -> str:
    if "\n" not in text.strip():
        return escape_text(text)
    lines = (escape_text(line) for line in text.splitlines() if line.strip())
    return "".join(f"<p>{line}</p>" for line in lines)


def _find_embedded(text: str, url: str) -> str:
    """The JSON that Next.js leaves in its pages (cnstock.com and cls.cn, 2026)."""
    excess = find_excess(text)
    script = None if excess else LexborTree(text).root.css_first("script#__NEXT_DATA__")
    if script is None:
        raise FeedError(f"found an HTML page, expected JSON; it begins {text[:60]!r}", url=url)
    return script.text()
