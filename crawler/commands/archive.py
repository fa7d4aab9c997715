"""``scrapy archive``: look at an archive, prove it, repair it, prune it, hand it on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.archive import Archive, is_at_work, open_to_read
from crawler.archive.export import (
    Cursor,
    Export,
    PostReader,
    Write,
    open_output,
    render_csv_header,
    render_csv_line,
    render_json_line,
)
from crawler.archive.publish import Terms, publish
from crawler.archive.status import read_status
from crawler.archive.verify import verify
from crawler.commands import open_standard_output, say_error, usage_in_one_line
from crawler.errors import ArchiveError
from crawler.options import Options, read_options

_ACTIONS = {
    "status": "posts by source and month, duplicates, revisions, removed posts, space, last run",
    "verify": (
        "proves every file against the ledger, its content hash and its name; exit status 1 when "
        "something is found, each file named"
    ),
    "rebuild": (
        "makes the ledger again from the files alone; with --rewrite keeps it, and writes every "
        "post anew in the dialect of NEWS_DIALECT and the body form of NEWS_BODY"
    ),
    "remove": (
        "PATH|URL...: takes posts out with their revisions, each named by its path or by an "
        "address of any of its carriers, and leaves a tombstone that no crawl revives"
    ),
    "export": (
        "writes every post that is new, changed or removed since CURSOR (default: all) once, "
        "each with a cursor to go on from"
    ),
    "feeds": (
        "writes the newest posts as Atom and JSON Feed into a folder: of the whole archive, of "
        "every source and of every category; what is so already is not written"
    ),
}
# Which options belong to which actions.
_OPTIONS = {
    "rewrite": ("rebuild",),
    "reason": ("remove",),
    "format": ("export",),
    "since": ("export",),
    "source": ("export",),
    "output": ("export", "feeds"),
    "url": ("feeds",),
    "title": ("feeds",),
    "limit": ("feeds",),
    "max_bytes": ("feeds",),
}
_LIMIT = 50
_FEED_BYTES = 4 * 1024 * 1024


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return "[options] status|verify|rebuild|remove PATH|URL...|export|feeds -o DIR"

    def short_desc(self) -> str:
        return "Look at the archive, prove, repair and prune it, hand it on, publish it"

    def long_desc(self) -> str:
        return (
            "The archive is that of the setting NEWS_ARCHIVE. Exit status: 0 done; 1 something was "
            "found, left or not to be found, and is named; 2 wrong usage."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        groups = {
            action: parser.add_argument_group(f"archive {action}", what)
            for action, what in _ACTIONS.items()
        }
        groups["rebuild"].add_argument(
            "--rewrite", action="store_true", default=None, help="write every post anew"
        )
        groups["remove"].add_argument(
            "--reason", metavar="TEXT", help="why, for the tombstone and for whoever follows"
        )
        export = groups["export"].add_argument
        export("--format", metavar="NAME", help="jsonl (default) or csv")
        export("--since", metavar="CURSOR", help="the last cursor that was read")
        export("--source", metavar="NAME", help="posts of this source only")
        export(
            "-o",
            "--output",
            metavar="PATH",
            help="write this file, whole or not at all; of archive feeds the folder",
        )
        feeds = groups["feeds"].add_argument
        feeds(
            "--url", metavar="URL", help="where the folder of -o will be found, for links to self"
        )
        feeds("--title", metavar="TEXT", help="of the feed of the whole archive")
        feeds("--limit", metavar="N", type=int, help=f"entries of a feed (default {_LIMIT})")
        feeds(
            "--max-bytes",
            metavar="N",
            type=int,
            help=f"bytes of a feed (default {_FEED_BYTES}): what does not fit is left out",
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        actions: dict[str, Callable[[Options, list[str], argparse.Namespace], None]] = {
            "status": self.status,
            "verify": self.verify,
            "rebuild": self.rebuild,
            "remove": self.remove,
            "export": self.export,
            "feeds": self.feeds,
        }
        action = actions.get(args[0]) if args else None
        if action is None:
            raise _wrong(f"archive takes one of {', '.join(actions)}")
        name, *targets = args
        for target in targets:
            if target.startswith("-"):
                raise _wrong(f"archive {name}: unknown option {target}")
        if targets and name != "remove":
            raise _wrong(f"archive {name} takes no {targets[0]!r}")
        if name == "remove" and not targets:
            raise _wrong("archive remove takes one path or address or more")
        for option, owners in _OPTIONS.items():
            if getattr(opts, option) is not None and name not in owners:
                spelling = option.replace("_", "-")
                raise _wrong(f"--{spelling} is for archive {' and archive '.join(owners)}")
        if opts.format not in (None, "jsonl", "csv"):
            raise _wrong(f"--format is {opts.format!r}, expected jsonl or csv")
        if opts.since is not None and not Cursor.is_one(opts.since):
            raise _wrong(f"--since is {opts.since!r}, expected a cursor of an export")
        if name == "feeds":
            _check_feeds(opts)
        assert self.settings is not None
        options = read_options(self.settings)
        try:
            if not options.archive.is_dir():
                raise ArchiveError(f"{options.archive}: no archive there")
            action(options, targets, opts)
        except ArchiveError as error:
            self._fail(say_error(error))

    def status(self, options: Options, _targets: list[str], _opts: argparse.Namespace) -> None:
        ledger = open_to_read(options.archive)
        found = read_status(options.archive, ledger)
        zone = ZoneInfo(options.timezone)
        print(f"{'source':<24}{'posts':>8}{'duplicates':>12}{'edits':>8}  newest")
        for source, (posts, carriers, versions, newest) in found.by_source.items():
            at = datetime.fromtimestamp(newest, UTC).astimezone(zone) if newest else None
            print(
                f"{source:<24}{posts:>8}{carriers:>12}{versions:>8}  {at:%Y-%m-%d %H:%M %z}"
                if at
                else f"{source:<24}{posts:>8}{carriers:>12}{versions:>8}  -"
            )
        print(f"\n{'month':<24}{'posts':>8}")
        for (source, month), posts in sorted(found.by_month.items()):
            print(f"{source + ' ' + month:<24}{posts:>8}")
        print(
            f"\n{found.revisions} revisions; posts {_size(found.post_bytes)}, revisions "
            f"{_size(found.revision_bytes)}, ledger {_size(found.ledger_bytes)}"
        )
        print(f"{found.removed} posts removed for good")
        if found.last_run:
            run = found.last_run
            print(f"last run {run.get('started_at')}, exit status {run.get('exit_status')}")

    def verify(self, options: Options, _targets: list[str], _opts: argparse.Namespace) -> None:
        ledger = open_to_read(options.archive)
        ledger.check()
        is_alive = partial(is_at_work, options.archive)
        proof = verify(options.archive, ledger, options.read, is_alive=is_alive)
        for finding in proof.findings:
            print(f"{finding.path}: {finding.reason}")
        print(f"{proof.proved} posts are the bytes that were written")
        if proof.consistent:
            print(
                f"{proof.consistent} posts agree with their own content hash and name; the ledger "
                "was made again from them and can prove no more"
            )
        print(f"{proof.revisions} revisions, {len(proof.findings)} findings")
        self.exitcode = int(bool(proof.findings))

    def rebuild(self, options: Options, _targets: list[str], opts: argparse.Namespace) -> None:
        convert = options.make_converter() if opts.rewrite else None
        with Archive(options.archive, options.render, read=options.read) as archive:
            if convert is None:
                print(f"{archive.rebuild()} posts read, ledger made again")
                return
            done = archive.rewrite(convert)
            archive.note_form(options.dialect, options.body, warn=False)
        for finding in done.left:
            self._fail(f"{finding.path}: left as it is: {finding.reason}")
        print(
            f"{done.rewritten} posts written anew, {done.unchanged} were so already, "
            f"{len(done.left)} left as they are"
        )

    def remove(self, options: Options, targets: list[str], opts: argparse.Namespace) -> None:
        with Archive(options.archive, options.render, read=options.read) as archive:
            removal = archive.remove(targets, reason=opts.reason or "")
        for path in removal.removed:
            print(f"{path}: removed")
        for path in removal.removed_before:
            print(f"{path}: was removed before")
        for target in removal.unknown:
            self._fail(f"{target}: the ledger knows no such post")

    def export(self, options: Options, _targets: list[str], opts: argparse.Namespace) -> None:
        form = opts.format or "jsonl"
        since = Cursor.parse(opts.since) if opts.since else None
        posts = PostReader(options.archive, open_to_read(options.archive), options.read)
        export = Export(posts, opts.source)
        if opts.output:
            with open_output(Path(opts.output)) as write:
                _write_records(export, since, form, write)
        else:
            try:
                with open_standard_output() as write:
                    _write_records(export, since, form, write)
            except BrokenPipeError:
                self.exitcode = 1
        self._name_left_out(posts)
        if opts.output:
            print(f"{export.count} records written")

    def feeds(self, options: Options, _targets: list[str], opts: argparse.Namespace) -> None:
        if Path(opts.output).resolve().is_relative_to(options.archive.resolve()):
            raise _wrong(f"-o is {opts.output!r}, expected a folder outside of the archive")
        posts = PostReader(options.archive, open_to_read(options.archive), options.read)
        terms = Terms(
            title=opts.title or "News archive",
            base_url=opts.url and opts.url.rstrip("/") + "/",
            limit=_LIMIT if opts.limit is None else opts.limit,
            max_bytes=_FEED_BYTES if opts.max_bytes is None else opts.max_bytes,
            zone=ZoneInfo(options.timezone),
        )
        done = publish(posts, Path(opts.output), terms)
        self._name_left_out(posts)
        for path in done.taken_away:
            print(f"{path}: has no posts any more, taken away")
        print(f"{done.feeds} feeds, {len(done.written)} files written")

    def _name_left_out(self, posts: PostReader) -> None:
        for path, reason in posts.left_out:
            self._fail(f"{path}: left out: {reason}")

    def _fail(self, message: str) -> None:
        print(f"scrapy archive: {message}", file=sys.stderr)
        self.exitcode = 1


def _wrong(message: str) -> UsageError:
    return UsageError(message, print_help=False)


def _check_feeds(opts: argparse.Namespace) -> None:
    if not opts.output:
        raise _wrong("archive feeds takes the folder to write to: -o DIR")
    if opts.url is not None:
        parts = urlsplit(opts.url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise _wrong(f"--url is {opts.url!r}, expected the http or https address of a folder")
    for name, value in (("--limit", opts.limit), ("--max-bytes", opts.max_bytes)):
        if value is not None and value < 1:
            raise _wrong(f"{name} is {value}, expected a whole number above 0")


def _write_records(export: Export, since: Cursor | None, form: str, write: Write) -> None:
    render = render_csv_line if form == "csv" else render_json_line
    if form == "csv":
        write(render_csv_header().encode())
    for record in export.list_records(since):
        write(render(record).encode("utf-8", "replace"))


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
