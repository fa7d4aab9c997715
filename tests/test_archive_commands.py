"""``scrapy archive``: removal and tombstones, rewriting, export, and proof of all of it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from scrapy.settings import Settings

from crawler.archive import Archive, Verdict, is_at_work
from crawler.archive.export import (
    COLUMNS,
    Cursor,
    Export,
    PostReader,
    open_output,
    render_csv_header,
    render_csv_line,
    render_json_line,
)
from crawler.archive.ledger import Ledger
from crawler.archive.tombstones import parse_tombstone
from crawler.archive.verify import verify
from crawler.errors import ArchiveError
from crawler.normalize import normalize
from crawler.options import read_options
from crawler.posts import parse_post, render_post
from tests.conftest import ROOT
from tests.test_archive import findings, meet, only_post, open_archive, posts_of, run

REMOVED = Verdict.REMOVED


def remove(root: Path, *targets: str, reason: str = ""):
    with open_archive(root) as archive:
        return archive.remove(targets, reason=reason)


def lose_ledger(root: Path) -> None:
    for path in root.glob("ledger.sqlite3*"):
        path.unlink()


def path_of(root: Path) -> str:
    return str(only_post(root).relative_to(root))


def snapshot(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("ledger")
    }


# ---------------------------------------------------------------- remove


@pytest.mark.parametrize("ledger_is_lost", [False, True], ids=["ledger", "ledger lost"])
def test_no_crawl_revives_a_removed_post(tmp_path, ledger_is_lost):
    run(tmp_path, meet("甲"), meet("甲", source="mirror", guid="m"), meet("别的。", guid="2"))
    run(tmp_path, meet("乙", hours=1))
    path = next(p for p, body in posts_of(tmp_path).items() if body == "乙")
    assert remove(tmp_path, path, reason="按要求").removed == [path]
    assert sorted(posts_of(tmp_path).values()) == ["别的。"]
    if ledger_is_lost:
        lose_ledger(tmp_path)
    before = snapshot(tmp_path)
    assert run(
        tmp_path,
        meet("乙", hours=2),  # the same identity
        meet("丙", hours=2),  # with a later text
        meet("丁", source="mirror", guid="m", hours=2),  # a carrier
        meet("甲", source="third", hours=2),  # the first version, by somebody else
        meet("乙", source="fourth", hours=2),  # the last version
        meet("别的。", guid="2", hours=2),
    ) == [REMOVED] * 5 + [Verdict.UNCHANGED]
    # What was met of it since belongs to it too: later texts, and those who had a removed one.
    assert (
        run(tmp_path, meet("丙", source="fifth", hours=3), meet("戊", source="third", hours=3))
        == [REMOVED] * 2
    )
    assert snapshot(tmp_path) == before
    assert findings(tmp_path) == []


def test_post_that_takes_over_a_removed_text_stays_as_it_is_and_lives_on(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", guid="2"))
    (path,) = (p for p, body in posts_of(tmp_path).items() if body == "甲")
    remove(tmp_path, path)
    assert run(tmp_path, meet("甲", guid="2", hours=1)) == [REMOVED]
    assert list(posts_of(tmp_path).values()) == ["乙"]
    assert run(tmp_path, meet("丙", guid="2", hours=2)) == [Verdict.UPDATED]


def test_removed_posts_that_had_one_text_are_both_proved(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", guid="2"))
    run(tmp_path, meet("乙", hours=1))
    paths = [path for path in posts_of(tmp_path) if path.startswith("posts/")]
    for path in paths:
        remove(tmp_path, path)
    assert findings(tmp_path) == []


URL = "https://www.stcn.example/article/1.html"


@pytest.mark.parametrize(
    "target",
    [
        lambda root, path: path,
        lambda root, path: str(root / path),
        lambda root, path: os.path.relpath(root / path),
        lambda root, path: URL,
        lambda root, path: "https://mirror.example/m1",
    ],
    ids=[
        "below the archive",
        "absolute",
        "from the working folder",
        "address",
        "carrier's address",
    ],
)
def test_post_is_named_by_path_or_by_any_carriers_address(tmp_path, target):
    root = tmp_path / "archive"
    mirror = meet(source="mirror", guid="m", canonical_url="https://mirror.example/m1")
    run(root, meet(canonical_url=URL), mirror)
    path = path_of(root)
    removal = remove(root, target(root, path))
    assert (removal.removed, removal.unknown) == ([path], [])
    assert posts_of(root) == {}
    # Once more is no error, and says so.
    assert remove(root, target(root, path)).removed_before == [path]


def test_what_is_not_there_is_told(tmp_path):
    run(tmp_path, meet())
    targets = ["posts/stcn/2026/06/2026-06-04-000000000000.md", "https://a.example/", "/etc/passwd"]
    assert remove(tmp_path, *targets).unknown == targets
    assert len(posts_of(tmp_path)) == 1
    assert not (tmp_path / "removed").exists()


def test_rebuild_honours_tombstones_and_verify_names_what_stands_in_spite(tmp_path):
    run(tmp_path, meet("甲"), meet("别的。", guid="2"))
    run(tmp_path, meet("乙", hours=1))
    path = next(p for p, body in posts_of(tmp_path).items() if body == "乙")
    data = (tmp_path / path).read_bytes()
    remove(tmp_path, path)
    (tmp_path / path).write_bytes(data)
    assert findings(tmp_path) == [f"{path}: removed: it stands there in spite of its tombstone"]
    with open_archive(tmp_path) as archive:
        assert archive.rebuild() == 1
    assert not (tmp_path / path).exists()
    assert findings(tmp_path) == []
    assert run(tmp_path, meet("乙", hours=2)) == [REMOVED]


def test_post_comes_back_when_its_tombstone_is_taken_away(tmp_path):
    run(tmp_path, meet())
    remove(tmp_path, path_of(tmp_path))
    (stone,) = (tmp_path / "removed").rglob("*.json")
    data = stone.read_bytes()
    stone.write_bytes(data[:-9])
    assert "damaged" in findings(tmp_path)[0]
    stone.write_bytes(data.replace(b'"sha256:', b'"sha256:0', 1).replace(b"0", b"1"))
    assert findings(tmp_path)
    stone.unlink()
    assert "missing: the ledger knows this tombstone" in findings(tmp_path)[0]
    with open_archive(tmp_path) as archive:
        archive.rebuild()
    assert run(tmp_path, meet(hours=1)) == [Verdict.NEW]


def test_tombstone_whose_reason_was_edited_is_named(tmp_path):
    run(tmp_path, meet())
    with open_archive(tmp_path) as archive:
        archive.remove([path_of(tmp_path)], reason="law")
    (stone,) = (tmp_path / "removed").rglob("*.json")
    stone.write_text(stone.read_text("utf-8").replace("law", "joke"), "utf-8")
    (finding,) = findings(tmp_path)
    assert "changed: not what the ledger knows of this removal" in finding


def test_damaged_tombstone_still_keeps_its_article_out(tmp_path):
    run(tmp_path, meet())
    remove(tmp_path, path_of(tmp_path))
    (stone,) = (tmp_path / "removed").rglob("*.json")
    stone.write_bytes(b"\x00" * 40)
    lose_ledger(tmp_path)
    assert run(tmp_path, meet("改了。", hours=1)) == [REMOVED]
    assert "damaged" in findings(tmp_path)[0]


def test_removed_post_takes_its_near_duplicates_texts_along(tmp_path):
    """With near-duplicates skipped, a carrier's text need not be one that its post ever had."""
    lines = [f"第{n}条消息说，公司第{n}季度营收增长，董事会通过了有关议案。" for n in range(9)]
    text, near = "</p><p>".join(lines), "</p><p>".join(lines[:-1])
    skipping = partial(open_archive, near="skip")
    with skipping(tmp_path) as archive:
        met = [meet(text), meet(near, source="mirror", guid="m")]
        assert [o.verdict for o in archive.commit(met)] == [Verdict.NEW, Verdict.SKIPPED]
        archive.remove([path_of(tmp_path)])
        met = [meet(near, source="third", hours=1), meet("改了。", source="mirror", guid="m")]
        assert [o.verdict for o in archive.commit(met)] == [REMOVED, REMOVED]
        # Another re-post of it is an article of its own, near to nothing that is there.
        other = meet("</p><p>".join(lines[1:]), source="fourth", hours=1)
        assert [o.verdict for o in archive.commit([other])] == [Verdict.NEW]


def test_crawl_at_work_hears_of_a_removal(tmp_path):
    with open_archive(tmp_path) as archive:
        archive.commit([meet("甲")])
        archive.commit([meet("乙", hours=1)])
        remove(tmp_path, path_of(tmp_path))
        assert [o.verdict for o in archive.commit([meet("丙", hours=2)])] == [REMOVED]
    assert posts_of(tmp_path) == {}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"path": 3}', b"\xff\xfe", b"[" * 9999])
def test_tombstone_reader_never_raises(data):
    stone = parse_tombstone("removed/stcn/2026/06/2026-06-04-0123456789ab.json", data)
    assert stone.damaged
    assert stone.keys == {bytes.fromhex("0123456789ab")}


def test_removal_follows_no_link_out_of_the_archive(tmp_path):
    root = tmp_path / "archive"
    run(root, meet())
    path = path_of(root)
    shutil.move(root / "posts" / "stcn", tmp_path / "outside")
    (root / "posts" / "stcn").symlink_to(tmp_path / "outside")
    with pytest.raises(ArchiveError, match="leads out"):
        remove(root, path)
    assert list((tmp_path / "outside").rglob("*.md"))
    assert not list((root / "removed").rglob("*.json"))


def test_crawl_counts_what_was_removed_and_asks_for_no_page_of_it(desk):
    first = desk.crawl("atom-finance")["sources"]["atom-finance"]
    path = next(iter(desk.files("posts")))
    url = parse_post((desk.archive / path).read_bytes()).article.canonical_url
    done = desk.scrapy("archive", "remove", url, "--reason", "按要求")
    assert done.stdout == f"{path}: removed\n"
    asked = len([r for r in desk.site.requests if url.endswith(r.path)])
    before = desk.files("posts", "revisions", "removed")
    report = desk.crawl("atom-finance", "-a", "refresh=1")["sources"]["atom-finance"]
    assert report["removed"] == 1
    assert report["unchanged"] == first["new"] - 1
    assert desk.files("posts", "revisions", "removed") == before
    assert asked == len([r for r in desk.site.requests if url.endswith(r.path)])
    done = desk.scrapy("archive", "remove", "https://nobody.example/", path, status=1)
    assert done.stdout == f"{path}: was removed before\n"
    assert done.stderr == (
        "scrapy archive: https://nobody.example/: the ledger knows no such post\n"
    )
    out = desk.scrapy("archive", "status").stdout
    assert "1 posts removed for good" in out
    assert "exit status 0" in out


# ---------------------------------------------------------------- verify


def damage_flipped_header(root, path):
    data = bytearray(path.read_bytes())
    data[data.index(b"author") + 9] ^= 1
    path.write_bytes(data)


def damage_copied(root, path):
    shutil.copy(path, path.with_name("2026-06-04-0123456789ab.md"))


def damage_replaced_by_link(root, path):
    shutil.copy(path, root / "kept.md")
    path.unlink()
    path.symlink_to(root / "kept.md")


def damage_replaced_by_pipe(root, path):
    path.unlink()
    os.mkfifo(path)


def damage_revisions_left(root, path):
    folder = root / "revisions" / "stcn/2026/06/2026-06-04-0123456789ab"
    folder.mkdir(parents=True)
    old = next((root / "revisions").rglob("*.md"))
    shutil.copy(old, folder / old.name)


@pytest.mark.parametrize(
    ("damage", "reasons"),
    [
        (damage_flipped_header, ["changed"]),
        (damage_copied, ["doubled", "misnamed", "unknown"]),
        (damage_replaced_by_link, ["foreign", "foreign"]),
        (damage_replaced_by_pipe, ["unreadable"]),
        (damage_revisions_left, ["left over"]),
        (lambda root, path: (root / "notes.txt").write_text("x"), ["foreign"]),
        (lambda root, path: (root / ".run-00000000").write_text(""), ["a run was killed; the next one heals what it left"]),
        (lambda root, path: (root / "posts" / ".x.md.00-1.tmp").write_text(""), ["a temp file of a run that was killed"]),
        (lambda root, path: (root / ".git").mkdir(), []),
    ],
    ids=lambda value: getattr(value, "__name__", "").removeprefix("damage_"),
)  # fmt: skip
def test_verify_names(tmp_path, damage, reasons):
    run(tmp_path, meet("甲"))
    run(tmp_path, meet("乙", hours=1))
    damage(tmp_path, only_post(tmp_path))
    found = [line.partition(": ")[2].partition(":")[0] for line in findings(tmp_path)]
    assert sorted(found) == reasons


@pytest.mark.parametrize("ledger_is_lost", [False, True])
def test_revision_that_is_gone_is_named(tmp_path, ledger_is_lost):
    for hours, text in enumerate("甲乙甲丙"):
        run(tmp_path, meet(text, hours=hours))
    if ledger_is_lost:
        lose_ledger(tmp_path)
        run(tmp_path)
    (kept,) = (path for path, body in posts_of(tmp_path).items() if body == "乙")
    (tmp_path / kept).unlink()
    folder, name = os.path.split(kept)
    assert findings(tmp_path) == [f"{folder}: missing: the ledger knows a version {name[-15:-3]}"]
    with open_archive(tmp_path) as archive:
        archive.rebuild()
    assert findings(tmp_path) == []


def damage_deleted(path: Path) -> None:
    path.unlink()


def damage_by_hand(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace("甲".encode(), "手".encode()))


@pytest.mark.parametrize("damage", [damage_deleted, damage_by_hand])
def test_version_that_was_gone_before_its_edit_is_not_asked_for(tmp_path, damage):
    run(tmp_path, meet("甲"))
    damage(tmp_path / path_of(tmp_path))
    assert run(tmp_path, meet("乙", hours=1)) == [Verdict.UPDATED]
    assert findings(tmp_path) == []


def test_copy_under_another_name_is_named_after_a_rebuild_too(tmp_path):
    bare = partial(Archive, render=lambda article, zone: render_post(article, extra_keys=False))
    with bare(tmp_path) as archive:
        archive.commit([meet()])
    damage_copied(tmp_path, only_post(tmp_path))
    with bare(tmp_path) as archive:
        archive.rebuild()
    assert any("doubled: the same title and text" in line for line in findings(tmp_path))


def test_verify_names_nothing_of_a_run_at_work(tmp_path):
    """A run between its files and the ledger, in a process of its own; verify waits for it."""
    run(tmp_path, meet("甲"))
    child = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from tests.test_archive import meet, open_archive
        with open_archive(Path(sys.argv[1])) as archive:
            add = archive._ledger.add_posts
            def slow(posts):
                print("files are there", flush=True)
                sys.stdin.readline()
                add(posts)
            archive._ledger.add_posts = slow
            archive.commit([meet("乙", guid="2")])
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", child, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "files are there\n"
        with contextlib.closing(Ledger(tmp_path / "ledger.sqlite3", read_only=True)) as ledger:

            def read(data):  # the file that no ledger row tells of yet
                if not process.stdin.closed:
                    process.stdin.close()
                return parse_post(data)

            proof = verify(tmp_path, ledger, read, is_alive=partial(is_at_work, tmp_path))
            assert process.stdin.closed
        assert proof.findings == []


def test_verify_of_a_missing_or_damaged_ledger_is_one_line(desk):
    run(desk.archive, *(meet(f"第{n}篇。", guid=str(n)) for n in range(60)))
    path = desk.archive / "ledger.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096:9000] = random.Random(1).randbytes(4904)
    path.write_bytes(data)
    done = desk.scrapy("archive", "verify", status=1)
    assert f"{path}: damaged" in done.stderr
    assert done.stderr.endswith("; scrapy archive rebuild makes it again\n")
    assert len(done.stderr.splitlines()) == 1
    lose_ledger(desk.archive)
    done = desk.scrapy("archive", "verify", status=1)
    assert done.stderr == (
        f"scrapy archive: {path}: no ledger there; scrapy archive rebuild makes it again\n"
    )


# ---------------------------------------------------------------- rebuild --rewrite

RICH = "<p>*ST甲 与 *ST乙 <b>1.5%</b> &lt;p&gt; {{ x }}</p><ul><li>一_二</li></ul><p>第三段。</p>"
FORMS_OF_POSTS = {
    "text": {},
    "markdown": {"body": "markdown"},
    "html": {"body": "html"},
    "jekyll": {"dialect": "jekyll"},
    "bare text": {"extra_keys": False},
    "bare markdown": {"extra_keys": False, "body": "markdown"},
    "bare html jekyll": {"extra_keys": False, "body": "html", "dialect": "jekyll"},
    "hexo-seed": {"dialect": "hexo-seed", "body": "html"},
    "jekyll-seed": {"dialect": "jekyll-seed", "body": "html"},
}


def options_for(root, *, dialect="hexo", body="text", extra_keys=True):
    settings = Settings()
    settings.setmodule("crawler.settings")
    values = {"ARCHIVE": str(root), "DIALECT": dialect, "BODY": body, "EXTRA_KEYS": extra_keys}
    for name, value in values.items():
        settings.set(f"NEWS_{name}", value, priority="cmdline")
    return read_options(settings)


def open_as(options):
    return Archive(options.archive, options.render, read=options.read)


def meet_as(options, *args, **fields):
    candidate = meet(*args, **fields)
    body = f"{RICH}<p>{candidate.article.body}</p>"
    article = replace(candidate.article, body=body, form="html", section="金融")
    return replace(candidate, article=normalize(article, body=options.body))


@pytest.mark.parametrize("after", ["text", "html", "jekyll", "bare markdown", "jekyll-seed"])
@pytest.mark.parametrize("before", FORMS_OF_POSTS)
def test_rewritten_post_is_the_same_article(tmp_path, before, after):
    old, new = (options_for(tmp_path, **FORMS_OF_POSTS[name]) for name in (before, after))
    fields = {"title": "问：“*ST”[1/2] {{ a }}?", "canonical_url": URL, "guid": "g-1"}
    with open_as(old) as archive:
        archive.commit([meet_as(old, "甲", **fields)])
        archive.commit([meet_as(old, "乙", hours=1, **fields)])
        archive.commit([meet_as(old, "乙", hours=1, **fields | {"source": "mirror"})])
    path = path_of(tmp_path)
    (revision,) = (tmp_path / "revisions").rglob("*.md")
    kept = revision.read_bytes()
    with contextlib.closing(Ledger(tmp_path / "ledger.sqlite3", read_only=True)) as ledger:
        (row,) = ledger.list_posts()
        carriers = ledger.list_carriers([row.id])
    with open_as(new) as archive:
        done = archive.rewrite(new.make_converter())
        assert (done.rewritten + done.unchanged, done.left) == (1, [])
        again = archive.rewrite(new.make_converter())
        assert (again.rewritten, again.unchanged) == (0, 1)
        # What a crawl writes today is what stands there: nothing is new, nothing is healed.
        (outcome,) = archive.commit([meet_as(new, "乙", hours=2, **fields)])
        assert (outcome.verdict, outcome.healed) == (Verdict.UNCHANGED, False)
    assert revision.read_bytes() == kept
    assert [path_of(tmp_path)] == [path]
    with contextlib.closing(Ledger(tmp_path / "ledger.sqlite3", read_only=True)) as ledger:
        assert verify(tmp_path, ledger, new.read).findings == []
        (now,) = ledger.list_posts()
        assert (now.identity, now.hash, now.title) == (row.identity, row.hash, row.title)
        assert (now.published_at, now.written_at) == (row.published_at, row.written_at)
        assert ledger.list_carriers([row.id]) == carriers
    post = parse_post((tmp_path / path).read_bytes(), bare_form=new.body)
    assert post.article.form == new.body
    assert post.dialect == new.dialect.removesuffix("-seed")
    if new.extra_keys and not new.dialect.endswith("-seed"):
        article = post.article
        assert (article.source, article.guid, article.canonical_url) == ("stcn", "g-1", URL)
        assert article.title == fields["title"]
        assert article.published.timestamp() == row.published_at
        assert article.updated.timestamp() == row.written_at
        if new.body != "text" and old.body != "text":
            assert article.body == meet_as(new, "乙", **fields).article.body


def test_text_that_becomes_markdown_keeps_its_paragraphs(tmp_path):
    old, new = options_for(tmp_path), options_for(tmp_path, body="markdown")
    with open_as(old) as archive:
        archive.commit([meet_as(old, "乙")])
    with open_as(new) as archive:
        archive.rewrite(new.make_converter())
    body = parse_post(only_post(tmp_path).read_bytes()).article.body
    assert body.count("\n\n") >= 2
    assert "\\*ST甲" in body


def test_post_that_was_edited_by_hand_is_named_and_left(tmp_path):
    old, new = options_for(tmp_path), options_for(tmp_path, body="html", dialect="jekyll")
    with open_as(old) as archive:
        archive.commit([meet_as(old, f"第{n}篇。", guid=str(n)) for n in range(3)])
    odd, gone, _ = sorted((tmp_path / "posts").rglob("*.md"))
    odd.write_bytes(odd.read_bytes().replace("甲".encode(), "丁".encode()))
    gone.unlink()
    data = odd.read_bytes()
    with open_as(new) as archive:
        done = archive.rewrite(new.make_converter())
    assert done.rewritten == 1
    assert [finding.path for finding in done.left] == [
        str(path.relative_to(tmp_path)) for path in (odd, gone)
    ]
    assert odd.read_bytes() == data


def test_rewrite_command_takes_slug_and_zone_from_the_source(desk):
    desk.crawl("rsshub-stcn")
    paths = list(desk.files("posts"))
    done = desk.scrapy("archive", "rebuild", "--rewrite", "-s", "NEWS_DIALECT=jekyll")
    assert (
        done.stdout == f"{len(paths)} posts written anew, 0 were so already, 0 left as they are\n"
    )
    files = desk.files("posts")
    assert list(files) == paths
    assert all(b"\nlayout: post\n" in data for data in files.values())
    report = desk.crawl("rsshub-stcn", "-s", "NEWS_DIALECT=jekyll", "-a", "refresh=1")
    assert report["warnings"] == []
    assert report["sources"]["rsshub-stcn"]["healed"] == 0
    assert desk.files("posts") == files


# ---------------------------------------------------------------- export


def export(root: Path, since: str | None = None, source: str | None = None):
    """Gives the records and the paths left out."""
    with contextlib.closing(Ledger(root / "ledger.sqlite3", read_only=True)) as ledger:
        walk = Export(PostReader(root, ledger, parse_post), source)
        records = list(walk.list_records(Cursor.parse(since) if since else None))
        return records, [path for path, _ in walk.posts.left_out]


class Follower:
    """A downstream archive: what it holds by path, and the cursor it kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cursor: str | None = None
        self.posts: dict[str, str] = {}
        self.seen: list[tuple[str, str]] = []

    def follow(self, *, dies_after: int | None = None) -> list[str]:
        """Reads on, perhaps not to the end; gives the events."""
        records, _ = export(self.root, self.cursor)
        for record in records[:dies_after]:
            if record["event"] == "reset":
                self.posts = {}
            elif record["event"] == "removed":
                self.posts.pop(record["path"], None)
            else:
                self.posts[record["path"]] = record["body"]
            self.cursor = record["cursor"]
        return [record["event"] for record in records]

    @property
    def is_level(self) -> bool:
        live = {path: body for path, body in posts_of(self.root).items() if path[0] == "p"}
        return self.posts == live


def test_follower_gets_every_change_once(tmp_path):
    run(tmp_path, *(meet(f"第{n}篇。", guid=str(n)) for n in range(3)))
    follower = Follower(tmp_path)
    assert follower.follow() == ["post"] * 3
    assert follower.is_level
    assert follower.follow() == []
    # Unchanged, and somebody else's copy: nothing for a follower.
    run(tmp_path, meet("第0篇。", guid="0", hours=1), meet("第0篇。", source="mirror", hours=1))
    assert follower.follow() == []
    # Changed twice and back: once, in its last state. One new, one removed.
    for hours, text in enumerate("甲乙丙", start=2):
        run(tmp_path, meet(text, guid="1", hours=hours))
    run(tmp_path, meet("新的。", guid="9", hours=5))
    remove(tmp_path, next(p for p, body in posts_of(tmp_path).items() if body == "第2篇。"))
    assert follower.follow() == ["post", "post", "removed"]
    assert follower.is_level
    assert follower.follow() == []


def test_follower_that_dies_gets_the_rest(tmp_path):
    run(tmp_path, *(meet(f"第{n}篇。", guid=str(n)) for n in range(7)))
    follower = Follower(tmp_path)
    follower.follow(dies_after=3)
    run(tmp_path, meet("改了。", guid="0", hours=1))
    assert len(follower.follow(dies_after=2)) == 5
    assert len(follower.follow()) == 3
    assert follower.is_level


def test_record_holds_all_there_is(tmp_path):
    mirror = meet(source="mirror", guid="m", canonical_url="https://mirror.example/m1", hours=1)
    images = '<img src="https://a.example/1.jpg"><img src="https://a.example/2.jpg">'
    run(tmp_path, meet(f"正文。{images}", canonical_url=URL, section="金融", channel="要闻"))
    run(tmp_path, replace(mirror, article=replace(meet("正文。").article, source="mirror")))
    ((record,), _) = export(tmp_path)
    cursor = record.pop("cursor")
    assert record == {
        "event": "post",
        "path": path_of(tmp_path),
        "source": "stcn",
        "title": "大盘收评",
        "section": "金融",
        "label": "stcn",
        "channel": "要闻",
        "published": "2026-06-03T17:00:00Z",
        "updated": None,
        "byline": None,
        "origin": None,
        "canonical_url": URL,
        "guid": "1",
        "image": "https://a.example/1.jpg",
        "images": ["https://a.example/1.jpg", "https://a.example/2.jpg"],
        "dated": None,
        "partial": None,
        "form": "text",
        "hash": parse_post(only_post(tmp_path).read_bytes()).article.hash,
        "body": "正文。",
        "carriers": [
            {"source": "stcn", "url": URL, "title": "大盘收评", "seen_at": "2026-06-04T03:00:00Z"},
            {"source": "mirror", "url": None, "title": "大盘收评", "seen_at": "2026-06-04T04:00:00Z"},
        ],
    }  # fmt: skip
    assert Cursor.parse(cursor).number == 1
    assert set(record) | {"cursor", "removed_at", "reason"} == set(COLUMNS)


def test_removal_is_told_with_its_reason(tmp_path):
    run(tmp_path, meet())
    path = path_of(tmp_path)
    remove(tmp_path, path, reason="按要求")
    ((record,), _) = export(tmp_path)
    assert (record["event"], record["path"], record["reason"]) == ("removed", path, "按要求")
    assert record["source"] == "stcn"


def test_posts_of_one_source_only(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", source="other"), meet("丙", source="other", guid="2"))
    remove(tmp_path, next(p for p, body in posts_of(tmp_path).items() if body == "丙"))
    assert [record["event"] for record in export(tmp_path, source="other")[0]] == [
        "post",
        "removed",
    ]


@pytest.mark.parametrize("how", ["lost", "rebuilt", "older"])
def test_cursor_of_another_ledger_begins_anew_and_says_so(tmp_path, how):
    run(tmp_path, meet("甲"), meet("乙", guid="2"))
    older = (tmp_path / "ledger.sqlite3").read_bytes()
    follower = Follower(tmp_path)
    follower.follow()
    run(tmp_path, meet("丙", guid="3"))
    follower.follow()
    lose = how != "rebuilt"
    if lose:
        lose_ledger(tmp_path)
    if how == "older":
        (tmp_path / "ledger.sqlite3").write_bytes(older)
    with open_archive(tmp_path) as archive:
        if how == "rebuilt":
            archive.rebuild()
    events = follower.follow()
    assert events[0] == "reset"
    assert events[1:] == ["post"] * (2 if how == "older" else 3)
    assert follower.follow() == []


def test_damaged_post_is_left_out_and_comes_when_it_is_healed(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", guid="2"))
    path = next(p for p, body in posts_of(tmp_path).items() if body == "甲")
    data = (tmp_path / path).read_bytes()
    (tmp_path / path).unlink()
    records, left_out = export(tmp_path)
    assert ([record["body"] for record in records], left_out) == (["乙"], [path])
    run(tmp_path, meet("甲", hours=1))
    assert (tmp_path / path).read_bytes() == data
    records, left_out = export(tmp_path, records[-1]["cursor"])
    assert ([record["body"] for record in records], left_out) == (["甲"], [])


def test_posts_without_extra_keys_are_exported_whole(tmp_path):
    bare = partial(Archive, render=lambda article, zone: render_post(article, extra_keys=False))
    with bare(tmp_path) as archive:
        archive.commit([meet("*ST甲 &lt;p&gt;", canonical_url=URL)])
    ((record,), _) = export(tmp_path)
    assert (record["source"], record["guid"], record["canonical_url"]) == ("stcn", "1", URL)
    assert (record["form"], record["body"]) == ("text", "*ST甲 <p>")


def test_rewritten_posts_are_changes_for_a_follower(tmp_path):
    run(tmp_path, meet())
    cursor = export(tmp_path)[0][-1]["cursor"]
    new = options_for(tmp_path, body="html")
    with open_as(new) as archive:
        archive.rewrite(new.make_converter())
    ((record,), _) = export(tmp_path, cursor)
    assert (record["form"], record["body"]) == ("html", "<p>沪指收涨。</p>")


def test_ledger_of_the_version_before_gets_its_order_of_changes(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", guid="2"))
    with contextlib.closing(
        sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    ) as old:
        for table in ("change", "removed", "tombstone", "rewrite"):
            old.execute(f"DROP TABLE {table}")
        old.execute("DELETE FROM note WHERE key = 'generation'")
        old.execute("PRAGMA user_version = 1")
    run(tmp_path, meet("丙", guid="3"))
    assert [record["body"] for record in export(tmp_path)[0]] == ["甲", "乙", "丙"]


HOSTILE = [
    "=1+1",
    "+1",
    "-5%",
    "@x",
    "'甲'",
    '引"号", 逗号',
    "两\n行\r\n三",
    "\u2028\u0085",
    "平常",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_lines_give_the_record_back(text):
    record = {"event": "post", "title": text, "images": [text, "b"], "carriers": [{"url": text}]}
    line = render_json_line(record)
    assert json.loads(line) == record
    assert len(line.splitlines()) <= 1 + line.count("\u0085")
    document = render_csv_header() + render_csv_line(record)
    (row,) = csv.DictReader(io.StringIO(document, newline=""))
    cell = row["title"]
    assert not cell.startswith(("=", "+", "-", "@"))
    assert cell.removeprefix("'") == text or cell == text
    assert (cell != text) == text.startswith(("=", "+", "-", "@", "'"))
    assert json.loads(row["carriers"]) == record["carriers"]
    assert document.endswith("\r\n")


@pytest.mark.parametrize("text", ["x", "1", "g-", "abcdefabcdef-x", "abcdefabcdef-1 ", "-1"])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Cursor.parse(text)


def test_output_is_old_or_new_and_only_one_writes_it(tmp_path):
    path = tmp_path / "out.jsonl"
    with open_output(path) as write:
        write(b"old")
    with contextlib.suppress(ArchiveError), open_output(path) as write:
        write(b"half")
        with pytest.raises(ArchiveError, match="another export"), open_output(path):
            pass
        raise ArchiveError("stops")
    assert path.read_bytes() == b"old"
    (tmp_path / ".out.jsonl.tmp").write_bytes(b"left by one that was killed, and longer")
    link = tmp_path / "link"
    link.symlink_to(path)
    with open_output(link) as write:
        write(b"new")
    assert path.read_bytes() == b"new"
    assert link.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out.jsonl"]
    nowhere = tmp_path / "nowhere" / "x"
    with pytest.raises(ArchiveError, match=f"^{nowhere}: No such file"), open_output(nowhere):
        pass


def test_export_command(desk):
    run(desk.archive, meet("甲"), meet("乙", guid="2"))
    out = desk.folder / "out.jsonl"
    assert desk.scrapy("archive", "export", "-o", str(out)).stdout == "2 records written\n"
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [record["body"] for record in records] == ["甲", "乙"]
    (desk.archive / records[1]["path"]).write_text("x")
    cursor = records[0]["cursor"]
    done = desk.scrapy("archive", "export", "--since", cursor, "--format", "csv", status=1)
    assert done.stdout == ",".join(COLUMNS) + "\r\n"
    assert done.stderr == (
        f"scrapy archive: {records[1]['path']}: left out: changed: "
        "not the bytes that were written\n"
    )


# ---------------------------------------------------------------- killed

# Forks a process for every point it is told of: what it imports costs a second.
KILLER = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from tests.test_archive_commands import open_as, options_for
    count = 0
    def counted(function, at):
        def call(*args, **kwargs):
            global count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    def work(root, action, at):
        options = options_for(root, body="html", dialect="jekyll")
        with open_as(options) as archive:
            targets = sorted(str(path) for path in root.glob("posts/**/*.md"))[:2]
            convert = options.make_converter()
            for name in ("open", "write", "replace", "fsync", "close", "unlink", "rmdir"):
                setattr(os, name, counted(getattr(os, name), at))
            for name in ("put_posts", "remove_post", "put_rewrites", "forget_rewrites"):
                setattr(archive._ledger, name, counted(getattr(archive._ledger, name), at))
            if action == "remove":
                archive.remove(targets)
            else:
                archive.rewrite(convert)
    folder, action = Path(sys.argv[1]), sys.argv[2]
    for at in sys.argv[3:]:
        pid = os.fork()
        if not pid:
            work(folder / at, action, int(at))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
)


def kill_at(folder: Path, action: str, points: Sequence[int]) -> list[Path]:
    """Does the same to archives ``<folder>/<n>``, each time in a process of its own that is killed
    before its n-th operation on a file or the ledger; the last one survives."""
    command = [sys.executable, "-c", KILLER, str(folder), action, *map(str, points)]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    codes = list(map(int, done.stdout.split()))
    assert set(codes) == {0, -signal.SIGKILL}
    assert codes[-1] == 0
    return [folder / str(at) for at in points]


def test_killed_removal_is_finished_or_never_was(tmp_path):
    points = [*range(8, 17), *range(17, 60, 6), 99]
    four = [meet(f"第{n}篇。", guid=str(n)) for n in range(4)]
    edited = meet("第0篇改。", guid="0", hours=1)
    followers = []
    for at in points:
        run(tmp_path / str(at), *four)
        run(tmp_path / str(at), edited)
        followers.append(Follower(tmp_path / str(at)))
        followers[-1].follow()
    before = posts_of(followers[0].root)
    posts = {path for path in before if path.startswith("posts/")}
    targets = sorted(posts)[:2]
    counts = set()
    for root, follower in zip(kill_at(tmp_path, "remove", points), followers, strict=True):
        stones = [path.stem for path in root.glob("removed/**/*.json")]
        gone = {path for path in targets if Path(path).stem in stones}
        counts.add(len(gone))
        # The crawl that comes next meets them all.
        met = [replace(candidate, entry=b"x") for candidate in (edited, *four[1:])]
        assert run(root, *met).count(REMOVED) == len(gone)
        assert {path for path in posts_of(root) if path.startswith("posts/")} == posts - gone
        assert findings(root) == []
        assert not list(root.rglob(".*"))
        assert follower.follow() == ["removed"] * len(gone)
        assert follower.is_level
        # The same command once more completes what was asked for.
        removal = remove(root, *targets)
        assert sorted(removal.removed + removal.removed_before) == targets
        assert follower.follow() == ["removed"] * (2 - len(gone))
        assert follower.is_level
    assert counts == {0, 1, 2}


def test_killed_rewrite_is_completed_by_a_rerun(tmp_path):
    points = range(1, 94, 4)
    four = [meet(f"第{n}篇。", guid=str(n)) for n in range(4)]
    followers = []
    for at in points:
        run(tmp_path / str(at), *four)
        followers.append(Follower(tmp_path / str(at)))
        followers[-1].follow()
    counts = set()
    for root, follower in zip(kill_at(tmp_path, "rewrite", points), followers, strict=True):
        articles = [parse_post(path.read_bytes()) for path in root.glob("posts/**/*.md")]
        assert len(articles) == 4  # old file or new file, never half
        assert all(post.article.body.removeprefix("<p>")[0] == "第" for post in articles)
        counts.add(sum(post.dialect == "jekyll" for post in articles))
        # Nothing looks edited, to verify or to a crawl.
        assert [line for line in findings(root) if "changed" in line or "missing" in line] == []
        assert run(root, *four) == [Verdict.UNCHANGED] * 4
        assert not list((root / "revisions").rglob("*.md"))
        options = options_for(root, body="html", dialect="jekyll")
        with open_as(options) as archive:
            done = archive.rewrite(options.make_converter())
            assert (done.rewritten + done.unchanged, done.left) == (4, [])
            assert archive.rewrite(options.make_converter()).unchanged == 4
        assert findings(root) == []
        assert not list(root.rglob(".*"))
        assert follower.follow() == ["post"] * 4
        assert follower.is_level
        assert follower.follow() == []
    assert counts > {0, 4}


def test_killed_crawl_enters_the_order_of_changes_when_it_is_healed(tmp_path):
    run(tmp_path, meet("甲"))
    follower = Follower(tmp_path)
    follower.follow()
    child = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from tests.test_archive import meet, open_archive
        with open_archive(Path(sys.argv[1])) as archive:
            archive._ledger.add_posts = lambda posts: os.kill(os.getpid(), signal.SIGKILL)
            archive.commit([meet("甲改。", hours=1), meet("乙", guid="2", hours=1)])
        """
    )
    command = [sys.executable, "-c", child, str(tmp_path)]
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    # The files are there, the ledger does not know of them: not one is given out too early.
    assert [r["body"] for r in export(tmp_path, follower.cursor)[0]] == []
    run(tmp_path, meet("甲改。", hours=2), meet("乙", guid="2", hours=2))
    assert sorted(follower.follow()) == ["post", "post"]
    assert follower.is_level
    assert follower.follow() == []


def test_killed_export_leaves_the_old_file(tmp_path):
    run(tmp_path, meet("甲"))
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    child = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from crawler.archive.export import open_output
        with open_output(Path(sys.argv[1])) as write:
            write(b"half" * 100_000)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    command = [sys.executable, "-c", child, str(out)]
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    assert out.read_text() == "old"
    with open_output(out) as write:
        write(b"new")
    assert out.read_text() == "new"
    assert not list(tmp_path.glob(".*"))
