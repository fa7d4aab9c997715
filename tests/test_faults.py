"""Real crawls under faults: killed, torn, full, failing, slow, at once. ``make faults`` does more."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.posts import parse_post
from fixtures.site import Site
from tests.conftest import Desk
from tests.faults import Fault, build_library, crawl, question, start_crawl, take_picture
from tests.faults.__main__ import Sweep

SOURCE = "rsshub-stcn"

needs_compiler = pytest.mark.skipif(
    build_library() is None, reason="no C compiler to build the preloaded library with"
)


# ---------------------------------------------------------------- one fault, one rerun


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory) -> Iterator[functools.partial]:
    """The scenarios, each prepared and counted once."""
    with Site(record=False) as site:

        @functools.cache
        def prepare(scenario: str) -> Sweep:
            folder = tmp_path_factory.mktemp("faults") / "sweep"
            site.overlay = {}
            edits, lost = scenario == "edited", scenario == "lost"
            return Sweep(folder, site, source=SOURCE, edits=edits, lost=lost)

        yield prepare


# Places are parts of a crawl's file operations, so that the spread stays one when their number
# changes: the ledger is made in the first third, posts are written in the second, the ledger's
# rows, its closing and the report follow.
@needs_compiler
@pytest.mark.parametrize(
    ("scenario", "kind", "place"),
    [
        ("first", "kill", 0.1),
        ("first", "torn", 0.45),
        ("first", "kill", 0.62),
        ("first", "ENOSPC-from", 0.3),
        ("first", "EIO", 0.57),
        ("first", "torn", 0.97),
        ("edited", "kill", 0.35),
        ("edited", "EIO-from", 0.45),
        ("lost", "kill", 0.6),
    ],
)
def test_one_rerun_heals(sweeps, scenario, kind, place):
    sweep = sweeps(scenario)
    at = max(1, int(sweep.operations * place))
    ended, wrong = sweep.run(kind, at)
    assert wrong == [], f"{kind} at operation {at} of {sweep.operations}, {ended}"
    if kind in ("kill", "torn"):
        assert ended == "killed"
    elif kind.startswith("E"):
        assert ended == "status 1"


@needs_compiler
def test_order_on_disk_is_temp_sync_rename_sync_ledger_validators(desk, tmp_path):
    """Read from what a real crawl does: DESIGN 6, for new posts and for edits."""
    sources = desk.folder / "sources"
    for edited in (False, True):
        if edited:
            root = Path(__file__).parents[1] / "fixtures" / "site-edits"
            for path in root.rglob("*"):
                if path.is_file():
                    desk.site.overlay["/" + str(path.relative_to(root))] = path.read_bytes()
        log = tmp_path / f"log-{edited}"
        status, told = crawl(desk.archive, sources, SOURCE, fault=Fault(log=log))
        assert (status, told) == (0, "")
        lines = [line.split(" ") for line in log.read_text().splitlines()]
        calls = [(line[1], line[2].removeprefix(str(desk.archive)).strip("/")) for line in lines]
        check_order(calls, edited=edited)


def check_order(calls: list[tuple[str, str]], *, edited: bool) -> None:
    """``calls`` are (name of the call, path below the archive or "")."""

    def find(start: str, names: set[str], end: str = "") -> list[int]:
        return [
            n
            for n, (name, path) in enumerate(calls)
            if name in names and path.startswith(start) and path.endswith(end)
        ]

    syncs = {"fsync", "fdatasync", "syncfs"}
    rows = find("ledger.sqlite3-wal", {"pwrite64", "pwrite"})
    done = 0
    for folder in ["revisions/", "posts/"] if edited else ["posts/"]:
        writes = find(folder, {"write"}, ".tmp")
        renames = find(folder, {"rename"}, ".md")
        synced = find(folder, syncs, ".tmp")
        assert len(renames) == len(writes) > 0
        # Old versions are safe before anything takes their place.
        assert done < min(writes)
        assert max(writes) < min(synced) <= max(synced) < min(renames)
        # Every folder that got a name, up to the archive itself, is synced before any row.
        first_row = min(n for n in rows if n > max(renames))
        changed = {above for n in renames for above in Path(calls[n][1]).parents}
        for parent in changed:
            name = "" if parent == Path() else str(parent)
            later = [n for n in find("", {"fsync"}) if calls[n][1] == name and n > max(renames)]
            assert later, f"{parent}: not synced"
            assert min(later) < first_row, f"{parent}: synced too late"
            done = max(done, min(later))


# ---------------------------------------------------------------- a disk of its own


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mount(folder, "size=700k"):
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def offer_articles(desk: Desk, count: int) -> list[str]:
    """Serves a feed of so many whole articles; gives what to crawl."""
    items = "".join(
        f"<item><title>第{n}篇</title><guid>{n}</guid><pubDate>Thu, 04 Jun 2026 01:00:00 GMT"
        f"</pubDate><description>正文{n}，{'写满一块。' * 9}</description></item>"
        for n in range(count)
    )
    feed = f'<rss version="2.0"><channel><title>台</title>{items}</channel></rss>'
    desk.site.overlay["/x.xml"] = feed.encode()
    address = f"url={desk.site.url}/x.xml"
    return ["feed", "-a", address, "-a", "name=big", "-a", "fulltext=always"]


# 700 kB and less: too little for a group of articles; for the ledger; for the report.
@pytest.mark.parametrize(("taken", "count"), [(0, 300), (640, 3)], ids=["700k", "60k"])
def test_small_disk_is_status_1_and_one_rerun_completes(desk, disk, taken, count):
    (disk / "other").write_bytes(bytes(taken * 1024))
    what = offer_articles(desk, count)
    archive = disk / "archive"
    status, told = crawl(archive, desk.folder / "sources", *what)
    assert status == 1
    assert f"{archive}/" in told
    assert "No space left on device" in told or "disk is full" in told
    assert "Traceback" not in told
    assert not list(archive.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    assert crawl(archive, desk.folder / "sources", *what)[0] == 0
    assert question(archive) == []
    assert len(take_picture(archive).posts) == count


def test_read_only_disk_is_status_1_and_named(desk, disk):
    archive = disk / "archive"
    what = offer_articles(desk, 3)
    archive.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    status, told = crawl(archive, desk.folder / "sources", *what)
    assert status == 1
    assert "Traceback" not in told
    assert f"{archive}/" in told
    assert "Read-only file system" in told
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert crawl(archive, desk.folder / "sources", *what)[0] == 0
    assert question(archive) == []


# ---------------------------------------------------------------- many at once


def sum_reports(archive: Path) -> Counter[str]:
    total: Counter[str] = Counter()
    for path in (archive / "reports").glob("2*.json"):
        for source in json.loads(path.read_text("utf-8"))["sources"].values():
            total.update({key: source[key] for key in ("new", "updated", "duplicates", "healed")})
    return total


@needs_compiler
def test_overlapping_crawls_give_what_one_after_the_other_gives(desk):
    """Three crawls, slowed so that they meet everywhere; a fourth is killed; somebody reads on."""
    names = [SOURCE, "rsshub-cs", SOURCE]
    sources = desk.folder / "sources"
    slow = Fault(slow_us=1500)
    processes = [start_crawl(desk.archive, sources, name, fault=slow) for name in names]
    victim = start_crawl(desk.archive, sources, "wire", fault=Fault("kill", 30, slow_us=1000))
    reads = 0
    while any(process.poll() is None for process in processes):
        for path in desk.archive.glob("posts/**/*.md"):
            post = parse_post(path.read_bytes())
            assert post.warnings == []
            assert post.article.hash
            reads += 1
        for path in desk.archive.glob("reports/*.json"):
            json.loads(path.read_bytes())
    for process in processes:
        _, told = process.communicate()
        told = "\n".join(line for line in told.splitlines() if "did not end well" not in line)
        assert (process.returncode, told) == (0, "")
    assert reads > 100
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    clean = desk.folder / "clean"
    for name in ("rsshub-cs", SOURCE, SOURCE):
        assert crawl(clean, sources, name)[0] == 0
    # What the killed one had begun and its rerun are beside the three.
    assert crawl(desk.archive, sources, "wire")[0] == 0
    assert question(desk.archive) == []
    posts = take_picture(desk.archive).posts
    wire = {identity for identity in posts if identity.startswith("wire ")}
    assert posts.keys() - wire == take_picture(clean).posts.keys()
    assert len(wire) > 0
    assert sum_reports(desk.archive)["new"] >= len(posts) - len(wire)


# ---------------------------------------------------------------- clocks


@needs_compiler
def test_clock_may_be_set_between_and_during_crawls(desk):
    sources = desk.folder / "sources"
    first, second = 400 * 86_400, -400 * 86_400  # ahead, then far behind
    assert crawl(desk.archive, sources, SOURCE, fault=Fault(clock_s=first)) == (0, "")
    before = desk.files("posts")
    root = Path(__file__).parents[1] / "fixtures" / "site-edits"
    for path in root.rglob("*"):
        if path.is_file():
            desk.site.overlay["/" + str(path.relative_to(root))] = path.read_bytes()
    during = Fault(at=40, clock_s=second)  # in the middle of its file operations
    status, said = crawl(desk.archive, sources, SOURCE, fault=during)
    assert status == 0
    assert all("dates lie in the future" in line for line in said.splitlines()), said
    desk.site.overlay.clear()
    assert crawl(desk.archive, sources, SOURCE, fault=Fault(clock_s=first)) == (0, "")
    assert question(desk.archive) == []
    after = desk.files("posts")
    assert set(after) == set(before)
    revisions = desk.files("revisions")
    assert len(revisions) == 2 * sum(after[path] != before[path] for path in before) > 0
    assert crawl(desk.archive, sources, SOURCE) == (0, "")
    assert desk.files() == {**after, **revisions}
