"""The ledger: what was decided about every article, in one SQLite file. All SQL lives here.

It knows nothing that the files do not prove, but for carriers, first-fetch times, the order of
changes and HTTP validators, which are learned again. Hashes and identities are raw bytes, times
whole seconds UTC.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crawler.archive.decide import name_revisions
from crawler.archive.presence import Patience
from crawler.errors import DamagedLedgerError, LedgerError

APPLICATION_ID = 0x4E455753  # "NEWS"
VERSION = 3
# How long SQLite itself waits for a lock before we ask whether to go on waiting.
_TRY_S = 0.1
# Names of errors that say: this is not the database that we made. (Of plain errors "no such table"
# is the one that can come.)
_DAMAGED = ("CORRUPT", "NOTADB", "FORMAT", "ERROR", "MISMATCH", "CONSTRAINT")
_LOCKED = ("BUSY", "LOCKED", "PROTOCOL")
# SQLite's message about a damaged schema has its bytes in it, which Python then fails to decode.
_FAULTS = (sqlite3.Error, UnicodeDecodeError)
# The entry digest of a carrier that was learned from a file, not from a feed.
REBUILT = b""
# How far apart, by publication, a text and its re-post may be.
NEAR_WINDOW_S = 5 * 24 * 3600
# Of a clause that many posts of one window share (every notice has it) the newest so many count,
# and of posts that share clauses those that share most: the cost of a look-up stays the same.
_POSTS_A_CLAUSE = _POSTS_A_LOOK_UP = 60

_SCHEMA = """
CREATE TABLE IF NOT EXISTS post (
  id INTEGER PRIMARY KEY,
  identity BLOB NOT NULL,      -- 32 bytes, or the 6 of the file name where the file tells no more
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  title TEXT NOT NULL,
  hash BLOB NOT NULL,          -- content hash of the live version
  file_hash BLOB,              -- SHA-256 of the file as we wrote it; NULL after a rebuild
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  published_at INTEGER,
  first_at INTEGER NOT NULL,   -- when the first version was written
  written_at INTEGER NOT NULL  -- when the live version was written
);
CREATE TABLE IF NOT EXISTS version ( -- every content hash a post has had
  hash BLOB NOT NULL, post INTEGER NOT NULL, PRIMARY KEY (hash, post)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS carrier ( -- every identity a text was met under; the post's own is one
  identity BLOB NOT NULL PRIMARY KEY,
  post INTEGER NOT NULL,
  source TEXT NOT NULL,
  guid TEXT, url TEXT, title TEXT NOT NULL, published_at INTEGER, seen_at INTEGER NOT NULL,
  hash BLOB NOT NULL,          -- what it carried last
  entry BLOB                   -- digests of its feed entries: another one means a changed page
);
-- (Ledgers of version 1 have carriers WITHOUT ROWID: a tree of whole rows in the order of hashes,
-- where every new one costs twice as much. They are read and written just the same.)
-- Nearly always empty: asked, at every opening, whether there are any.
CREATE INDEX IF NOT EXISTS short_identity ON carrier (identity) WHERE length(identity) = 6;
CREATE TABLE IF NOT EXISTS validator ( -- how to ask a feed whether it has changed
  source TEXT NOT NULL, url TEXT NOT NULL,
  etag TEXT, last_modified TEXT, body BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (source, url)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clause (          -- some clauses of every live text, to find it again by
  period INTEGER NOT NULL,     -- published_at in units of two windows: what is new stays together
  clause INTEGER NOT NULL, published_at INTEGER NOT NULL, post INTEGER NOT NULL,
  PRIMARY KEY (period, clause, published_at, post)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (  -- what downstream archives follow: the last of every post
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows always, none is given twice
  post INTEGER NOT NULL UNIQUE               -- of the table post, else of removed
);
CREATE TABLE IF NOT EXISTS removed ( -- posts that were taken out, each with a tombstone file
  post INTEGER PRIMARY KEY,                  -- its number, which no other post gets
  path TEXT NOT NULL UNIQUE, source TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tombstone ( -- identities and content hashes that are not revived
  key BLOB PRIMARY KEY, post INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rewrite ( -- files that are about to take their posts' places
  post INTEGER PRIMARY KEY, file_hash BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS revision ( -- files of old versions, as far as we wrote them
  path TEXT PRIMARY KEY, file_hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS carrier_post ON carrier (post);
CREATE TABLE IF NOT EXISTS note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


# What people are shown of the tables, by its types; SQLite would take anything.
_TYPES = {
    "post": {
        "'text'": "source path title",
        "'integer'": "first_at written_at",
        "'integer', 'null'": "published_at",
    },
    "carrier": {
        "'text'": "source title",
        "'text', 'null'": "guid url",
        "'integer'": "post seen_at",
        "'integer', 'null'": "published_at",
    },
}


@dataclass(slots=True)
class Carrier:
    identity: bytes
    source: str
    guid: str | None
    url: str | None
    title: str
    published_at: int | None
    seen_at: int
    hash: bytes
    entry: bytes | None


@dataclass(slots=True)
class PostRow:
    id: int
    identity: bytes
    source: str
    path: str
    title: str
    hash: bytes
    file_hash: bytes | None
    size: int
    mtime_ns: int
    published_at: int | None
    first_at: int
    written_at: int

    def list_clauses(self, sample: Iterable[int]) -> list[ClauseRow]:
        """Gives the rows that a text of this post, by its sample, is found again by."""
        at = self.mtime_ns // 10**9 if self.published_at is None else self.published_at
        return [(clause, at, self.id) for clause in sample]


@dataclass(slots=True)
class Validator:
    source: str
    url: str
    etag: str | None
    last_modified: str | None
    body: bytes
    at: int


# A sampled clause, when its post was published (seconds UTC), the post's number.
ClauseRow = tuple[int, int, int]


@dataclass(slots=True)
class RemovedRow:
    """A post that was taken out; ``post`` was its number."""

    post: int
    path: str
    source: str
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of a post: what it is now, or that it was removed."""

    number: int
    what: PostRow | RemovedRow


_POST = (
    "p.id, p.identity, p.source, p.path, p.title, p.hash, p.file_hash, p.size, p.mtime_ns, "
    "p.published_at, p.first_at, p.written_at"
)


def _period_of(at: int) -> int:
    return at // (2 * NEAR_WINDOW_S)


@cache
def _select_sharing(periods: int, clauses: int) -> str:
    """Gives the SQL that finds the posts of every clause, the newest first: one look-up in the
    index for each period and clause. Its values are first and last second, periods, clauses."""
    return " UNION ALL ".join(
        "SELECT * FROM (SELECT clause, post FROM clause"
        f" WHERE period = ?{3 + period} AND clause = ?{3 + periods + clause}"
        " AND published_at BETWEEN ?1 AND ?2"
        f" ORDER BY published_at DESC, post DESC LIMIT {_POSTS_A_CLAUSE})"
        for period in range(periods)
        for clause in range(clauses)
    )


class Ledger:
    """One connection. Usable from any thread, by one at a time.

    Every method raises LedgerError, naming the file, when SQLite cannot do what was asked: locked
    by someone else for longer than ``wait_s``, foreign, no room; DamagedLedgerError when what is
    there is not a database any more.
    """

    def __init__(
        self, path: Path, *, wait_s: float | Patience = 90.0, read_only: bool = False
    ) -> None:
        self.path = path
        self.short_identities = False
        self.is_new = False
        self._patience = wait_s if isinstance(wait_s, Patience) else Patience(wait_s)
        try:
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                timeout=_TRY_S,
                isolation_level=None,
                check_same_thread=False,
            )
        except _FAULTS as error:
            raise self._name(error) from error
        try:
            self._prepare(read_only)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, read_only: bool) -> None:
        tables = self._one("SELECT count(*) FROM sqlite_schema")
        version = 0
        if tables:
            if self._one("PRAGMA application_id") != APPLICATION_ID:
                raise DamagedLedgerError(f"{self.path}: is a database of another program")
            version = self._one("PRAGMA user_version")
            if version > VERSION or (read_only and version < VERSION):
                older = "; a crawl or scrapy archive rebuild brings it there"
                raise LedgerError(
                    f"{self.path}: has version {version}, this program reads version {VERSION}"
                    f"{older if version < VERSION else ''}"
                )
        if not read_only:
            self._run("PRAGMA journal_mode=WAL")
            # A commit that a power cut takes back is healed from the files, whose order is kept.
            self._run("PRAGMA synchronous=NORMAL")
            # 8 MB: the upper levels of the trees of a million articles and the pages of a group.
            # Of the rest no cache holds much: the keys are hashes, so the next page is any page.
            self._run("PRAGMA cache_size=-8000")
            if not tables or version < VERSION:
                self._create()
            self.is_new = not tables
        self.note_short_identities()

    def _create(self) -> None:
        """Makes the tables that are not there: of a new ledger all, of an older one the later."""
        with self.transaction():
            for statement in _SCHEMA.split(";\n"):
                self._run(statement)
            self._run("INSERT OR IGNORE INTO change (post) SELECT id FROM post ORDER BY id")
            if self.find_note("generation") is None:
                self._begin_generation()
            self._run(f"PRAGMA application_id={APPLICATION_ID}")
            self._run(f"PRAGMA user_version={VERSION}")

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except _FAULTS as error:
            return self._insist(error, sql, values).fetchall()

    def _stream(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(sql, values)
        except _FAULTS as error:
            raise self._name(error) from error

    def _row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        except _FAULTS as error:
            row = self._insist(error, sql, values).fetchone()
        return row

    def _one(self, sql: str) -> Any:
        row = self._row(sql)
        return row[0] if row else None

    def _run(self, sql: str, *values: object) -> None:
        try:
            self._db.execute(sql, values)
        except _FAULTS as error:
            self._insist(error, sql, values)

    def _run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._db.executemany(sql, rows)
        except _FAULTS as error:
            raise self._name(error) from error

    def _insist(self, error: Exception, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        """Tries a statement again while somebody else has the ledger locked."""
        for _ in self._patience.tries():
            if not _error_name(error).startswith(_LOCKED):
                break
            try:
                return self._db.execute(sql, values)
            except _FAULTS as again:
                error = again
        raise self._name(error) from error

    def _name(self, error: Exception) -> LedgerError:
        name = _error_name(error)
        if name.startswith(_LOCKED):
            return LedgerError(f"{self.path}: locked by another program")
        unreadable = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
        if name.startswith(_DAMAGED) or unreadable:
            return DamagedLedgerError(f"{self.path}: damaged ({error})")
        return LedgerError(f"{self.path}: {error}")

    def note_short_identities(self) -> None:
        """Sees whether some posts are known by the digits in their names only."""
        self.short_identities = bool(
            self._one("SELECT EXISTS (SELECT 1 FROM carrier WHERE length(identity) = 6)")
        )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Holds the write lock, against every other process too; commits unless it is left by an
        error, which takes all of it back."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            # What went wrong first is what is told; a connection that is closed rolls back too.
            with suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Lets all that is read inside be of one moment, whatever others write meanwhile."""
        self._run("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def check(self) -> None:
        """Raises DamagedLedgerError when SQLite finds the file damaged, or what it does not mind:
        values of types that we do not write, and tables that do not agree. Every post has its live
        version and the carrier that it is named by, and every carrier a post."""
        answer = self._one("PRAGMA integrity_check(1)")
        if answer != "ok":
            raise DamagedLedgerError(f"{self.path}: damaged ({' '.join(str(answer).split())})")
        for table, types in _TYPES.items():
            good = " AND ".join(
                f"typeof({column}) IN ({kinds})"
                for kinds, columns in types.items()
                for column in columns.split()
            )
            if self._one(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE NOT ({good}))"):
                raise DamagedLedgerError(f"{self.path}: damaged (a value of table {table})")
        for what, of, where in (
            ("version", "post p", "version v WHERE v.hash = p.hash AND v.post = p.id"),
            ("carrier", "post p", "carrier c WHERE c.identity = p.identity AND c.post = p.id"),
            ("post", "carrier c", "post p WHERE p.id = c.post"),
        ):
            sql = f"SELECT 1 FROM {of} WHERE NOT EXISTS (SELECT 1 FROM {where}) LIMIT 1"
            if self._one(sql):
                raise DamagedLedgerError(f"{self.path}: damaged (a {what} is missing)")

    def count_commits_of_others(self) -> int:
        """Gives a number that is another one when somebody else has changed the ledger."""
        return int(self._one("PRAGMA data_version"))

    # ------------------------------------------------------------ looking up

    def find_carrier(self, identity: bytes) -> tuple[Carrier, PostRow] | None:
        """Gives what is known of an identity; one that only a file name told has six bytes."""
        sql = (
            "SELECT c.identity, c.source, c.guid, c.url, c.title, c.published_at, c.seen_at, "
            f"c.hash, c.entry, {_POST} FROM carrier c JOIN post p ON p.id = c.post "
            "WHERE c.identity = ?"
        )
        row = self._row(sql, identity)
        if row is None and self.short_identities:
            row = self._row(sql, identity[:6])
        return (Carrier(*row[:9]), PostRow(*row[9:])) if row else None

    def read_post(self, number: int) -> PostRow:
        post = self.find_post(number)
        if post is None:
            raise LedgerError(f"{self.path}: post {number} is gone")
        return post

    def find_post(self, number: int) -> PostRow | None:
        row = self._row(f"SELECT {_POST} FROM post p WHERE p.id = ?", number)
        return PostRow(*row) if row else None

    def had_version(self, number: int, content: bytes) -> bool:
        """Tells whether a post has, or once had, this content hash."""
        sql = "SELECT 1 FROM version WHERE hash = ? AND post = ?"
        return self._row(sql, content, number) is not None

    def find_text(self, content: bytes) -> PostRow | None:
        """Gives the oldest post that has, or once had, this content hash."""
        row = self._row(
            f"SELECT {_POST} FROM version v JOIN post p ON p.id = v.post "
            "WHERE v.hash = ? ORDER BY v.post LIMIT 1",
            content,
        )
        return PostRow(*row) if row else None

    def find_sharing(self, clauses: Sequence[int], published_at: int) -> dict[int, float]:
        """Gives the numbers of the posts of the same days that have most of these clauses, and what
        those tell.

        A clause tells the more, the fewer posts have it. Two are the least, of those that are not
        common, where a text has four.
        """
        if not clauses:  # an article of pictures only
            return {}
        first, last = published_at - NEAR_WINDOW_S, published_at + NEAR_WINDOW_S
        periods = sorted({_period_of(first), _period_of(last)})
        sql = _select_sharing(len(periods), len(clauses))
        posts_of: defaultdict[int, list[int]] = defaultdict(list)
        for clause, post in self._rows(sql, first, last, *periods, *clauses):
            posts_of[clause].append(post)
        weights: defaultdict[int, float] = defaultdict(float)
        counts: defaultdict[int, int] = defaultdict(int)
        common = 0
        for posts in posts_of.values():
            common += len(posts) >= _POSTS_A_CLAUSE
            for post in posts:
                weights[post] += 1 / len(posts)
                counts[post] += 1
        least = 2 if len(clauses) - common >= 4 else 1
        found = [post for post, count in counts.items() if count >= least]
        found.sort(key=lambda post: (-weights[post], post))
        return {post: weights[post] for post in found[:_POSTS_A_LOOK_UP]}

    def find_validator(self, source: str, url: str) -> Validator | None:
        row = self._row("SELECT * FROM validator WHERE source = ? AND url = ?", source, url)
        return Validator(*row) if row else None

    def find_note(self, key: str) -> str | None:
        row = self._row("SELECT value FROM note WHERE key = ?", key)
        return row[0] if row else None

    def list_posts(self) -> Iterator[PostRow]:
        """Yields every post in the order of the paths, with little of them in memory."""
        for row in self._stream(f"SELECT {_POST} FROM post p ORDER BY p.path"):
            yield PostRow(*row)

    def list_paths(self) -> Iterator[str]:
        """Yields the paths of posts, in order."""
        for row in self._stream("SELECT path FROM post ORDER BY path"):
            yield row[0]

    def find_posts_at(self, paths: Iterable[str]) -> list[PostRow]:
        """Gives the posts that stand at these paths; costs a look at every post."""
        return self._list_rows("p.path IN (SELECT value FROM json_each(?))", paths)

    def find_posts_by_address(self, address: str) -> list[PostRow]:
        """Gives the posts that some carrier gave this address or id; costs a look at every one."""
        rows = self._rows(
            f"SELECT {_POST} FROM post p WHERE p.id IN"
            " (SELECT post FROM carrier WHERE url = ?1 OR guid = ?1) ORDER BY p.path",
            address,
        )
        return [PostRow(*row) for row in rows]

    def find_posts(self, numbers: Iterable[int]) -> list[PostRow]:
        return self._list_rows("p.id IN (SELECT value FROM json_each(?))", numbers)

    def read_posts_after(self, number: int, count: int) -> list[PostRow]:
        """Gives the next posts in the order of their numbers."""
        sql = f"SELECT {_POST} FROM post p WHERE p.id > ? ORDER BY p.id LIMIT ?"
        return [PostRow(*row) for row in self._rows(sql, number, count)]

    def list_newest(self, count: int) -> list[PostRow]:
        """Gives the newest posts of every source, at most ``count`` of each, the newest first. What
        is dated ahead of its first fetch counts from there, so that no wrong year stays on top."""
        columns = _POST.replace("p.", "")
        rows = self._rows(
            f"SELECT {columns} FROM (SELECT {columns}, at, row_number()"
            " OVER (PARTITION BY source ORDER BY at DESC, path DESC) AS place"
            " FROM (SELECT *, min(coalesce(published_at, first_at), first_at) AS at FROM post))"
            " WHERE place <= ? ORDER BY at DESC, path DESC",
            count,
        )
        return [PostRow(*row) for row in rows]

    def _list_rows(self, condition: str, values: Iterable[object]) -> list[PostRow]:
        sql = f"SELECT {_POST} FROM post p WHERE {condition} ORDER BY p.path"
        return [PostRow(*row) for row in self._rows(sql, json.dumps(list(values)))]

    def list_carriers(self, numbers: Iterable[int]) -> Mapping[int, list[Carrier]]:
        """Gives the carriers of posts, those met first before the others."""
        carriers: defaultdict[int, list[Carrier]] = defaultdict(list)
        for post, *row in self._rows(
            "SELECT post, identity, source, guid, url, title, published_at, seen_at, hash, entry"
            " FROM carrier WHERE post IN (SELECT value FROM json_each(?))"
            " ORDER BY seen_at, source, identity",
            json.dumps(list(numbers)),
        ):
            carriers[post].append(Carrier(*row))
        return carriers

    def list_versions(self, numbers: Iterable[int]) -> Mapping[int, list[bytes]]:
        """Gives the content hashes that posts have or had; costs a look at every version."""
        versions: defaultdict[int, list[bytes]] = defaultdict(list)
        for post, content in self._rows(
            "SELECT post, hash FROM version WHERE post IN (SELECT value FROM json_each(?))",
            json.dumps(list(numbers)),
        ):
            versions[post].append(content)
        return versions

    def list_old_versions(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Yields path and live hash of a post, and the hash of a version that it had; but none that
        was gone from the disk before it could be kept."""
        yield from self._stream(
            "SELECT p.path, p.hash, v.hash FROM version v JOIN post p ON p.id = v.post"
            " WHERE v.hash != p.hash AND NOT EXISTS"
            " (SELECT 1 FROM note WHERE key = 'lost ' || v.post || ' ' || lower(hex(v.hash)))"
        )

    def find_revision(self, path: str) -> bytes | None:
        """Gives the SHA-256 of an old version's file; None where it is not known."""
        row = self._row("SELECT file_hash FROM revision WHERE path = ?", path)
        return row[0] if row else None

    def has_tombstones(self) -> bool:
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM tombstone)"))

    def find_tombstone(self, *keys: bytes) -> RemovedRow | None:
        """Gives the removed post that one of these identities or content hashes belongs to."""
        row = self._row(
            "SELECT r.* FROM tombstone t JOIN removed r ON r.post = t.post"
            f" WHERE t.key IN ({','.join('?' * len(keys))})",
            *keys,
        )
        return RemovedRow(*row) if row else None

    def list_removed(self) -> dict[str, RemovedRow]:
        """Gives what was removed, by path."""
        rows = self._rows("SELECT * FROM removed ORDER BY path")
        return {row[1]: RemovedRow(*row) for row in rows}

    def find_tombstone_keys(self, keys: Iterable[bytes]) -> set[bytes]:
        """Gives those of the keys that some tombstone has."""
        return {key for key in keys if self._row("SELECT 1 FROM tombstone WHERE key = ?", key)}

    @property
    def generation(self) -> str:
        """The name of this order of changes; a ledger that is made again has another one."""
        return self.find_note("generation") or ""

    def last_change(self) -> int:
        return int(self._one("SELECT coalesce(max(number), 0) FROM change"))

    def list_changes(self, after: int, last: int, count: int) -> list[Change]:
        """Gives the next changes, in order, ``after`` excluded and ``last`` included."""
        rows = self._rows(
            f"SELECT c.number, r.*, {_POST} FROM change c LEFT JOIN removed r ON r.post = c.post"
            " LEFT JOIN post p ON p.id = c.post"
            " WHERE c.number > ? AND c.number <= ? AND coalesce(r.post, p.id) IS NOT NULL"
            " ORDER BY c.number LIMIT ?",
            after,
            last,
            count,
        )
        return [
            Change(row[0], PostRow(*row[6:]) if row[1] is None else RemovedRow(*row[1:6]))
            for row in rows
        ]

    def list_rewrites(self) -> list[tuple[PostRow, bytes]]:
        """Gives posts that a rewrite was about to replace, with the new file's SHA-256."""
        rows = self._rows(
            f"SELECT w.file_hash, {_POST} FROM rewrite w JOIN post p ON p.id = w.post"
        )
        return [(PostRow(*row[1:]), row[0]) for row in rows]

    def is_rewrite(self, number: int, file_hash: bytes) -> bool:
        """Tells whether a rewrite was about to give a post this very file."""
        sql = "SELECT 1 FROM rewrite WHERE post = ? AND file_hash = ?"
        return self._row(sql, number, file_hash) is not None

    def count_by_source(self) -> dict[str, tuple[int, int, int, int | None]]:
        """Gives posts, other carriers, old versions and the newest date of every source."""
        rows = self._rows(
            "SELECT source, sum(posts), sum(carriers) - sum(posts), sum(versions) - sum(posts),"
            " max(newest) FROM ("
            " SELECT source, count(*) AS posts, 0 AS carriers, 0 AS versions,"
            "  max(published_at) AS newest FROM post GROUP BY source"
            " UNION ALL SELECT p.source, 0, count(*), 0, NULL"
            "  FROM carrier c JOIN post p ON p.id = c.post GROUP BY p.source"
            " UNION ALL SELECT p.source, 0, 0, count(*), NULL"
            "  FROM version v JOIN post p ON p.id = v.post GROUP BY p.source"
            ") GROUP BY source ORDER BY source"
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    def count_by_month(self) -> list[tuple[str, str, int]]:
        """Gives source, month (``YYYY/MM`` as in the path) and number of posts."""
        rows = self._rows(
            "SELECT source, substr(path, length(path) - 33, 7) AS month, count(*)"
            " FROM post GROUP BY source, month ORDER BY source, month"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    # ------------------------------------------------------------ telling what happened since

    def list_times_since(self, since: int) -> Iterator[tuple[str, int | None, int, bool]]:
        """Yields, of every post that was published since (of one without a date: first fetched),
        source, date, first fetch, and whether that was seen: files do not tell it."""
        yield from self._stream(
            "SELECT source, published_at, first_at, file_hash IS NOT NULL FROM post"
            " WHERE coalesce(published_at, first_at) >= ?",
            since,
        )

    def list_beginnings(self) -> dict[str, int]:
        """Gives when the first post of every source was fetched, of those of which it was seen."""
        return dict(
            self._stream(
                "SELECT source, min(first_at) FROM post WHERE file_hash IS NOT NULL GROUP BY source"
            )
        )

    def count_repeats_since(self, since: int) -> dict[tuple[str, str], int]:
        """Gives how many texts of which source were met at which (the second) under an identity of
        their own, since."""
        rows = self._stream(
            "SELECT p.source, c.source, count(*) FROM carrier c JOIN post p ON p.id = c.post"
            " WHERE c.seen_at >= ? AND c.identity != p.identity GROUP BY p.source, c.source",
            since,
        )
        return {(source, carrier): count for source, carrier, count in rows}

    def list_repeated_since(self, since: int) -> Iterator[int]:
        """Yields the numbers of the posts whose texts were met elsewhere, the last one first."""
        for row in self._stream(
            "SELECT c.post FROM carrier c JOIN post p ON p.id = c.post"
            " WHERE c.seen_at >= ? AND c.identity != p.identity"
            " GROUP BY c.post ORDER BY max(c.seen_at) DESC, c.post DESC",
            since,
        ):
            yield row[0]

    def list_edited_since(self, since: int) -> Iterator[tuple[int, str, int]]:
        """Yields number, source and versions of every post that was edited, last since, the last
        one first."""
        yield from self._stream(
            "SELECT p.id, p.source, v.versions FROM post p JOIN"
            " (SELECT post, count(*) AS versions FROM version GROUP BY post HAVING count(*) > 1) v"
            " ON v.post = p.id WHERE p.written_at >= ? ORDER BY p.written_at DESC, p.id DESC",
            since,
        )

    # ------------------------------------------------------------ writing (inside a transaction)

    def forget_all(self) -> None:
        for table in (
            "post",
            "version",
            "carrier",
            "clause",
            "validator",
            "change",
            "removed",
            "tombstone",
            "rewrite",
            "revision",
        ):
            self._run(f"DELETE FROM {table}")
        self._run("DELETE FROM note WHERE key LIKE 'lost %'")
        self._begin_generation()

    def _begin_generation(self) -> None:
        self.put_note("generation", secrets.token_hex(6))

    def next_number(self) -> int:
        """Gives a number above that of every post, removed ones too."""
        return int(
            self._one(
                "SELECT max(coalesce((SELECT max(id) FROM post), 0),"
                " coalesce((SELECT max(post) FROM removed), 0)) + 1"
            )
        )

    def add_posts(self, posts: Iterable[PostRow]) -> None:
        posts = list(posts)
        self.note_changes(post.id for post in posts)
        self._run_many(
            "INSERT INTO post VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                (
                    post.id,
                    post.identity,
                    post.source,
                    post.path,
                    post.title,
                    post.hash,
                    post.file_hash,
                    post.size,
                    post.mtime_ns,
                    post.published_at,
                    post.first_at,
                    post.written_at,
                )
                for post in posts
            ),
        )

    def put_posts(self, posts: Iterable[PostRow]) -> None:
        """Makes known posts' rows those of their live versions."""
        self._run_many(
            "UPDATE post SET title=?, hash=?, file_hash=?, size=?, mtime_ns=?, published_at=?,"
            " written_at=? WHERE id=?",
            (
                (
                    post.title,
                    post.hash,
                    post.file_hash,
                    post.size,
                    post.mtime_ns,
                    post.published_at,
                    post.written_at,
                    post.id,
                )
                for post in posts
            ),
        )

    @contextmanager
    def sorted_keys(self) -> Iterator[None]:
        """Holds new carriers and versions back, and takes them in at the end by their keys.

        Keys are hashes: in any other order each row of a large ledger would be read from, and
        written to, another page. What is held back is not found before.
        """
        tables = {"carrier": "identity", "version": "hash"}
        for table in tables:
            # A name without a schema means the temporary table from here on.
            self._run(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} WHERE 0")
        try:
            yield
            for table, key in tables.items():
                self._run(
                    f"INSERT OR REPLACE INTO main.{table} SELECT * FROM temp.{table}"
                    f" ORDER BY {key}, rowid"
                )
        finally:
            for table in tables:
                self._run(f"DROP TABLE IF EXISTS temp.{table}")

    def note_changes(self, numbers: Iterable[int]) -> None:
        """Gives posts that are new, changed or removed the next places in the order of changes."""
        self._run_many(
            "INSERT OR REPLACE INTO change (post) VALUES (?)", ((number,) for number in numbers)
        )

    def remove_post(
        self, removed: RemovedRow, keys: Iterable[bytes], *, versions: Iterable[bytes] = ()
    ) -> None:
        """Forgets a post and its ``versions``, all that it has or had; its tombstone stays."""
        number = removed.post
        self._run_many(
            "DELETE FROM version WHERE hash = ? AND post = ?",
            ((content, number) for content in versions),
        )
        self._run("DELETE FROM carrier WHERE post = ?", number)
        self._run("DELETE FROM rewrite WHERE post = ?", number)
        self._run("DELETE FROM post WHERE id = ?", number)
        folder = name_revisions(removed.path)
        self._run("DELETE FROM revision WHERE path > ? AND path < ?", f"{folder}/", f"{folder}0")
        earlier = self._row("SELECT post FROM removed WHERE path = ?", removed.path)
        if earlier:
            # Removed before, and put back by hand since.
            self._run("DELETE FROM change WHERE post = ?", *earlier)
            self._run("UPDATE tombstone SET post = ? WHERE post = ?", number, *earlier)
        self._run("INSERT OR REPLACE INTO removed VALUES (?,?,?,?,?)", *astuple(removed))
        self.add_tombstone_keys((key, number) for key in keys)
        self.note_changes([number])

    def add_tombstone_keys(self, keys: Iterable[tuple[bytes, int]]) -> None:
        self._run_many("INSERT OR IGNORE INTO tombstone VALUES (?,?)", keys)

    def put_rewrites(self, rewrites: Iterable[tuple[int, bytes]]) -> None:
        self._run_many("INSERT OR REPLACE INTO rewrite VALUES (?,?)", rewrites)

    def forget_rewrites(self, numbers: Iterable[int]) -> None:
        self._run_many("DELETE FROM rewrite WHERE post = ?", ((number,) for number in numbers))

    def add_versions(self, versions: Iterable[tuple[bytes, int]]) -> None:
        """Notes content hashes that posts have, or once had."""
        self._run_many("INSERT OR IGNORE INTO version VALUES (?,?)", versions)

    def add_clauses(self, rows: Iterable[ClauseRow]) -> None:
        """Notes clauses of live texts."""
        self._run_many(
            "INSERT OR IGNORE INTO clause VALUES (?,?,?,?)",
            ((_period_of(at), clause, at, number) for clause, at, number in rows),
        )

    def drop_clauses(self, rows: Iterable[ClauseRow]) -> None:
        """Forgets clauses of texts that are not live any more."""
        self._run_many(
            "DELETE FROM clause WHERE period=? AND clause=? AND published_at=? AND post=?",
            ((_period_of(at), clause, at, number) for clause, at, number in rows),
        )

    def add_revisions(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Notes the SHA-256 of files of old versions, by path."""
        self._run_many("INSERT OR REPLACE INTO revision VALUES (?,?)", files)

    def note_lost(self, number: int, content: bytes) -> None:
        """Notes that a version was not there any more when it was to be kept."""
        self.put_note(f"lost {number} {content.hex()}", "")

    def put_carriers(self, carriers: Iterable[tuple[Carrier, int]]) -> None:
        """Notes carriers, each with the number of its post."""
        self._run_many(
            "INSERT OR REPLACE INTO carrier VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                (
                    carrier.identity,
                    number,
                    carrier.source,
                    carrier.guid,
                    carrier.url,
                    carrier.title,
                    carrier.published_at,
                    carrier.seen_at,
                    carrier.hash,
                    carrier.entry,
                )
                for carrier, number in carriers
            ),
        )

    def put_note(self, key: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO note VALUES (?,?)", key, value)

    def put_validator(self, validator: Validator) -> None:
        self._run("INSERT OR REPLACE INTO validator VALUES (?,?,?,?,?,?)", *astuple(validator))


def _error_name(error: Exception) -> str:
    """Gives SQLite's name of an error, without its prefix; nothing where it has none."""
    return str(getattr(error, "sqlite_errorname", "")).removeprefix("SQLITE_")
