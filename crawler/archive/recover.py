"""What a run that ended badly left behind, put in order: temp files, rows, half-told edits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from crawler.archive.decide import name_revisions
from crawler.archive.files import Stamp, is_temp, stamp_of, walk_files
from crawler.archive.ledger import ClauseRow, Ledger, PostRow
from crawler.archive.rebuild import Reader, read_file
from crawler.archive.tombstones import FOLDER
from crawler.clauses import sign
from crawler.fingerprint import content_hash


def sweep_temps(root: Path, is_alive: Callable[[str], bool]) -> None:
    """Removes the temp files of runs that are not at work any more."""
    for folder in ("posts", "revisions", FOLDER):
        for name in walk_files(root, folder):
            if is_temp(name) and not is_alive(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(root / name)


def adopt_edits(root: Path, ledger: Ledger, read: Reader) -> int:
    """Tells the ledger of edits whose files stand there, but not its row; gives how many.

    Such a file agrees with the hash in its header, and the version that the row tells of is among
    its revisions or is this very one, told better by another carrier. Whatever else differs was
    changed by hand and is left to verify and to healing.
    """
    rows: list[PostRow] = []
    dropped: list[ClauseRow] = []
    added: list[ClauseRow] = []
    for row in ledger.list_posts():
        stamp = stamp_of(f"{root}/{row.path}")
        if stamp is None or stamp == Stamp(row.size, row.mtime_ns):
            continue
        if os.path.islink(root / row.path):
            continue
        data, _ = read_file(root / row.path)
        article = read(data).article
        digest = content_hash(article)
        content = bytes.fromhex(digest.removeprefix("sha256:"))
        if article.hash != digest:
            continue
        kept = f"-{row.hash.hex()[:12]}"
        old = [name for name in walk_files(root, name_revisions(row.path)) if kept in name]
        if content != row.hash and not old:
            continue
        # Near-duplicates are found by the text that is live now.
        for name in old:
            dropped += row.list_clauses(sign(read(read_file(root / name)[0]).article).sample())
        row.title, row.hash, row.file_hash = article.title, content, sha256(data).digest()
        row.size, row.mtime_ns = stamp.size, stamp.mtime_ns
        row.published_at = int(article.published.timestamp()) if article.published else None
        if article.updated:
            row.written_at = int(article.updated.timestamp())
        rows.append(row)
        added += row.list_clauses(sign(article).sample())
    ledger.put_posts(rows)
    ledger.drop_clauses(dropped)
    ledger.add_clauses(added)
    ledger.note_changes(row.id for row in rows)
    ledger.add_versions((row.hash, row.id) for row in rows)
    return len(rows)
