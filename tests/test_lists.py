"""Lists by rule: rows of HTML pages and JSON documents as entries, and what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.article import Entry, Feed
from crawler.errors import FeedError, LimitError
from crawler.feeds.lists import read_rows, split_codes
from crawler.sources.rules import FeedRule

SHANGHAI = ZoneInfo("Asia/Shanghai")
URL = "https://www.example.com/article/list/yw.html"
NOW = datetime(2026, 6, 4, 15, 0, tzinfo=SHANGHAI)


def read(document: str | bytes | object, max_entries: int = 1000, **rule) -> Feed:
    """Reads markup as it stands, anything else as JSON."""
    if not isinstance(document, (str, bytes)):
        document = json.dumps(document, ensure_ascii=False)
        rule.setdefault("format", "json")
    return read_rows(
        document.encode() if isinstance(document, str) else document,
        url=URL,
        content_type=None,
        rule=FeedRule(url=URL, **rule),
        timezone="Asia/Shanghai",
        now=NOW,
        max_entries=max_entries,
        max_page=8_000_000,
        max_depth=200,
        max_attributes=2_000,
    )


def only(feed: Feed) -> Entry:
    [entry] = feed.entries
    return entry


def reasons(feed: Feed) -> list[tuple[str, int | None]]:
    return [(problem.reason, problem.index) for problem in feed.problems]


# ------------------------------------------------------------------------------------- HTML

LIST = """<html><body><ul class="infinite-list">
<li data-id="41"><div class="tt"><a href="/article/detail/41.html"> 潮汐电站<em>并网</em> </a></div>
 <div class="text">摘要 &lt;一&gt; <b>重</b></div><div class="tags"><a>能源</a><a>公司</a><a>能源</a></div>
 <div class="info"><span>来源：江渚晚报</span><span>林疏影</span><span>14:20</span></div>
 <div class="side"><img src="" data-src="//static.example.com/1.jpg"></div></li>
<li data-id="40"><div class="tt"><a href="40.html">夜游船票一张难求</a></div>
 <div class="info"><span>甲报</span><span>柏舟</span><span>06-03 21:08</span></div>
 <div class="side"><img src=""></div></li>
</ul></body></html>"""
RULE = {
    "rows": "ul.infinite-list > li",
    "id": "::attr(data-id)",
    "title": ".tt a",
    "link": ".tt a::attr(href)",
    "date": ".info span:last-child",
    "summary": ".text",
    "author": ".info span:nth-child(2)",
    "origin": ".info span:first-child",
    "image": ".side img",
    "tags": ".tags a",
}


def test_html_rows_are_entries():
    feed = read(LIST, **RULE)
    assert (feed.format, feed.encoding, feed.problems) == ("html", "utf-8", [])
    assert feed.entries == [
        Entry(
            id="41",
            link="https://www.example.com/article/detail/41.html",
            title="潮汐电站并网",
            summary="摘要 &lt;一&gt; <b>重</b>",
            base_url=URL,
            authors=["林疏影"],
            categories=["能源", "公司"],
            published=datetime(2026, 6, 4, 14, 20, tzinfo=SHANGHAI),
            images=["https://static.example.com/1.jpg"],
            origin="江渚晚报",
        ),
        Entry(
            id="40",
            link="https://www.example.com/article/list/40.html",
            title="夜游船票一张难求",
            base_url=URL,
            authors=["柏舟"],
            published=datetime(2026, 6, 3, 21, 8, tzinfo=SHANGHAI),
            origin="甲报",
        ),
    ]


def test_xpath_rows_are_the_same():
    by_xpath = RULE | {
        "rows": "//ul[@class='infinite-list']/li",
        "id": "./@data-id",
        "link": "./div/a/@href",
        "date": ".//span[last()]/text()",
        "image": ".//img/@data-src",
    }
    assert read(LIST, **by_xpath).entries == read(LIST, **RULE).entries


LINKS = {
    "attribute": ("a::attr(href)", "https://www.example.com/a.html"),
    "element": ("a", "https://www.example.com/a.html"),
    "element around the link": (".tt", "https://www.example.com/a.html"),
    "none declared": (None, "https://www.example.com/a.html"),
    "text": (".u::text", "https://www.example.com/u.html"),
    "nothing there": (".x", None),
}


@pytest.mark.parametrize(("selector", "url"), LINKS.values(), ids=LINKS.keys())
def test_link_selectors(selector, url):
    row = '<p><span class="tt"><a href="/a.html">题</a></span><i class="u">/u.html</i></p>'
    assert only(read(row, rows="p", title=".tt", link=selector)).link == url


def test_rows_alone_suffice():
    feed = read(
        '<li><a href="/1"><img></a><a href="/2">甲</a></li><a class=x href="/3">乙</a>',
        rows="li, a.x",
    )
    assert [(entry.title, entry.link) for entry in feed.entries] == [
        ("甲", "https://www.example.com/1"),
        ("乙", "https://www.example.com/3"),
    ]


def test_links_start_from_the_base_of_the_page():
    page = '<base href="//static.example.com/x/"><p><a href="1.html">题</a></p>'
    entry = only(read(page, rows="p"))
    assert entry.link == "https://static.example.com/x/1.html"
    assert entry.base_url == "https://static.example.com/x/"


TITLES = {
    "cut, whole on the link": (
        '<a title="潮汐电站并网发电" href=/1>潮汐电站…</a>',
        "潮汐电站并网发电",
    ),
    "cut by dots": ('<a title="潮汐电站并网发电" href=/1>潮汐电站...</a>', "潮汐电站并网发电"),
    "cut, the link says something else": ('<a title="点击查看" href=/1>潮汐电站…</a>', "潮汐电站…"),
    "cut, nothing more": ("<a href=/1>潮汐电站…</a>", "潮汐电站…"),
    "an ellipsis of its own": ('<a title="竟是……" href=/1>竟是……</a>', "竟是……"),
    "not cut": (
        '<a title="潮汐电站并网发电，详见" href=/1>潮汐电站并网发电</a>',
        "潮汐电站并网发电",
    ),
}


@pytest.mark.parametrize(("link", "title"), TITLES.values(), ids=TITLES.keys())
@pytest.mark.parametrize("selector", [None, "a"])
def test_cut_titles(link, title, selector):
    assert only(read(f"<p>{link}</p>", rows="p", title=selector)).title == title


MARKUP = {
    "element": (".text", "a &lt; b<br><b>c</b>"),
    "text": (".text::text", "a &lt; b c"),
    "attribute": (".text::attr(title)", "x &amp; y"),
    "XPath element": ("./p", "a &lt; b<br><b>c</b>"),
    "XPath text": ("./p/b/text()", "c"),
    "nothing there": (".x", None),
}


@pytest.mark.parametrize(("selector", "html"), MARKUP.values(), ids=MARKUP.keys())
@pytest.mark.parametrize("name", ["summary", "content"])
def test_summary_and_content_are_html(selector, html, name):
    row = '<div><a href="/1">题</a><p class="text" title="x &amp; y">a &lt; b<br><b>c</b></p></div>'
    entry = only(read(row, rows="div", **{name: selector}))
    assert getattr(entry, name) == html


DATES = {
    "the first that can be read": ("span", "2026-06-04T09:56:00+08:00", None),
    "unreadable": ("b", None, "稍早"),
    "nothing there": ("u", None, None),
}


@pytest.mark.parametrize(("selector", "at", "text"), DATES.values(), ids=DATES.keys())
def test_dates(selector, at, text):
    row = "<p><a href=/1>题</a><b>稍早</b><span>江渚晚报</span><span>09:56</span></p>"
    entry = only(read(row, rows="p", date=selector))
    assert entry.published == (at and datetime.fromisoformat(at))
    assert entry.date_text == text


def test_gbk_list():
    page = '<meta charset="gb2312"><p><a href="/1">镕基股份涨停</a></p>'
    feed = read(page.encode("gb18030"), rows="p")
    assert (only(feed).title, feed.encoding) == ("镕基股份涨停", "gb18030")


# -------------------------------------------------------------------------------- both kinds

ROWS = [
    {"t": "甲", "u": "/1"},
    {"t": "", "u": ""},
    {"t": "乙", "u": "javascript:;"},
    {"t": "甲，又一次", "u": "/1"},
    {"t": "", "u": "/2"},
    {"t": "丙", "u": "/2"},
]
AS_HTML = "".join(f'<p><b>{row["t"]}</b><a href="{row["u"]}"></a></p>' for row in ROWS)
BOTH = {
    "html": (AS_HTML, {"rows": "p", "title": "b", "link": "a::attr(href)"}),
    "json": (ROWS, {"rows": "@", "title": "t", "link": "u"}),
}


@pytest.mark.parametrize(("document", "rule"), BOTH.values(), ids=BOTH.keys())
def test_odd_rows_cost_themselves_only(document, rule):
    feed = read(document, **rule)
    assert [(entry.title, entry.link) for entry in feed.entries] == [
        ("甲", "https://www.example.com/1"),
        ("乙", None),
        ("丙", "https://www.example.com/2"),
    ], "listed once, under the first title there is"
    assert reasons(feed) == [
        ("row without link and title", 1),
        ("link 'javascript:;' is no http address", 2),
    ]


@pytest.mark.parametrize(("document", "rule"), BOTH.values(), ids=BOTH.keys())
def test_rows_that_match_nothing_are_loud(document, rule):
    feed = read(document, **rule | {"rows": "table" if feed_is_html(document) else "data.list"})
    assert feed.entries == []
    assert [problem.reason.endswith("matched nothing") for problem in feed.problems] == [True]


def feed_is_html(document: object) -> bool:
    return isinstance(document, str)


@pytest.mark.parametrize(("document", "rule"), BOTH.values(), ids=BOTH.keys())
@pytest.mark.parametrize("name", ["title", "link", "date"])
def test_a_field_that_no_row_has_is_loud(document, rule, name):
    feed = read(document, **rule | {name: "gone"})
    assert (f"{name} 'gone' matched nothing in 6 rows", None) in reasons(feed)


@pytest.mark.parametrize(("document", "rule"), BOTH.values(), ids=BOTH.keys())
def test_too_many_rows_are_refused_by_name(document, rule):
    with pytest.raises(LimitError, match=r"6 rows, more than 5 \(NEWS_MAX_ENTRIES\)"):
        read(document, max_entries=5, **rule)
    assert len(read(document, max_entries=6, **rule).entries) == 3


def test_same_link_under_two_ids_is_two_entries():
    flashes = [{"id": 7, "u": "/live"}, {"id": 8, "u": "/live"}, {"id": 8, "u": "/live"}]
    feed = read(flashes, rows="@", id="id", link="u")
    assert [entry.id for entry in feed.entries] == ["7", "8"]


def test_a_row_with_only_a_text_is_an_entry():
    assert only(read([{"c": "快讯。"}], rows="@", content="c")).content == "快讯。"


# ------------------------------------------------------------------------------------- JSON

ROW = {"id": 4199877, "t": "题", "u": "/1.html"}
FIELDS = {"id": "id", "title": "t", "link": "u"}
LETTERS = json.dumps({"data": {"list": [ROW]}}, ensure_ascii=False)

WRAPPERS = {
    "bare": LETTERS,
    "byte order mark": "\ufeff" + LETTERS,
    "callback": f"cb({LETTERS})",
    "callback, blanks, semicolon": f"\n jQuery_123( {LETTERS} );\n",
    "guarded callback": f"/**/ window.cb && window.cb({LETTERS});",
    "assignment": f"var ajaxResult={LETTERS};",
    "assignment to a member": f"window.initdata = {LETTERS}",
    "Next.js page": f'<html><body><script id="__NEXT_DATA__" type="application/json">{LETTERS}</script></body>',
}  # fmt: skip


@pytest.mark.parametrize("text", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_json_comes_out_of_its_wrappers(text):
    entry = only(read(text, format="json", rows="data.list", **FIELDS))
    assert (entry.id, entry.title) == ("4199877", "题")
    assert entry.link == "https://www.example.com/1.html"


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name != "Next.js page"])
def test_json_is_recognised_without_a_format(name):
    feed = read(WRAPPERS[name], rows="data.list", **FIELDS)
    assert (feed.format, len(feed.entries)) == ("json", 1)


def test_every_field_of_json():
    row = ROW | {
        "time": 1780553456,
        "digest": "净利 < 5%\n第二行",
        "text": "<p>全文。</p>",
        "who": ["林疏影", " 柏舟 "],
        "from": "来源：江渚晚报",
        "tags": [{"name": "能源"}, {"name": "公司"}, {"name": "能源"}],
        "pics": [{"src": "/1.jpg"}, {"src": ""}],
    }
    feed = read(
        {"list": [row]},
        rows="list",
        date="time",
        summary="digest",
        content="text",
        author="who",
        origin="from",
        tags="tags[].name",
        image="pics[].src",
        **FIELDS,
    )
    assert (feed.format, feed.problems) == ("json", [])
    assert only(feed) == Entry(
        id="4199877",
        link="https://www.example.com/1.html",
        title="题",
        summary="<p>净利 &lt; 5%</p><p>第二行</p>",
        content="<p>全文。</p>",
        base_url=URL,
        authors=["林疏影", "柏舟"],
        categories=["能源", "公司"],
        published=datetime.fromtimestamp(1780553456, UTC),
        images=["https://www.example.com/1.jpg"],
        origin="江渚晚报",
    )


CODES = {
    "one by one": (["600519", "000001"], ["600519", "000001"]),
    "in one text": (["600519,000001、300750"], ["600519", "000001", "300750"]),
    "market and code": (
        ["1,609255", "0.301955", "90,BK0485"],
        ["1.609255", "0.301955", "90.BK0485"],
    ),
}


@pytest.mark.parametrize(("values", "codes"), CODES.values(), ids=CODES.keys())
def test_stock_codes(values, codes):
    assert split_codes(values) == codes


AT = datetime(2026, 6, 4, 6, 10, 56, tzinfo=UTC)
EPOCHS = {
    "seconds": (1780553456, AT),
    "milliseconds": (1780553456000, AT),
    "seconds as text": ("1780553456", AT),
    "milliseconds as text": ("1780553456000", AT),
    "seconds with a fraction": (1780553456.0, AT),
    "text": ("2026-06-04 14:10:56", AT),
    "relative": ("50分钟前", datetime(2026, 6, 4, 14, 10, tzinfo=SHANGHAI)),
    "zero": (0, None),
    "true is no date": (True, None),
    "empty": ("", None),
    "null": (None, None),
    "object": ({"at": 1780553456}, None),
}


@pytest.mark.parametrize(("value", "at"), EPOCHS.values(), ids=EPOCHS.keys())
def test_json_dates(value, at):
    assert only(read([ROW | {"d": value}], rows="@", date="d", **FIELDS)).published == at


JSON_TITLES = {
    "tags": ("<em>潮汐</em>电站", "潮汐电站"),
    "references": ("R&amp;D 大会", "R&D 大会"),
    "a sign that is no tag": ("净利<5%的公司", "净利<5%的公司"),
    "line breaks": (" 潮汐\n电站 ", "潮汐 电站"),
    "number": (2026, "2026"),
    "null": (None, ""),
    "half a character": ("题\ud83d", "题\ufffd"),
}


@pytest.mark.parametrize(("value", "title"), JSON_TITLES.values(), ids=JSON_TITLES.keys())
def test_json_titles(value, title):
    document = json.dumps([ROW | {"t": value}])
    assert only(read(document, format="json", rows="@", **FIELDS)).title == title


def test_json_inside_a_string():
    row = {"rich_text": "快讯。", "ext": json.dumps({"docurl": "https://x.example/1"})}
    plain = {"rich_text": "又一条。", "ext": ""}
    feed = read([row, plain], rows="@", title="rich_text", link="from_json(ext).docurl")
    assert [entry.link for entry in feed.entries] == ["https://x.example/1", None]
    nested = read({"data": json.dumps([ROW])}, rows="from_json(data)", **FIELDS)
    assert only(nested).title == "题"


def test_links_can_be_put_together():
    row = {"code": "202606043758812640", "t": "题"}
    link = "join('', ['https://x.example/a/', code, '.html'])"
    feed = read([row, {"t": "没有编号"}], rows="@", title="t", link=link)
    assert [entry.link for entry in feed.entries] == [
        "https://x.example/a/202606043758812640.html",
        None,
    ], "a path that cannot be followed in one row costs that row's value"


def test_rows_can_be_chosen():
    rows = [ROW, ROW | {"isAdd": 1, "u": "/ad"}]
    assert (
        only(read(rows, rows="[?isAdd != `1`]", **FIELDS)).link == "https://www.example.com/1.html"
    )


def test_one_object_is_one_row():
    assert only(read({"data": ROW}, rows="data", **FIELDS)).title == "题"


# ----------------------------------------------------------------------------- what is no list

WRONG = {
    "a page where JSON was expected": ("<!DOCTYPE html><p>请登录</p>", {"format": "json", "rows": "@"}, "found an HTML page, expected JSON"),
    "JSON where a page was expected": ("{}", {"format": "html", "rows": "li"}, "found JSON, expected HTML with rows 'li'"),
    "no JSON": ("state=1", {"format": "json", "rows": "@"}, "no JSON that can be read"),
    "broken JSON": ('{"a": [1, }', {"format": "json", "rows": "a"}, "no JSON that can be read"),
    "no JMESPath": ("{}", {"format": "json", "rows": "a..b"}, "found 'a..b', expected JMESPath"),
    "no JMESPath in a field": ("{}", {"format": "json", "rows": "@", "title": "[?"}, "expected JMESPath"),
    "no selector": ("<p>", {"rows": "p", "title": "b["}, "expected CSS"),
    "CSS that cannot run beside XPath": ("<p>", {"rows": "//p", "title": "b:not(.a, .b)"}, "beside XPath"),
    "a page that takes too long": ("<div>" * 50_000, {"rows": "div"}, "nested more than"),
    "such a page instead of JSON": ("<div>" * 50_000, {"format": "json", "rows": "@"}, "found an HTML page"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "reason"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_list_says_what_it_is(text, rule, reason):
    with pytest.raises(FeedError) as caught:
        read(text, **rule)
    assert reason in caught.value.reason
    assert caught.value.url == URL


def test_deep_json_is_refused_by_name():
    with pytest.raises(LimitError, match="NEWS_MAX_DEPTH"):
        read("[" * 300 + "]" * 300, format="json", rows="@")


PIECES = st.sampled_from(
    ["<p>", "</p>", "<a href=", '"', "/1", ">", "题", "<base href=//[>", "{", "}", "[", "]", ":", ",", '"t"', "cb(", ")",
     "null", "1e999", "NaN", "\\ud800", "<script id=__NEXT_DATA__>", "\0", "&#xd800;", "99999999999999999999", " "]
)  # fmt: skip
RULES = [
    {"rows": "p", "date": "p", "summary": "p", "image": "a", **dict.fromkeys(("id", "author", "origin"), "a")},
    {"rows": "//p", "date": ".//a", "link": ".//a"},
    {"format": "json", "rows": "@", "title": "t", "link": "t", "date": "t", "summary": "@"},
    {"format": "json", "rows": "[]", "title": "@", "link": "@", "date": "@", "summary": "from_json(@)"},
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join).map(str.encode) | st.binary(max_size=200))
def test_any_bytes_give_a_feed_or_a_feed_error(data):
    for rule in RULES:
        try:
            feed = read(data, **rule)
        except FeedError:
            continue
        repr(feed).encode()
        for entry in feed.entries:
            assert entry.link is None or entry.link.startswith(("http://", "https://"))


def test_dates_that_none_of_the_rows_can_have_are_a_changed_layout():
    rows = "".join(f"<li><a href='/{n}.html'>题{n}</a><i>星期{n}早</i></li>" for n in range(4))
    feed = read_rows(
        f"<ul>{rows}</ul>".encode(),
        url="https://a.example/",
        content_type=None,
        rule=FeedRule(url="https://a.example/", rows="li", date="i"),
        timezone="Asia/Shanghai",
        now=None,
        max_entries=100,
        max_page=8_000_000,
        max_depth=200,
        max_attributes=2000,
    )
    reasons = [problem.reason for problem in feed.problems if problem.index is None]
    assert reasons == ["date 'i' matched nothing in 4 rows that is a date, as '星期0早'"]
