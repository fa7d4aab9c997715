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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from crawler.archive.decide import (
    Known,
    Verdict,
    decide,
    identify_article,
    name_post,
    name_revision,
)
from crawler.archive.files import (
    GroupWriter,
    Stamp,
    archive_error,
    is_temp,
    stamp_of,
    walk_files,
)
from crawler.archive.ledger import Carrier, Ledger, PostRow, Validator
from crawler.archive.rebuild import adopt_files, has_posts
from crawler.article import Article
from crawler.errors import ArchiveError, DamagedLedgerError
from crawler.fingerprint import content_hash
from crawler.posts import parse_post

__all__ = ["Archive", "Candidate", "Outcome", "Validator", "Verdict", "identify_article"]

logger = logging.getLogger(__name__)

# Gives a post's bytes; the zone is the source's.
Renderer = Callable[[Article, str], bytes]


@dataclass(slots=True)
class Candidate:
    """A normalised article that was met, to be decided about.

    ``entry`` is the digest of the feed entry it came from; ``met_at`` is when it was fetched.
    """

    article: Article
    timezone: str
    met_at: datetime
    entry: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a candidate. ``path`` is its post's, relative to the archive.

    ``healed`` says that the file was missing or not as we wrote it, and was written again.
    ``twin`` is the address, else the title, of the article that a duplicate repeats.
    """

    article: Article
    verdict: Verdict
    path: str
    healed: bool = False
    twin: str | None = None


class Archive:
    """An archive open for writing, one of any number at once. Raises ArchiveError.

    ``commit`` may be called from another thread than the look-ups, each by one at a time.
    """

    def __init__(self, root: Path, render: Renderer, *, wait_s: float = 90.0) -> None:
        self.root = root
        self.warnings: list[str] = []
        self._render = render
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
                adopt_files(self.root, ledger)
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
            adopt_files(self.root, self._ledger)
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

    # ------------------------------------------------------------ writing

    def note_form(self, dialect: str, body: str) -> str | None:
        """Notes how posts are written from now on; gives a warning when older ones differ."""
        form = f"{dialect}, {body}"
        with self._ledger.transaction():
            before = self._ledger.find_note("form")
            self._ledger.put_note("form", form)
        if before in (None, form):
            return None
        return f"posts are written as {form} from now on; older ones stay {before}"

    def rebuild(self) -> int:
        """Makes the ledger again from the files alone; gives the number of posts."""
        with self._ledger.transaction():
            self._ledger.forget_all()
            return adopt_files(self.root, self._ledger)

    def commit(self, batch: Sequence[Candidate | Validator]) -> list[Outcome]:
        """Decides about every candidate, in order, and makes the result durable as one group.

        Validators are noted after the articles that stand before them. When it raises, nothing
        of the group counts as seen.
        """
        group = _Group(self.root, self._ledger, self._render)
        with self._ledger.transaction():
            outcomes = []
            for member in batch:
                if isinstance(member, Validator):
                    self._ledger.put_validator(member)
                else:
                    outcomes.append(group.place(member))
            group.write(self._files)
        return outcomes


class _Group:
    """One group of articles on its way to disk, inside one ledger transaction."""

    def __init__(self, root: Path, ledger: Ledger, render: Renderer) -> None:
        self._root = root
        self._ledger = ledger
        self._render = render
        self._posts: dict[str, bytes] = {}
        self._numbers: dict[str, int] = {}
        self._revisions: dict[str, bytes] = {}

    def place(self, candidate: Candidate) -> Outcome:
        article = candidate.article
        content = bytes.fromhex((article.hash or content_hash(article)).removeprefix("sha256:"))
        identity = identify_article(article)
        met_at = int(candidate.met_at.timestamp())
        carrier = Carrier(
            identity=identity,
            source=article.source,
            url=article.canonical_url,
            title=article.title,
            published_at=_seconds(article.published),
            seen_at=met_at,
            hash=content,
            entry=candidate.entry,
        )
        found = self._ledger.find_carrier(identity)
        twin = None if found else self._ledger.find_text(content)
        verdict = decide(
            Known(found[0].hash, found[1].hash) if found else None,
            text_is_known=twin is not None,
            content=content,
        )
        if found:
            old, post = found
            carrier.identity = old.identity
            if verdict is Verdict.UPDATED:
                self._revise(post, candidate, content, own=post.identity == old.identity)
            elif post.hash == content and post.identity == old.identity:
                healed = self._heal(post, candidate)
                if old.entry != carrier.entry or old.hash != content:
                    self._ledger.put_carrier(carrier, post.id)
                return Outcome(article, verdict, post.path, healed=healed)
            if old.entry != carrier.entry or old.hash != content:
                self._ledger.put_carrier(carrier, post.id)
            return Outcome(article, verdict, post.path)
        if twin:
            self._ledger.put_carrier(carrier, twin.id)
            return Outcome(article, verdict, twin.path, twin=twin.title)
        return self._add(candidate, identity, content, carrier)

    def _add(
        self, candidate: Candidate, identity: bytes, content: bytes, carrier: Carrier
    ) -> Outcome:
        article = _dated(candidate)
        assert article.published is not None
        zone: tzinfo = ZoneInfo(candidate.timezone)
        path = name_post(article.source, identity, article.published, zone)
        post = PostRow(
            id=0,
            identity=identity,
            source=article.source,
            path=path,
            title=article.title,
            hash=content,
            file_hash=None,
            size=0,
            mtime_ns=0,
            published_at=_seconds(article.published),
            first_at=carrier.seen_at,
            written_at=carrier.seen_at,
        )
        post.id = self._ledger.add_post(post, carrier)
        if os.path.lexists(f"{self._root}/{path}"):
            # A file that no ledger row tells of: this very version, or one that is to be kept.
            there = self._read(path)
            if there is not None:
                if _hash_of(there) == "sha256:" + content.hex():
                    self._take_over(post, there)
                    return Outcome(article, Verdict.UNCHANGED, path)
                self._keep(post, there, at=self._written_at(path))
        self._put(post, self._render(article, candidate.timezone))
        return Outcome(article, Verdict.NEW, path)

    def _revise(self, post: PostRow, candidate: Candidate, content: bytes, *, own: bool) -> None:
        """Puts a new version in the post's place, after the old one is kept as a revision.

        What another carrier brings is only text, title, pictures and credits: the post stays the
        article that its name says.
        """
        there = self._read(post.path)
        article = replace(candidate.article, hash="sha256:" + content.hex())
        if article.updated is None:
            article.updated = candidate.met_at.replace(microsecond=0)
        if there is not None:
            old = parse_post(there).article
            if not own:
                article = replace(
                    article,
                    section=old.section,
                    label=old.label,
                    channel=old.channel,
                    slug=old.slug,
                    source=old.source,
                    guid=old.guid,
                    canonical_url=old.canonical_url,
                    published=old.published,
                    dated=old.dated,
                )
            elif article.published is None:
                article.published, article.dated = old.published, old.dated
        article = _dated(replace(candidate, article=article))
        written_at = post.written_at
        post.title = article.title
        post.hash = content
        post.published_at = _seconds(article.published)
        post.written_at = int(candidate.met_at.timestamp())
        self._ledger.put_version(post)
        if there is not None:
            if _hash_of(there) == article.hash:
                # A run that was killed got as far as this file: only the ledger was behind.
                self._take_over(post, there)
                return
            self._keep(post, there, at=datetime.fromtimestamp(written_at, UTC))
        self._put(post, self._render(article, candidate.timezone))

    def _heal(self, post: PostRow, candidate: Candidate) -> bool:
        """Writes the file again when it is missing or is not what we wrote; keeps the odd one."""
        if post.path in self._posts:
            return False
        stamp = stamp_of(f"{self._root}/{post.path}")
        if stamp == Stamp(post.size, post.mtime_ns):
            return False
        there = self._read(post.path) if stamp else None
        if stamp and there is not None:
            digest = sha256(there).digest()
            as_written = (
                digest == post.file_hash
                if post.file_hash
                else (_hash_of(there) == candidate.article.hash)
            )
            if as_written:
                self._ledger.put_stamp(
                    post.id, size=stamp.size, mtime_ns=stamp.mtime_ns, file_hash=digest
                )
                return False
            self._keep(post, there, at=self._written_at(post.path))
        article = candidate.article
        if article.published is None and post.published_at is not None:
            article = replace(
                article,
                published=datetime.fromtimestamp(post.published_at, UTC),
                dated="fetched",
            )
        self._put(
            post, self._render(_dated(replace(candidate, article=article)), candidate.timezone)
        )
        return True

    def _take_over(self, post: PostRow, data: bytes) -> None:
        """Notes a file that stands in its place already."""
        if post.path in self._posts:
            return
        stamp = stamp_of(f"{self._root}/{post.path}")
        if stamp:
            self._ledger.put_stamp(
                post.id, size=stamp.size, mtime_ns=stamp.mtime_ns, file_hash=sha256(data).digest()
            )

    def _written_at(self, path: str) -> datetime:
        stamp = stamp_of(f"{self._root}/{path}")
        return datetime.fromtimestamp(stamp.mtime_ns // 10**9 if stamp else 0, UTC)

    def _keep(self, post: PostRow, data: bytes, *, at: datetime) -> None:
        self._revisions[name_revision(post.path, at, _hash_of(data))] = data

    def _put(self, post: PostRow, data: bytes) -> None:
        self._posts[post.path] = data
        self._numbers[post.path] = post.id

    def _read(self, path: str) -> bytes | None:
        """Gives the post's bytes as they are, or will be when this group is written."""
        if path in self._posts:
            return self._posts[path]
        full = f"{self._root}/{path}"
        if os.path.islink(full):
            raise ArchiveError(f"{full}: is a symbolic link")
        try:
            return Path(full).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise archive_error(error, full) from error

    def write(self, files: GroupWriter) -> None:
        # Old versions are safe before anything takes their place.
        files.write(_only_changed(self._root, self._revisions))
        for path, stamp in files.write(self._posts).items():
            self._ledger.put_stamp(
                self._numbers[path],
                size=stamp.size,
                mtime_ns=stamp.mtime_ns,
                file_hash=sha256(self._posts[path]).digest(),
            )


def _dated(candidate: Candidate) -> Article:
    """Gives the article with a date: its own, else the time it was met (FORMAT 2.6)."""
    if candidate.article.published is not None:
        return candidate.article
    return replace(
        candidate.article, published=candidate.met_at.replace(microsecond=0), dated="fetched"
    )


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _hash_of(data: bytes) -> str:
    """Gives the content hash of a file, computed and not believed."""
    return content_hash(parse_post(data).article)


def _only_changed(root: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Leaves out what stands there already; never lets another text take its place."""
    changed = {}
    for name, data in files.items():
        there = root / name
        if there.exists():
            if there.read_bytes() == data:
                continue
            name = f"{name.removesuffix('.md')}-{sha256(data).hexdigest()[:12]}.md"
        changed[name] = data
    return changed


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
