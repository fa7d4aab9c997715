"""What is this document, and how could a source file read it? Bytes in, a finding out. Pure.

For the one who adds a source: what is proposed is a beginning, to be read and corrected. Every
proposal has been tried on the document it was made for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from crawler.article import Article, Feed
from crawler.encoding import decode_text
from crawler.errors import FeedError, NewsError, PageError
from crawler.feeds import parse_feed
from crawler.pages import check_is_text, read_page
from crawler.probe.articles import propose_page
from crawler.probe.json import propose_json_list
from crawler.probe.lists import FEWEST_ROWS, propose_html_list
from crawler.probe.sources import write_source
from crawler.selectors import LexborTree, find_excess
from crawler.sources.rules import FeedRule, PageRule, Source

__all__ = ["Finding", "match_rules", "probe_document", "write_source"]

Kind = Literal["feed", "list", "article", "page with feeds", "unknown"]
# A dated page with at least this much running text is an article, whatever links stand around it.
_ARTICLE_CHARACTERS = 60
_SAMPLE = 40


@dataclass(slots=True)
class Finding:
    """What a document was taken for.

    ``notes`` say why, a line each. ``feed`` holds the entries of a feed or list, ``article`` what a
    page says, ``feed_rule`` and ``page_rule`` are how the document can be read; ``advertised`` are
    the feeds that a page names.
    """

    kind: Kind = "unknown"
    notes: list[str] = field(default_factory=list)
    feed: Feed | None = None
    article: Article | None = None
    feed_rule: FeedRule | None = None
    page_rule: PageRule | None = None
    advertised: list[str] = field(default_factory=list)


def probe_document(
    data: bytes,
    *,
    url: str,
    content_type: str | None = None,
    timezone: str = "Asia/Shanghai",
    now: datetime | None = None,
) -> Finding:
    """Gives what the document is and how it could be read. Never raises but for a wrong zone."""
    try:
        check_is_text(data, url=url, content_type=content_type)
    except PageError as error:
        return Finding(notes=[error.reason])
    finding = Finding()
    failure = ""
    try:
        feed = parse_feed(data, url=url, content_type=content_type, timezone=timezone, now=now)
    except FeedError as error:
        failure = f"not a feed: {error.reason}"
    else:
        if feed.entries:
            return _describe_feed(feed, url)
        finding.advertised = feed.advertised
    text = decode_text(data, content_type=content_type, kind="html").text
    rule = propose_json_list(text, url=url, timezone=timezone, now=now)
    if rule is None and text.lstrip("\ufeff \t\r\n").startswith("<"):
        if excess := find_excess(text):
            finding.notes.append(excess)
            return finding
        rule = propose_html_list(LexborTree(text), url=url, timezone=timezone, now=now)
        _describe_article(finding, text, url, timezone, now)
    if rule is not None:
        listed = parse_feed(
            data, url=url, content_type=content_type, rule=rule, timezone=timezone, now=now
        )
        _describe_list(finding, rule, listed)
    if finding.kind == "unknown" and finding.advertised:
        finding.kind = "page with feeds"
    elif finding.kind == "unknown" and failure:
        finding.notes.append(failure)
    return finding


def _describe_feed(feed: Feed, url: str) -> Finding:
    notes = [f"{feed.format}, {len(feed.entries)} entries, {feed.encoding}"]
    notes += [problem.reason for problem in feed.problems[:5]]
    whole = sum(bool(entry.content) for entry in feed.entries)
    notes.append(f"{whole} entries have their full text")
    return Finding("feed", notes, feed=feed, feed_rule=FeedRule(url=url))


def _describe_list(finding: Finding, rule: FeedRule, listed: Feed) -> None:
    """Takes the document for a list, unless it has a text of its own beside the rows."""
    if rule.format != "json" and finding.article and _is_own(finding.article, listed):
        finding.notes.append(
            f"also holds {len(listed.entries)} rows {rule.rows!r}, taken for recommendations"
        )
        return
    dated = sum(entry.published is not None for entry in listed.entries)
    finding.kind = "list"
    finding.feed, finding.feed_rule = listed, rule
    finding.article = finding.page_rule = None
    finding.notes.append(f"{len(listed.entries)} rows {rule.rows!r}, {dated} with a date")


def _is_own(article: Article, listed: Feed) -> bool:
    """Tells whether the running text is an article's and not that of the rows."""
    text = "".join(_text(article).split())
    if len(text) < _ARTICLE_CHARACTERS or article.published is None:
        return False
    titles = ("".join(entry.title.split()) for entry in listed.entries)
    return sum(title in text for title in titles) < FEWEST_ROWS


def _describe_article(
    finding: Finding, text: str, url: str, timezone: str, now: datetime | None
) -> None:
    try:
        article = read_page(text, url=url, timezone=timezone, now=now).article
    except PageError as error:
        finding.notes.append(error.reason)
        return
    finding.kind = "article"
    finding.article = article
    finding.page_rule = propose_page(text, article, url=url, timezone=timezone, now=now)
    finding.notes.append(f"running text of {_measure(article)} characters")


def _measure(article: Article) -> int:
    top = LexborTree(article.body).root
    return len("".join(top.text().split()))


@dataclass(slots=True)
class Match:
    """What a declared rule makes of the document: which rule, a line for each selector, and whether
    it reads it."""

    source: str
    rule: str
    reads: bool
    lines: list[str]


def match_rules(
    sources: Sequence[Source],
    data: bytes,
    *,
    url: str,
    content_type: str | None = None,
    now: datetime | None = None,
) -> Iterator[Match]:
    """Yields what each rule of the sources makes of the document."""
    text = decode_text(data, content_type=content_type, kind="html").text
    for source in sources:
        for number, feed_rule in enumerate(source.feeds, 1):
            if not feed_rule.rows:
                continue
            name = f"feed {number} ({feed_rule.channel or feed_rule.url})"
            try:
                feed = parse_feed(
                    data,
                    url=url,
                    content_type=content_type,
                    rule=feed_rule,
                    timezone=source.timezone,
                    now=now,
                )
            except NewsError as error:
                yield Match(source.name, name, reads=False, lines=[str(error)])
                continue
            lines = [f"rows {feed_rule.rows!r}: {len(feed.entries)} entries"]
            lines += [problem.reason for problem in feed.problems]
            lines += [f"  {_cut(entry.title)}  {entry.published}" for entry in feed.entries[:3]]
            yield Match(source.name, name, reads=bool(feed.entries), lines=lines)
        for number, page_rule in enumerate(source.pages, 1):
            name = f"page {number}"
            try:
                page = read_page(text, url=url, rule=page_rule, timezone=source.timezone, now=now)
            except PageError as error:
                yield Match(source.name, name, reads=False, lines=[error.reason])
                continue
            yield Match(source.name, name, reads=True, lines=list(_say_fields(page.article)))


def _say_fields(article: Article) -> Iterator[str]:
    for name in (
        "title", "subtitle", "published", "updated", "byline", "origin", "editor", "section",
        "channel", "keywords", "stocks", "lead", "image",
    ):  # fmt: skip
        if value := getattr(article, name):
            yield f"{name}: {_cut(str(value))}"
    yield f"body: {_measure(article)} characters, begins {_cut(_text(article))!r}"


def _text(article: Article) -> str:
    return " ".join(LexborTree(article.body).root.text(separator=" ").split())


def _cut(text: str) -> str:
    return text if len(text) <= _SAMPLE else text[: _SAMPLE - 1] + "…"
