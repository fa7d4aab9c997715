"""The ledger made again from the files, and the files proved against the ledger."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from crawler.archive.decide import identify_article, name_folder, name_revisions
from crawler.archive.files import archive_error, is_temp, walk_files
from crawler.archive.ledger import REBUILT, Carrier, Ledger, PostRow
from crawler.archive.workers import read_in_order
from crawler.article import FORMS, Article
from crawler.clauses import sign
from crawler.fingerprint import content_hash
from crawler.posts import ParsedPost, parse_post

_NAME = re.compile(
    r"posts/(?P<folder>[^/]+)/(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/"
    r"(?P=year)-(?P=month)-[0-9]{2}-(?P<identity>[0-9a-f]{12})\.md"
)


_REVISION = re.compile(
    r"revisions/.+/[0-9]{8}T[0-9]{6}Z-(?P<digits>[0-9a-f]{12})(?:-[0-9a-f]{12})?\.md"
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
    match = _NAME.fullmatch(name)
    assert match is not None
    data, found = _read(root / name)
    article = read(data).article
    versions = [content_hash(article)]
    for revision in walk_files(root, name_revisions(name)):
        if revision.endswith(".md"):
            old, _ = _read(root / revision)
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
            ledger.add_posts(_row_of(post, number) for number, post in batch)
            ledger.add_versions((content, n) for n, post in batch for content in post.versions)
            ledger.put_carriers((_carrier_of(post), number) for number, post in batch)
            ledger.add_clauses(
                (clause, _dated(post), number) for number, post in batch for clause in post.clauses
            )
            count += len(batch)
    ledger.note_short_identities()
    return count


def _list_unknown(root: Path, ledger: Ledger) -> Iterator[str]:
    """Yields the paths of posts, in order, that no ledger row tells of."""
    known = ledger.list_paths()
    path = next(known, None)
    for name in walk_files(root, "posts"):
        while path is not None and path < name:
            path = next(known, None)
        if path != name and _NAME.fullmatch(name):
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


def _dated(post: Learned) -> int:
    """When the post is from, for near-duplicates: seconds UTC."""
    return post.mtime_ns // 10**9 if post.published_at is None else post.published_at


def identify_file(digits: str, article: Article) -> bytes:
    """Gives the identity of a post: what its header says where the name agrees, else the name."""
    identity = identify_article(article)
    return identity if identity.hex().startswith(digits) else bytes.fromhex(digits)


def _read(path: Path) -> tuple[bytes, int]:
    """Gives a file's bytes and its modification time in nanoseconds."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall(), os.fstat(file.fileno()).st_mtime_ns
    except OSError as error:
        raise archive_error(error, str(path)) from error


@dataclass(slots=True)
class Finding:
    """Something that verify found: ``path`` relative to the archive."""

    path: str
    reason: str


@dataclass(slots=True)
class Proof:
    """What verify saw. ``proved`` files equal the bytes that were written; ``consistent`` ones
    agree with their own content hash and name, which is all that a rebuilt ledger can tell."""

    proved: int = 0
    consistent: int = 0
    revisions: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(root: Path, ledger: Ledger, read: Reader = parse_post) -> Proof:
    """Proves every file against ledger, name and content hash; writes nothing."""
    proof = Proof()
    posts = {post.path: post for post in ledger.list_posts()}
    identities: defaultdict[str, list[str]] = defaultdict(list)
    for name in walk_files(root, "posts"):
        if is_temp(name):
            proof.findings.append(Finding(name, "a temp file of a run that was killed"))
            continue
        match = _NAME.fullmatch(name)
        row = posts.pop(name, None)
        if match is None or (root / name).is_symlink():
            proof.findings.append(Finding(name, "foreign: not a name that the archive gives"))
            continue
        data, _ = _read(root / name)
        reasons = _question(data, match, row, read)
        identities[match["folder"] + match["identity"]].append(name)
        if reasons:
            proof.findings += [Finding(name, reason) for reason in reasons]
        elif row and row.file_hash:
            proof.proved += 1
        else:
            proof.consistent += 1
    proof.findings += [Finding(name, "missing: the ledger knows it") for name in sorted(posts)]
    for names in identities.values():
        proof.findings += [
            Finding(name, f"doubled: the same article as {names[0]}") for name in names[1:]
        ]
    for name in walk_files(root, "revisions"):
        if is_temp(name):
            proof.findings.append(Finding(name, "a temp file of a run that was killed"))
        else:
            proof.revisions += 1
            proof.findings += [
                Finding(name, reason) for reason in _question_revision(root / name, name, read)
            ]
    return proof


def _question_revision(path: Path, name: str, read: Reader) -> list[str]:
    """Gives what is wrong with an old version: its name holds twelve digits of its hash."""
    match = _REVISION.fullmatch(name)
    if match is None or path.is_symlink():
        return ["foreign: not a name that the archive gives"]
    digest = content_hash(read(_read(path)[0]).article).removeprefix("sha256:")
    if not digest.startswith(match["digits"]):
        return ["changed: title and text do not give the digits in its name"]
    return []


def _question(data: bytes, match: re.Match[str], row: PostRow | None, read: Reader) -> list[str]:
    """Gives what is wrong with a post's file."""
    if row and row.file_hash:
        if sha256(data).digest() == row.file_hash:
            return []  # the very bytes that were written
        return [f"changed: not the bytes that were written{_say_how(read(data), row)}"]
    reasons = []
    post = read(data)
    if row is None:
        reasons.append("unknown: no ledger row tells of it")
    if post.warnings:
        reasons.append(f"damaged: {post.warnings[0]}")
    article = post.article
    if article.hash and article.hash != content_hash(article):
        reasons.append("changed: title and text do not give the hash in the header")
    if article.source:
        # An identity by text proves nothing once the text has changed.
        named = bool(article.guid or article.canonical_url)
        if named and not identify_article(article).hex().startswith(match["identity"]):
            reasons.append("misnamed: source and address in the header belong to another name")
        if name_folder(article.source) != match["folder"]:
            reasons.append(f"misplaced: its header says source {article.source}")
    return reasons


def _say_how(post: ParsedPost, row: PostRow) -> str:
    article = post.article
    if article.form not in FORMS or not article.body:
        return ", its body is gone"
    if content_hash(article) != "sha256:" + row.hash.hex():
        return ", title or text differ" + (
            f" (title {article.title!r})" if article.title != row.title else ""
        )
    return ", title and text are whole"


@dataclass(slots=True)
class Status:
    """Counts of an archive. ``by_source`` has posts, other carriers, old versions, newest date
    (seconds UTC); ``by_month`` has (source, ``YYYY/MM``) to posts."""

    by_source: dict[str, tuple[int, int, int, int | None]]
    by_month: Counter[tuple[str, str]]
    revisions: int
    post_bytes: int
    revision_bytes: int
    ledger_bytes: int


def read_status(root: Path, ledger: Ledger) -> Status:
    by_month = Counter({(source, month): n for source, month, n in ledger.count_by_month()})
    sizes = {
        folder: [(root / name).stat().st_size for name in walk_files(root, folder)]
        for folder in ("posts", "revisions")
    }
    return Status(
        by_source=ledger.count_by_source(),
        by_month=by_month,
        revisions=len(sizes["revisions"]),
        post_bytes=sum(sizes["posts"]),
        revision_bytes=sum(sizes["revisions"]),
        ledger_bytes=ledger.path.stat().st_size,
    )
