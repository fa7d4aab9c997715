"""normalize(article): the steps from what a feed or page said to what the archive keeps, in order.

Pure. Every step is the business of a room of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial

from crawler.article import Article, Form
from crawler.bylines import read_credits
from crawler.fingerprint import hash_text
from crawler.frontmatter import one_line
from crawler.images import ImageTable, pick_image, usable_image_url
from crawler.markup import Converted, convert

_HEADLINE = re.compile(r"【([^【】]{2,80})】")
_SENTENCE_END = re.compile(r"[。！？!?；;]")
_TITLE_LENGTH = 60  # characters; longer than any headline of the seeds' publishers
_FIELDS = [field.name for field in fields(Article)]


def normalize(
    article: Article,
    *,
    body: Form = "text",
    table: ImageTable | None = None,
    base_url: str | None = None,
    max_depth: int = 200,
) -> Article:
    """Gives the article as the archive keeps it, its body in the form asked for, with its hash.

    ``table`` are the image proxies (the shipped ones by default); relative addresses are resolved
    against ``base_url``, else the article's own address. In large bodies, elements nested deeper
    than ``max_depth`` are flattened. Normalising twice changes nothing.
    """
    base_url = base_url or article.canonical_url
    converted = convert(
        article.body,
        origin=article.form,
        form=body,
        base_url=base_url,
        pick_image=partial(pick_image, base_url=base_url, table=table),
        max_depth=max_depth,
    )
    images = _list_images(article, converted, base_url, table)
    image = article.image and usable_image_url(article.image, base_url=base_url, table=table)
    credits = read_credits(converted.text.split("\n"))
    title = one_line(article.title).strip() or _title_from(converted.text)
    return replace(
        article,
        title=title,
        image=image or (images[0] if images else None),
        images=images,
        body=converted.body,
        form=body,
        byline=article.byline or credits.byline,
        origin=_differing(article.origin or credits.origin, article.label),
        subtitle=_tidy(article.subtitle),
        lead=_tidy(article.lead),
        captions=_name_captions(article.captions, images, base_url, table),
        hash=hash_text(
            title,
            converted.text,
            images=images,
            address=article.canonical_url or article.guid or "",
        ),
        seed_parts={
            key: value
            for key, value in article.seed_parts.items()
            if key in ("tag", "list_url", "home_url")
        },
    )


def find_overlong(article: Article, *, max_text: int) -> str | None:
    """Gives the reason why a field is too long, in characters as its source wrote it (a list's
    taken together); None when none is."""
    for name in _FIELDS:
        value = getattr(article, name)
        if isinstance(value, dict):
            value = [*value, *("".join(kept) for kept in value.values())]
        length = len(value) if isinstance(value, str) else 0
        if isinstance(value, list):
            length = sum(map(len, value))
        if length > max_text:
            return f"{name} holds {length} characters, more than {max_text} (NEWS_MAX_TEXT)"
    return None


def _list_images(
    article: Article, converted: Converted, base_url: str | None, table: ImageTable | None
) -> list[str]:
    """The body's images, then those that were known beside it (a text body shows none)."""
    images = dict.fromkeys(converted.images)
    for url in article.images:
        usable = usable_image_url(url, base_url=base_url, table=table)
        if usable:
            images[usable] = None
    return list(images)


def _name_captions(
    captions: Mapping[str, str],
    images: list[str],
    base_url: str | None,
    table: ImageTable | None,
) -> dict[str, str]:
    """The captions by the images' own addresses, in the order of the images."""
    named = {
        usable_image_url(url, base_url=base_url, table=table): tidy
        for url, text in captions.items()
        if (tidy := _tidy(text))
    }
    return {url: named[url] for url in images if url in named}


def _tidy(text: str | None) -> str | None:
    return one_line(text).strip() or None if text else None


def _differing(origin: str | None, label: str) -> str | None:
    return None if origin == label else origin


def _title_from(text: str) -> str:
    """A headline for an entry without one: its 【headline】, else its first sentence."""
    line = text.partition("\n")[0]
    headline = _HEADLINE.match(line)
    if headline:
        return headline[1]
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    return sentence if len(sentence) <= _TITLE_LENGTH else sentence[: _TITLE_LENGTH - 1] + "…"
