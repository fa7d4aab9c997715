"""What an archive holds, in figures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.archive.files import walk_files
from crawler.archive.ledger import Ledger


@dataclass(slots=True)
class Status:
    """Counts of an archive. ``by_source`` has posts, other carriers, old versions, newest date
    (seconds UTC); ``by_month`` has (source, ``YYYY/MM``) to posts. ``last_run`` is the report of
    the last run, None when there is none to be read."""

    by_source: dict[str, tuple[int, int, int, int | None]]
    by_month: Counter[tuple[str, str]]
    revisions: int
    removed: int
    post_bytes: int
    revision_bytes: int
    ledger_bytes: int
    last_run: dict[str, Any] | None


def read_status(root: Path, ledger: Ledger) -> Status:
    by_month = Counter({(source, month): n for source, month, n in ledger.count_by_month()})
    post_bytes, _ = _measure(root, "posts")
    revision_bytes, revisions = _measure(root, "revisions")
    return Status(
        by_source=ledger.count_by_source(),
        by_month=by_month,
        revisions=revisions,
        removed=len(ledger.list_removed()),
        post_bytes=post_bytes,
        revision_bytes=revision_bytes,
        ledger_bytes=ledger.path.stat().st_size,
        last_run=_read_report(root / "reports" / "latest.json"),
    )


def _measure(root: Path, folder: str) -> tuple[int, int]:
    """Gives the bytes and the number of the files below a folder."""
    size = count = 0
    for name in walk_files(root, folder):
        try:
            size += (root / name).lstat().st_size
        except FileNotFoundError:  # a crawl is at work
            continue
        count += 1
    return size, count


def _read_report(path: Path) -> dict[str, Any] | None:
    try:
        report = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None
