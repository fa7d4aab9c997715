"""CPU per article, through the real commands, on a generated site of 2,000 articles.

In one run, on one machine: this project on full-text feeds, this project on article pages by rule,
bare Scrapy that fetches the same pages and does nothing with them, with our settings and with its
own. What a process costs before its first article is taken out: each way is measured with 200
and with 2,000 articles, and the difference counts.

Alone: ``python -m benchmarks.bench_crawl [--articles N] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random
from statistics import median
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
WORDS = "公司 市场 增长 投资 银行 基金 证券 科技 产业 政策 数据 收入 利润 项目 改革 创新 企业 资金 交易 风险 监管 发展 业务 季度 同比 亿元 股份 上市 融资 消费".split()
PAGE_BYTES = 38_000
FEED_ENTRIES = 200

BARE = """
import scrapy
class Bare(scrapy.Spider):
    name = "bare"
    async def start(self):
        yield scrapy.Request(self.url, self.parse)
    def parse(self, response):
        for link in response.xpath("//item/link/text()").getall():
            yield scrapy.Request(link, self.parse_page)
    def parse_page(self, response):
        yield {"url": response.url}
"""


def make_site(folder: Path, count: int) -> None:
    """Writes feeds with full text, feeds with links only, and a page for every article."""
    random = Random(7)
    for kind in ("full", "links", "page"):
        (folder / kind).mkdir(parents=True)
    (folder / "headers.toml").write_text('[headers]\n"*.xml" = ["Content-Type: application/xml"]\n')
    at = datetime(2026, 6, 1, tzinfo=UTC)
    items = []
    for n in range(count):
        body = _body(random, n)
        title = f"第{n}号报道：{_words(random, 6)}"
        date = format_datetime(at + timedelta(minutes=n), usegmt=True)
        link = f"http://site.example/page/{n}.html"
        items.append((title, link, date, body))
        page = (
            f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{title}</title></head><body>"
            f"<div class=nav>{_chrome(random, 12_000)}</div><div class=main><h1 class=title>{title}"
            f"</h1><div class=info><span>来源：测试日报</span><span>作者：张三</span>"
            f"<span>{at + timedelta(minutes=n):%Y-%m-%d %H:%M}</span></div>"
            f"<div class=content>{body}</div></div>"
        )
        filler = _chrome(random, PAGE_BYTES - len(page.encode()))
        (folder / f"page/{n}.html").write_text(
            f"{page}<div class=side>{filler}</div></body></html>"
        )
    for number, size in ((0, 200), (1, count)):
        _write_feeds(folder, f"full{number}", items[:size], full=True)
        _write_feeds(folder, f"links{number}", items[:size], full=False)


def _write_feeds(
    folder: Path, name: str, items: list[tuple[str, str, str, str]], *, full: bool
) -> None:
    size = FEED_ENTRIES if full else len(items)
    for start in range(0, len(items), size):
        rows = "".join(
            f"<item><title>{escape(title)}</title><link>{link}</link><guid>{link}</guid>"
            f"<pubDate>{date}</pubDate>"
            + (f"<description><![CDATA[{body}]]></description>" if full else "")
            + "</item>"
            for title, link, date, body in items[start : start + size]
        )
        (folder / name[:-1].replace("links", "links") / f"{name}-{start // size}.xml").write_text(
            f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>t</title>{rows}</channel></rss>'
        )


def _words(random: Random, count: int) -> str:
    return "".join(random.choices(WORDS, k=count))


def _body(random: Random, n: int) -> str:
    paragraphs = [f"<p>　　测试日报记者 张三</p><p>　　第{n}号：{_words(random, 40)}。</p>"]
    paragraphs += [
        f'<p style="text-align: left;">　　{_words(random, 30)}，<strong>{_words(random, 3)}</strong>'
        f"{_words(random, 20)}{random.random() * 100:.1f}%。</p>"
        for _ in range(random.randint(6, 12))
    ]
    paragraphs.insert(
        3, f'<p><img src="https://cors.zfour.workers.dev/?http://e.example/{n}.jpg"></p>'
    )
    return "".join(paragraphs)


def _chrome(random: Random, size: int) -> str:
    links = []
    while size > 0:
        link = f'<li class="item"><a href="/c/{random.randint(1, 9999)}.html">{_words(random, 8)}</a></li>\n'
        links.append(link)
        size -= len(link.encode())
    return f"<ul>{''.join(links)}</ul>"


def cpu_of(command: list[str], folder: Path) -> float:
    """Gives the CPU seconds, user and system, of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        make_site(work / "site", options.articles)
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(work / "site")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            measure(work, address, options.articles, options.rounds)
        finally:
            server.terminate()
            server.wait()


_SERVE = """
import sys, threading
from pathlib import Path
from fixtures.site import Site
with Site(Path(sys.argv[1]), record=False) as site:
    print(site.url, flush=True)
    threading.Event().wait()
"""


def measure(work: Path, address: str, count: int, rounds: int) -> None:
    fast = ["-s", "DOWNLOAD_DELAY=0", "-s", "CONCURRENT_REQUESTS_PER_DOMAIN=16", "-L", "ERROR"]
    (work / "bare.py").write_text(BARE)
    sources = work / "sources"
    sources.mkdir()
    for number, size in ((0, 200), (1, count)):
        feeds = "".join(
            f'[[feed]]\nurl = "{address}/full/full{number}-{n}.xml"\n'
            for n in range((size + FEED_ENTRIES - 1) // FEED_ENTRIES)
        )
        (sources / f"full{number}.toml").write_text(f'label = "全文"\n{feeds}')
        (sources / f"links{number}.toml").write_text(
            f'label = "页"\n[[feed]]\nurl = "{address}/links/links{number}-0.xml"\n'
            '[[page]]\nbody = "div.content"\ntitle = "h1.title"\norigin = ".info span:nth-child(1)"\n'
            'byline = ".info span:nth-child(2)"\npublished = ".info span:last-child"\n'
        )
    scrapy = [sys.executable, "-m", "scrapy"]
    tuned = [
        "-s", "CONCURRENT_ITEMS=4", "-s", "TELNETCONSOLE_ENABLED=0", "-s", "COOKIES_ENABLED=0",
        "-s", "REMOTE_CONTROL_ENABLED=0", "-s", "ROBOTSTXT_OBEY=1",
    ]  # fmt: skip

    def ours(name: str, number: int) -> float:
        # Never one that was just deleted: ext4 searches long for inodes freed seconds ago.
        archive = Path(tempfile.mkdtemp(prefix="archive-", dir=work))
        return cpu_of(
            [
                *scrapy,
                "crawl",
                f"{name}{number}",
                "-s",
                f"NEWS_ARCHIVE={archive}",
                "-s",
                f"NEWS_SOURCES={sources}",
                *fast,
            ],
            ROOT,
        )

    def bare(number: int, settings: list[str]) -> float:
        url = f"url={address}/links/links{number}-0.xml"
        return cpu_of(
            [*scrapy, "runspider", str(work / "bare.py"), "-a", url, *fast, *settings], work
        )

    ways = {
        "this project, full-text feeds": lambda n: ours("full", n),
        "this project, pages by rule": lambda n: ours("links", n),
        "bare Scrapy, our settings": lambda n: bare(n, tuned),
        "bare Scrapy, its own settings": lambda n: bare(n, []),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append((way(1) - way(0)) / (count - 200) * 1000)
    base = median(found["bare Scrapy, our settings"])
    print(f"CPU per article, marginal ({count} articles, median of {rounds} rounds)\n")
    print("| way | ms | bare Scrapy, our settings = 1 |\n|---|---:|---:|")
    for name, figures in found.items():
        print(f"| {name} | {median(figures):.3f} | {median(figures) / base:.2f} |")


if __name__ == "__main__":
    main()
