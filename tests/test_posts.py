"""Posts: both dialects and their seed forms, written and read; damaged files read."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from time import process_time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from crawler.article import FORMS, Article
from crawler.errors import PostError
from crawler.frontmatter import one_line
from crawler.posts import DIALECTS, is_placeholder, parse_post, render_post
from fixtures.attacks import HEADER_VALUES

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # much quicker, where it was built
SHARED = Path(__file__).parents[2] / "shared"
BEIJING = timezone(timedelta(hours=8))

FULL = Article(
    title="东海证券：“稳增长”三问 'Q&A'",
    section="金融",
    label="证券时报网",
    channel="要闻",
    slug="zhengquanshibaowang",
    published=datetime(2026, 6, 4, 9, 56, tzinfo=BEIJING),
    image="http://epaper.example/a.jpg",
    images=["http://epaper.example/a.jpg", "http://epaper.example/b.jpg?x={1}"],
    body="第一段。\n\n第二段 <b>不是标签。",
    source="stcn",
    guid="tag:stcn,2026:1",
    canonical_url="https://www.stcn.example/article/detail/1.html",
    byline="李四 王五",
    origin="新华社",
    updated=datetime(2026, 6, 5, 1, 0, tzinfo=UTC),
    form="text",
    hash="sha256:" + "0" * 64,
)

HEXO = """\
---
title: '东海证券：“稳增长”三问 ''Q&A'''
categories:
 - 金融
 - 证券时报网
 - 要闻
headimg: 'http://epaper.example/a.jpg'
author: 证券时报网
comments: false
date: Thu, 04 Jun 2026 01:56:00 GMT
thumbnail: 'http://epaper.example/a.jpg'
canonical_url: 'https://www.stcn.example/article/detail/1.html'
source: stcn
guid: tag:stcn,2026:1
byline: 李四 王五
origin: 新华社
updated: Fri, 05 Jun 2026 01:00:00 GMT
images:
 - 'http://epaper.example/a.jpg'
 - 'http://epaper.example/b.jpg?x={1}'
form: text
hash: sha256:0000000000000000000000000000000000000000000000000000000000000000
---

第一段。

第二段 &lt;b>不是标签。
"""

JEKYLL = """\
---
layout: post
title: "东海证券：“稳增长”三问 'Q&A'"
date: 2026-06-04 09:56:00 +0800
categories: zhengquanshibaowang
tags: 证券时报网新闻
section: 金融
label: 证券时报网
channel: 要闻
headimg: 'http://epaper.example/a.jpg'
canonical_url: 'https://www.stcn.example/article/detail/1.html'
source: stcn
guid: tag:stcn,2026:1
byline: 李四 王五
origin: 新华社
updated: Fri, 05 Jun 2026 01:00:00 GMT
images:
 - 'http://epaper.example/a.jpg'
 - 'http://epaper.example/b.jpg?x={1}'
form: text
hash: sha256:0000000000000000000000000000000000000000000000000000000000000000
---

第一段。

第二段 &lt;b>不是标签。

<https://www.stcn.example/article/detail/1.html>
"""


@pytest.mark.parametrize(("dialect", "expected"), [("hexo", HEXO), ("jekyll", JEKYLL)])
def test_full_article_is_written_byte_for_byte(dialect, expected):
    assert render_post(FULL, dialect=dialect).decode() == expected


@pytest.mark.parametrize("dialect", ["hexo", "jekyll"])
def test_full_article_comes_back(dialect):
    post = parse_post(render_post(FULL, dialect=dialect))
    assert post.article == FULL
    assert post.dialect == dialect
    assert post.warnings == []


def test_without_extra_keys_only_the_seven_of_the_seeds_are_written():
    post = render_post(FULL, extra_keys=False).decode()
    keys = re.findall(r"^([a-z_]+):", post, re.MULTILINE)
    assert keys == ["title", "categories", "headimg", "author", "comments", "date", "thumbnail"]


def test_article_without_image_has_no_image_keys_but_a_stable_placeholder_where_asked():
    bare = Article(title="无图", form="text", body="文", hash="sha256:0000002a" + "0" * 56)
    assert b"headimg" not in render_post(bare)
    placed = render_post(bare, placeholder_image="https://picsum.photos/400/300?random={n}")
    assert b"headimg: 'https://picsum.photos/400/300?random=42'\n" in placed
    assert parse_post(placed).article == bare


# ---------------------------------------------------------------- seeds

SEEDS = sorted((SHARED / "seeds").glob("*.txt"))


@pytest.mark.skipif(not SEEDS, reason="../shared/seeds is not there")
@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name[:3])
def test_seed_reproduces_byte_for_byte(path):
    data = path.read_bytes()
    post = parse_post(data)
    assert post.warnings == []
    assert render_post(post.article, dialect=f"{post.dialect}-seed") == data


HEXO_SEED = (
    "\n---\ntitle: '应科尽科_ 试验田'\ncategories: \n - 金融\n - 中证网\n - 资讯\n"
    "headimg: 'https://picsum.photos/400/300?random=7591'\nauthor: 中证网\ncomments: false\n"
    "date: Fri, 02 Jul 2021 21:56:00 GMT\nthumbnail: 'https://picsum.photos/400/300?random=7591'\n"
    "---\n\n<div>   \n<p>　　正文&#123;一&#125;。</p> \n  \n</div>\n            "
)
JEKYLL_SEED = (
    '---\nlayout: post\ntitle: "说\\"好\\""\ndate: 2022-03-31 14:30:55 +0800\n'
    "categories: zhengquanshibaowang\ntags: 证券时报网新闻\n---\n> 导语\n<p>正文。</p>\n"
    "\n<http://finews.example/NewsShare.html?infoCode=NW1>\n"
    "\n[返回证券时报网新闻](//finews.example/category/z.html)｜[返回首页](//finews.example/)"
)


@pytest.mark.parametrize(
    "text",
    [
        HEXO_SEED,
        HEXO_SEED.replace("'应科尽科_ 试验田'", '"Let\'s Encrypt"'),
        HEXO_SEED.replace("'应科尽科_ 试验田'", "'它说\"it''s\"'"),
        HEXO_SEED.replace("date: Fri, 02 Jul 2021 21:56:00 GMT", "date: 2021-07-02 21:56:00"),
        HEXO_SEED.replace("date: Fri, 02 Jul 2021 21:56:00 GMT", "date: Invalid Date"),
        JEKYLL_SEED,
        JEKYLL_SEED.replace("> 导语\n", ""),
        JEKYLL_SEED.replace("<http://finews.example/NewsShare.html?infoCode=NW1>", "<>"),
        JEKYLL_SEED.replace("证券时报网新闻", "证券时报网"),
    ],
    ids=[
        "hexo", "hexo-apostrophe", "hexo-both-quotes", "hexo-naive-date", "hexo-invalid-date",
        "jekyll", "jekyll-no-lead", "jekyll-no-url", "jekyll-bare-tag",
    ],
)  # fmt: skip
def test_seed_forms_reproduce(text):
    post = parse_post(text.encode())
    assert render_post(post.article, dialect=f"{post.dialect}-seed").decode() == text


def test_seed_form_maps_the_title_and_keeps_braces_out():
    article = Article(
        title="A/B：“问”? <x>|[{1}]", label="网", image="http://x.example/{a}.jpg", form="html"
    )
    text = render_post(article, dialect="hexo-seed").decode()
    assert "title: 'A_B：_问__ _x___&#123;1&#125;_'\n" in text
    assert "headimg: 'http://x.example/%7Ba%7D.jpg'\n" in text
    assert "{" not in text


def test_seed_form_holds_html_only():
    with pytest.raises(PostError, match="hexo-seed holds html bodies, this one is text"):
        render_post(FULL, dialect="hexo-seed")


def test_unknown_dialect_is_named():
    with pytest.raises(PostError, match="'hugo' is none of hexo, jekyll, hexo-seed, jekyll-seed"):
        render_post(FULL, dialect="hugo")


# ---------------------------------------------------------------- damaged files


def read(header: str, body: str = "\n<div>   \n<p>文</p>  \n</div>\n            "):
    return parse_post(f"\n---\n{header}\n---\n{body}".encode(), name="a.md")


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("'它''s'", "它's"),
        ("'裸'引号'", "裸'引号"),
        ('"一"二"三"', '一"二"三'),
        ('"a\\"b\\\\c\\n"', 'a"b\\c\\n'),
        ('""""\'包了又包\'""""', "包了又包"),
        ('\'""两层""\'', "两层"),
        ("2015", "2015"),
        ("yes", "yes"),
        ("冒号: 在中间", "冒号: 在中间"),
        ("&#123;x&#125;", "{x}"),
        ("", ""),
        ("'没有收尾", "'没有收尾"),
    ],
)
def test_titles_as_found_in_the_wild(raw, title):
    assert read(f"title: {raw}\ndate: Fri, 04 Jun 2021 01:56:00 GMT").article.title == title


def test_title_over_two_lines_is_joined_and_named():
    post = read("title: '第一行\n1.第二行'\ndate: Fri, 04 Jun 2021 01:56:00 GMT")
    assert post.article.title == "第一行 1.第二行"
    assert "a.md:4: the value of title goes on over a line break" in post.warnings


@pytest.mark.parametrize(
    ("text", "at", "dated"),
    [
        ("Fri, 04 Jun 2021 01:56:00 GMT", datetime(2021, 6, 4, 1, 56, tzinfo=UTC), None),
        ("2021-06-04 09:56:00", datetime(2021, 6, 4, 1, 56, tzinfo=UTC), "fetched"),
        ("2021-06-04 09:56:00 +0800", datetime(2021, 6, 4, 1, 56, tzinfo=UTC), None),
        ("Invalid Date", None, None),
        ("", None, None),
        ("+0800", None, None),
    ],
)
def test_hexo_dates(text, at, dated):
    post = read(f"title: x\ndate: {text}")
    assert (post.article.published, post.article.dated) == (at, dated)
    assert bool(post.warnings) == (at is None or dated is not None)


def test_jekyll_date_without_zone_is_beijing_time():
    post = read("layout: post\ntitle: x\ndate: 2021-12-08 10:46:18", "文\n")
    assert post.dialect == "jekyll"
    assert post.article.published == datetime(2021, 12, 8, 2, 46, 18, tzinfo=UTC)
    assert post.article.dated is None


def test_gmt_label_on_beijing_time_is_read_as_asked():
    data = HEXO_SEED.encode()
    assert parse_post(data).article.published == datetime(2021, 7, 2, 21, 56, tzinfo=UTC)
    local = parse_post(data, gmt_is_local=True)
    assert local.article.published == datetime(2021, 7, 2, 13, 56, tzinfo=UTC)
    assert local.warnings


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (" - 金融\n - 中证网\n - 资讯", ("金融", "中证网", "资讯")),
        ("    - 金融\n    - 中证网\n    - 资讯", ("金融", "中证网", "资讯")),
        (" - 金融\n - 中证网 - 资讯", ("金融", "中证网", "资讯")),
        (" - 金融\n - 中证网", ("金融", "中证网", "")),
        (" - 金融", ("金融", "作者", "")),
    ],
)
def test_category_lists(lines, expected):
    article = read(f"title: x\ncategories: \n{lines}\nauthor: 作者").article
    assert (article.section, article.label, article.channel) == expected


@pytest.mark.parametrize(
    "named", [("", "证券时报网", "要闻"), ("金融", "证券时报网", ""), ("", "", "")], ids=str
)
@pytest.mark.parametrize("dialect", ["hexo", "hexo-seed"])
def test_two_categories_beside_their_author_come_back(dialect, named):
    section, label, channel = named
    article = Article(
        title="x",
        section=section,
        label=label,
        channel=channel,
        published=datetime(2026, 6, 4, tzinfo=UTC),
    )
    post = parse_post(render_post(article, dialect=dialect, extra_keys=False))
    assert (post.article.section, post.article.label, post.article.channel) == named
    assert post.warnings == []


@pytest.mark.parametrize(
    ("tail", "url"),
    [
        ("\n<http://a.example/1.html>", "http://a.example/1.html"),
        ("\n<http://a.example/1.html>\n\n\n[返回X](../x/)\n[返回首页](../)", "http://a.example/1.html"),
        ("\n<http://a.example/1>\n\n[返回X](//h.example/x/)｜[返回首页](//h.example/)", "http://a.example/1"),
        ("\n<>\n\n[返回X](/x/)\n[返回首页](/)", None),
        ("\n[返回X](../x/)\n[返回首页](../)", None),
        ("", None),
    ],
)  # fmt: skip
def test_jekyll_endings(tail, url):
    header = "layout: post\ntitle: x\ndate: 2021-12-08 10:46:18 +0800\ntags: X新闻"
    article = read(header, f"\n第一段。\n\n第二段。\n{tail}").article
    assert (article.body, article.canonical_url, article.label) == (
        "第一段。\n\n第二段。",
        url,
        "X",
    )


@pytest.mark.parametrize(
    ("body", "expected", "warned"),
    [
        ("\n<div>   \n<p>a</p>  \n</div>\n            ", "<p>a</p>", False),
        ("\n<div>\n<p>a</p>\n</div>\n", "<p>a</p>", True),
        ("\n<div>   \n<p>a</p><p>b", "<p>a</p><p>b", True),
        ("\n<p>a</p>\n", "<p>a</p>", False),
        ("\n<div>   \n", "", True),
    ],
)
def test_hexo_wrappers(body, expected, warned):
    post = read("title: x\ndate: Fri, 04 Jun 2021 01:56:00 GMT", body)
    assert (post.article.body, bool(post.warnings)) == (expected, warned)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"just text\nno header", "no front matter"),
        (b"---\ntitle: x\nnever closed", "never closed"),
        (b"\xef\xbb\xbf---\ntitle: x\n---\nt", "byte order mark"),
        (b"---\r\ntitle: x\r\n---\r\nt", "CR line ends"),
        (b"---\ntitle: \xff\xfe\n---\nt", "not UTF-8"),
        (b"\n\n\n---\ntitle: x\n---\nt", "blank lines before the header"),
        (b"---\ntitle: x\ntitle: y\n---\nt", "stands twice"),
        (b"---\nstray\ntitle: x\n---\nt", "before any key"),
    ],
)
def test_departures_are_named_with_file_and_line(data, word):
    post = parse_post(data, name="a.md")
    assert any(word in warning for warning in post.warnings)
    assert all(re.match(r"a\.md:\d+: ", warning) for warning in post.warnings)


def test_unknown_keys_are_kept_and_written_again():
    data = render_post(FULL).replace(
        b"form: text", b"mood: '1'\nlinks:\n - a\n - 'b: c'\nform: text"
    )
    article = parse_post(data).article
    assert article.extra == {"mood": "1", "links": ["a", "b: c"]}
    assert render_post(article) == data


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://picsum.photos/400/300?random=1", True),
        ("http://a.example/undefined", True),
        ("http://a.example/x/null", True),
        ("", True),
        ("data:image/png;base64,x", True),
        ("//a.example/b.jpg", True),
        ("https://a.example/b.jpg", False),
    ],
)
def test_placeholders(url, expected):
    assert is_placeholder(url) is expected


CORPUS = sorted((SHARED / "corpus" / "posts").glob("*/*.md"))


@pytest.mark.skipif(not CORPUS, reason="../shared/corpus is not there")
def test_every_post_of_the_corpus_is_read():
    for path in CORPUS:
        post = parse_post(path.read_bytes())
        assert post.article.title, path
        assert post.article.label, path
        assert post.dialect == path.parent.name
    assert len(CORPUS) == 123


@pytest.mark.parametrize(
    "body",
    ["\n" * 200_000 + "x", " " * 200_000 + "x", "[返回a](b)" * 40_000 + "x", "</div>" * 50_000 + "x",
     "<a" * 100_000, "\n\n<" * 70_000 + "x"],
    ids=["lines", "blanks", "back-links", "closings", "openings", "address-lines"],
)  # fmt: skip
@pytest.mark.parametrize(
    "header",
    ["title: x", "layout: post", "form: text", "form: text\nlayout: post\ncanonical_url: a"],
)
def test_long_bodies_are_read_in_linear_time(body, header):
    before = process_time()
    parse_post(f"---\n{header}\n---\n{body}".encode())
    assert process_time() - before < 2  # quadratic readers took minutes


@pytest.mark.parametrize("line", ["~~~ 甲", "``` 甲", "  1. ~~~~甲", "> - ``` 甲", "甲 ~~~ 甲 ```"])
def test_text_body_loses_no_word_behind_a_fence_to_a_renderer(line):
    data = render_post(Article(title="题", form="text", body=f"乙\n\n{line}\n\n丙"))
    body = data.decode().split("\n---\n")[1]
    rendered = MarkdownIt("commonmark").render(body)
    assert "<pre>" not in rendered
    shown = unescape(re.sub("<[^>]*>", "", rendered))
    assert shown.count("甲") == line.count("甲")
    assert parse_post(data).article.body == f"乙\n\n{line}\n\n丙"


# ---------------------------------------------------------------- laws

HARD = ["'", '"', "''", "\\", "{", "}", "{{", "{%", "%}", "#}", "&#123;", "&#0125;", "&amp;", "&lt;", "<b>", "](", "]: ",
        "：", ": ", " #", "- ", "@", "*", "🐉", "‮", "---", "...", "~", "~~~ ", "```", "\n1. ", "&#126;", "null", "1_000", "\u3000", "]"]  # fmt: skip
words = st.lists(st.one_of(st.sampled_from(HARD), st.text(max_size=6)), max_size=8).map("".join)
controls = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
lines = words.map(lambda text: controls.sub("", text).strip())
# Surrogates and carriage returns are no part of a body; the normaliser leaves none.
bodies = st.lists(words.map(lambda t: controls.sub("", t)), max_size=6).map("\n".join)
names = lines.filter(bool)
urls = st.one_of(st.none(), lines.map(lambda text: "https://a.example/" + text))
instants = st.datetimes(
    min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
).map(lambda at: at.replace(microsecond=0))
articles = st.builds(
    Article,
    title=lines,
    section=lines,
    label=lines,
    channel=lines,
    slug=st.sampled_from(["", "stcn"]),
    published=st.none() | instants,
    image=urls,
    images=st.lists(urls.filter(bool), max_size=3),
    body=bodies,
    source=lines,
    guid=st.none() | names,
    canonical_url=urls,
    byline=st.none() | names,
    origin=st.none() | names,
    editor=st.none() | names,
    subtitle=st.none() | names,
    lead=st.none() | names,
    keywords=st.lists(names, max_size=3),
    stocks=st.lists(names, max_size=2),
    captions=st.dictionaries(urls.filter(bool), names, max_size=3),
    updated=st.none() | instants,
    dated=st.none() | st.just("fetched"),
    partial=st.none() | names,
    form=st.sampled_from(FORMS),
    hash=st.none() | st.just("sha256:" + "a1" * 32),
    extra=st.dictionaries(
        st.sampled_from(["mood", "x_y"]), names | st.lists(names, min_size=1, max_size=3)
    ),
).filter(lambda article: not (article.image and is_placeholder(article.image)))
articles = articles.map(
    lambda article: replace(article, images=list({*article.images, *article.captions}))
)


@settings(deadline=None, max_examples=150)
@given(articles, st.sampled_from(["hexo", "jekyll"]))
def test_what_was_written_is_read_back(article, dialect):
    post = parse_post(render_post(article, dialect=dialect))
    assert post.article == article
    assert (post.article.slug == article.slug) or dialect == "hexo"
    assert post.warnings == []


@settings(deadline=None, max_examples=200)
@given(articles, st.sampled_from(["hexo", "jekyll"]))
def test_yaml_parsers_read_the_same_texts_and_no_other_key(article, dialect):
    data = render_post(article, dialect=dialect).decode()
    header = data.split("\n---\n")[0].removeprefix("---\n") + "\n"
    for values in (yaml.safe_load(header), YAML(typ="safe", pure=True).load(io.StringIO(header))):
        assert values["title"] == article.title
        assert values.get("canonical_url") == (article.canonical_url or None)
        assert values.get("byline") == article.byline
        assert values.get("headimg") == article.image
        assert values.get("images", []) == article.images
        assert values.get("keywords", []) == article.keywords
        assert values.get("lead") == article.lead
        for key, kept in article.extra.items():
            assert values[key] == kept
        if dialect == "hexo":
            expected = [x for x in (article.section, article.label, article.channel) if x]
            assert values.get("categories", []) == expected


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=400)
    | words.map(lambda t: ("---\ntitle: " + t + "\n---\n" + t).encode("utf-8", "replace"))
)
def test_reading_never_raises_and_its_result_can_be_written(data):
    article = parse_post(data).article
    for dialect in DIALECTS:
        if article.form == "html" or not dialect.endswith("-seed"):
            render_post(article, dialect=dialect)


@settings(deadline=None, max_examples=200)
@given(bodies, st.sampled_from(FORMS))
def test_no_template_code_opens_in_a_body(body, form):
    data = render_post(Article(title="x", body=body, form=form)).decode()
    written = data.split("\n---\n\n", 1)[1]
    assert not re.search(r"\{[{%#]|[%#]\}", written)


# ---------------------------------------------------------------- hostile values


def load_yaml(header: str):
    """The header as two parsers read it, which have to agree."""
    loaded = yaml.safe_load(header)
    assert YAML(typ="safe", pure=True).load(io.StringIO(header)) == loaded
    return loaded


def header_of(data: bytes) -> str:
    return data.decode().lstrip("\n").removeprefix("---\n").partition("\n---\n")[0] + "\n"


@pytest.mark.parametrize("dialect", ["hexo", "jekyll"])
def test_hostile_values_come_back_from_yaml_as_the_same_text(dialect):
    texts = [one_line(text) for text in HEADER_VALUES]
    extra: dict[str, str | list[str]] = {f"k{index}": text for index, text in enumerate(texts)}
    images = [f"http://i.example/{index}" for index in range(len(texts))]
    article = replace(
        FULL,
        title="\n".join(texts),
        keywords=list(HEADER_VALUES),
        stocks=list(HEADER_VALUES),
        images=images,
        captions=dict(zip(images, HEADER_VALUES, strict=True)),
        extra=extra,
    )
    values = load_yaml(header_of(render_post(article, dialect=dialect)))
    plain = load_yaml(header_of(render_post(FULL, dialect=dialect)))
    assert set(values) == set(plain) | {"keywords", "stocks", "captions"} | set(extra)
    assert values["title"] == one_line(article.title)
    assert [values[key] for key in ("keywords", "stocks", "captions")] == [texts] * 3
    assert {key: values[key] for key in extra} == extra


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_values_in_every_key_add_none(dialect):
    keys = ("section", "label", "channel", "slug", "source", "guid", "byline", "origin", "editor",
            "subtitle", "lead", "partial", "title")  # fmt: skip
    form = "html" if dialect.endswith("seed") else "text"
    plain = replace(FULL, form=form, **dict.fromkeys(keys, "a"))
    expected = set(yaml.safe_load(header_of(render_post(plain, dialect=dialect))))
    for text in filter(None, map(str.strip, map(one_line, HEADER_VALUES))):
        article = replace(FULL, form=form, **dict.fromkeys(keys, text))
        values = yaml.load(header_of(render_post(article, dialect=dialect)), YAML_LOADER)
        assert set(values) == expected
        if not dialect.endswith("seed"):  # which map what they cannot hold
            assert [
                values[key] for key in keys if key in ("title", *expected - {"categories"})
            ] == [text] * len(set(keys) & expected)
        assert text + "新闻" in (*values.get("tags", []), values.get("tags", text + "新闻"))


# ---------------------------------------------------------------- what strangers put in the seeds' forms


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "x\njavascript:1",
    ],
)
@pytest.mark.parametrize("dialect", ["jekyll", "jekyll-seed"])
def test_post_ends_in_a_web_address_or_none(dialect, url):
    article = Article(title="x", body="文", form="html", canonical_url=url)
    assert "\n\n<>\n" in render_post(article, dialect=dialect).decode()


def test_seed_form_is_inert_where_its_parts_are_hostile():
    article = parse_post(JEKYLL_SEED.encode()).article
    article.seed_parts = {
        "tag": "a]: {% raw %}",
        "list_url": "javascript:x",
        "home_url": "j&colon;",
    }
    article.lead = "<script>alert(1)</script>[x](javascript:alert(1))"
    article.body = "<p>{{ 7 }}</p>"
    text = render_post(article, dialect="jekyll-seed").decode()
    header, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(header)["tags"] == "a]: {% raw %}"
    assert body == (
        "> &lt;script>alert(1)&lt;/script>[x&#93;(javascript:alert(1))\n<p>&#123;{ 7 }}</p>\n"
        "\n<http://finews.example/NewsShare.html?infoCode=NW1>\n"
        "\n[返回a&#93;: &#123;% raw %&#125;](/)｜[返回首页](/)"
    )
    assert parse_post(text.encode()).article.lead == article.lead
