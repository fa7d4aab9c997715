"""Elements to entries: RSS 0.90 to 2.0, RDF, Atom 0.3 and 1.0, CDF, sitemaps.

Takes elements as one of the two parsers (``strict`` and ``scan``) found them and reads their
fields: one short function a field, fallbacks in order. Refuses to look at bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from lxml import etree

from crawler.article import Enclosure, Entry, Feed, Problem
from crawler.dates import read_date
from crawler.errors import LimitError
from crawler.feeds.fields import (
    DATES_WITHOUT_ZONE,
    count_visible,
    is_image,
    read_author,
    read_title,
    read_url,
    squeeze,
)
from crawler.feeds.fragment import read_fragment, read_words
from crawler.feeds.names import Names

Element = etree._Element
Fields = dict[str, list[Element]]
"""The children of an element by canonical name, each list in document order."""
Text = tuple[str, Element]
"""A fragment and the element it comes from, whose base address it has."""

# The names of one field, in the order in which they are believed.
_TITLES = ("title", "dc:title", "media:title", "news:title", "itunes:title")
_IDS = ("guid", "id", "dc:identifier", "dcterms:identifier")
_PUBLISHED = (
    "pubdate",
    "published",
    "dc:date",
    "issued",
    "dcterms:issued",
    "dcterms:created",
    "created",
    "dcterms:date",
    "date",
    "prism:publicationdate",
    "news:publication_date",
)
_UPDATED = ("updated", "modified", "dcterms:modified", "lastbuilddate", "lastmod")
_AUTHORS = ("author", "dc:creator", "dc:author", "itunes:author", "managingeditor")
_CONTENT = (
    "content:encoded",
    "fullitem",
    "content",
    "xhtml:body",
    "body",
    "turbo:content",
    "yandex:full-text",
    "rambler:fulltext",
    "mailru:full-text",
    "full-text",
    "fulltext",
)
_SUMMARIES = ("description", "summary")
_LESSER_SUMMARIES = (
    "abstract",
    "dcterms:abstract",
    "dc:description",
    "itunes:summary",
    "media:description",
)
# Elements whose text is HTML when they state no type; in the others it is text (RFC 4287, 3.1.1).
_HTML = frozenset({"description", *_CONTENT}) - {"content"}
_ORIGINS = ("source", "dc:source", "dc:publisher", "prism:publicationname")
_CATEGORIES = ("category", "dc:subject", "media:category", "itunes:category")
_KEYWORDS = ("media:keywords", "news:keywords", "itunes:keywords", "keywords", "tags")
_LANGUAGES = ("language", "dc:language", "news:language")
_IMAGES = ("media:thumbnail", "itunes:image", "image", "image:image")
# Elements whose children are fields of the entry.
_WRAPPERS = frozenset({"media:group", "news:news", "news:publication"})
_PERIODS_S = {
    "hourly": 3600,
    "daily": 86_400,
    "weekly": 604_800,
    "monthly": 2_592_000,
    "yearly": 31_536_000,
}

_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


class XmlReader:
    """Collects the entries of one document into ``feed``, then what stands around them.

    ``names`` is to be told of the document's namespace declarations.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        url: str,
        zone: tzinfo,
        now: datetime | None,
        max_entries: int,
        max_depth: int,
    ) -> None:
        self.feed = feed
        self.names = Names()
        self._url = url
        self._zone = zone
        self._now = now
        self._max_entries = max_entries
        self._max_depth = max_depth
        # What entries inherit from the element they stand in, looked up when that changes.
        self._holder: Element | None = None
        self._base = url
        self._language: str | None = None
        self._atom = feed.format == "atom"
        self.seen = 0
        self._unzoned = 0

    def add(self, item: Element) -> None:
        """Reads one complete entry element.

        Raises LimitError for more than ``max_entries`` of them, or more than ``max_depth`` levels.
        """
        self.seen += 1
        if self.seen > self._max_entries:
            reason = f"more than {self._max_entries} entries (NEWS_MAX_ENTRIES)"
            raise LimitError(reason, url=self._url)
        fields = self._collect(item)
        holder = item.getparent()
        if holder is not self._holder:
            self._enter(holder)
        base = _join_base(item, self._base)
        if self.feed.format == "sitemapindex":
            if address := _read_location(fields, base):
                self.feed.advertised.append(address)
            return
        entry = self._read_entry(item, fields, base)
        if not (entry.title or entry.link or entry.id) and _is_hollow(fields):
            self.feed.problems.append(Problem(f"entry element {self.seen - 1} is empty: left out"))
        else:
            self.feed.entries.append(entry)

    def finish(self, root: Element) -> None:
        """Reads what the document says of itself, once all entries are in."""
        feed = self.feed
        fields = self._collect(root)
        holder = fields["channel"][0] if "channel" in fields else root
        if holder is not root:
            for name, elements in self._collect(holder).items():
                fields[name] = elements + fields.get(name, [])
        self._enter(holder)
        base = self._base
        links = fields.get("link", [])
        feed.title = _read_title(fields, atom=self._atom)
        feed.link = _choose_link(links, base) or read_url(_get(holder, "href"), base)
        following = next((_read_href(link, base) for link in links if _is_next(link)), None)
        feed.next_urls = [following] if following else []
        feed.language = _read_language(fields) or self._language
        feed.ttl_s = _read_ttl(fields)
        if feed.language:
            for entry in feed.entries:
                entry.language = entry.language or feed.language
        if self._unzoned:
            note = f"{DATES_WITHOUT_ZONE}: {self._unzoned}, read in {self._zone}"
            feed.problems.append(Problem(note))

    def _read_entry(self, item: Element, fields: Fields, base: str) -> Entry:
        """One entry; the order of the lines is that of its fields."""
        entry = Entry(base_url=base)
        entry.id = _read_id(fields, item)
        entry.link = _read_link(fields, item, base)
        if entry.link is None and (stated := _list_texts(fields, ("link",))):
            reason = f"link is no http address: {stated[0][:80]!r}"
            self.feed.problems.append(Problem(reason, len(self.feed.entries)))
        entry.title = _read_title(fields, atom=self._atom)
        self._read_texts(entry, fields)
        entry.authors = _read_authors(fields, self.names)
        entry.categories = _read_categories(fields)
        self._read_dates(entry, fields, item)
        _read_media(entry, fields, base, self.names)
        entry.origin = _read_origin(fields, self.names)
        entry.language = _read_language(fields) or _state_language(item) or self._language
        return entry

    def _collect(self, parent: Element) -> Fields:
        """The children of ``parent``, with those of media groups and of news sitemaps."""
        names = self.names
        found: Fields = {}
        for child in parent:
            name = names[child.tag]
            if name in found:
                found[name].append(child)
            else:
                found[name] = [child]
            if len(child):
                if any(map(len, child)):
                    self._check_depth(child)
                if name in _WRAPPERS:
                    for inner, parts in self._collect(child).items():
                        found.setdefault(inner, []).extend(parts)
        return found

    def _check_depth(self, element: Element) -> None:
        depth = deepest = sum(1 for _ in element.iterancestors())
        for event, _ in etree.iterwalk(element, events=("start", "end")):
            depth += 1 if event == "start" else -1
            deepest = max(deepest, depth)
        if deepest > self._max_depth:
            reason = f"more than {self._max_depth} levels of elements (NEWS_MAX_DEPTH)"
            raise LimitError(reason, url=self._url)

    def _enter(self, holder: Element | None) -> None:
        """Takes base address and language from ``holder`` and what it stands in."""
        self._holder = holder
        self._base = self._url
        self._language = None
        if holder is not None:
            for element in reversed((holder, *holder.iterancestors())):
                self._base = _join_base(element, self._base)
                self._language = _state_language(element) or self._language

    def _read_texts(self, entry: Entry, fields: Fields) -> None:
        """Content is the full text and summary the short one, whatever they were called."""
        contents = _read_fragments(fields, _CONTENT)
        summaries = _read_fragments(fields, _SUMMARIES)
        content = max(contents, key=_measure) if contents else None
        summary = summaries[0] if summaries else None
        if len(summaries) > 1 and content is None:
            # A description and a summary, or two descriptions: the longer one is the article.
            content = max(summaries, key=_measure)
            summary = min(summaries, key=_measure)
            if content[0] == summary[0]:
                content = None
        elif content and summary and _is_swapped(content[0], summary[0]):
            content, summary = summary, content
        elif summary is None:
            lesser = _read_fragments(fields, _LESSER_SUMMARIES)
            summary = lesser[0] if lesser else None
        if content:
            entry.content = content[0]
        if summary:
            entry.summary = summary[0]
        main = content or summary
        if main and entry.base_url:
            entry.base_url = _join_base(main[1], entry.base_url)

    def _read_dates(self, entry: Entry, fields: Fields, item: Element) -> None:
        """Reads both times; what cannot be read becomes ``date_text`` and a problem."""
        entry.published = self._read_date(entry, _list_texts(fields, _PUBLISHED))
        entry.updated = self._read_date(entry, _list_texts(fields, _UPDATED))
        if entry.updated is None and (changed := _get(item, "lastmod")):  # CDF
            entry.updated = self._read_date(entry, [changed])
        if entry.date_text is not None:
            reason = f"date cannot be read: {entry.date_text[:80]!r}"
            self.feed.problems.append(Problem(reason, len(self.feed.entries)))
            if entry.published is not None:
                entry.date_text = None

    def _read_date(self, entry: Entry, texts: list[str]) -> datetime | None:
        for text in texts:
            found = read_date(text, timezone=self._zone, now=self._now)
            if found.at is not None:
                self._unzoned += not found.named_zone
                return found.at
            if entry.date_text is None:
                entry.date_text = text
        return None


# --- one function a field ---


def _join_base(element: Element, base: str) -> str:
    """The address that relative ones in ``element`` start from."""
    stated = element.get(_BASE) if element.keys() else None
    return (read_url(stated, base) or base) if stated else base


def _state_language(element: Element) -> str | None:
    stated = element.get(_LANGUAGE) if element.keys() else None
    return stated.strip() or None if stated else None


def _read_language(fields: Fields) -> str | None:
    for name in _LANGUAGES:
        for child in fields.get(name, ()):
            if language := squeeze(child.text or ""):
                return language
    return None


def _is_hollow(fields: Fields) -> bool:
    """Whether an entry says nothing but dates."""
    return not any(
        len(element) or element.keys() or (element.text and not element.text.isspace())
        for name, elements in fields.items()
        if not (name in _PUBLISHED or name in _UPDATED or name.startswith("?"))
        for element in elements
    )


def _read_id(fields: Fields, item: Element) -> str | None:
    for name in _IDS:
        for element in fields.get(name, ()):
            if element.text and (text := element.text.strip()):
                return text
    return item.get(_ABOUT) or None


def _read_link(fields: Fields, item: Element, base: str) -> str | None:
    """The article's address: the publisher's own, before a feed service's redirect."""
    for element in fields.get("feedburner:origlink", ()):
        if url := read_url(element.text, base):
            return url
    if url := _choose_link(fields.get("link", ()), base):
        return url
    if "guid" in fields:
        for element in fields["guid"]:
            if (_get(element, "ispermalink") or "").lower() != "false" and (
                url := _read_permanent(element.text)
            ):
                return url
    for element in fields.get("id", ()):
        if url := _read_permanent(element.text):
            return url
    for element in fields.get("content", ()):
        if url := read_url(element.get("src"), base):
            return url
    return (
        _read_permanent(item.get(_ABOUT))
        or read_url(_get(item, "href"), base)  # CDF
        or _read_location(fields, base)
    )


def _get(element: Element, name: str) -> str | None:
    """An attribute by its name in any case."""
    # Not items(): lxml looks every value up by its name, which is quadratic.
    found = next((key for key in element.keys() if str(key).lower() == name), None)  # noqa: SIM118
    return None if found is None else element.get(found)


def _read_permanent(text: str | None) -> str | None:
    """An identifier as an address, if it is one by itself."""
    return read_url(text, None)


def _read_location(fields: Fields, base: str) -> str | None:
    return next((url for loc in fields.get("loc", ()) if (url := read_url(loc.text, base))), None)


def _choose_link(links: Iterable[Element], base: str) -> str | None:
    """RSS's link is text; of Atom's the alternate one counts, an HTML one first."""
    other = None
    for link in links:
        href = link.get("href")
        if link.get("rel", "alternate").lower() != "alternate":
            continue
        if href is None:
            if url := read_url(link.text, base):
                return url
        elif url := read_url(href, base):
            if "html" in link.get("type", "text/html").lower():
                return url
            other = other or url
    return other


def _read_href(link: Element, base: str) -> str | None:
    return read_url(link.get("href") or link.text, base)


def _is_next(link: Element) -> bool:
    return link.get("rel", "").lower() == "next"


def _read_title(fields: Fields, *, atom: bool) -> str:
    for name in _TITLES:
        for element in fields.get(name, ()):
            if title := read_words(element, atom=atom):
                return title
    return ""


def _read_fragments(fields: Fields, names: Iterable[str]) -> list[Text]:
    """The fragments of all elements of these names, those of the first name first."""
    return [
        (text, element)
        for name in names
        if name in fields
        for element in fields[name]
        if (text := read_fragment(element, markup=name in _HTML))
    ]


def _measure(text: Text) -> int:
    return len(text[0])


def _is_swapped(content: str, summary: str) -> bool:
    """Whether the "summary" is the longer text by far: some feeds have the two reversed."""
    if len(summary) <= 2 * len(content):
        return False
    return count_visible(summary) > 2 * count_visible(content)


def _read_authors(fields: Fields, names: Names) -> list[str]:
    found: list[str] = []
    for name in _AUTHORS:
        for element in fields.get(name, ()):
            author = read_author(_read_part(element, names, ("name", "email")))
            if author and author not in found:
                found.append(author)
    return found


def _read_part(element: Element, names: Names, wanted: tuple[str, ...]) -> str:
    """The text of the first wanted child; that of the element itself when it has no children."""
    if not len(element):
        return element.text or ""
    parts = {names[child.tag]: child for child in reversed(element)}
    for name in wanted:
        if name in parts and (text := "".join(parts[name].itertext())):
            return text
    return ""


def _read_categories(fields: Fields) -> list[str]:
    found: dict[str, None] = {}
    for name in _CATEGORIES:
        for element in fields.get(name, ()):
            term = element.text
            if element.keys():
                term = element.get("label") or element.get("term") or term or element.get("text")
            if term and (word := read_title(term, markup=None)):
                found[word] = None
    for name in _KEYWORDS:
        for element in fields.get(name, ()):
            for term in (element.text or "").replace("，", ",").split(","):
                if word := read_title(term, markup=None):
                    found[word] = None
    return list(found)


def _list_texts(fields: Fields, names: Iterable[str]) -> list[str]:
    return [
        text.strip()
        for name in names
        if name in fields
        for element in fields[name]
        if (text := element.text) and not text.isspace()
    ]


def _read_media(entry: Entry, fields: Fields, base: str, names: Names) -> None:
    """Images and enclosures; an image that is enclosed is both."""
    for link in fields.get("link", ()):
        if link.get("rel") == "enclosure":
            _add_enclosure(entry, _read_href(link, base), link)
    for element in fields.get("enclosure", ()):
        _add_enclosure(entry, read_url(element.get("url") or element.get("href"), base), element)
    for element in fields.get("media:content", ()):
        url = read_url(element.get("url"), base)
        if url and is_image(url, element.get("type"), element.get("medium")):
            _add_image(entry, url)
        elif url:
            _add_enclosure(entry, url, element)
        for child in element:
            if names[child.tag] == "media:thumbnail":
                _add_image(entry, read_url(child.get("url"), base))
    for name in _IMAGES:
        for element in fields.get(name, ()):
            stated = element.get("url") or element.get("href")
            if stated is None:
                stated = _read_part(element, names, ("url", "image:loc")).strip()
                # Text may be a caption; an address relative to the page is not seen here.
                if not stated.startswith(("http", "/")):
                    continue
            _add_image(entry, read_url(stated, base))


def _add_enclosure(entry: Entry, url: str | None, element: Element) -> None:
    if url is None or any(known.url == url for known in entry.enclosures):
        return
    mime = (element.get("type") or "").strip()
    entry.enclosures.append(Enclosure(url, mime))
    if is_image(url, mime):
        _add_image(entry, url)


def _add_image(entry: Entry, url: str | None) -> None:
    if url and url not in entry.images:
        entry.images.append(url)


def _read_origin(fields: Fields, names: Names) -> str | None:
    """Whom the entry credits: RSS's source is a name, Atom's a feed, a news sitemap's a paper."""
    for name in _ORIGINS:
        for element in fields.get(name, ()):
            text = read_title(_read_part(element, names, ("title", "name")), markup=None)
            if text:
                return text
    for element in fields.get("news:name", ()):
        if text := squeeze(element.text or ""):
            return text
    return None


def _read_ttl(fields: Fields) -> int | None:
    """How long the document says it stays fresh, in seconds."""
    for element in fields.get("ttl", ()):
        minutes = _read_count(element.text)
        if minutes:
            return minutes * 60
    for element in fields.get("sy:updateperiod", ()):
        period = _PERIODS_S.get((element.text or "").strip().lower())
        if period:
            often = [_read_count(other.text) for other in fields.get("sy:updatefrequency", ())]
            return period // (often[0] if often and often[0] else 1)
    return None


def _read_count(text: str | None) -> int | None:
    """A small whole number; a longer one means nothing here."""
    bare = (text or "").strip()
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 7 else None
