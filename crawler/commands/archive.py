"""``scrapy archive``: look at an archive, prove it, make its ledger again."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.archive import Archive
from crawler.archive.ledger import Ledger
from crawler.archive.rebuild import read_status, verify
from crawler.commands import usage_in_one_line
from crawler.errors import ArchiveError
from crawler.options import Options, read_options

ACTIONS = ("status", "verify", "rebuild")


class Command(ScrapyCommand):
    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        return f"[options] <{'|'.join(ACTIONS)}>"

    def short_desc(self) -> str:
        return "Look at the archive, prove it, make its ledger again"

    def long_desc(self) -> str:
        return (
            "status: posts by source and month, duplicates, revisions, space. "
            "verify: every file against the ledger, its content hash and its name; exit status 1 "
            "when something is found, each file named. rebuild: the ledger made again from the "
            "files. The archive is that of the setting NEWS_ARCHIVE."
        )

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if len(args) != 1 or args[0] not in ACTIONS:
            raise UsageError(f"archive takes one of {', '.join(ACTIONS)}", print_help=False)
        assert self.settings is not None
        options = read_options(self.settings)
        action = {"status": self.status, "verify": self.verify, "rebuild": self.rebuild}[args[0]]
        try:
            if not options.archive.is_dir():
                raise ArchiveError(f"{options.archive}: no archive there")
            action(options)
        except ArchiveError as error:
            print(f"scrapy archive: {error}", file=sys.stderr)
            self.exitcode = 1

    def status(self, options: Options) -> None:
        ledger = _open(options.archive)
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

    def verify(self, options: Options) -> None:
        ledger = _open(options.archive)
        ledger.check()
        proof = verify(options.archive, ledger, options.read)
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

    def rebuild(self, options: Options) -> None:
        with Archive(options.archive, options.render, read=options.read) as archive:
            print(f"{archive.rebuild()} posts read, ledger made again")


def _open(archive: Path) -> Ledger:
    path = archive / "ledger.sqlite3"
    if not path.is_file():
        raise ArchiveError(f"{path}: no ledger there; scrapy archive rebuild makes it again")
    return Ledger(path, read_only=True)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
