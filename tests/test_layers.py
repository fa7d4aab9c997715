"""The borders of the rooms: pure ones stay pure, the public API stays free of Scrapy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "crawler"
GLUE = {
    "stopping",
    "settings",
    "options",
    "items",
    "pipelines",
    "extensions",
    "progress",
    "middlewares",
    "downloads",
    "manners",
    "spiders",
    "commands",
}
DISK = {"archive", "sources"}
# What gives the clock, the network or the disk to whoever imports it.
OUTSIDE = {"scrapy", "twisted", "itemadapter", "requests", "urllib.request", "socket", "http", "os",
           "sqlite3", "time", "subprocess", "tempfile", "shutil", "pathlib", "random", "asyncio"}  # fmt: skip
PURE = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in GLUE | DISK | {"__init__"}
)


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_there_are_pure_rooms():
    assert {"posts.py", "dates.py", "normalize.py"} <= {path.name for path in PURE}


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_rooms_stay_pure(path):
    names = imports_of(path)
    outside = {n for n in names if n in OUTSIDE or n.partition(".")[0] in OUTSIDE - {"http"}}
    assert not outside
    rooms = {n.split(".")[1] for n in names if n.startswith("crawler.")}
    assert not rooms & (GLUE | {"archive"})
    calls = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not calls & {"datetime.now", "datetime.today", "datetime.utcnow", "date.today"}
    assert "open" not in {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_the_archive_does_not_know_scrapy():
    for path in (PACKAGE / "archive").glob("*.py"):
        assert not {n for n in imports_of(path) if n.partition(".")[0] in ("scrapy", "twisted")}


def test_importing_the_api_does_not_import_scrapy():
    code = "import sys, crawler; sys.exit('scrapy' in sys.modules or 'twisted' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_all_sql_lives_in_the_ledger():
    for path in PACKAGE.rglob("*.py"):
        if path.name != "ledger.py":
            assert "sqlite3" not in imports_of(path), path


def test_no_paths_of_one_machine_and_no_registries():
    words = ["py" + "pi.org", "python" + "hosted", "npm" + "js.", "/wo" + "rk/", "/ro" + "ot/"]
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.splitlines()
    for name in listed:
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not [word for word in words if word.encode() in data], name
