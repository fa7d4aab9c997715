"""HTML fragment, Markdown or text -> text, Markdown or clean HTML.

Pure. The room knows what a reader sees of a body and how each form writes it down; which images
are worth keeping and where they really are is for the caller to say.

``blocks`` what bodies are made of; ``walk`` HTML -> blocks; ``text``, ``markdown``, ``html`` blocks
-> the three forms; ``flat`` the short way to text; ``tame`` bounds on hostile HTML; ``links``
addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crawler.article import Form
from crawler.markup.blocks import Block, tidy_lines
from crawler.markup.flat import flatten
from crawler.markup.html import render_html
from crawler.markup.links import plain_src
from crawler.markup.markdown import read_markdown, render_markdown
from crawler.markup.tame import tame
from crawler.markup.text import parse_text, render_text
from crawler.markup.walk import PickImage, Walker, is_structured

__all__ = ["Converted", "PickImage", "convert", "to_text"]


@dataclass(slots=True)
class Converted:
    """A body in the form asked for, "" when nothing is visible; no line feed at its end.

    ``text`` is its visible text, the same string as ``body`` where that is the form. ``images``
    are the usable images in document order, without repeats; a text body has none.
    """

    body: str
    text: str
    images: list[str] = field(default_factory=list)


def convert(
    body: str,
    *,
    origin: Form,
    form: Form,
    base_url: str | None = None,
    pick_image: PickImage = plain_src,
    max_depth: int = 200,
    max_attributes: int = 64,
) -> Converted:
    """Gives a body in another form, or cleaned in its own; doing it twice changes nothing.

    ``origin`` "html" is any HTML fragment or document, well formed or not, or plain text whose
    line ends part paragraphs. Relative links are resolved against ``base_url``; without one they
    lose their address but not their text. ``pick_image`` gives the absolute address of an image
    from the attributes of its element, or None to leave it out. In large bodies, elements nested
    deeper than ``max_depth`` are flattened and attributes past ``max_attributes`` dropped. Raises
    nothing but what ``pick_image`` raises.
    """
    if origin == "text":
        text = tidy_lines(body)
        return Converted(text if form == "text" else _render(parse_text(text), form), text)
    html = read_markdown(body) if origin == "markdown" else body
    flat = flatten(html, pick_image) if form == "text" else None
    if flat is not None:
        return Converted(flat[0], flat[0], list(flat[1]))
    walker = Walker(
        rich=form != "text",
        lined=origin == "html" and not is_structured(html),
        base_url=base_url,
        pick_image=pick_image,
    )
    walker.walk(tame(html, max_depth=max_depth, max_attributes=max_attributes))
    text = render_text(walker.blocks)
    if not text and not walker.images:  # at most rules
        return Converted("", "")
    rendered = text if form == "text" else _render(walker.blocks, form)
    return Converted(rendered, text, list(walker.images))


def to_text(body: str, form: Form) -> str:
    """Gives the visible text of a body that is in ``form``."""
    return convert(body, origin=form, form="text").text


def _render(blocks: list[Block], form: Form) -> str:
    return render_markdown(blocks) if form == "markdown" else render_html(blocks)
