"""Faults in real processes: a preloaded library, and what an archive must look like afterwards."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from crawler.archive.files import is_temp
from crawler.archive.ledger import Ledger
from crawler.archive.verify import verify
from crawler.posts import parse_post

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@functools.cache
def build_library() -> Path | None:
    """Gives the compiled library; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    library = folder / "faults.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "preload.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


@dataclass(frozen=True)
class Fault:
    """What is to go wrong, and at which file operation. ``count`` 0: everything from there on."""

    kind: str = ""
    at: int = 0
    count: int = 1
    slow_us: int = 0
    clock_s: int = 0
    log: Path | None = None

    def environment(self, archive: Path) -> dict[str, str]:
        library = build_library()
        assert library is not None
        return {
            "LD_PRELOAD": str(library),
            "FAULTS_ROOT": os.path.realpath(archive),
            "FAULTS_KIND": self.kind,
            "FAULTS_AT": str(self.at),
            "FAULTS_FOR": str(self.count),
            "FAULTS_SLOW": str(self.slow_us),
            "FAULTS_CLOCK": str(self.clock_s),
            "FAULTS_LOG": str(self.log or ""),
        }


NO_FAULT = Fault()


def start_crawl(
    archive: Path, sources: Path, source: str, *more: str, fault: Fault = NO_FAULT
) -> subprocess.Popen[str]:
    """Starts the real command, with a fault where one is asked for."""
    command = [sys.executable, "-m", "scrapy", "crawl", source]
    for setting in (
        f"NEWS_ARCHIVE={archive}",
        f"NEWS_SOURCES={sources}",
        "DOWNLOAD_DELAY=0",
        "RETRY_TIMES=0",
        "LOG_LEVEL=WARNING",
    ):
        command += ["-s", setting]
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    if fault != NO_FAULT:
        environment |= fault.environment(archive)
    return subprocess.Popen(
        [*command, *more],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def crawl(
    archive: Path, sources: Path, source: str, *more: str, fault: Fault = NO_FAULT
) -> tuple[int, str]:
    """Crawls; gives exit status (below 0: the signal) and what stood on stderr."""
    process = start_crawl(archive, sources, source, *more, fault=fault)
    _, told = process.communicate(timeout=120)
    return process.returncode, told


@dataclass
class Picture:
    """What an archive holds: texts of posts by identity, and of their old versions."""

    posts: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, list[str]] = field(default_factory=dict)


_UPDATED = re.compile(r"^(?:updated|date): .*\n", re.MULTILINE)


def take_picture(archive: Path) -> Picture:
    """Reads all posts and revisions. Times of this run (dates not declared, edits) are left out:
    they differ from run to run. Fails on a file that is torn."""
    picture = Picture()
    for path in sorted((archive / "posts").rglob("*.md")):
        identity = f"{path.relative_to(archive).parts[1]} {path.stem[-12:]}"
        assert identity not in picture.posts, f"doubled: {path}"
        picture.posts[identity] = _portable(path)
    for path in sorted((archive / "revisions").rglob("*.md")):
        parts = path.relative_to(archive).parts
        identity = f"{parts[1]} {parts[4][-12:]}"
        picture.revisions.setdefault(identity, []).append(_portable(path))
    for texts in picture.revisions.values():
        texts.sort()
    return picture


def _portable(path: Path) -> str:
    data = path.read_bytes()
    post = parse_post(data)
    assert not post.warnings, f"torn: {path}: {post.warnings}"
    text = data.decode()
    fetched = post.article.dated is not None
    return _UPDATED.sub("", text) if fetched else re.sub(r"\nupdated: [^\n]*", "", text)


def question(archive: Path) -> list[str]:
    """Gives what is wrong with an archive that no crawl is at work on."""
    wrong = []
    for path in archive.rglob("*"):
        name = str(path.relative_to(archive))
        if is_temp(name) or path.name.startswith(".") or path.name.endswith(("-wal", "-shm")):
            wrong.append(f"{name}: left behind")
    ledger = Ledger(archive / "ledger.sqlite3", read_only=True)
    try:
        ledger.check()
        wrong += [f"{f.path}: {f.reason}" for f in verify(archive, ledger).findings]
    finally:
        ledger.close()
    for path in (archive / "reports").glob("*.json"):
        json.loads(path.read_text("utf-8"))
    return wrong
