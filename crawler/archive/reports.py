"""The reports of an archive's runs, as they lie on disk."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from crawler.archive.files import archive_error
from crawler.archive.rebuild import read_file
from crawler.errors import ArchiveError
from crawler.report import RunReport, parse_report

FOLDER = "reports"
PAGE = "index.html"  # what ``scrapy report`` writes there
# A report of 14 sources with all the troubles that it may list has a few.
MOST_BYTES = 64 << 20
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.json")


def place_page(root: Path) -> Path:
    """Gives where the page of an archive is to be written. Raises ArchiveError."""
    folder = root / FOLDER
    if folder.is_symlink():
        raise ArchiveError(f"{folder}: is a symbolic link")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise archive_error(error, str(folder)) from error
    return folder / PAGE


def list_reports(root: Path, since: int) -> list[str]:
    """Gives the names of the reports of runs that began since (seconds UTC), in their order.

    Raises ArchiveError when the folder cannot be read; there may be none.
    """
    first = f"{datetime.fromtimestamp(since, UTC):%Y%m%dT%H%M%S}"
    try:
        with os.scandir(root / FOLDER) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise archive_error(error, str(root / FOLDER)) from error
    return sorted(name for name in names if _NAME.fullmatch(name) and name >= first)


def read_report(root: Path, name: str) -> tuple[RunReport, int]:
    """Gives a run and its exit status. Raises ArchiveError or ReportError."""
    data, _ = read_file(root / FOLDER / name, MOST_BYTES)
    return parse_report(data)
