"""The ledger made again from the files, and the files proved against the ledger."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from crawler.archive.decide import identify_article, name_folder, name_revisions
from crawler.archive.files import archive_error, is_temp, walk_files
from crawler.archive.ledger import REBUILT, Carrier, ClauseRow, Ledger, PostRow
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

# Reads a post of this archive.
Reader = Callable[[bytes], ParsedPost]


def has_posts(root: Path) -> bool:
    return any(name.endswith(".md") for name in walk_files(root, "posts"))


def adopt_files(root: Path, ledger: Ledger, read: Reader = parse_post) -> int:
    """Gives every post that no ledger row tells of its row; gives how many there were.

    To be called inside a transaction: no run can have a file there on its way to its row.
    Of the source's own zone, first fetch and carriers the files do not tell; the file's own time
    stands in for the first.
    """
    known = {post.path for post in ledger.list_posts()}
    number = ledger.next_number()
    posts: list[PostRow] = []
    carriers: list[tuple[Carrier, int]] = []
    versions: list[tuple[bytes, int]] = []
    clauses: list[ClauseRow] = []
    for name in walk_files(root, "posts"):
        match = _NAME.fullmatch(name)
        if match is None or name in known:
            continue
        data, found = _read(root / name)
        article = read(data).article
        content = bytes.fromhex(content_hash(article).removeprefix("sha256:"))
        identity = identify_file(match["identity"], article)
        seconds = found // 10**9
        published_at = int(article.published.timestamp()) if article.published else None
        source = article.source or match["folder"]
        posts.append(
            PostRow(
                id=number,
                identity=identity,
                source=source,
                path=name,
                title=article.title,
                hash=content,
                file_hash=None,
                size=len(data),
                mtime_ns=found,
                published_at=published_at,
                first_at=seconds,
                written_at=int(article.updated.timestamp()) if article.updated else seconds,
            )
        )
        carrier = Carrier(
            identity=identity,
            source=source,
            guid=article.guid,
            url=article.canonical_url,
            title=article.title,
            published_at=published_at,
            seen_at=seconds,
            hash=content,
            entry=REBUILT,
        )
        carriers.append((carrier, number))
        versions.append((content, number))
        clauses += list_clauses(article, published_at or seconds, number)
        for revision in walk_files(root, name_revisions(name)):
            if revision.endswith(".md"):
                old, _ = _read(root / revision)
                digest = content_hash(read(old).article)
                versions.append((bytes.fromhex(digest.removeprefix("sha256:")), number))
        number += 1
    ledger.add_posts(posts)
    ledger.add_versions(versions)
    ledger.put_carriers(carriers)
    ledger.add_clauses(clauses)
    ledger.note_short_identities()
    return len(posts)


def list_clauses(article: Article, published_at: int, number: int) -> list[ClauseRow]:
    """Gives what the ledger holds of a live text, to find near-duplicates of it by."""
    return [(clause, published_at, number) for clause in sign(article).sample()]


def identify_file(digits: str, article: Article) -> bytes:
    """Gives the identity of a post: what its header says where the name agrees, else the name."""
    identity = identify_article(article)
    return identity if identity.hex().startswith(digits) else bytes.fromhex(digits)


def _read(path: Path) -> tuple[bytes, int]:
    """Gives a file's bytes and its modification time in nanoseconds."""
    try:
        return path.read_bytes(), path.stat().st_mtime_ns
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
