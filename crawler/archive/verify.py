"""The files proved against the ledger, their own content hash and their names."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from crawler.archive import reports
from crawler.archive.decide import identify_article, name_folder
from crawler.archive.files import is_temp, walk_files
from crawler.archive.ledger import Ledger, PostRow
from crawler.archive.presence import is_locked
from crawler.archive.rebuild import NAME, Reader, read_file
from crawler.archive.tombstones import (
    FOLDER,
    is_tombstone,
    name_tombstone,
    parse_tombstone,
    row_of,
)
from crawler.article import FORMS
from crawler.errors import ArchiveError
from crawler.fingerprint import content_hash
from crawler.posts import ParsedPost, parse_post

_REVISION = re.compile(
    r"revisions/(?P<post>[^/]+/[0-9]{4}/[0-9]{2}/[^/]+)/"
    r"[0-9]{8}T[0-9]{6}Z-(?P<digits>[0-9a-f]{12})(?:-[0-9a-f]{12})?\.md"
)
_FOREIGN = "foreign: not a name that the archive gives"
_LINK = "foreign: a link, which is not followed"
_MISSING = "missing: the ledger knows it"
_TEMP = "a temp file of a run that was killed"


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

    def find(self, path: str, reason: str) -> None:
        self.findings.append(Finding(path, reason))


def verify(
    root: Path,
    ledger: Ledger,
    read: Reader = parse_post,
    *,
    is_alive: Callable[[str], bool] = lambda _: False,
) -> Proof:
    """Proves every file against ledger, name and content hash; writes nothing.

    ``is_alive`` tells whether a temp file, or a run's marker, is that of a run still at work. Is
    there one, or was there one meanwhile, then what looks odd is looked at again while nobody can
    write.
    """
    proof = Proof()
    commits = ledger.count_commits_of_others()
    others = _look_around(root, proof, is_alive)
    removed = ledger.list_removed()
    rewritten = {post.path: file_hash for post, file_hash in ledger.list_rewrites()}
    rows = ledger.list_posts()
    following = next(rows, None)
    missing: list[str] = []
    identities: dict[str, str] = {}
    odd: dict[str, list[str]] = {}
    for name in walk_files(root, "posts"):
        if is_temp(name):
            if _is_left(root, name, is_alive):
                proof.find(name, _TEMP)
            continue
        match = NAME.fullmatch(name)
        while following and following.path < name:  # both come in the order of the paths
            missing.append(following.path)
            following = next(rows, None)
        row = None
        if following and following.path == name:
            row, following = following, next(rows, None)
        if os.path.islink(root / name):
            proof.find(name, _LINK)
            continue
        if match is None:
            proof.find(name, _FOREIGN)
            continue
        first = identities.setdefault(match["folder"] + match["identity"], name)
        if first != name:
            proof.find(name, f"doubled: the same article as {first}")
        reasons = _question_file(
            root, name, row, ledger, read, rewritten.get(name), seek_twin=first == name
        )
        if row is None and name in removed:
            reasons = ["removed: it stands there in spite of its tombstone"]
        if reasons:
            odd[name] = reasons
        elif row and row.file_hash:
            proof.proved += 1
        else:
            proof.consistent += 1
    if following:
        missing += [following.path, *(row.path for row in rows)]
    odd |= {name: [_MISSING] for name in missing}
    others = others or _is_any_at_work(root, is_alive)
    others = others or ledger.count_commits_of_others() != commits
    if odd and others:
        odd = _look_again(root, ledger, read, odd)
    for name, reasons in sorted(odd.items()):
        for reason in reasons:
            proof.find(name, reason)
    known = {name.removeprefix("posts/").removesuffix(".md") for name in missing}
    gone = _Gone(ledger)
    _prove_revisions(root, ledger, read, proof, is_alive, known, gone)
    _prove_versions(ledger, gone, proof, others=others)
    with _undisturbed(ledger, others) as current:
        _prove_tombstones(root, current, proof, is_alive)
    return proof


def _is_any_at_work(root: Path, is_alive: Callable[[str], bool]) -> bool:
    return any(is_alive(path.name) for path in root.glob(".run-*"))


@contextlib.contextmanager
def _undisturbed(ledger: Ledger, others: bool) -> Iterator[Ledger]:
    """Gives the ledger while nobody can be between his files and its rows."""
    if not others:
        yield ledger
        return
    with contextlib.closing(Ledger(ledger.path)) as current, current.transaction():
        yield current


def _question_file(
    root: Path,
    name: str,
    row: PostRow | None,
    ledger: Ledger,
    read: Reader,
    rewritten: bytes | None = None,
    *,
    seek_twin: bool = True,
) -> list[str]:
    try:
        data, _ = read_file(root / name)
    except ArchiveError as error:
        return [f"unreadable: {error}"]
    reasons = question_post(data, name, row, read)
    if reasons and rewritten and rewritten == sha256(data).digest():
        return []  # a rewrite was killed before it could tell the ledger
    if seek_twin and (row is None or len(row.identity) < 32):
        # Its name proves nothing: perhaps its text stands under another one.
        content = bytes.fromhex(content_hash(read(data).article).removeprefix("sha256:"))
        twin = ledger.find_text(content)
        if twin and twin.path != name and os.path.exists(root / twin.path):
            reasons.append(f"doubled: the same title and text as {twin.path}")
    return reasons


def _look_again(
    root: Path, ledger: Ledger, read: Reader, odd: dict[str, list[str]]
) -> dict[str, list[str]]:
    """Gives what is still odd while no run can be between its files and the ledger."""
    still: dict[str, list[str]] = {}
    names = sorted(odd)
    with contextlib.closing(Ledger(ledger.path)) as current:
        for start in range(0, len(names), 1000):
            group = names[start : start + 1000]
            with current.transaction():
                rows = {row.path: row for row in current.find_posts_at(group)}
                removed = current.list_removed()
                for name in group:
                    row = rows.get(name)
                    if not os.path.lexists(root / name):
                        if row:
                            still[name] = [_MISSING]
                    elif row is None and name in removed:
                        still[name] = odd[name]
                    else:
                        reasons = _question_file(root, name, row, current, read)
                        if reasons:
                            still[name] = reasons
    return still


def _look_around(root: Path, proof: Proof, is_alive: Callable[[str], bool]) -> bool:
    """Names what does not belong into the archive's own folder and into its reports; tells whether
    a run is at work."""
    with os.scandir(root) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    others = _is_any_at_work(root, is_alive)
    for entry in found:
        name = entry.name
        if name.startswith(".run-"):
            if _is_left(root, name, is_alive):
                proof.find(name, "a run was killed; the next one heals what it left")
        elif is_temp(name):
            # The seal's, which whoever closes the archive makes.
            if not others and _is_left(root, name, is_alive):
                proof.find(name, _TEMP)
        elif name in ("posts", "revisions", reports.FOLDER, FOLDER):
            if not entry.is_dir(follow_symlinks=False):
                proof.find(name, "foreign: not a folder")
        elif not (
            re.fullmatch(r"ledger\.sqlite3(-wal|-shm|-seal|\.damaged-.+)?", name)
            # Of the file system, of version control.
            or name == "lost+found"
            or name.startswith(".")
        ):
            proof.find(name, _FOREIGN)
    for name in walk_files(root, reports.FOLDER):
        if is_temp(name):
            if _is_left(root, name, lambda name: is_locked(root / name)):
                proof.find(name, _TEMP)
        elif not name.endswith(".json") and name != f"{reports.FOLDER}/{reports.PAGE}":
            proof.find(name, _FOREIGN)
    return others


def _is_left(root: Path, name: str, is_alive: Callable[[str], bool]) -> bool:
    """Tells whether a temp file is left by a run that was killed, not by one that has just ended
    and taken it along."""
    return not is_alive(name) and os.path.lexists(root / name)


def _prove_revisions(
    root: Path,
    ledger: Ledger,
    read: Reader,
    proof: Proof,
    is_alive: Callable[[str], bool],
    known: Iterable[str],
    gone: _Gone,
) -> None:
    for name in walk_files(root, "revisions"):
        if is_temp(name):
            if _is_left(root, name, is_alive):
                proof.find(name, _TEMP)
            continue
        proof.revisions += 1
        match = _REVISION.fullmatch(name)
        if os.path.islink(root / name):
            proof.find(name, _LINK)
            continue
        if match is None:
            proof.find(name, _FOREIGN)
            continue
        gone.meet(match["post"], match["digits"])
        try:
            data, _ = read_file(root / name)
        except ArchiveError as error:
            if os.path.lexists(root / name):  # nobody is removing it right now
                proof.find(name, f"unreadable: {error}")
            continue
        as_kept = ledger.find_revision(name)
        if as_kept and sha256(data).digest() != as_kept:
            proof.find(name, "changed: not the bytes that were kept")
        elif not as_kept and not _has_digits(data, match["digits"], read):
            proof.find(name, "changed: title and text do not give the digits in its name")
        if match["post"] not in known and not os.path.lexists(root / f"posts/{match['post']}.md"):
            proof.find(name, "left over: its post is not there")


class _Gone:
    """The old versions that the ledger knows and no revision is met of.

    To be made before the revisions are walked: files come before rows. A post that was edited by
    hand, or read in another form, is kept under digits that no version has, in place of one.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._live: dict[str, str] = {}
        self._old: defaultdict[str, set[str]] = defaultdict(set)
        self._odd: Counter[str] = Counter()
        for path, live, old in ledger.list_old_versions():
            post = path.removeprefix("posts/").removesuffix(".md")
            self._live[post] = live.hex()[:12]
            self._old[post].add(old.hex()[:12])
        self._unmet = {post: set(digits) for post, digits in self._old.items()}

    def meet(self, post: str, digits: str) -> None:
        if digits in self._old.get(post, ()):
            self._unmet[post].discard(digits)
        elif digits != self._live.get(post):
            self._odd[post] += 1

    def list_missing(self) -> Iterator[tuple[str, str]]:
        """Yields post, as below ``posts/`` without its ending, and digits."""
        for post, digits in sorted(self._unmet.items()):
            if len(digits) > self._odd[post]:
                yield from ((post, one) for one in sorted(digits))


def _prove_versions(ledger: Ledger, gone: _Gone, proof: Proof, *, others: bool) -> None:
    missing = list(gone.list_missing())
    if missing and others:
        # A removal takes the files first; now nobody is in the middle of one.
        with _undisturbed(ledger, others) as current:
            posts = current.find_posts_at(f"posts/{post}.md" for post, _ in missing)
        standing = {post.path for post in posts}
        missing = [found for found in missing if f"posts/{found[0]}.md" in standing]
    for post, digits in missing:
        proof.find(f"revisions/{post}", f"missing: the ledger knows a version {digits}")


def _has_digits(data: bytes, digits: str, read: Reader) -> bool:
    """Tells whether a revision's text gives the digits in its name. One without extra keys does
    not tell its form, which need not be that of today."""
    articles = (
        parse_post(data, bare_form=form).article if form else read(data).article
        for form in (None, *FORMS)
    )
    return any(content_hash(a).removeprefix("sha256:").startswith(digits) for a in articles)


def _prove_tombstones(
    root: Path, ledger: Ledger, proof: Proof, is_alive: Callable[[str], bool]
) -> None:
    removed = {name_tombstone(path): row for path, row in ledger.list_removed().items()}
    for name in walk_files(root, FOLDER):
        if is_temp(name):
            if _is_left(root, name, is_alive):
                proof.find(name, _TEMP)
            continue
        if not is_tombstone(name) or os.path.islink(root / name):
            proof.find(name, _LINK if os.path.islink(root / name) else _FOREIGN)
            continue
        tombstone = parse_tombstone(name, read_file(root / name)[0])
        row = removed.pop(name, None)
        if tombstone.damaged:
            proof.find(name, "damaged: no tombstone can be read there")
        elif row is None:
            proof.find(name, "unfinished: the ledger does not know of this removal")
        elif row != row_of(row.post, tombstone) or tombstone.keys != ledger.find_tombstone_keys(
            tombstone.keys
        ):
            proof.find(name, "changed: not what the ledger knows of this removal")
    for name in removed:
        proof.find(name, "missing: the ledger knows this tombstone")


def question_post(data: bytes, name: str, row: PostRow | None, read: Reader) -> list[str]:
    """Gives what is wrong with a post's file, ``name`` being one that the archive gives."""
    if row and row.file_hash:
        if sha256(data).digest() == row.file_hash:
            return []  # the very bytes that were written
        return [f"changed: not the bytes that were written{_say_how(read(data), row)}"]
    match = NAME.fullmatch(name)
    assert match is not None
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
