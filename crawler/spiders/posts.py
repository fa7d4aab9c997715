"""``scrapy crawl posts -a path=DIR``: existing front-matter posts, normalised into the archive."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError

from crawler.article import Article
from crawler.extensions import RunReporter
from crawler.items import NewsItem
from crawler.options import Options, read_options
from crawler.pipelines import ArchivePipeline
from crawler.posts import parse_post
from crawler.sources import labels
from crawler.spiders.arguments import read_count, read_flag, wrong_argument

IMPORTED = "imported"


class PostsSpider(Spider):
    """Reads files and folders; asks nothing of any network."""

    name = "posts"
    options: Options
    arguments: ClassVar[dict[str, str]] = {
        "path": "a folder of posts, or one post; both dialects, damaged ones too",
        "gmt_is_local": "1: dates labelled GMT are Beijing wall-clock time (+08:00)",
        "limit": "at most so many articles",
    }

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name)
        self.path = Path(kwargs.get("path") or "")
        self.gmt_is_local = read_flag(kwargs.get("gmt_is_local"), "gmt_is_local")
        self.limit = read_count(kwargs.get("limit"), "limit")

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.options = read_options(crawler.settings)
        return spider

    @classmethod
    def check_arguments(cls, arguments: dict[str, str]) -> None:
        """Raises UsageError, with one line, when the ``-a`` arguments make no sense."""
        for key in arguments:
            if key not in cls.arguments:
                raise UsageError(
                    f"-a {key}=…: unknown argument, expected one of {', '.join(cls.arguments)}",
                    print_help=False,
                )
        if not arguments.get("path"):
            raise UsageError("posts needs -a path=FOLDER", print_help=False)
        cls(**arguments)
        if not Path(arguments["path"]).exists():
            raise wrong_argument("path", arguments["path"], "a folder or file that exists")

    async def start(self) -> AsyncIterator[Any]:
        reporter = self.crawler.get_extension(RunReporter)
        pipeline = self.crawler.get_item_pipeline(ArchivePipeline)
        assert reporter is not None
        if pipeline is None or pipeline.archive is None:
            return
        self._run = reporter.report
        sources = self.options.load_sources()
        self._sources = sources
        self._by_label = labels(sources.values())
        count = 0
        for path in list_files(self.path):
            if self.limit is not None and count >= self.limit:
                return
            item = self._read(path)
            if item is not None:
                count += 1
                yield item
        if count == 0:
            self._run.warnings.append(f"{self.path}: no posts")

    def _read(self, path: Path) -> NewsItem | None:
        try:
            data = path.read_bytes()
        except OSError as error:
            self._run.of(IMPORTED).refuse(f"cannot be read: {error.strerror}", str(path))
            return None
        if b"\0" in data[:4096]:
            self._run.of(IMPORTED).refuse("is not a text file", str(path))
            return None
        if len(data) > self.options.max_bytes:
            self._run.of(IMPORTED).refuse("is larger than NEWS_MAX_BYTES", str(path))
            return None
        post = parse_post(data, name=str(path), gmt_is_local=self.gmt_is_local)
        if not (post.article.title or post.article.body.strip()):
            self._run.of(IMPORTED).refuse("holds neither title nor text", str(path))
            return None
        item = self._make_item(post.article)
        report = self._run.of(item.source)
        report.entries += 1
        report.bytes += len(data)
        report.see(item.published)
        for warning in post.warnings:
            report.warn(warning.removeprefix(f"{path}:"), str(path))
        return item

    def _make_item(self, article: Article) -> NewsItem:
        item = NewsItem(**{f.name: getattr(article, f.name) for f in fields(Article)})
        if not item.source:
            item.source = self._by_label.get(item.label, IMPORTED)
        declared = self._sources.get(item.source)
        item.timezone = declared.timezone if declared else self.options.timezone
        if declared:
            item.section = item.section or declared.section
            item.slug = item.slug or declared.slug
        return item


def list_files(path: Path) -> Iterator[Path]:
    """Yields a file, or all files below a folder in the order of their names, hidden ones not."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
