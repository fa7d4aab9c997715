"""The whole way, through the real command against a real server: twice, edited, broken, refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from crawler.article import FORMS
from crawler.posts import parse_post
from tests.conftest import ROOT, Desk, check_expected, portable

SHARED = ROOT.parent / "shared"
SOURCES = sorted(path.stem for path in (ROOT / "fixtures" / "sources").glob("*.toml"))


@pytest.mark.parametrize("source", SOURCES)
def test_source_gives_the_expected_posts_and_nothing_the_second_time(desk, source, request):
    report = desk.crawl(source)
    assert report["exit_status"] == 0
    counts = report["sources"][source]
    posts = portable(desk)
    assert counts["new"] == len(posts) > 0
    check_expected(source, posts, refresh=request.config.getoption("--refresh-expected"))
    before = desk.files()
    asked = len(desk.site.requests)
    again = desk.crawl(source)["sources"][source]
    assert (again["new"], again["updated"], again["duplicates"]) == (0, 0, 0)
    assert desk.files() == before
    # One conditional request for every feed that listed nothing it could not give.
    second = [request for request in desk.site.requests[asked:] if request.path != "/robots.txt"]
    assert again["conditional"] == sum(request.status == 304 for request in second)
    assert again["conditional"] == again["feeds"] > 0
    desk.scrapy("archive", "verify")


def test_all_sources_together_meet_duplicates_and_look_alikes(desk):
    desk.scrapy("harvest", *SOURCES)
    totals: Counter[str] = Counter()
    for counts in desk.report()["sources"].values():
        totals.update({key: n for key, n in counts.items() if isinstance(n, int)})
    assert totals["new"] >= 40
    assert totals["duplicates"] >= 1
    assert totals["new"] == len(desk.files("posts"))
    for data in desk.files("posts").values():
        article = parse_post(data).article
        assert article.title
        assert article.label
        assert "workers.dev" not in "".join(article.images)
        assert not re.search(
            r"<[a-zA-Z/!?]", data.decode().split("\n---\n", 1)[1].rpartition("\n\n<")[0]
        )


def test_edited_article_becomes_a_revision(desk):
    edits = {
        "/" + str(path.relative_to(ROOT / "fixtures" / "site-edits")): path.read_bytes()
        for path in (ROOT / "fixtures" / "site-edits").rglob("*")
        if path.is_file()
    }
    assert edits
    desk.scrapy("harvest", *SOURCES)
    before = desk.files("posts")
    desk.site.overlay = edits
    desk.scrapy("harvest", *SOURCES)
    updated = sum(counts["updated"] for counts in desk.report()["sources"].values())
    assert updated >= 1
    assert set(desk.files("posts")) == set(before)
    revisions = desk.files("revisions")
    assert len(revisions) == updated
    assert set(revisions.values()) <= set(before.values())
    changed = [path for path, data in desk.files("posts").items() if data != before[path]]
    assert len(changed) == updated
    for path in changed:
        assert parse_post((desk.archive / path).read_bytes()).article.updated is not None
    desk.scrapy("archive", "verify")


# ---------------------------------------------------------------- feed


def test_any_feed_by_its_address(desk):
    path = next(
        path for path in desk.site.root.rglob("*.xml") if b"<rss" in path.read_bytes()[:300]
    )
    feed = f"{desk.site.url}/{path.relative_to(desk.site.root)}"
    report = desk.crawl(
        "feed",
        "-a",
        f"url={feed}",
        "-a",
        "name=mine",
        "-a",
        "categories=财经,我的,早报",
        "-a",
        "limit=2",
    )
    assert report["sources"]["mine"]["new"] == 2
    for path, data in desk.files("posts").items():
        assert path.startswith("posts/mine/")
        article = parse_post(data).article
        assert (article.section, article.label, article.channel) == ("财经", "我的", "早报")


def test_page_that_advertises_a_feed_is_followed(desk):
    feed = next(
        path for path in desk.site.root.rglob("*.xml") if b"<rss" in path.read_bytes()[:300]
    )
    address = "/" + str(feed.relative_to(desk.site.root))
    desk.site.overlay["/home.html"] = (
        f'<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" href="{address}">'
        "</head><body><p>首页</p></body></html>"
    ).encode()
    report = desk.crawl("feed", "-a", f"url={desk.site.url}/home.html", "-a", "name=home")
    assert report["sources"]["home"]["new"] > 0


def test_articles_can_be_exported_by_scrapys_own_option(desk, tmp_path):
    source = "rsshub-stcn"
    desk.crawl(source, "-O", f"{tmp_path / 'out.jsonl'}")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) >= len(desk.files("posts"))
    assert all(row["hash"].startswith("sha256:") and row["form"] == "text" for row in rows)
    assert "tickets" not in rows[0]


# ---------------------------------------------------------------- posts

FIXTURE_POSTS = ROOT / "fixtures" / "posts"


@pytest.mark.parametrize("dialect", ["hexo", "jekyll"])
@pytest.mark.parametrize("form", FORMS)
def test_posts_are_read_into_every_dialect_and_form_once(desk, dialect, form):
    ways = [
        "-a",
        f"path={FIXTURE_POSTS}",
        "-s",
        f"NEWS_DIALECT={dialect}",
        "-s",
        f"NEWS_BODY={form}",
    ]
    desk.crawl("posts", *ways)
    files = desk.files()
    count = sum(path.is_file() for path in FIXTURE_POSTS.rglob("*"))
    assert 0 < len(files) <= count
    for data in files.values():
        post = parse_post(data)
        assert (post.dialect, post.article.form) == (dialect, form)
        assert post.warnings == []
    desk.crawl("posts", *ways)
    assert desk.files() == files
    desk.scrapy("archive", "verify")


@pytest.mark.parametrize("dialect", ["hexo-seed", "jekyll-seed"])
def test_posts_are_read_into_the_seed_forms_once(desk, dialect):
    ways = ["-a", f"path={FIXTURE_POSTS}", "-s", f"NEWS_DIALECT={dialect}"]
    desk.crawl("posts", *ways)
    files = desk.files()
    desk.crawl("posts", *ways)
    assert desk.files() == files


def test_an_archive_read_into_another_gives_the_same_articles(desk, tmp_path):
    desk.crawl("rsshub-stcn")
    other = Desk(tmp_path / "other", desk.site)
    desk.site.write_sources(other.folder / "sources")
    for form in ("markdown", "html"):
        other.crawl("posts", "-a", f"path={desk.archive / 'posts'}", "-s", f"NEWS_BODY={form}")
        hashes = sorted(parse_post(data).article.hash for data in other.files("posts").values())
        assert hashes == sorted(
            parse_post(data).article.hash for data in desk.files("posts").values()
        )


@pytest.mark.skipif(not (SHARED / "corpus").is_dir(), reason="../shared is not there")
def test_all_posts_of_the_corpus_are_read(desk):
    report = desk.crawl("posts", "-a", f"path={SHARED / 'corpus' / 'posts'}")
    assert sum(source["entries"] for source in report["sources"].values()) == 123
    assert not any(source["refused"] for source in report["sources"].values())


@pytest.mark.skipif(not (SHARED / "seeds").is_dir(), reason="../shared is not there")
def test_seeds_are_five_articles(desk):
    desk.crawl("posts", "-a", f"path={SHARED / 'seeds'}")
    assert [path.split("/")[1] for path in desk.files("posts")] == [
        "cs",
        "cs",
        "stcn",
        "stcn",
        "stcn",
    ]


# ---------------------------------------------------------------- when something is wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crawl", "nobody"], "'nobody': scrapy list names them all, your own with -s NEWS_SOURCES="),
        (["crawl"], "crawl takes the name of one source, 0 given"),
        (["crawl", "feed"], "feed needs -a url=ADDRESS"),
        (["crawl", "feed", "-a", "url=ftp://x.example"], "-a url=ftp://x.example: expected an absolute"),
        (["crawl", "feed", "-a", "url=http://x.example", "-a", "fulltext=maybe"], "one of auto, always, never"),
        (["crawl", "feed", "-a", "url=http://x.example", "-a", "categoris=a"], "-a categoris=…: unknown argument"),
        (["crawl", "posts", "-a", "path=/nowhere"], "-a path=/nowhere: expected a folder"),
        (["crawl", "rsshub-stcn", "-a", "since=gestern"], "-a since=gestern: expected a day"),
        (
            ["crawl", "wire", "-a", "since=2026-06-10", "-a", "until=2026-06-01"],
            "-a since=2026-06-10 -a until=2026-06-01: expected since not after until",
        ),
        (["crawl", "rsshub-stcn", "-a", "limit=0"], "-a limit=0: expected a whole number"),
        (["crawl", "rsshub-stcn", "-a", "channel=体育"], "-a channel=体育: source rsshub-stcn has"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_DIALECT=hugo"], "NEWS_DIALECT is 'hugo', expected one of hexo"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_BODY=pdf"], "NEWS_BODY is 'pdf', expected one of text"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_DIALECT=hexo-seed", "-s", "NEWS_BODY=text"],
         "NEWS_BODY is 'text', expected html, the only form that dialect hexo-seed has"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_NEAR_DUPLICATES=merge"],
         "NEWS_NEAR_DUPLICATES is 'merge', expected one of report, skip, off"),
        (["crawl", "wire", "-s", "NEWS_DRY_RUN=yes"], "NEWS_DRY_RUN is 'yes', expected one of off, list, posts"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_TIMEZONE=Mars"], "NEWS_TIMEZONE is 'Mars'"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_MAX_BYTES=-1"], "NEWS_MAX_BYTES is '-1'"),
        (["crawl", "rsshub-stcn", "-s", "NEWS_DIALEKT=hexo"], "NEWS_DIALEKT: unknown setting, expected one of NEWS_ARCHIVE"),
        (["archive", "explode"], "archive takes one of status, verify, rebuild, remove, export"),
        (["archive", "remove"], "archive remove takes one path or address or more"),
        (["archive", "status", "--rewrite"], "--rewrite is for archive rebuild"),
        (["archive", "export", "--since", "yesterday"], "--since is 'yesterday', expected a cursor"),
        (["archive", "feeds", "--limit", "5"], "archive feeds takes the folder to write to: -o DIR"),
        (["archive", "feeds", "-o", "x", "--url", "ftp://x"], "--url is 'ftp://x', expected the http"),
        (["sources", "-o", "x"], "-o DIR belongs to --import FILE"),
        (["normalize"], "normalize takes one file or more"),
        (["list", "-s", "NEWS_SOURCES=/nowhere"], "/nowhere: is not a folder of source files"),
    ],
    ids=lambda value: "-".join(value[:4]) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_usage_is_one_clear_line_and_status_2(desk, arguments, message):
    done = desk.scrapy(*arguments, status=2)
    assert message in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) == 1


def test_source_file_that_does_not_validate_is_wrong_usage(desk):
    (desk.folder / "sources" / "broken.toml").write_text('label = "x"\n[[feed]]\nurl = 3\n')
    done = desk.scrapy("crawl", "rsshub-stcn", status=2)
    assert "broken.toml: feed 1: url: expected a text, found 3" in done.stderr.splitlines()[-1]


def test_unreachable_feed_is_status_1_and_named(desk):
    report = desk.crawl("feed", "-a", "url=http://127.0.0.1:9/rss", "-a", "name=dead", status=1)
    (refused,) = report["sources"]["dead"]["refused"]
    assert refused["url"] == "http://127.0.0.1:9/rss"
    assert "refused" in refused["reason"]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/x.xml", b"<html><body><p>maintenance</p></body></html>", ""),
        ("/missing.xml", None, "HTTP 404"),
        ("/x.xml", b"", ""),
    ],
    ids=["no-feed", "404", "empty"],
)
def test_feed_that_is_none_is_status_1(desk, path, body, reason):
    if body is not None:
        desk.site.overlay[path] = body
    report = desk.crawl("feed", "-a", f"url={desk.site.url}{path}", "-a", "name=odd", status=1)
    assert reason in report["sources"]["odd"]["refused"][0]["reason"]


def test_list_whose_rows_match_nothing_is_status_1_and_named(desk):
    desk.site.overlay["/gbk/list.html"] = (
        "<html><body><ol><li>改版了</li></ol></body></html>".encode()
    )
    report = desk.crawl("list-gbk", status=1)
    assert "rows" in report["sources"]["list-gbk"]["warnings"][0]["reason"]


def test_page_that_fails_for_a_time_is_not_written_and_asked_again(desk):
    report = desk.crawl("atom-finance")
    complete = report["sources"]["atom-finance"]["new"]
    other = Desk(desk.folder / "other", desk.site)
    desk.site.write_sources(other.folder / "sources")
    asked = [
        request.path
        for request in desk.site.requests
        if request.path.endswith(".html") and request.status == 200
    ]
    desk.site.overlay[asked[0]] = b"<html><body></body></html>"
    first = other.crawl("atom-finance")["sources"]["atom-finance"]
    assert first["new"] == complete - 1
    assert asked[0] in first["refused"][0]["url"]
    del desk.site.overlay[asked[0]]
    assert other.crawl("atom-finance")["sources"]["atom-finance"]["new"] == 1


def rss(*items: str) -> bytes:
    return f'<rss version="2.0"><channel><title>台</title>{"".join(items)}</channel></rss>'.encode()


@pytest.mark.parametrize("kind", ["application/pdf", "text/html"])
def test_link_to_a_file_that_is_no_page_is_written_from_the_feed(desk, kind):
    desk.site.overlay["/a.pdf"] = b"%PDF-1.4\n" + bytes(range(256)) * 40
    desk.site.overlay["/x.xml"] = rss(
        f"<item><title>公告</title><link>{desk.site.url}/a.pdf</link><description>摘要。</description></item>"
    )
    report = desk.crawl("feed", "-a", f"url={desk.site.url}/x.xml", "-a", "name=pdf")
    (data,) = desk.files("posts").values()
    article = parse_post(data).article
    assert (article.title, article.body, article.partial) == (
        "公告",
        "摘要。",
        "not a page: a file of another kind",
    )
    assert report["sources"]["pdf"]["partial"] == 1


def test_one_guid_for_several_articles_costs_none_of_them(desk):
    page = (
        "<html><body><h1>{}</h1><p>"
        + "这一篇的正文，足够长，写得下去。" * 20
        + "</p></body></html>"
    )
    items = []
    for name in ("甲文标题一则", "乙文标题一则"):
        desk.site.overlay[f"/{name[0].encode().hex()}.html"] = (
            page.format(name).replace("这一篇", name).encode()
        )
        link = f"{desk.site.url}/{name[0].encode().hex()}.html"
        items.append(
            f"<item><title>{name}</title><guid>news</guid><link>{link}</link><description>导语</description></item>"
        )
    desk.site.overlay["/x.xml"] = rss(*items)
    for new in (2, 0):
        report = desk.crawl(
            "feed", "-a", f"url={desk.site.url}/x.xml", "-a", "name=same", "-a", "refresh=1"
        )
        assert report["sources"]["same"]["new"] == new
        assert "stands for 2 addresses" in report["sources"]["same"]["warnings"][0]["reason"]
    assert len(desk.files("posts")) == 2
    assert desk.files("revisions") == {}


def test_archive_that_cannot_be_written_is_status_1_and_named(desk):
    desk.archive.write_text("a file in the way")
    done = desk.scrapy("crawl", "rsshub-stcn", status=1)
    assert str(desk.archive) in done.stdout + done.stderr


def test_posts_folder_that_breaks_during_the_run_is_status_1(desk):
    desk.archive.mkdir()
    (desk.archive / "posts").write_text("a file in the way")
    done = desk.scrapy("crawl", "rsshub-stcn", status=1)
    assert "posts" in done.stderr
    (desk.archive / "posts").unlink()
    assert desk.crawl("rsshub-stcn")["sources"]["rsshub-stcn"]["new"] > 0


def test_verify_names_what_was_changed_and_the_next_crawl_heals(desk):
    desk.crawl("rsshub-stcn")
    path = next(iter(desk.files("posts")))
    data = (desk.archive / path).read_bytes()
    (desk.archive / path).write_bytes(data[:-20])
    assert path in desk.scrapy("archive", "verify", status=1).stdout
    report = desk.crawl("rsshub-stcn", "-a", "refresh=1")
    assert report["sources"]["rsshub-stcn"]["healed"] == 1
    assert (desk.archive / path).read_bytes() == data
    desk.scrapy("archive", "verify")


def test_changed_form_is_warned_of(desk):
    desk.crawl("rsshub-stcn")
    report = desk.crawl("rsshub-cs", "-s", "NEWS_BODY=html")
    assert report["warnings"] == [
        "posts are written as hexo, html from now on; older ones stay hexo, text"
    ]


def test_status_counts(desk):
    desk.crawl("rsshub-stcn")
    out = desk.scrapy("archive", "status").stdout
    assert re.search(rf"rsshub-stcn +{len(desk.files('posts'))} ", out)


def test_since_and_until_count_days_in_the_sources_zone(desk):
    everything = desk.crawl("rsshub-stcn")
    articles = [parse_post(data).article for data in desk.files("posts").values()]
    undated = sum(article.dated == "fetched" for article in articles)
    zone = ZoneInfo("Asia/Shanghai")
    days = Counter(a.published.astimezone(zone).date() for a in articles if not a.dated)
    day, count = days.most_common(1)[0]
    count += undated
    other = Desk(desk.folder / "other", desk.site)
    desk.site.write_sources(other.folder / "sources")
    report = other.crawl("rsshub-stcn", "-a", f"since={day}", "-a", f"until={day}")
    assert (
        report["sources"]["rsshub-stcn"]["new"]
        == count
        < everything["sources"]["rsshub-stcn"]["new"]
    )
    # What was left out was not forgotten.
    assert other.crawl("rsshub-stcn")["sources"]["rsshub-stcn"]["new"] > 0
    assert len(other.files("posts")) == len(desk.files("posts"))


# ---------------------------------------------------------------- normalize, list


def test_normalize_reads_posts_and_html(desk, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>　　第一段&nbsp;。</p><img src='a.jpg'>", "utf-8")
    out = desk.scrapy("normalize", "--url", "https://a.example/x/", str(page)).stdout
    post = parse_post(out.encode()).article
    assert (post.body, post.image) == ("第一段 。", "https://a.example/x/a.jpg")
    post_file = next(path for path in sorted(FIXTURE_POSTS.rglob("*")) if path.is_file())
    desk.scrapy(
        "normalize", "-o", str(tmp_path / "out"), str(post_file), "-s", "NEWS_DIALECT=jekyll"
    )
    assert parse_post((tmp_path / "out" / f"{post_file.stem}.md").read_bytes()).dialect == "jekyll"


def test_normalize_names_a_file_that_is_not_there(desk, tmp_path):
    done = desk.scrapy("normalize", str(tmp_path / "none.md"), status=1)
    assert "none.md: No such file or directory" in done.stderr


def test_list_names_every_source_and_both_general_spiders(desk):
    names = desk.scrapy("list").stdout.split()
    assert {"feed", "posts", "stcn", "cs", "eastmoney", *SOURCES} <= set(names)
