"""The shipped sources: every rule has its page, its expected posts and a note of its freshness."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.encoding import decode_text
from crawler.examples import normalize_example
from crawler.feeds import parse_feed
from crawler.pages import Page, read_page
from crawler.posts import parse_post, render_post
from crawler.sources import FeedRule, Source, load_sources
from fixtures.site import Site
from tests.conftest import EXPECTED, ROOT, Desk, check_expected, portable

SOURCES = load_sources()
FEEDS = [(s, n) for s in SOURCES.values() for n in range(len(s.feeds))]
PAGES = [(s, n) for s in SOURCES.values() for n in range(len(s.pages))]


def name_case(value: object) -> str:
    return value.name if isinstance(value, Source) else str(value)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site, not started: it is only asked what it would answer."""
    site = Site()
    yield site
    site.close()


def read_lists(site: Site, rule: FeedRule) -> list[bytes]:
    """What the site has at the rule's address; of a list for every day, all issues."""
    url = rule.url.replace("https://", "http://")
    pattern = re.sub(r"\\{date:[^}]*\\}", r"[0-9]+(?:[-/][0-9]+)*", re.escape(url))
    return [
        site.answer("GET", path, {}).partition(b"\r\n\r\n")[2]
        for path in site.paths
        if re.fullmatch(pattern, path)
    ]


@pytest.mark.parametrize(("source", "number"), FEEDS, ids=name_case)
def test_every_feed_rule_reads_a_list_of_the_site(source, number, site):
    rule = source.feeds[number]
    assert rule.seen or not (rule.verified and source.verified), "say when it was seen working"
    lists = read_lists(site, rule)
    assert lists, f"no file in fixtures/hosts for {rule.url}"
    read = [parse_feed(data, url=rule.url, rule=rule, timezone=source.timezone) for data in lists]
    fits = any if rule.is_dated else all  # some days have no issue, or one of another layout
    assert fits(feed.entries or feed.next_urls for feed in read)


def read_example(path: Path, source: Source) -> Page:
    """The page beside an expected file, as the source's rules read it."""
    expected = tomllib.loads(path.read_text("utf-8"))
    data = next(path.parent.glob(f"{path.stem}.[hj]*")).read_bytes()  # .html or .json
    text = decode_text(data, content_type=expected.get("content_type"), kind="html").text
    return read_page(text, url=expected["url"], rule=source.pages, timezone=source.timezone)


@pytest.mark.parametrize(("source", "number"), PAGES, ids=name_case)
def test_every_page_rule_reads_a_page_of_its_own(source, number):
    rule = source.pages[number]
    assert rule.seen or not (rule.verified and source.verified), "say when it was seen working"
    examples = sorted((ROOT / "fixtures" / "pages" / source.name).glob("*.toml"))
    read = [read_example(path, source).rule for path in examples]
    assert rule in read, f"no page in fixtures/pages/{source.name} is read by it"


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("fixtures/pages/*/*.toml"))
)
def test_post_of_every_page_stands_beside_it(name, request):
    path = ROOT / name
    source = SOURCES[path.parent.name]
    clean = normalize_example(source, read_example(path, source).article)
    post = render_post(clean, timezone=source.timezone)
    if request.config.getoption("--refresh-expected"):
        path.with_suffix(".md").write_bytes(post)
    assert path.with_suffix(".md").read_bytes() == post


def read_crawls(source: str) -> tuple[list[list[str]], int]:
    """The arguments of each crawl of a source (those of a list for every day name the days), and
    how many articles each of them refuses (paid ones have no text)."""
    path = EXPECTED / source / "crawls.toml"
    table = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    return table.get("arguments", [[]]), table.get("refused", 0)


@pytest.mark.parametrize("name", SOURCES)
def test_crawl_gives_the_expected_posts_and_nothing_the_second_time(
    desk: Desk, name: str, request: pytest.FixtureRequest
) -> None:
    folder = desk.folder / "shipped"
    desk.site.write_sources(folder, shipped=True)
    hosts = {urlsplit(rule.url).hostname for rule in SOURCES[name].feeds}
    slots = {host: {"delay": 0} for host in hosts}
    new = 0
    crawls, refused = read_crawls(name)
    for arguments in [*crawls, *crawls]:
        given = [part for argument in arguments for part in ("-a", argument)]
        settings = ["-s", f"NEWS_SOURCES={folder}"]
        settings += ["-s", f"DOWNLOAD_SLOTS={json.dumps(slots)}"]
        # One by one: what is listed twice belongs to the list that is read first.
        settings += ["-s", "CONCURRENT_REQUESTS=1"]
        desk.scrapy("crawl", *settings, name, *given, through_site=True)
        counts = desk.report()["sources"][name]
        assert len(counts["refused"]) == refused, counts["refused"]
        new += counts["new"]
    posts = portable(desk)
    assert new == len(posts) > 0
    for data in posts.values():
        article = parse_post(data).article
        assert article.title
        assert article.published
    check_expected(name, posts, refresh=bool(request.config.getoption("--refresh-expected")))


def test_no_fixture_is_left_over():
    for folder in ("pages", "hosts"):
        assert (ROOT / "fixtures" / folder).is_dir()
    hosts = {path.name for path in (ROOT / "fixtures" / "hosts").iterdir()}
    text = "".join(Path(f).read_text("utf-8") for f in (ROOT / "crawler/sources").glob("*.toml"))
    used = text + "".join(
        path.read_text("utf-8", "replace")
        for path in (ROOT / "fixtures" / "hosts").rglob("*")
        if path.is_file()
    )
    assert {host for host in hosts if host not in used and host != "rsshub.app"} == set()


def test_an_hour_on_the_home_page_of_cs_is_of_the_day_in_the_address(site):
    source = SOURCES["cs"]
    rule = next(rule for rule in source.feeds if rule.url == "https://www.cs.com.cn/")
    [data] = read_lists(site, rule)
    day = "detail_20260603"
    assert data.count(day.encode()) == 1
    # Where no address says the day, it is the one on which the hour was last.
    for text, days in (
        (data, [5, 5, 4, 3]),
        (data.replace(b"detail_2026", b"t2026"), [5, 5, 4, 4]),
    ):
        feed = parse_feed(
            text,
            url=rule.url,
            rule=rule,
            timezone=source.timezone,
            now=datetime(2026, 6, 5, 2, 30, tzinfo=UTC),
        )
        assert [entry.published.day for entry in feed.entries if entry.published] == days
