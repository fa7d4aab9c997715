"""Posts written anew in the dialect and body form of today; old versions stay as they were.

The text stays the same, so nothing becomes a revision. Before a file takes its post's place the
ledger holds the file's SHA-256: a rewrite that was killed between the two is told from an edit by
hand, and settled when the archive is next opened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from crawler.archive.files import GroupWriter, Stamp, stamp_of
from crawler.archive.ledger import Carrier, Ledger, PostRow
from crawler.archive.rebuild import Reader, read_file
from crawler.archive.verify import Finding, question_post
from crawler.article import FORMS, Article
from crawler.errors import ArchiveError, NewsError
from crawler.fingerprint import content_hash
from crawler.posts import parse_post

# Gives the bytes of a post as posts are written today. ``whole`` says that the article holds all
# that a normalised one holds, as those with extra keys do.
Convert = Callable[[Article, bool], bytes]
Begin = Callable[[], AbstractContextManager[Ledger]]

GROUP_SIZE = 256


@dataclass(slots=True)
class Rewriting:
    """What a rewrite did: counts of posts, and those left as they are, with the reason."""

    rewritten: int = 0
    unchanged: int = 0
    left: list[Finding] = field(default_factory=list)


def rewrite_posts(
    root: Path, begin: Begin, files: GroupWriter, convert: Convert, read: Reader
) -> Rewriting:
    """Rewrites what can be; ``begin`` opens a transaction."""
    done = Rewriting()
    last = 0
    while rows := _read_group(begin, last):
        last = rows[-1].id
        # A crawl may change some of a group between the two looks at them: those are met again.
        while rows:
            rows = _rewrite_group(root, begin, files, convert, read, rows, done)
    return done


def _read_group(begin: Begin, last: int) -> list[PostRow]:
    with begin() as ledger:
        return ledger.read_posts_after(last, GROUP_SIZE)


def _rewrite_group(
    root: Path,
    begin: Begin,
    files: GroupWriter,
    convert: Convert,
    read: Reader,
    rows: list[PostRow],
    done: Rewriting,
) -> list[PostRow]:
    """Rewrites a group; gives the rows that somebody else changed meanwhile, as they are now."""
    with begin() as ledger:
        carriers = ledger.list_carriers(row.id for row in rows)
    texts: dict[int, bytes] = {}
    stamps: dict[str, Stamp | None] = {}
    for row in rows:
        stamps[row.path] = stamp_of(f"{root}/{row.path}")
        try:
            there, _ = read_file(root / row.path)
            reasons = question_post(there, row.path, row, read)
            data = there if reasons else _convert(there, row, carriers[row.id], convert, read)
        except NewsError as error:
            reasons, data = [str(error)], b""
        if reasons:
            done.left.append(Finding(row.path, reasons[0]))
        elif data == there:
            done.unchanged += 1
        else:
            texts[row.id] = data
    with begin() as ledger:
        ledger.put_rewrites((number, sha256(data).digest()) for number, data in texts.items())
    with begin() as ledger:
        now = {row.id: row for row in ledger.find_posts(texts)}
        same = [
            row
            for row in rows
            if row.id in texts
            and row == now.get(row.id)
            and stamp_of(f"{root}/{row.path}") == stamps[row.path]
        ]
        written = files.write({row.path: texts[row.id] for row in same})
        for row in same:
            _note(row, written[row.path], sha256(texts[row.id]).digest())
        ledger.put_posts(same)
        ledger.note_changes(row.id for row in same)
        ledger.forget_rewrites(texts)
    done.rewritten += len(same)
    return [row for row in now.values() if row.id not in {row.id for row in same}]


def _note(row: PostRow, stamp: Stamp, file_hash: bytes) -> None:
    row.size, row.mtime_ns, row.file_hash = stamp.size, stamp.mtime_ns, file_hash


def _convert(
    there: bytes, row: PostRow, carriers: list[Carrier], convert: Convert, read: Reader
) -> bytes:
    """Gives the post's new bytes; raises ArchiveError when they would be another text."""
    content = f"sha256:{row.hash.hex()}"
    article = read_as_written(there, row, carriers, read)
    whole = article.hash is not None
    data = convert(replace(article, hash=content), whole)
    if content_hash(read_as_written(data, row, carriers, read)) != content:
        raise ArchiveError("its text would not be the same in the new form")
    return data


def read_as_written(data: bytes, row: PostRow, carriers: list[Carrier], read: Reader) -> Article:
    """Gives a post's article; what a post without extra keys does not hold, the ledger tells.

    The form of such a body is the one that gives the content hash. A ``hash`` of None says that
    the post has no extra keys.
    """
    article = read(data).article
    if article.hash is not None:
        return article
    content = f"sha256:{row.hash.hex()}"
    for form in FORMS:
        found = parse_post(data, bare_form=form).article
        if content_hash(found) == content:
            article = found
            break
    own = next((carrier for carrier in carriers if carrier.identity == row.identity), None)
    article.title = row.title  # the seed forms write underscores for some characters
    article.source = article.source or row.source
    if own:
        article.guid = article.guid or own.guid
        article.canonical_url = article.canonical_url or own.url
    if row.published_at is not None:
        article.published = datetime.fromtimestamp(row.published_at, UTC)
    if article.updated is None and row.written_at > row.first_at:
        article.updated = datetime.fromtimestamp(row.written_at, UTC)
    return article


def settle_rewrites(root: Path, ledger: Ledger) -> None:
    """Notes the files that a killed rewrite put in place; to be called inside a transaction."""
    settled = []
    for row, file_hash in ledger.list_rewrites():
        stamp = stamp_of(f"{root}/{row.path}")
        if stamp is None:
            continue
        data, _ = read_file(root / row.path)
        if sha256(data).digest() == file_hash:
            _note(row, stamp, file_hash)
            settled.append(row)
    ledger.put_posts(settled)
    ledger.note_changes(row.id for row in settled)
    ledger.forget_rewrites(row.id for row in settled)
