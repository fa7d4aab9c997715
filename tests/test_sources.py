"""Source files: what they may say, and that every fault is named with file and key."""

from __future__ import annotations

from datetime import date

import pytest

from crawler.errors import SourceError
from crawler.sources import labels, load_sources, read_source

PLAIN = 'label = "甲"\n[[feed]]\nurl = "https://a.example/rss"\n'
JSON = "format = 'json'\nrows = 'd'\ntitle = 't'\n"


def test_label_and_url_are_enough():
    source = read_source(PLAIN, name="jia-news", timezone="Asia/Tokyo")
    assert (source.label, source.slug, source.timezone) == ("甲", "jianews", "Asia/Tokyo")
    assert not source.zone_declared
    assert [feed.url for feed in source.feeds] == ["https://a.example/rss"]


def test_all_that_the_design_shows_is_read():
    source = read_source(
        """
label = "证券时报网"
slug = "zhengquanshibaowang"
section = "金融"
timezone = "Asia/Shanghai"
verified = false
[[feed]]
channel = "要闻"
url = "https://a.example/list"
format = "html"
rows = "ul.infinite-list > li"
title = ".tt a::text"
link = ".tt a::attr(href)"
date = ".info span:last-child::text"
headers = { X-Requested-With = "XMLHttpRequest" }
[[page]]
until = 2022-12-31
body = "div.detail-content"
drop = ["script", ".ad"]
[[page]]
body = "//article"
""",
        name="stcn",
    )
    assert source.feeds[0].headers == {"X-Requested-With": "XMLHttpRequest"}
    assert source.pages[0].until == date(2022, 12, 31)
    assert source.pages[0].drop == ("script", ".ad")
    assert source.pages[1].body == "//article"
    assert source.zone_declared
    assert not source.verified


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label = ", "a.toml: is not TOML: "),
        ("", "a.toml: feed: expected at least one [[feed]] with a url"),
        (PLAIN.replace("label", "lable"), "a.toml: lable: unknown key, expected one of concurrency, delay, ended, feed, label, "),
        (PLAIN.replace('label = "甲"\n', ""), "a.toml: label: expected the publisher's name"),
        (PLAIN.replace('"甲"', "3"), "a.toml: label: expected a text, found 3"),
        (PLAIN.replace("https:", "ftp:"), "a.toml: feed 1: url: expected an absolute http or https address"),
        (PLAIN + "rows_ = 'li'", "a.toml: feed 1: rows_: unknown key"),
        (PLAIN + "title = 'h3'", "a.toml: feed 1: title: belongs to a list, which needs rows"),
        (PLAIN + "format = 'xml'", "a.toml: feed 1: format: expected one of html, json, found 'xml'"),
        (PLAIN + "rows = 'li >>> a'", "a.toml: feed 1: rows: "),
        (PLAIN + "format = 'json'\nrows = 'data[' ", "a.toml: feed 1: rows: "),
        (PLAIN + "[[page]]\ntitle = 'h1'", "a.toml: page 1: body: expected the selector of the text"),
        (PLAIN + "[[page]]\nbody = 'p'\nuntil = '2022'", "a.toml: page 1: until: expected a day such as"),
        (PLAIN + "[[page]]\nbody = 'p'\ndrop = ['div[']", "a.toml: page 1: drop: "),
        ("timezone = 'Mars/Base'\n" + PLAIN, "a.toml: timezone: expected the name of a time zone"),
        ("slug = 'a b'\n" + PLAIN, "a.toml: slug: expected lower-case Latin"),
        ("feed = 1\nlabel = 'a'", "a.toml: feed: expected a list of tables"),
        (PLAIN + JSON.replace("'d'", "'data[?'"), "a.toml: feed 1: rows: found 'data[?', expected JMESPath: Invalid jmespath expression: Incomplete"),
        (PLAIN + JSON.replace("'t'", "'.a::text'"), "a.toml: feed 1: title: found '.a::text', expected JMESPath: invalid token"),
        (PLAIN + JSON.replace("'t'", "'joint(t)'"), "a.toml: feed 1: title: found 'joint(t)', expected JMESPath: there is no function joint()"),
        (PLAIN + JSON.replace("'t'", "'x[].{a: join(t)}'"), "a.toml: feed 1: title: found 'x[].{a: join(t)}', expected JMESPath: join() takes 2 arguments, not 1"),
        (PLAIN + JSON + "cursor = 'c'\nnext_url = 'https://a.example/{page}'", "a.toml: feed 1: cursor: expected {cursor} in next_url, found"),
        (PLAIN + "rows = 'li::text'", "a.toml: feed 1: rows: found 'li::text', expected elements"),
        (PLAIN + "headers = { A = \"b\\nc\" }", "a.toml: feed 1: headers: expected headers of one line"),
        (PLAIN + "[[page]]\nbody = 'p'\nsince = 2023-01-01\nuntil = 2022-12-31", "a.toml: page 1: until: expected a day not before since (2023-01-01), found 2022-12-31"),
        ("verified = 1\n" + PLAIN, "a.toml: verified: expected true or false"),
    ],
)  # fmt: skip
def test_faults_name_file_and_key(text, message):
    with pytest.raises(SourceError) as caught:
        read_source(text, name="a", path="a.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_functions_that_jmespath_has_are_taken():
    calls = "join('-', [to_string(a), from_json(b).c, not_null(a, b, c)])"
    text = PLAIN + JSON.replace("'t'", f'"{calls}"')
    assert read_source(text, name="a").feeds[0].title == calls


def test_files_of_other_editors_and_charsets(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + PLAIN.encode())
    assert load_sources(tmp_path)["mine"].label == "甲"
    (tmp_path / "mine.toml").write_bytes(PLAIN.encode("gbk"))
    with pytest.raises(SourceError, match=r"mine\.toml: expected UTF-8: "):
        load_sources(tmp_path)


@pytest.mark.parametrize("name", ["feed", "posts", "imported", "A", "a b", ".."])
def test_names_that_are_taken_or_unfit_are_refused(name):
    with pytest.raises(SourceError, match="the file's name is the source's"):
        read_source(PLAIN, name=name)


def test_shipped_sources_validate_and_the_users_stand_beside_them(tmp_path):
    shipped = load_sources()
    assert {"stcn", "cs", "eastmoney"} <= set(shipped)
    (tmp_path / "mine.toml").write_text(PLAIN)
    (tmp_path / "stcn.toml").write_text(PLAIN)
    (tmp_path / "image-proxies.toml").write_text("")
    both = load_sources(tmp_path)
    assert set(both) == {*shipped, "mine"}
    assert both["stcn"].label == "甲"


def test_a_label_stands_for_the_site_and_not_for_a_mirror_of_it():
    sources = load_sources()
    found = labels(sources.values())
    mirrors = [name for name in sources if name.endswith("-rsshub")]
    sites = [name.removesuffix("-rsshub") for name in mirrors]
    assert {"stcn", "cs", "eastmoney"} <= set(sites) & set(sources)
    for site in set(sites) & set(sources):
        assert found[sources[site].label] == site


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere: is not a folder of source files"):
        load_sources(tmp_path / "nowhere")


def test_a_label_means_the_verified_source_whatever_the_order():
    old = read_source(f"verified = false\n{PLAIN}", name="a")
    new = read_source(PLAIN, name="b")
    assert labels([old, new]) == labels([new, old]) == {"甲": "b"}
    assert labels([old]) == {"甲": "a"}
