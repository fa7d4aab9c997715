#!/usr/bin/env python3
"""Keeps a folder of plain text files that follows a news archive: an example to start from.

    python3 deploy/follow.py FOLDER scrapy archive export -s NEWS_ARCHIVE=/var/lib/news/archive

Runs the export with ``--since`` the last cursor that was dealt with and applies what it prints:
one text file for every post, by its path. Needs the standard library only. Run it as often as you
like, one at a time.

It can be killed at any point. A record is applied first, and its cursor kept after; applying one
twice changes nothing. After a "reset" (the archive's ledger was made again) everything comes once
more, and what did not come is dropped at the end. Until then the old cursor stays, so that a run
that was cut short, or in which the export had to leave posts out, begins with the reset again.

Exit status: that of the export; 1 also when its output was cut.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CURSOR = "cursor"  # the file that keeps it
KEEP_EVERY = 100  # records; so many at most are applied again after a crash


class Follower:
    """A folder of texts. ``seen`` has what came since a reset, None without one; ``pending`` is the
    cursor to be kept next, ``folders`` those that changed since the last one was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[Path] | None = None
        self.pending: str | None = None
        self.folders: set[Path] = set()

    @property
    def cursor(self) -> str:
        """What was kept last, "" at the beginning."""
        try:
            return (self.folder / CURSOR).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def apply(self, record: dict[str, Any]) -> None:
        """Makes the folder what a record says. This is the part to write anew for other uses."""
        if record["event"] == "reset":
            self.seen = set()
            return
        path = self.place(record["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        self.folders.add(path.parent)
        if record["event"] == "removed":
            path.unlink(missing_ok=True)
        elif record["event"] == "post":
            write(path, f"{record['title']}\n{record['published']}\n\n{record['body']}\n")
            if self.seen is not None:
                self.seen.add(path)

    def place(self, path: str) -> Path:
        """Gives the file for a post; refuses a path that would lead out of the folder."""
        parts = Path(path).parts
        if parts[0] != "posts" or ".." in parts:
            raise ValueError(f"{path}: not the path of a post")
        return self.folder.joinpath(*parts).with_suffix(".txt")

    def follow(self, lines: Iterable[bytes]) -> bool:
        """Applies the records that come; False when the last one was cut."""
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return False
            record = json.loads(line)
            self.apply(record)
            self.pending = record["cursor"]
            if number % KEEP_EVERY == 0 and self.seen is None:
                self.keep_cursor()
        return True

    def finish(self, *, complete: bool) -> None:
        """Keeps the last cursor; after a reset only when everything came, and drops the rest."""
        if self.seen is not None:
            if not complete:
                return
            for path in (self.folder / "posts").rglob("*.txt"):
                if path not in self.seen:
                    path.unlink()
                    self.folders.add(path.parent)
        self.keep_cursor()

    def keep_cursor(self) -> None:
        if self.pending is not None:
            # What was applied is on the disk before its cursor.
            while self.folders:
                sync(self.folders.pop())
            write(self.folder / CURSOR, self.pending + "\n")
            sync(self.folder)


def write(path: Path, text: str) -> None:
    """Gives a file its new content whole or not at all."""
    temp = path.with_name(f".{path.name}.tmp")
    with temp.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)


def sync(folder: Path) -> None:
    """Makes the names in a folder last."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print("usage: follow.py FOLDER COMMAND...", file=sys.stderr)
        return 2
    follower = Follower(Path(arguments[0]))
    follower.folder.mkdir(parents=True, exist_ok=True)
    cursor = follower.cursor
    since = ["--since", cursor] if cursor else []
    with subprocess.Popen([*arguments[1:], *since], stdout=subprocess.PIPE) as export:
        assert export.stdout is not None
        whole = follower.follow(export.stdout)
    status = export.returncode
    follower.finish(complete=whole and status == 0)
    return (status if status > 0 else 1) if status or not whole else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
