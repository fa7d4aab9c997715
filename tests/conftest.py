"""What several tests share: the loopback site and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from fixtures.site import Site

ROOT = Path(__file__).parents[1]

# Laws are looked for anew on every desk; CI judges a change by the same examples each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh-expected",
        action="store_true",
        help="write the expected posts anew from what the crawl gives; read the difference",
    )


@dataclass
class Desk:
    """A user's desk: an archive, sources with the loopback site's address, and the commands."""

    folder: Path
    site: Site

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def scrapy(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs the real command; fails unless its exit status is the one named."""
        command = [sys.executable, "-m", "scrapy", arguments[0]]
        command += [
            "-s",
            f"NEWS_ARCHIVE={self.archive}",
            "-s",
            f"NEWS_SOURCES={self.folder / 'sources'}",
        ]
        command += ["-s", "DOWNLOAD_DELAY=0", "-s", "RETRY_TIMES=0", *arguments[1:]]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            env={
                key: value
                for key, value in os.environ.items()
                if not key.lower().endswith("_proxy")
            },
        )
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def crawl(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """Crawls; gives the run's report."""
        self.scrapy("crawl", *arguments, status=status)
        return self.report()

    def report(self) -> dict[str, Any]:
        return json.loads((self.archive / "reports" / "latest.json").read_text("utf-8"))

    def files(self, *folders: str) -> dict[str, bytes]:
        """Gives the files of the archive's folders by path."""
        return {
            str(path.relative_to(self.archive)): path.read_bytes()
            for folder in folders or ("posts", "revisions")
            for path in sorted((self.archive / folder).rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Site() as site:
        site.write_sources(tmp_path / "sources")
        yield Desk(tmp_path, site)
