"""What changed in the archive, in order, for those who follow it.

Every post has one place in the order of changes: that of its last one. A cursor names a place and
the generation of the order; a ledger that was made again begins a new one, since it cannot know
what a follower has, and says so by a record of its own.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from crawler.archive.files import archive_error
from crawler.archive.ledger import Carrier, Ledger, PostRow, RemovedRow
from crawler.archive.rebuild import Reader, read_file
from crawler.archive.rewrite import read_as_written
from crawler.article import Article
from crawler.errors import ArchiveError, LedgerError
from crawler.fingerprint import content_hash

COLUMNS = (
    "event cursor path source title section label channel published updated byline origin "
    "canonical_url guid image images dated partial form hash body carriers removed_at reason"
).split()

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = re.compile(r"[=+\-@\t\r']")
_CURSOR = re.compile(r"([0-9a-f]{12})-([0-9]{1,18})")
_PAGE = 500

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of changes. Its text form is what records carry."""

    generation: str
    number: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.number}"

    @staticmethod
    def is_one(text: str) -> bool:
        return _CURSOR.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises ValueError when the text is no cursor."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return cls(match[1], int(match[2]))


@dataclass(slots=True)
class PostReader:
    """Reads posts for others to have. ``left_out`` has path and reason of those whose files are not
    what the ledger knows."""

    root: Path
    ledger: Ledger
    read: Reader
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def read_article(self, post: PostRow, carriers: list[Carrier]) -> Article | None:
        """Gives the post's article; None where it cannot be given (which is noted) or changes right
        now, so that it comes again later."""
        data, reason = _read_post(self.root, post, self.read)
        if reason:
            with (
                contextlib.suppress(LedgerError),  # which may be there to be read only
                contextlib.closing(Ledger(self.ledger.path)) as current,
                current.transaction(),
            ):
                # No crawl is between its files and the ledger now.
                found = current.find_posts([post.id])
                if not found or found[0] != post:
                    return None
                data, reason = _read_post(self.root, post, self.read)
        if reason:
            self.left_out.append((post.path, reason))
            return None
        return read_as_written(data, post, carriers, self.read)


@dataclass(slots=True)
class Export:
    """A walk along the changes. ``count`` is that of the records given."""

    posts: PostReader
    source: str | None = None
    count: int = 0

    def list_records(self, since: Cursor | None = None) -> Iterator[Record]:
        """Yields a record for every post that changed after the cursor, oldest change first; a
        record that says ``reset`` first where the cursor is of another generation."""
        ledger = self.posts.ledger
        generation = ledger.generation
        last = ledger.last_change()
        # A power cut may take back what is not synced: no cursor is given out before it stands.
        _sync_ledger(ledger.path)
        after = 0
        if since and (since.generation != generation or since.number > last):
            self.count += 1
            yield {"event": "reset", "cursor": str(Cursor(generation, 0)), "reset": True}
        elif since:
            after = since.number
        while changes := ledger.list_changes(after, last, _PAGE):
            after = changes[-1].number
            carriers = ledger.list_carriers(
                change.what.id for change in changes if isinstance(change.what, PostRow)
            )
            for change in changes:
                what = change.what
                if self.source is not None and what.source != self.source:
                    continue
                cursor = str(Cursor(generation, change.number))
                if isinstance(what, RemovedRow):
                    record: Record | None = _say_removed(what, cursor)
                else:
                    record = self._say_post(what, carriers[what.id], cursor)
                if record:
                    self.count += 1
                    yield record

    def _say_post(self, post: PostRow, carriers: list[Carrier], cursor: str) -> Record | None:
        """Gives the post's record; None where there is none for now."""
        article = self.posts.read_article(post, carriers)
        if article is None:
            return None
        return {
            "event": "post",
            "cursor": cursor,
            "path": post.path,
            "source": post.source,
            "title": article.title,
            "section": article.section or None,
            "label": article.label or None,
            "channel": article.channel or None,
            "published": _iso(article.published),
            "updated": _iso(article.updated),
            "byline": article.byline,
            "origin": article.origin,
            "canonical_url": article.canonical_url,
            "guid": article.guid,
            "image": article.image,
            "images": article.images,
            "dated": article.dated,
            "partial": article.partial,
            "form": article.form,
            "hash": f"sha256:{post.hash.hex()}",
            "body": article.body,
            "carriers": [
                {
                    "source": carrier.source,
                    "url": carrier.url,
                    "title": carrier.title,
                    "seen_at": _iso(datetime.fromtimestamp(carrier.seen_at, UTC)),
                }
                for carrier in carriers
            ],
        }


def _say_removed(removed: RemovedRow, cursor: str) -> Record:
    return {
        "event": "removed",
        "cursor": cursor,
        "path": removed.path,
        "source": removed.source,
        "removed_at": _iso(datetime.fromtimestamp(removed.at, UTC)),
        "reason": removed.reason or None,
    }


def _read_post(root: Path, post: PostRow, read: Reader) -> tuple[bytes, str]:
    """Gives the post's bytes, and why they are not what the ledger knows ("": they are)."""
    try:
        data, _ = read_file(root / post.path)
    except ArchiveError as error:
        return b"", str(error)
    if post.file_hash:
        if sha256(data).digest() != post.file_hash:
            return b"", "changed: not the bytes that were written"
    elif content_hash(read(data).article) != f"sha256:{post.hash.hex()}":
        return b"", "changed: title and text do not give the hash that the ledger knows"
    return data, ""


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _sync_ledger(path: Path) -> None:
    for name in (f"{path}-wal", str(path)):
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(name, os.O_RDONLY)
            try:
                os.fsync(fd)
            except OSError as error:
                raise archive_error(error, name) from error
            finally:
                os.close(fd)


# ---------------------------------------------------------------- forms


def render_json_line(record: Record) -> str:
    # Surrogates cannot be written; U+2028 ends lines for some readers.
    text = json.dumps(record, ensure_ascii=False).replace("\u2028", "\\u2028")
    return text.replace("\u2029", "\\u2029") + "\n"


def render_csv_line(record: Record) -> str:
    """Gives a line as RFC 4180 has it. A list of addresses is joined by blanks, carriers are JSON.

    A cell that a spreadsheet would take for a formula, or that begins with an apostrophe, gets an
    apostrophe in front: whoever reads it takes one away.
    """
    buffer = io.StringIO()
    csv.writer(buffer).writerow(_cell(record.get(column)) for column in COLUMNS)
    return buffer.getvalue()


def render_csv_header() -> str:
    return ",".join(COLUMNS) + "\r\n"


def _cell(value: object) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        if isinstance(value[0], str):
            value = " ".join(value)
        else:
            value = json.dumps(value, ensure_ascii=False)
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


Write = Callable[[bytes], object]


def _open_alone(temp: Path) -> BinaryIO:
    """Opens the temp file of an output, emptied: its name is fixed, so that a killed export leaves
    none for good, and the lock keeps a second one out."""
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino != os.stat(temp).st_ino:  # taken away before it was locked
            raise BlockingIOError
        os.ftruncate(fd, 0)
    except BlockingIOError as error:
        os.close(fd)
        raise ArchiveError(f"{temp}: another export is writing it") from error
    except BaseException:
        os.close(fd)
        raise
    return os.fdopen(fd, "wb")


@contextlib.contextmanager
def open_output(path: Path) -> Iterator[Write]:
    """Opens a file that gets its new content whole or not at all; a pipe or device is written
    straight. Raises ArchiveError, also when another export is writing the same file."""
    target = Path(os.path.realpath(path))
    temp = target.with_name(f".{target.name}.tmp")
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file.write
            return
        with _open_alone(temp) as file:
            try:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
                os.replace(temp, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temp)
                raise
        fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.filename == str(temp):
            error.filename = str(path)  # what was asked for
        raise archive_error(error, str(path)) from error
