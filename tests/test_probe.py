"""What is this document, and a source file to start from."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import FeedError
from crawler.feeds import parse_feed
from crawler.pages import read_page
from crawler.posts import parse_post
from crawler.probe import probe_document, write_source
from crawler.sources import load_sources, read_source
from tests.conftest import ROOT, Desk

NOW = datetime(2026, 6, 5, 2, 30, tzinfo=UTC)
URL = "https://news.example/yw/index.html"


def rows(count: int, row: str) -> str:
    return "".join(row.format(n) for n in range(1, count + 1))


NAVIGATION = "<nav>" + rows(9, "<a href='/c/{0}/'>栏目{0}</a>") + "</nav>"
LIST = (
    f"<html>{NAVIGATION}<div class=main><ul class=news>"
    + rows(
        9,
        "<li><a href='/2026/06/0{0}/a{0}.html'>这是第{0}条新闻的标题</a><em>06-0{0} 1{0}:26</em></li>",
    )
    + "</ul><a class=nextpage href='index_2.html'>下一页</a></div></html>"
)
HASHED = (
    "<html><div class='index_list__9aX3f'>"
    + rows(
        6,
        "<div class='index_item__3xKzQ'><a href='/commonDetail/79{0}'>"
        "<h5>这是第{0}条新闻的标题</h5></a><span>{0}小时前</span></div>",
    )
    + "</div></html>"
)
ENTRIES = [
    {
        "newsId": n,
        "newsTitle": f"第{n}条快讯",
        "shareUrl": f"https://news.example/k/{n}.html",
        "showTime": 1780482360 + n,
        "digest": f"第{n}条快讯的摘要，比标题长一些。",
    }
    for n in range(1, 6)
]
JSON = json.dumps(
    {"code": 0, "data": {"banner": [{"img": "/1.png"}], "list": ENTRIES, "lastTime": "99"}}
)


# Keys of no known name, and one whose name only ends as a known one.
ODD_JSON = json.dumps(
    {
        "rows": [
            {
                "aid": 5000 + n,
                "bt": f"滨海快讯第{n}号：吞吐量再创新高",
                "zy": f"摘要{n}",
                "fbsj": 1_780_480_000 - n,
                "picUrl": f"https://img.news.example/{n}.png",
                "artUrl": f"https://news.example/a/{n}.html",
            }
            for n in range(5)
        ]
    }
)
# Headlines as short as the words of a menu, or with a date's words in them.
SHORT_LIST = "<html><body><a href=/>首页</a><ul class=lb>" + "".join(
    f'<li class="row"><a href="/a/{n}.html">{title}</a><p>6月{n}日晚间公告</p>'
    f"<i>06-0{n} 10:1{n}</i></li>"
    for n, title in enumerate(
        ["沪指翻红", "今日开市公告汇总整理", "风电二期并网发电", "昨天夜间出台新规一则",
         "茶叶期货首日上涨", "油价下调", "月末资金面平稳"], 1,
    )
)  # fmt: skip
# Every second row looks otherwise: by a class for it, by one that a build tool made.
STRIPED = re.sub(r"<li>(?=<a href='/2026/06/0[2468])", "<li class=even>", LIST)
STRIPED_HASHED = re.sub(r"__3xKzQ(?='><a href='/commonDetail/79[246])", "__7bC0d", HASHED)
CUT_TABLE = (
    "<html><body><table id=lb><tr><th>标题</th><th>日期</th></tr>"
    + rows(
        6,
        "<tr><td>·<a href='/a/{0}.html' title='第{0}期国债招标结果公布'>第{0}期国…</a></td>"
        "<td>2026/06/0{0}</td></tr>",
    )
    + "</table></body></html>"
)


def probe(text: str, url: str = URL):
    return probe_document(text.encode(), url=url, now=NOW)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (LIST, "list", {"rows": ".news > li", "date": "em", "next": ".nextpage"}),
        (HASHED, "list", {"rows": "div[class*=index_item__]", "title": "h5", "date": "span"}),
        (
            JSON,
            "list",
            {
                "format": "json",
                "rows": "data.list",
                "id": "newsId",
                "title": "newsTitle",
                "link": "shareUrl",
                "date": "showTime",
                "summary": "digest",
            },
        ),
        (
            ODD_JSON,
            "list",
            {"rows": "rows", "id": "aid", "title": "bt", "link": "artUrl", "date": "fbsj"},
        ),
        (SHORT_LIST, "list", {"rows": ".row", "title": "a", "date": "i"}),
        (STRIPED, "list", {"rows": ".news > li", "date": "em"}),
        (STRIPED_HASHED, "list", {"rows": "div[class*=index_item__]"}),
        (CUT_TABLE, "list", {"title": "a", "date": "td:last-child"}),
        (f"jQuery123({JSON});", "list", {"format": "json", "rows": "data.list"}),
        (f"var ajaxResult={JSON};", "list", {"format": "json", "rows": "data.list"}),
        ("<rss><channel><item><title>题</title></item></channel></rss>", "feed", {"url": URL}),
        (
            "<html><head><link rel=alternate type='application/rss+xml' href=/rss></head></html>",
            "page with feeds",
            {},
        ),
        ("<html><p>短</p></html>", "unknown", {}),
        ("%PDF-1.7", "unknown", {}),
        ("{}", "unknown", {}),
        ("", "unknown", {}),
    ],
    ids=[
        "html list", "hashed classes", "json", "odd names", "short headlines", "striped",
        "striped hashes", "cut headlines in a table", "jsonp", "script",
        "rss", "advertised", "short", "pdf", "empty object", "nothing",
    ],
)  # fmt: skip
def test_documents_are_told_apart(text, kind, expected):
    finding = probe(text)
    assert finding.kind == kind
    for key, value in expected.items():
        assert getattr(finding.feed_rule, key) == value


def test_numbered_addresses_are_paged():
    finding = probe(JSON, "https://news.example/api?size=5&page_index=1")
    assert finding.feed_rule.next_url == "https://news.example/api?size=5&page_index={page}"


EXAMPLES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("fixtures/pages/*/*.html"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_draft_for_a_page_reads_it_as_well(name):
    data = (ROOT / name).read_bytes()
    finding = probe_document(data, url=URL, now=NOW)
    if finding.kind != "article":
        pytest.skip("its text is not found without a rule")
    draft = write_source("报", None, finding.page_rule, url=URL)
    assert len(draft.splitlines()) <= 25
    (rule,) = read_source(draft, name="draft").pages
    text = data.decode("gb18030" if b"charset=gb" in data[:2000].lower() else "utf-8", "replace")
    article = read_page(text, url=URL, rule=rule, now=NOW).article
    assert article.body
    assert article.title == finding.article.title or not rule.title


LISTS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("fixtures/site", "fixtures/hosts")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".html", ".json", ".js", ".xml") and path.is_file()
)


@pytest.mark.parametrize("name", LISTS)
def test_drafts_validate_and_read_what_was_found(name):
    data = (ROOT / name).read_bytes()
    finding = probe_document(data, url=URL, now=NOW)
    draft = write_source('报"\\\n', finding.feed_rule, finding.page_rule, url=URL)
    source = read_source(draft, name="draft")
    assert len(draft.splitlines()) <= 25
    if finding.kind == "list":
        feed = parse_feed(data, url=URL, rule=source.feeds[0], now=NOW)
        assert [entry.title for entry in feed.entries] == [e.title for e in finding.feed.entries]


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"<html>{text}".encode()))
def test_probing_never_raises(data):
    finding = probe_document(data, url=URL, now=NOW)
    try:
        read_source(write_source("报", finding.feed_rule, finding.page_rule, url=URL), name="a")
    except FeedError:
        pytest.fail("a draft that does not validate")


def test_a_drafted_source_crawls_and_an_example_is_recorded(desk: Desk) -> None:
    draft = desk.folder / "sources" / "drafted.toml"
    channel = f'[[feed]]\nurl = "{desk.site.url}/gbk/{{}}"\nchannel = "{{}}"\nrows = "li"\n'
    channels = channel.format("a", "甲") + channel.format("b", "乙")
    draft.with_stem("twice").write_text(f'label = "两栏"\n{channels}', "utf-8")
    told = desk.scrapy("probe", f"{desk.site.url}/gbk/list.html", "-o", str(draft)).stdout
    assert "list-gbk, page 1: reads it" in told
    assert "twice, feed 1 (甲), feed 2 (乙): reads it" in told
    assert "a post of it would be" in told
    assert desk.crawl("drafted")["sources"]["drafted"]["new"] == 6
    url = f"{desk.site.url}/gbk/202606/t20260604_1006.html"
    desk.scrapy("record", "drafted", url)
    folder = desk.folder / "sources" / "examples" / "drafted"
    (page,) = folder.glob("*.html")
    assert (
        page.read_bytes()
        == desk.site.answer("GET", url.removeprefix(desk.site.url), {}).partition(b"\r\n\r\n")[2]
    )
    recorded = parse_post(page.with_suffix(".md").read_bytes()).article
    crawled = {
        article.canonical_url: article
        for article in (parse_post(data).article for data in desk.files("posts").values())
    }[url]
    assert (recorded.title, recorded.body, recorded.published, recorded.hash) == (
        crawled.title,
        crawled.body,
        crawled.published,
        crawled.hash,
    )
    assert crawled.title in page.with_suffix(".toml").read_text("utf-8")
    assert "is there already" in desk.scrapy("record", "drafted", url, status=2).stderr
    assert "HTTP 404" in desk.scrapy("probe", f"{desk.site.url}/nothing", status=1).stderr


def test_shipped_sources_load():
    assert load_sources()
