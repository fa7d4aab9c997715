"""The archive: posts on disk, what is known about them, and the order that keeps both true.

On disk: temp file, sync, rename, sync of the folder, then the ledger row, then the feed's
validators (DESIGN 6). The files are the truth; the ledger is made again from them when it is
missing, damaged or not as it was left, and what a run that ended badly left behind is healed when
the archive is next opened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from crawler.archive.decide import (
    NEAR_MODES,
    NearMode,
    Verdict,
    identify_article,
    knows_entry,
)
from crawler.archive.files import GroupWriter, Stamp, archive_error, check_folder, stamp_of
from crawler.archive.group import Candidate, Group, Outcome, Renderer
from crawler.archive.ledger import Ledger, Validator
from crawler.archive.presence import Door, Marker, Patience, is_at_work
from crawler.archive.rebuild import Reader, adopt_files, has_posts
from crawler.archive.recover import adopt_edits, sweep_temps
from crawler.archive.rewrite import Convert, Rewriting, rewrite_posts, settle_rewrites
from crawler.archive.scratch import LEDGER, copied_state
from crawler.archive.seal import break_seal, is_as_left, put_seal
from crawler.archive.tombstones import (
    Removal,
    finish_removals,
    has_unfinished,
    remove_posts,
)
from crawler.errors import ArchiveError, DamagedLedgerError
from crawler.posts import parse_post
from crawler.schedule import SourceState, parse_state, render_state

__all__ = [
    "NEAR_MODES",
    "Archive",
    "Candidate",
    "Convert",
    "NearMode",
    "Outcome",
    "Patience",
    "Reader",
    "Renderer",
    "Validator",
    "Verdict",
    "identify_article",
    "is_at_work",
    "open_to_read",
    "read_states",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Archive:
    """An archive open for writing, one of any number at once. Raises ArchiveError.

    ``wait_s`` is how long others are waited for. ``commit`` may be called from another thread than
    the look-ups, each by one at a time. ``dry`` decides and writes as ever, but all of it in a
    temporary folder that is gone when the archive is closed: below ``root`` nothing changes.
    """

    def __init__(
        self,
        root: Path,
        render: Renderer,
        *,
        read: Reader = parse_post,
        near: NearMode = "report",
        wait_s: float | Patience = 90.0,
        dry: bool = False,
    ) -> None:
        self.root = root
        self.warnings: list[str] = []
        self._render = render
        self._read = read
        self._near = near
        self._patience = wait_s if isinstance(wait_s, Patience) else Patience(wait_s)
        self._end = contextlib.ExitStack()
        # Where ledger, markers and all that is written stand; posts are read from root too.
        self._home = self._end.enter_context(copied_state(root, self._patience)) if dry else root
        self._path = self._home / LEDGER
        self._door = Door(self._home, self._patience)
        # True while files and ledger may not agree: a run that ends so is looked after by the next.
        self._unsettled = False
        self._damage: DamagedLedgerError | None = None
        self._retired: list[Ledger] = []
        token = secrets.token_hex(4)
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise archive_error(error, str(root)) from error
        with self._door.held():
            self._marker = Marker(self._home, token)
            try:
                self._files = GroupWriter(self._home, token)
                self._open_ledger()
                if self._marker.others_died:
                    self._recover()
            except OSError as error:
                self._leave()
                raise archive_error(error, str(root)) from error
            except ArchiveError as error:
                self._leave()
                raise type(error)(self._name_root(str(error))) from error
            except BaseException:
                self._leave()
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
        """Ends the work. Raises ArchiveError when the marker of this run cannot be taken away."""
        with self._end:
            self._close()

    def _close(self) -> None:
        if self._unsettled or self._damage:
            self._close_ledgers()
            self._marker.abandon()
            return
        try:
            with self._door.held():
                self._close_ledgers()
                if self._marker.is_alone:
                    self._seal()
                self._marker.remove()
        except OSError as error:
            self._marker.abandon()
            raise archive_error(error, str(self.root)) from error
        except BaseException:
            self._close_ledgers()
            self._marker.abandon()
            raise

    def _leave(self) -> None:
        """Ends a run that could not begin."""
        if not self._unsettled:
            with contextlib.suppress(OSError):
                self._marker.remove()
        self._marker.abandon()
        self._end.close()

    def _close_ledgers(self) -> None:
        for ledger in (*self._retired, self._reader, self._ledger):
            ledger.close()

    def _seal(self) -> None:
        if self._path.exists() and not os.path.exists(f"{self._path}-wal"):
            put_seal(self._path)
        else:
            break_seal(self._path)  # somebody else reads it, and will change it when he closes

    # ------------------------------------------------------------ opening

    def _open_ledger(self) -> None:
        path = self._path
        for ending in ("", "-wal", "-shm", "-journal"):
            if os.path.islink(f"{path}{ending}"):
                raise ArchiveError(f"{path}{ending}: is a symbolic link")
        known = path.exists()
        try:
            if known and self._marker.is_alone and not self._marker.others_died:
                self._question_seal()
            self._enter_ledger(is_missing=not known)
        except DamagedLedgerError as error:
            self._put_aside(error)
            self._enter_ledger()

    def _enter_ledger(self, *, is_missing: bool = False) -> None:
        path = self._path
        self._ledger = Ledger(path, wait_s=self._patience)
        try:
            if self._ledger.is_new and has_posts(self.root):
                if is_missing:
                    self._warn(f"{path}: missing, made again from the posts")
                with self._settling():
                    self._finish_removals()
                    adopt_files(self.root, self._ledger, self._read)
            if self._ledger.is_new:
                self._unsettled = False
            self._finish()
            # Look-ups have a connection of their own: they never wait for a group being written.
            self._reader = Ledger(path, wait_s=self._patience)
        except DamagedLedgerError:
            self._ledger.close()
            raise
        self._file = _identify_inode(path)

    def _finish(self) -> None:
        """Does the rest of what a removal or a rewrite was killed in."""
        if has_unfinished(self.root, self._ledger):
            with self._settling():
                for path in self._finish_removals():
                    self._warn(
                        f"{self.root / path}: its removal is finished, as its tombstone says"
                    )
        if self._ledger.list_rewrites():
            with self._settling():
                settle_rewrites(self.root, self._ledger)

    def _finish_removals(self) -> list[str]:
        return finish_removals(self.root, self._ledger, keep_files=self._is_dry)

    def _question_seal(self) -> None:
        """Raises DamagedLedgerError when the ledger is not as the last crawl left it."""
        as_left = is_as_left(self._path)
        if as_left is False:
            raise DamagedLedgerError(f"{self._path}: not as the last crawl left it")
        if as_left is None:
            self._check_ledger()

    def _check_ledger(self) -> None:
        with contextlib.closing(Ledger(self._path, wait_s=self._patience)) as ledger:
            # No longer so, now that its tables are made. Where there is nothing to know, a run was
            # too short of room to make them.
            if ledger.is_new and has_posts(self.root):
                raise DamagedLedgerError(f"{self._path}: is empty")
            ledger.check()

    def _put_aside(self, error: DamagedLedgerError) -> None:
        path = self._path
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        while aside.exists():
            aside = aside.with_name(f"{aside.name}-{secrets.token_hex(2)}")
        self._warn(f"{error}; kept as {aside.name} and made again from the posts")
        self._unsettled = True
        try:
            break_seal(path)
            os.replace(path, aside)
            for ending in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{path}{ending}", f"{aside}{ending}")
        except OSError as failed:
            raise archive_error(failed, str(path)) from failed

    def _replace_ledger(self, error: DamagedLedgerError) -> None:
        """Puts the ledger aside in the middle of a run, and goes on with one made again."""
        self._retire()
        self._damage = None
        self._put_aside(error)
        self._open_ledger()

    def _follow(self) -> None:
        """Goes on with the ledger that is there now, should somebody have replaced or lost it."""
        if self._damage:
            self._replace_ledger(self._damage)
        elif _identify_inode(self._path) != self._file:
            self._retire()
            self._open_ledger()

    def _retire(self) -> None:
        self._ledger.close()
        self._retired.append(self._reader)  # somebody may be reading from it

    def _recover(self) -> None:
        """Heals what a run left that ended badly: temp files go, files get their ledger rows."""
        self._warn(f"{self.root}: an earlier run did not end well; checking what it left")
        try:
            self._ledger.check()
        except DamagedLedgerError as error:
            self._replace_ledger(error)
        with self._settling():
            sweep_temps(self._home, self._marker.is_alive)
            adopt_files(self.root, self._ledger, self._read)
            adopt_edits(self.root, self._ledger, self._read)
        self._marker.bury()

    @contextmanager
    def _settling(self) -> Iterator[None]:
        """Holds the ledger's write lock; left by an error, the archive is unsettled."""
        with self._ledger.transaction():
            before, self._unsettled = self._unsettled, True
            yield
        self._unsettled = before

    @property
    def _is_dry(self) -> bool:
        return self._home is not self.root

    def _name_root(self, message: str) -> str:
        """Lets a message of a dry run name the archive and not its copy."""
        return message.replace(str(self._home), str(self.root))

    def _locate(self, path: str) -> str:
        """Gives a file's full path; in a dry run that of what it has written, where it has."""
        if self._is_dry and os.path.lexists(written := f"{self._home}/{path}"):
            return written
        return f"{self.root}/{path}"

    def _warn(self, message: str) -> None:
        if self._is_dry:
            message = f"dry run, in a copy only: {self._name_root(message)}"
        self.warnings.append(message)
        logger.warning(message)

    # ------------------------------------------------------------ looking up

    def is_current(self, identity: bytes, entry: bytes) -> bool:
        """Tells whether an article's page need not be fetched again: it came with this very entry
        last, and its post stands there as it was written."""
        found = self._look_up(lambda ledger: ledger.find_carrier(identity))
        if found is None or not knows_entry(found[0].entry, entry):
            return False
        post = found[1]
        return stamp_of(self._locate(post.path)) == Stamp(post.size, post.mtime_ns)

    def is_removed(self, identity: bytes) -> bool:
        """Tells whether an article was taken out: it is not written, nor its page asked for."""
        found = self._look_up(lambda ledger: ledger.find_tombstone(identity, identity[:6]))
        return found is not None

    def find_validator(self, source: str, url: str) -> Validator | None:
        return self._look_up(lambda ledger: ledger.find_validator(source, url))

    def find_state(self, source: str) -> SourceState:
        """Gives what the last runs told of a source."""
        return parse_state(self._look_up(lambda ledger: ledger.find_note(f"source {source}")))

    def _look_up(self, find: Callable[[Ledger], T | None]) -> T | None:
        """Finds nothing in a damaged ledger, which the next group will be the one to replace."""
        try:
            return find(self._reader)
        except DamagedLedgerError as error:
            self._damage = error
            return None

    # ------------------------------------------------------------ writing

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """Gives the ledger for writing, with every other process kept out. Whatever changes files
        or ledger does it in here; when it is left by an error, the next run checks the archive."""
        try:
            with self._door.held():
                self._follow()
                with self._settling():
                    yield self._ledger
        except OSError as error:
            raise archive_error(error, str(self.root)) from error

    def put_states(self, states: Mapping[str, SourceState]) -> None:
        with self.transaction() as ledger:
            for source, state in states.items():
                ledger.put_note(f"source {source}", render_state(state))

    def note_form(self, dialect: str, body: str, *, warn: bool = True) -> None:
        """Notes how posts are written from now on; warns when older ones are written otherwise."""
        form = f"{dialect}, {body}"
        with self.transaction() as ledger:
            before = ledger.find_note("form")
            if before != form:
                ledger.put_note("form", form)
        if warn and before not in (None, form):
            self._warn(f"posts are written as {form} from now on; older ones stay {before}")

    def find_written(self, path: str) -> bytes | None:
        """Gives a post as this dry run has written it; None where it has not."""
        try:
            return (self._home / path).read_bytes() if self._is_dry else None
        except FileNotFoundError:
            return None

    def rebuild(self) -> int:
        """Makes the ledger again from the files alone; gives the number of posts."""
        with self.transaction() as ledger:
            ledger.forget_all()
            finish_removals(self.root, ledger)
            return adopt_files(self.root, ledger, self._read)

    def rewrite(self, convert: Convert) -> Rewriting:
        """Writes every healthy post anew as ``convert`` gives it; its text stays the same."""
        with self.transaction() as ledger:
            adopt_files(self.root, ledger, self._read)
        return rewrite_posts(self.root, self.transaction, self._files, convert, self._read)

    def remove(self, targets: Iterable[str], *, reason: str = "") -> Removal:
        """Takes posts out for good, with their revisions, each named by its path or by an address
        of any of its carriers; their tombstones keep every crawl from bringing them back."""
        with self.transaction() as ledger:
            return remove_posts(self.root, ledger, self._files, targets, self._read, reason=reason)

    def commit(self, batch: Sequence[Candidate | Validator]) -> list[Outcome]:
        """Decides about every candidate, in order, and makes the result durable as one group.

        Validators are noted after the articles that stand before them. When it raises, nothing
        of the group counts as seen. A ledger that turns out to be damaged is replaced once.
        """
        try:
            return self._commit(batch)
        except DamagedLedgerError as error:
            self._damage = error
            return self._commit(batch)

    def _commit(self, batch: Sequence[Candidate | Validator]) -> list[Outcome]:
        with self.transaction() as ledger:
            group = Group(self._locate, ledger, self._render, self._read, self._near)
            outcomes = [
                group.place(member) for member in batch if not isinstance(member, Validator)
            ]
            if self._is_dry:
                root = os.path.realpath(self.root)
                for folder in {outcome.path.rpartition("/")[0] for outcome in outcomes}:
                    check_folder(root, folder)
            group.write(self._files)
            for member in batch:
                if isinstance(member, Validator):
                    ledger.put_validator(member)
        return outcomes


def open_to_read(root: Path) -> Ledger:
    """Gives the ledger of an archive, to be read only. Raises ArchiveError where there is none."""
    if not root.is_dir():
        raise ArchiveError(f"{root}: no archive there")
    path = root / LEDGER
    if not path.is_file():
        raise ArchiveError(f"{path}: no ledger there; scrapy archive rebuild makes it again")
    return Ledger(path, read_only=True)


def read_states(root: Path, sources: Iterable[str], *, dry: bool = False) -> dict[str, SourceState]:
    """Gives what the last runs told of these sources, of those that had one; changes nothing.

    Raises LedgerError. ``dry`` leaves no file of SQLite's beside the ledger.
    """
    with copied_state(root, Patience(90.0)) if dry else contextlib.nullcontext(root) as folder:
        path = folder / LEDGER
        if not path.is_file():
            return {}
        with contextlib.closing(Ledger(path, read_only=True)) as ledger:
            notes = {source: ledger.find_note(f"source {source}") for source in sources}
    return {source: parse_state(note) for source, note in notes.items() if note}


def _identify_inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
