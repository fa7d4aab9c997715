"""Feeds of our own: valid, safe, the same each time, and read back to what they were made of."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from zoneinfo import ZoneInfo

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from crawler.article import Article
from crawler.feeds import parse_feed
from crawler.markup import to_text
from crawler.normalize import normalize
from crawler.posts import parse_post
from crawler.syndication import (
    Head,
    identify_entry,
    list_categories,
    render_atom,
    render_index,
    render_item,
    render_json_feed,
)
from tests.conftest import ROOT

BEIJING = timezone(timedelta(hours=8))
ZONE = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 6, 5, tzinfo=UTC)
BASE = "https://feeds.example/news/"
ATOM_NS = "{http://www.w3.org/2005/Atom}"
MAX = 4 << 20
LONG = "沪指收涨1.5%，两市成交额突破万亿元。" * 30


def article(body="<p>沪指收涨。</p>", *, form="text", **fields) -> Article:
    told = {"title": "大盘收评", "source": "stcn", "label": "证券时报网", "section": "金融"}
    told |= {"published": datetime(2026, 6, 4, 9, 56, tzinfo=BEIJING)}
    told |= {"canonical_url": "https://www.stcn.example/1.html"}
    return normalize(Article(**(told | fields), body=body), body=form)


def item(one: Article, number: int = 1):
    return render_item(one, id=identify_entry("stcn", f"{number:012x}"), at=AT, zone=ZONE)


def both(articles, *, base: str | None = BASE, max_bytes: int = MAX) -> tuple[bytes, bytes]:
    items = [item(one, number) for number, one in enumerate(articles)]
    head = Head("新闻 <档案> & Co.", "", base)
    return (
        render_atom(head, items, max_bytes=max_bytes),
        render_json_feed(head, items, max_bytes=max_bytes),
    )


def check_atom(data: bytes) -> etree._Element:
    """What RFC 4287 demands of the elements that we write (sections 3.2, 3.3, 4.1, 4.2)."""
    root = etree.fromstring(data)
    assert root.tag == f"{ATOM_NS}feed"
    ids = []
    for holder in [root, *root.findall(f"{ATOM_NS}entry")]:
        names = [str(child.tag).removeprefix(ATOM_NS) for child in holder]
        for name in ("id", "title", "updated"):
            assert names.count(name) == 1
        for name in ("published", "summary", "content", "generator"):
            assert names.count(name) <= 1
        ids.append(holder.findtext(f"{ATOM_NS}id"))
        assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ids[-1])
        for name in ("updated", "published"):
            for at in holder.findall(f"{ATOM_NS}{name}"):
                assert re.fullmatch(
                    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", at.text or ""
                )
        assert holder.findall(f"{ATOM_NS}author")
        assert all(person.text for person in holder.findall(f"{ATOM_NS}author/{ATOM_NS}name"))
        links = holder.findall(f"{ATOM_NS}link")
        assert all(re.match("https?://", link.get("href", "")) for link in links)
        kinds = [(link.get("rel"), link.get("type")) for link in links]
        assert len(kinds) == len(set(kinds))
        assert "content" in names or holder is root or ("alternate", "text/html") in kinds
        assert all(one.get("term") for one in holder.findall(f"{ATOM_NS}category"))
    assert len(ids) == len(set(ids))
    return root


def check_json_feed(data: bytes) -> dict:
    """What JSON Feed 1.1 demands of the keys that we write."""
    feed = json.loads(data)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    assert {"version", "title", "items"} <= set(feed) <= {
        "version", "title", "home_page_url", "feed_url", "items"
    }  # fmt: skip
    for one in feed["items"]:
        assert isinstance(one["id"], str)
        assert one["id"]
        assert isinstance(one["content_html"], str)
        assert set(one) <= {
            "id", "url", "title", "content_html", "summary", "image", "date_published",
            "date_modified", "authors", "tags",
        }  # fmt: skip
        for key in ("url", "image"):
            assert re.match("https?://", one.get(key, "https://"))
        for key in ("date_published", "date_modified"):
            assert datetime.fromisoformat(one.get(key, "2026-06-04T00:00:00Z")).tzinfo
        assert all(set(author) == {"name"} for author in one.get("authors", []))
    assert len({one["id"] for one in feed["items"]}) == len(feed["items"])
    return feed


ARTICLES = {
    "text": article("<p>第一段。</p><p>第二段。</p>"),
    "markdown": article("<h2>小标题</h2><p>*ST <b>海</b>：<a href='/2.html'>见此</a></p>", form="markdown"),
    "html": article("<p>涨<img src='https://i.example/a.jpg'>跌</p><ul><li>一<li>二</ul>", form="html"),
    "images beside a text": article("<p>甲</p><img src='https://i.example/a.jpg'><p>乙</p><img src='https://i.example/b.jpg'>"),
    "pictures only": article("<img src='https://i.example/a.jpg'><img src='https://i.example/b.jpg'>"),
    "a title alone": article("", title="只有标题"),
    "no address": article(canonical_url=None),
    "odd title": article(title="“R&D” <ST股> & 'A' \\ {{ x }} ]]> &#123; 😀"),
    "long with lead": article(f"<p>{LONG}</p>", lead="成交额突破万亿元。"),
    "long": article(f"<p>{LONG}</p>"),
    "everything": article(byline="沈知远", origin="新华社", channel="要闻", keywords=["A股", "沪指"],
                          updated=datetime(2026, 6, 5, 1, 0, tzinfo=UTC), image="https://i.example/h.jpg"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["atom", "json"])
@pytest.mark.parametrize("name", ARTICLES)
def test_what_was_published_is_read_back(name, form):
    one = ARTICLES[name]
    atom, json_feed = both([one])
    check_atom(atom)
    check_json_feed(json_feed)
    feed = parse_feed(atom if form == "atom" else json_feed, url=BASE)
    assert (feed.format, feed.problems) == (form, [])
    (entry,) = feed.entries
    if name != "odd title" or form == "atom":  # what looks like a reference our reader undoes
        assert entry.title == one.title
    assert entry.link == one.canonical_url
    assert (entry.published, entry.updated or one.published) == (
        one.published,
        one.updated or one.published,
    )
    assert to_text(entry.content or "", "html") == to_text(one.body, one.form)
    assert entry.authors == [one.byline or "证券时报网"]
    assert entry.categories == [
        word for word in ("金融", "证券时报网", one.channel, *one.keywords) if word
    ]
    assert (entry.images[:1] or [None]) == [one.image]
    assert len(to_text(entry.summary or "", "html")) <= 200
    # Crawled, it is the article that it was: the same content hash, so a duplicate.
    again = normalize(
        Article(
            title=one.title, body=entry.content or entry.summary or "", canonical_url=entry.link
        )
    )
    if name != "no address":
        assert again.hash == one.hash


@pytest.mark.parametrize("name", ARTICLES)
def test_feedparser_reads_the_same(name):
    one = ARTICLES[name]
    read = feedparser.parse(both([one])[0])
    assert not read.bozo
    (entry,) = read.entries
    assert entry.title == one.title
    # Where there is no link it takes the identifier for one.
    assert entry.link == (one.canonical_url or entry.id)
    assert datetime(*entry.published_parsed[:6], tzinfo=UTC) == one.published
    assert datetime(*entry.updated_parsed[:6], tzinfo=UTC) == (one.updated or one.published)
    # It leaves out what is empty.
    content = entry.content[0].value if "content" in entry else ""
    assert to_text(content, "html") == to_text(one.body, one.form)


def test_times_are_told_in_the_zone_asked_for():
    atom, json_feed = both([article()])
    assert b"<published>2026-06-04T09:56:00+08:00</published>" in atom
    assert json.loads(json_feed)["items"][0]["date_published"] == "2026-06-04T09:56:00+08:00"
    undated = article(published=None)
    assert b"<published>2026-06-05T08:00:00+08:00</published>" in both([undated])[0]


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script><p onclick='x()'>甲</p>",
        "<a href='javascript:x()'>甲</a><iframe src='https://a.example'></iframe>",
        "<img src='data:image/png;base64,AAAA' onerror='x()'>甲<form><input></form>",
    ],
    ids=["script and handler", "scheme and frame", "data and form"],
)
@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_nothing_alive_gets_into_a_feed(body, form):
    # A post may have been edited by hand since it was cleaned.
    hostile = Article(title="题", body=body, form=form, published=AT, source="stcn",
                      canonical_url="javascript:x()", image="data:image/png;base64,AAAA",
                      images=["javascript:x()", "https://i.example/a.jpg\"><script>"])  # fmt: skip
    atom, json_feed = both([hostile])
    check_atom(atom)
    for content in (
        check_json_feed(json_feed)["items"][0]["content_html"],
        etree.fromstring(atom).findtext(f"{ATOM_NS}entry/{ATOM_NS}content"),
    ):
        tree = etree.HTML(f"<html><body>{content}</body></html>")
        assert {element.tag for element in tree.iter()} <= {"html", "body", "p", "a", "img", "br"}
        values = [
            f"{key}={value}" for element in tree.iter() for key, value in element.attrib.items()
        ]
        assert not [one for one in values if re.match(r"on|(?:src|href)=(?!https://)", one)]


@given(
    st.builds(
        partial(Article, published=AT, form="text", source="s"),
        title=st.text(),
        body=st.text(),
        label=st.text(),
        byline=st.none() | st.text(),
        keywords=st.lists(st.text(), max_size=2),
    )
)
def test_any_text_gives_a_valid_feed(one):
    one = normalize(one, body="text")
    atom, json_feed = both([one])
    check_atom(atom)
    check_json_feed(json_feed)
    (entry,) = parse_feed(atom, url=BASE).entries or [None]
    if entry is not None and not re.search("[\ufffe\uffff\ufffd]", one.title + one.body):
        again = Article(title=entry.title, body=entry.content or "")
        assert to_text(again.body, "html").split() == one.body.split()


def test_identifiers_survive_everything_but_the_article():
    # Pinned: another one would make every entry new to every reader.
    assert identify_entry("stcn", "5f0c6a4be2d1") == "urn:uuid:82ef1b47-7b51-559f-9601-2fa58f236105"
    assert identify_entry("mirror", "5f0c6a4be2d1") != identify_entry("stcn", "5f0c6a4be2d1")
    ids = {Head("题", path, base).id for path in ("", "source/stcn") for base in (None, BASE)}
    assert len(ids) == 4
    assert Head("另一题", "", BASE).id in ids


def test_same_articles_give_the_same_bytes():
    assert both(ARTICLES.values()) == both(ARTICLES.values())


def test_feed_without_articles_is_valid():
    atom, json_feed = both([], base=None)
    check_atom(atom)
    assert check_json_feed(json_feed)["items"] == []


@pytest.mark.parametrize("room", [900, 3_000, 5_000])
def test_feed_is_bounded_and_a_large_article_costs_only_itself(room):
    large = article(f"<p>{LONG * 20}</p>", title="长文")
    small = [article(title=f"短讯{n}") for n in range(20)]
    for data in both([small[0], large, *small[1:]], max_bytes=room):
        assert len(data) <= room
        titles = [entry.title for entry in parse_feed(data, url=BASE).entries]
        assert titles == [one.title for one in small][: len(titles)]
        assert len(titles) < len(small)
    assert titles or room < 1_000
    check_json_feed(data)


def test_feed_knows_its_own_address():
    head = Head("证券时报网", "source/stcn", BASE)
    root = check_atom(render_atom(head, [], max_bytes=MAX))
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM_NS}link")}
    assert links == {"self": f"{BASE}source/stcn/atom.xml", "alternate": BASE}
    feed = json.loads(render_json_feed(head, [], max_bytes=MAX))
    assert (feed["feed_url"], feed["home_page_url"]) == (f"{BASE}source/stcn/feed.json", BASE)
    assert b"self" not in render_atom(Head("档案"), [], max_bytes=MAX)


def test_index_advertises_the_feeds_of_the_whole_archive():
    page = render_index([Head("档案 <1>"), Head("证券时报网", "source/stcn")], count=50)
    assert parse_feed(page, url=BASE).advertised == [f"{BASE}atom.xml", f"{BASE}feed.json"]
    assert b'href="source/stcn/feed.json"' in page
    assert b"<1>" not in page


@pytest.mark.parametrize(
    ("levels", "categories"),
    [
        (("金融", "证券时报网", "要闻"), [("金融",), ("金融", "证券时报网"), ("金融", "证券时报网", "要闻")]),
        (("", "示例", ""), [("示例",)]),
        (("", "", ""), []),
    ],
    ids=["three", "a label alone", "none"],
)  # fmt: skip
def test_categories_are_nested(levels, categories):
    section, label, channel = levels
    assert list_categories(Article(section=section, label=label, channel=channel)) == categories


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_posts_of_the_fixtures_come_back_with_their_hashes(form):
    paths = sorted((ROOT / "fixtures" / "expected").rglob("*.md"))
    posts = [normalize(parse_post(path.read_bytes()).article, body=form) for path in paths]
    assert len(posts) > 20
    for data in both(posts):
        entries = parse_feed(data, url=BASE).entries
        again = [
            normalize(Article(title=e.title, body=e.content or "", canonical_url=e.link))
            for e in entries
        ]
        assert [one.hash for one in again] == [one.hash for one in posts]
