"""Article page -> Article: by the rule of its source, or by what pages have in common.

Takes the bytes of one page and knows nothing of requests. What it gives is what the page says:
texts are tidy, the body is HTML as it stood (form "html"), image addresses are as written. Cleaning
and decoding are the business of ``crawler.normalize``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from crawler.article import Article
from crawler.encoding import decode_text, find_charset
from crawler.errors import NotAPageError, PageError
from crawler.pages.generic import extract_generic
from crawler.pages.rules import Page, extract_by_rules
from crawler.selectors import MAX_ATTRIBUTES, MAX_DEPTH, MAX_PAGE, find_excess
from crawler.sources.rules import PageRule

__all__ = ["Page", "check_is_text", "extract_article", "read_page"]

# What files that sites link to begin with; a label says often enough text/html.
_MAGIC = (
    b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\xd0\xcf\x11\xe0", b"\x1f\x8b",
    b"Rar!", b"7z\xbc\xaf", b"ID3", b"OggS", b"fLaC", b"\x00\x00\x01\x00", b"\x1aE\xdf\xa3",
)  # fmt: skip
# Control characters that no text has; ESC and SO, SI are left out for ISO-2022.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x10-\x1a\x1c-\x1f\x7f]")
_HEAD = 4096


def extract_article(
    data: bytes,
    *,
    url: str,
    rule: PageRule | Sequence[PageRule] | None = None,
    content_type: str | None = None,
    timezone: str = "Asia/Shanghai",
    now: datetime | None = None,
) -> Article:
    """Gives the article of a page: title, body, dates and whatever else its rule names, each empty
    where the page does not say; ``canonical_url`` is ``url``.

    ``content_type`` is the value of the HTTP header. ``timezone`` (an IANA name) is for dates that
    name no zone; ``now`` (aware) is what dates without a year are counted back from, without it
    they are none. Rules are tried in order, the first that fits wins; without any the page is read
    by its structured data and its densest text.

    Raises PageError, and nothing else whatever the bytes: no rule fits (the layout has changed:
    the reason names the selectors), or there is no article to be found.
    """
    check_is_text(data, url=url, content_type=content_type)
    text = decode_text(data, content_type=content_type, kind="html").text
    return read_page(text, url=url, rule=rule, timezone=timezone, now=now).article


def check_is_text(data: bytes, *, url: str = "", content_type: str | None = None) -> None:
    """Raises NotAPageError for bytes that are no text in any charset, whatever their label."""
    head = data[:_HEAD]
    if head.startswith(_MAGIC):
        raise NotAPageError("not a page: a file of another kind", url=url)
    if b"\0" in head:  # UTF-16 and UTF-32 are full of them
        charset = find_charset(data, content_type=content_type, kind="html").name
        if charset.startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
            return
    if len(_CONTROLS.findall(head)) > max(8, len(head) // 200):
        raise NotAPageError("not a page: binary", url=url)


def read_page(
    text: str,
    *,
    url: str,
    rule: PageRule | Sequence[PageRule] | None = None,
    timezone: str = "Asia/Shanghai",
    now: datetime | None = None,
    listed_at: datetime | None = None,
    max_page: int = MAX_PAGE,
    max_depth: int = MAX_DEPTH,
    max_attributes: int = MAX_ATTRIBUTES,
) -> Page:
    """Gives article, rule and further pages of a page that is decoded already.

    ``listed_at`` is the date that the feed tells, for the era of pages that name none. A page over
    ``max_page``, ``max_depth`` or ``max_attributes`` (``find_excess``) is refused with PageError.
    The other arguments and the errors are those of ``extract_article``.
    """
    excess = find_excess(
        text, max_page=max_page, max_depth=max_depth, max_attributes=max_attributes
    )
    if excess:
        raise PageError(excess, url=url)
    rules = (rule,) if isinstance(rule, PageRule) else tuple(rule or ())
    if rules:
        return extract_by_rules(
            text, url=url, rules=rules, timezone=timezone, now=now, listed_at=listed_at
        )
    return Page(extract_generic(text, url=url, timezone=timezone, now=now))
