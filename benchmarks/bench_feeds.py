"""Feed reading beside feedparser, and beside fastfeedparser where it can be imported.

In one run, on one machine, over the same generated feeds: entries per CPU second (best of some
rounds), then field by field how often this project gives what feedparser gives on well-formed
feeds, then 100,000 entries in a process of their own (CPU seconds, peak memory).

Texts are compared as a reader sees them: without tags, references resolved, without blanks. Where
they differ on feedparser's own test files, it is for these reasons, and meant:

- feedparser removes scripts and unknown tags from bodies; here that is the normaliser's work;
- a title in XHTML loses its tags here and so keeps a ``<`` that was escaped as text; feedparser gives markup;
- of repeated elements the first that says something counts here, in feedparser the last;
- a link is absolute http(s) here or none; ``rdf:about`` stands in for a missing one;
- of a description and a summary the longer one is the content here, in feedparser the second.

Alone: ``python -m benchmarks.bench_feeds [--rounds N]``.
"""

from __future__ import annotations

import argparse
import html
import importlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import feedparser

from crawler.article import Entry
from crawler.errors import FeedError
from crawler.feeds import parse_feed

ROOT = Path(__file__).parents[1]
CORPUS = ROOT.parent / "shared" / "corpus" / "feeds" / "wellformed"
URL = "https://news.example/rss.xml"
WORDS = "公司 市场 增长 投资 银行 基金 证券 科技 产业 政策 数据 收入 利润 项目 改革 创新 企业 资金 交易 风险 监管 发展 业务 季度 同比 亿元 股份 上市 融资 消费".split()
FIELDS = ("id", "title", "link", "summary", "content", "author", "categories", "date", "enclosures")

Fields = dict[str, str]


def make_rss(count: int, paragraphs: int) -> str:
    """An RSS 2.0 feed; with paragraphs it has full text, about 3.5 kB an entry with eight."""
    random = Random(7)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>测试日报</title>'
        "<link>https://news.example/</link><language>zh-cn</language><ttl>30</ttl>\n"
    ]
    for number in range(count):
        at = datetime.fromtimestamp(1_780_000_000 + 60 * number).astimezone()
        body = "".join(f"<p>{_words(random, 55)}。</p>" for _ in range(paragraphs))
        image = f'<p><img src="/i/{number}.jpg" alt="图"></p>'
        parts.append(
            f"<item><title>第{number}号报道：{_words(random, 8)}</title>"
            f"<link>https://news.example/a/{number}.html?x=1&amp;y=2</link>"
            f'<guid isPermaLink="false">news-{number}</guid><dc:creator>张三</dc:creator>'
            f"<category>要闻</category><category>金融</category>"
            f"<pubDate>{format_datetime(at)}</pubDate>"
            f"<description>{_words(random, 40)}</description>"
            + (f"<content:encoded>{escape(body + image)}</content:encoded>" if body else "")
            + "</item>\n"
        )
    return "".join(parts) + "</channel></rss>\n"


def make_feeds() -> dict[str, tuple[bytes, int]]:
    """The feeds of this benchmark and how many entries each has."""
    full = make_rss(200, 8)
    damaged = full.replace("号报道", "号&nbsp;报道 & 综述").replace("</category><category>金融", "")
    return {
        "small": (make_rss(10, 1).encode(), 10),
        "200, full text": (full.encode(), 200),
        "200, full text, GBK": (full.replace("UTF-8", "gbk", 1).encode("gbk"), 200),
        "200, ill-formed": (damaged.encode(), 200),
        "5,000, short": (make_rss(5000, 0).encode(), 5000),
    }


def _words(random: Random, count: int) -> str:
    return "".join(random.choices(WORDS, k=count))


def read_ours(data: bytes) -> Any:
    return parse_feed(data, url=URL)


def read_feedparser(data: bytes) -> Any:
    return feedparser.parse(data, response_headers={"content-location": URL})


def list_readers() -> dict[str, Callable[[bytes], Any]]:
    readers: dict[str, Callable[[bytes], Any]] = {
        "this project": read_ours,
        "feedparser": read_feedparser,
    }
    try:
        readers["fastfeedparser"] = importlib.import_module("fastfeedparser").parse
    except ImportError:
        print("fastfeedparser: not installed, left out")
    return readers


def measure(reader: Callable[[bytes], Any], data: bytes, rounds: int) -> float:
    """CPU seconds of the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        reader(data)
        best = min(best, time.process_time() - start)
    return best


# --- agreement ---


def see(markup: str | None) -> str:
    """What a reader sees of a fragment, without blanks."""
    return re.sub(r"\s+", "", html.unescape(re.sub(r"<[^<>]*>", "", markup or "")))


def describe_ours(entry: Entry) -> Fields:
    at = entry.published or entry.updated
    return {
        "id": entry.id or "",
        "title": see(html.escape(entry.title, quote=False)),
        "link": entry.link or "",
        "summary": see(entry.summary),
        "content": see(entry.content),
        "author": entry.authors[0] if entry.authors else "",
        "categories": "|".join(entry.categories),
        "date": time.strftime("%Y-%m-%d %H:%M:%S", at.utctimetuple()) if at else "",
        "enclosures": "|".join(enclosure.url for enclosure in entry.enclosures),
    }


def describe_theirs(entry: Any) -> Fields:
    contents = [content.value for content in entry.get("content", [])]
    content = max(contents, key=len, default="")
    summary = entry.get("summary", "")
    # feedparser repeats the content where there is no summary.
    summary = "" if summary == content else summary
    at = entry.get("published_parsed") or entry.get("updated_parsed") or entry.get("created_parsed")
    author = entry.get("author_detail", {})
    return {
        "id": entry.get("id", ""),
        "title": see(entry.get("title")),
        "link": entry.get("link", ""),
        "summary": see(summary),
        "content": see(content),
        "author": author.get("name") or author.get("email") or entry.get("author", ""),
        "categories": "|".join(tag.label or tag.term or "" for tag in entry.get("tags", [])),
        "date": time.strftime("%Y-%m-%d %H:%M:%S", at) if at else "",
        "enclosures": "|".join(part.get("href", "") for part in entry.get("enclosures", [])),
    }


def compare(documents: list[bytes]) -> None:
    """Prints how often each field is the same."""
    equal = dict.fromkeys(FIELDS, 0)
    entries = lost = 0
    for data in documents:
        theirs = read_feedparser(data).entries
        try:
            ours = read_ours(data).entries
        except FeedError:
            ours = []
        wanted = [entry for entry in theirs if entry.get("title") or entry.get("summary")]
        lost += max(0, len(wanted) - len(ours))
        if len(ours) != len(theirs):
            continue
        for mine, other in zip(map(describe_ours, ours), map(describe_theirs, theirs), strict=True):
            entries += 1
            for field in FIELDS:
                equal[field] += mine[field] == other[field]
    print(f"  {len(documents)} documents, {entries} entries, {lost} entries lost")
    for field in FIELDS:
        print(f"  {field:<12}{equal[field]:>7} of {entries}")


# --- size ---

_LARGE = """
import resource, sys, time
from crawler.feeds import parse_feed
data = sys.stdin.buffer.read()
start = time.process_time()
feed = parse_feed(data, url="https://news.example/rss.xml")
used = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"  {len(feed.entries):,} entries of {len(data) / 2**20:.0f} MiB: {used:.1f} s CPU, peak {peak:.0f} MiB")
"""


def read_large() -> None:
    data = make_rss(100_000, 0).encode()
    for document in (data, data.replace(b"</channel>", b"&nbsp;</channel>")):
        subprocess.run([sys.executable, "-c", _LARGE], input=document, cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_known_args()[0].rounds
    readers = list_readers()
    feeds = make_feeds()
    print("entries per CPU second (and how many times feedparser's)")
    for name, (data, count) in feeds.items():
        speeds = {
            reader: count / measure(function, data, rounds) for reader, function in readers.items()
        }
        row = "".join(
            f"  {reader} {speed:>8,.0f} ({speed / speeds['feedparser']:.1f})"
            for reader, speed in speeds.items()
        )
        print(f"  {name:<20} {len(data) // 1024:>5} KiB{row}")
    print("agreement with feedparser on these feeds, the ill-formed one left out")
    compare([data for name, (data, _) in feeds.items() if "ill" not in name])
    if CORPUS.exists():
        print("agreement with feedparser on its own well-formed files")
        compare([path.read_bytes() for path in sorted(CORPUS.rglob("*.xml"))])
    print("one hundred thousand entries, well-formed and not")
    read_large()


if __name__ == "__main__":
    main()
