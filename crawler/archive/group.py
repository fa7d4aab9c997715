"""A group of articles on its way to disk: every decision first, then the files, then the ledger.

One group lives inside one ledger transaction, which keeps every other process out. It sees its own
decisions, so an article that comes twice in a group meets itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from crawler.archive.decide import (
    Known,
    NearMode,
    Verdict,
    add_entry,
    decide,
    identify_article,
    is_name_of,
    name_post,
    name_revision,
    tells_better,
)
from crawler.archive.files import GroupWriter, Stamp, archive_error, stamp_of
from crawler.archive.ledger import REBUILT, Carrier, Ledger, PostRow, RemovedRow
from crawler.archive.rebuild import Reader
from crawler.article import Article
from crawler.clauses import Signature, fit_titles, share_of, sign
from crawler.errors import ArchiveError, DamagedLedgerError
from crawler.fingerprint import content_hash

# Posts that are read, at most, to see whether a new text is near to one of them.
_MOST_READ = 6

# Gives a post's bytes; the zone is the source's.
Renderer = Callable[[Article, str], bytes]
Locate = Callable[[str], str]


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
    ``twin`` is the address, else the title, of the article that a duplicate or near-duplicate
    repeats; ``shared`` what part of the longer of two near texts both have, else None. ``retold``
    says that its post is read as this carrier of the same text tells it from now on. ``moved_s`` is
    by how many seconds the date of a known article has moved since it was last met.
    """

    article: Article
    verdict: Verdict
    path: str
    healed: bool = False
    twin: str | None = None
    shared: float | None = None
    retold: bool = False
    moved_s: int | None = None

    @property
    def is_written(self) -> bool:
        """Tells whether a post's file is another one now."""
        return self.verdict in (Verdict.NEW, Verdict.UPDATED) or self.healed or self.retold


class Group:
    """One group of articles on its way to disk, inside one ledger transaction.

    ``locate`` gives the full path of a file, from its path in the archive.
    """

    def __init__(
        self, locate: Locate, ledger: Ledger, render: Renderer, read: Reader, near: NearMode
    ) -> None:
        self._locate = locate
        self._ledger = ledger
        self._render = render
        self._parse = read
        self._near = near
        self._next_number = ledger.next_number()
        # What the ledger will be told: rows by number, those among them that are new, the carriers
        # with their posts' numbers, the texts that posts have or had: by text, the post that had it
        # first, and each with every post that it is or was a version of.
        self._rows: dict[int, PostRow] = {}
        self._new: set[int] = set()
        self._carriers: dict[bytes, tuple[Carrier, int]] = {}
        self._texts: dict[bytes, int] = {}
        self._versions: set[tuple[bytes, int]] = set()
        # Signatures of live texts, as far as this group needed them.
        self._signatures: dict[int, Signature] = {}
        # Numbers of known posts whose files change; what is learned of removed ones.
        self._changed: set[int] = set()
        self._has_tombstones = ledger.has_tombstones()
        self._tombstones: dict[bytes, RemovedRow] = {}
        # What the disk will hold, by path; whose post it is.
        self._posts: dict[str, bytes] = {}
        self._owners: dict[str, PostRow] = {}
        self._revisions: dict[str, bytes] = {}

    def place(self, candidate: Candidate) -> Outcome:
        article = candidate.article
        content = bytes.fromhex((article.hash or content_hash(article)).removeprefix("sha256:"))
        identity = identify_article(article)
        met_at = int(candidate.met_at.timestamp())
        carrier = Carrier(
            identity=identity,
            source=article.source,
            guid=article.guid,
            url=article.canonical_url,
            title=article.title,
            published_at=_seconds(article.published),
            seen_at=met_at,
            hash=content,
            entry=candidate.entry,
        )
        found = self._find_carrier(identity)
        removed = self._find_removed(identity, content, found) if self._has_tombstones else None
        if removed:
            return Outcome(article, Verdict.REMOVED, removed.path)
        if found and self._left_its_twin(*found, content):
            found = None
        twin = None if found else self._find_text(content)
        verdict = decide(
            Known(found[0].hash, found[1].hash) if found else None,
            text_is_known=twin is not None,
            content=content,
        )
        if found:
            old, post = found
            carrier.identity = old.identity
            healed = False
            own = post.identity == old.identity
            if (
                verdict is Verdict.UPDATED
                and old.entry == REBUILT
                and (self._had(post, content) or _is_title_of(article, post))
            ):
                # The ledger was made again from files, which do not tell who carried what: this
                # carrier stands at an older version, while another one brought the live one.
                verdict = Verdict.UNCHANGED
            elif verdict is Verdict.UPDATED:
                self._revise(post, candidate, content, own=own)
            elif post.hash == content:
                healed = self._heal(post, candidate, own=own)
            moved_s = None
            if old.published_at is not None and carrier.published_at is not None:
                moved_s = carrier.published_at - old.published_at
            if old.hash == content:
                carrier.entry = add_entry(old.entry, carrier.entry)
            if old.entry != carrier.entry or old.hash != content:
                self._carriers[old.identity] = (carrier, post.id)
            return Outcome(article, verdict, post.path, healed=healed, moved_s=moved_s)
        if twin:
            self._carriers[identity] = (carrier, twin.id)
            healed = twin.hash == content and self._heal(twin, candidate, own=False)
            retold = twin.hash == content and not healed and self._improve(twin, candidate)
            return Outcome(
                article, verdict, twin.path, healed=healed, twin=twin.title, retold=retold
            )
        if self._near == "off":
            return self._add(candidate, carrier)
        at = carrier.published_at or met_at
        signature = sign(article)
        sample = signature.sample()
        near = self._find_near(signature, sample, at)
        if near and self._near == "skip":
            self._carriers[identity] = (carrier, near[0].id)
            outcome = Outcome(article, Verdict.SKIPPED, near[0].path)
        else:
            number = self._next_number
            outcome = self._add(candidate, carrier)
            self._signatures[number] = signature
            self._ledger.add_clauses((clause, at, number) for clause in sample)
        if near and outcome.verdict is not Verdict.UNCHANGED:
            outcome = replace(outcome, twin=self._address_of(near[0]), shared=near[1])
        return outcome

    def _find_removed(
        self, identity: bytes, content: bytes, found: tuple[Carrier, PostRow] | None
    ) -> RemovedRow | None:
        """Gives the removed post whose identity or text this is.

        It goes on collecting carriers and versions, in the ledger, so that an edit of it does not
        come back by way of a mirror; those of other posts are not among them.
        """
        if found:
            if content in (found[0].hash, found[1].hash):
                return None  # nothing would be written
            return self._tombstones.get(content) or self._ledger.find_tombstone(content)
        keys = identity, identity[:6], content
        met = (self._tombstones.get(key) for key in keys)
        removed = next(filter(None, met), None) or self._ledger.find_tombstone(*keys)
        if removed:
            self._tombstones[identity] = removed
            if self._find_text(content) is None:
                self._tombstones[content] = removed
        return removed

    def _left_its_twin(self, carrier: Carrier, post: PostRow, content: bytes) -> bool:
        """Tells whether a near-duplicate that was not written has another text now.

        What it carried was never its post's text, so that this is no edit of the post: it is
        decided about as if it had not been met.
        """
        return content not in (carrier.hash, post.hash) and not self._had(post, carrier.hash)

    def _find_near(
        self, signature: Signature, sample: Sequence[int], at: int
    ) -> tuple[PostRow, float] | None:
        """Gives the post that a new text is near to, and what they share."""
        for post in self._list_sharing(signature, sample, at):
            live = self._sign(post)
            share = share_of(signature, live) if live else None
            if share is not None:
                return post, share
        return None

    def _list_sharing(
        self, signature: Signature, sample: Sequence[int], at: int
    ) -> Sequence[PostRow]:
        """Gives the few posts that a new text may be near to, the likeliest first.

        Notices in one frame share all but a name and some numbers, which need not be sampled: of
        many posts those come first whose title has most to do with the text.
        """
        told = self._ledger.find_sharing(sample, at)
        unmet = [number for number in told if number not in self._rows]
        rows = {post.id: post for post in self._ledger.find_posts(unmet)} if unmet else {}
        posts = [post for number in told if (post := self._rows.get(number) or rows.get(number))]
        if len(posts) > _MOST_READ:
            fits = fit_titles((post.title for post in posts), signature)
            fit_by_id = {post.id: fit for post, fit in zip(posts, fits, strict=True)}
            posts.sort(key=lambda post: -told[post.id] - fit_by_id[post.id])
        return posts[:_MOST_READ]

    def _sign(self, post: PostRow) -> Signature | None:
        """Gives the signature of a post's live text; None when its file is gone."""
        if post.id not in self._signatures:
            data = self._read(post.path)
            if data is None:
                return None
            self._signatures[post.id] = sign(self._parse(data).article)
        return self._signatures[post.id]

    def _sign_anew(self, post: PostRow, old: PostRow, article: Article) -> None:
        """Makes a post be found by its new text and no longer by its old one."""
        if self._near == "off":
            return
        before = self._sign(old)
        if before:
            self._ledger.drop_clauses(old.list_clauses(before.sample()))
        after = self._signatures[post.id] = sign(article)
        self._ledger.add_clauses(post.list_clauses(after.sample()))

    def _address_of(self, post: PostRow) -> str:
        owner = self._find_carrier(post.identity)
        return (owner and (owner[0].url or owner[0].guid)) or post.title

    def _add(self, candidate: Candidate, carrier: Carrier) -> Outcome:
        article = _dated(candidate)
        assert article.published is not None
        identity, content = carrier.identity, carrier.hash
        path = name_post(article.source, identity, article.published, ZoneInfo(candidate.timezone))
        post = PostRow(
            id=self._next_number,
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
        self._next_number += 1
        self._rows[post.id] = post
        self._new.add(post.id)
        self._note_version(post, content)
        self._carriers[identity] = (carrier, post.id)
        if os.path.lexists(self._locate(path)):
            # A file that no ledger row tells of: this very version, or one that is to be kept.
            there = self._read(path)
            if there is not None:
                if self._hash_of(there) == "sha256:" + content.hex():
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
            old = self._parse(there).article
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
        before = replace(post)
        post.title = article.title
        post.hash = content
        post.published_at = _seconds(article.published)
        post.written_at = int(candidate.met_at.timestamp())
        self._rows[post.id] = post
        self._changed.add(post.id)
        self._note_version(post, content)
        self._sign_anew(post, before, article)
        if there is not None:
            if self._hash_of(there) == article.hash:
                # A run that was killed got as far as this file: only the ledger was behind.
                self._take_over(post, there)
                return
            self._keep(post, there, at=datetime.fromtimestamp(before.written_at, UTC))
        elif before.id not in self._new:
            self._ledger.note_lost(before.id, before.hash)
        self._put(post, self._render(article, candidate.timezone))

    def _improve(self, post: PostRow, candidate: Candidate) -> bool:
        """Lets a post be read as its new carrier tells it, where that tells better; tells whether.

        It stays the same version: not one character differs that the content hash counts.
        """
        there = self._read(post.path)
        old = self._parse(there).article if there is not None else None
        article = candidate.article
        # Only what reads back as it was written can be compared.
        if old is None or old.hash is None or old.form != article.form:
            return False
        if not tells_better(article, old):
            return False
        post.title = article.title
        self._rows[post.id] = post
        told = replace(
            old,
            title=article.title,
            body=article.body,
            lead=article.lead,
            byline=article.byline,
            origin=article.origin,
        )
        self._sign_anew(post, replace(post), told)
        self._put(post, self._render(told, candidate.timezone))
        return True

    def _note_version(self, post: PostRow, content: bytes) -> None:
        self._texts.setdefault(content, post.id)
        self._versions.add((content, post.id))

    def _had(self, post: PostRow, content: bytes) -> bool:
        known = (content, post.id) in self._versions
        return known or self._ledger.had_version(post.id, content)

    def _heal(self, post: PostRow, candidate: Candidate, *, own: bool) -> bool:
        """Writes the file again when it is missing or is not what we wrote; keeps the odd one."""
        if post.path in self._posts:
            return False
        stamp = stamp_of(self._locate(post.path))
        if stamp == Stamp(post.size, post.mtime_ns):
            return False
        if stamp is None and not is_name_of(post.path, post.source, post.identity):
            # It is the row that is wrong, not the file that is gone.
            raise DamagedLedgerError(f"{self._ledger.path}: damaged (post {post.id})")
        there = self._read(post.path) if stamp else None
        if stamp and there is not None:
            digest = sha256(there).digest()
            as_written = (
                digest == post.file_hash
                if post.file_hash
                else (self._hash_of(there) == candidate.article.hash)
            ) or self._ledger.is_rewrite(post.id, digest)
            if as_written:
                self._note(post, stamp, there)
                return False
            self._keep(post, there, at=self._written_at(post.path))
        article = replace(candidate.article)
        if not own:
            # The post stays the article that its name says.
            owner = self._find_carrier(post.identity)
            article.source = post.source
            article.guid = owner[0].guid if owner else None
            article.canonical_url = owner[0].url if owner else None
        if article.published is None and post.published_at is not None:
            article.published = datetime.fromtimestamp(post.published_at, UTC)
            article.dated = "fetched"
        if article.updated is None and post.written_at != post.first_at:  # clocks are set back
            article.updated = datetime.fromtimestamp(post.written_at, UTC)
        article = _dated(replace(candidate, article=article))
        self._put(post, self._render(article, candidate.timezone))
        return True

    def _take_over(self, post: PostRow, data: bytes) -> None:
        """Notes a file that stands in its place already."""
        if post.path in self._posts:
            return
        stamp = stamp_of(self._locate(post.path))
        if stamp:
            self._note(post, stamp, data)

    def _note(self, post: PostRow, stamp: Stamp, data: bytes) -> None:
        """Notes how the post's file looks on disk."""
        post.size, post.mtime_ns = stamp.size, stamp.mtime_ns
        post.file_hash = sha256(data).digest()
        self._rows[post.id] = post

    def _written_at(self, path: str) -> datetime:
        stamp = stamp_of(self._locate(path))
        return datetime.fromtimestamp(stamp.mtime_ns // 10**9 if stamp else 0, UTC)

    def _keep(self, post: PostRow, data: bytes, *, at: datetime) -> None:
        self._revisions[name_revision(post.path, at, self._hash_of(data))] = data

    def _hash_of(self, data: bytes) -> str:
        """Gives the content hash of a file, computed and not believed."""
        return content_hash(self._parse(data).article)

    def _put(self, post: PostRow, data: bytes) -> None:
        self._posts[post.path] = data
        self._owners[post.path] = post
        self._changed.add(post.id)

    def _find_carrier(self, identity: bytes) -> tuple[Carrier, PostRow] | None:
        met = self._carriers.get(identity)
        if met:
            return met[0], self._find_row(met[1])
        found = self._ledger.find_carrier(identity)
        if found is None:
            return None
        met = self._carriers.get(found[0].identity)  # six bytes, and changed in this group
        return met[0] if met else found[0], self._rows.get(found[1].id, found[1])

    def _find_text(self, content: bytes) -> PostRow | None:
        found = self._ledger.find_text(content)
        if found:
            return self._rows.get(found.id, found)
        number = self._texts.get(content)
        return None if number is None else self._find_row(number)

    def _find_row(self, number: int) -> PostRow:
        return self._rows.get(number) or self._ledger.read_post(number)

    def _read(self, path: str) -> bytes | None:
        """Gives the post's bytes as they are, or will be when this group is written."""
        if path in self._posts:
            return self._posts[path]
        full = self._locate(path)
        if os.path.islink(full):
            raise ArchiveError(f"{full}: is a symbolic link")
        try:
            return Path(full).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise archive_error(error, full) from error

    def write(self, files: GroupWriter) -> None:
        """Makes the files durable, then tells the ledger."""
        # Old versions are safe before anything takes their place.
        revisions = _only_changed(self._locate, self._revisions)
        files.write(revisions)
        for path, stamp in files.write(self._posts).items():
            self._note(self._owners[path], stamp, self._posts[path])
        self._ledger.add_revisions(
            (name, sha256(data).digest()) for name, data in revisions.items()
        )
        self._ledger.add_posts(self._rows[number] for number in self._new)
        self._ledger.put_posts(row for row in self._rows.values() if row.id not in self._new)
        self._ledger.note_changes(sorted(self._changed - self._new))
        self._ledger.add_tombstone_keys(
            (key, removed.post) for key, removed in self._tombstones.items()
        )
        self._ledger.add_versions(self._versions)
        self._ledger.put_carriers(self._carriers.values())


def _dated(candidate: Candidate) -> Article:
    """Gives the article with a date: its own, else the time it was met (FORMAT 2.6)."""
    if candidate.article.published is not None:
        return candidate.article
    return replace(
        candidate.article, published=candidate.met_at.replace(microsecond=0), dated="fetched"
    )


def _is_title_of(article: Article, post: PostRow) -> bool:
    """Tells whether an article without text is what a post's file alone told. A file without extra
    keys need not tell the address, which goes into the hash of such an article."""
    if article.body:
        return False
    bare = replace(article, canonical_url=None, guid=None)
    return content_hash(bare) == f"sha256:{post.hash.hex()}"


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _only_changed(locate: Locate, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Leaves out what stands there already; never lets another text take its place."""
    changed = {}
    for name, data in files.items():
        there = Path(locate(name))
        if there.exists():
            if there.read_bytes() == data:
                continue
            name = f"{name.removesuffix('.md')}-{sha256(data).hexdigest()[:12]}.md"
        changed[name] = data
    return changed
