"""Fuzz targets, one for each parser: ``make fuzz``, or ``python -m tests.fuzz NAME… SECONDS``.

Hypothesis mutates our fixtures at the seams of their syntax. What must hold whatever comes: only
the errors that the docstring names, an answer in bounded time, and what is promised to be stable
is. An input that breaks this is made small and kept in ``.hypothesis/fuzz``.
"""

from __future__ import annotations

import codecs
import json
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from lxml import etree

from crawler.article import FORMS, Article
from crawler.bylines import clean_byline, clean_editor, clean_origin, read_credits
from crawler.dates import format_local, format_rfc1123, parse_date
from crawler.encoding import decode_text
from crawler.errors import FeedError, NewsError, PageError, SourceError
from crawler.feeds import parse_feed
from crawler.feeds.paths import compile_path, search
from crawler.fingerprint import content_hash
from crawler.images import decode_image_url, load_image_table, usable_image_url
from crawler.markup import convert
from crawler.normalize import normalize
from crawler.opml import name_source, parse_opml, render_opml, write_source
from crawler.pages import extract_article
from crawler.pages.failed import find_failure
from crawler.posts import DIALECTS, escape_body, parse_post, render_post
from crawler.probe import probe_document
from crawler.selectors import (
    LexborTree,
    Selector,
    SelectorError,
    compile_selector,
    find_excess,
    parse_tree,
)
from crawler.sources import RESERVED, read_source
from crawler.syndication import Head, render_atom, render_item, render_json_feed
from fixtures.attacks import ADDRESSES, HEADER_VALUES, list_vectors
from tests.test_markup import NAIVE, find_alive

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".hypothesis" / "fuzz"
URL = "https://www.example.org/a/b.html"
NOW = datetime(2026, 6, 4, 10, 0, tzinfo=UTC)
MOST_BYTES = 200_000  # of an input
MOST_CPU_S = 5.0  # for an input of that size; the slowest of ours takes a tenth
SHRINK_S = 30.0  # for making an input smaller that breaks something
MOST_S = 60.0  # then even a machine that is busy with something else has had its time

Samples = list[bytes]


def read_all(*patterns: str) -> Samples:
    files = (path for pattern in patterns for path in sorted((ROOT / "fixtures").glob(pattern)))
    return [data for path in files if len(data := path.read_bytes()) < MOST_BYTES]


def encode(texts: Iterable[str]) -> Samples:
    return [text.encode("utf-8", "surrogatepass") for text in texts]


def text_of(data: bytes) -> str:
    """Any text, lone surrogates among it."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


FEEDS = read_all("feeds/*.xml", "feeds/*.js*", "site/*.xml", "site/**/*.xml", "site/**/*.json")
PAGES = read_all("pages/**/*.html", "site/**/*.html")
POSTS = read_all("posts/**/*.md", "posts/**/*.txt", "expected/**/*.md")
TOMLS = read_all("sources/*.toml") + [
    path.read_bytes() for path in sorted((ROOT / "crawler" / "sources").glob("*.toml"))
]
PROXIES = [(ROOT / "crawler" / "image-proxies.toml").read_bytes()]
RULES = [
    source
    for number, data in enumerate(TOMLS)
    if (source := read_source(data.decode().replace("{site}", URL), name=f"s{number}"))
]
LISTS = [rule for source in RULES for rule in source.feeds if rule.rows]
VECTORS = encode(list_vectors())
DATES = encode(
    "Thu, 04 Jun 2026 01:56:00 GMT|2026-06-04T09:56:00+08:00|2026年6月4日 下午2:30|昨天 14:30|3小时前"
    "|06-04 18:26|1780538160|20260604095600|刚刚|2026-W23-4|4 June 2026|星期四 18:00|腊月二十三".split(
        "|"
    )
)
SELECTORS = encode(
    "ul.a > li|.tt a::text|a::attr(href)|//div[@class='a']/text()|./a|(//p)[1]|h1, h2|a[href*='/ad/']"
    "|li:nth-child(2n+1)|p:has(> img)|*|:not(.a)|div ~ p + p|.info span:last-child|//a/@href|::text".split(
        "|"
    )
)
PATHS = encode(
    "data.list|data.list[-1].code|join('', ['https://e.example/', code])|items[?a=='b'].c|*.a|a || b"
    "|sort_by(a, &b)|to_string(@)|parse(ext).a|length(a)|a[::2]|{a: b, c: d}|map(&a, b)".split("|")
)
LINES = encode(
    "证券时报记者 沈知远|（文章来源：新华社）|责任编辑：李四|记者：张三 王五 编辑：赵六|本报记者 甲 乙 北京报道"
    "|（作者系某研究院研究员）|来源：中国证券报·中证网|【大盘收涨】沪指涨1.5%".split("|")
)
IMAGES = encode(
    "https://cors.zfour.workers.dev/?http://e.example/a.jpg|https://images.weserv.nl/?url=ssl:e.example/a.png"
    "|https://i0.wp.com/e.example/a.jpg?ssl=1|https://e.example/_next/image?url=%2Fa.png&w=1"
    "|https://camo.githubusercontent.com/{}/687474703a2f2f612e6578616d706c652f62"
    "|https://e.example/unsafe/300x200/http://i.example/a.png|https://s.yimg.com/xx/api/res/1.2/a/b/https://e.example/a"
    "|//e.example/a.png|data:image/gif;base64,R0lGOD|http://timg01.bdimg.com/timg?src=http%3A%2F%2Fe.example%2Fa".split("|")
)  # fmt: skip
OPMLS = encode([
    "<?xml version='1.0' encoding='utf-8'?>\n<!DOCTYPE opml>\n<opml version='2.0'><head><title>a</title></head>"
    "<body><outline text='金融'><outline text='早报 &amp; 晚报' type='rss' xmlUrl='https://e.example/a?b=1&c=2'"
    " htmlUrl='https://e.example/' category='/金融/早报,b'/><outline type='link' url='https://e.example/'/>"
    "</outline><outline title='News&nbsp;1' xmlURL='https://f.example/rss.xml'/></body></opml>",
])  # fmt: skip
TOKENS = [
    *encode(HEADER_VALUES), *encode(ADDRESSES[:40]), *DATES, *IMAGES, *SELECTORS,
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.0' encoding='gb2312'?>", b"<!DOCTYPE x [",
    b"<!ENTITY a '&b;'>", b"&a;", b"&#0;", b"&#xD800;", b"&#x110000;", b"&nbsp;", b"&amp;amp;", b"<a" * 300,
    b"<div>" * 1200, b"<b>" * 300, b"[" * 1200, b'{"a":' * 1200, b"(" * 200, b"<table><tr><td>" * 60,
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"\x1b$B", b"\r", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\n---\n", b"\nform: text\n", b"\nlayout: post\n", b"\nhash: sha256:0\n", b"'''", b'"""', b"\\", b"1" * 400,
    b"</script>", b"<script id=__NEXT_DATA__>", b"<base href=//[>", b"http://[::1", b"https://xn--/", b"%zz",
    b"<ul><li>", b"</p>", b"<br><br>", b"<pre>", b"<svg><style>", b"<math>", b"<template>", b"<select>",
    b"<noscript>", b"<plaintext>", b"<frameset>", b" style='display:none'", b" hidden", b"\t", b" " * 300,
]  # fmt: skip
_SEAM = re.compile(rb"[<>\"'{}\[\](),:;=&\n]")


@st.composite
def mutated(draw: st.DrawFn, samples: Samples) -> bytes:
    """One of the samples with up to eight changes: cut, repeated, spliced, spoilt, recoded."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 8))):
        seams = [match.start() for match in _SEAM.finditer(data)] or [0]
        places = st.sampled_from(seams) | st.integers(0, len(data))
        start, end = sorted((draw(places), draw(places)))
        part = data[start:end]
        change = draw(
            st.sampled_from("cut repeat token splice spoil move bytes end recode".split())
        )
        if change == "cut":
            part = b""
        elif change == "repeat":
            part = part[:2000] * draw(st.sampled_from((2, 3, 50, 400)))
        elif change == "token":
            part = draw(st.sampled_from(TOKENS)) + (part if draw(st.booleans()) else b"")
        elif change == "splice":
            other = draw(st.sampled_from(samples))
            part = other[draw(st.integers(0, len(other))) :][:2000]
        elif change == "spoil":
            part = bytes([*part[:1]][::-1]) + draw(st.binary(max_size=3)) + part[1:]
        elif change == "move":
            data, part = data[:start] + data[end:] + part, b""
            end = start
        elif change == "bytes":
            part = draw(st.binary(max_size=20))
        elif change == "end":
            data = data[:end]
        else:
            name = draw(
                st.sampled_from(("gb18030", "big5", "utf-16", "utf-16-be", "utf-32", "latin-1"))
            )
            data = codecs.encode(data.decode("utf-8", "replace"), name, "replace")
            continue
        data = (data[:start] + part + data[end:])[:MOST_BYTES]
    return data


def fuzz_feeds(data: bytes) -> None:
    try:
        feed = parse_feed(data, url=URL, now=NOW)
    except FeedError:
        return
    for entry in feed.entries:
        article = Article(title=entry.title, body=entry.content or entry.summary or "")
        normalize(replace(article, canonical_url=entry.link, published=entry.published))


def fuzz_lists(data: bytes) -> None:
    for rule in LISTS[:: max(1, len(LISTS) // 8)]:
        try:
            parse_feed(data, url=URL, rule=rule, now=NOW)
        except FeedError:
            continue


def fuzz_pages(data: bytes) -> None:
    find_failure(text_of(data), title="")
    try:
        normalize(extract_article(data, url=URL, now=NOW))
    except PageError:
        return


def fuzz_ruled_pages(data: bytes) -> None:
    for source in RULES[:: max(1, len(RULES) // 6)]:
        try:
            extract_article(data, url=URL, rule=source.pages or None, now=NOW)
        except PageError:
            continue


def fuzz_encoding(data: bytes) -> None:
    label = text_of(data[:80])
    for kind in ("xml", "html", "json"):
        decoded = decode_text(data, content_type=f"text/html; charset={label}", kind=kind)
        decode_text(data, kind=kind)
        decoded.text.encode()


def fuzz_dates(data: bytes) -> None:
    text = text_of(data)
    for zone in ("Asia/Shanghai", "Pacific/Kiritimati", "Etc/GMT+12"):
        for now in (NOW, None):
            at = parse_date(text, timezone=zone, now=now)
            if at is not None:
                assert parse_date(format_rfc1123(at), timezone=zone) == at.replace(microsecond=0)
                assert format_local(at, zone)


def fuzz_markup(data: bytes) -> None:
    body = text_of(data)
    for origin, form in product(FORMS, FORMS):
        once = convert(body, origin=origin, form=form, base_url=URL)
        twice = convert(once.body, origin=form, form=form, base_url=URL)
        assert twice.body == once.body, (origin, form)
        assert twice.text.split() == once.text.split(), (origin, form)
        shown = escape_body(once.body, form)
        found = find_alive(shown) if form == "html" else []
        found += find_alive(NAIVE.render(shown))
        assert set(found) <= {"code class"}, (origin, form)


def fuzz_posts(data: bytes) -> None:
    article = parse_post(data).article
    for dialect in DIALECTS:
        if dialect.endswith("-seed"):
            if article.form == "html":
                render_post(article, dialect=dialect)
            continue
        for form in FORMS:
            clean = normalize(article, body=form)
            written = render_post(clean, dialect=dialect)
            again = parse_post(written).article
            assert render_post(again, dialect=dialect) == written
            assert again.body == clean.body
            assert content_hash(again) == clean.hash


def fuzz_syndication(data: bytes) -> None:
    article = parse_post(data).article
    item = render_item(article, id="urn:x:1", at=NOW, zone=UTC)
    atom = render_atom(Head("a", "", URL), [item], max_bytes=1 << 30)
    (content,) = (
        entry.findtext("{*}content") or "" for entry in etree.fromstring(atom).iter("{*}entry")
    )
    assert find_alive(content) == []
    read = json.loads(render_json_feed(Head("a"), [item], max_bytes=1 << 30))["items"][0]
    assert find_alive(read["content_html"]) == []
    for key in ("url", "image"):
        assert read.get(key, "https:").startswith(("http:", "https:"))


def fuzz_opml(data: bytes) -> None:
    try:
        outlines, _ = parse_opml(data, url=URL)
    except FeedError:
        return
    # A folder whose name is blank goes.
    again, problems = parse_opml(render_opml("", outlines))
    assert ([one.xml_url for one in again], problems) == ([one.xml_url for one in outlines], [])
    names: list[str] = []
    for outline in outlines:
        names.append(name_source(outline, [*names, *RESERVED]))
        try:
            read_source(write_source(outline), name=names[-1])
        except SourceError:
            assert "{" in (outline.xml_url or "")


def fuzz_images(data: bytes) -> None:
    url = text_of(data)
    once = decode_image_url(url)
    # Of more than five proxies in each other, some are left.
    assert decode_image_url(once) == once or url.count("/?") + url.count("url=") > 5
    usable = usable_image_url(url, base_url=URL)
    assert usable is None or usable.startswith(("http://", "https://"))


def fuzz_selectors(data: bytes) -> None:
    text = text_of(data)[:500]
    page = PAGES[len(data) % len(PAGES)].decode("utf-8", "replace")
    try:
        selector = compile_selector(text)
        parse_tree(page, [selector]).find_all(selector)
    except SelectorError:
        return


def fuzz_trees(data: bytes) -> None:
    text = text_of(data)
    if find_excess(text):
        return
    for selectors in (["p a"], ["//p//a"]):
        compiled: list[Selector] = [compile_selector(query) for query in selectors]
        tree = parse_tree(text, compiled)
        tree.find_all(compiled[0])
    LexborTree(text)


def fuzz_paths(data: bytes) -> None:
    try:
        path = compile_path(text_of(data)[:500])
    except FeedError:
        return
    search(path, {"data": {"list": [{"code": 1, "ext": "{}"}]}, "a": [1, "b", None], "b": {"c": 2}})


def fuzz_bylines(data: bytes) -> None:
    text = text_of(data)
    read_credits(text.split("\n"))
    for clean in (clean_byline, clean_origin, clean_editor):
        cleaned = clean(text)
        assert cleaned is None or 0 < len(cleaned) <= 240


def fuzz_sources(data: bytes) -> None:
    try:
        read_source(text_of(data), name="a")
    except SourceError:
        return


def fuzz_proxies(data: bytes) -> None:
    try:
        load_image_table(text_of(data))
    except NewsError:
        return


def fuzz_probe(data: bytes) -> None:
    probe_document(data, url=URL, now=NOW)


TARGETS: dict[str, tuple[Callable[[bytes], None], Samples]] = {
    "feeds": (fuzz_feeds, FEEDS),
    "lists": (fuzz_lists, PAGES + FEEDS),
    "pages": (fuzz_pages, PAGES),
    "ruled-pages": (fuzz_ruled_pages, PAGES),
    "encoding": (fuzz_encoding, FEEDS + PAGES),
    "dates": (fuzz_dates, DATES),
    "markup": (fuzz_markup, VECTORS + PAGES),
    "posts": (fuzz_posts, POSTS),
    "syndication": (fuzz_syndication, POSTS),
    "opml": (fuzz_opml, OPMLS),
    "images": (fuzz_images, IMAGES),
    "selectors": (fuzz_selectors, SELECTORS),
    "trees": (fuzz_trees, PAGES + VECTORS),
    "paths": (fuzz_paths, PATHS),
    "bylines": (fuzz_bylines, LINES),
    "sources": (fuzz_sources, TOMLS),
    "proxies": (fuzz_proxies, PROXIES),
    "probe": (fuzz_probe, PAGES + FEEDS),
}


class TooSlowError(Exception):
    """An input took longer than any of its size may."""


class EnoughError(BaseException):
    """The input is small enough. Not an Exception: Hypothesis is to stop."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {MOST_S} s")


def run(name: str, *, examples: int, number: int = 0) -> tuple[bytes, str] | None:
    """Tries so many inputs on a target; gives None, or the smallest input found that breaks it and
    the traceback of that."""
    target, samples = TARGETS[name]
    found: list[tuple[bytes, str]] = []
    deadline = 0.0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(samples))
    def try_one(data: bytes) -> None:
        nonlocal deadline
        if found and time.monotonic() > deadline:
            raise EnoughError
        before = time.process_time()
        signal.setitimer(signal.ITIMER_REAL, MOST_S)
        try:
            target(data)
            took = time.process_time() - before
            if took > MOST_CPU_S:
                raise TooSlowError(f"{took:.1f} s for {len(data)} bytes")
        except Exception:  # whatever a parser lets out
            deadline = deadline or time.monotonic() + SHRINK_S
            found.append((data, traceback.format_exc()))
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, _stop)
    try:
        try_one()
    except (Exception, EnoughError):
        if not found:
            raise
        return min(found, key=lambda each: len(each[0]))
    finally:
        signal.signal(signal.SIGALRM, before)
    return None


def main(arguments: list[str]) -> int:
    seconds = float(arguments[-1]) if arguments and arguments[-1].isdigit() else 10.0
    names = [argument for argument in arguments if argument in TARGETS] or list(TARGETS)
    broken = 0
    for name in names:
        end = time.monotonic() + seconds
        tried = 0
        found = None
        while time.monotonic() < end and found is None:
            # Another time, other inputs.
            found = run(name, examples=100, number=time.time_ns())
            tried += 100
        if found is None:
            print(f"{name}: {tried} inputs", flush=True)
            continue
        broken += 1
        KEPT.mkdir(parents=True, exist_ok=True)
        data, told = found
        path = KEPT / f"{name}-{sha256(data).hexdigest()[:8]}"
        path.write_bytes(data)
        print(f"{told}{name}: broken by {path}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
