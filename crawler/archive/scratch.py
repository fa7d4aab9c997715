"""A dry run's place to write: a folder that begins with a copy of how the archive stands.

The ledger is copied whole (of a million articles 600 MB), since a reader of the ledger itself
would leave files beside it, or hold up those who write. Posts are not copied.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from crawler.archive.files import archive_error
from crawler.archive.presence import Door, Patience, is_locked
from crawler.archive.seal import put_seal, seal_path
from crawler.errors import ArchiveError

LEDGER = "ledger.sqlite3"


@contextmanager
def copied_state(root: Path, patience: Patience) -> Iterator[Path]:
    """Gives a temporary folder with the archive's ledger, its seal, and the markers of runs that
    ended badly: an archive opened there finds out by itself what is the matter with the other.

    Nothing below ``root`` is written. Raises ArchiveError.
    """
    with TemporaryDirectory(prefix="news-dry-run-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        if root.exists():
            # Whoever changes the ledger does it behind the door.
            with Door(root, patience).held():
                try:
                    _copy(root, scratch)
                except OSError as error:
                    raise archive_error(error, str(root)) from error
        yield scratch


def _copy(root: Path, scratch: Path) -> None:
    ledger = root / LEDGER
    for ending in ("", "-wal", "-journal"):
        path = ledger.with_name(LEDGER + ending)
        if path.is_symlink():
            raise ArchiveError(f"{path}: is a symbolic link")
        if path.exists():
            _copy_file(path, scratch)
    others_work = False
    for marker in root.glob(".run-*"):
        if is_locked(marker):
            others_work = True
        else:
            (scratch / marker.name).touch()
    if not others_work:
        if seal_path(ledger).exists():
            _copy_file(seal_path(ledger), scratch)
    elif ledger.exists():
        # While others are at work the seal says nothing: what they write is believed.
        put_seal(scratch / LEDGER)


def _copy_file(path: Path, folder: Path) -> None:
    """Copies bytes and times; the copy may be written though the file itself may not."""
    copy = shutil.copyfile(path, folder / path.name)
    found = path.stat()
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
