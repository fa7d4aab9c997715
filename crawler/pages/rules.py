"""Pages whose layout a source declares: selectors in, an Article out. This is the hot path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crawler.article import Article
from crawler.bylines import clean_byline, clean_editor, clean_origin
from crawler.errors import FeedError, GonePageError, PageError
from crawler.feeds.fields import read_title, read_url
from crawler.feeds.lists import find_links, split_codes, split_words
from crawler.feeds.paths import (
    compile_path,
    is_true,
    join_markup,
    list_texts,
    read_document,
    search,
)
from crawler.pages.generic import extract_generic
from crawler.pages.values import find_date
from crawler.selectors import (
    Node,
    Selector,
    SelectorError,
    Tree,
    compile_selector,
    parse_tree,
    read_image,
)
from crawler.sources.rules import AUTO, PageRule

_MOST_DATES = 20  # values among which the date is looked for
_MOST_LEVELS = 200  # of JSON
NO_RULE_FITS = "no page rule fits"  # how it is said
# A page count above this is a number that means something else.
MOST_PAGES = 100

_TEXTS = ("title", "subtitle", "byline", "origin", "editor", "section", "channel", "lead")
_DATES = ("published", "updated")
_WORDS = ("tags", "stocks")
_OTHERS = ("image", "caption", "gone", "next")
_BASE = compile_selector("base::attr(href)")
_IMAGE = compile_selector("img")


@dataclass(slots=True)
class Page:
    """What a page gave: its article, the rule that read it (None without rules), and the addresses
    of the article's other pages that it names, in order, as far as they are other than its own.
    ``counted`` tells whether it says how many pages there are."""

    article: Article
    rule: PageRule | None = None
    others: tuple[str, ...] = ()
    counted: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """A page rule, compiled. ``all`` are its selectors; ``xpath`` says on which kind of tree;
    ``body`` is None where structured data and the densest text are to tell."""

    rule: PageRule
    body: Selector | None
    fields: dict[str, Selector]
    drop: tuple[Selector, ...]
    all: tuple[Selector, ...]
    xpath: bool
    count: re.Pattern[str] | None


def _is_dated(rule: PageRule) -> bool:
    return bool(rule.since or rule.until)


@lru_cache(maxsize=1024)
def _compile(rule: PageRule) -> _Layout:
    """Raises SelectorError."""
    body = None if rule.body == AUTO else compile_selector(rule.body)
    drop = tuple(map(compile_selector, rule.drop))
    fields = {
        name: compile_selector(text)
        for name in (*_TEXTS, *_DATES, *_WORDS, *_OTHERS)
        if (text := getattr(rule, name))
    }
    every = (*((body,) if body else ()), *drop, *fields.values())
    return _Layout(
        rule=rule,
        body=body,
        fields=fields,
        drop=drop,
        all=every,
        xpath=any(selector.xpath for selector in every),
        count=re.compile(rule.page_count) if rule.page_count else None,
    )


def extract_by_rules(
    text: str,
    *,
    url: str,
    rules: Sequence[PageRule],
    timezone: str,
    now: datetime | None,
    listed_at: datetime | None = None,
) -> Page:
    """Gives the article as the first fitting rule reads it. Raises PageError.

    A rule fits when its body shows text or an image. A rule for other days than the page's own
    date (as that rule reads it, else ``listed_at``) comes last.
    """
    reader = _Reader(text, url, timezone, now, listed_at)
    try:
        for any_day in (False, True):
            for rule in rules:
                if any_day and not _is_dated(rule):
                    continue
                page = reader.read(rule, any_day=any_day)
                if page is not None:
                    return page
    except SelectorError as error:
        raise PageError(f"page rule: {error}", url=url) from error
    tried = ", ".join(repr(rule.body) for rule in rules)
    raise PageError(f"{NO_RULE_FITS}: nothing to see in body {tried}", url=url)


class _Reader:
    """One page, read by one rule after the other; trees and documents are parsed once."""

    def __init__(
        self,
        text: str,
        url: str,
        timezone: str,
        now: datetime | None,
        listed_at: datetime | None,
    ) -> None:
        self._listed_at = listed_at
        self._text = text
        self._url = url
        self._timezone = timezone
        self._now = now
        self._trees: dict[bool, Tree] = {}
        self._document: Any = None
        self._document_failed = False

    def read(self, rule: PageRule, *, any_day: bool) -> Page | None:
        """Gives None where the rule does not fit."""
        if rule.format == "json":
            return self._read_json(rule, any_day=any_day)
        layout = _compile(rule)
        if layout.xpath not in self._trees:
            self._trees[layout.xpath] = parse_tree(self._text, layout.all)
        tree = self._trees[layout.xpath]
        gone = layout.fields.get("gone")
        if gone and (tree.select(gone) if gone.attribute is None else tree.find(gone)):
            raise GonePageError(f"gone: the page has {rule.gone!r}", url=self._url)
        if layout.body is None:
            return self._read_auto(layout, tree, any_day=any_day)
        bodies = tree.outermost(tree.select(layout.body))
        if not bodies:
            return None
        published = self._find_date(layout.fields.get("published"), tree)
        if not any_day and not _is_of_era(
            layout.rule, published or self._listed_at, self._timezone
        ):
            return None
        article = self._read_fields(layout, tree)
        article.published = published
        count = self._count_pages(layout)
        others = self._find_others(layout, tree, count)
        for body in bodies:
            tree.drop(layout.drop, body)
        if not any(map(tree.shows, bodies)):
            del self._trees[layout.xpath]  # what was dropped may be the next rule's body
            return None
        if "caption" in layout.fields:
            article.captions = _read_captions(tree, bodies, layout.fields["caption"])
        article.body = "\n".join(map(tree.html, bodies))
        return Page(article, layout.rule, others, counted=count is not None)

    def _read_fields(self, layout: _Layout, tree: Tree) -> Article:
        fields = layout.fields
        article = Article(canonical_url=self._url or None)
        for name in fields:
            if name in _WORDS:
                split = split_codes if name == "stocks" else split_words
                words = split(tree.find_all(fields[name]))
                setattr(article, "keywords" if name == "tags" else name, words)
            elif name in _TEXTS:
                _put_text(article, name, tree.find(fields[name]))
        if "updated" in fields:
            article.updated = self._find_date(fields["updated"], tree)
        if "image" in fields:
            article.image = _read_image(tree, fields["image"])
        return article

    def _find_date(self, selector: Selector | None, tree: Tree) -> datetime | None:
        """The date of the first value, else the first among all, for a selector may hit source and
        author too."""
        if selector is None:
            return None
        at = find_date(tree.find(selector), timezone=self._timezone, now=self._now)
        if at is not None:
            return at
        return self._first_date(tree.find_all(selector)[:_MOST_DATES])

    def _first_date(self, texts: list[str]) -> datetime | None:
        dates = (find_date(text, timezone=self._timezone, now=self._now) for text in texts)
        return next(filter(None, dates), None)

    def _count_pages(self, layout: _Layout) -> int | None:
        """How many pages the script says that the article has; None where it says nothing, or a
        number that means something else."""
        match = layout.count.search(self._text) if layout.count else None
        digits = next((group for group in match.groups() if group), "") if match else ""
        count = int(digits) if digits.isdecimal() and len(digits) < 9 else MOST_PAGES + 1
        return count if count <= MOST_PAGES else None

    def _find_others(self, layout: _Layout, tree: Tree, count: int | None) -> tuple[str, ...]:
        if layout.count is not None:
            return list_pages(layout.rule, count or 1, self._url)
        selector = layout.fields.get("next")
        if selector is None:
            return ()
        base = read_url(tree.find(_BASE), self._url) or self._url
        return _other_than(self._url, (read_url(link, base) for link in find_links(tree, selector)))

    def _read_auto(self, layout: _Layout, tree: Tree, *, any_day: bool) -> Page | None:
        text = self._text
        try:
            found = extract_generic(text, url=self._url, timezone=self._timezone, now=self._now)
        except PageError:
            return None
        own = self._read_fields(layout, tree)
        own.published = self._find_date(layout.fields.get("published"), tree)
        for name in (*_TEXTS, *_DATES, "keywords", "stocks", "image"):
            if value := getattr(own, name, None):
                setattr(found, name, value)
        if not any_day and not _is_of_era(
            layout.rule, found.published or self._listed_at, self._timezone
        ):
            return None
        count = self._count_pages(layout)
        others = self._find_others(layout, tree, count)
        if layout.drop:
            inner = parse_tree(found.body, layout.drop)
            top = inner.select(_BODY)[0]
            inner.drop(layout.drop, top)
            if not inner.shows(top):
                return None
            found.body = inner.html(top, inner=True)
        return Page(found, layout.rule, others, counted=count is not None)

    # ------------------------------------------------------------ pages that are JSON

    def _read_json(self, rule: PageRule, *, any_day: bool) -> Page | None:
        if self._document is None and not self._document_failed:
            try:
                self._document = read_document(self._text, url=self._url, max_depth=_MOST_LEVELS)
            except FeedError:
                self._document_failed = True
        if self._document_failed:
            return None

        def values(path: str | None) -> list[str]:
            return list_texts(search(compile_path(path), self._document)) if path else []

        if rule.gone and is_true(search(compile_path(rule.gone), self._document)):
            raise GonePageError(f"gone: the page has {rule.gone!r}", url=self._url)
        body = join_markup(values(rule.body))
        if not body:
            return None
        article = Article(canonical_url=self._url or None, body=_drop(body, rule))
        for name in _DATES:
            setattr(article, name, self._first_date(values(getattr(rule, name))[:_MOST_DATES]))
        if not any_day and not _is_of_era(
            rule, article.published or self._listed_at, self._timezone
        ):
            return None
        for name in _TEXTS:
            texts = [text for text in values(getattr(rule, name)) if text.strip()]
            text = "、".join(texts) if name == "byline" else next(iter(texts), "")
            _put_text(article, name, read_title(text, markup=None))
        article.keywords = split_words(values(rule.tags))
        article.stocks = split_codes(values(rule.stocks))
        article.image = next(iter(values(rule.image)), None)
        links = (read_url(link, self._url) for link in values(rule.next))
        return Page(article, rule, _other_than(self._url, links))


_BODY = compile_selector("body")


def _is_of_era(rule: PageRule, at: datetime | None, timezone: str) -> bool:
    """Tells whether an article of that time can have this layout; None is unknown."""
    if at is None or not _is_dated(rule):
        return True
    day = at.astimezone(ZoneInfo(timezone)).date()
    return (rule.since or date.min) <= day <= (rule.until or date.max)


def _drop(body: str, rule: PageRule) -> str:
    if not rule.drop:
        return body
    selectors = list(map(compile_selector, rule.drop))
    tree = parse_tree(body, selectors)
    top = tree.select(_BODY)[0]
    tree.drop(selectors, top)
    return tree.html(top, inner=True)


def _label(words: str) -> re.Pattern[str]:
    return re.compile(rf"\s*+(?:[【\[](?:{words})[】\]]\s*+[:：]?|(?:{words})\s*+[:：])\s*+")


_LEAD_LABEL = _label("摘要|导读|导语|提要|核心提示|内容提要")
_SUBTITLE_LABEL = _label("原标题|原题|副标题|副题")


def clean_lead(text: str) -> str | None:
    """Returns a lead without its label.

    >>> clean_lead("摘要：回购规模创新高。")
    '回购规模创新高。'
    """
    label = _LEAD_LABEL.match(text)
    return text[label.end() if label else 0 :] or None


def clean_subtitle(text: str) -> str | None:
    """Returns a subtitle without its label.

    >>> clean_subtitle("原标题：船票难求")
    '船票难求'
    """
    label = _SUBTITLE_LABEL.match(text)
    return text[label.end() if label else 0 :] or None


_CLEANERS: dict[str, Callable[[str], str | None]] = {
    "byline": clean_byline,
    "origin": clean_origin,
    "editor": clean_editor,
    "lead": clean_lead,
    "subtitle": clean_subtitle,
}


def _put_text(article: Article, name: str, text: str) -> None:
    cleaner = _CLEANERS.get(name)
    if cleaner:
        setattr(article, name, cleaner(text))
    else:
        setattr(article, name, text)


def _read_image(tree: Tree, selector: Selector) -> str | None:
    """The address as written; of an element, the attribute that has it."""
    nodes = tree.select(selector) if selector.attribute is None else []
    found = next((url for node in nodes if (url := read_image(tree, node))), "")
    return found or tree.find(selector) or None


def _read_captions(tree: Tree, bodies: list[Node], selector: Selector) -> dict[str, str]:
    """The captions by the address of the image before each, or of the first one behind."""
    captions: dict[str, str] = {}
    for body in bodies:
        last = waiting = ""
        both = tree.select(compile_selector(f"img, {selector.query}"), body)
        marked = {tree.key(node) for node in tree.select(selector, body)}
        for node in both:
            if tree.key(node) not in marked:
                last = read_image(tree, node)
                if waiting and last:
                    captions.setdefault(last, waiting)
                    waiting, last = "", ""
            elif text := tree.read(node, ""):
                if last:
                    captions.setdefault(last, text)
                    last = ""
                else:
                    waiting = text
    return captions


def list_pages(rule: PageRule, count: int, url: str) -> tuple[str, ...]:
    """Gives the addresses of the second page and those after it, of so many."""
    path, mark, query = url.partition("?")
    base, dot, ext = path.rpartition(".")
    if not dot or "/" in ext:
        base, ext = path, ""
    pages = (
        rule.page_url.replace("{base}", base)
        .replace("{ext}", f".{ext}" if ext else "")
        .replace("{page}", str(number + 1))
        .replace("{n}", str(number))
        + mark
        + query
        for number in range(1, count)
    )
    return _other_than(url, (read_url(page, url) for page in pages))


def _other_than(url: str, links: Any) -> tuple[str, ...]:
    own = url.partition("#")[0]
    found = dict.fromkeys(link.partition("#")[0] for link in links if link)
    found.pop(own, None)
    return tuple(found)
