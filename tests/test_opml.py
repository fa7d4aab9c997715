"""Lists of feeds: out to feed readers, in from them, whoever wrote them."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from lxml import etree

from crawler.errors import FeedError, LimitError
from crawler.opml import Outline, name_source, parse_opml, render_opml, write_source
from crawler.sources import RESERVED, read_source
from tests.conftest import ROOT

URL = "https://news.example.org/feed.xml"


def opml(body: str, *, before: str = '<?xml version="1.0"?>', root: str = "opml") -> bytes:
    return f"{before}<{root} version='2.0'><head/><body>{body}</body></{root}>".encode()


def feed(**attributes: str) -> str:
    told = {"type": "rss", "text": "早报", "xmlUrl": URL} | attributes
    return "<outline " + " ".join(f"{key}='{value}'" for key, value in told.items()) + "/>"


OUTLINES = [
    Outline("早报", URL, "https://news.example.org/", ("金融", "要闻"), ("金融", "早报", "要闻")),
    Outline('R&D <1> "A"', f"{URL}?a=1&b=2", None, ("金融", "要闻")),
    Outline("Evening", "https://evening.example/rss", None, (), ("News", "Evening")),
]


def test_list_is_read_back():
    data = render_opml("来源", [*OUTLINES, Outline("列表", url="https://list.example/")])
    root = etree.fromstring(data)
    assert root.get("version") == "2.0"
    assert root.findtext("head/title") == "来源"
    for outline in root.iter("outline"):
        assert outline.get("text")
        assert outline.get("type") in ("rss", "link", None)
        assert ("xmlUrl" in outline.attrib) == (outline.get("type") == "rss")
    assert parse_opml(data) == (OUTLINES, [])
    assert render_opml("来源", OUTLINES) == render_opml("来源", OUTLINES)


@pytest.mark.parametrize(
    ("data", "title", "url"),
    [
        (opml("<outline text='早报' XMLURL='" + URL + "'/>"), "早报", URL),
        (opml(feed(xmlUrl=f"{URL}?a=1&b=2")), "早报", f"{URL}?a=1&b=2"),
        (opml(feed(text="R&D &nbsp;&eacute; &lt;1&gt; &unknown;")), "R&D \xa0é <1> &unknown;", URL),
        (opml(feed(text="")), "news.example.org", URL),
        (opml(feed(title="题名")), "题名", URL),
        ("\ufeff".encode() + opml(feed()), "早报", URL),
        (opml(feed(), before='<?xml version="1.0" encoding="gbk"?>').decode().encode("gbk"), "早报", URL),
        (opml(feed(), before="<!DOCTYPE opml [<!ENTITY a 'b'>]>"), "早报", URL),
        (opml(feed(text="\x0b早报"), before="\n  "), "早报", URL),
    ],
    ids=["capitals", "bare ampersand", "characters of HTML", "no title", "title first",
         "byte order mark", "GBK", "document type", "control character"],
)  # fmt: skip
def test_lists_as_they_are_found(data, title, url):
    outlines, problems = parse_opml(data)
    found = [(outline.title, outline.xml_url) for outline in outlines]
    assert (found, problems) == ([(title, url)], [])


def test_folders_and_feeds_are_told_apart():
    body = (
        "<outline text='财经'><outline text='国内'>" + feed() + "</outline>"
        "<outline text='空'/><outline type='link' text='链接' url='https://a.example/'/>"
        + feed(xmlUrl=f"{URL}?2") + feed(text="又", xmlUrl=URL) + "</outline>"
    )  # fmt: skip
    outlines, problems = parse_opml(opml(body))
    assert [(one.xml_url, one.folders) for one in outlines] == [
        (URL, ("财经", "国内")),
        (f"{URL}?2", ("财经",)),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (feed(xmlUrl="javascript:x()"), "expected an http or https address"),
        (feed(xmlUrl="file:///etc/passwd"), "expected an http or https address"),
        (feed(xmlUrl="feed.xml"), "expected an http or https address"),
        ("<outline type='rss' text='早报'/>", "no xmlUrl"),
        (feed(xmlUrl="http://127.0.0.1:8080/feed"), "127.0.0.1 is not public"),
        (feed(xmlUrl="http://localhost/feed"), "localhost is not public"),
        (feed(xmlUrl="https://user:secret@news.example.org/"), "a user name in the address"),
    ],
)
def test_outline_that_is_no_feed_costs_only_itself(outline, reason):
    outlines, (problem,) = parse_opml(opml(outline + feed(xmlUrl=f"{URL}?2")))
    assert [one.xml_url for one in outlines] == [f"{URL}?2"]
    assert problem.reason.startswith("早报")
    assert reason in problem.reason


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>no list</body></html>",
        b"<opml>",
        b"<opml/>",
        opml("<outline text='a'"),
        opml("<outline>" * 300 + "</outline>" * 300),
        b"\x00\xff\xfe" * 100,
    ],
    ids=["empty", "HTML", "cut", "no body", "broken", "deep", "bytes"],
)
def test_what_is_no_list_is_told(data):
    with pytest.raises(FeedError, match=r"^mine\.opml: "):
        parse_opml(data, url="mine.opml")


def test_entities_mean_nothing():
    before = f"<!DOCTYPE opml [<!ENTITY l0 'ha'>{LAUGHS}<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    outlines, _ = parse_opml(opml(feed(text="&l11;&x;"), before=before))
    assert outlines[0].title == "&l11;&x;"


def test_list_has_a_bound():
    with pytest.raises(LimitError, match="NEWS_MAX_ENTRIES"):
        parse_opml(opml(feed() * 3), max_entries=2)


@pytest.mark.parametrize(
    ("title", "url", "name"),
    [
        ("Morning News", URL, "morning-news"),
        ("早报", URL, "example.org"),
        ("早报", "https://www.stcn.com/rss", "stcn.com"),
        ("../../etc/passwd", URL, "etc-passwd"),
        ("feed", URL, "feed-2"),
        ("taken", URL, "taken-3"),
        ("...", URL, "feed-2"),
        ("a" * 80, URL, "a" * 50),
    ],
)
def test_sources_have_latin_names_of_their_own(title, url, name):
    found = name_source(Outline(title, url), {*RESERVED, "taken", "taken-2"})
    assert found == name
    read_source(write_source(Outline(title, url)), name=found)


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: outline.title)
def test_outline_becomes_a_source(outline):
    source = read_source(write_source(outline), name="x")
    assert source.label == outline.title
    assert [feed.url for feed in source.feeds] == [outline.xml_url]
    levels = outline.folders or outline.category
    assert (source.section, source.feeds[0].channel) == levels


def test_hostile_titles_cannot_leave_their_line():
    title = 'a"\nurl = "http://127.0.0.1/'
    table = tomllib.loads(write_source(Outline(title, URL)))
    assert table == {"label": title, "feed": [{"url": URL}]}


def test_sources_go_out_and_come_in(tmp_path):
    def sources(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "scrapy", "sources", "-s", f"NEWS_SOURCES={mine}", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    (mine / "morning.toml").write_text(write_source(OUTLINES[0]), "utf-8")
    out = sources("--opml", "-", "morning")
    assert parse_opml(out.stdout.encode())[0] == OUTLINES[:1]
    new = Outline("Evening", "https://evening.example/rss", None, ("晚",))
    path = tmp_path / "list.opml"
    path.write_bytes(render_opml("", [OUTLINES[0], new]) + b"<!-- -->")
    theirs.mkdir()
    kept = write_source(Outline("Mine", "https://mine.example/rss"))
    (theirs / "evening.toml").write_text(kept, "utf-8")
    done = sources("--import", str(path), "-o", str(theirs))
    assert "早报: https://news.example.org/feed.xml is in morning already" in done.stdout
    assert {one.name for one in theirs.iterdir()} == {"evening.toml", "evening-2.toml"}
    assert (theirs / "evening.toml").read_text("utf-8") == kept
    table = tomllib.loads((theirs / "evening-2.toml").read_text("utf-8"))
    assert table == {"label": "Evening", "section": "晚", "feed": [{"url": new.xml_url}]}
    again = sources("--import", str(path), "-o", str(theirs))
    assert "Evening: https://evening.example/rss is in evening-2 already" in again.stdout
    assert len(list(theirs.iterdir())) == 2
    missing = str(tmp_path / "missing.opml")
    assert f"{missing}: No such file" in sources("--import", missing, status=2).stderr
    barred = sources("--import", str(path), "-o", f"{path}/sources", status=1)
    assert barred.stderr == f"scrapy sources: {path}/sources: Not a directory\n"
