"""What one field of an entry says, whatever format it came in: titles, addresses, people, markup.

Values in, values out; which element or key a field comes from is the readers' business.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin, urlsplit

# How the problem begins that tells of them; where a source's zone is declared it is none.
DATES_WITHOUT_ZONE = "dates without a zone"

# Elements that publishers put into titles and plain-text fields. A closed list, because
# "<ST股>" and "a < b" are words and not markup.
_MARKUP_NAMES = (
    "a|abbr|b|big|blockquote|br|center|cite|code|del|div|em|embed|figure|font|h[1-6]|hr|i|iframe"
    "|img|ins|li|mark|nobr|ol|p|pre|q|ruby|rp|rt|s|script|section|small|span|strike|strong|style"
    "|sub|sup|table|tbody|td|th|tr|tt|u|ul|video|wbr"
)
# Expressions and not a parse, because a title is one line of which only the words are wanted. No
# part of them can match in two ways, and what stands inside a tag cannot hold another "<".
_TAG = re.compile(rf"</?(?:{_MARKUP_NAMES})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<(?:/?[a-zA-Z]|!--)[^<>]*>")
_SCRIPT = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_END_TAG = re.compile(rf"</(?:{_MARKUP_NAMES})\s*>", re.IGNORECASE)
_LONE_TAG = re.compile(r"<(?:br|hr|img|wbr)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BLOCK = re.compile(r"</?(?:br|div|h[1-6]|hr|li|p|td|tr)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
# A line break or control character, with the blanks around it: they indent the XML, not the title.
_BREAKS = re.compile(r" *[\x00-\x1f\x7f-\x9f\u2028\u2029][\x00-\x20\x7f-\x9f\u2028\u2029]*")
_OUTER = "\x00\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u2028\u2029\u3000\ufeff\u200b"


# Longer ones are no titles; the bound keeps the one expression linear that would not be.
_LONGEST_TITLE = 10_000


def squeeze(text: str) -> str:
    """``text`` as one line: runs of blanks and control characters are one blank, none outside.

    Blanks that are characters of their own (U+00A0, U+3000) stay inside, as published.
    """
    if text.isprintable() and "  " not in text:
        return text.strip(_OUTER)
    return _BLANKS.sub(" ", text).strip(_OUTER)


def read_title(text: str, *, markup: bool | None) -> str:
    """The words of a title.

    ``markup`` True: ``text`` is HTML. False: it is text, whatever it looks like. None: the format
    does not say (RSS), and the title is HTML when it holds references or tags of HTML.

    >>> read_title("快讯：<b>A股</b> R&amp;D &lt;ST股&gt;", markup=None)
    '快讯：A股 R&D <ST股>'
    """
    if markup is not False and ("<" in text or "&" in text):
        if "<![CDATA[" in text:  # escaped twice, with the CDATA section inside
            text = text.replace("<![CDATA[", "").replace("]]>", "")
        if "</" in text and len(text) < _LONGEST_TITLE:
            text = _SCRIPT.sub("", text)
        if markup or _END_TAG.search(text):
            text = (_ANY_TAG if markup else _TAG).sub(_replace_tag, text)
        else:
            text = _LONE_TAG.sub(_replace_tag, text)
        text = _REFERENCE.sub(_replace_reference, text)
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)  # blanks within a line stay as published
    return text.strip(_OUTER)


def _replace_tag(match: re.Match[str]) -> str:
    return " " if _BLOCK.match(match[0]) else ""


def _replace_reference(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def looks_like_markup(text: str) -> bool:
    """Whether a text of no stated type is HTML: it holds an end tag or a lone tag of HTML.

    References alone do not count: "R&amp;D" is a word in a text about HTML, and text in HTML.
    """
    return "<" in text and bool(_END_TAG.search(text) or _LONE_TAG.search(text))


def escape_text(text: str) -> str:
    """``text`` as an HTML fragment, line breaks kept."""
    text = text.strip()
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\n", "<br>\n") if "\n" in text else text


def count_visible(fragment: str) -> int:
    """How many characters of a fragment a reader sees, roughly: tags are not counted."""
    return len(_ANY_TAG.sub("", fragment)) if "<" in fragment else len(fragment)


# A plain absolute address, as nearly every feed has it.
_ABSOLUTE = re.compile(r"https?://[^\x00-\x20/?#\\\x7f-\xa0\u3000]++[^\x00-\x20\x7f-\xa0\u3000]*+")
_REMOVED = dict.fromkeys((0x09, 0x0A, 0x0D))
_ENCODED = {ord(char): f"%{ord(char):02X}" for char in ' "<>'}


def read_url(text: str | None, base: str | None) -> str | None:
    """The absolute http(s) address that ``text`` names, None when it names none.

    As browsers do (URL Standard, section 4.4): outer blanks, tabs and line breaks are dropped,
    inner blanks encoded. Nothing else changes.
    """
    if not text:
        return None
    if _ABSOLUTE.fullmatch(text):
        return text if _has_host(text) else None
    text = text.strip(_OUTER).translate(_REMOVED)
    if not text or (not base and not _ABSOLUTE.match(text)):
        return None
    try:
        url = urljoin(base or "", text.translate(_ENCODED))
    except ValueError:
        return None
    if url[:5].lower() in {"http:", "https"}:
        scheme, _, rest = url.partition(":")
        url = f"{scheme.lower()}:{rest}"
    return url if _ABSOLUTE.match(url) and _has_host(url) else None


def _has_host(url: str) -> bool:
    """Whether the standard library agrees that ``url`` can be taken apart and has a host."""
    if url.isascii() and "[" not in url and "@" not in url:
        return True
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


# RSS 2.0: "lawyer@boyer.net (Lawyer Boyer)"; also "Lawyer Boyer (lawyer@boyer.net)" and
# "Lawyer Boyer <lawyer@boyer.net>" are seen.
_MAIL_FIRST = re.compile(r"\S+@\S+\s*\((?P<name>[^()]+)\)")
_MAIL_LAST = re.compile(r"(?P<name>[^()<>@]+?)\s*[(<]\s*[^\s()<>]+@[^\s()<>]+\s*[)>]")


def read_author(text: str) -> str:
    """The name in an author line; the mail address when there is only that."""
    name = squeeze(text)
    if "&" in name:
        name = _REFERENCE.sub(_replace_reference, name)
    # Longer lines are not names, and would make the expressions slow.
    if (
        "@" in name
        and len(name) < 200
        and (match := _MAIL_FIRST.fullmatch(name) or _MAIL_LAST.fullmatch(name))
    ):
        return match["name"].strip()
    return name


_IMAGE_PATH = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|bmp)(?:$|[?#!@])", re.IGNORECASE)


def is_image(url: str, mime: str | None, medium: str | None = None) -> bool:
    """Whether a media file is an image: by its declared type, else by the end of its path."""
    if medium or mime:
        return medium == "image" or bool(mime and mime.lower().startswith("image/"))
    return bool(_IMAGE_PATH.search(url))
