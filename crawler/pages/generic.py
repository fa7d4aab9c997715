"""Pages without a rule: what they say about themselves, and where their densest text stands.

Good enough not to fail on a page nobody described; a source that matters deserves a rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from html import escape, unescape
from typing import Any

from crawler.article import Article
from crawler.bylines import clean_byline, clean_origin
from crawler.errors import PageError
from crawler.markup.blocks import squeeze
from crawler.pages.density import find_body
from crawler.pages.values import find_date, find_dates
from crawler.selectors import LexborTree, visible_texts


def extract_generic(text: str, *, url: str, timezone: str, now: datetime | None) -> Article:
    """Gives the article of a page that no rule describes. Raises PageError when there is none."""
    tree = LexborTree(text)
    facts = _read_facts(tree)
    seen = " ".join("".join(visible_texts(tree.root)).split())
    title = _find_title(tree, facts, seen)
    head = _read_head(seen, title)
    published = _find_published(tree, facts, head, timezone, now)
    body = find_body(tree, title) or _find_declared_body(tree, facts)
    if not body:
        raise PageError("no article found: no running text and no articleBody", url=url)
    return Article(
        title=title,
        body=body,
        published=published,
        updated=_find_updated(facts, published, timezone, now),
        byline=_find_byline(facts, head),
        origin=_find_origin(facts, head),
        image=_find_image(facts),
        canonical_url=url or None,
    )


def complete_title(text: str, cut: str) -> str:
    """Returns the page's headline where it begins as ``cut`` does, a title that a list has cut
    and that ends with dots; "" where it is another."""
    tree = LexborTree(text)
    seen = " ".join("".join(visible_texts(tree.root)).split())
    title = _find_title(tree, _read_facts(tree), seen)
    begun = "".join(cut.rstrip(".… ").split())
    return title if begun and "".join(title.split()).startswith(begun) else ""


# ------------------------------------------------------------------ what the page says of itself

_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report)\Z")
_MOST_PARTS = 500  # objects and lists of structured data that are looked at


@dataclass(slots=True)
class _Facts:
    """``meta``: content by lower-case property, name or itemprop, the first of each. ``data``: what
    the JSON-LD objects of the article hold, {} without any."""

    meta: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    def first(self, *names: str) -> str:
        return next((self.meta[name] for name in names if self.meta.get(name)), "")


def _read_facts(tree: LexborTree) -> _Facts:
    facts = _Facts()
    for node in tree.root.css("meta[content]"):
        attributes = node.attributes
        name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop")
        if name:
            facts.meta.setdefault(name.strip().lower(), tree.read(node, "content"))
    for node in tree.root.css('script[type*="ld+json" i]'):
        for found in _walk_json(_load_json(node.text())):
            if _is_article(found):
                facts.data = found | facts.data  # the first object's word counts
    return facts


def _load_json(text: str) -> Any:
    try:
        return json.loads(text.strip("; \t\r\n"), strict=False)
    except (ValueError, RecursionError):
        return None


def _walk_json(data: Any) -> Iterator[dict[str, Any]]:
    """The objects in lists and graphs, in order."""
    waiting = [data]
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, list):
            waiting += reversed(part[:_MOST_PARTS])
        elif isinstance(part, dict):
            yield part
            waiting += [part[key] for key in ("mainEntity", "@graph") if key in part]


def _is_article(data: Mapping[str, Any]) -> bool:
    kinds = data.get("@type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if isinstance(kind, str) and _ARTICLE_TYPE.search(kind):
            return True
    context = data.get("@context")  # Baidu's own: title, pubDate, upDate, images
    return isinstance(context, str) and "cambrian" in context


def _list_texts(value: Any, key: str = "name", depth: int = 3) -> list[str]:
    """The texts in a value that may be a text, an object with ``key``, or a list of these."""
    if isinstance(value, str):
        text = unescape(value.encode("utf-8", "ignore").decode())  # JSON can hold half a character
        return [text] if (text := squeeze(text).strip()) else []
    if isinstance(value, dict) and depth:
        return _list_texts(value.get(key), key, depth - 1)
    if isinstance(value, list) and depth:
        return [text for part in value[:20] for text in _list_texts(part, key, depth - 1)]
    return []


def _find_declared_body(tree: LexborTree, facts: _Facts) -> str:
    """The text that structured data or markup calls the article's; "" without any."""
    said = facts.data.get("articleBody")
    if isinstance(said, str):
        text = said.encode("utf-8", "ignore").decode()
        lines = (line.strip() for line in text.splitlines())
        if body := "".join(f"<p>{escape(line)}</p>" for line in lines if line):
            return body
    for node in tree.root.css("[itemprop=articleBody], article")[:10]:
        if tree.shows(node):
            return tree.html(node)
    return ""


# -------------------------------------------------------------------- title, dates and names

# What parts a title from the site's name; by expression, for a title is a line.
_SITE = re.compile(
    r"\s*[_|｜]+\s*|\s+[-–—·•»]+\s+|\s*--+\s*"
    r"|-(?=[^-]{1,20}(?:网|報|报|社|财经|新闻|频道|在线|资讯)\Z)"
)
_NOISE = re.compile(r"[\s\"'“”‘’]+")
_LONGEST_SITE = 30  # characters
_SHORTEST_TITLE = 4


def _find_title(tree: LexborTree, facts: _Facts, seen: str) -> str:
    """The heading that the page's own title begins with, else that title without the site.

    ``seen`` is the visible text of the page, in one line.
    """
    page_title = tree.root.css_first("title")
    declared = [
        *_list_texts(facts.data.get("headline") or facts.data.get("title")),
        facts.first("og:title", "twitter:title"),
        tree.read(page_title, "") if page_title is not None else "",
    ]
    declared = [text for text in declared if text]
    wholes = [_NOISE.sub("", text) for text in declared]
    headings = [tree.read(node, "") for node in tree.root.css("h1, h2, h3")[:50]]
    found, longest = "", _SHORTEST_TITLE - 1
    for heading in headings:
        plain = _NOISE.sub("", heading)
        if len(plain) > longest and any(
            whole.startswith(plain) or (plain in whole and 2 * len(plain) > len(whole))
            for whole in wholes
        ):
            found, longest = heading, len(plain)
    if found or not declared:
        return found or next(filter(None, headings), "")
    title = _cut_site(declared[0], facts.first("og:site_name"))
    shown, _, site = title.rpartition(" ")
    if len(site) < len(shown) and shown in seen and title not in seen:
        return shown
    return title


def _cut_site(title: str, site: str) -> str:
    """The title without the name of the site behind it."""
    for part in reversed(list(_SITE.finditer(title))):
        rest, last = title[: part.start()], title[part.end() :]
        is_site = len(last) <= min(_LONGEST_SITE, len(rest)) and len(rest) >= _SHORTEST_TITLE
        if not is_site and last != site:
            break
        title = rest
    return title


_HEAD = 600  # characters of visible text after the title in which date and names stand
_BEFORE = 200  # likewise before it
_MOST_TITLES = 20  # places where the title is looked for
_TITLE_START = 12  # characters; so much of it stands there when the declared one is longer


@dataclass(slots=True)
class _Head:
    """Visible text around the title."""

    after: str = ""
    before: str = ""


def _read_head(seen: str, title: str) -> _Head:
    """What stands around the title, with a date if one of the places where it stands has one."""
    title = " ".join(title.split())
    if title not in seen:
        title = title[:_TITLE_START]
    head, at = _Head(), -1
    for _ in range(_MOST_TITLES):
        at = seen.find(title, at + 1)
        if at < 0:
            break
        end = at + len(title)
        head = _Head(seen[end : end + _HEAD], seen[max(0, at - _BEFORE) : at])
        if any(find_dates(head.after, timezone="UTC")) or any(
            find_dates(head.before, timezone="UTC")
        ):
            break
    return head


_PUBLISHED = (
    "article:published_time bytedance:published_time og:published_time datepublished pubdate "
    "publishdate publish_date publish-date publish_time publishtime published_time _pubtime "
    "weibo:article:create_at og:release_date dc.date.issued dcterms.created dc.date apub:time "
    "firstpublished sailthru.date parsely-pub-date article_date_original date"
).split()
_UPDATED = (
    "article:modified_time bytedance:updated_time og:updated_time datemodified lastmodified "
    "last-modified weibo:article:update_at"
).split()


def _find_published(
    tree: LexborTree, facts: _Facts, head: _Head, timezone: str, now: datetime | None
) -> datetime | None:
    """The date in the structured data, made exact by the one a reader sees; else the latter."""
    said = [facts.data.get("datePublished") or facts.data.get("pubDate")]
    said += [facts.first(name) for name in _PUBLISHED]
    for node in tree.root.css("[itemprop=datePublished], time")[:5]:
        said += [tree.read(node, name) for name in ("content", "datetime", "")]
    declared = _first_date(said, timezone, now)
    after = list(find_dates(head.after, timezone=timezone))
    before = list(find_dates(head.before, timezone=timezone))
    exact = [at for at in after + before if at.time() != time()]
    if declared is None:
        # A day without an hour, far behind the title, stands in the text.
        days = [*find_dates(head.after[:_NEAR], timezone=timezone), *before]
        return next(iter(exact or days), None)
    for at in exact:
        # A date alone is midnight; many pages write their own time with a "Z", or when they saved.
        same_day = declared.time() == time() and at.date() == declared.date()
        same_clock = abs(at.replace(tzinfo=None) - declared.replace(tzinfo=None)) < _MINUTE
        if abs(at - declared) < _MINUTE:
            break
        if same_day or same_clock or abs(at - declared) < _SAVING:
            return at
    return declared


_NEAR = 150  # characters
_MINUTE = timedelta(minutes=1)
_SAVING = timedelta(hours=1)


def _find_updated(
    facts: _Facts, published: datetime | None, timezone: str, now: datetime | None
) -> datetime | None:
    said = [facts.data.get("dateModified") or facts.data.get("upDate")]
    said += [facts.first(name) for name in _UPDATED]
    at = _first_date(said, timezone, now)
    return at if at and (published is None or at > published) else None


def _first_date(texts: list[Any], timezone: str, now: datetime | None) -> datetime | None:
    for text in texts:
        if isinstance(text, str):
            at = find_date(text, timezone=timezone, now=now)
            if at is not None:
                return at
    return None


# Names as they stand in a line with others. By expression: it is running text, of bounded length.
_NAME_END = r"(?=作者|记者|责编|编辑|责任编辑|来源|\d{4}|[\s|]|\Z)"
_BYLINE = re.compile(
    rf"(?:作者|记者|撰文|撰稿)(?:\s{{0,3}}[:\uff1a/|]\s{{0,3}}|\s)[^\s|]{{2,20}}?{_NAME_END}"
)
_ORIGIN = re.compile(
    rf"(?:来源|來源|出处|稿源)\s{{0,3}}[:\uff1a]\s{{0,3}}[^\s|]{{2,30}}?{_NAME_END}"
)


def _find_byline(facts: _Facts, head: _Head) -> str | None:
    shown = _BYLINE.search(head.after[:_NEAR]) or _BYLINE.search(head.before)
    said = [shown[0]] if shown else []
    said.append("、".join(_list_texts(facts.data.get("author"))))
    said.append(facts.first("author", "article:author", "byl"))
    names = (clean_byline(text) for text in said if text and "://" not in text)
    return next(filter(None, names), None)


def _find_origin(facts: _Facts, head: _Head) -> str | None:
    shown = _ORIGIN.search(head.after[:_NEAR]) or _ORIGIN.search(head.before)
    said = [shown[0]] if shown else []
    said.append(facts.first("source", "mediaid", "article:source", "contentsource"))
    publisher = "".join(_list_texts(facts.data.get("publisher"))[:1])
    if publisher != facts.first("og:site_name"):
        said.append(publisher)
    return next(filter(None, (clean_origin(text) for text in said if text)), None)


def _find_image(facts: _Facts) -> str | None:
    said = _list_texts(facts.data.get("image") or facts.data.get("images"), "url")
    said.append(facts.first("og:image", "twitter:image", "image"))
    return next(filter(None, said), None)
