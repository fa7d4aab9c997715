"""Whether what a feed says of an article is all of it. Pure."""

from __future__ import annotations

import re

from crawler.article import Entry

# RSSHub and its like put the whole article into <description>; a teaser has no markup of its own.
_BLOCK = re.compile(r"<(?:p|div|br|img|table|ul|ol|figure|section|article)\b", re.IGNORECASE)
# What every end of a teaser holds; most texts hold none of it, which is cheaper to see.
_TEASER_SIGNS = ("…", "...", "hellip", "8230", "全文", "更多", "ore", "reading")
_TEASER_END = re.compile(
    r"(?:…|\.\.\.|\[&#8230;\]|&hellip;|阅读全文|查看全文|查看更多"
    r"|[Rr]ead [Mm]ore|[Cc]ontinue reading)"
    r"[\s\]】）)»>→.。]*(?:</?[a-z][^<>]{0,300}>\s*)*\Z"
)
# Characters of markup from which a summary is taken for the article itself.
LONG_SUMMARY = 600


def is_whole(entry: Entry, format: str) -> bool:
    """Tells whether the entry's summary is its full text: in RSS, it has paragraphs or pictures of
    its own or is long, and does not break off. Other formats have a place for the full text, so
    their summary is never it (RFC 4287, 4.2.13; JSON Feed 1.1)."""
    summary = entry.summary
    if not summary or format not in ("rss", "rdf"):
        return False
    end = summary[-500:]
    if any(sign in end for sign in _TEASER_SIGNS) and _TEASER_END.search(end):
        return False
    return len(summary) >= LONG_SUMMARY or _BLOCK.search(summary) is not None
