"""Feeds of every kind and damage, each with the result beside it; and what holds for all bytes."""

from __future__ import annotations

import dataclasses
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.article import Enclosure, Entry, Feed
from crawler.errors import FeedError, LimitError
from crawler.feeds import parse_feed
from crawler.feeds.fields import read_author, read_title, read_url
from crawler.feeds.json import load_json
from crawler.sources.rules import FeedRule

FOLDER = Path(__file__).parents[1] / "fixtures" / "feeds"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "feeds"
CASES = sorted(path for path in FOLDER.iterdir() if not path.name.endswith(".expected.json"))
URL = "https://www.jianghai.example/feeds/rss.xml"


def describe(value: Any) -> Any:
    """A record as JSON, without the fields that say nothing."""
    if dataclasses.is_dataclass(value):
        found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            name: describe(part)
            for name, part in found.items()
            if not (
                part is None
                or part is False
                or part in ("", [], {})
                or (name, part) == ("skipped", 0)
            )
        }
    if isinstance(value, list):
        return [describe(part) for part in value]
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_fixture_gives_what_is_expected(path, request):
    neighbour = path.with_name(path.name + ".expected.json")
    expected = json.loads(neighbour.read_text("utf-8")) if neighbour.exists() else {}
    feed = parse_feed(path.read_bytes(), url=URL, content_type=expected.get("content_type"))
    if request.config.getoption("--refresh-expected"):
        expected["feed"] = describe(feed)
        text = json.dumps(expected, ensure_ascii=False, indent=1)
        neighbour.write_text(text + "\n", "utf-8")
    assert describe(feed) == expected["feed"]


def test_every_expected_file_has_its_fixture():
    names = {path.name.removesuffix(".expected.json") for path in FOLDER.glob("*.expected.json")}
    assert names == {path.name for path in CASES}


# --- what counts is what the bytes are ---


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>江海财经</title>{''.join(items)}</channel></rss>".encode()


def read(data: bytes | str, **options: Any) -> Feed:
    return parse_feed(data if isinstance(data, bytes) else data.encode(), url=URL, **options)


def read_item(markup: str, attributes: str = "") -> Entry:
    """The entry that an RSS item with this markup gives."""
    data = f"<rss version='2.0' {attributes}><channel><item>{markup}</item></channel></rss>"
    return read(data).entries[0]


@pytest.mark.parametrize("label", ["text/html", "application/json", "image/png", "nonsense", None])
def test_format_is_recognised_whatever_the_label_says(label):
    assert read(rss("<item><title>甲</title></item>"), content_type=label).format == "rss"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in CASES
        if path.suffix in {".xml", ".rdf"} and not path.name.startswith("charset-utf-16")
    ],
    ids=lambda path: path.name,
)
def test_tolerant_reader_agrees_with_the_strict_one(path):
    data = path.read_bytes()
    strict = parse_feed(data, url=URL)
    if any("not well-formed" in problem.reason for problem in strict.problems):
        strict.problems.clear()
    tolerant = parse_feed(data + b"<a &nbsp; ", url=URL)
    for feed in (strict, tolerant):
        feed.problems.clear()
    tolerant.encoding = strict.encoding
    assert tolerant == strict


@pytest.mark.parametrize("name", ["rss-2.0-full-text.xml", "rss-1.0-modules.rdf", "atom-1.0-types.xml",
                                  "titles.xml", "json-feed-1.1.json"])  # fmt: skip
def test_cut_document_keeps_its_complete_entries_and_says_so(name):
    data = (FOLDER / name).read_bytes()
    whole = parse_feed(data, url=URL)
    end = len(data.rstrip())
    kept = set()
    for place in range(end // 3, end - 1, 7):
        try:
            part = parse_feed(data[:place], url=URL)
        except FeedError:
            continue
        assert part.cut
        count = len(part.entries)
        kept.add(count)
        expected = [dataclasses.replace(entry, language=None) for entry in whole.entries[:count]]
        assert [dataclasses.replace(entry, language=None) for entry in part.entries] == expected
    assert max(kept) == len(whole.entries)


def test_entry_is_cut_where_it_already_has_what_the_one_before_had():
    data = (
        b"<rss version='2.0'><channel><item><title>1</title><description>short</description></item>"
        b"<item><title>2</title><description>short</description><content:encoded>long"
    )
    for place in range(data.index(b"<title>2"), len(data)):
        part = parse_feed(data[:place], url=URL)
        assert part.cut
        assert [entry.title for entry in part.entries] == ["1"]


def test_cut_gzip_is_cut():
    data = gzip.compress((FOLDER / "sitemap-news.xml").read_bytes())
    assert parse_feed(data[:-12], url=URL).cut
    assert not parse_feed(data, url=URL).cut


def test_bad_entry_costs_itself_and_is_listed_with_its_place():
    feed = read(
        rss(
            "<item><title>甲</title><pubDate>不是日期</pubDate></item>",
            "<item><title>乙</title></item>",
        )
    )
    assert [entry.title for entry in feed.entries] == ["甲", "乙"]
    assert [(problem.index, problem.reason) for problem in feed.problems] == [
        (0, "date cannot be read: '不是日期'")
    ]


def test_link_that_is_no_address_is_listed():
    feed = read(rss("<item><title>甲</title><link>javascript:alert(1)</link></item>"))
    assert [(problem.index, problem.reason) for problem in feed.problems] == [
        (0, "link is no http address: 'javascript:alert(1)'")
    ]


@pytest.mark.parametrize("end", [b"", b"&nbsp;"], ids=["well-formed", "damaged"])
def test_repairs_before_the_root_do_not_move_it(end):
    data = (
        "<!-- It\u0092s &#146;&#146;&#146; -->".encode()
        + rss("<item><title>甲\u0085</title></item>")
        + end
    )
    assert [entry.title for entry in read(data).entries] == ["甲…"]


def test_feed_that_breaks_at_its_end_is_read_once():
    feed = read(rss("<item><title>甲</title></item>") + b"&nbsp;")
    assert [entry.title for entry in feed.entries] == ["甲"]


def test_dates_count_back_from_now_and_use_the_zone():
    feed = read(
        rss("<item><title>甲</title><pubDate>3小时前</pubDate></item>"),
        now=datetime(2026, 6, 2, 4, tzinfo=UTC),
    )
    assert feed.entries[0].published == datetime(2026, 6, 2, 1, tzinfo=UTC)
    local = read(
        rss("<item><title>甲</title><pubDate>2026-06-02 09:00</pubDate></item>"),
        timezone="Asia/Tokyo",
    )
    assert local.entries[0].published == datetime(2026, 6, 2, 0, tzinfo=UTC)
    assert [problem.reason for problem in local.problems] == [
        "dates without a zone: 1, read in Asia/Tokyo"
    ]


def test_list_with_a_rule_is_read_by_the_rule():
    rule = FeedRule(url=URL, format="html", rows="li", title="a::text", link="a::attr(href)")
    feed = read("<ul><li><a href='/a/1.html'>甲</a></li></ul>", rule=rule)
    assert [(entry.title, entry.link) for entry in feed.entries] == [
        ("甲", "https://www.jianghai.example/a/1.html")
    ]


# --- fields ---

LINKS = {
    "plain": ("<link>https://x.example/1</link>", "https://x.example/1"),
    "relative": ("<link>/a/1</link>", "https://www.jianghai.example/a/1"),
    "without scheme": ("<link>//x.example/1</link>", "https://x.example/1"),
    "with blanks around and inside": (
        "<link>\n https://x.example/a b \n</link>",
        "https://x.example/a%20b",
    ),
    "guid": ("<guid>https://x.example/2</guid>", "https://x.example/2"),
    "guid that is no address": ("<guid>2</guid>", None),
    "guid that is declared none": ("<guid isPermaLink='false'>https://x.example/2</guid>", None),
    "link before guid": (
        "<guid>https://x.example/2</guid><link>https://x.example/1</link>",
        "https://x.example/1",
    ),
    "script": ("<link>javascript:alert(1)</link><title>甲</title>", None),
    "file": ("<link>file:///etc/passwd</link><title>甲</title>", None),
    "broken host": ("<link>http://[::1</link><title>甲</title>", None),
}


@pytest.mark.parametrize("case", LINKS)
def test_link(case):
    markup, expected = LINKS[case]
    assert read_item(markup).link == expected


TITLES = {
    "plain": ("江海港务公告", None, "江海港务公告"),
    "blanks": ("\t江海\n\n港务 ", None, "江海 港务"),
    "ideographic blank inside stays": ("公告　一", None, "公告　一"),
    "escaped reference": ("A&amp;B", None, "A&B"),
    "half a reference": ("R&D AT&T;", None, "R&D AT&T;"),
    "markup": ("<b>公告</b>", None, "公告"),
    "markup in a text title": ("<b>公告</b>", False, "<b>公告</b>"),
    "not markup": ("<ST甲> 5 < 6", None, "<ST甲> 5 < 6"),
    "any tag in an HTML title": ("<x-y>公告</x-y>", True, "公告"),
    "line break": ("公告<br/>全文", None, "公告 全文"),
    "script": ("公告<script>a()</script>", None, "公告"),
    "cp1252 reference": ("It&#146;s", None, "It’s"),
    "surrogate reference": ("甲&#xD800;", None, "甲\ufffd"),
}


@pytest.mark.parametrize("case", TITLES)
def test_title(case):
    text, markup, expected = TITLES[case]
    assert read_title(text, markup=markup) == expected


AUTHORS = {
    "name": ("林远", "林远"),
    "mail first": ("lin@x.example (林远)", "林远"),
    "mail last": ("林远 (lin@x.example)", "林远"),
    "mail in angles": ("林远 <lin@x.example>", "林远"),
    "mail only": ("lin@x.example", "lin@x.example"),
    "several": ("林远、孟川", "林远、孟川"),
}


@pytest.mark.parametrize("case", AUTHORS)
def test_author(case):
    text, expected = AUTHORS[case]
    assert read_author(text) == expected


CONTENTS = {
    "content:encoded": (
        "<content:encoded>全文</content:encoded><description>摘要</description>",
        "全文",
        "摘要",
    ),
    "description alone is a summary": (
        "<description>&lt;p&gt;全文&lt;/p&gt;</description>",
        None,
        "<p>全文</p>",
    ),
    "empty content": (
        "<content:encoded> </content:encoded><description>摘要</description>",
        None,
        "摘要",
    ),
    "summary and description": (
        "<summary>短</summary><description>长的全文</description>",
        "长的全文",
        "短",
    ),
    "the same twice": (
        "<description>摘要</description><description>摘要</description>",
        None,
        "摘要",
    ),
    "longest of several": (
        "<content:encoded>一</content:encoded><content:encoded>一二三</content:encoded>",
        "一二三",
        None,
    ),
    "body": (
        "<body xmlns='http://www.w3.org/1999/xhtml'><p>全文<br/></p></body>",
        "<p>全文<br></p>",
        None,
    ),
    "lesser summary": ("<itunes:summary>摘要</itunes:summary>", None, "摘要"),
}
MODULES = "xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd'"


@pytest.mark.parametrize("case", CONTENTS)
def test_content_and_summary(case):
    markup, content, summary = CONTENTS[case]
    entry = read_item(markup, MODULES)
    assert (entry.content, entry.summary) == (content, summary)


def test_enclosed_image_is_an_image_and_an_enclosure():
    entry = read_item("<enclosure url='/1.jpg' type='image/jpeg'/><title>甲</title>")
    assert entry.images == ["https://www.jianghai.example/1.jpg"]
    assert entry.enclosures == [Enclosure("https://www.jianghai.example/1.jpg", "image/jpeg")]


IMAGES = {
    "address": ("<image>https://x.example/1.jpg</image>", ["https://x.example/1.jpg"]),
    "element with an address": (
        "<image><url>/1.jpg</url></image>",
        ["https://www.jianghai.example/1.jpg"],
    ),
    "attribute": ("<image href='1.jpg'/>", ["https://www.jianghai.example/feeds/1.jpg"]),
    "caption": ("<image>资料图</image>", []),
    "data": ("<image>data:image/png;base64,AAAA</image>", []),
}


@pytest.mark.parametrize("case", IMAGES)
def test_image(case):
    markup, expected = IMAGES[case]
    assert read_item(markup).images == expected


TTLS = {
    "minutes": ("<ttl>45</ttl>", 2700),
    "nonsense": ("<ttl>oft</ttl>", None),
    "period": ("<sy:updatePeriod>daily</sy:updatePeriod>", 86_400),
    "period and frequency": (
        "<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>",
        900,
    ),
    "frequency of nothing": (
        "<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>",
        3600,
    ),
}


@pytest.mark.parametrize("case", TTLS)
def test_ttl(case):
    markup, expected = TTLS[case]
    data = f"<rss xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'><channel>{markup}</channel></rss>"
    assert read(data).ttl_s == expected


WRAPPERS = {
    "bare": '{"a": 1}',
    "function": 'cb({"a": 1});',
    "guarded function": '/**/typeof cb === "function" && cb({"a": 1});',
    "variable": 'var x = {"a": 1};',
    "member": 'window.x["y"] = {"a": 1}',
    "protected": ')]}\',\n{"a": 1}',
    "marked": '\ufeff{"a": 1}',
}


@pytest.mark.parametrize("case", WRAPPERS)
def test_json_is_unwrapped(case):
    assert load_json(WRAPPERS[case], url=URL, max_depth=9) == {"a": 1}


def test_objects_one_after_the_other_are_a_list():
    lines = '\ufeff{"a": 1}\n{"a": "二"}\r\n\n{"a": {}}\n'
    assert load_json(lines, url=URL, max_depth=9) == [{"a": 1}, {"a": "二"}, {"a": {}}]
    assert load_json('{"a": 1} <!-- 3 ms -->', url=URL, max_depth=9) == {"a": 1}
    with pytest.raises(FeedError):
        load_json('{"a": 1}\n{"a": ', url=URL, max_depth=9)


# --- refusals ---

NO_FEEDS = {
    "nothing": b"",
    "words": "只是文字".encode(),
    "page without feeds": b"<!DOCTYPE html><html><head><title>x</title></head></html>",
    "other JSON": b'{"data": [1, 2]}',
    "list": b"[1, 2]",
    "damaged JSON": b'{"data": ',
    "zero bytes": b"\0" * 99,
    "broken gzip": b"\x1f\x8b\x08\x00garbage",
    "other XML": b"<?xml version='1.0'?><opml><outline/></opml>",
}


@pytest.mark.parametrize("case", NO_FEEDS)
def test_what_is_no_feed_is_refused(case):
    with pytest.raises(FeedError) as caught:
        parse_feed(NO_FEEDS[case], url=URL)
    assert caught.value.url == URL
    assert not isinstance(caught.value, LimitError)


ITEM = "<item><title>甲</title></item>"
LIMITS = {
    "entries": (rss(ITEM * 4), {"max_entries": 3}, "NEWS_MAX_ENTRIES"),
    "entries of a damaged feed": (rss(ITEM * 4) + b"&", {"max_entries": 3}, "NEWS_MAX_ENTRIES"),
    "JSON items": (
        b'{"version":"https://jsonfeed.org/version/1","items":[{},{}]}',
        {"max_entries": 1},
        "NEWS_MAX_ENTRIES",
    ),
    "levels": (
        rss("<item><description>" + "<a>" * 10 + "</a>" * 10 + "</description></item>"),
        {"max_depth": 12},
        "NEWS_MAX_DEPTH",
    ),
    "a hundred thousand levels": (rss("<item>" + "<a>" * 100_000), {}, "NEWS_MAX_DEPTH"),
    "levels outside entries": (rss("<a>" * 300 + "</a>" * 300), {}, "NEWS_MAX_DEPTH"),
    "levels of JSON": (b'{"items":' + b"[" * 100_000, {}, "NEWS_MAX_DEPTH"),
    "levels of whole JSON": (b'{"items":' + b"[" * 300 + b"]" * 300 + b"}", {}, "NEWS_MAX_DEPTH"),
    "one entry": (rss("<item><title>" + "a" * 25_300_000), {}, "NEWS_MAX_TEXT"),
    "wide characters": (b'{"items":["\xf0\x9f\x98\x80' + b"a" * 25_300_000, {}, "NEWS_MAX_BYTES"),
    "a page": (b"<html>" + b"x" * 100, {"max_page": 20}, "NEWS_MAX_PAGE"),
    "bytes": (gzip.compress(b" " * 2000), {"max_bytes": 1000}, "NEWS_MAX_BYTES"),
    "groups in groups": (rss("<item>" + "<source>" * 100_000), {}, "NEWS_MAX_DEPTH"),
    "tags": (rss("<a/>" * 1_100_000), {}, "NEWS_MAX_ENTRIES"),
    "tags behind a comment": (
        rss("<!--" + "<" * 1_100_000 + "-->" + "<a/>" * 1_100_000),
        {},
        "NEWS_MAX_ENTRIES",
    ),
    "values of JSON": (b'{"items":[' + b"[]," * 1_000_010 + b"0]}", {}, "NEWS_MAX_ENTRIES"),
    "values of JSON that goes wrong": (b'{"items":[' + b"0," * 2_000_010, {}, "NEWS_MAX_ENTRIES"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_what_is_over_a_bound_is_refused_by_name(case):
    data, options, setting = LIMITS[case]
    with pytest.raises(LimitError, match=setting):
        parse_feed(data, url=URL, **options)


def test_levels_at_the_bound_are_read():
    markup = "<item><description>" + "<a>" * 8 + "</a>" * 8 + "</description></item>"
    assert len(read(rss(markup), max_depth=12).entries) == 1


def test_commas_in_texts_are_no_values_and_tags_in_comments_no_tags():
    data = b'{"version":"https://jsonfeed.org/version/1","items":[{"content_text":"%s"}]}'
    assert len(read(data % (b'\\"[,{' * 800_000)).entries) == 1
    comment = "<!--" + "<a b=c>" * 800_000 + "-->"
    assert len(read(rss(f"{comment}<![CDATA[{comment}]]>{ITEM}")).entries) == 1


def test_groups_without_end_in_a_damaged_feed_are_no_trouble():
    data = rss("<item><title>甲</title>& " + "<source>" * 1500 + "</source>" * 1500 + "</item>")
    assert [entry.title for entry in read(data).entries] == ["甲"]


def test_large_text_is_read():
    text = "字" * 4_000_000
    assert (
        read(rss(f"<item><title>甲</title><description><![CDATA[<p>{text}]]></description></item>"))
        .entries[0]
        .summary
        == f"<p>{text}"
    )


def test_entities_neither_multiply_nor_open_files():
    bomb = "".join(f"<!ENTITY e{i} '{f'&e{i - 1};' * 10}'>" for i in range(1, 12))
    data = (
        f"<!DOCTYPE rss [<!ENTITY e0 '{'字' * 300}'>{bomb}<!ENTITY f SYSTEM 'file:///etc/hostname'>]>"
        + rss("<item><title>&e11;|&f;|" + "&e0;" * 9000 + "</title></item>").decode()
    )
    title = read(data).entries[0].title
    assert title.startswith("&e11;|&f;|字")
    assert title.count("字") <= 1_000_000


# --- laws ---

SEEDS = [path.read_bytes() for path in CASES if path.stat().st_size < 3000]
PIECES = [b"<", b">", b"&", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<item>", b"</item>", b"</channel>", b"<dc:",
          b"&#0;", b"&#xD800;", b'"', b"\0", b"\xff", b"<?", b"<!DOCTYPE x [", b'mode="base64">', b' xml:base="http://[x"',
          b"{", b"[", b"</", "<²>".encode(), b"<media:group>", b"<a xmlns:b='c'>"]  # fmt: skip


@st.composite
def damaged_feeds(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 30))
        data = data[:place] + draw(st.sampled_from(PIECES)) + data[place + length :]
    return data


@given(
    st.one_of(damaged_feeds(), st.binary(max_size=200)),
    st.sampled_from([None, "text/xml; charset=gbk"]),
)
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_a_feed_or_a_feed_error(data, content_type):
    try:
        feed = parse_feed(data, url=URL, content_type=content_type)
    except FeedError:
        return
    for entry in feed.entries:
        texts = (entry.title, entry.id, entry.link, entry.summary, entry.content, *entry.authors)
        assert all(text.encode() is not None for text in texts if text)
        assert entry.link is None or entry.link.startswith(("http://", "https://"))


@given(st.text(), st.sampled_from([None, True, False]))
@settings(deadline=None)
def test_title_is_one_line(text, markup):
    title = read_title(text, markup=markup)
    assert title == title.strip()
    assert not any(ord(char) < 0x20 for char in title)


@given(st.text(max_size=60), st.sampled_from([None, URL]))
@settings(deadline=None)
def test_read_url_is_absolute_and_reads_itself_again(text, base):
    url = read_url(text, base)
    assert url is None or (url.startswith(("http://", "https://")) and read_url(url, None) == url)


# --- other people's feeds, where they are at hand ---


@pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared")
def test_foreign_feeds_are_read():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) > 1000
    refused = []
    for path in files:
        try:
            parse_feed(path.read_bytes(), url=URL)
        except FeedError:
            refused.append(path.name)
    assert refused == []


@pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared")
def test_foreign_entities_are_read():
    for path in sorted((CORPUS / "entities").iterdir()):
        data = path.read_bytes().decode()
        expected = data.partition("feed['title'] == '")[2].partition("'")[0]
        if expected:
            title = parse_feed(path.read_bytes(), url=URL).title
            assert title == expected.encode().decode("unicode-escape"), path


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (
            b"<item "
            + b" ".join(b'a%d="b"' % n for n in range(100_000))
            + b"><title>t</title></item>",
            1,
        ),
        (b"".join(b"<item><title>t%d</title>" % n for n in range(3000)), 3000),
    ],
    ids=["attributes", "items without ends"],
)
def test_sloppy_items_are_read_in_linear_time(data, entries):
    before = process_time()
    feed = parse_feed(b"<rss><channel>" + data + b"</channel></rss>", url="https://a.example/")
    assert len(feed.entries) == entries
    assert process_time() - before < 3  # quadratic readers took a minute


def test_comments_that_never_end_are_passed_over_in_linear_time():
    before = process_time()
    data = b"<!--" * 65_000 + b"<rss><channel><item><title>t</title></item></channel></rss>"
    assert len(parse_feed(data, url="https://a.example/").entries) == 1
    assert process_time() - before < 3
