"""The addresses a body may lead to: http, https and mailto, absolute, fit for any form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote, urljoin

import nh3

ALLOWED_SCHEMES: Final = frozenset({"http", "https", "mailto"})

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_WEB = re.compile(r"(https?):[/\\]*", re.IGNORECASE)
# Nearly every address: an ordinary host name and printable ASCII that needs no encoding.
_ORDINARY = re.compile(
    r"https?://(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?::[0-9]{1,4})?"
    r"(?:[/?#][!#-;=?-\[\]_a-z~]*)?\Z"
)
# White space, controls, direction marks and what delimits an address in HTML, Markdown or template
# code. Browsers encode most of these themselves; "%" is not among them, so twice equals once.
_UNSAFE = re.compile(
    '[\\s\x00-\x20\x7f-\xa0"<>\\\\^`{|}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]'
)
_PATH = re.compile(r"\A[^?#]*")
# Browsers drop these anywhere in an address before they look at its scheme.
_IGNORED = str.maketrans("", "", "\t\n\r")
_EDGES = "".join(map(chr, range(0x21)))

_JUDGE: Final = nh3.Cleaner(
    tags={"a"}, attributes={"a": {"href"}}, url_schemes=set(ALLOWED_SCHEMES), link_rel=None
)


def clean_link(href: str | None, base_url: str | None) -> str | None:
    """Gives the absolute address that a link leads to; None where it leads nowhere we know.

    Relative addresses need a ``base_url``. Image proxies are left as they are.
    """
    href = (href or "").strip(_EDGES)
    if _is_ordinary(href):
        return href
    href = href.translate(_IGNORED)
    if not _SCHEME.match(href):
        if href.startswith("//"):
            href = "https:" + href
        elif href and base_url:
            try:
                href = urljoin(base_url, href)
            except ValueError:  # a bracket without an IPv6 address
                return None
        else:
            return None
    if href[:7].lower() == "mailto:":
        return "mailto:" + _quote(href[7:]) if len(href) > 7 else None
    return clean_web_url(href)


def clean_web_url(url: str) -> str | None:
    """Gives an http or https address with unsafe characters encoded; None for any other."""
    if _is_ordinary(url):
        return url
    web = _WEB.match(url)
    if web is None:
        return None
    rest = url[web.end() :]
    if "\\" in rest:  # browsers read them as slashes
        rest = _PATH.sub(lambda path: path[0].replace("\\", "/"), rest, count=1)
    url = f"{web[1].lower()}://{_quote(rest)}"
    # What the sanitiser cannot parse, it would drop later, and then the forms would differ.
    return url if "href" in _JUDGE.clean(f'<a href="{escape(url)}"></a>') else None


def plain_src(attributes: Mapping[str, str | None]) -> str | None:
    """Gives the ``src`` of an image when it is an absolute http or https address."""
    src = (attributes.get("src") or "").strip(_EDGES).translate(_IGNORED)
    return clean_web_url("https:" + src if src.startswith("//") else src)


def _is_ordinary(url: str) -> bool:
    return _ORDINARY.match(url) is not None and "xn--" not in url


def _quote(url: str) -> str:
    return _UNSAFE.sub(lambda unsafe: quote(unsafe[0], safe=""), url)
