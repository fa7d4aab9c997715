"""Posts: articles as front-matter text files, in two dialects with two forms each.

``hexo`` and ``jekyll`` are read by every front-matter parser and give the article back;
``hexo-seed`` and ``jekyll-seed`` are byte for byte what the producers of the seeds write.
Pure: bytes in, records out, and back. Source: FORMAT, sections 1 to 6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Literal, get_args

from crawler.article import FORMS, Article, Form
from crawler.dates import format_local, format_rfc1123, parse_date
from crawler.errors import PostError
from crawler.fingerprint import content_hash
from crawler.frontmatter import (
    Value,
    one_line,
    quote_double,
    quote_if_needed,
    quote_single,
    read_header,
    render_list,
    unquote,
    unquote_loosely,
)

Dialect = Literal["hexo", "jekyll", "hexo-seed", "jekyll-seed"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

BEIJING = timezone(timedelta(hours=8))
PLACEHOLDER_HOST = "picsum.photos"

_KNOWN = frozenset(
    "title categories headimg author comments date thumbnail layout tags section label channel "
    "canonical_url source guid byline origin editor subtitle lead keywords stocks updated images "
    "captions dated partial form hash".split()
)
# One underscore per character, never collapsed (FORMAT 4.1).
_TITLE_MAP = dict.fromkeys(map(ord, ":/\\?*\u201c\u201d<>|[]"), "_")

# What would open or close template code (nunjucks, Liquid) in a body: FORMAT 2.5.
_OPENS_TEMPLATE = re.compile(r"\{(?=[{%#])")
_CLOSES_TEMPLATE = re.compile(r"(?<=[%#])\}")
_BRACE_REFERENCE = re.compile(r"&#(0*12[35]);")
_OUR_BRACE = re.compile(r"&#(0*)(12[35]);")
# In a text body kramdown's own marks too: {:toc}, {::comment}.
_OPENS_MARK = re.compile(r"\{(?=[{%#:])")
# What would come alive when a text body is rendered as Markdown.
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_REFERENCE_START = re.compile(
    r"&(?=#[0-9]{1,8};|#[Xx][0-9A-Fa-f]{1,8};|[A-Za-z][A-Za-z0-9]{1,40};)"
)
_LINK_MIDDLE = re.compile(r"\](?=[(:])")
# A fence, whatever quotes and lists it stands in: what follows in its line would not be shown.
_FENCE = re.compile(
    r"^((?:[ \t]*+(?:>|[-+*]|[0-9]{1,9}[.)]))*+[ \t]*+)(?:(~)(?=~~)|`(?=``))", re.MULTILINE
)
_TEXT_REFERENCE = re.compile(r"&(lt|amp|#93|#96|#123|#125|#126);")
_TEXT_CHARACTERS = {"lt": "<", "amp": "&"} | {f"#{n}": chr(n) for n in (93, 96, 123, 125, 126)}

_HEXO_BODY = re.compile(r"\n?<div> {3}\n(.*) {2}\n</div>\n {12}", re.DOTALL)
_HEXO_OPEN = re.compile(r"\s*<div>[ \t]*\n?")
_SEED_TAIL = re.compile(
    r"\n\n<([^\n>]*)>\n\n\[返回([^\]\n]*)\]\(([^)\n]*)\)｜\[返回首页\]\(([^)\n]*)\)\Z"
)
# One line of back links, one or two of them; matched against single lines from the end.
_BACK_LINKS = re.compile(r"(?:\[返回[^\]\n]*\]\([^)\n]*\)[｜| ]*){1,4}")
_WEB_URL = re.compile("https?://", re.IGNORECASE)
_RELATIVE_URL = re.compile(r"[^:?#&\\]*(?:[/?#].*)?")
_URL_LINE = re.compile(r"<([^\n<>]*)>")
_OUR_URL_LINE = re.compile(r"\n\n<[^\n]*>\n\Z")
_NAIVE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})( \+0800)?")
_GMT = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")


@dataclass(slots=True)
class ParsedPost:
    """A post as read. ``warnings`` name file (when given) and line of every departure."""

    article: Article
    dialect: Dialect
    warnings: list[str] = field(default_factory=list)


def is_placeholder(url: str) -> bool:
    """Tells whether an image URL stands for "no image" (FORMAT 6.11)."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest:
        return True
    host, _, path = rest.partition("/")
    return host == PLACEHOLDER_HOST or path.rstrip("/").endswith(("undefined", "null"))


# ---------------------------------------------------------------- writing


def render_post(
    article: Article,
    *,
    dialect: Dialect = "hexo",
    extra_keys: bool = True,
    placeholder_image: str | None = None,
    timezone: str = "Asia/Shanghai",
) -> bytes:
    """Gives the post file of an article, UTF-8 without BOM, lines ended by LF.

    ``timezone`` is the source's (the Jekyll forms write local time). ``placeholder_image`` is
    written where the article has no image; its ``{n}`` is taken from the content hash.
    The seed forms hold HTML bodies only: any other form raises PostError.
    """
    if dialect not in DIALECTS:
        raise PostError(f"dialect {dialect!r} is none of {', '.join(DIALECTS)}")
    if dialect.endswith("-seed"):
        if article.form != "html":
            raise PostError(f"dialect {dialect} holds html bodies, this one is {article.form}")
        text = (
            _render_hexo_seed(article) if dialect == "hexo-seed" else _render_jekyll_seed(article)
        )
        return text.encode("utf-8", "replace")
    image = article.image
    if image is None and placeholder_image:
        digits = (article.hash or content_hash(article)).removeprefix("sha256:")
        image = placeholder_image.replace("{n}", str(int(digits[:8], 16) % 10_000))
    body = escape_body(article.body, article.form)
    if "\r" in body:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
    if dialect == "hexo":
        head = _render_hexo_keys(article, image)
        tail = "\n"
    else:
        head = _render_jekyll_keys(article, image if extra_keys else None, timezone, extra_keys)
        url = article.canonical_url
        tail = f"\n\n<{_inert_url(url)}>\n" if url else "\n"
    if extra_keys:
        head += _render_extra_keys(article, dialect)
    return f"---\n{head}---\n\n{body}{tail}".encode("utf-8", "replace")


def _render_hexo_keys(article: Article, image: str | None) -> str:
    parts = [f"title: {quote_single(article.title)}\n"]
    categories = [text for text in (article.section, article.label, article.channel) if text]
    if categories:
        parts.append(render_list("categories", map(quote_if_needed, categories)))
    if image:
        parts.append(f"headimg: {quote_single(image)}\n")
    if article.label:
        parts.append(f"author: {quote_if_needed(article.label)}\n")
    parts.append("comments: false\n")
    if article.published:
        parts.append(f"date: {format_rfc1123(article.published)}\n")
    if image:
        parts.append(f"thumbnail: {quote_single(image)}\n")
    return "".join(parts)


def _render_jekyll_keys(article: Article, image: str | None, zone: str, extra_keys: bool) -> str:
    parts = [f"layout: post\ntitle: {quote_double(article.title)}\n"]
    if article.published:
        parts.append(f"date: {format_local(article.published, zone)}\n")
    if article.slug:
        parts.append(f"categories: {quote_if_needed(article.slug)}\n")
    if article.label:
        tag = one_line(article.label) + "新闻"
        if any(map(str.isspace, tag)):
            parts.append(render_list("tags", [quote_single(tag)]))
        else:
            parts.append(f"tags: {quote_if_needed(tag)}\n")
    if extra_keys:
        for key in ("section", "label", "channel"):
            value = getattr(article, key)
            if value:
                parts.append(f"{key}: {quote_if_needed(value)}\n")
    if image:
        parts.append(f"headimg: {quote_single(image)}\n")
    return "".join(parts)


def _render_extra_keys(article: Article, dialect: Dialect) -> str:
    parts: list[str] = []
    if dialect == "hexo" and not (article.section and article.label and article.channel):
        # Fewer than three categories do not tell which is which.
        for key in ("section", "channel"):
            value = getattr(article, key)
            if value:
                parts.append(f"{key}: {quote_if_needed(value)}\n")
    if article.canonical_url:
        parts.append(f"canonical_url: {quote_single(article.canonical_url)}\n")
    for key, value in (
        ("source", article.source),
        ("guid", article.guid),
        ("byline", article.byline),
        ("origin", article.origin),
        ("editor", article.editor),
        ("subtitle", article.subtitle),
        ("lead", article.lead),
    ):
        if value:
            parts.append(f"{key}: {quote_if_needed(value)}\n")
    for key, words in (("keywords", article.keywords), ("stocks", article.stocks)):
        if words:
            parts.append(render_list(key, map(quote_if_needed, words)))
    if article.updated:
        parts.append(f"updated: {format_rfc1123(article.updated)}\n")
    if article.images:
        parts.append(render_list("images", map(quote_single, article.images)))
    if article.captions:
        # One for each image, in their order.
        captions = (article.captions.get(url, "") for url in article.images)
        parts.append(render_list("captions", map(quote_if_needed, captions)))
    for key, value in (("dated", article.dated), ("partial", article.partial)):
        if value:
            parts.append(f"{key}: {quote_if_needed(value)}\n")
    for key, kept in article.extra.items():
        if key in _KNOWN or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key):
            raise PostError(f"extra key {key!r} is not a free header key")
        if isinstance(kept, str):
            parts.append(f"{key}: {quote_if_needed(kept)}\n")
        elif kept:
            parts.append(render_list(key, map(quote_if_needed, kept)))
    parts.append(f"form: {article.form}\n")
    if article.hash:
        parts.append(f"hash: {quote_if_needed(article.hash)}\n")
    return "".join(parts)


def _render_hexo_seed(article: Article) -> str:
    kept = article.seed_parts
    title = one_line(article.title).translate(_TITLE_MAP)
    if "'" in title and '"' not in title and "\\" not in title:
        quoted = f'"{title}"'
    else:
        quoted = quote_single(title)
    image = article.image or kept.get("headimg")
    parts = [f"\n---\ntitle: {quoted}\ncategories: \n"]
    parts += [
        f" - {quote_if_needed(text)}\n" if text else " - \n"
        for text in (article.section, article.label, article.channel)
    ]
    image = image and one_line(image).replace("{", "%7B").replace("}", "%7D").replace("'", "%27")
    if image:
        parts.append(f"headimg: '{image}'\n")
    author = article.label and quote_if_needed(article.label)
    parts.append(f"author: {author}\ncomments: false\n")
    date = kept.get("date") or (article.published and format_rfc1123(article.published)) or ""
    parts.append(f"date: {date}\n")
    if image:
        parts.append(f"thumbnail: '{image}'\n")
    parts.append(f"---\n\n<div>   \n{article.body}  \n</div>\n            ")
    return "".join(parts).replace("{", "&#123;").replace("}", "&#125;")


def _render_jekyll_seed(article: Article) -> str:
    kept = article.seed_parts
    tag = kept.get("tag") or one_line(article.label) + "新闻"
    date = format_local(article.published, BEIJING) if article.published else ""
    lead = f"> {escape_body(one_line(article.lead), 'text')}\n" if article.lead else ""
    body = article.body.replace("\u3000\u3000", "")
    list_url = _inert_link(kept.get("list_url") or f"/category/{article.slug}.html")
    home_url = _inert_link(kept.get("home_url") or "/")
    slug = article.slug and quote_if_needed(article.slug)
    return (
        f"---\nlayout: post\ntitle: {quote_double(article.title)}\ndate: {date}\n"
        f"categories: {slug}\ntags: {quote_if_needed(tag)}\n---\n{lead}{_close_templates(body)}\n"
        f"\n<{_inert_url(article.canonical_url or '')}>\n"
        f"\n[返回{_inert_label(tag)}]({list_url})｜[返回首页]({home_url})"
    )


def _inert_label(text: str) -> str:
    """Gives the text of a link in Markdown with nothing that ends it or comes alive in it."""
    return escape_body(text, "text").replace("[", "&#91;").replace("]", "&#93;")


def _inert_link(url: str) -> str:
    """Gives the address of a link in Markdown, "/" for one that leads to another scheme."""
    url = _inert_url(url, relative=True).replace(")", "%29").replace("(", "%28")
    return url or "/"


def _inert_url(url: str, *, relative: bool = False) -> str:
    """Gives the URL with nothing that ends the angle brackets or opens template code; "" for one
    that is not http or https (nor, where that will do, relative)."""
    url = one_line(url)
    if not _WEB_URL.match(url) and not (relative and _RELATIVE_URL.fullmatch(url)):
        return ""
    for character, code in (("<", "%3C"), (">", "%3E"), (" ", "%20"), ("{", "%7B"), ("}", "%7D")):
        if character in url:
            url = url.replace(character, code)
    return url


def escape_body(body: str, form: str) -> str:
    """Makes template code, and in ``text`` bodies Markdown's live characters, inert (FORMAT 2.5).

    ``unescape_body`` undoes exactly this.
    """
    if form == "text":
        if "&" in body:
            body = _REFERENCE_START.sub("&amp;", body)
        if "<" in body:
            body = _TAG_START.sub("&lt;", body)
        if "]" in body:
            body = _LINK_MIDDLE.sub("&#93;", body)
        if "~~~" in body or "```" in body:
            body = _FENCE.sub(lambda match: f"{match[1]}{'&#126;' if match[2] else '&#96;'}", body)
    elif "&#" in body:
        # A reference that stands in the body already is told from ours by one more zero.
        body = _BRACE_REFERENCE.sub(r"&#0\1;", body)
    return _close_templates(body, _OPENS_MARK if form == "text" else _OPENS_TEMPLATE)


def _close_templates(body: str, opens: re.Pattern[str] = _OPENS_TEMPLATE) -> str:
    if "{" in body:
        body = opens.sub("&#123;", body)
    if "}" in body:
        body = _CLOSES_TEMPLATE.sub("&#125;", body)
    return body


def unescape_body(body: str, form: str) -> str:
    if "&" not in body:
        return body
    if form == "text":
        return _TEXT_REFERENCE.sub(lambda match: _TEXT_CHARACTERS[match[1]], body)
    return _OUR_BRACE.sub(_undo_brace, body)


def _undo_brace(match: re.Match[str]) -> str:
    zeros, code = match[1], match[2]
    return f"&#{zeros[1:]}{code};" if zeros else chr(int(code))


# ---------------------------------------------------------------- reading


def parse_post(
    data: bytes, *, name: str = "", gmt_is_local: bool = False, bare_form: Form = "html"
) -> ParsedPost:
    """Reads a post of either dialect, whole or damaged; never raises on any bytes.

    ``name`` stands before each warning. ``gmt_is_local`` reads dates labelled GMT as +08:00, for
    producers that put Beijing wall-clock time under that label. ``bare_form`` is the form of a
    body that neither a ``form`` key nor the seeds' wrapper tells of, as in posts that were written
    without extra keys.
    """
    notes: list[tuple[int, str]] = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8-sig", "replace")
        line = data.count(b"\n", 0, error.start) + 1
        notes.append((line, "not UTF-8: bad bytes were replaced by U+FFFD"))
    if data.startswith(b"\xef\xbb\xbf"):
        notes.append((1, "byte order mark dropped"))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        notes.append((1, "CR line ends read as LF"))
    header = read_header(text)
    notes += header.odd
    ours = header.raw.get("form") in FORMS
    dialect: Dialect = "jekyll" if "layout" in header.raw else "hexo"
    values = _Values(header.raw, ours)
    if not header.found:
        article = Article(body=header.body)
    elif ours:
        article = _read_ours(values, header.body, dialect)
    elif dialect == "jekyll":
        article = _read_jekyll(values, header.body)
        _read_bare(article, bare_form)
    else:
        article = _read_hexo(values, header.body, header.line, notes)
        if not _HEXO_OPEN.match(header.body):
            _read_bare(article, bare_form)
    if header.found:
        read = _read_ours_date if ours else _read_date
        read(article, values, dialect, gmt_is_local, notes)
        article.editor = values.some("editor")
        article.subtitle = values.some("subtitle")
        article.lead = article.lead or values.some("lead")
        article.keywords = values.texts("keywords")
        article.stocks = values.texts("stocks")
        images = values.texts("images")
        captions = zip(images, values.all("captions"), strict=False)
        article.captions = {url: caption for url, caption in captions if caption}
        for key, value in values.items():
            if key not in _KNOWN:
                article.extra[key] = value
    prefix = f"{name}:" if name else "line "
    return ParsedPost(article, dialect, [f"{prefix}{line}: {why}" for line, why in notes])


class _Values:
    """Header values as text, unquoted by the rules of whoever wrote them."""

    def __init__(self, raw: dict[str, Value], ours: bool) -> None:
        self._raw = raw
        self._read: Callable[[str], str] = unquote if ours else _read_foreign

    def text(self, key: str) -> str:
        value = self._raw.get(key, "")
        return self._read(value if isinstance(value, str) else value[0] if value else "")

    def some(self, key: str) -> str | None:
        return self.text(key) or None

    def texts(self, key: str) -> list[str]:
        value = self._raw.get(key, [])
        values = [value] if isinstance(value, str) else value
        return [self._read(item) for item in values if item]

    def all(self, key: str) -> list[str]:
        """The items of a list, empty ones too."""
        value = self._raw.get(key, [])
        return [self._read(item) for item in ([value] if isinstance(value, str) else value)]

    def items(self) -> list[tuple[str, Value]]:
        return [
            (key, self.text(key) if isinstance(value, str) else self.texts(key))
            for key, value in self._raw.items()
        ]


def _read_foreign(raw: str) -> str:
    return unquote_loosely(raw).replace("&#123;", "{").replace("&#125;", "}")


def _read_ours(values: _Values, body: str, dialect: Dialect) -> Article:
    form = values.text("form")
    body = body.removeprefix("\n")
    url = values.some("canonical_url")
    if dialect == "jekyll" and url:
        body = _OUR_URL_LINE.sub("", body)
    else:
        body = body.removesuffix("\n")
    article = Article(
        title=values.text("title"),
        image=_read_image(values),
        images=values.texts("images"),
        source=values.text("source"),
        guid=values.some("guid"),
        canonical_url=url,
        byline=values.some("byline"),
        origin=values.some("origin"),
        dated=values.some("dated"),
        partial=values.some("partial"),
        hash=values.some("hash"),
    )
    for known in FORMS:
        if form == known:
            article.form = known
    article.body = unescape_body(body, form)
    if dialect == "jekyll":
        article.slug = values.text("categories")
        article.section = values.text("section")
        article.label = values.text("label")
        article.channel = values.text("channel")
        return article
    categories = values.texts("categories")
    if len(categories) == 3:
        article.section, article.label, article.channel = categories
    else:
        article.section = values.text("section")
        article.label = values.text("author")
        article.channel = values.text("channel")
    return article


def _read_ours_date(
    article: Article, values: _Values, _dialect: Dialect, _local: bool, notes: list[tuple[int, str]]
) -> None:
    for key in ("date", "updated"):
        text = values.text(key)
        if text:
            at = parse_date(text, timezone=BEIJING)
            if at is None:
                notes.append((1, f"{key} {text[:60]!r} cannot be read"))
            elif key == "date":
                article.published = at
            else:
                article.updated = at


def _read_hexo(values: _Values, body: str, line: int, notes: list[tuple[int, str]]) -> Article:
    article = Article(title=values.text("title"), image=_read_image(values), form="html")
    categories = values.texts("categories")
    article.label = values.text("author")
    if len(categories) >= 3:
        article.section, article.label, article.channel = categories[:3]
    elif len(categories) == 2 and article.label == categories[0]:
        article.channel = categories[1]
    elif len(categories) == 2 and article.label == categories[1]:
        article.section = categories[0]
    elif len(categories) == 2:
        article.section = categories[0]
        label, dash, channel = categories[1].partition(" - ")
        article.label = label
        if dash:
            article.channel = channel
        notes.append((line, "two categories: the second read as source and channel"))
    elif categories:
        article.section = categories[0]
    head = values.text("headimg") or values.text("thumbnail")
    if head and article.image is None:
        article.seed_parts["headimg"] = head
    whole = _HEXO_BODY.fullmatch(body)
    if whole:
        article.body = whole[1]
        return article
    opened = _HEXO_OPEN.match(body)
    bare = body.rstrip()
    closed = bare.endswith("</div>")
    if opened and closed:
        notes.append((line, "the wrapper <div> has other blanks than usual"))
        article.body = bare.removesuffix("</div>")[opened.end() :].rstrip()
    elif not opened and not closed:
        article.body = body.strip("\n")
    else:
        notes.append((line, "the body is cut: its wrapper <div> is not whole"))
        article.body = body[opened.end() :].strip("\n") if opened else body.strip("\n")
    return article


def _read_jekyll(values: _Values, body: str) -> Article:
    article = Article(
        title=values.text("title"), slug=values.text("categories"), image=_read_image(values)
    )
    tag = values.text("tags")
    article.label = tag.removesuffix("新闻")
    article.seed_parts["tag"] = tag
    article.canonical_url = values.some("canonical_url")
    whole = _SEED_TAIL.search(body)
    if whole:
        url, _, list_url, home_url = whole.groups()
        article.seed_parts |= {"list_url": list_url, "home_url": home_url}
        body = body[: whole.start()]
    else:
        body, url = _cut_links(body)
    body = body.strip("\n")
    article.canonical_url = url.strip() or article.canonical_url
    if body.startswith("> "):
        lead, _, body = body.partition("\n")
        article.lead = unescape_body(lead[2:].strip(), "text")
    article.body = body
    return article


def _read_bare(article: Article, form: Form) -> None:
    if form != "html":
        article.form = form
        article.body = unescape_body(article.body, form)


def _cut_links(body: str) -> tuple[str, str]:
    """Gives the body without its back links (at most two lines) and its address line; the latter's
    address, "" for none."""
    body = body.rstrip()
    for _ in range(2):
        start = body.rfind("\n") + 1
        if not _BACK_LINKS.fullmatch(body[start:][:2000].strip()):
            break
        body = body[:start].rstrip()
    start = body.rfind("\n") + 1
    line = _URL_LINE.fullmatch(body[start:].strip())
    return (body[:start].rstrip(), line[1]) if line else (body, "")


def _read_image(values: _Values) -> str | None:
    for key in ("headimg", "thumbnail"):
        url = values.text(key)
        if url and not is_placeholder(url):
            return url
    return None


def _read_date(
    article: Article,
    values: _Values,
    dialect: Dialect,
    gmt_is_local: bool,
    notes: list[tuple[int, str]],
) -> None:
    """Reads the date of a post that is not ours (FORMAT 6, last paragraph)."""
    text = values.text("date")
    naive = _NAIVE.fullmatch(text)
    if naive:
        article.published = parse_date(f"{naive[1]} {naive[2]}", timezone=BEIJING)
        if dialect == "hexo" and not naive[3] and article.published:
            article.seed_parts["date"] = text
            article.dated = "fetched"
            notes.append((1, f"date {text!r} names no zone: it is the time of that crawl"))
    elif _GMT.fullmatch(text):
        if gmt_is_local:
            text = text.replace("GMT", "+0800")
            notes.append((1, "date labelled GMT read as +08:00, as asked for"))
        article.published = parse_date(text, timezone=BEIJING)
    elif text:
        article.published = parse_date(text, timezone=BEIJING)
        if article.published:
            notes.append((1, f"date {text[:60]!r} is in none of the usual forms"))
    if article.published is None:
        notes.append((1, f"date {text[:60]!r} cannot be read" if text else "no date"))
        if text:
            article.seed_parts["date"] = text
    updated = values.text("updated")
    if updated:
        article.updated = parse_date(updated, timezone=BEIJING)
