"""The archive: posts on disk, what is known about them, and the order that keeps both true.

On disk: temp file, sync, rename, sync of the folder, then the ledger row, then the feed's
validators (DESIGN 6). The files are the truth; the ledger is made again from them when it is
missing or damaged, and what a killed run left behind is healed when the archive is next opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from crawler.archive.decide import NEAR_MODES, NearMode, Verdict, identify_article
from crawler.archive.files import GroupWriter, Stamp, archive_error, is_temp, stamp_of, walk_files
from crawler.archive.group import Candidate, Group, Outcome, Renderer
from crawler.archive.ledger import Ledger, Validator
from crawler.archive.rebuild import Reader, adopt_files, has_posts
from crawler.errors import ArchiveError, DamagedLedgerError
from crawler.posts import parse_post
from crawler.schedule import SourceState, parse_state, render_state

__all__ = [
    "NEAR_MODES",
    "Archive",
    "Candidate",
    "NearMode",
    "Outcome",
    "Reader",
    "Renderer",
    "Validator",
    "Verdict",
    "identify_article",
    "read_states",
]

logger = logging.getLogger(__name__)


class Archive:
    """An archive open for writing, one of any number at once. Raises ArchiveError.

    ``commit`` may be called from another thread than the look-ups, each by one at a time.
    """

    def __init__(
        self,
        root: Path,
        render: Renderer,
        *,
        read: Reader = parse_post,
        near: NearMode = "report",
        wait_s: float = 90.0,
    ) -> None:
        self.root = root
        self.warnings: list[str] = []
        self._render = render
        self._read = read
        self._near = near
        self._wait_s = wait_s
        self._token = secrets.token_hex(4)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise archive_error(error, str(root)) from error
        self._marker = _Marker(root, self._token)
        try:
            self._files = GroupWriter(root, self._token)
            self._ledger = self._open_ledger()
            if self._marker.others_died:
                self._recover()
            # Look-ups have a connection of their own: they never wait for a group being written.
            self._reader = Ledger(self._ledger.path, wait_s=wait_s)
        except BaseException:
            self._marker.remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._ledger.close()
        self._marker.remove()

    # ------------------------------------------------------------ opening

    def _open_ledger(self) -> Ledger:
        path = self.root / "ledger.sqlite3"
        try:
            if path.is_symlink():
                raise ArchiveError(f"{path}: is a symbolic link")
            known = path.exists()
            ledger = Ledger(path, wait_s=self._wait_s)
        except DamagedLedgerError as error:
            self._put_aside(path, error)
            known = False
            ledger = Ledger(path, wait_s=self._wait_s)
        if not known and has_posts(self.root):
            self._warn(f"{path}: missing, made again from the posts")
            with ledger.transaction():
                adopt_files(self.root, ledger, self._read)
        return ledger

    def _put_aside(self, path: Path, error: DamagedLedgerError) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = path.with_name(f"{path.name}.damaged-{stamp}")
        self._warn(f"{error}; kept as {aside.name}")
        try:
            os.replace(path, aside)
            for ending in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{path}{ending}")
        except OSError as failed:
            raise archive_error(failed, str(path)) from failed

    def _recover(self) -> None:
        """Heals what a killed run left: temp files go, finished files get their ledger rows."""
        self._warn(f"{self.root}: an earlier run was killed; checking what it left")
        with self._ledger.transaction():
            for folder in ("posts", "revisions"):
                for name in walk_files(self.root, folder):
                    if is_temp(name) and not self._marker.is_alive(name):
                        with contextlib.suppress(FileNotFoundError):
                            os.unlink(self.root / name)
            adopt_files(self.root, self._ledger, self._read)
        self._marker.bury()

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        logger.warning(message)

    # ------------------------------------------------------------ looking up

    def is_current(self, identity: bytes, entry: bytes) -> bool:
        """Tells whether an article's page need not be fetched again: it came with this very entry
        last, and its post stands there as it was written."""
        found = self._reader.find_carrier(identity)
        if found is None or found[0].entry != entry:
            return False
        post = found[1]
        return stamp_of(f"{self.root}/{post.path}") == Stamp(post.size, post.mtime_ns)

    def find_validator(self, source: str, url: str) -> Validator | None:
        return self._reader.find_validator(source, url)

    def find_state(self, source: str) -> SourceState:
        """Gives what the last runs told of a source."""
        return parse_state(self._reader.find_note(f"source {source}"))

    # ------------------------------------------------------------ writing

    def put_states(self, states: Mapping[str, SourceState]) -> None:
        with self._ledger.transaction():
            for source, state in states.items():
                self._ledger.put_note(f"source {source}", render_state(state))

    def note_form(self, dialect: str, body: str) -> None:
        """Notes how posts are written from now on; warns when older ones are written otherwise."""
        form = f"{dialect}, {body}"
        with self._ledger.transaction():
            before = self._ledger.find_note("form")
            self._ledger.put_note("form", form)
        if before not in (None, form):
            self._warn(f"posts are written as {form} from now on; older ones stay {before}")

    def rebuild(self) -> int:
        """Makes the ledger again from the files alone; gives the number of posts."""
        with self._ledger.transaction():
            self._ledger.forget_all()
            return adopt_files(self.root, self._ledger, self._read)

    def commit(self, batch: Sequence[Candidate | Validator]) -> list[Outcome]:
        """Decides about every candidate, in order, and makes the result durable as one group.

        Validators are noted after the articles that stand before them. When it raises, nothing
        of the group counts as seen.
        """
        with self._ledger.transaction():
            group = Group(self.root, self._ledger, self._render, self._read, self._near)
            outcomes = [
                group.place(member) for member in batch if not isinstance(member, Validator)
            ]
            group.write(self._files)
            for member in batch:
                if isinstance(member, Validator):
                    self._ledger.put_validator(member)
        return outcomes


def read_states(root: Path, sources: Iterable[str]) -> dict[str, SourceState]:
    """Gives what the last runs told of these sources, of those that had one; writes nothing.

    Raises LedgerError.
    """
    path = root / "ledger.sqlite3"
    if not path.is_file():
        return {}
    ledger = Ledger(path, read_only=True)
    try:
        notes = {source: ledger.find_note(f"source {source}") for source in sources}
    finally:
        ledger.close()
    return {source: parse_state(note) for source, note in notes.items() if note}


class _Marker:
    """A locked file that says "a run is at work"; an unlocked one says that a run was killed."""

    def __init__(self, root: Path, token: str) -> None:
        self._root = root
        self._path = root / f".run-{token}"
        self._dead: list[Path] = []
        self._alive: set[str] = set()
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            for path in self._list_others():
                token = path.name.removeprefix(".run-")
                if _is_locked(path):
                    self._alive.add(token)
                else:
                    self._dead.append(path)
        except OSError as error:
            raise archive_error(error, str(self._path)) from error
        self._alive.add(self._path.name.removeprefix(".run-"))

    def _list_others(self) -> Iterable[Path]:
        return [path for path in self._root.glob(".run-*") if path != self._path]

    @property
    def others_died(self) -> bool:
        return bool(self._dead)

    def is_alive(self, temp: str) -> bool:
        """Tells whether a temp file belongs to a run that is still at work."""
        token = temp.removesuffix(".tmp").rpartition(".")[2].partition("-")[0]
        return token in self._alive or _is_locked(self._root / f".run-{token}")

    def bury(self) -> None:
        for path in self._dead:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


def _is_locked(path: Path) -> bool:
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
