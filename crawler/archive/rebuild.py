"""The ledger made again from the files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from crawler.archive.decide import identify_article, name_revisions
from crawler.archive.files import archive_error, walk_files
from crawler.archive.ledger import REBUILT, Carrier, Ledger, PostRow
from crawler.archive.workers import read_in_order
from crawler.article import Article
from crawler.clauses import sign
from crawler.errors import ArchiveError
from crawler.fingerprint import content_hash
from crawler.posts import ParsedPost, parse_post

NAME = re.compile(
    r"posts/(?P<folder>[^/]+)/(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/"
    r"(?P=year)-(?P=month)-[0-9]{2}-(?P<identity>[0-9a-f]{12})\.md"
)

# Rows that a rebuild holds in memory: some megabytes.
ADOPTED_AT_ONCE = 1000

# Reads a post of this archive.
Reader = Callable[[bytes], ParsedPost]


def has_posts(root: Path) -> bool:
    return any(name.endswith(".md") for name in walk_files(root, "posts"))


class Learned(NamedTuple):
    """What the file of a post tells of it. Times are seconds UTC; ``versions`` are the content
    hashes of the live version and of all that are kept as revisions, ``clauses`` those by which
    near-duplicates of the live text are found."""

    path: str
    size: int
    mtime_ns: int
    identity: bytes
    source: str
    title: str
    guid: str | None
    url: str | None
    hash: bytes
    versions: tuple[bytes, ...]
    clauses: tuple[int, ...]
    published_at: int | None
    updated_at: int | None


def learn_post(name: str, *, root: Path, read: Reader) -> Learned:
    """Reads a post and its revisions. Raises ArchiveError when one cannot be read."""
    match = NAME.fullmatch(name)
    assert match is not None
    data, found = read_file(root / name)
    article = read(data).article
    versions = [content_hash(article)]
    for revision in walk_files(root, name_revisions(name)):
        if revision.endswith(".md"):
            old, _ = read_file(root / revision)
            versions.append(content_hash(read(old).article))
    hashes = tuple(bytes.fromhex(digest.removeprefix("sha256:")) for digest in versions)
    return Learned(
        path=name,
        size=len(data),
        mtime_ns=found,
        identity=identify_file(match["identity"], article),
        source=article.source or match["folder"],
        title=article.title,
        guid=article.guid,
        url=article.canonical_url,
        hash=hashes[0],
        versions=hashes,
        clauses=tuple(sign(article).sample()),
        published_at=int(article.published.timestamp()) if article.published else None,
        updated_at=int(article.updated.timestamp()) if article.updated else None,
    )


def adopt_files(root: Path, ledger: Ledger, read: Reader = parse_post) -> int:
    """Gives every post that no ledger row tells of its row; gives how many there were.

    To be called inside a transaction: no run can have a file there on its way to its row.
    Of the source's own zone, first fetch and carriers the files do not tell; the file's own time
    stands in for the first. Posts get their numbers in the order of their paths.
    """
    first = ledger.next_number()
    learned = enumerate(
        read_in_order(partial(learn_post, root=root, read=read), _list_unknown(root, ledger)),
        start=first,
    )
    count = 0
    with ledger.sorted_keys():
        while batch := list(islice(learned, ADOPTED_AT_ONCE)):
            rows = [_row_of(post, number) for number, post in batch]
            ledger.add_posts(rows)
            ledger.add_versions((content, n) for n, post in batch for content in post.versions)
            ledger.put_carriers((_carrier_of(post), number) for number, post in batch)
            ledger.add_clauses(
                clause
                for row, (_, post) in zip(rows, batch, strict=True)
                for clause in row.list_clauses(post.clauses)
            )
            count += len(batch)
    ledger.note_short_identities()
    return count


def _list_unknown(root: Path, ledger: Ledger) -> Iterator[str]:
    """Yields the paths of posts, in order, that no ledger row tells of."""
    removed = ledger.list_removed()
    known = ledger.list_paths()
    path = next(known, None)
    for name in walk_files(root, "posts"):
        while path is not None and path < name:
            path = next(known, None)
        if path == name or name in removed or not NAME.fullmatch(name):
            continue
        if not os.path.islink(root / name):
            yield name


def _row_of(post: Learned, number: int) -> PostRow:
    seconds = post.mtime_ns // 10**9
    return PostRow(
        id=number,
        identity=post.identity,
        source=post.source,
        path=post.path,
        title=post.title,
        hash=post.hash,
        file_hash=None,
        size=post.size,
        mtime_ns=post.mtime_ns,
        published_at=post.published_at,
        first_at=seconds,
        written_at=seconds if post.updated_at is None else post.updated_at,
    )


def _carrier_of(post: Learned) -> Carrier:
    return Carrier(
        identity=post.identity,
        source=post.source,
        guid=post.guid,
        url=post.url,
        title=post.title,
        published_at=post.published_at,
        seen_at=post.mtime_ns // 10**9,
        hash=post.hash,
        entry=REBUILT,
    )


def identify_file(digits: str, article: Article) -> bytes:
    """Gives the identity of a post: what its header says where the name agrees, else the name."""
    identity = identify_article(article)
    return identity if identity.hex().startswith(digits) else bytes.fromhex(digits)


def read_file(path: Path, most_bytes: int | None = None) -> tuple[bytes, int]:
    """Gives a file's bytes and its modification time in nanoseconds.

    Raises ArchiveError when there is none, or something else: a link is not followed, and a pipe
    not waited for; and when there are more than ``most_bytes``, where they are bounded.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb", buffering=0) as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise ArchiveError(f"{path}: is not a regular file")
            if most_bytes is not None and found.st_size > most_bytes:
                raise ArchiveError(f"{path}: has {found.st_size} bytes")
            return file.readall(), found.st_mtime_ns
    except OSError as error:
        raise archive_error(error, str(path)) from error
