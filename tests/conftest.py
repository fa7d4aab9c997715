"""What several tests share: the loopback site and the real command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from crawler.posts import parse_post
from fixtures.site import Site
from tests.warm import run_scrapy

ROOT = Path(__file__).parents[1]
EXPECTED = ROOT / "fixtures" / "expected"

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

    def scrapy(
        self, *arguments: str, status: int = 0, through_site: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs the real command; fails unless its exit status is the one named.

        ``through_site`` makes the loopback site its proxy, which knows the hosts of the shipped
        sources.
        """
        settings = [f"NEWS_ARCHIVE={self.archive}", f"NEWS_SOURCES={self.folder / 'sources'}"]
        settings += ["DOWNLOAD_DELAY=0", "RETRY_TIMES=0"]
        command = [arguments[0]]
        command += [part for each in settings for part in ("-s", each)]
        command += arguments[1:]
        env = {
            key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")
        }
        if through_site:
            env["http_proxy"] = self.site.url
        done = run_scrapy(command, cwd=ROOT, env=env)
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


def portable(desk: Desk) -> dict[str, bytes]:
    """The posts with the placeholder address for the site's, named by day and text: identities
    (and so file names) follow the address, which differs from run to run."""
    posts = {}
    for path, data in desk.files("posts").items():
        article = parse_post(data).article
        match = re.fullmatch(
            r"posts/([^/]+)/\d{4}/\d{2}/(\d{4}-\d{2}-\d{2})-[0-9a-f]{12}\.md", path
        )
        assert match
        day = "undated" if article.dated else match[2]
        name = f"{match[1]}/{day}-{(article.hash or '')[7:15]}.md"
        assert name not in posts
        data = data.replace(desk.site.url.encode(), b"http://site.example")
        if article.dated:
            data = re.sub(rb"\ndate: [^\n]+", b"\ndate: (when it was fetched)", data)
        posts[name] = data
    return posts


def check_expected(source: str, posts: dict[str, bytes], *, refresh: bool) -> None:
    """Holds the posts of a source against its expected files, or writes those anew."""
    folder = EXPECTED / source
    if refresh:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.md"):
            path.unlink()
        for name, data in posts.items():
            (EXPECTED / name).write_bytes(data)
    expected = {f"{source}/{path.name}": path.read_bytes() for path in folder.glob("*.md")}
    assert posts == expected


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Site() as site:
        site.write_sources(tmp_path / "sources")
        yield Desk(tmp_path, site)
