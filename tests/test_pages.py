"""Article pages: by rule, and without one; whatever the bytes, an article or a PageError."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import NotAPageError, PageError
from crawler.markup import to_text
from crawler.pages import extract_article
from crawler.pages.failed import find_failure
from crawler.pages.noise import drop_noise
from crawler.sources import load_sources
from crawler.sources.rules import PageRule

ROOT = Path(__file__).parents[1]
URL = "https://news.example/a/1.html"
SHANGHAI = ZoneInfo("Asia/Shanghai")

PAGE = """<!DOCTYPE html><html><head><title>潮汐电站并网_江渚财经网</title>
<meta property="og:image" content="/cover.jpg"></head><body>
<nav class="crumbs"><a href="/">首页</a> &gt; <a href="/gs/">公司</a></nav>
<h1 class="tt"> 潮汐电站<br>并网 </h1>
<div class="info"><span>来源：江渚晚报</span><span>作者：林疏影、柏舟</span>
<span>2026-06-03 18:26</span></div>
<div class="content"><p>首段&nbsp;文字。</p><div class="ad">广告</div>
<script>track()</script><p><img src="/s.gif" data-original="/1.jpg"></p><p>末段。</p></div>
<p class="lead">导语。</p>
</body></html>"""
RULE = PageRule(
    body="div.content",
    title="h1.tt",
    published=".info",
    byline=".info span:nth-child(2)",
    origin=".info span:nth-child(1)",
    channel=".crumbs a:last-of-type",
    image="meta[property='og:image']",
    drop=("script", ".ad"),
)


def extract(html: str | bytes, rule=None, **more):
    data = html.encode() if isinstance(html, str) else html
    return extract_article(data, url=URL, rule=rule, **more)


def visible(article) -> str:
    return to_text(article.body, "html")


# ------------------------------------------------------------------------------------ by rule


def test_rule_reads_every_field():
    article = extract(PAGE, RULE)
    assert article.title == "潮汐电站 并网"
    assert article.published == datetime(2026, 6, 3, 18, 26, tzinfo=SHANGHAI)
    assert (article.byline, article.origin) == ("林疏影 柏舟", "江渚晚报")
    assert (article.channel, article.image) == ("公司", "/cover.jpg")
    assert (article.canonical_url, article.form) == (URL, "html")
    assert visible(article) == "首段 文字。\n\n末段。"
    assert 'data-original="/1.jpg"' in article.body, "image addresses stay as they are"


def test_what_a_rule_does_not_name_is_empty():
    article = extract(PAGE, PageRule(body="div.content"))
    assert (article.title, article.channel) == ("", "")
    assert (article.published, article.updated) == (None, None)
    assert (article.byline, article.origin, article.image) == (None, None, None)


def test_xpath_rule_gives_the_same():
    rule = PageRule(
        body="//div[@class='content']",
        title="//h1",
        published="//div[@class='info']/span[3]/text()",
        byline=".info span:nth-child(2)",
        origin="(string(//div[@class='info']/span[1]))",
        channel="//nav/a[last()]",
        image="//meta[@property='og:image']",
        drop=("script", "//div[@class='ad']"),
    )
    by_xpath, by_css = extract(PAGE, rule), extract(PAGE, RULE)
    assert visible(by_xpath) == visible(by_css)
    by_xpath.body = by_css.body
    assert by_xpath == by_css


IMAGES = {
    "meta": ("meta[property='og:image']", "/cover.jpg"),
    "attribute": (".content img::attr(src)", "/s.gif"),
    "element": (".content img", "/1.jpg"),
    "XPath attribute": ("//div/p/img/@src", "/s.gif"),
    "no such": (".cover img", None),
}


@pytest.mark.parametrize(("selector", "url"), IMAGES.values(), ids=IMAGES.keys())
def test_image(selector, url):
    assert extract(PAGE, PageRule(body=".content", image=selector)).image == url


LABELLED = {
    "lead": ("lead", "摘要：导语。", "导语。"),
    "lead in brackets": ("lead", "【核心提示】：导语。", "导语。"),
    "lead alone": ("lead", "摘要：", None),
    "subtitle": ("subtitle", "原标题：船票难求", "船票难求"),
    "subtitle without": ("subtitle", "——一周年观察", "——一周年观察"),
    "lead that begins like a label": ("lead", "摘要写得好", "摘要写得好"),
    "tags": ("tags", "标签：回购、轻工", ["回购", "轻工"]),
    "tag with the word in it": ("tags", "股票市场，A股", ["股票市场", "A股"]),
    "stocks": ("stocks", "相关股票：600999", ["600999"]),
    "origin": ("origin", "2026-06-03 18:26 来源：甲报 作者：苏晚晴", "甲报"),
    "byline": ("byline", "2026-06-03 18:26 来源：甲报 作者：苏晚晴", "苏晚晴"),
    "editor": ("editor", "来源：甲报 责任编辑：周知遥", "周知遥"),
}


@pytest.mark.parametrize(("name", "text", "value"), LABELLED.values(), ids=LABELLED)
def test_labels_are_no_part_of_a_field(name, text, value):
    page = f"<div class=i>{text}</div><div id=b>文。</div>"
    article = extract(page, PageRule(body="#b", **{name: ".i"}))
    assert getattr(article, "keywords" if name == "tags" else name) == value


DATES = {
    "in a block with source and author": ".info",
    "in one of several spans": ".info span",
    "in the last span": ".info span:last-child::text",
}


@pytest.mark.parametrize("selector", DATES.values(), ids=DATES.keys())
def test_published_may_have_company(selector):
    article = extract(PAGE, PageRule(body=".content", published=selector))
    assert article.published == datetime(2026, 6, 3, 18, 26, tzinfo=SHANGHAI)


def test_published_in_a_long_line_counts_with_its_year():
    tools = "字号 大 中 小 " * 40
    page = f"<p class=i>{tools}2021年6月4日 09:56 来源：甲报{tools}</p><div id=b>文。</div>"
    article = extract(page, PageRule(body="#b", published=".i"))
    assert article.published == datetime(2021, 6, 4, 9, 56, tzinfo=SHANGHAI)


def test_dates_without_a_year_count_back_from_now():
    page = "<p class=i>12-31 23:50</p><div id=b>文。</div>"
    rule = PageRule(body="#b", published=".i")
    now = datetime(2026, 1, 2, tzinfo=SHANGHAI)
    assert extract(page, rule, now=now).published == datetime(2025, 12, 31, 23, 50, tzinfo=SHANGHAI)
    assert extract(page, rule).published is None


def test_dates_are_in_the_zone_of_the_source():
    rule = PageRule(body=".content", published=".info")
    article = extract(PAGE, rule, timezone="America/New_York")
    assert article.published == datetime(2026, 6, 3, 22, 26, tzinfo=UTC)


def test_several_bodies_are_joined_and_none_twice():
    rule = PageRule(body="p.lead, div.content, div.content p", drop=RULE.drop)
    assert visible(extract(PAGE, rule)) == "首段 文字。\n\n末段。\n\n导语。"


def test_what_is_dropped_from_the_body_can_still_be_a_field():
    page = "<div id=b><h1>题</h1><p class=i>2021-06-04</p><p>文。</p></div>"
    article = extract(page, PageRule(body="#b", title="h1", published=".i", drop=("h1", ".i")))
    assert (article.title, visible(article)) == ("题", "文。")
    assert article.published == datetime(2021, 6, 4, tzinfo=SHANGHAI)


def test_gbk_page_with_its_own_declaration():
    page = '<meta charset="gb2312"><h1>镕基股份</h1><div class="content">涨停。</div>'
    article = extract(page.encode("gb18030"), PageRule(body=".content", title="h1"))
    assert (article.title, visible(article)) == ("镕基股份", "涨停。")


# ------------------------------------------------------------------------------ eras of a site

NEW, OLD = PageRule(body=".content", title="h1"), PageRule(body="#zoom", title="h2")
OLD_PAGE = "<h2>旧题</h2><p class=d>2015-03-01</p><div id=zoom>旧文。</div>"


@pytest.mark.parametrize("rules", [(NEW, OLD), [OLD, NEW]], ids=["new first", "old first"])
def test_the_rule_that_fits_wins(rules):
    assert extract(PAGE, rules).title == "潮汐电站 并网"
    assert extract(OLD_PAGE, rules).title == "旧题"


def test_the_first_of_two_that_fit_wins():
    both = PAGE.replace("</body>", OLD_PAGE)
    assert extract(both, (NEW, OLD)).title == "潮汐电站 并网"
    assert extract(both, (OLD, NEW)).title == "旧题"


def dated(title: str, since: date | None = None, until: date | None = None) -> PageRule:
    return PageRule(body="#zoom", title=title, published=".d", since=since, until=until)


ERAS = {
    "inside": ([dated("h2", until=date(2015, 3, 1)), dated("h3")], "旧题"),
    "inside, both ends": ([dated("h2", date(2015, 3, 1), date(2015, 3, 1)), dated("h3")], "旧题"),
    "past the end": ([dated("h2", until=date(2015, 2, 28)), dated("h3")], "三级"),
    "before the beginning": ([dated("h2", since=date(2015, 3, 2)), dated("h3")], "三级"),
    "outside, but nothing else fits": ([dated("h2", until=date(2014, 1, 1)), NEW], "旧题"),
    "without a date of its own": (
        [PageRule(body="#zoom", title="h2", until=date(2014, 1, 1)), dated("h3")],
        "旧题",
    ),
}


@pytest.mark.parametrize(("rules", "title"), ERAS.values(), ids=ERAS.keys())
def test_dated_rules_are_for_their_days(rules, title):
    assert extract(OLD_PAGE + "<h3>三级</h3>", rules).title == title


def test_days_are_those_of_the_source():
    page = "<h2>题</h2><h3>三级</h3><p class=d>2014-12-31T17:00:00Z</p><div id=zoom>文。</div>"
    rules = [dated("h2", until=date(2014, 12, 31)), dated("h3")]
    assert extract(page, rules).title == "三级", "already 2015 in Shanghai"
    assert extract(page, rules, timezone="UTC").title == "题"


EMPTY = {
    "no such element": PageRule(body=".gone"),
    "nothing to see": PageRule(body="p.blank"),
    "nothing left": PageRule(body=".content", drop=("p", ".ad", "script")),
    "an attribute is no body": PageRule(body="//h1/@class"),
}


@pytest.mark.parametrize("rule", EMPTY.values(), ids=EMPTY.keys())
def test_a_rule_that_fits_nothing_is_drift_and_says_so(rule):
    page = PAGE.replace("<p class", "<p class=blank> <script>1</script></p><p class")
    with pytest.raises(PageError) as caught:
        extract(page, rule)
    assert caught.value.url == URL
    assert repr(rule.body) in caught.value.reason


def test_all_the_selectors_that_were_tried_are_named():
    with pytest.raises(PageError, match=r"'#zoom', '\.content'"):
        extract("<p>文。</p>", [OLD, NEW])


def test_what_one_rule_dropped_is_there_for_the_next():
    rules = [PageRule(body=".content", drop=("*",)), PageRule(body=".content p:last-child")]
    assert visible(extract(PAGE, rules)) == "末段。"


def test_a_body_may_be_an_image_alone():
    article = extract('<div id="b"><img src="/1.jpg"></div>', PageRule(body="#b"))
    assert article.body == '<div id="b"><img src="/1.jpg"></div>'


def test_a_rule_that_cannot_be_read_is_a_page_error():
    with pytest.raises(PageError, match=r"page rule: found 'div\['"):
        extract(PAGE, PageRule(body="div["))


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("fixtures/pages/*/*.toml"))
)
def test_fixture_page_gives_what_stands_beside_it(name):
    path = ROOT / name
    expected = tomllib.loads(path.read_text("utf-8"))
    source = load_sources()[path.parent.name]
    page = next(path.parent.glob(f"{path.stem}.[hj]*"))  # .html or .json
    article = extract_article(page.read_bytes(), url=expected["url"], rule=source.pages)
    if source.noise:
        article.body = drop_noise(article.body, source.noise)
    assert {
        "title": article.title,
        "published": article.published.isoformat() if article.published else "",
        "origin": article.origin or "",
        "text": visible(article),
    } == {
        "title": expected["title"],
        "published": expected.get("published", ""),
        "origin": expected.get("origin", ""),
        "text": expected["text"].strip(),
    }


# ----------------------------------------------------------------------------- without a rule

TEXT = (
    "<p>白鹭湾潮汐电站一期六月二日并网，装机容量四点八万千瓦，可供两万户用电。</p>"
    '<p>项目负责人谷雨桐介绍，一天两涨两落，<a href="/d">发电时段</a>可以提前一年算到分钟。</p>'
    '<p><img src="/1.jpg"></p>'
    "<p>二期计划明年开工，环评专家要求为候鸟让出一成的发电时段。</p>"
)
LINES = (
    "白鹭湾潮汐电站一期六月二日并网，装机容量四点八万千瓦，可供两万户用电。",
    "项目负责人谷雨桐介绍，一天两涨两落，发电时段可以提前一年算到分钟。",
    "二期计划明年开工，环评专家要求为候鸟让出一成的发电时段。",
)
LINKS = (
    "<ul>"
    + "".join(f'<li><a href="/{n}">另一条新闻的标题之{n}</a></li>' for n in range(9))
    + "</ul>"
)
TITLE = "白鹭湾潮汐电站并网发电"


def page(body: str, head: str = "") -> str:
    return (
        f"<html><head><title>{TITLE}_江渚财经网</title>{head}</head><body>"
        f'<div class="nav">{LINKS}</div>{body}<div class="footer"><p>江渚财经网版权所有，'
        "未经书面授权不得转载、摘编，违者必究，举报电话见网站说明。</p></div></body></html>"
    )


LAYOUTS = {
    "a container": f'<h1>{TITLE}</h1><div class="content">{TEXT}</div>{LINKS}',
    "an article with all of it": f"<article><h1>{TITLE}</h1><p>2026-06-03 18:26</p>{TEXT}</article>",
    "no container": f"<h1>{TITLE}</h1>{TEXT}",
    "tables": f"<table><tr><td>{LINKS}</td><td><table><tr><td>{TITLE}</td></tr>"
    f"<tr><td>{TEXT}</td></tr></table></td></tr></table>",
    "lines parted by br": f"<h1>{TITLE}</h1><div>" + "<br><br>".join((*LINES[:2], '<img src="/1.jpg">', LINES[2])) + "</div>",
    "paragraphs that are div": f"<div>{TEXT.replace('<p', '<div').replace('</p', '</div')}</div>",
    "a class that elsewhere means beside": f'<div class="header">{TEXT}</div>',
    "with what stands beside inside": f'<div id="body">{TEXT}<div class="related-list">{LINKS}</div>'
    '<div class="shareBox"><p>分享到微信，分享到微博，分享给你的朋友们看看。</p></div></div>',
    "before comments": f'<div>{TEXT}</div><div id="comments"><div>'
    + "<p>网友评论：说得好，我也这么想，支持楼主，顶起来，让更多人看到。</p>" * 20 + "</div></div>",
}  # fmt: skip


@pytest.mark.parametrize("body", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_densest_text_is_the_body(body):
    article = extract(page(body))
    assert article.title == TITLE
    assert visible(article) == "\n\n".join(LINES)
    assert '<img src="/1.jpg">' in article.body


TITLES = {
    "heading that the title begins with": (f"<title>{TITLE}-某站</title>", f"<h1>{TITLE}</h1>", TITLE),
    "site name is no title": (f"<title>{TITLE}_江渚财经网</title>", "<h1>江渚财经网</h1>", TITLE),
    "underscore": (f"<title>{TITLE}_频道_江渚财经网</title>", "", TITLE),
    "hyphen and site": (f"<title>{TITLE}-江渚财经网</title>", "", TITLE),
    "spaced hyphen": ("<title>Tides to power - The Gazette</title>", "", "Tides to power"),
    "bar": (f"<title>{TITLE} | 江渚</title>", "", TITLE),
    "hyphen inside stays": ("<title>A股-港股联动明显增强</title>", "", "A股-港股联动明显增强"),
    "named site": (f'<meta property="og:site_name" content="{"长" * 40}"><title>{TITLE} - {"长" * 40}</title>', "", TITLE),
    "og:title": (f'<meta property="og:title" content="{TITLE}"><title>某站</title>', "", TITLE),
    "headline": ('<script type="application/ld+json">{"@type":"NewsArticle","headline":"“两会”&amp;观察"}</script><title>某站</title>', "", "“两会”&观察"),
    "heading alone": ("", f"<h1>{TITLE}</h1>", TITLE),
    "none": ("", "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("head", "top", "title"), TITLES.values(), ids=TITLES.keys())
def test_title_without_a_rule(head, top, title):
    assert extract(f"<head>{head}</head><body>{top}<div>{TEXT}</div>").title == title


LD = '<script type="application/ld+json">%s</script>'
PUBLISHED = {
    "JSON-LD": (LD % '{"@type":"NewsArticle","datePublished":"2026-06-03T18:26:30+08:00"}', "", "18:26:30"),
    "JSON-LD in a graph": (LD % '{"@graph":[{"@type":"WebPage"},{"@type":["Article"],"datePublished":"2026-06-03T10:26:00Z"}]}', "", "18:26"),
    "Baidu's": (LD % '{"@context":"https://ziyuan.baidu.com/contexts/cambrian.jsonld","pubDate":"2026-06-03T18:26:00"}', "", "18:26"),
    "broken JSON-LD beside meta": (LD % "{,}" + '<meta property="article:published_time" content="2026-06-03T18:26:00+08:00">', "", "18:26"),
    "meta name, any case": ('<meta name="PubDate" content="2026-06-03 18:26">', "", "18:26"),
    "bytedance": ('<meta property="bytedance:published_time" content="2026-06-03T18:26:00+08:00">', "", "18:26"),
    "time element": ("", '<time datetime="2026-06-03T18:26:00+08:00">昨天</time>', "18:26"),
    "microdata": ("", '<span itemprop="datePublished" content="2026-06-03 18:26"></span>', "18:26"),
    "below the title": ("", "<p>2026年06月03日 18:26　来源：甲报</p>", "18:26"),
    "a day made exact by what is seen": ('<meta name="publishdate" content="2026-06-03">', "<p>2026-06-03 18:26</p>", "18:26"),
    "local time written with a Z": ('<meta property="article:published_time" content="2026-06-03T18:26:00Z">', "<p>2026-06-03 18:26</p>", "18:26"),
    "the minute it was saved": ('<meta name="pubdate" content="2026-06-03 18:31:07">', "<p>2026-06-03 18:26</p>", "18:26"),
    "seconds that are not seen": ('<meta name="pubdate" content="2026-06-03 18:26:41">', "<p>2026-06-03 18:26</p>", "18:26:41"),
}  # fmt: skip


@pytest.mark.parametrize(("head", "top", "clock"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_without_a_rule(head, top, clock):
    article = extract(page(f"<h1>{TITLE}</h1>{top}<div>{TEXT}</div>", head))
    assert article.published == datetime.fromisoformat(f"2026-06-03T{clock}+08:00")
    assert visible(article) == "\n\n".join(LINES)


def test_a_date_in_the_text_is_not_the_articles():
    text = TEXT.replace("<p>白鹭湾", "<p>" + "往事。" * 60 + "2003年5月6日，白鹭湾")
    assert extract(page(f"<h1>{TITLE}</h1><div>{text}</div>")).published is None


def test_updated_is_later_than_published():
    both = '{"@type":"Article","datePublished":"2026-06-03 18:26","dateModified":"%s"}'
    later = extract(page(TEXT, LD % (both % "2026-06-04 08:00")))
    assert later.updated == datetime(2026, 6, 4, 8, tzinfo=SHANGHAI)
    assert extract(page(TEXT, LD % (both % "2026-06-03 18:26"))).updated is None


NAMES = {
    "seen below the title": ("", "<p>来源：江渚晚报 作者：林疏影 2026-06-03 18:26</p>", "林疏影", "江渚晚报"),
    "seen, without blanks": ("", "<p>来源：江渚晚报作者：林疏影</p>", "林疏影", "江渚晚报"),
    "a link as source": ("", '<p>来源：<a href="/x">江渚晚报</a></p>', None, "江渚晚报"),
    "meta": ('<meta name="author" content="林疏影"><meta name="source" content="江渚晚报">', "", "林疏影", "江渚晚报"),
    "JSON-LD": (LD % '{"@type":"Article","author":[{"name":"林疏影"},"柏舟"],"publisher":{"name":"江渚晚报"}}', "", "林疏影 柏舟", "江渚晚报"),
    "the site itself is no source": ('<meta property="og:site_name" content="江渚晚报">' + LD % '{"@type":"Article","publisher":{"name":"江渚晚报"}}', "", None, None),
    "an address is no name": ('<meta name="article:author" content="https://x.example/me">', "", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("head", "top", "byline", "origin"), NAMES.values(), ids=NAMES.keys())
def test_names_without_a_rule(head, top, byline, origin):
    article = extract(page(f"<h1>{TITLE}</h1>{top}<div>{TEXT}</div>", head))
    assert (article.byline, article.origin) == (byline, origin)


LEAD_IMAGES = {
    "og:image": '<meta property="og:image" content="/og.jpg">',
    "JSON-LD address": LD % '{"@type":"Article","image":"/og.jpg"}',
    "JSON-LD object": LD % '{"@type":"Article","image":[{"@type":"ImageObject","url":"/og.jpg"}]}',
    "Baidu's": LD % '{"@context":"…/cambrian.jsonld","images":["/og.jpg","/2.jpg"]}',
}


@pytest.mark.parametrize("head", LEAD_IMAGES.values(), ids=LEAD_IMAGES.keys())
def test_image_without_a_rule(head):
    assert extract(page(TEXT, head)).image == "/og.jpg"


def test_article_body_of_structured_data_counts_when_the_page_shows_none():
    said = LD % json.dumps({"@type": "Article", "articleBody": "第一行 <b>。\n\n第二行。"})
    article = extract(f"<title>{TITLE}</title>{said}<div id=app></div>")
    assert article.body == "<p>第一行 &lt;b&gt;。</p><p>第二行。</p>"


def test_an_article_element_counts_when_nothing_is_dense():
    article = extract(f"<title>{TITLE}</title><article><img src='/1.jpg'><p>图/甲</p></article>")
    assert article.body == '<article><img src="/1.jpg"><p>图/甲</p></article>'


NOTHING = {
    "empty": b"",
    "blank": b" \n",
    "no text": b"<html><head><title>x</title></head><body><div id=app></div></body></html>",
    "links only": f"<body>{LINKS}</body>".encode(),
    "a few words": "<p>页面不存在，三秒后返回首页。</p>".encode(),
}


@pytest.mark.parametrize("data", NOTHING.values(), ids=NOTHING.keys())
def test_a_page_without_an_article_is_a_page_error(data):
    with pytest.raises(PageError, match="no article found"):
        extract(data)


def test_no_rules_are_as_good_as_none():
    assert extract(page(TEXT), rule=()) == extract(page(TEXT))


# ------------------------------------------------------------------------------ hostile pages

HOSTILE = {
    "deep": "<div>" * 100_000 + TEXT,
    "attributes": "<p " + " ".join(f"a{n}=1" for n in range(200_000)) + f">{TEXT}",
    "open formatting": "<p>" + "".join(f"<font x{n}>" for n in range(2_000)) + "<p>" * 20_000,
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("rule", [None, PageRule(body="p"), PageRule(body="//p")])
def test_what_would_take_too_long_is_refused(html, rule):
    with pytest.raises(PageError):
        extract(html, rule)


LONG = {
    "deep inside": "<div>" * 900 + TEXT,
    "a huge attribute": f"<p class='{'a ' * 500_000}'>{TEXT}",
    "many titles": f"<title>{TITLE}</title>" + f"<h1>{TITLE}</h1>" * 5_000 + f"<div>{TEXT}</div>",
    "deep JSON-LD": LD % ("[" * 100_000) + TEXT,
    "wide JSON-LD": LD % json.dumps([[{"@type": "Article"}] * 500] * 100) + TEXT,
    "many empty elements": "<div>" * 900 + "<i></i><div></div>" * 20_000 + "</div>" * 900 + TEXT,
}


@pytest.mark.parametrize("html", LONG.values(), ids=LONG.keys())
def test_long_pages_are_read(html):
    assert visible(extract(html)).endswith(LINES[-1])


def test_half_characters_in_structured_data_do_not_get_through():
    data = LD % '{"@type":"Article","headline":"题\\ud83d","articleBody":"文\\ud83d。"}'
    article = extract(data)
    assert (article.title, article.body) == ("题", "<p>文。</p>")


PIECES = st.sampled_from(
    ["<div>", "</div>", "<p class=content>", "<script>", "</script>", "<h1>", "<title>", "题", "正文，正文。",
     "<table>", "<td>", "<svg>", "<!--", "-->", "2021-06-04", "来源：", "<meta name=pubdate content=", '"', "'",
     '<script type="application/ld+json">{"@type":"Article","author":{"name":[1,{"name":{}}]}}</script>',
     "<article>", "&nbsp;", "&#xd800;", "\0", "<a href=x>", "<template>", "<frameset>", "<select>", "<img>"]
)  # fmt: skip
RULES = [None, RULE, PageRule(body="//div | //p", published="//p", drop=("//a", "p"))]


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join).map(str.encode) | st.binary(max_size=300))
def test_any_bytes_give_an_article_or_a_page_error(data):
    for rule in RULES:
        try:
            article = extract_article(data, url=URL, rule=rule)
        except PageError:
            continue
        assert article.canonical_url == URL
        repr(article).encode()


# --------------------------------------------------------------------------------- real pages

CORPUS = ROOT.parent / "shared" / "corpus" / "pages"


def shingles(text: str, pattern: str) -> Counter[tuple[str, ...]]:
    parts = re.findall(pattern, text)
    return Counter(tuple(parts[start : start + 4]) for start in range(max(1, len(parts) - 3)))


# Below what was measured (0.978 and 0.948), above what a change for the worse would leave.
@pytest.mark.parametrize(("name", "pattern", "least"), [("zh", r"\S", 0.96), ("aeb", r"\w+", 0.93)])
def test_real_pages_without_a_rule(name, pattern, least):
    if not CORPUS.is_dir():
        pytest.skip("needs ../shared/corpus")
    truth = json.loads((CORPUS / name / "truth.json").read_text("utf-8"))
    precision = recall = 0.0
    for key, expected in truth.items():
        data = gzip.decompress((CORPUS / name / "html" / f"{key}.html.gz").read_bytes())
        try:
            found = visible(extract(data))
        except PageError:
            continue
        ours, theirs = shingles(found, pattern), shingles(expected["text"], pattern)
        shared = (ours & theirs).total()
        precision += shared / ours.total()
        recall += shared / theirs.total()
    precision, recall = precision / len(truth), recall / len(truth)
    assert 2 * precision * recall / (precision + recall) >= least


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_pages_of_wide_characters_are_no_binaries(name: str) -> None:
    text = (
        "<html><body><h1>一个标题文字</h1><p>"
        + "一段正文，写得很长的一段。" * 40
        + "</p></body></html>"
    )
    article = extract_article(text.encode(name), url="https://a.example/")
    assert article.title == "一个标题文字"


@pytest.mark.parametrize("data", [b"%PDF-1.4\n...", b"\x89PNG\r\n", bytes(range(256)) * 20])
def test_files_of_another_kind_are_no_pages(data: bytes) -> None:
    with pytest.raises(NotAPageError, match="not a page"):
        extract_article(data, url="https://a.example/a.pdf", content_type="text/html")


# ------------------------------------------------------------------------------- error pages

FAILED = {
    "nothing": ("", "an empty page"),
    "only tags": ("<html><body></body></html>", "an empty page"),
    "an interface's word": ('{"code":500}', "no page: it begins '{\"code\":500}'"),
    "nginx": ("<title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><hr>nginx", "an error page: '502 Bad Gateway'"),
    "IIS": ("<h1>HTTP Error 503. The service is unavailable.</h1>", "an error page: 'HTTP Error 503. The service is unavailable.'"),
    "a gate": ("<title>Just a moment...</title><p>Enable JavaScript", "an error page: 'Just a moment...'"),
    "a wall": ("<title>Access denied | a.example</title><p>You", "an error page: 'Access denied | a.example'"),
    "a puzzle": ("<title>安全验证</title><p>请完成下方验证", "an error page: '安全验证'"),
    "maintenance": ("<h1>系统维护中</h1><p>给您带来的不便敬请谅解", "an error page: '系统维护中'"),
    "a database": ("<p>Error establishing a database connection", "an error page: it says 'Error establishing a database connection'"),
}  # fmt: skip
MISSING = {
    "nginx": "<title>404 Not Found</title><hr>nginx",
    "a site's own": "<title>页面不存在 - 某网</title><p>您访问的页面已被删除",
    "a page that is not there": "<title>某网</title><h1>Page not found</h1>",
    "a form": "<title>用户登录</title><form>请登录后阅读",
}
ARTICLES = {
    "about such a page": "<title>502 Bad Gateway</title><h1>What 甲：乙丙丁 means</h1>",
    "with a number": "<title>500亿元专项债发行</title><p>昨日",
    "about maintenance": "<title>多家券商系统维护中断引关注</title><p>昨日",
    "long": "<title>Access denied</title>" + "<p>一段很长的正文。" * 300,
    "a way on": "<html><meta http-equiv=refresh content='0;url=/b'></html>",
    "a picture": "<html><body><img src=a.png></body></html>",
    "a script's": "<html><script>draw()</script></html>",
}


@pytest.mark.parametrize(("html", "reason"), FAILED.values(), ids=FAILED.keys())
def test_error_page_is_known_as_one(html, reason):
    assert find_failure(html, title="甲：乙丙丁") == (reason, False)


@pytest.mark.parametrize("html", MISSING.values(), ids=MISSING.keys())
def test_page_without_an_article_is_so_for_good(html):
    reason, for_good = find_failure(html, title="甲：乙丙丁")
    assert reason.startswith("a page without an article: ")
    assert for_good


@pytest.mark.parametrize("html", ARTICLES.values(), ids=ARTICLES.keys())
def test_article_is_no_error_page(html):
    assert find_failure(html, title="甲：乙丙丁") is None
