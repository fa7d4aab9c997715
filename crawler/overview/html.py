"""Elements of a page. What is put into one is text, never markup, wherever it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import urlsplit

from lxml import etree

Child: TypeAlias = "etree._Element | str | int | Iterable[Child] | None"

# What an HTML document cannot hold, and what is no character at all.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Longer addresses are not made links, longer texts are cut: a page stays a page.
_LONGEST_URL = 1_000
_LONGEST_TEXT = 240
_SHOWN_URL = 64


def tag(name: str, /, *children: Child, **attributes: str | float) -> etree._Element:
    """Makes an element. In the names of attributes ``_`` stands for ``-``, at the end for nothing.

    >>> etree.tostring(tag("td", "<a>", [tag("b", 3), None], class_="x", data_v=1)).decode()
    '<td class="x" data-v="1">&lt;a&gt;<b>3</b></td>'
    """
    element = etree.Element(name)
    for key, value in attributes.items():
        element.set(key.rstrip("_").replace("_", "-"), clean(str(value)))
    _append(element, children)
    return element


def _append(element: etree._Element, children: Iterable[Child]) -> None:
    for child in children:
        if child is None or child == "":
            continue
        if isinstance(child, etree._Element):
            element.append(child)
        elif isinstance(child, str | int):
            text = clean(str(child))
            if len(element):
                element[-1].tail = (element[-1].tail or "") + text
            else:
                element.text = (element.text or "") + text
        else:
            _append(element, child)


def clean(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)


def cut(text: str, length: int = _LONGEST_TEXT) -> str:
    """Gives a text in one line, at most so long.

    >>> cut("a  b\\nc"), cut("abcdef", 4)
    ('a b c', 'abc…')
    """
    text = " ".join(text[: 4 * length].split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def link(url: str, text: str = "") -> etree._Element:
    """Makes a link to a http or https address, which can tell nobody where it was followed from;
    of anything else the text alone, which is the address where there is none."""
    shown = cut(text) or cut(_shorten(url), _SHOWN_URL)
    if not _is_web(url):
        return tag("bdi", shown)
    return tag(
        "a", tag("bdi", shown), href=url, rel="noreferrer noopener nofollow", target="_blank"
    )


def _is_web(url: str) -> bool:
    if len(url) > _LONGEST_URL or _UNFIT.search(url) or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _shorten(url: str) -> str:
    """Gives what an address is known by: without scheme and www."""
    return re.sub(r"^https?://(?:www\.)?", "", url)
