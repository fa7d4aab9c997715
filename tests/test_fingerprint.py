"""The content hash: pinned, and unmoved by what is not the article."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.article import FORMS, Article
from crawler.fingerprint import content_hash, fold, fold_title
from crawler.normalize import normalize
from crawler.posts import parse_post, render_post

SEEDS = Path(__file__).parents[2] / "shared" / "seeds"

TITLE = "江海股份：“一体两翼”_布局 3:0"
BODY = "<p>　　本报记者 张三</p><p>净利润增长1.5%，至30亿元。</p><p>（文章来源：证券时报网）</p>"


def of(title=TITLE, body=BODY, **fields):
    return content_hash(Article(title=title, body=body, **fields))


def test_digest_is_pinned():
    # A change of this digest is a change of every archive: it needs a new version tag.
    assert of() == "sha256:b5c39a8302bc3231167493e4621cde71c35ea26df087ea7718718d36ab1d958c"


@pytest.mark.parametrize(
    "other",
    [
        of(title="江海股份:一体两翼布局 3：0"),
        of(title="江海股份_“一体两翼”_布局 3:0 "),
        of(body=BODY.replace("证券时报网", "中证网")),
        of(body=BODY + "<p>责任编辑：李四</p>"),
        of(body="<div>本报记者　张三<br><br>净利润<b>增长</b>１．５％，至30亿元。</div>"),
        of(body="本报记者 张三\n\n净利润增长1.5%，至30亿元。", form="text"),
        of(body="本报记者 张三\n\n净利润**增长**1.5%，至30亿元。", form="markdown"),
        of(body=BODY + '<img src="http://x.example/a.jpg">'),
        of(images=["http://x.example/a.jpg"], label="x", canonical_url="https://y.example/"),
        of(lead="导语"),
    ],
    ids=["title-punctuation", "title-map", "credit", "editor", "markup", "text", "markdown",
         "picture", "metadata", "lead"],
)  # fmt: skip
def test_hash_does_not_move(other):
    assert other == of()


@pytest.mark.parametrize(
    "other",
    [
        of(title=TITLE.replace("3:0", "2:1")),
        of(body=BODY.replace("1.5%", "15%")),
        of(body=BODY.replace("30亿", "3.0亿")),
        of(body=BODY.replace("增长", "下降")),
        of(body=BODY.replace("，至", "。至")),
        of(body=BODY + "<p>另一段。</p>"),
    ],
    ids=["title-digits", "percent", "point", "word", "punctuation", "paragraph"],
)
def test_hash_moves(other):
    assert other != of()


def test_hollow_articles_are_told_apart():
    bare = Article(title="图说")
    by_image = [replace(bare, body=f'<img src="http://x.example/{n}.jpg">') for n in "ab"]
    by_url = [replace(bare, canonical_url=f"https://x.example/{n}") for n in "ab"]
    by_guid = [replace(bare, guid=n) for n in "ab"]
    hashes = [content_hash(article) for article in (*by_image, *by_url, *by_guid)]
    assert len(set(hashes)) == 6


def test_hollow_article_is_the_same_through_a_proxy():
    plain = Article(title="图说", body='<img src="http://x.example/a.jpg">')
    proxied = replace(plain, body=plain.body.replace("http:", "https://c.workers.dev/?http:"))
    assert content_hash(plain) == content_hash(proxied)
    assert content_hash(normalize(proxied)) == content_hash(plain)


@pytest.mark.skipif(not SEEDS.is_dir(), reason="../shared/seeds is not there")
def test_seeds_are_five_articles_whatever_their_form():
    hashes = set()
    for path in sorted(SEEDS.glob("*.txt")):
        article = parse_post(path.read_bytes()).article
        digest = content_hash(article)
        hashes.add(digest)
        for form in FORMS:
            clean = normalize(article, body=form)
            assert clean.hash == digest
            for dialect in ("hexo", "jekyll"):
                again = parse_post(render_post(clean, dialect=dialect)).article
                assert content_hash(again) == digest
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("“引”『号』", "引号"),
        (" a\u3000b\u00a0c\n", "abc"),
        ("1.5%：2/3", "1.5%:2/3"),
        ("a\u200bb\x07", "ab"),
        ("ﬁ ㎡", "fim2"),
        ("＂引＂＇号＇…", "引号..."),
        # Case folding takes apart what NFKC puts together.
        ("\u01f0", "j\u030c"),
        ("\u0390", "\u03b9\u0308\u0301"),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded


def test_titles_lose_brackets_too():
    assert fold_title("【快讯】A_B（C）：D|E") == "快讯abcde"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)
