"""``scrapy record``: an example of a source's page, as drafts to be read and corrected."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.http import Response

import crawler
from crawler.commands import refuse_source, usage_in_one_line
from crawler.encoding import decode_text
from crawler.errors import PageError
from crawler.examples import normalize_example, render_example
from crawler.options import Options, read_options
from crawler.pages import check_is_text, read_page
from crawler.posts import render_post
from crawler.sources import Source
from crawler.spiders.fetch import fetch, speak_softly
from crawler.spiders.responses import read_header, response_time

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Command(ScrapyCommand):
    requires_project = True

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        speak_softly(self.settings, opts)

    def syntax(self) -> str:
        return "[options] SOURCE URL"

    def short_desc(self) -> str:
        return "Record an article page of a source as an example to hold its rules against"

    def long_desc(self) -> str:
        return (
            "Fetches an article page politely and writes three drafts: the page as it came "
            "(.html), what is expected of it (.toml: fields, text, and the entry of the list that "
            "names it) and the post (.md). Read and correct them. Where: examples/SOURCE in the "
            "folder of NEWS_SOURCES; of a shipped source fixtures/pages/SOURCE. Exit status 1 when "
            "the page could not be had or no rule reads it."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="Record")
        group.add_argument("--folder", metavar="DIR", help="write the drafts here")
        group.add_argument("--name", metavar="NAME", help="what the files are called")
        group.add_argument("--force", action="store_true", help="replace what is there")

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if len(args) != 2:
            raise UsageError("record takes a source and an address", print_help=False)
        name, url = args
        assert self.settings is not None
        options = read_options(self.settings)
        source = options.load_sources().get(name)
        if source is None:
            raise refuse_source(name)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url}: expected an http or https address", print_help=False)
        folder = Path(opts.folder) if opts.folder else _find_folder(source, options)
        stem = opts.name or _UNSAFE.sub("-", parts.path.rpartition(".")[0] or parts.path).strip("-")
        base = folder / (stem[-60:].strip("-").lower() or "page")
        there = [path for path in _files(base) if path.exists()]
        if there and not opts.force:
            raise UsageError(f"{there[0]}: is there already (--force replaces it)",
                             print_help=False)  # fmt: skip
        assert self.crawler_process is not None
        responses, reasons = fetch(self.crawler_process, url)
        for reason in reasons:
            self._fail(reason)
        if not responses:
            return
        try:
            html, toml, post = _make_drafts(responses[0], source, options)
        except PageError as error:
            self._fail(str(error))
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in zip(_files(base), (html, toml, post), strict=True):
            path.write_bytes(data)
            print(path)
        print("read them and correct what is wrong: title, time, text, picture")

    def _fail(self, message: str) -> None:
        print(f"scrapy record: {message}", file=sys.stderr)
        self.exitcode = 1


def _files(base: Path) -> list[Path]:
    return [base.with_name(base.name + ending) for ending in (".html", ".toml", ".md")]


def _find_folder(source: Source, options: Options) -> Path:
    if options.sources_path and (options.sources_path / f"{source.name}.toml").is_file():
        return options.sources_path / "examples" / source.name
    return Path(crawler.__file__).parents[1] / "fixtures" / "pages" / source.name


def _make_drafts(response: Response, source: Source, options: Options) -> tuple[bytes, ...]:
    """The page, what is expected of it, and its post. Raises PageError."""
    content_type = read_header(response, "Content-Type")
    check_is_text(response.body, url=response.url, content_type=content_type)
    text = decode_text(response.body, content_type=content_type, kind="html").text
    page = read_page(
        text,
        url=response.url,
        rule=source.pages or None,
        timezone=source.timezone,
        now=response_time(response),
    )
    table = options.load_image_table()
    plain = normalize_example(source, page.article, table=table)
    toml = render_example(response.url, content_type, plain)
    return (
        response.body,
        toml.encode("utf-8"),
        render_post(plain, dialect="hexo", timezone=source.timezone),
    )
