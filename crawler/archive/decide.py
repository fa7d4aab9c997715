"""What becomes of an article: names and verdicts. Pure: no disk, no clock, no ledger.

Source: DESIGN, section 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum
from hashlib import sha256
from typing import Literal

from crawler.article import Article

_UNSAFE = re.compile(r"[^a-z0-9._]+")
# Devices on Windows, whatever follows the dot; and what looks as if it had lost something.
_NO_FOLDER = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?|.*-[0-9a-f]{8}")


def identify(source: str, *, guid: str | None, url: str | None, content: str | None) -> bytes:
    """Gives the identity, 32 bytes: SHA-256 of source, kind and value.

    The kind is guid, else url, else hash; so the same guid at two sources is two articles.
    """
    kind, value = next(
        (kind, value)
        for kind, value in (("guid", guid), ("url", url), ("hash", content or ""))
        if value or kind == "hash"
    )
    return sha256(f"{source}\0{kind}\0{value}".encode("utf-8", "replace")).digest()


def identify_article(article: Article) -> bytes:
    return identify(
        article.source, guid=article.guid, url=article.canonical_url, content=article.hash
    )


def name_folder(source: str) -> str:
    """Gives the source's folder: ASCII, lower case, at most 69 characters, of any system's names,
    and not one that site builders pass over (``.a``, ``_a``).

    A name that loses something on the way gets eight digits of its hash, so that two names never
    share a folder.
    """
    plain = _UNSAFE.sub("-", source.lower()).strip("-._")[:60].rstrip("-.")
    odd = _NO_FOLDER.fullmatch(plain)
    if plain and plain == source and not odd:
        return plain
    digest = sha256(source.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain and not (odd and "." in plain) else f"source-{digest}"


def name_post(source: str, identity: bytes, at: datetime, zone: tzinfo) -> str:
    """Gives the post's path below the archive, ``/`` as separator; ``at`` counts in ``zone``."""
    day = at.astimezone(zone)
    return (
        f"posts/{name_folder(source)}/{day.year:04}/{day.month:02}/"
        f"{day.year:04}-{day.month:02}-{day.day:02}-{identity.hex()[:12]}.md"
    )


def is_name_of(path: str, source: str, identity: bytes) -> bool:
    """Tells whether a path is one that a post of this source and identity can have."""
    folder, digits = f"posts/{name_folder(source)}/", identity.hex()[:12]
    return path.startswith(folder) and path.endswith(f"-{digits}.md")


def name_revision(post_path: str, at: datetime, content_hash: str) -> str:
    """Gives the path of an old version: ``at`` is when that version was written."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digits = content_hash.removeprefix("sha256:")[:12]
    return f"{name_revisions(post_path)}/{stamp}-{digits}.md"


def name_revisions(post_path: str) -> str:
    """Gives the folder of a post's old versions; no folder is called ``….md``."""
    return f"revisions/{post_path.removeprefix('posts/').removesuffix('.md')}"


NearMode = Literal["report", "skip", "off"]
"""What becomes of a near-duplicate: written and reported, only reported, not looked for."""
NEAR_MODES: tuple[NearMode, ...] = ("report", "skip", "off")


class Verdict(Enum):
    """What an article is to the archive."""

    NEW = "new"
    UPDATED = "updated"
    DUPLICATE = "duplicate"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"  # a near-duplicate that is not to be written
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of an identity: the text it carried last, and its post's live text."""

    carried_hash: bytes
    live_hash: bytes


def decide(known: Known | None, *, text_is_known: bool, content: bytes) -> Verdict:
    """Tells what an article with this content hash is.

    A carrier counts as changed only against what it carried itself, so two mirrors that hold
    different versions for a while do not make the post flap.
    """
    if known is None:
        return Verdict.DUPLICATE if text_is_known else Verdict.NEW
    if content in (known.carried_hash, known.live_hash):
        return Verdict.UNCHANGED
    return Verdict.UPDATED


def tells_better(one: Article, other: Article) -> bool:
    """Tells which of two articles with the same content hash is to be the one that is read.

    Carriers of one text differ in credit lines, quotation marks and in what older mirrors wrote
    for a colon. The choice depends on what they say and never on who came first: the title that
    lost least, then the longer text; what is equal up to there is put in an order of its own.
    """

    def rank(article: Article) -> tuple[int, int, int, str, str]:
        title, body = article.title, article.body
        return (title.count("_"), -len(title), -len(body), title, body)

    return rank(one) < rank(other)


ENTRY_BYTES = 16  # of the digest of a feed entry
MOST_ENTRIES = 4


def knows_entry(entries: bytes | None, entry: bytes) -> bool:
    """Tells whether an entry's digest is among those that an article came with."""
    return entries is not None and entry in (
        entries[start : start + ENTRY_BYTES] for start in range(0, len(entries), ENTRY_BYTES)
    )


def add_entry(entries: bytes | None, entry: bytes | None) -> bytes | None:
    """Gives the digests with one more, the latest first.

    An article that stands in two lists has an entry in each, with summaries and dates of their
    own: with one digest alone each list would have the page fetched again for the other.
    """
    if entry is None or not entries:
        return entry
    kept = [entries[start : start + ENTRY_BYTES] for start in range(0, len(entries), ENTRY_BYTES)]
    return b"".join([entry, *(known for known in kept if known != entry)][:MOST_ENTRIES])
