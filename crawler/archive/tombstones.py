"""Posts taken out for good, and the tombstones that keep crawls from bringing them back.

A tombstone is a file, ``removed/<path of the post>.json``: the ledger can be lost. It is durable
before anything is deleted, and a removal that was cut short is finished when the archive is next
opened. Whoever wants the post back takes the tombstone away and makes the ledger again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from crawler.archive.decide import name_revisions
from crawler.archive.files import GroupWriter, archive_error, is_temp, walk_files
from crawler.archive.ledger import ClauseRow, Ledger, PostRow, RemovedRow
from crawler.archive.rebuild import Reader, read_file
from crawler.clauses import sign
from crawler.errors import ArchiveError

FOLDER = "removed"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is known of a removed post: its path, and every identity and content hash it had.

    An identity that only a file name told has six bytes, all others have 32. ``damaged`` says that
    the file could not be read; its name tells six bytes of the identity still.
    """

    path: str
    source: str
    removed_at: datetime
    reason: str = ""
    addresses: Sequence[str] = ()
    identities: frozenset[bytes] = frozenset()
    hashes: frozenset[bytes] = frozenset()
    damaged: bool = False

    @property
    def keys(self) -> frozenset[bytes]:
        digits = bytes.fromhex(self.path.removesuffix(".md")[-12:])
        return self.identities | self.hashes | {digits}


@dataclass(slots=True)
class Removal:
    """What became of a request to remove: paths of posts, and what was asked for in vain."""

    removed: list[str] = field(default_factory=list)
    removed_before: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def name_tombstone(path: str) -> str:
    """Gives the tombstone's path below the archive, for a post's path."""
    return f"{FOLDER}/{path.removeprefix('posts/').removesuffix('.md')}.json"


def render_tombstone(tombstone: Tombstone) -> bytes:
    text = json.dumps(
        {
            "path": tombstone.path,
            "source": tombstone.source,
            "removed_at": f"{tombstone.removed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "reason": tombstone.reason,
            "addresses": list(tombstone.addresses),
            "identities": sorted(identity.hex() for identity in tombstone.identities),
            "hashes": sorted(f"sha256:{content.hex()}" for content in tombstone.hashes),
        },
        ensure_ascii=False,
        indent=1,
    )
    return f"{text}\n".encode("utf-8", "replace")


def parse_tombstone(name: str, data: bytes) -> Tombstone:
    """Reads a tombstone; one that is damaged still tells what its ``name`` says."""
    path = f"posts/{name.removeprefix(FOLDER + '/').removesuffix('.json')}.md"
    try:
        values = json.loads(data)
        tombstone = Tombstone(
            path=values["path"],
            source=str(values["source"]),
            removed_at=datetime.fromisoformat(values["removed_at"]),
            reason=str(values["reason"]),
            addresses=[str(address) for address in values["addresses"]],
            identities=frozenset(map(bytes.fromhex, values["identities"])),
            hashes=frozenset(
                bytes.fromhex(text.removeprefix("sha256:")) for text in values["hashes"]
            ),
        )
        if tombstone.path == path and {len(key) for key in tombstone.keys} <= {6, 32}:
            return tombstone
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        pass
    return Tombstone(path, path.split("/")[1], datetime.fromtimestamp(0, UTC), damaged=True)


def is_tombstone(name: str) -> bool:
    """Tells whether a path below the archive is one that a tombstone can have."""
    digits = name.removesuffix(".json")[-12:]
    return (
        name.endswith(".json")
        and name.count("/") == 4
        and not is_temp(name)
        and len(digits) == 12
        and set(digits) <= set("0123456789abcdef")
    )


def find_posts(root: Path, ledger: Ledger, target: str) -> tuple[list[PostRow], RemovedRow | None]:
    """Gives the posts that a path or an address stands for, and the removed one it stood for.

    A path is absolute, or counts from the archive or from the working folder. An address is that
    of an article at any of its carriers.
    """
    if "://" in target:
        posts = ledger.find_posts_by_address(target)
        gone = None if posts else _find_by_address(root, ledger, target)
        return posts, gone
    removed = ledger.list_removed()
    for path in _spell(root, target):
        posts = ledger.find_posts_at([path])
        if posts or path in removed:
            return posts, removed.get(path)
    return [], None


def _find_by_address(root: Path, ledger: Ledger, address: str) -> RemovedRow | None:
    for path, row in ledger.list_removed().items():
        with contextlib.suppress(OSError):
            name = name_tombstone(path)
            if address in parse_tombstone(name, (root / name).read_bytes()).addresses:
                return row
    return None


def _spell(root: Path, target: str) -> Iterable[str]:
    """Yields what a path may be, relative to the archive."""
    if not os.path.isabs(target):
        yield os.path.normpath(target)
    base = os.path.realpath(root)
    folder, name = os.path.split(os.path.abspath(target))
    full = os.path.join(os.path.realpath(folder), name)
    if full.startswith(base + "/"):
        yield full[len(base) + 1 :]


def remove_posts(
    root: Path,
    ledger: Ledger,
    files: GroupWriter,
    targets: Iterable[str],
    read: Reader,
    *,
    reason: str,
) -> Removal:
    """Takes posts out, with their revisions; to be called inside a transaction."""
    removal = Removal()
    posts: dict[str, PostRow] = {}
    again: dict[str, RemovedRow] = {}
    for target in targets:
        found, gone = find_posts(root, ledger, target)
        posts |= {post.path: post for post in found}
        if gone and not found:
            again[gone.path] = gone
        elif not found:
            removal.unknown.append(target)
    for path in posts:
        _check_inside(root, [path, name_revisions(path) + "/"])
    tombstones = _make_tombstones(ledger, posts.values(), reason)
    files.write({name_tombstone(stone.path): render_tombstone(stone) for stone in tombstones})
    versions = ledger.list_versions(post.id for post in posts.values())
    for stone in tombstones:
        post = posts[stone.path]
        ledger.drop_clauses(_list_clauses(root, post, read))
        take_out(root, stone.path)
        ledger.remove_post(row_of(post.id, stone), stone.keys, versions=versions[post.id])
        removal.removed.append(stone.path)
    for path in again:
        # What was put back by hand in spite of the tombstone.
        take_out(root, path)
        removal.removed_before.append(path)
    return removal


def _list_clauses(root: Path, post: PostRow, read: Reader) -> list[ClauseRow]:
    """Gives what near-duplicates of a post are found by; nothing where its file is gone."""
    try:
        data, _ = read_file(root / post.path)
    except ArchiveError:
        return []
    return post.list_clauses(sign(read(data).article).sample())


def _make_tombstones(ledger: Ledger, posts: Iterable[PostRow], reason: str) -> list[Tombstone]:
    posts = list(posts)
    removed_at = datetime.now(UTC)
    carriers = ledger.list_carriers(post.id for post in posts)
    versions = ledger.list_versions(post.id for post in posts)
    return [
        Tombstone(
            path=post.path,
            source=post.source,
            removed_at=removed_at,
            reason=reason,
            addresses=list(dict.fromkeys(c.url for c in carriers[post.id] if c.url)),
            identities=frozenset({post.identity, *(c.identity for c in carriers[post.id])}),
            # A near-duplicate that was not written carried a text that was never the post's.
            hashes=frozenset({post.hash, *versions[post.id], *(c.hash for c in carriers[post.id])}),
        )
        for post in posts
    ]


def row_of(number: int, stone: Tombstone) -> RemovedRow:
    at = int(stone.removed_at.timestamp())
    return RemovedRow(number, stone.path, stone.source, at, stone.reason)


def list_tombstones(root: Path) -> list[str]:
    """Gives the paths of all tombstones."""
    return [name for name in walk_files(root, FOLDER) if is_tombstone(name)]


def has_unfinished(root: Path, ledger: Ledger) -> bool:
    """Tells whether there is a tombstone that the ledger does not know of."""
    names = list_tombstones(root)
    return bool(names) and not {name_tombstone(path) for path in ledger.list_removed()}.issuperset(
        names
    )


def finish_removals(root: Path, ledger: Ledger, *, keep_files: bool = False) -> list[str]:
    """Does what tombstones say that the ledger does not know of: a removal was cut short, or the
    ledger is a new one. Gives the posts' paths. To be called inside a transaction; ``keep_files``
    tells the ledger only."""
    known = ledger.list_removed()
    stones = [
        parse_tombstone(name, read_file(root / name)[0])
        for name in list_tombstones(root)
        if f"posts/{name.removeprefix(FOLDER + '/').removesuffix('.json')}.md" not in known
    ]
    posts = {post.path: post for post in ledger.find_posts_at(stone.path for stone in stones)}
    carriers = ledger.list_carriers(post.id for post in posts.values())
    versions = ledger.list_versions(post.id for post in posts.values())
    for stone in stones:
        post = posts.get(stone.path)
        number = post.id if post else ledger.next_number()
        keys = {*stone.keys, *versions[number], *(c.identity for c in carriers[number])}
        if not keep_files:
            take_out(root, stone.path)
        ledger.remove_post(row_of(number, stone), keys, versions=versions[number])
    return [stone.path for stone in stones]


def take_out(root: Path, path: str) -> None:
    """Deletes a post's file and its revisions, durably; what is gone already may be gone."""
    revisions = name_revisions(path)
    _unlink(root, [path])
    _unlink(root, list(walk_files(root, revisions)))
    with contextlib.suppress(OSError):  # somebody's own file may keep it
        os.rmdir(root / revisions)


def _check_inside(root: Path, names: list[str]) -> set[str]:
    """Gives the folders of files; raises ArchiveError when a link leads one out of the archive."""
    base = os.path.realpath(root)
    folders = {name.rpartition("/")[0] for name in names}
    for folder in folders:
        full = f"{base}/{folder}"
        if os.path.realpath(full) != full:
            raise ArchiveError(f"{full}: leads out of the archive, to {os.path.realpath(full)}")
    return folders


def _unlink(root: Path, names: list[str]) -> None:
    base = os.path.realpath(root)
    folders = _check_inside(root, names)
    where = base
    try:
        for name in names:
            where = f"{base}/{name}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(where)
        for folder in folders:
            where = f"{base}/{folder}"
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
    except OSError as error:
        raise archive_error(error, where) from error
