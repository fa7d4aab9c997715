"""The archive: decisions, revisions, carriers, healing, on a real disk with a real ledger."""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from crawler.archive import (
    Archive,
    Candidate,
    Validator,
    Verdict,
    is_at_work,
    rebuild,
    workers,
)
from crawler.archive.decide import identify, name_folder, name_post, name_revision
from crawler.archive.files import GroupWriter, walk_files
from crawler.archive.ledger import Ledger
from crawler.archive.presence import Door, Patience
from crawler.archive.rebuild import adopt_files
from crawler.archive.verify import verify
from crawler.article import Article
from crawler.errors import ArchiveError, LedgerError
from crawler.extensions import write_report
from crawler.normalize import normalize
from crawler.posts import ParsedPost, parse_post, render_post
from crawler.report import RunReport

BEIJING = timezone(timedelta(hours=8))
MET = datetime(2026, 6, 4, 3, 0, tzinfo=UTC)


def render(article, zone):
    return render_post(article, timezone=zone)


open_archive = partial(Archive, render=render, wait_s=5.0)


def meet(text="沪指收涨。", *, guid="1", source="stcn", title="大盘收评", hours=0, **fields):
    """A normalised article met ``hours`` after MET."""
    article = normalize(
        Article(
            title=title,
            body=f"<p>{text}</p>",
            source=source,
            guid=guid,
            label=source,
            published=fields.pop("published", datetime(2026, 6, 4, 1, 0, tzinfo=BEIJING)),
            **fields,
        )
    )
    return Candidate(article, "Asia/Shanghai", MET + timedelta(hours=hours), entry=b"e" * 16)


def posts_of(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): parse_post(path.read_bytes()).article.body
        for folder in ("posts", "revisions")
        for path in sorted((root / folder).rglob("*.md"))
    }


def findings(root: Path) -> list[str]:
    ledger = Ledger(root / "ledger.sqlite3", read_only=True)
    found = verify(root, ledger).findings
    ledger.close()
    return [f"{finding.path}: {finding.reason}" for finding in found]


def run_twice(root: Path) -> None:
    run(root, meet())
    run(root, meet("改了的一段。"))


def run(root: Path, *candidates) -> list[Verdict]:
    with open_archive(root) as archive:
        return [outcome.verdict for outcome in archive.commit(candidates)]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("guid", "url", "content", "digits"),
    [
        ("g", "u", "h", "68c0aab51983"),
        (None, "u", "h", "732b7ea2bc78"),
        ("", None, "h", "f22c96d6fb85"),
    ],
    ids=["guid", "url", "hash"],
)
def test_identities_are_pinned(guid, url, content, digits):
    assert identify("stcn", guid=guid, url=url, content=content).hex()[:12] == digits


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("stcn", "stcn"),
        ("www.stcn.com", "www.stcn.com"),
        ("..", None),
        ("../../etc", None),
        ("证券时报", None),
        ("A", None),
        ("a" * 80, None),
        ("con nul", None),
        ("con", None),
        ("nul.txt", None),
        ("com1.example.org", None),
        ("console", "console"),
        ("_drafts", None),
        (".git", None),
        ("a.", None),
        ("abc-12345678", None),
        ("stcn-2026", "stcn-2026"),
        ("a\0b", None),
        ("\ud800", None),
        ("İstanbul", None),
        ("ａ", None),
        ("a:b", None),
        ("a\\b", None),
        ("~root", None),
        ("$HOME", None),
        ("a" * 59 + "-b", None),
        ("", None),
    ],
)
def test_folders_are_safe_and_never_shared(source, folder):
    name = name_folder(source)
    assert name == (folder or name)
    assert folder or name != source
    assert name.isascii()
    assert "/" not in name
    assert name.strip(".")
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    assert name == name.lower()
    path = name_post(source, b"\xff" * 32, datetime(2026, 6, 4, tzinfo=UTC), UTC)
    assert len(name_revision(path, datetime(2026, 6, 4, tzinfo=UTC), "sha256:" + "f" * 64)) <= 150


def test_no_two_names_share_a_folder():
    names = [
        "abc",
        "Abc",
        "ABC",
        "a/bc",
        "a bc",
        "a\\bc",
        "-abc",
        ".abc",
        "_abc",
        "abc.",
        "ａbc",
        "\ud800",
        "\ud801",
    ]
    names += [name_folder(name) for name in names]
    names += [name_folder(name) for name in names]
    assert len({name_folder(name).lower() for name in names}) == len(set(names))


def test_folder_of_upper_case_name_is_not_that_of_the_lower_case_one():
    assert len({name_folder(name) for name in ("abc", "Abc", "ABC", "a/bc", "a bc")}) == 5


def test_post_name_counts_days_in_the_sources_zone():
    late = datetime(2026, 6, 3, 16, 30, tzinfo=UTC)
    path = name_post("stcn", b"\xab" * 32, late, BEIJING)
    assert path == "posts/stcn/2026/06/2026-06-04-abababababab.md"
    assert (
        name_revision(path, late, "sha256:" + "cd" * 32)
        == "revisions/stcn/2026/06/2026-06-04-abababababab/20260603T163000Z-cdcdcdcdcdcd.md"
    )


# ---------------------------------------------------------------- decisions


def test_same_article_twice_is_written_once(tmp_path):
    assert run(tmp_path, meet()) == [Verdict.NEW]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")}
    assert run(tmp_path, meet(hours=5)) == [Verdict.UNCHANGED]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")} == before
    assert findings(tmp_path) == []


def test_edit_makes_a_revision_and_a_b_a_ends_at_a(tmp_path):
    verdicts = [run(tmp_path, meet(text, hours=n))[0] for n, text in enumerate("甲乙甲")]
    assert verdicts == [Verdict.NEW, Verdict.UPDATED, Verdict.UPDATED]
    bodies = posts_of(tmp_path)
    assert len(bodies) == 3
    live, *old = bodies.items()
    assert live[1] == "甲"
    assert sorted(body for _, body in old) == ["乙", "甲"]
    assert all(path.startswith("revisions/" + live[0][6:-3] + "/") for path, _ in old)
    assert [path.rpartition("/")[2][:16] for path, _ in old] == [
        "20260604T030000Z",
        "20260604T040000Z",
    ]
    post = parse_post((tmp_path / live[0]).read_bytes()).article
    assert post.updated == MET + timedelta(hours=2)
    assert findings(tmp_path) == []


def test_same_text_under_another_identity_is_a_duplicate_and_stays_attached(tmp_path):
    assert run(tmp_path, meet(), meet(source="mirror", guid="m")) == [
        Verdict.NEW,
        Verdict.DUPLICATE,
    ]
    assert len(posts_of(tmp_path)) == 1
    # The mirror's text changes: the post it is attached to gets the revision.
    assert run(tmp_path, meet("改了。", source="mirror", guid="m", hours=1)) == [Verdict.UPDATED]
    bodies = posts_of(tmp_path)
    assert sorted(bodies.values()) == ["改了。", "沪指收涨。"]
    live = parse_post((tmp_path / next(iter(bodies))).read_bytes()).article
    assert (live.source, live.guid, live.body) == ("stcn", "1", "改了。")
    # The first carrier still has the old text: it does not take the edit back.
    assert run(tmp_path, meet(hours=2)) == [Verdict.UNCHANGED]
    assert findings(tmp_path) == []


def test_duplicate_of_an_old_version_is_a_duplicate(tmp_path):
    run(tmp_path, meet("甲"))
    run(tmp_path, meet("乙", hours=1))
    assert run(tmp_path, meet("甲", source="mirror", hours=2)) == [Verdict.DUPLICATE]


def test_same_guid_at_two_sources_is_two_articles(tmp_path):
    assert run(tmp_path, meet("甲"), meet("乙", source="other")) == [Verdict.NEW, Verdict.NEW]
    assert len(posts_of(tmp_path)) == 2


def test_edits_within_one_group_are_all_kept(tmp_path):
    group = [meet(text, hours=n) for n, text in enumerate("甲乙丙")]
    assert run(tmp_path, *group) == [Verdict.NEW, Verdict.UPDATED, Verdict.UPDATED]
    assert sorted(posts_of(tmp_path).values()) == ["丙", "乙", "甲"]
    assert findings(tmp_path) == []


def test_edits_to_a_text_that_another_post_has_too_are_kept_apart(tmp_path):
    run(tmp_path, meet("甲"))
    other = [meet("乙", guid="2")]
    edits = [meet(text, hours=n) for n, text in enumerate("乙丙", start=1)]
    # Each in one group, where the ledger does not yet know the texts.
    assert run(tmp_path, *other, *edits) == [Verdict.NEW, Verdict.UPDATED, Verdict.UPDATED]
    assert sorted(posts_of(tmp_path).values()) == sorted("甲乙乙丙")
    with closing(Ledger(tmp_path / "ledger.sqlite3", read_only=True)) as ledger:
        versions = ledger.list_versions(post.id for post in ledger.list_posts())
    assert sorted(map(len, versions.values())) == [1, 3]
    assert findings(tmp_path) == []


def test_undated_article_gets_the_time_it_was_met_and_keeps_it(tmp_path):
    assert run(tmp_path, meet("甲", published=None)) == [Verdict.NEW]
    assert run(tmp_path, meet("乙", published=None, hours=30)) == [Verdict.UPDATED]
    live = parse_post((tmp_path / next(iter(posts_of(tmp_path)))).read_bytes()).article
    assert (live.published, live.dated, live.body) == (MET, "fetched", "乙")


# ---------------------------------------------------------------- healing


def only_post(root: Path) -> Path:
    (path,) = (root / "posts").rglob("*.md")
    return path


def test_missing_file_is_named_and_written_again(tmp_path):
    run(tmp_path, meet())
    path = only_post(tmp_path)
    data = path.read_bytes()
    path.unlink()
    assert [line.rpartition(": ")[2] for line in findings(tmp_path)] == ["the ledger knows it"]
    with open_archive(tmp_path) as archive:
        assert [o.healed for o in archive.commit([meet(hours=1)])] == [True]
    assert path.read_bytes() == data
    assert findings(tmp_path) == []


def test_edited_file_is_named_kept_aside_and_written_again(tmp_path):
    run(tmp_path, meet())
    path = only_post(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace("大盘收评".encode(), "大盘收平".encode()))
    assert "title or text differ (title '大盘收平')" in findings(tmp_path)[0]
    run(tmp_path, meet(hours=1))
    assert path.read_bytes() == data
    (kept,) = (tmp_path / "revisions").rglob("*.md")
    assert "大盘收平" in kept.read_text()
    assert findings(tmp_path) == []


def test_touched_file_is_left_alone(tmp_path):
    run(tmp_path, meet())
    os.utime(only_post(tmp_path), (1, 1))
    with open_archive(tmp_path) as archive:
        assert [o.healed for o in archive.commit([meet(hours=1)])] == [False]
    assert only_post(tmp_path).stat().st_mtime == 1


def test_flipped_byte_is_named(tmp_path):
    run(tmp_path, meet())
    path = only_post(tmp_path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    (line,) = findings(tmp_path)
    assert line.startswith(f"{path.relative_to(tmp_path)}: changed")


def test_foreign_and_doubled_files_are_named(tmp_path):
    run(tmp_path, meet())
    path = only_post(tmp_path)
    (path.parent / "notes.md").write_text("x")
    (path.parent / path.name.replace("-04-", "-05-")).write_bytes(path.read_bytes())
    reasons = sorted(line.partition(": ")[2].partition(":")[0] for line in findings(tmp_path))
    assert reasons == ["doubled", "foreign", "unknown"]


def test_ledger_is_made_again_when_it_is_missing(tmp_path):
    run(tmp_path, meet("甲"), meet("丙", guid="2"))
    run(tmp_path, meet("乙", hours=1))
    before = posts_of(tmp_path)
    for file in tmp_path.glob("ledger.sqlite3*"):
        file.unlink()
    with open_archive(tmp_path) as archive:
        assert "missing, made again" in archive.warnings[0]
        met = [meet("乙", hours=2), meet("丙", guid="2"), meet("甲", source="mirror", hours=2)]
        verdicts = [outcome.verdict for outcome in archive.commit(met)]
    assert verdicts == [Verdict.UNCHANGED, Verdict.UNCHANGED, Verdict.DUPLICATE]
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def rows_of(root: Path) -> dict[str, list[tuple]]:
    db = sqlite3.connect(root / "ledger.sqlite3")
    rows = {
        table: sorted(db.execute(f"SELECT * FROM {table}"), key=repr)
        for table in ("post", "carrier", "version")
    }
    db.close()
    return rows


def test_many_processes_make_the_ledger_that_one_makes(tmp_path, monkeypatch):
    met = [meet(f"第{n}篇。", guid=str(n), source=f"s{n % 3}") for n in range(40)]
    run(tmp_path, *met)
    run(tmp_path, *(meet(f"第{n}篇改。", guid=str(n), source="s0", hours=1) for n in (0, 6, 9)))
    paths = sorted((tmp_path / "posts").rglob("*.md"))
    paths[7].write_bytes(b"\xff\x00 no header")
    paths[20].write_bytes(paths[20].read_bytes()[:90])
    paths[21].write_bytes(b"")
    (paths[22].parent / "notes.md").write_text("x")
    made = []
    for alone in (1000, 0):
        monkeypatch.setattr(rebuild, "read_in_order", partial(workers.read_in_order, alone=alone))
        monkeypatch.setattr(workers, "BATCH", 8)
        (tmp_path / "ledger.sqlite3").unlink()
        with open_archive(tmp_path):
            pass
        made.append(rows_of(tmp_path))
    assert made[0] == made[1]
    assert [row[3] for row in sorted(made[0]["post"])] == [
        str(path.relative_to(tmp_path)) for path in paths
    ]
    assert len(made[0]["version"]) == 43


def test_only_unknown_files_are_adopted(tmp_path):
    run(tmp_path, *(meet(f"第{n}篇。", guid=str(n), source=f"s{n % 3}") for n in range(9)))
    paths = sorted((tmp_path / "posts").rglob("*.md"))
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    known = list(ledger.list_posts())
    with ledger.transaction():
        for path in (paths[0], paths[4], paths[8]):
            name = str(path.relative_to(tmp_path))
            ledger._run("DELETE FROM post WHERE path = ?", name)
        for path in (paths[1], paths[7]):
            path.unlink()
        assert adopt_files(tmp_path, ledger) == 3
    adopted = list(ledger.list_posts())
    ledger.close()
    assert [post.path for post in adopted] == [post.path for post in known]
    assert [n for n, post in enumerate(adopted) if post not in known] == [0, 4, 8]


def test_posts_carriers_and_old_versions_are_counted_by_source(tmp_path):
    run(tmp_path, meet("甲"), meet("乙", guid="2"), meet("甲", source="mirror", guid="m"))
    run(tmp_path, meet("甲改", hours=1), meet("丙", source="other"))
    ledger = Ledger(tmp_path / "ledger.sqlite3", read_only=True)
    day = int(meet().article.published.timestamp())
    assert ledger.count_by_source() == {"other": (1, 0, 0, day), "stcn": (2, 1, 1, day)}
    ledger.close()


def test_files_are_walked_in_the_order_of_their_paths(tmp_path):
    names = ["a/b/c.md", "a-b/c.md", "a.md", "a/b.md", "a/b-c/d.md", "b/a.md", "a/证.md", "a/b/.c"]
    for name in names:
        (tmp_path / "posts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "posts" / name).write_text("x")
    assert list(walk_files(tmp_path, "posts")) == sorted(f"posts/{name}" for name in names)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not a database" * 100),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE t (x)")),
    ],
    ids=["overwritten", "halved", "emptied", "foreign"],
)
def test_damaged_ledger_is_kept_aside_and_made_again(tmp_path, damage):
    run(tmp_path, *(meet(f"第{n}篇。", guid=str(n)) for n in range(30)))
    before = posts_of(tmp_path)
    damage(tmp_path / "ledger.sqlite3")
    assert set(run(tmp_path, *(meet(f"第{n}篇。", guid=str(n)) for n in range(30)))) == {
        Verdict.UNCHANGED
    }
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def test_posts_without_extra_keys_are_known_by_their_names(tmp_path):
    bare = partial(Archive, render=lambda article, zone: render_post(article, extra_keys=False))
    with bare(tmp_path) as archive:
        archive.commit([meet()])
    (tmp_path / "ledger.sqlite3").unlink()
    with bare(tmp_path) as archive:
        verdicts = [
            outcome.verdict for outcome in archive.commit([meet(), meet("改了。", hours=1)])
        ]
    assert verdicts == [Verdict.UNCHANGED, Verdict.UPDATED]
    assert len(posts_of(tmp_path)) == 2


@pytest.mark.parametrize("dialect", ["hexo", "hexo-seed"])
def test_bare_post_of_a_title_alone_is_known_when_the_ledger_is_lost(tmp_path, dialect):
    def render_bare(article, zone):
        return render_post(article, dialect=dialect, extra_keys=False)

    title = Article(title="早报", source="stcn", canonical_url="https://stcn.example/1")
    candidate = Candidate(normalize(title, body="html"), "Asia/Shanghai", MET)
    for verdict in (Verdict.NEW, Verdict.UNCHANGED, Verdict.UNCHANGED):
        with Archive(tmp_path, render_bare, read=partial(parse_post, bare_form="html")) as archive:
            (outcome,) = archive.commit([candidate])
        assert outcome.verdict is verdict
        if verdict is Verdict.NEW:
            (tmp_path / "ledger.sqlite3").unlink()
    assert len(posts_of(tmp_path)) == 1


def test_locked_ledger_is_named(tmp_path):
    run(tmp_path, meet())
    other = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"ledger\.sqlite3: locked by another program"):  # noqa: SIM117
        with open_archive(tmp_path, wait_s=0.2) as archive:
            archive.commit([meet("乙", guid="2")])
    other.close()
    assert len(posts_of(tmp_path)) == 1
    assert not list(tmp_path.glob(".run-*"))


def test_nothing_counts_as_seen_when_a_folder_cannot_be_made(tmp_path):
    (tmp_path / "posts").write_text("a file in the way")
    with open_archive(tmp_path) as archive:
        with pytest.raises(ArchiveError, match="posts"):
            archive.commit([meet()])
        (tmp_path / "posts").unlink()
        assert [o.verdict for o in archive.commit([meet()])] == [Verdict.NEW]


def test_no_symlink_is_followed_out_of_the_archive(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "archive"
    (root / "posts").mkdir(parents=True)
    (root / "posts" / "stcn").symlink_to(outside)
    with open_archive(root) as archive, pytest.raises(ArchiveError, match="leads out"):
        archive.commit([meet()])
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["posts", "revisions", "ledger.sqlite3", "ledger.sqlite3-wal"])
def test_links_in_the_archive_are_named_and_left_alone(tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("theirs")
    root = tmp_path / "archive"
    root.mkdir()
    (root / name).symlink_to(outside / "x" if "." in name else outside)
    with pytest.raises(ArchiveError, match=name):
        run_twice(root)
    assert [path.name for path in outside.iterdir()] == ["a.md"]


def test_links_in_place_of_temp_files_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    root = tmp_path / "archive"
    root.mkdir()
    (root / ".ledger.sqlite3-seal.tmp").symlink_to(outside)
    with open_archive(root) as archive:
        archive.commit([meet()])
    assert outside.read_text() == "theirs"
    report = RunReport(started_at=datetime(2026, 6, 4, tzinfo=UTC))
    folder = tmp_path / "reports"
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        write_report(folder, report)
    folder.unlink()
    folder.mkdir()
    (folder / "latest.json").symlink_to(outside)
    write_report(folder, report)
    assert outside.read_text() == "theirs"


def test_validators_are_kept_with_the_articles_before_them(tmp_path):
    validator = Validator("stcn", "http://a.example/feed", '"e"', None, b"d" * 32, 1)
    with open_archive(tmp_path) as archive:
        archive.commit([meet(), validator])
    with open_archive(tmp_path) as archive:
        assert archive.find_validator("stcn", "http://a.example/feed") == validator
        assert archive.find_validator("stcn", "http://a.example/other") is None


def test_an_article_in_two_lists_is_current_by_either_entry(tmp_path):
    identity = identify("stcn", guid="1", url=None, content=None)

    def commit(text: str, entry: bytes) -> None:
        with open_archive(tmp_path) as archive:
            archive.commit([replace(meet(text), entry=entry * 16)])

    def knows(entry: bytes) -> bool:
        with open_archive(tmp_path) as archive:
            return archive.is_current(identity, entry * 16)

    commit("甲", b"e")
    commit("甲", b"f")
    assert knows(b"e")
    assert knows(b"f")
    # A new text begins anew: what the other list says may be older than it.
    commit("乙", b"g")
    assert knows(b"g")
    assert not knows(b"e")


def test_known_page_is_current_until_its_entry_or_its_file_changes(tmp_path):
    candidate = meet()
    identity = identify("stcn", guid="1", url=None, content=None)
    with open_archive(tmp_path) as archive:
        archive.commit([candidate])
    with open_archive(tmp_path) as archive:
        assert archive.is_current(identity, b"e" * 16)
        assert not archive.is_current(identity, b"f" * 16)
        only_post(tmp_path).unlink()
        assert not archive.is_current(identity, b"e" * 16)


def test_file_is_healed_by_whoever_carries_its_text(tmp_path):
    run(tmp_path, meet("甲"), meet("甲", source="mirror", guid="m"))
    run(tmp_path, meet("乙", source="mirror", guid="m", hours=1))
    path = only_post(tmp_path)
    data = path.read_bytes()
    path.unlink()
    with open_archive(tmp_path) as archive:
        met = [meet("甲", hours=2), meet("乙", source="mirror", guid="m", hours=2)]
        assert [outcome.healed for outcome in archive.commit(met)] == [False, True]
    healed = parse_post(path.read_bytes()).article
    assert (healed.source, healed.guid, healed.body) == ("stcn", "1", "乙")
    assert healed.updated == parse_post(data).article.updated
    assert findings(tmp_path) == []


def test_carriers_at_two_versions_stay_so_when_the_ledger_is_lost(tmp_path):
    ours, mirror = meet("甲"), meet("甲", source="mirror", guid="m")
    run(tmp_path, ours, mirror, meet("乙", source="mirror", guid="m", hours=1))
    before = posts_of(tmp_path)
    for file in tmp_path.glob("ledger.sqlite3*"):
        file.unlink()
    met = [meet("甲", hours=2), meet("乙", source="mirror", guid="m", hours=2)]
    assert run(tmp_path, *met) == [Verdict.UNCHANGED, Verdict.DUPLICATE]
    assert posts_of(tmp_path) == before
    # From here on an edit is an edit again.
    assert run(tmp_path, meet("丙", hours=3)) == [Verdict.UPDATED]
    assert run(tmp_path, meet("甲", hours=4)) == [Verdict.UPDATED]


def test_revised_post_without_guid_and_address_is_consistent_after_a_rebuild(tmp_path):
    run(tmp_path, meet("甲", guid=None), meet("甲", source="mirror", guid="m"))
    run(tmp_path, meet("乙", source="mirror", guid="m", hours=1))
    with open_archive(tmp_path) as archive:
        assert archive.rebuild() == 1
    assert findings(tmp_path) == []


def test_changed_revision_is_named(tmp_path):
    run(tmp_path, meet("甲"))
    run(tmp_path, meet("乙", hours=1))
    (path,) = (tmp_path / "revisions").rglob("*.md")
    path.write_bytes(path.read_bytes().replace("甲".encode(), "丁".encode()))
    (path.parent / "notes.md").write_text("x")
    reasons = [line.partition(": ")[2].partition(":")[0] for line in findings(tmp_path)]
    assert sorted(reasons) == ["changed", "foreign"]


@pytest.mark.parametrize("edited", ["author: ", "date: ", "hash: "])
def test_revision_is_proved_byte_for_byte(tmp_path, edited):
    run(tmp_path, meet("甲"))
    run(tmp_path, meet("乙", hours=1))
    (path,) = (tmp_path / "revisions").rglob("*.md")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(f"\n{edited}".encode(), f"\n{edited}x".encode()))
    (finding,) = findings(tmp_path)
    assert finding == f"{path.relative_to(tmp_path)}: changed: not the bytes that were kept"
    with open_archive(tmp_path) as archive:
        archive.rebuild()  # title and text are all that can be proved now
    assert findings(tmp_path) == []


def test_revisions_of_a_removed_post_are_forgotten(tmp_path):
    run(tmp_path, meet("甲"))
    run(tmp_path, meet("乙", hours=1))
    path = str(only_post(tmp_path).relative_to(tmp_path))
    with open_archive(tmp_path) as archive:
        archive.remove([path])
        assert archive._ledger._rows("SELECT * FROM revision") == []
    assert findings(tmp_path) == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_bare_posts_are_read_in_the_form_they_were_written_in(tmp_path, form):
    def render_bare(article, zone):
        return render_post(article, extra_keys=False)

    bare = partial(Archive, render=render_bare, read=partial(parse_post, bare_form=form))
    body = "<p>*ST甲 与 *ST乙 <b>1.5%</b> &lt;p&gt;</p><ul><li>一_二_三</li></ul>"
    candidate = meet()
    article = normalize(replace(candidate.article, body=body, form="html"), body=form)
    candidate = replace(candidate, article=article)
    with bare(tmp_path) as archive:
        archive.commit([candidate])
    (tmp_path / "ledger.sqlite3").unlink()
    with bare(tmp_path) as archive:
        assert [o.verdict for o in archive.commit([candidate])] == [Verdict.UNCHANGED]


# ---------------------------------------------------------------- killed

CHILD = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from tests.test_archive import meet, open_archive
    root, at = Path(sys.argv[1]), int(sys.argv[2])
    count = 0
    def counted(function):
        def call(*args, **kwargs):
            global count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    with open_archive(root) as archive:
        for name in ("open", "write", "replace", "fsync", "close"):
            setattr(os, name, counted(getattr(os, name)))
        archive.commit([meet(f"第{n}篇。", guid=str(n), published=None) for n in range(3)])
        archive.commit([meet(f"第{n}篇改。", guid=str(n), hours=1, published=None) for n in range(3)])
    """
)


def test_killed_at_any_file_operation_a_rerun_heals(tmp_path):
    """A real process ended by SIGKILL before its n-th operation on a file, for a spread of n."""
    survived = 0
    for at in range(1, 110, 11):
        root = tmp_path / str(at)
        command = [sys.executable, "-c", CHILD, str(root), str(at)]
        code = subprocess.run(command, check=False, cwd=Path(__file__).parents[1]).returncode
        assert code in (0, -signal.SIGKILL)
        survived += code == 0
        for path in root.glob("posts/**/*.md"):  # old file or new file, never half
            assert parse_post(path.read_bytes()).article.body.endswith(("篇。", "篇改。"))
        edited = [meet(f"第{n}篇改。", guid=str(n), hours=30, published=None) for n in range(3)]
        run(root, *edited)
        bodies = posts_of(root)
        live = sorted(body for path, body in bodies.items() if path.startswith("posts/"))
        assert live == ["第0篇改。", "第1篇改。", "第2篇改。"]
        old = [body for path, body in bodies.items() if path.startswith("revisions/")]
        assert len(old) == len(set(old)) <= 3
        assert findings(root) == []
        assert not list(root.rglob(".*")), "temp files or markers left"
        assert set(run(root, *edited)) == {Verdict.UNCHANGED}
    assert 0 < survived < 9


def test_failed_write_leaves_no_temp_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "target").mkdir()
    with pytest.raises(ArchiveError, match="target"):
        GroupWriter(tmp_path, "t").write({"a/one": b"1", "a/target": b"2"})
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["one", "target"]


def test_update_keeps_what_the_candidate_does_not_say(tmp_path):
    first = meet("甲", canonical_url="https://a.example/1")
    second = meet("乙", canonical_url="https://a.example/1", hours=1)
    second = replace(second, article=replace(second.article, published=None))
    run(tmp_path, first)
    run(tmp_path, second)
    live = parse_post(only_post(tmp_path).read_bytes()).article
    assert live.published == first.article.published


# ---------------------------------------------------------------- a ledger that others touch


def many(count: int, *, hours=0):
    """Articles, of which every fifth has no date; half of them carried by a mirror too."""
    ours = [
        meet(f"第{n}篇。", guid=str(n), hours=hours, **({"published": None} if n % 5 == 0 else {}))
        for n in range(count)
    ]
    return ours + [
        meet(f"第{n}篇。", guid=f"m{n}", source="mirror", hours=hours) for n in range(0, count, 2)
    ]


def flip_bytes(path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("count", [1, 100])
def test_flipped_bytes_in_the_ledger_cost_no_known_article(tmp_path, count):
    """Also those that SQLite would not notice: inside an identity, inside a hash."""
    base = tmp_path / "base"
    run(base, *many(20))
    run(base, meet("第3篇改。", guid="3", hours=1))
    before = posts_of(base)
    for seed in range(6):
        root = tmp_path / str(seed)
        shutil.copytree(base, root)
        ledger = root / "ledger.sqlite3"
        found = ledger.stat()
        flip_bytes(ledger, count, seed)
        if seed % 2:  # a disk that forgets changes no time
            os.utime(ledger, ns=(found.st_atime_ns, found.st_mtime_ns))
        met = [*many(20, hours=50), meet("第3篇改。", guid="3", hours=50)]
        with open_archive(root) as archive:
            assert "not as the last crawl left it; kept as" in archive.warnings[0]
            verdicts = {o.verdict for o in archive.commit(met) if o.article.guid != "3"}
        assert verdicts <= {Verdict.UNCHANGED, Verdict.DUPLICATE}
        assert posts_of(root) == before
        assert findings(root) == []
        assert len(list(root.glob("ledger.sqlite3.damaged-*"))) == 1
        assert run(root, *many(3)) == [Verdict.UNCHANGED] * 5


def test_ledger_is_believed_after_reading_copying_and_running(tmp_path):
    root = tmp_path / "archive"
    run(root, *many(4))
    findings(root)  # reads it
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)  # with other file times
    for place in (root, copy, copy):
        with open_archive(place) as archive:
            assert archive.warnings == []


def test_ledger_without_a_seal_is_looked_through(tmp_path):
    run(tmp_path, *many(30))
    (tmp_path / "ledger.sqlite3-seal").unlink()
    with open_archive(tmp_path) as archive:
        assert archive.warnings == []
    (tmp_path / "ledger.sqlite3-seal").write_text("no seal")
    path = tmp_path / "ledger.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)
    with open_archive(tmp_path) as archive:
        assert "damaged" in archive.warnings[0]
    assert set(run(tmp_path, *many(30))) == {Verdict.UNCHANGED, Verdict.DUPLICATE}
    assert findings(tmp_path) == []


def test_ledger_that_was_never_filled_is_no_damage(tmp_path):
    (tmp_path / "ledger.sqlite3").write_bytes(b"")
    with open_archive(tmp_path) as archive:
        assert archive.warnings == []
    assert not list(tmp_path.glob("ledger.sqlite3.damaged-*"))
    assert run(tmp_path, meet("甲")) == [Verdict.NEW]


def damage_emptied(path: Path) -> None:
    path.write_bytes(b"")


def damage_schema(path: Path) -> None:
    """Puts bytes into the schema that SQLite names in its message, and Python cannot decode."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE validator", b"CREATE TABL\xe1 validator", 1))


def damage_column(path: Path) -> None:
    """Leaves a database that is sound for SQLite."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"  file_hash BLOB,", b"  fole_hash BLOB,", 1))


def damage_hash(path: Path) -> None:
    """Leaves tables that are sound, each for itself; as the next one does."""
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("UPDATE post SET hash = randomblob(32) WHERE id = 7")


def damage_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("DELETE FROM carrier WHERE post = 7")


DAMAGE = [damage_emptied, damage_schema, damage_column, damage_hash, damage_rows]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_without_a_seal_is_noticed_when_the_ledger_is_opened(tmp_path, damage):
    run(tmp_path, *many(30))
    run(tmp_path, meet("第0篇改了。", guid="0", hours=1))
    before = posts_of(tmp_path)
    (tmp_path / "ledger.sqlite3-seal").unlink()
    damage(tmp_path / "ledger.sqlite3")
    with open_archive(tmp_path) as archive:
        (warning,) = archive.warnings
        assert "made again from the posts" in warning
        archive.commit([*many(30), meet("第0篇。", guid="new")])
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def test_path_that_was_flipped_in_the_ledger_is_not_written_to(tmp_path):
    run(tmp_path, meet())
    before = posts_of(tmp_path)
    (tmp_path / "ledger.sqlite3-seal").unlink()
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(path.read_bytes().replace(b"posts/stcn/", b"posts/{tcn/"))
    with open_archive(tmp_path) as archive:
        archive.commit([meet(hours=1)])
        assert "damaged" in archive.warnings[0]
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def ruin(path: Path) -> None:
    """Overwrites the pages of a ledger that is in use, but for the first."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\x07" * (path.stat().st_size - 4096))
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)


@pytest.mark.parametrize("what", ["lost", "ruined", "replaced"])
def test_ledger_that_breaks_during_a_run_is_made_again_in_it(tmp_path, what):
    run(tmp_path, *many(40))
    before = posts_of(tmp_path)
    path = tmp_path / "ledger.sqlite3"
    identity = identify("stcn", guid="1", url=None, content=None)
    with open_archive(tmp_path) as archive, open_archive(tmp_path) as other:
        if what == "ruined":
            ruin(path)
        else:
            for file in tmp_path.glob("ledger.sqlite3*"):
                file.unlink()
        if what == "replaced":  # by another crawl, which noticed first
            other.commit([meet("新的。", guid="new")])
        archive.is_current(identity, b"e" * 16)
        assert archive.find_validator("stcn", "http://a.example/feed") is None
        met = [*many(40, hours=9), meet("新的。", guid="new", hours=9)]
        verdicts = [outcome.verdict for outcome in archive.commit(met)]
        assert verdicts.count(Verdict.NEW) == (what != "replaced")
        assert {Verdict.UPDATED} & set(verdicts) == set()
        assert archive.is_current(identity, b"e" * 16)
        assert other.commit(met)[-1].verdict is Verdict.UNCHANGED
    after = posts_of(tmp_path)
    assert len(after) == len(before) + 1
    assert findings(tmp_path) == []


def test_runs_that_failed_leave_their_marker_and_the_next_heals(tmp_path):
    """An undated article gets its date, and so its name, when it is met: written before the
    ledger failed, it must not be written again under another one."""
    run(tmp_path, meet("甲"))
    with open_archive(tmp_path) as archive:

        def fail(self, validator):
            raise LedgerError("no room")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "put_validator", fail)
            with pytest.raises(LedgerError, match="no room"):
                archive.commit(
                    [
                        meet("乙", guid="2", published=None, hours=1),
                        meet("甲改。", hours=1),
                        Validator("stcn", "http://a.example/feed", None, None, b"", 1),
                    ]
                )
    assert len(list(tmp_path.glob(".run-*"))) == 1
    with open_archive(tmp_path) as archive:
        assert "did not end well" in archive.warnings[0]
    # The edit and the new post are known, whether they are met again or not.
    assert findings(tmp_path) == []
    assert not list(tmp_path.glob(".run-*"))
    met = [meet("乙", guid="2", published=None, hours=90), meet("甲改。", hours=90)]
    assert run(tmp_path, *met) == [Verdict.UNCHANGED, Verdict.UNCHANGED]
    assert sorted(posts_of(tmp_path).values()) == ["乙", "甲", "甲改。"]


def test_archive_is_opened_by_one_at_a_time(tmp_path):
    run(tmp_path, meet())
    locked = pytest.raises(ArchiveError, match="locked by another crawl")
    with Door(tmp_path, Patience(0)).held(), locked:
        open_archive(tmp_path, wait_s=0.05)
    assert run(tmp_path, meet()) == [Verdict.UNCHANGED]


def test_temp_files_of_a_crawl_at_work_are_left_alone(tmp_path):
    run(tmp_path, meet())
    (tmp_path / ".run-dead").write_bytes(b"")
    folder = only_post(tmp_path).parent
    with open_archive(tmp_path) as archive:
        (alive,) = tmp_path.glob(".run-*")
        (folder / f".a.md.{alive.name.removeprefix('.run-')}-1.tmp").write_bytes(b"")
        (folder / ".b.md.dead-1.tmp").write_bytes(b"")
        (tmp_path / ".run-dead").write_bytes(b"")
        with open_archive(tmp_path):
            assert [p.name[:5] for p in folder.glob(".*.tmp")] == [".a.md"]
        archive.commit([meet()])


def test_run_that_comes_while_the_archive_is_proved_is_no_finding(tmp_path):
    """A proof takes minutes where there is much, a run seconds."""
    run(tmp_path, meet())
    with open_archive(tmp_path) as archive:
        archive.rebuild()  # so that its file is read
    run(tmp_path, meet("乙", guid="2", source="zz"))
    still = iter([[meet("丙", guid="3", source="zz"), meet("乙改。", guid="2", source="zz")]])

    def read(data: bytes) -> ParsedPost:
        run(tmp_path, *next(still, []))
        return parse_post(data)

    ledger = Ledger(tmp_path / "ledger.sqlite3", read_only=True)
    proof = verify(tmp_path, ledger, read)
    ledger.close()
    assert next(still, None) is None
    assert proof.findings == []


def test_temp_files_of_what_is_at_work_are_no_finding(tmp_path):
    run(tmp_path, meet())
    names = [".ledger.sqlite3-seal.tmp", "reports/.latest.json.1.tmp"]
    (tmp_path / "reports").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert [finding.partition(":")[0] for finding in findings(tmp_path)] == names
    with open_archive(tmp_path) as archive, (tmp_path / names[1]).open("rb") as report:
        fcntl.flock(report, fcntl.LOCK_EX)
        is_alive = partial(is_at_work, tmp_path)
        assert verify(tmp_path, archive._ledger, is_alive=is_alive).findings == []


# ---------------------------------------------------------------- one text, several carriers


def tellings() -> list[Candidate]:
    """The same text as four carriers tell it: other titles, quotation marks, credit lines."""
    told = [
        ("a", "沐川电子：拟收购“朔源”", "<p>公告称“属实”。</p><p>责任编辑：钟离玥</p>"),
        ("b", "沐川电子_拟收购_朔源_", "<p>公告称“属实”。</p>"),
        ("c", "沐川电子：拟收购「朔源」", "<p>公告称「属实」。</p>"),
        ("d", "沐川电子：拟收购“朔源”", "<p>公告称“属实”。</p><p>（文章来源：新华社）</p>"),
    ]
    met = [meet(title=title, source=source) for source, title, _ in told]
    return [
        replace(
            candidate,
            article=normalize(replace(candidate.article, body=body, form="html", hash=None)),
        )
        for candidate, (_, _, body) in zip(met, told, strict=True)
    ]


@pytest.mark.parametrize("at_once", [True, False], ids=["one-group", "one-by-one"])
def test_title_and_text_do_not_depend_on_who_came_first(tmp_path, at_once):
    seen = set()
    for number, order in enumerate(permutations(tellings())):
        root = tmp_path / str(number)
        groups = [order] if at_once else [[candidate] for candidate in order]
        with open_archive(root) as archive:
            verdicts = [o.verdict for group in groups for o in archive.commit(group)]
            again = {o.verdict for o in archive.commit(order)}
        assert verdicts == [Verdict.NEW] + [Verdict.DUPLICATE] * 3
        assert again == {Verdict.UNCHANGED}
        post = parse_post(only_post(root).read_bytes()).article
        assert post.source == order[0].article.source
        seen.add((post.title, post.body, post.hash))
        assert posts_of(root).keys() == {str(only_post(root).relative_to(root))}
        assert findings(root) == []
        for file in root.glob("ledger*"):
            file.unlink()
        before = only_post(root).read_bytes()
        run(root, *order)  # carriers are learned again
        assert only_post(root).read_bytes() == before
    ((title, body, _),) = seen
    assert title == "沐川电子：拟收购“朔源”"
    assert body.endswith(("（文章来源：新华社）", "责任编辑：钟离玥"))


def test_better_telling_whose_row_was_lost_is_known_to_the_next_run(tmp_path):
    better, worse, *_ = tellings()
    run(tmp_path, worse)
    with open_archive(tmp_path) as archive, pytest.MonkeyPatch.context() as patch:

        def fail(self, posts):
            raise LedgerError("no room")

        patch.setattr(Ledger, "put_posts", fail)
        with pytest.raises(LedgerError):
            archive.commit([better])
    assert run(tmp_path, worse, better) == [Verdict.UNCHANGED, Verdict.DUPLICATE]
    assert list(posts_of(tmp_path).values()) == [better.article.body]
    assert findings(tmp_path) == []
