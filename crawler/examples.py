"""Examples of a source's pages: a page, what it is expected to say, and the post made of it.

One definition for recording and for replaying. Pure: TOML and posts as text and bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from crawler.article import Article, Form
from crawler.images import ImageTable
from crawler.normalize import normalize
from crawler.pages.noise import drop_noise
from crawler.sources.rules import Source

_TEXTS = ("title", "subtitle", "byline", "origin", "editor", "section", "channel", "lead", "image")
_LISTS = ("keywords", "stocks", "images")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def make_article(source: Source, page: Article, *, channel: str = "") -> Article:
    """Gives the article that a source makes of what one of its pages says."""
    return replace(
        page,
        section=page.section or source.section,
        label=source.label,
        channel=page.channel or channel,
        slug=source.slug,
        source=source.name,
        body=drop_noise(page.body, source.noise) if source.noise else page.body,
    )


def normalize_example(
    source: Source, page: Article, *, body: Form = "text", table: ImageTable | None = None
) -> Article:
    """Gives the article as the archive would keep it."""
    return normalize(make_article(source, page), body=body, table=table)


def render_example(url: str, content_type: str | None, article: Article) -> str:
    """Gives what is expected of a page, as TOML: its address, the header that its charset may
    stand in, what its fields say (those that say something) and its visible text.

    ``article`` is normalised, its body in the ``text`` form.
    """
    return "\n".join(_write_lines(url, content_type, article)) + "\n"


def _write_lines(url: str, content_type: str | None, article: Article) -> Iterator[str]:
    yield f"url = {_quote(url)}"
    if content_type:
        yield f"content_type = {_quote(content_type)}"
    for name in _TEXTS[:1]:
        yield f"{name} = {_quote(getattr(article, name))}"
    for name in ("published", "updated"):
        if at := getattr(article, name):
            yield f"{name} = {_quote(at.isoformat())}"
    for name in _TEXTS[1:]:
        if value := getattr(article, name):
            yield f"{name} = {_quote(value)}"
    for name in _LISTS:
        if values := getattr(article, name):
            yield f"{name} = [" + ", ".join(map(_quote, values)) + "]"
    text = _CONTROLS.sub("\ufffd", article.body).replace("\\", "\\\\").replace('"""', '""\\"')
    yield f'text = """\n{text}\n"""'
    # What the list that names the page is expected to say of it.
    yield ""
    yield "[entry]"
    yield f"link = {_quote(url)}"
    yield f"title = {_quote(article.title)}"
    if article.published:
        yield f"date = {_quote(article.published.isoformat())}"


def _quote(text: str) -> str:
    # JSON's strings are TOML's, but for U+007F.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
