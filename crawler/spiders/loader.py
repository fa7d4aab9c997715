"""Makes a spider of every declared source, under the source's name."""

from __future__ import annotations

from typing import Self

from scrapy import Request, Spider
from scrapy.settings import BaseSettings

from crawler.options import read_options
from crawler.sources import Source
from crawler.spiders.feed import FeedSpider
from crawler.spiders.posts import PostsSpider
from crawler.spiders.source import SourceSpider


class SourceLoader:
    """Scrapy's spider loader over sources; they are read when first asked for.

    A source file that does not validate makes ``list`` and ``load`` raise UsageError, so every
    command ends with one line and exit status 2.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self._settings = settings
        self._spiders: dict[str, type[Spider]] | None = None

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Self:
        return cls(settings)

    def load(self, spider_name: str) -> type[Spider]:
        try:
            return self._all()[spider_name]
        except KeyError:
            raise KeyError(f"Spider not found: {spider_name}") from None

    def list(self) -> list[str]:
        return sorted(self._all())

    def find_by_request(self, request: Request) -> list[str]:  # type: ignore[valid-type]
        return [name for name, spider in self._all().items() if spider.handles_request(request)]

    def _all(self) -> dict[str, type[Spider]]:
        if self._spiders is None:
            sources = read_options(self._settings).load_sources()
            self._spiders = {name: _spider_of(source) for name, source in sources.items()}
            self._spiders |= {FeedSpider.name: FeedSpider, PostsSpider.name: PostsSpider}
        return self._spiders


def _spider_of(source: Source) -> type[Spider]:
    return type("SourceSpider", (SourceSpider,), {"name": source.name, "sources": (source,)})
