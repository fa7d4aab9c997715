"""``scrapy normalize``: the normaliser without a crawl."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.article import Article
from crawler.commands import usage_in_one_line
from crawler.encoding import decode_text
from crawler.errors import NewsError
from crawler.normalize import normalize
from crawler.options import Options, read_options
from crawler.pages import check_is_text, extract_article
from crawler.posts import parse_post

_DOCUMENT = re.compile(rb"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] FILE..."

    def short_desc(self) -> str:
        return "Normalise posts or HTML files, without a crawl"

    def long_desc(self) -> str:
        return (
            "Reads front-matter posts of either dialect, HTML pages or HTML fragments and writes "
            "normalised posts, in the dialect of NEWS_DIALECT and the body form of NEWS_BODY. "
            "FILE may be - for standard input. Exit status 1 when a file could not be read."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="Normalize")
        group.add_argument(
            "-o", "--output", metavar="DIR", help="write DIR/<name>.md (default: standard output)"
        )
        group.add_argument(
            "--url", metavar="URL", help="address of an HTML file, for what is relative in it"
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if not args:
            raise UsageError("normalize takes one file or more", print_help=False)
        assert self.settings is not None
        options = read_options(self.settings)
        output = Path(opts.output) if opts.output else None
        written: dict[Path, str] = {}
        for name in args:
            try:
                data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
                post = self._normalize(data, name, opts.url, options)
                if output is None:
                    sys.stdout.buffer.write(post)
                    sys.stdout.buffer.flush()
                else:
                    output.mkdir(parents=True, exist_ok=True)
                    path = output / f"{'stdin' if name == '-' else Path(name).stem}.md"
                    if path in written:
                        self._fail(f"{name}: {path} holds {written[path]} already")
                        continue
                    path.write_bytes(post)
                    written[path] = name
            except OSError as error:
                self._fail(f"{error.filename or name}: {error.strerror}")
            except NewsError as error:
                self._fail(f"{name}: {error}")

    def _normalize(self, data: bytes, name: str, url: str | None, options: Options) -> bytes:
        if re.match(rb"(?:\xef\xbb\xbf)?\s*---\s*\n", data):
            post = parse_post(data, name=name)
            for warning in post.warnings:
                print(warning, file=sys.stderr)
            article = post.article
        elif _DOCUMENT.search(data[:4096]):
            article = extract_article(data, url=url or "", timezone=options.timezone)
        else:
            check_is_text(data)
            article = Article(body=decode_text(data, kind="html").text)
        clean = normalize(
            article, body=options.body, table=options.load_image_table(), base_url=url
        )
        return options.render(clean, options.timezone)

    def _fail(self, message: str) -> None:
        print(f"scrapy normalize: {message}", file=sys.stderr)
        self.exitcode = 1
