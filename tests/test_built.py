"""The reader of built sites: it finds nothing in a right one, and everything that was broken."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from html import escape
from itertools import islice
from pathlib import Path

import pytest

from crawler import Article, normalize, parse_post, render_post
from crawler.article import Form
from fixtures.builders import DEPLOY, HEXO, JEKYLL, TITLES, list_titles, main
from fixtures.built import list_faults
from tests.conftest import ROOT

NAME = "stcn/2026/06/2026-06-05-000000000001"
OTHER = "stcn/2026/06/2026-06-05-000000000002"
LEVELS = ["金融", "证券时报网", "要闻"]


def write_posts(posts: Path, form: Form) -> None:
    for name, title in ((NAME, "“甲” & <i>乙"), (OTHER, "丙")):
        raw = Article(
            title=title,
            body="<p>第一 <b>段</b>，-- 1.5%。</p><ul><li>一</li><li>二<br>三</li></ul>",
            published=datetime(2026, 6, 4, 16, 5, tzinfo=UTC),
            canonical_url=f"https://a.example/{name}?a=1&b=2",
            **dict(zip(("section", "label", "channel"), LEVELS, strict=True)),
        )
        path = posts / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_post(normalize(raw, body=form)))


def write_site(posts: Path, public: Path) -> None:
    """Pages as a builder makes them that wraps a list's items in paragraphs."""
    links = ""
    for name in (NAME, OTHER):
        article = parse_post((posts / f"{name}.md").read_bytes()).article
        links += f'<a href="/{name}/">{escape(article.title)}</a>\n'
        levels = "".join(f'<a href="/all/#{level}">{level}</a>' for level in LEVELS)
        page = public / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(
            f"<article><nav class='levels'>{levels}</nav><h1>{escape(article.title)}</h1>"
            f"<time>2026-06-05 00:05</time><div class='body'>\n<p>第一\n<strong>段</strong>，"
            "-- 1.5%。</p>\n<ul>\n<li><p>一</p></li><li>二<br />\n三</li></ul></div></article>",
            "utf-8",
        )
    rows = "".join(f'<li><a href="/{name}/">题</a><p>第一</p></li>' for name in (NAME, OTHER))
    (public / "index.html").write_text(f"<ul class='list'>{rows}</ul>", "utf-8")
    page = public / "all" / "index.html"
    page.parent.mkdir()
    sections = (f"<section id='{level}'>{links}</section>" for level in LEVELS)
    page.write_text("".join(sections), "utf-8")


@pytest.fixture(params=["text", "markdown", "html"])
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


@pytest.fixture
def built(tmp_path: Path, form: Form) -> Path:
    """A folder with ``posts``, the same as ``html-posts``, and the ``public`` site of them."""
    write_posts(tmp_path / "posts", form)
    write_posts(tmp_path / "html-posts", "html")
    write_site(tmp_path / "html-posts", tmp_path / "public")
    return tmp_path


def find_faults(built: Path) -> list[str]:
    return list_faults(built / "posts", built / "public", html_posts=built / "html-posts")


def test_a_right_site_has_no_faults(built):
    assert find_faults(built) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("00:05", "16:05", "date is '026-06-05 16:05'"),
        ("06-05 00", "06-04 00", "date is '2026-06-04 00:05'"),
        ("<time>2026-06-05 00:05</time>", "", "date is ''"),
        ("“甲”", '"甲"', "title is '\"甲\""),
        ("&amp; &lt;", "&amp;amp; &lt;", "title is '“甲” &amp;"),
        (">要闻</a>", "></a>", "levels is"),
        ("/all/#要闻", "/all/#财经", "stands under 要闻 as None"),
        ("/all/#金融", "/", "stands under 金融 as '题'"),
        ("段", "断", "text is"),
        ("<p>一</p>", "", "text is"),
        ("</ul>", "<li>四</ul>", "text is"),
        ("class='body'", "", "text is ''"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_a_fault(built, old, new, fault):
    page = built / "public" / NAME / "index.html"
    text = page.read_text("utf-8")
    assert old in text
    page.write_text(text.replace(old, new), "utf-8")
    found = find_faults(built)
    assert found
    assert all(line.startswith(f"{NAME}: ") for line in found)
    assert fault in found[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [("--", "–"), ("1.5%", "15%"), ("</p>\n<ul>", "<br>"), ("第一\n", "第一")],
    ids=["typographic dash", "digits", "paragraphs run together", "lost blank"],
)
def test_only_a_text_body_may_be_dressed(built, form, old, new):
    page = built / "public" / NAME / "index.html"
    text = page.read_text("utf-8")
    assert old in text
    page.write_text(text.replace(old, new), "utf-8")
    expected = 0 if form == "text" or new == "<br>" else 1
    assert len(find_faults(built)) == expected


def test_a_dropped_post_is_a_fault(built):
    (built / "public" / NAME / "index.html").unlink()
    assert find_faults(built) == [f"{NAME}: has no page"]


def test_a_page_of_no_post_is_a_fault(built):
    (built / "posts" / f"{NAME}.md").unlink()
    assert find_faults(built) == [f"{NAME}: is a page of no post"]


def test_an_address_for_a_summary_is_a_fault(built):
    page = built / "public" / "index.html"
    address = f"https://a.example/{NAME}?a=1&amp;b=2"
    page.write_text(page.read_text("utf-8").replace("第一", address, 1), "utf-8")
    assert find_faults(built) == [f"{NAME}: its summary shows its address"]


def test_a_title_that_is_listed_wrongly_is_a_fault(built):
    page = built / "public" / "all" / "index.html"
    page.write_text(page.read_text("utf-8").replace("&lt;i&gt;", "<i>"), "utf-8")
    assert len(find_faults(built)) == len(LEVELS)


def test_hostile_titles_are_all_different_and_many():
    titles = list(islice(list_titles(), 5000))
    assert len(set(titles)) == 5000
    assert len(TITLES) > 400


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--or-skip"], 0)])
def test_builders_that_cannot_be_had_are_named(arguments, status, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["builders", *arguments])
    assert main() == status
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["Hexo:", "Jekyll:", "Sites"]


# ---------------------------------------------------------------- the sites themselves


def test_the_sites_look_alike():
    theme = DEPLOY / HEXO.name / "themes" / "paper" / "source" / "style.css"
    assert theme.read_bytes() == (DEPLOY / JEKYLL.name / "style.css").read_bytes()


@pytest.mark.parametrize("builder", [HEXO, JEKYLL], ids=lambda builder: builder.name)
def test_the_sites_read_the_archive_in_place(builder):
    link = DEPLOY / builder.name / builder.posts
    assert (link.parent / link.readlink()).resolve() == ROOT / "archive" / "posts"


def test_packages_are_pinned_by_their_bytes_and_by_no_address():
    lock = json.loads((DEPLOY / HEXO.name / "package-lock.json").read_text("utf-8"))
    for name, package in lock["packages"].items():
        assert not name or package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_both_sites_have_one_look():
    hexo = ROOT / "deploy" / "hexo" / "themes" / "paper" / "source" / "style.css"
    assert (ROOT / "deploy" / "jekyll" / "style.css").read_bytes() == hexo.read_bytes()
