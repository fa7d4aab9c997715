"""deploy/: what can be copied from there is what there is, and does what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawler import settings
from crawler.commands.archive import _ACTIONS, _OPTIONS
from fixtures.site import Site
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
README = (ROOT / "README.md").read_text("utf-8")
FILES = [
    "crontab",
    "news-harvest.service",
    "news-harvest.timer",
    "github-actions.yml",
    "Containerfile",
    "follow.py",
]
CODE, ARCHIVE = "/opt/news", "/var/lib/news/archive"
COMMANDS = {path.stem for path in (ROOT / "crawler" / "commands").glob("*.py")} - {"__init__"}


def read(name: str) -> str:
    """A file of deploy/ with its continued lines joined."""
    return re.sub(r"\\\n\s*", " ", (DEPLOY / name).read_text("utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_readme_tells_of_every_file(name):
    assert f"deploy/{name}" in README


@pytest.mark.parametrize("name", FILES)
def test_commands_and_settings_are_there(name):
    text = read(name)
    assert set(re.findall(r"NEWS_[A-Z_]+", text)) <= set(vars(settings))
    calls = re.findall(r"(?:bin/scrapy|FOLDER scrapy|:/archive news) +([a-z][^\n|)>]+)", text)
    assert calls or name.endswith(".timer")
    for words in map(shlex.split, calls):
        assert words[0] in COMMANDS
        if words[0] == "archive":
            assert words[1] in _ACTIONS
            for option, owners in _OPTIONS.items():
                assert f"--{option}" not in words or words[1] in owners
        if "-L" in words:
            assert words[words.index("-L") + 1] == "WARNING"


@pytest.mark.parametrize("name", ["crontab", "news-harvest.service"])
def test_paths_are_the_same_everywhere(name):
    text = read(name)
    assert set(re.findall(r"NEWS_ARCHIVE=(\S+)", text)) == {ARCHIVE}
    assert set(re.findall(r"/opt/[a-z]+", text)) == {CODE}


# ---------------------------------------------------------------- cron

_RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def read_crontab() -> tuple[dict[str, str], list[tuple[list[str], str]]]:
    variables, jobs = {}, []
    for line in (DEPLOY / "crontab").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if variable := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            variables[variable[1]] = variable[2]
        else:
            *times, command = line.split(maxsplit=5)
            jobs.append((times, command))
    return variables, jobs


def test_cron_lines_parse():
    variables, jobs = read_crontab()
    assert set(variables) == {"SHELL", "MAILTO"}
    assert len(jobs) == 3
    for times, command in jobs:
        for text, (first, last) in zip(times, _RANGES, strict=True):
            match = re.fullmatch(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?", text)
            assert match
            assert all(first <= int(n) <= last for n in re.findall(r"\d+", match[1]))
        assert "%" not in command  # which cron takes for a line break
        assert command.startswith(f"cd {CODE} && ")
        subprocess.run(["sh", "-n", "-c", command], check=True)


@pytest.mark.parametrize(("status", "mailed"), [(0, ""), (1, "a.md: missing\n")])
def test_cron_mails_what_verify_finds_and_nothing_else(tmp_path, status, mailed):
    scrapy = tmp_path / ".venv" / "bin" / "scrapy"
    scrapy.parent.mkdir(parents=True)
    scrapy.write_text(f"#!/bin/sh\necho a.md: missing\nexit {status}\n")
    scrapy.chmod(0o755)
    (command,) = (command for _, command in read_crontab()[1] if "archive verify" in command)
    command = command.replace(CODE, str(tmp_path))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == mailed


def test_readme_shows_the_same_line_for_cron():
    (line,) = re.findall(r"(?m)^\*/10 .*", README)
    line = line.replace("/path/to/this/folder", CODE).replace("/path/to/archive", ARCHIVE)
    *times, command = line.split(maxsplit=5)
    assert (times, command) in read_crontab()[1]


# ---------------------------------------------------------------- systemd

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here"
)


@pytest.fixture
def units(tmp_path) -> list[str]:
    """The units as they would be on a machine where the project stands in this very folder."""
    paths = []
    for name in ("news-harvest.service", "news-harvest.timer"):
        path = tmp_path / name
        path.write_text((DEPLOY / name).read_text("utf-8").replace(CODE, str(tmp_path)))
        paths.append(str(path))
    scrapy = tmp_path / ".venv" / "bin" / "scrapy"
    scrapy.parent.mkdir(parents=True)
    scrapy.symlink_to(sys.executable)
    return paths


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
def test_units_are_valid(units):
    done = analyze("verify", "--man=no", *units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    service = read("news-harvest.service")
    command = shlex.split(re.findall(r"^ExecStart=(.*)", service, re.MULTILINE)[0])
    assert command[:2] == [f"{CODE}/.venv/bin/scrapy", "harvest"]
    calendar = re.findall(r"^OnCalendar=(.*)", read("news-harvest.timer"), re.MULTILINE)
    assert analyze("calendar", *calendar).returncode == 0


@needs_systemd
def test_service_is_locked_in(units):
    # Of 10; what is left is mostly the network that a crawler needs. 20 means 2.0.
    done = analyze("security", "--offline=yes", "--threshold=20", "--no-pager", units[0])
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd before 250 looks at units that are installed only")
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- container


def read_container() -> list[tuple[str, str]]:
    lines = read("Containerfile").splitlines()
    return [(word, rest) for line in lines if line and line[0] != "#"
            for word, _, rest in [line.partition(" ")]]  # fmt: skip


def test_container_is_pinned_and_does_not_run_as_root():
    steps = read_container()
    words = [word for word, _ in steps]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", steps[0][1])
    assert steps[0][0] == "FROM"
    (user,) = (rest for word, rest in steps if word == "USER")
    assert f"\nUser={user}\n" in read("news-harvest.service")
    assert user not in ("root", "news")  # Debian has a user called news
    assert f"--uid 10001 --home-dir /archive --shell /usr/sbin/nologin {user}" in steps[1][1]
    # What is built is not the user's to change; what is written is a volume.
    assert "RUN" not in words[words.index("USER") :]
    assert ("VOLUME", "/archive") in steps
    commands = {word: json.loads(rest) for word, rest in steps if word in ("ENTRYPOINT", "CMD")}
    assert commands["ENTRYPOINT"] == [f"{CODE}/.venv/bin/scrapy"]
    assert commands["CMD"][:3] == ["harvest", "-s", "NEWS_ARCHIVE=/archive"]


def test_container_has_all_that_the_commands_need(tmp_path):
    for word, rest in read_container():
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                assert (ROOT / name).exists(), name
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, tmp_path / target)
                else:
                    shutil.copy(ROOT / name, tmp_path / target)
        elif word == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)
    # Its last step before the user's, with the interpreter of here.
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (check,) = (rest for word, rest in read_container() if word == "RUN" and "compileall" in rest)
    subprocess.run(["sh", "-c", check], cwd=tmp_path, check=True)


# ---------------------------------------------------------------- GitHub Actions

WORKFLOW: dict[Any, Any] = yaml.safe_load((DEPLOY / "github-actions.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["harvest"]["steps"]


def test_workflow_may_push_and_no_more():
    assert WORKFLOW["permissions"] == {"contents": "write"}
    assert WORKFLOW["concurrency"] == {"group": "news", "cancel-in-progress": False}
    assert "permissions" not in WORKFLOW["jobs"]["harvest"]
    for step in STEPS:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z/-]+@v\d+\.\d+\.\d+", step["uses"])
        # What others wrote (titles, addresses) is never pasted into a script.
        assert "${{" not in step.get("run", "")


class Runner:
    """Runs the workflow's own scripts, as GitHub would, on a clone of a repository here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.cache: dict[str, Path] = {}
        self.count = 0
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin), at=folder)

    def git(self, *arguments: str, at: Path) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t.example"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=at, capture_output=True, text=True, check=True
        )
        return done.stdout

    def run(self, sources: str) -> tuple[dict[str, str], str]:
        """Gives the outcome of every named step, and what was printed."""
        self.count += 1
        here = self.folder / f"run-{self.count}"
        self.git("clone", "--quiet", "--depth=1", self.origin.as_uri(), str(here), at=self.folder)
        self.check_out_crawler(here)
        outputs, outcomes, printed = {}, {}, ""
        for step in STEPS:
            name = step.get("name", step.get("uses"))
            if "if" in step:
                wanted = re.findall(r"steps\.(\w+)\.outcome == 'failure'", step["if"])
                if not any(outcomes.get(one) == "failure" for one in wanted):
                    continue
            if "cache" in step.get("uses", ""):
                keys = [step["with"].get(key, "") for key in ("key", "restore-keys")]
                keys = [self.fill(key, outputs) for key in keys]
                self.keep(here, step["uses"], step["with"]["path"], *keys)
            if "run" not in step:
                continue
            told = here / ".git" / f"output-{len(outcomes)}"
            told.touch()
            clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
            known = {key: str(value) for key, value in WORKFLOW["env"].items()}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=here / step.get("working-directory", "."),
                env=clean | known | {"SOURCES": sources, "GITHUB_WORKSPACE": str(here),
                     "GITHUB_OUTPUT": str(told), "PATH": f"{here}/.bin:{clean['PATH']}"},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            printed += done.stdout + done.stderr
            identity = step.get("id", name)
            outputs[identity] = dict(
                line.split("=", 1) for line in told.read_text().splitlines() if line
            )
            outcomes[identity] = "failure" if done.returncode else "success"
            if done.returncode and not step.get("continue-on-error"):
                break
        return outcomes, printed

    def check_out_crawler(self, here: Path) -> None:
        """Puts this project there, with its environment as it is."""
        (here / ".crawler" / ".venv" / "bin").mkdir(parents=True)
        for name in ("scrapy.cfg", "crawler", "requirements.lock"):
            (here / ".crawler" / name).symlink_to(ROOT / name)
        (here / ".bin").mkdir()
        with (here / ".git" / "info" / "exclude").open("a") as file:
            file.write("/.bin/\n")
        for path, script in (
            (here / ".bin" / "python", "exit 0"),
            (here / ".crawler" / ".venv" / "bin" / "pip", "exit 0"),
            (here / ".crawler" / ".venv" / "bin" / "scrapy",
             f'exec {sys.executable} -m scrapy "$@" -s DOWNLOAD_DELAY=0 -s RETRY_TIMES=0'),
        ):  # fmt: skip
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def fill(self, text: str, outputs: dict[str, dict[str, str]]) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[1] == "github.run_id":
                return str(self.count)
            _, step, _, key = match[1].split(".")
            return outputs[step][key]

        return re.sub(r"\$\{\{ (\S+) \}\}", replace, text)

    def keep(self, here: Path, action: str, pattern: str, key: str, prefix: str) -> None:
        if "save" in action:
            folder = self.folder / "cache" / key
            folder.mkdir(parents=True)
            for path in here.glob(pattern):
                shutil.copy2(path, folder)
            self.cache[key] = folder
            return
        found = [self.cache[one] for one in self.cache if one == key or one.startswith(prefix)]
        for path in found[-1].iterdir() if found else ():
            shutil.copy2(path, here / "archive")


def test_workflow_keeps_an_archive(tmp_path):
    with Site() as site:
        runner = Runner(tmp_path)
        seed = tmp_path / "seed"
        runner.git("clone", "--quiet", str(runner.origin), str(seed), at=tmp_path)
        site.write_sources(seed / "sources")
        runner.git("add", "sources", at=seed)
        runner.git("commit", "--quiet", "-m", "sources", at=seed)
        runner.git("push", "--quiet", "origin", "HEAD:main", at=seed)

        outcomes, printed = runner.run("wire")
        assert set(outcomes.values()) == {"success"}, printed
        names = runner.git("ls-tree", "-r", "--name-only", "main", at=runner.origin).splitlines()
        posts = [name for name in names if name.startswith("archive/")]
        assert posts
        # No ledger, no reports, nothing of the crawler.
        assert all(re.fullmatch(r"archive/posts/.+\.md", name) for name in posts)
        assert f"news: {len(posts)} new, 0 changed" in runner.git("log", at=runner.origin)

        # A fresh clone with the ledger of the last run: a feed that has not changed costs one
        # conditional request. Another one fails, a third brings articles: those are there, and the
        # run is red.
        site.requests.clear()
        site.overlay["/rdf/daily.rdf"] = b"no feed"
        outcomes, printed = runner.run("wire rdf-daily rsshub-cs")
        red = {step for step, outcome in outcomes.items() if outcome == "failure"}
        assert red == {"harvest", "Say what failed"}
        assert [one.status for one in site.requests if one.path == "/wire/feed.json"] == [304]
        added = runner.git(
            "diff", "--name-only", "main~", "main", "--", "archive", at=runner.origin
        )
        assert "archive/posts/rsshub-cs/" in added
        assert "posts/wire" not in added
        if shutil.which("jq"):
            assert re.search("^::error::rdf-daily: 1 feeds failed: ", printed, re.MULTILINE)
