"""``scrapy probe``: what is at this address, and how could a source file read it?"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.http import Response

from crawler.article import Article
from crawler.commands import usage_in_one_line
from crawler.examples import normalize_example
from crawler.normalize import normalize
from crawler.options import Options, read_options
from crawler.probe import Finding, match_rules, probe_document, write_source
from crawler.sources import Source
from crawler.spiders.fetch import fetch, speak_softly
from crawler.spiders.responses import read_header, response_time

_MOST_LISTED = 5
_MOST_SHOWN = 3_000  # characters of the post


class Command(ScrapyCommand):
    requires_project = True

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        speak_softly(self.settings, opts)

    def syntax(self) -> str:
        return "[options] URL"

    def short_desc(self) -> str:
        return "Tell what an address holds and draft a source file for it"

    def long_desc(self) -> str:
        return (
            "Fetches a feed, list or article page (and the first page that a list names), tells "
            "what it is, what the rules of declared sources make of it, what a post of it would "
            "look like, and a source file to start from. Writes no archive. Exit status 1 when it "
            "could not be fetched or is nothing that can be read."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument_group(title="Probe").add_argument(
            "-o", "--output", metavar="FILE", help="write the drafted source file here"
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if len(args) != 1:
            raise UsageError(f"probe takes one address, {len(args)} given", print_help=False)
        url = args[0]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url}: expected an http or https address", print_help=False)
        output = Path(opts.output) if opts.output else None
        if output and output.exists():
            raise UsageError(f"{output}: is there already", print_help=False)
        assert self.settings is not None
        options = read_options(self.settings)
        sources = options.load_sources()
        findings: list[Finding] = []

        def look(response: Response) -> str | None:
            finding = _probe(response, options)
            findings.append(finding)
            if finding.kind == "page with feeds":
                return finding.advertised[0]
            if finding.kind in ("list", "feed") and finding.feed:
                return next((entry.link for entry in finding.feed.entries if entry.link), None)
            return None

        assert self.crawler_process is not None
        responses, reasons = fetch(self.crawler_process, url, choose=look)
        for reason in reasons:
            print(f"scrapy probe: {reason}", file=sys.stderr)
        if not responses:
            self.exitcode = 1
            return
        first = findings[0]
        second = _probe(responses[1], options) if len(responses) > 1 else None
        near = [source for source in sources.values() if _is_of(source, responses[0].url)]
        readers: list[str] = []
        for response, finding in zip(responses, [first, second], strict=False):
            if finding:
                _print_finding(response, finding)
            readers = [*_print_matches(near, response), *readers]
        _print_post(first, second, [sources[name] for name in readers], options)
        if first.kind == "unknown":
            print("scrapy probe: nothing that can be read as a feed, list or article",
                  file=sys.stderr)  # fmt: skip
            self.exitcode = 1
            return
        draft = _draft(url, first, second)
        print(f"\n--- a source file to start from\n{draft}", end="")
        if output:
            output.write_text(draft, "utf-8")
            print(f"\nwritten to {output}; try it: scrapy crawl {output.stem} "
                  f"-s NEWS_SOURCES={output.parent} -a limit=3")  # fmt: skip


def _probe(response: Response, options: Options) -> Finding:
    return probe_document(
        response.body,
        url=response.url,
        content_type=read_header(response, "Content-Type"),
        timezone=options.timezone,
        now=response_time(response),
    )


_SECOND_LEVELS = frozenset(("com", "net", "org", "gov", "edu", "ac", "co"))


def _site_of(url: str) -> str:
    """The host without what may stand before the publisher's own name; of an IP address, all."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if labels[-1].isdecimal() or len(labels) < 3:
        return parts.netloc
    return ".".join(labels[-3 if labels[-2] in _SECOND_LEVELS else -2 :])


def _is_of(source: Source, url: str) -> bool:
    return any(_site_of(feed.url) == _site_of(url) for feed in source.feeds)


def _print_finding(response: Response, finding: Finding) -> None:
    print(f"{response.url}\n  {finding.kind}")
    for note in finding.notes:
        print(f"  {note}")
    for url in finding.advertised[:_MOST_LISTED] if finding.kind != "article" else ():
        print(f"  names a feed: {url}")
    for entry in (finding.feed.entries if finding.feed else [])[:_MOST_LISTED]:
        at = f"{entry.published:%Y-%m-%d %H:%M %z}" if entry.published else "no date"
        print(f"    {at:<22}  {entry.title[:50]}  {entry.link or ''}")
    print()


def _print_matches(sources: list[Source], response: Response) -> list[str]:
    """Says what declared rules make of it; gives the sources whose page rules read it."""
    matches = match_rules(
        sources,
        response.body,
        url=response.url,
        content_type=read_header(response, "Content-Type"),
        now=response_time(response),
    )
    # A source with twelve channels of one layout has that layout once.
    alike: dict[tuple[str, bool, tuple[str, ...]], list[str]] = {}
    for match in matches:
        alike.setdefault((match.source, match.reads, tuple(match.lines)), []).append(match.rule)
    for (source, reads, lines), rules in alike.items():
        name = f"{source}, {', '.join(rules)}"
        if not reads:
            print(f"{name}: does not fit ({lines[0]})")
            continue
        print(f"{name}: reads it")
        for line in lines:
            print(f"    {line}")
    return [match.source for match in matches if match.reads and match.rule.startswith("page")]


def _print_post(
    first: Finding, second: Finding | None, readers: list[Source], options: Options
) -> None:
    """Shows the post of the page, else of the feed's first entry."""
    table = options.load_image_table()
    article = next((found.article for found in (second, first) if found and found.article), None)
    if article is not None and readers:
        clean = normalize_example(readers[0], article, body=options.body, table=table)
    elif article is not None:
        clean = normalize(article, body=options.body, table=table)
    elif first.feed and first.feed.entries:
        entry = first.feed.entries[0]
        article = Article(
            title=entry.title,
            published=entry.published,
            canonical_url=entry.link,
            body=entry.content or entry.summary or "",
            images=list(entry.images),
        )
        clean = normalize(article, body=options.body, table=table, base_url=entry.base_url)
    else:
        return
    if clean.published is None:
        clean.published, clean.dated = datetime.now(UTC).replace(microsecond=0), "fetched"
    post = options.render(clean, options.timezone).decode("utf-8")
    print(f"\n--- a post of it would be\n{post[:_MOST_SHOWN]}", end="")
    print("…" if len(post) > _MOST_SHOWN else "")


def _draft(url: str, first: Finding, second: Finding | None) -> str:
    """The source file for what was found first and what came of it."""
    feed, page = first.feed_rule, first.page_rule
    if first.kind == "page with feeds" and second:
        feed = second.feed_rule
    elif second and not (first.feed and any(entry.content for entry in first.feed.entries)):
        page = page or second.page_rule
    label = (first.feed and first.feed.title) or urlsplit(url).hostname or "?"
    return write_source(label, feed, page, url=url)
