"""deploy/follow.py: whatever crashes when, the next run makes the folder what the archive is."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crawler.archive.export import Cursor, Export, PostReader, render_json_line
from crawler.archive.ledger import Ledger
from crawler.posts import parse_post
from tests.conftest import ROOT
from tests.test_archive import meet, open_archive, posts_of, run

SCRIPT = ROOT / "deploy" / "follow.py"
spec = importlib.util.spec_from_file_location("follow", SCRIPT)
assert spec is not None
assert spec.loader is not None
follow = importlib.util.module_from_spec(spec)
spec.loader.exec_module(follow)


def export(root: Path, since: str = "") -> list[bytes]:
    with closing(Ledger(root / "ledger.sqlite3", read_only=True)) as ledger:
        walk = Export(PostReader(root, ledger, parse_post))
        records = walk.list_records(Cursor.parse(since) if since else None)
        return [render_json_line(record).encode() for record in records]


def keep_up(root: Path, folder: Path, *, cut: int | None = None) -> None:
    """One run; with ``cut`` the export dies after so many lines and a half."""
    folder.mkdir(exist_ok=True)
    follower = follow.Follower(folder)
    lines = export(root, follower.cursor)
    if cut is not None and cut < len(lines):
        lines = [*lines[:cut], lines[cut][:-9]]
    whole = follower.follow(lines)
    follower.finish(complete=whole)


def texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder).with_suffix(".md")): path.read_text("utf-8").split("\n\n")[1]
        for path in sorted(folder.rglob("*.txt"))
    }


def live(root: Path) -> dict[str, str]:
    posts = posts_of(root).items()
    return {path: f"{body}\n" for path, body in posts if path.startswith("posts/")}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(follow, "KEEP_EVERY", 2)
    root = tmp_path / "archive"
    run(root, *(meet(f"第{n}篇。", guid=str(n)) for n in range(5)))
    return root


def change(root: Path) -> None:
    """One edit, one new article, one removed."""
    run(root, meet("第0篇，改了。", guid="0", hours=1), meet("新的。", guid="new", hours=1))
    with open_archive(root) as archive:
        archive.remove([next(path for path, body in posts_of(root).items() if body == "第3篇。")])


def begin_anew(root: Path) -> None:
    """A ledger that was lost, and with it who has what; a post that went meanwhile."""
    for path in root.glob("ledger.sqlite3*"):
        path.unlink()
    (root / next(path for path, body in posts_of(root).items() if body == "第4篇。")).unlink()
    with open_archive(root) as archive:
        archive.rebuild()


def test_folder_follows_the_archive(root, tmp_path):
    folder = tmp_path / "texts"
    for step in (lambda _: None, change, lambda _: None, begin_anew):
        step(root)
        keep_up(root, folder)
        assert texts(folder) == live(root)
    assert export(root, follow.Follower(folder).cursor) == []


@pytest.mark.parametrize("step", [change, begin_anew])
@pytest.mark.parametrize("cut", range(5))
def test_cut_export_is_made_up_for(root, tmp_path, step, cut):
    folder = tmp_path / "texts"
    keep_up(root, folder, cut=cut)
    keep_up(root, folder)
    before = texts(folder)
    step(root)
    keep_up(root, folder, cut=cut)
    # Nothing is dropped for not having come.
    assert step is change or set(before) <= set(texts(folder))
    keep_up(root, folder)
    assert texts(folder) == live(root)


class CrashError(Exception):
    pass


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("is_reset", [False, True], ids=["from the beginning", "reset"])
def test_crash_on_either_side_of_every_write_is_made_up_for(
    root, tmp_path, monkeypatch, is_reset, side
):
    change(root)
    write, crashes = follow.write, 0
    for at in range(1, 20):
        folder = tmp_path / f"texts-{at}"
        if is_reset:
            stale = folder / "posts" / "stcn" / "2026" / "06" / "2026-06-04-000000000000.txt"
            stale.parent.mkdir(parents=True)
            write(stale, "题\n\n没了。\n")
            write(folder / follow.CURSOR, "000000000000-1\n")
        left = [at]

        def crash(path, text, left=left):
            left[0] -= 1
            if left[0] == 0 and side == "before":
                raise CrashError
            write(path, text)
            if left[0] == 0:
                raise CrashError

        monkeypatch.setattr(follow, "write", crash)
        try:
            keep_up(root, folder)
        except CrashError:
            crashes += 1
            monkeypatch.setattr(follow, "write", write)
            keep_up(root, folder)
            assert texts(folder) == live(root)
        else:
            break
    # Five texts and the cursor at the end; where there is no reset, after each two records too.
    assert crashes == 6 + (0 if is_reset else 3)


def test_killed_run_is_made_up_for(root, tmp_path):
    folder = tmp_path / "texts"
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"".join(export(root)))
    # An export that kills who reads it, when half is read.
    killer = (
        "import os, signal, sys, time\n"
        f"lines = open({str(lines)!r}).readlines()\n"
        "print(*lines[:3], sep='', end='', flush=True)\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run([*command, sys.executable, "-c", killer], check=False)
    assert done.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "cat", str(lines)], check=False)
    assert done.returncode == 0
    assert texts(folder) == live(root)
    assert (folder / "cursor").read_text() == json.loads(export(root)[-1])["cursor"] + "\n"


def test_real_export_is_followed_and_its_status_passed_on(root, tmp_path):
    path = root / next(path for path, body in posts_of(root).items() if body == "第3篇。")
    path.write_bytes(path.read_bytes()[:-9])
    command = [sys.executable, str(SCRIPT), str(tmp_path / "texts"), sys.executable, "-m", "scrapy"]
    command += ["archive", "export", "-s", f"NEWS_ARCHIVE={root}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "left out" in done.stderr) == (1, True)
    assert len(texts(tmp_path / "texts")) == 4


@pytest.mark.parametrize("path", ["/etc/passwd", "posts/../../x.md", "revisions/a.md"])
def test_no_record_leads_out_of_the_folder(tmp_path, path):
    record = {"event": "post", "cursor": "0-1", "path": path, "title": "", "body": ""}
    with pytest.raises(ValueError, match="not the path of a post"):
        follow.Follower(tmp_path / "texts").follow([json.dumps(record).encode() + b"\n"])
    assert list(tmp_path.iterdir()) == []
