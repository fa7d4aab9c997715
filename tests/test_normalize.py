"""normalize(): the steps together, on markup as it comes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.article import FORMS, Article
from crawler.fingerprint import content_hash
from crawler.images import load_image_table
from crawler.normalize import find_overlong, normalize
from crawler.posts import parse_post

SHARED = Path(__file__).parents[2] / "shared"

RAW = Article(
    title=" 大连：\n唱响“主角” ",
    label="证券时报网",
    published=datetime(2021, 6, 4, 1, 56, tzinfo=UTC),
    canonical_url="https://www.stcn.example/article/1.html",
    image="https://cors.zfour.workers.dev/?http://e.example/a.jpg",
    body="""<div style="text-align: left;"><p><img src="https://cors.zfour.workers.dev/?http://e.example/a.jpg"
    referrerpolicy="no-referrer"></p><p style="text-align:center">图虫创意/供图　</p>
    <p>　　证券时报记者 唐维</p><p></p><p>&nbsp;&nbsp;第一段 &lt;b&gt; &amp;amp; 止。</p>
    <p><img data-original="/upload/b.jpg" src="spacer.gif"></p><script>x()</script>
    <p style="display:none">隐藏</p><p>（文章来源：新华社）</p></div>""",
)


def test_raw_article_becomes_a_clean_one():
    clean = normalize(RAW)
    assert clean.title == "大连： 唱响“主角”"
    assert clean.body == (
        "图虫创意/供图\n\n证券时报记者 唐维\n\n第一段 <b> &amp; 止。\n\n（文章来源：新华社）"
    )
    assert clean.image == "http://e.example/a.jpg"
    assert clean.images == ["http://e.example/a.jpg", "https://www.stcn.example/upload/b.jpg"]
    assert (clean.byline, clean.origin, clean.form) == ("唐维", "新华社", "text")


def test_origin_that_is_the_site_itself_says_nothing():
    body = "<p>文。</p><p>（文章来源：证券时报网）</p>"
    assert normalize(Article(body=body, label="证券时报网")).origin is None


def test_values_that_the_feed_gave_are_not_overruled():
    given_ = Article(body=RAW.body, byline="甲", origin="乙", image="http://e.example/c.jpg")
    clean = normalize(given_)
    assert (clean.byline, clean.origin, clean.image) == ("甲", "乙", "http://e.example/c.jpg")


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("<p>【央行：降准】12月6日，央行宣布降准。</p>", "央行：降准"),
        ("<p>沪指收涨1.5%。深成指跟涨。</p>", "沪指收涨1.5%"),
        (f"<p>{'长' * 90}</p>", "长" * 59 + "…"),
        ("", ""),
    ],
)
def test_article_without_title_is_called_by_its_first_words(body, title):
    assert normalize(Article(body=body)).title == title


USERS_TABLE = """
[[proxy]]
name = "mine"
host = "img.example"
path = "/x"
inner = "parameter"
parameter = "u"
"""


def test_proxies_of_the_user_count():
    table = load_image_table(USERS_TABLE)
    body = '<p>文</p><img src="https://img.example/x?u=http%3A%2F%2Fe.example%2Fa.jpg">'
    assert normalize(Article(body=body), table=table).images == ["http://e.example/a.jpg"]


@pytest.mark.parametrize("form", FORMS)
def test_normalising_twice_changes_nothing(form):
    once = normalize(RAW, body=form)
    assert normalize(once, body=form) == once


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("then", FORMS)
def test_forms_turn_into_each_other_without_moving_the_hash(form, then):
    once = normalize(RAW, body=form)
    assert normalize(once, body=then).hash == once.hash


def test_bullets_of_nested_items_are_no_text():
    raw = Article(title="题", body="<ul><li>甲<ul><li>乙<li>丙</ul></ul>")
    text = normalize(raw)
    assert text.body == "• 甲\n  • 乙\n  • 丙"
    assert (
        normalize(text, body="html").hash == content_hash(normalize(text, body="html")) == text.hash
    )


FILES = [*(SHARED / "seeds").glob("*.txt"), *(SHARED / "corpus" / "posts").glob("*/*.md")]


@pytest.mark.skipif(not FILES, reason="../shared is not there")
@pytest.mark.parametrize("form", FORMS)
def test_real_posts_are_stable(form):
    for path in FILES:
        once = normalize(parse_post(path.read_bytes()).article, body=form)
        assert normalize(once, body=form) == once, path
        assert once.hash == normalize(once, body="text").hash, path


@pytest.mark.parametrize(
    ("article", "reason"),
    [
        (Article(title="题" * 100, body="文" * 100, keywords=["a" * 50, "b" * 50]), None),
        (Article(title="题" * 101), "title holds 101 characters, more than 100 (NEWS_MAX_TEXT)"),
        (Article(body="x" * 500), "body holds 500 characters, more than 100 (NEWS_MAX_TEXT)"),
        (Article(byline="a" * 101), "byline holds 101 characters, more than 100 (NEWS_MAX_TEXT)"),
        (Article(stocks=["1"] * 101), "stocks holds 101 characters, more than 100 (NEWS_MAX_TEXT)"),
        (Article(captions={"a": "b" * 100}), "captions holds 101 characters, more than 100 (NEWS_MAX_TEXT)"),
        (Article(extra={"a": ["b" * 60] * 2}), "extra holds 121 characters, more than 100 (NEWS_MAX_TEXT)"),
    ],
    ids=["just fits", "title", "body", "byline", "list", "captions", "extra keys"],
)  # fmt: skip
def test_overlong_fields_are_named(article, reason):
    assert find_overlong(article, max_text=100) == reason


fragments = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(["<p>", "</p>", "<br>", "<div>", "<b>", "</b>", "<li>", "<ul>", "<table><tr><td>",
                         "<img src=//a.example/b.jpg>", "&nbsp;", "&lt;", "\n", "*ST", "1. ", "# ", "<pre>", "<h2>"]),
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(fragments, st.sampled_from(FORMS))
def test_any_body_is_stable_and_keeps_its_hash(body, form):
    once = normalize(Article(title="题", body=body, canonical_url="https://a.example/"), body=form)
    assert normalize(once, body=form) == once
    assert normalize(once, body="text").hash == once.hash
