"""Who is at work on an archive: one at a time where it matters, and who died on the way."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from crawler.archive.files import archive_error, sync_folder
from crawler.errors import ArchiveError


class Patience:
    """How long to wait for others, in seconds.

    ``wait_s`` may be made shorter while somebody waits, by another thread or a signal's handler.
    """

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    def tries(self) -> Iterator[None]:
        """Yields once for every try, until the time is over; at least once."""
        started = monotonic()
        while True:
            yield
            if monotonic() - started >= self.wait_s:
                return
            sleep(0.01)


class Door:
    """The lock on an archive's folder: whoever opens, closes, commits or replaces the ledger.

    The ledger's own lock cannot do this, because the ledger may be put aside and made again. The
    folder itself is what is locked, so there is no file that could be lost or left behind.
    """

    def __init__(self, root: Path, patience: Patience) -> None:
        self._root = root
        self._patience = patience

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises ArchiveError when others hold it for longer than the patience lasts."""
        try:
            fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise archive_error(error, str(self._root)) from error
        try:
            self._take(fd)
            yield
        finally:
            os.close(fd)

    def _take(self, fd: int) -> None:
        for _ in self._patience.tries():
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError as error:
                raise archive_error(error, str(self._root)) from error
            return
        raise ArchiveError(f"{self._root}: locked by another crawl")


class Marker:
    """A locked file that says "a run is at work"; an unlocked one says that a run ended badly.

    To be made, asked and removed while the door is held; ``is_alive`` and ``abandon`` need not.
    """

    def __init__(self, root: Path, token: str) -> None:
        self._root = root
        self._token = token
        self._path = root / f".run-{token}"
        self._dead: list[Path] = []
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._dead = [path for path in self._list_others() if not is_locked(path)]
            # A power cut must not take the marker back and leave what the run did.
            sync_folder(str(root))
        except OSError as error:
            raise archive_error(error, str(self._path)) from error

    def _list_others(self) -> list[Path]:
        return [path for path in self._root.glob(".run-*") if path != self._path]

    @property
    def others_died(self) -> bool:
        return any(path.exists() for path in self._dead)

    @property
    def is_alone(self) -> bool:
        """Tells whether no other run is at work now."""
        return not any(is_locked(path) for path in self._list_others())

    def is_alive(self, temp: str) -> bool:
        """Tells whether a temp file belongs to a run that is still at work."""
        return f".{self._token}-" in temp or is_at_work(self._root, temp)

    def bury(self) -> None:
        """Forgets the runs that ended badly: what they left is healed."""
        for path in self._dead:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Leaves the marker behind, for the next run to see that this one ended badly."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


def is_at_work(root: Path, name: str) -> bool:
    """Tells whether a temp file, or a run's marker, belongs to a run that is still at work."""
    base = name.rpartition("/")[2]
    token = base.removeprefix(".run-")
    if token == base:
        token = base.removesuffix(".tmp").rpartition(".")[2].partition("-")[0]
    return is_locked(root / f".run-{token}")


def is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
