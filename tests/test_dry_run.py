"""The dry run: it says what a run would do, and does nothing."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crawler.archive import Archive, Outcome, Validator, Verdict, read_states
from crawler.archive.tombstones import name_tombstone
from crawler.errors import ArchiveError
from crawler.pipelines import describe_outcome
from crawler.schedule import SourceState
from tests import test_group as near
from tests.conftest import ROOT
from tests.test_archive import damage_schema, flip_bytes, meet, open_archive, tellings

KNOWN = meet("原来的一段。", guid="known")
TAKEN_OUT = meet("撤下的一段。", guid="out", title="撤下")
ODD = meet("手改过的一段。", guid="odd", title="手改")
LOST = meet("丢了的一段。", guid="lost", title="丢了")
TOLD, BETTER = tellings()[1::-1]


def batches() -> list[list]:
    """Two groups of one run: each thing that can become of an article, the second by what only
    the first has written."""
    return [
        [
            meet("新的一段。", guid="new"),
            meet("新的一段。", guid="again", source="cs"),
            meet("原来的一段，改了。", guid="known", hours=1),
            replace(TAKEN_OUT),
            replace(ODD),
            replace(LOST),
            TOLD,
            near.meet(near.OURS, "a"),
            near.meet(near.REPOST, "b"),
        ],
        [
            meet("新的一段。", guid="new"),
            meet("新的一段，改了。", guid="new", hours=2),
            meet("新的一段，改了。", guid="third", source="third"),
            meet("原来的一段，改了又改。", guid="known", hours=2),
            BETTER,
            near.meet(near.REPOST_EDITED, "b", hours=3),
            Validator("stcn", "https://stcn.example/rss", '"1"', None, b"b" * 32, 1),
        ],
    ]


def fill(root: Path) -> None:
    """An archive with a post of each kind that the groups come upon."""
    with open_archive(root) as archive:
        outcomes = archive.commit([KNOWN, TAKEN_OUT, ODD, LOST])
        archive.remove([outcomes[1].path])
    (root / outcomes[2].path).write_text("---\ntitle: '手改'\n---\n\n别的。\n")
    (root / outcomes[3].path).unlink()


def commit(archive: Archive) -> list[Outcome]:
    return [outcome for batch in batches() for outcome in archive.commit(batch)]


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a file system tells of a folder, but when it was read."""
    told: dict[str, tuple[object, ...]] = {}
    for path in [root.parent, *root.parent.rglob("*")]:
        found = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        told[str(path)] = (
            found.st_ino,
            found.st_mode,
            found.st_mtime_ns,
            found.st_ctime_ns,
            hashlib.sha256(data).digest(),
        )
    return told


def stand_absent(root: Path) -> None:
    pass


def stand_missing_ledger(root: Path) -> None:
    fill(root)
    (root / "ledger.sqlite3").unlink()


def stand_flipped(root: Path) -> None:
    fill(root)
    flip_bytes(root / "ledger.sqlite3", 3, seed=1)


def stand_damaged(root: Path) -> None:
    fill(root)
    damage_schema(root / "ledger.sqlite3")
    (root / "ledger.sqlite3-seal").unlink()


def stand_killed(root: Path) -> None:
    """A run was killed: SQLite's files stand beside the ledger, temp files among the posts."""
    other = root.with_name("other")
    fill(other)
    with open_archive(other) as archive:
        archive.commit([meet("新的一段。", guid="new")])
        shutil.copytree(other, root, copy_function=shutil.copy2)
    shutil.rmtree(other)
    (root / "posts" / "stcn" / ".x.md.dead-1.tmp").write_bytes(b"half")
    assert list(root.glob("*-wal"))
    assert list(root.glob(".run-*"))


def stand_killed_before_the_row(root: Path) -> None:
    """As if the power had failed: the last files have no rows."""
    stand_killed(root)
    (root / "ledger.sqlite3-wal").unlink()
    (root / "ledger.sqlite3-shm").unlink()


def stand_in_a_removal(root: Path) -> None:
    """A removal was killed when its tombstone stood."""
    fill(root)
    with open_archive(root) as archive:
        (outcome,) = archive.commit([meet("新的一段。", guid="new")])
        data = (root / outcome.path).read_bytes()
        archive.remove([outcome.path])
    stone = (root / name_tombstone(outcome.path)).read_bytes()
    with open_archive(root) as archive:
        (root / name_tombstone(outcome.path)).unlink()
        archive.rebuild()
        archive.commit([meet("新的一段。", guid="new")])
    (root / outcome.path).write_bytes(data)
    (root / name_tombstone(outcome.path)).write_bytes(stone)


STANDS = {
    "absent": (stand_absent, ""),
    "well": (fill, ""),
    "ledger-missing": (stand_missing_ledger, "missing, made again from the posts"),
    "ledger-flipped": (stand_flipped, "not as the last crawl left it"),
    "ledger-damaged": (stand_damaged, "kept as ledger.sqlite3.damaged-"),
    "killed": (stand_killed, "an earlier run did not end well"),
    "killed-before-the-row": (stand_killed_before_the_row, "an earlier run did not end well"),
    "removal-unfinished": (stand_in_a_removal, "its removal is finished"),
}


@pytest.mark.parametrize("stand", STANDS)
def test_dry_run_decides_as_the_run_does_and_changes_nothing(tmp_path, stand):
    make, trouble = STANDS[stand]
    root = tmp_path / "desk" / "archive"
    root.parent.mkdir()
    make(root)
    before = tree(root)
    with open_archive(root, dry=True) as archive:
        would = commit(archive)
        texts = {outcome.path: archive.find_written(outcome.path) for outcome in would}
        assert archive.find_validator("stcn", "https://stcn.example/rss")
        archive.put_states({"stcn": SourceState(run_at=1)})
    assert tree(root) == before
    assert [trouble in warning for warning in archive.warnings] == [True] * bool(trouble)
    for warning in archive.warnings:
        assert warning.startswith(f"dry run, in a copy only: {root}")
    with open_archive(root) as archive:
        done = commit(archive)
    assert [replace(one, article=two.article) for one, two in zip(would, done, strict=True)] == done
    if make is fill:
        assert {outcome.verdict for outcome in done} == set(Verdict) - {Verdict.SKIPPED}
        assert any(outcome.healed for outcome in done)
        assert any(outcome.retold for outcome in done)
        assert any(outcome.shared for outcome in done)
    written = {outcome.path for outcome in done if outcome.is_written}
    assert written == {path for path, data in texts.items() if data is not None}
    for path in written:
        assert texts[path] == (root / path).read_bytes(), path


def test_dry_run_sees_what_a_crawl_at_work_has_done_so_far(tmp_path):
    root = tmp_path / "archive"
    with open_archive(root) as other:
        other.commit([meet("新的一段。", guid="new")])
        assert (root / "ledger.sqlite3-wal").stat().st_size
        before = tree(root)
        with open_archive(root, dry=True) as archive:
            outcomes = archive.commit([meet("新的一段。", guid="new"), meet("另一段。", guid="2")])
            assert [one.verdict for one in outcomes] == [Verdict.UNCHANGED, Verdict.NEW]
            assert archive.warnings == []
            # It holds nobody up.
            other.commit([meet("第三段。", guid="3")])
        assert {**before, **tree(root)}.keys() > before.keys()
    with open_archive(root, dry=True) as archive:
        assert not archive.warnings


def test_archive_that_may_only_be_read_can_be_asked(tmp_path):
    root = tmp_path / "archive"
    fill(root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(root)
    with open_archive(root, dry=True) as archive:
        assert commit(archive)
    assert tree(root) == before
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def make_foreign(root: Path) -> None:
    fill(root)
    with closing(sqlite3.connect(root / "ledger.sqlite3")) as database:
        database.execute("PRAGMA user_version=99")
    (root / "ledger.sqlite3-seal").unlink()


def make_link(root: Path) -> None:
    root.mkdir()
    (root / "ledger.sqlite3").symlink_to(root.parent / "elsewhere")


def make_file(root: Path) -> None:
    root.write_bytes(b"")


@pytest.mark.parametrize("make", [make_foreign, make_link, make_file])
def test_archive_that_no_run_could_open_is_named(tmp_path, make):
    root = tmp_path / "archive"
    make(root)
    before = tree(root)
    with pytest.raises(ArchiveError, match=str(root)):
        open_archive(root, dry=True)
    assert tree(root) == before
    with pytest.raises(ArchiveError, match=str(root)):
        open_archive(root)


def put_a_file(root: Path) -> None:
    (root / "posts").write_bytes(b"")


def put_a_link(root: Path) -> None:
    (root / "posts").mkdir()
    (root / "posts" / "stcn").symlink_to(root.parent)


@pytest.mark.parametrize("put", [put_a_file, put_a_link])
def test_what_is_in_the_way_of_a_post_is_named(tmp_path, put):
    root = tmp_path / "archive"
    root.mkdir()
    put(root)
    said = []
    for dry in (True, False):
        with open_archive(root, dry=dry) as archive, pytest.raises(ArchiveError) as caught:
            archive.commit([KNOWN])
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(f"{root}/posts")


def test_nothing_is_left_behind_and_states_are_read_without_a_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    root = tmp_path / "desk" / "archive"
    root.parent.mkdir()
    with open_archive(root) as archive:
        archive.put_states({"stcn": SourceState(run_at=1)})
    before = tree(root)
    with open_archive(root, dry=True) as archive:
        commit(archive)
    assert read_states(root, ["stcn"], dry=True)["stcn"].run_at == 1
    make_foreign(tmp_path / "other")
    with pytest.raises(ArchiveError):
        open_archive(tmp_path / "other", dry=True)
    assert tree(root) == before
    assert not list((tmp_path / "temp").iterdir())


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Outcome(KNOWN.article, Verdict.NEW, "p.md"), "new      p.md  2026-06-04 01:00  大盘收评"),
        (
            Outcome(KNOWN.article, Verdict.NEW, "p.md", twin="https://t.example/", shared=0.9),
            "new      p.md  2026-06-04 01:00  大盘收评 (near-duplicate of https://t.example/)",
        ),
        (
            Outcome(KNOWN.article, Verdict.UNCHANGED, "p.md", healed=True),
            "healed   p.md  2026-06-04 01:00  大盘收评",
        ),
        (
            Outcome(KNOWN.article, Verdict.DUPLICATE, "p.md", twin="t", retold=True),
            "retold   p.md  2026-06-04 01:00  大盘收评",
        ),
        (
            Outcome(
                replace(KNOWN.article, title="a\x1b[2J\nb\x9b", published=None),
                Verdict.UPDATED,
                "p.md",
            ),
            "updated  p.md  undated           a [2J b ",
        ),
    ],
    ids=["new", "near", "healed", "retold", "hostile"],
)
def test_line_of_a_post(outcome, line):
    assert describe_outcome(outcome, ZoneInfo("Asia/Shanghai")) == line


# ---------------------------------------------------------------- the commands


def test_harvest_is_what_the_dry_run_said(desk):
    desk.scrapy("crawl", "list-gbk", "-L", "WARNING")
    before = tree(desk.archive)
    sources = ["list-gbk", "rsshub-stcn", "atom-finance"]  # whoever is first, no duplicates
    dry = desk.scrapy("harvest", "--dry-run-posts", *sources)
    assert tree(desk.archive) == before
    told = re.findall(r"^new +(posts/([^/]+)/\S+\.md)", dry.stdout, re.MULTILINE)
    assert "dry run, nothing was written" in dry.stderr
    desk.scrapy("harvest", *sources, "-L", "WARNING")
    report = desk.report()["sources"]
    assert report["list-gbk"]["conditional"] == 1
    assert "list-gbk: 0 new, 1 feeds not changed" in dry.stderr
    for name in sources:
        assert f"{name}: {report[name]['new']} new" in dry.stderr
        assert [source for _, source in told].count(name) == report[name]["new"]
    files = desk.files("posts")
    for path, _ in told:
        if b"dated: fetched" not in files[path]:  # the time is another one
            assert files[path].decode() in dry.stdout, path


def test_output_that_cannot_be_written_ends_the_run_in_one_line(desk):
    command = [sys.executable, "-m", "scrapy", "crawl", "list-gbk", "--dry-run", "-L", "ERROR"]
    command += ["-s", f"NEWS_SOURCES={desk.folder / 'sources'}", "-s", "DOWNLOAD_DELAY=0"]
    command += ["-s", f"NEWS_ARCHIVE={desk.archive}"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("ERROR: standard output: No space left on device")


def test_failed_source_is_status_1_and_nothing_is_made(desk):
    done = desk.scrapy("crawl", "feed", "--dry-run", "-a", "url=http://127.0.0.1:9/", status=1)
    assert "failed" in done.stderr
    assert done.stdout == ""
    assert not desk.archive.exists()
