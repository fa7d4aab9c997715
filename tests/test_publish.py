"""The archive as feeds: which there are, what is in them, and what is written when."""

from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crawler.archive import Verdict
from crawler.archive.export import PostReader
from crawler.archive.ledger import Ledger
from crawler.archive.publish import LOOK_BACK, Published, Terms, publish
from crawler.errors import ArchiveError
from crawler.feeds import parse_feed
from crawler.opml import parse_opml
from crawler.posts import parse_post
from tests.test_archive import meet, open_archive, posts_of, run

BASE = "https://feeds.example/"
DAY = datetime(2026, 6, 3, tzinfo=UTC)


def publish_all(root: Path, folder: Path, *, limit=50, left_out=(), **terms) -> Published:
    told = {"title": "档案", "base_url": BASE, "max_bytes": 1 << 20}
    with closing(Ledger(root / "ledger.sqlite3", read_only=True)) as ledger:
        posts = PostReader(root, ledger, parse_post)
        zone = ZoneInfo("Asia/Shanghai")
        done = publish(posts, folder, Terms(**(told | terms), limit=limit, zone=zone))
        assert [path for path, _ in posts.left_out] == list(left_out)
        return done


def titles(path: Path) -> list[str]:
    """The titles of a feed, which its two forms agree on."""
    feeds = [parse_feed((path / name).read_bytes(), url=BASE) for name in ("atom.xml", "feed.json")]
    found = [[entry.title for entry in feed.entries] for feed in feeds]
    assert found[0] == found[1]
    return found[0]


def by_title(folder: Path) -> dict[str, Path]:
    """The folders of feeds by what the feeds are called."""
    return {
        json.loads(path.read_bytes())["title"]: path.parent for path in folder.rglob("feed.json")
    }


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "archive"
    run(
        root,
        *(
            meet(f"{source}的第{n}篇。", title=f"{source}{n}", source=source, guid=str(n),
                 section="金融", channel="要闻" if n % 2 else "公司", published=DAY + timedelta(hours=n))
            for source in ("stcn", "cs")
            for n in range(4)
        ),
    )  # fmt: skip
    return root


def test_whole_archive_sources_and_categories_have_feeds(root, tmp_path):
    folder = tmp_path / "feeds"
    done = publish_all(root, folder)
    feeds = by_title(folder)
    assert titles(folder) == ["stcn3", "cs3", "stcn2", "cs2", "stcn1", "cs1", "stcn0", "cs0"]
    assert titles(folder / "source" / "stcn") == ["stcn3", "stcn2", "stcn1", "stcn0"]
    assert titles(feeds["金融 / cs / 要闻"]) == ["cs3", "cs1"]
    assert len(titles(feeds["金融"])) == 8
    assert done.feeds == 10
    assert len(done.written) == 2 * 10 + 2
    assert all(str(path.relative_to(folder)).isascii() for path in folder.rglob("*"))
    outlines, problems = parse_opml((folder / "index.opml").read_bytes())
    assert (len(outlines), problems) == (10, [])
    assert outlines[1].xml_url == f"{BASE}source/cs/atom.xml"
    publish_all(root, folder, base_url=None)
    assert not (folder / "index.opml").exists()


def test_nothing_is_written_when_nothing_changed(root, tmp_path):
    folder = tmp_path / "feeds"
    publish_all(root, folder)
    before = snapshot(folder)
    assert publish_all(root, folder).written == []
    run(root, meet("cs的第0篇。", title="cs0", source="mirror", guid="m"))  # a carrier is no change
    assert publish_all(root, folder).written == []
    assert snapshot(folder) == before
    run(root, meet("cs的第0篇，改了。", title="cs0", source="cs", guid="0", section="金融",
                   channel="公司", published=DAY, hours=1))  # fmt: skip
    changed = {str(Path(path).relative_to(folder)) for path in publish_all(root, folder).written}
    assert {"atom.xml", "source/cs/feed.json"} <= changed
    assert not [path for path in changed if "stcn" in path or "index" in path]


def test_identifiers_and_bytes_survive_a_rebuild(root, tmp_path):
    publish_all(root, tmp_path / "one")
    with open_archive(root) as archive:
        archive.rebuild()
    publish_all(root, tmp_path / "two")
    one, two = ({path: data for path, (data, _) in snapshot(tmp_path / name).items()}
                for name in ("one", "two"))  # fmt: skip
    assert one == two


def test_feeds_have_the_newest(root, tmp_path):
    folder = tmp_path / "feeds"
    run(root, meet("未来。", title="年份错了", guid="f", published=DAY.replace(year=2099)))
    publish_all(root, folder, limit=2)
    # It counts from the day it was first met, the 4th, and stays no longer on top than others.
    assert titles(folder) == ["年份错了", "stcn3"]
    run(
        root,
        meet("第二天。", title="第二天", guid="n", hours=30, published=DAY + timedelta(days=2)),
    )
    publish_all(root, folder, limit=2)
    assert titles(folder) == ["第二天", "年份错了"]


def test_rare_category_has_what_is_among_the_newest_of_its_source(tmp_path):
    root, folder = tmp_path / "archive", tmp_path / "feeds"
    run(
        root,
        *(
            meet(f"第{n}篇。", guid=str(n), channel="罕见" if n in (0, 1) else "常见",
                 published=DAY + timedelta(minutes=n))
            for n in range(LOOK_BACK + 1)
        ),
    )  # fmt: skip
    publish_all(root, folder, limit=1)
    assert set(by_title(folder)) == {"档案", "stcn", "stcn / 罕见", "stcn / 常见"}
    publish_all(root, folder, limit=2)
    assert len(titles(by_title(folder)["stcn / 罕见"])) == 2


def test_feed_of_what_is_gone_goes_too_and_nothing_else(root, tmp_path):
    folder = tmp_path / "feeds"
    publish_all(root, folder)
    # A site's own files beside ours, in a folder that is called like one of ours.
    (folder / "source" / "_posts").mkdir()
    (folder / "source" / "_posts" / "atom.xml").write_text("<feed/>")
    (folder / "source" / "stcn" / "notes.txt").write_text("mine")
    with open_archive(root) as archive:
        archive.remove([path for path in posts_of(root) if path.startswith("posts/stcn/")])
    done = publish_all(root, folder)
    assert str(folder / "source" / "stcn") in done.taken_away
    assert _names(folder / "source") == ["_posts", "cs", "stcn"]
    assert _names(folder / "source" / "stcn") == ["notes.txt"]
    assert not [path for path, (data, _) in snapshot(folder).items() if b"stcn3" in data]
    assert publish_all(root, folder).taken_away == []


def test_damaged_post_is_left_out_and_named(root, tmp_path):
    path = next(path for path, body in posts_of(root).items() if "stcn的第3篇" in body)
    data = (root / path).read_bytes()
    (root / path).write_bytes(data.replace("第3篇".encode(), "第9篇".encode()))
    publish_all(root, tmp_path / "feeds", left_out=[path])
    assert "stcn3" not in titles(tmp_path / "feeds")
    (root / path).write_bytes(data)
    publish_all(root, tmp_path / "feeds")
    assert "stcn3" in titles(tmp_path / "feeds")


def test_empty_archive_has_an_empty_feed(tmp_path):
    run(tmp_path / "archive")
    assert publish_all(tmp_path / "archive", tmp_path / "feeds", base_url=None).feeds == 1
    assert titles(tmp_path / "feeds") == []


def test_folder_that_cannot_be_written_is_named(root, tmp_path):
    (tmp_path / "feeds").write_text("a file")
    with pytest.raises(ArchiveError, match="feeds"):
        publish_all(root, tmp_path / "feeds")


def test_own_feed_read_again_brings_only_duplicates(root, tmp_path):
    publish_all(root, tmp_path / "feeds")
    feed = parse_feed((tmp_path / "feeds" / "atom.xml").read_bytes(), url=BASE)
    again = [
        meet(entry.content or "", title=entry.title, source="own", guid=entry.id)
        for entry in feed.entries
    ]
    assert run(root, *again) == [Verdict.DUPLICATE] * 8


def test_crawl_of_the_archives_own_feed_adds_nothing(desk, tmp_path):
    posts = desk.crawl("atom-finance")["sources"]["atom-finance"]["new"]
    folder = tmp_path / "feeds"
    told = ["-o", str(folder), "--title", "档案", "--url", f"{desk.site.url}/feeds"]
    done = desk.scrapy("archive", "feeds", *told)
    assert re.fullmatch(r"\d+ feeds, \d+ files written\n", done.stdout)
    assert desk.scrapy("archive", "feeds", *told).stdout.endswith(" feeds, 0 files written\n")
    assert f'href="{desk.site.url}/feeds/atom.xml"' in (folder / "atom.xml").read_text("utf-8")
    desk.site.overlay["/feeds/atom.xml"] = (folder / "atom.xml").read_bytes()
    before = desk.files("posts", "revisions")
    report = desk.crawl("feed", "-a", f"url={desk.site.url}/feeds/atom.xml", "-a", "name=own")
    own = report["sources"]["own"]
    assert (own["entries"], own["new"], own["duplicates"]) == (posts, 0, posts)
    assert desk.files("posts", "revisions") == before
    # There it would be foreign to verify.
    within = ["-o", str(desk.archive / "feeds")]
    assert "outside of the archive" in desk.scrapy("archive", "feeds", *within, status=2).stderr
