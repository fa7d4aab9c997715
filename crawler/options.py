"""The ``NEWS_…`` settings, read and checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings

from crawler import settings as page
from crawler.archive import NEAR_MODES, Convert, NearMode, Reader, Renderer
from crawler.article import FORMS, Article, Form
from crawler.errors import NewsError
from crawler.images import ImageTable, load_image_table
from crawler.normalize import normalize
from crawler.posts import DIALECTS, Dialect, parse_post, render_post
from crawler.sources import IMAGE_PROXIES, Source, load_sources

DryRun = Literal["off", "list", "posts"]
"""What a crawl shows of the posts it would write, without writing: a line each, or all of them."""
DRY_RUNS: tuple[DryRun, ...] = ("off", "list", "posts")

# It stands in brackets in a header: no spaces, no brackets, nothing beyond ASCII.
_CONTACT = re.compile(r"(?=https?://|.+@)[!-'*-\[\]-~]+")
_NAMES = [name for name in vars(page) if name.startswith("NEWS_")]


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator decided. ``timezone`` is that of dates and sources that name none."""

    archive: Path
    dialect: Dialect
    body: Form
    extra_keys: bool
    placeholder_image: str | None
    sources_path: Path | None
    near: NearMode
    timezone: str
    rsshub: str
    dry_run: DryRun
    max_entries: int
    max_bytes: int
    max_page: int
    max_depth: int
    max_attributes: int
    max_text: int
    max_seconds: int
    max_source_seconds: float
    max_pages: int
    max_retry_after: float
    max_crawl_delay: float
    backoff: float
    contact: str | None

    @property
    def is_dry(self) -> bool:
        return self.dry_run != "off"

    def load_sources(self) -> dict[str, Source]:
        """Gives every source by name. Raises UsageError when one does not validate."""
        try:
            return load_sources(self.sources_path, timezone=self.timezone, rsshub=self.rsshub)
        except NewsError as error:
            raise UsageError(str(error), print_help=False) from error

    def load_image_table(self) -> ImageTable:
        """Gives the image proxies, the user's among them. Raises UsageError."""
        path = self.sources_path / IMAGE_PROXIES if self.sources_path else None
        if path is None or not path.is_file():
            return load_image_table()
        try:
            return load_image_table(path.read_text("utf-8"), path_for_errors=str(path))
        except (NewsError, OSError, UnicodeDecodeError) as error:
            raise UsageError(str(error), print_help=False) from error

    @property
    def render(self) -> Renderer:
        return partial(_render, self)

    def make_converter(self) -> Convert:
        """Gives what turns a post of the archive into one as posts are written today.

        Zone and slug are those of the declared source. Raises UsageError as the loaders do.
        """
        return partial(_convert, self, self.load_image_table(), self.load_sources())

    @property
    def read(self) -> Reader:
        """How posts of the archive are read: without extra keys they do not tell their form."""
        return partial(parse_post, bare_form="html" if self.extra_keys else self.body)


def _render(options: Options, article: Article, timezone: str) -> bytes:
    return render_post(
        article,
        dialect=options.dialect,
        extra_keys=options.extra_keys,
        placeholder_image=options.placeholder_image,
        timezone=timezone,
    )


def _convert(
    options: Options, table: ImageTable, sources: dict[str, Source], article: Article, whole: bool
) -> bytes:
    declared = sources.get(article.source)
    if declared:
        article.slug = article.slug or declared.slug
        if not whole:
            article.label = article.label or declared.label
            article.section = article.section or declared.section
    if article.form != options.body or not whole:
        article = normalize(article, body=options.body, table=table)
    return options.render(article, declared.timezone if declared else options.timezone)


def read_options(settings: BaseSettings) -> Options:
    """Reads the settings; raises UsageError with one line that names setting and value."""
    for name in settings:
        if name.startswith("NEWS_") and name not in _NAMES:
            raise UsageError(
                f"{name}: unknown setting, expected one of {', '.join(_NAMES)}", print_help=False
            )
    dialect = settings.get("NEWS_DIALECT")
    if dialect not in DIALECTS:
        raise _wrong("NEWS_DIALECT", dialect, f"one of {', '.join(DIALECTS)}")
    body = settings.get("NEWS_BODY")
    if body not in FORMS:
        raise _wrong("NEWS_BODY", body, f"one of {', '.join(FORMS)}")
    if dialect.endswith("-seed") and body != "html":
        # "text" is what the settings page says when nobody has decided.
        if body != "text" or (settings.getpriority("NEWS_BODY") or 0) > 20:
            raise _wrong("NEWS_BODY", body, f"html, the only form that dialect {dialect} has")
        body = "html"
    near = settings.get("NEWS_NEAR_DUPLICATES")
    if near not in NEAR_MODES:
        raise _wrong("NEWS_NEAR_DUPLICATES", near, f"one of {', '.join(NEAR_MODES)}")
    timezone = settings.get("NEWS_TIMEZONE")
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise _wrong("NEWS_TIMEZONE", timezone, "a time zone such as Asia/Shanghai") from error
    archive = settings.get("NEWS_ARCHIVE")
    if not archive:
        raise _wrong("NEWS_ARCHIVE", archive, "the folder of the archive")
    placeholder = settings.get("NEWS_PLACEHOLDER_IMAGE") or None
    if placeholder and urlsplit(placeholder).scheme not in ("http", "https"):
        raise _wrong("NEWS_PLACEHOLDER_IMAGE", placeholder, "an http or https address")
    rsshub = settings.get("NEWS_RSSHUB") or ""
    if urlsplit(rsshub).scheme not in ("http", "https"):
        raise _wrong("NEWS_RSSHUB", rsshub, "the http or https address of an RSSHub mirror")
    dry_run = settings.get("NEWS_DRY_RUN")
    if dry_run not in DRY_RUNS:
        raise _wrong("NEWS_DRY_RUN", dry_run, f"one of {', '.join(DRY_RUNS)}")
    sources = settings.get("NEWS_SOURCES") or None
    try:
        extra_keys = settings.getbool("NEWS_EXTRA_KEYS")
    except ValueError as error:
        raise _wrong("NEWS_EXTRA_KEYS", settings.get("NEWS_EXTRA_KEYS"), "True or False") from error
    return Options(
        archive=Path(archive),
        dialect=dialect,
        body=body,
        extra_keys=extra_keys,
        placeholder_image=placeholder,
        sources_path=Path(sources) if sources else None,
        near=near,
        timezone=timezone,
        rsshub=rsshub,
        dry_run=dry_run,
        max_entries=_positive(settings, "NEWS_MAX_ENTRIES"),
        max_bytes=_positive(settings, "NEWS_MAX_BYTES"),
        max_page=_positive(settings, "NEWS_MAX_PAGE"),
        max_depth=_positive(settings, "NEWS_MAX_DEPTH"),
        max_attributes=_positive(settings, "NEWS_MAX_ATTRIBUTES"),
        max_text=_positive(settings, "NEWS_MAX_TEXT"),
        max_seconds=_positive(settings, "NEWS_MAX_SECONDS"),
        max_source_seconds=_seconds(settings, "NEWS_MAX_SOURCE_SECONDS"),
        max_pages=_positive(settings, "NEWS_MAX_PAGES"),
        max_retry_after=_seconds(settings, "NEWS_MAX_RETRY_AFTER"),
        max_crawl_delay=_seconds(settings, "NEWS_MAX_CRAWL_DELAY"),
        backoff=_seconds(settings, "NEWS_BACKOFF"),
        contact=_read_contact(settings),
    )


def list_download_settings(settings: BaseSettings) -> dict[str, object]:
    """Gives Scrapy's settings that follow from ours, for a spider to set."""
    contact = _read_contact(settings)
    agent = settings["USER_AGENT"]
    return {
        "DOWNLOAD_MAXSIZE": settings.getint("NEWS_MAX_BYTES"),
        "DOWNLOAD_TIMEOUT": settings.getint("NEWS_MAX_SECONDS"),
        # What robots.txt may know us by is the name alone.
        "ROBOTSTXT_USER_AGENT": settings["ROBOTSTXT_USER_AGENT"] or agent,
        "USER_AGENT": f"{agent} (+{contact})" if contact else agent,
    }


def _positive(settings: BaseSettings, name: str) -> int:
    try:
        value = settings.getint(name)
    except (ValueError, TypeError):
        value = 0
    if value < 1:
        raise _wrong(name, settings.get(name), "a whole number above 0")
    return value


def _seconds(settings: BaseSettings, name: str) -> float:
    try:
        value = settings.getfloat(name)
    except (ValueError, TypeError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise _wrong(name, settings.get(name), "seconds above 0")
    return value


def _read_contact(settings: BaseSettings) -> str | None:
    contact = settings.get("NEWS_CONTACT") or None
    if contact and not _CONTACT.fullmatch(contact):
        raise _wrong("NEWS_CONTACT", contact, "an e-mail address or an http or https address")
    return contact


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(f"{name} is {value!r}, expected {expected}", print_help=False)
