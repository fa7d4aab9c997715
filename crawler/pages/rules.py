"""Pages whose layout a source declares: selectors in, an Article out. This is the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from crawler.article import Article
from crawler.bylines import clean_byline, clean_origin
from crawler.errors import PageError
from crawler.pages.values import find_date
from crawler.selectors import (
    Selector,
    SelectorError,
    Tree,
    compile_selector,
    parse_tree,
    read_image,
)
from crawler.sources.rules import PageRule

_MOST_DATES = 20  # values among which the date is looked for


@dataclass(frozen=True, slots=True)
class _Layout:
    """A page rule, compiled. ``all`` are its selectors; ``xpath`` says on which kind of tree."""

    body: Selector
    title: Selector | None
    published: Selector | None
    updated: Selector | None
    byline: Selector | None
    origin: Selector | None
    channel: Selector | None
    image: Selector | None
    drop: tuple[Selector, ...]
    all: tuple[Selector, ...]
    xpath: bool
    is_dated: bool
    since: date
    until: date

    def covers(self, at: datetime | None, timezone: str) -> bool:
        """Tells whether an article of that time can have this layout; None is unknown."""
        if at is None or not self.is_dated:
            return True
        return self.since <= at.astimezone(ZoneInfo(timezone)).date() <= self.until


@lru_cache(maxsize=1024)
def _compile(rule: PageRule) -> _Layout:
    """Raises SelectorError."""
    body = compile_selector(rule.body)
    drop = tuple(map(compile_selector, rule.drop))
    texts = {
        "title": rule.title,
        "published": rule.published,
        "updated": rule.updated,
        "byline": rule.byline,
        "origin": rule.origin,
        "channel": rule.channel,
        "image": rule.image,
    }
    fields = {name: compile_selector(text) if text else None for name, text in texts.items()}
    every = (body, *drop, *filter(None, fields.values()))
    return _Layout(
        body=body,
        drop=drop,
        all=every,
        xpath=any(selector.xpath for selector in every),
        is_dated=bool(rule.since or rule.until),
        since=rule.since or date.min,
        until=rule.until or date.max,
        **fields,
    )


def extract_by_rules(
    text: str, *, url: str, rules: Sequence[PageRule], timezone: str, now: datetime | None
) -> Article:
    """Gives the article as the first fitting rule reads it. Raises PageError.

    A rule fits when its body shows text or an image. A rule for other days than the page's own
    date (as that rule reads it) comes last.
    """
    trees: dict[bool, Tree] = {}
    try:
        layouts = [_compile(rule) for rule in rules]
        dated = [layout for layout in layouts if layout.is_dated]
        for layout, any_day in [(layout, False) for layout in layouts] + [
            (layout, True) for layout in dated
        ]:
            if layout.xpath not in trees:
                trees[layout.xpath] = parse_tree(text, layout.all)
            tree = trees[layout.xpath]
            bodies = tree.outermost(tree.select(layout.body))
            if not bodies:
                continue
            published = _read_date(tree, layout.published, timezone, now)
            if not any_day and not layout.covers(published, timezone):
                continue
            article = Article(
                title=_read(tree, layout.title),
                published=published,
                updated=_read_date(tree, layout.updated, timezone, now),
                byline=clean_byline(_read(tree, layout.byline)),
                origin=clean_origin(_read(tree, layout.origin)),
                channel=_read(tree, layout.channel),
                image=_read_image(tree, layout.image),
                canonical_url=url or None,
            )
            for body in bodies:
                tree.drop(layout.drop, body)
            if any(map(tree.shows, bodies)):
                article.body = "\n".join(map(tree.html, bodies))
                return article
            del trees[layout.xpath]  # what was dropped may be the next rule's body
    except SelectorError as error:
        raise PageError(f"page rule: {error}", url=url) from error
    tried = ", ".join(repr(rule.body) for rule in rules)
    raise PageError(f"no page rule fits: nothing to see in body {tried}", url=url)


def _read(tree: Tree, selector: Selector | None) -> str:
    return tree.find(selector) if selector else ""


def _read_date(
    tree: Tree, selector: Selector | None, timezone: str, now: datetime | None
) -> datetime | None:
    """The date of the first value, else the first among all, for a selector may hit source and
    author too."""
    if selector is None:
        return None
    at = find_date(tree.find(selector), timezone=timezone, now=now)
    if at is not None:
        return at
    values = tree.find_all(selector)[:_MOST_DATES]
    dates = (find_date(text, timezone=timezone, now=now) for text in values)
    return next(filter(None, dates), None)


def _read_image(tree: Tree, selector: Selector | None) -> str | None:
    """The address as written; of an element, the attribute that has it."""
    if selector is None:
        return None
    nodes = tree.select(selector) if selector.attribute is None else []
    found = next((url for node in nodes if (url := read_image(tree, node))), "")
    return found or tree.find(selector) or None
