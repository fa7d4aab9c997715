"""The newest articles of the archive, published as feeds: whole, by source, by category."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path

from crawler.archive.export import PostReader, open_output
from crawler.archive.files import archive_error
from crawler.archive.ledger import PostRow
from crawler.archive.rebuild import NAME
from crawler.article import Article
from crawler.opml import Outline, render_opml
from crawler.syndication import (
    ATOM,
    ATOM_START,
    JSON,
    Head,
    Item,
    identify_entry,
    list_categories,
    render_atom,
    render_index,
    render_item,
    render_json_feed,
)

INDEX, OPML = "index.html", "index.opml"
# Which categories an article is in only its file tells. Of every source so many times as many posts
# are read as a feed has entries: a category has what is among them.
LOOK_BACK = 10
# Where feeds stand that may have to be taken away again.
_FOLDERS = ("source", "category")
_TITLE_LENGTH = 200  # characters; a publisher's categories can be of any length


@dataclass(frozen=True, slots=True)
class Terms:
    """How feeds are published: ``base_url`` is where (with its slash; None: nobody says), ``limit``
    the entries and ``max_bytes`` the bytes that one has at most, ``zone`` that of its times."""

    title: str
    base_url: str | None
    limit: int
    max_bytes: int
    zone: tzinfo


@dataclass(slots=True)
class Published:
    """What was done to the files."""

    feeds: int = 0
    written: list[str] = field(default_factory=list)
    taken_away: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Feed:
    head: Head
    items: list[Item] = field(default_factory=list)


def publish(posts: PostReader, folder: Path, terms: Terms) -> Published:
    """Makes the files in ``folder`` those of the archive; what is so already is not written.

    Feeds that have no article any more are taken away. Raises ArchiveError.
    """
    feeds = _collect(posts, terms)
    done = Published(feeds=len(feeds))
    try:
        for feed in feeds:
            path = folder / feed.head.path
            path.mkdir(parents=True, exist_ok=True)
            for name, render in ((ATOM, render_atom), (JSON, render_json_feed)):
                data = render(feed.head, feed.items, max_bytes=terms.max_bytes)
                _put(path / name, data, done)
        heads = [feed.head for feed in feeds]
        for path in _list_gone(folder, {head.path for head in heads}):
            # What tells that it is ours goes last.
            for name in (JSON, ATOM):
                (path / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there is something of somebody else's
                path.rmdir()
            done.taken_away.append(str(path))
        _put(folder / INDEX, render_index(heads, count=terms.limit), done)
        outlines = [Outline(head.title, xml_url=head.locate(ATOM)) for head in heads]
        if terms.base_url:
            _put(folder / OPML, render_opml(terms.title, outlines), done)
        else:  # a list for feed readers needs addresses
            (folder / OPML).unlink(missing_ok=True)
    except OSError as error:
        raise archive_error(error, str(folder)) from error
    return done


def _collect(posts: PostReader, terms: Terms) -> list[_Feed]:
    """Gives the feeds with what is in them: the whole one, those of sources, then of categories."""
    feeds = {"": _Feed(Head(terms.title, "", terms.base_url))}
    for post, article in _read_newest(posts, terms.limit * LOOK_BACK):
        match = NAME.fullmatch(post.path)
        assert match is not None
        places = {
            "": terms.title,
            f"source/{match['folder']}": article.label or post.source,
        }
        places |= {
            _name_category(levels): " / ".join(levels) for levels in list_categories(article)
        }
        item = None
        for path, title in places.items():
            if path not in feeds:
                feeds[path] = _Feed(Head(title[:_TITLE_LENGTH], path, terms.base_url))
            if len(feeds[path].items) < terms.limit:
                item = item or render_item(
                    article,
                    id=identify_entry(match["folder"], match["identity"]),
                    at=datetime.fromtimestamp(post.written_at, UTC),
                    zone=terms.zone,
                )
                feeds[path].items.append(item)
    return sorted(feeds.values(), key=_place)


def _place(feed: _Feed) -> tuple[bool, bool, str, str]:
    head = feed.head
    return (head.path != "", head.path.startswith("category/"), head.title, head.path)


def _read_newest(posts: PostReader, count: int) -> Iterator[tuple[PostRow, Article]]:
    """Yields the newest posts of every source, the newest of all first."""
    rows = posts.ledger.list_newest(count)
    for start in range(0, len(rows), count):
        group = rows[start : start + count]
        carriers = posts.ledger.list_carriers(row.id for row in group)
        for row in group:
            article = posts.read_article(row, carriers[row.id])
            if article is not None:
                yield row, article


def _name_category(levels: Iterable[str]) -> str:
    """Gives a category's folder: its names are in any script, a folder's are not."""
    digest = sha256("\0".join(levels).encode("utf-8", "backslashreplace")).hexdigest()
    return f"category/{digest[:12]}"


def _list_gone(folder: Path, present: set[str]) -> Iterator[Path]:
    """Yields the folders of feeds of ours that are not among those."""
    start = ATOM_START.encode()
    for above in _FOLDERS:
        if not (folder / above).is_dir():
            continue
        for path in sorted((folder / above).iterdir()):
            if f"{above}/{path.name}" in present:
                continue
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                with (path / ATOM).open("rb") as file:
                    is_ours = file.read(len(start)) == start
                if is_ours:
                    yield path


def _put(path: Path, data: bytes, done: Published) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    with open_output(path) as write:
        write(data)
    done.written.append(str(path))
