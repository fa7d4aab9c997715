"""``scrapy crawl feed -a url=…``: any feed, or a page that advertises one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError

from crawler.sources import RESERVED, FeedRule, Source
from crawler.sources.rules import FullText
from crawler.spiders.arguments import read_url, wrong_argument
from crawler.spiders.source import SourceSpider

_FULLTEXT: dict[str, FullText] = {"auto": "auto", "always": "always", "never": "never"}


class FeedSpider(SourceSpider):
    """A source that is declared on the command line."""

    name = "feed"
    arguments: ClassVar[dict[str, str]] = {
        "url": "the feed's address (RSS, Atom, RDF, JSON Feed, sitemap), or a page's",
        "name": "what the source is called, in folders and headers (default: the host)",
        "categories": "section,label,channel (default: the feed's own title as label)",
        "timezone": "zone of dates that name none (default: NEWS_TIMEZONE)",
        "fulltext": "auto: pages are fetched where the feed has no full text; always; never",
        **{key: text for key, text in SourceSpider.arguments.items() if key != "channel"},
    }

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(self.name, **kwargs)
        url = read_url(kwargs.get("url"), "url")
        source = name or urlsplit(url).hostname or ""
        if source in RESERVED or not source.isprintable() or len(source) > 100:
            raise wrong_argument("name", source, "a name of its own, at most 100 characters")
        categories = [part.strip() for part in (kwargs.get("categories") or "").split(",")]
        if len(categories) > 3:
            raise wrong_argument(
                "categories", kwargs["categories"], "at most three: section,label,channel"
            )
        section, label, channel = (["", *categories] if len(categories) == 1 else categories) + [
            ""
        ] * (3 - max(len(categories), 2))
        fulltext = _FULLTEXT.get(kwargs.get("fulltext") or "auto")
        if fulltext is None:
            raise wrong_argument("fulltext", kwargs["fulltext"], f"one of {', '.join(_FULLTEXT)}")
        zone = kwargs.get("timezone")
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (KeyError, ValueError, OSError):
                raise wrong_argument(
                    "timezone", zone, "a time zone such as Asia/Shanghai"
                ) from None
        declared = Source(
            name=source,
            label=label,
            section=section,
            timezone=zone or "",
            feeds=(FeedRule(url=url, channel=channel, fulltext=fulltext),),
            zone_declared=zone is not None,
        )
        self.sources = (declared,)

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Any:
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.sources = tuple(
            replace(source, timezone=source.timezone or spider.options.timezone)
            for source in spider.sources
        )
        return spider

    @classmethod
    def check_arguments(cls, arguments: dict[str, str]) -> None:
        if "url" not in arguments:
            raise UsageError("feed needs -a url=ADDRESS", print_help=False)
        super().check_arguments(arguments)
