"""What stands in one text element, as an HTML fragment or as plain words.

Knows the ways to put a text into XML: as text, as escaped HTML, as XHTML children, as base64, and
the mixtures of them that publishers send. Which elements are texts is the readers' business.
"""

from __future__ import annotations

import base64
import binascii
import html

from lxml import etree

from crawler.feeds.fields import escape_text, looks_like_markup, read_title

Element = etree._Element

_TEXT_TYPES = frozenset({"text", "text/plain", "plain"})
_HTML_TYPES = frozenset({"html", "text/html"})
_VOID = frozenset(  # HTML, section 13.1.2
    "area base br col embed hr img input link meta param source track wbr".split()
)


def read_fragment(element: Element, *, markup: bool) -> str | None:
    """The HTML fragment an element holds, None when it holds nothing.

    ``markup`` says what its text is when the element states no type: HTML, or text that is taken
    for HTML only when it has tags of HTML (publishers forget the type, and then escape HTML).
    Types are those of RFC 4287, section 3.1 and 4.1.3, and of Atom 0.3.
    """
    if len(element):
        return _read_children(element)
    text = element.text
    if not text:
        return None
    if not element.keys() or not _states_type(element):
        if markup or looks_like_markup(text):
            return text.strip() or None
        return escape_text(text) or None
    kind = element.get("type", "text").lower().partition(";")[0].strip()
    encoded = _is_base64(element, kind)
    if encoded:
        text = _decode_base64(text)
    if kind in _HTML_TYPES or (encoded and looks_like_markup(text)):
        return text.strip() or None
    if kind.startswith(("image/", "audio/", "video/")):
        return None
    return escape_text(text) or None


def read_words(element: Element, *, atom: bool) -> str:
    """The plain text of a title. ``atom``: a missing type means text and not "who knows"."""
    if len(element):
        return read_title(_read_children(element) or "", markup=True)
    text = element.text
    if not text:
        return ""
    if not element.keys() or not _states_type(element):
        markup = False if atom and not looks_like_markup(text) else None
        return read_title(text, markup=markup)
    kind = element.get("type", "text").lower().partition(";")[0].strip()
    if _is_base64(element, kind):
        text = _decode_base64(text)
    if kind in _HTML_TYPES:
        return read_title(text, markup=True)
    return read_title(text, markup=False if atom else None)


def _states_type(element: Element) -> bool:
    return element.get("type") is not None or element.get("mode") is not None


def _is_base64(element: Element, kind: str) -> bool:
    """Whether the text is base64: declared (Atom 0.3), or some media type (RFC 4287, 4.1.3.3)."""
    if element.get("mode") == "base64":
        return True
    if "/" not in kind or kind.startswith("text/"):
        return False
    return not kind.endswith(("+xml", "/xml"))


def _decode_base64(text: str) -> str:
    """Nothing when the text is no base64, or something else than text is in it."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _read_children(element: Element) -> str | None:
    """The markup inside an element, as HTML without namespaces.

    Atom's required div is not part of the content (RFC 4287, section 3.1.1.3). Text that is
    escaped HTML by itself, next to children or in a div around it (TypePad), is markup, too.
    """
    stated = element.get("type")
    escaped = stated is None or stated in _HTML_TYPES
    first = element[0]
    if (
        stated is not None
        and len(element) == 1
        and _local_name(first) == "div"
        and not (element.text or "").strip()
        and not (first.tail or "").strip()
    ):
        element = first
    pieces: list[str] = []

    def add_text(text: str | None) -> None:
        if text:
            markup = escaped and looks_like_markup(text)
            pieces.append(text if markup else html.escape(text, quote=False))

    for event, node in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            if node is not element:
                pieces.append(_open_tag(node))
            add_text(node.text)
        elif node is not element:
            name = _local_name(node)
            if name not in _VOID:
                pieces.append(f"</{name}>")
            add_text(node.tail)
    return "".join(pieces).strip() or None


def _open_tag(node: Element) -> str:
    attributes = "".join(
        f' {key.rpartition("}")[2]}="{html.escape(value)}"' for key, value in node.items()
    )
    return f"<{_local_name(node)}{attributes}>"


def _local_name(node: Element) -> str:
    return str(node.tag).rpartition("}")[2]
