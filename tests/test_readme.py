"""The README: complete, and true where a test can tell."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from importlib import import_module

import pytest
from scrapy.utils.project import get_project_settings

import crawler
from crawler import settings
from crawler.posts import DIALECTS
from crawler.sources import FEED_KEYS, PAGE_KEYS, SOURCE_KEYS, read_source
from crawler.spiders.feed import FeedSpider
from crawler.spiders.posts import PostsSpider
from crawler.spiders.source import SourceSpider
from fixtures.site import Site
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = [name for name in vars(settings) if name.startswith("NEWS_")]
COMMANDS = [
    path.stem for path in (ROOT / "crawler" / "commands").glob("*.py") if path.stem != "__init__"
]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_stands_there_with_its_default(name):
    value = getattr(settings, name)
    default = "none" if value is None else f"`{value}`"
    assert re.search(rf"^\| `{name}` \| {re.escape(default)} \|", README, re.MULTILINE)


def test_no_setting_stands_there_that_is_none():
    assert set(re.findall(r"NEWS_[A-Z_]+[A-Z]", README)) <= {*SETTINGS, "NEWS_MAX"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_there(name):
    assert re.search(rf"^\| `scrapy {name}\b", README, re.MULTILINE)


@pytest.mark.parametrize("spider", [SourceSpider, FeedSpider, PostsSpider])
def test_every_argument_stands_there(spider):
    for name in spider.arguments:
        assert f"-a {name}=" in README


@pytest.mark.parametrize("key", sorted({*SOURCE_KEYS, *FEED_KEYS, *PAGE_KEYS}))
def test_every_key_of_a_source_file_stands_there(key):
    assert re.search(rf"`{key}`|^{key} = |^\[\[{key}\]\]|`{key} = ", README, re.MULTILINE)


@pytest.mark.parametrize("name", crawler.__all__)
def test_public_names_stand_there(name):
    assert name in README


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_stand_there(dialect):
    assert f"`{dialect}`" in README


def test_make_targets_are_told_and_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?m)(?:`|^)make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_source_examples_validate():
    examples = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        source = read_source(example, name="example")
        assert source.feeds
        assert len(example.splitlines()) <= 25


def test_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    sources = tmp_path / "my-sources"
    sources.mkdir()
    feed = next(
        path
        for path in (ROOT / "fixtures" / "site").rglob("*.xml")
        if b"<rss" in path.read_bytes()[:300]
    )
    (tmp_path / "feed.xml").write_bytes(feed.read_bytes())
    (sources / "morning.toml").write_text('label = "早报"\n[[feed]]\nurl = "https://a.example/"\n')
    page = "<html><h1>题</h1><p>" + "正文，很长的一段。" * 30 + "</p></html>"
    (tmp_path / "page.html").write_text(page, "utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    assert len(names["feed"].entries) > 1
    assert "morning" in names["sources"]
    assert names["page"].title == "题"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_the_help_and_there(name):
    command = import_module(f"crawler.commands.{name}").Command()
    command.settings = get_project_settings()
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    ours = [action for action in parser._actions if action.container.title != "Global Options"]
    options = {option for action in ours for option in action.option_strings}
    rows = re.findall(rf"(?m)^\| `scrapy {name}\b.*", README)
    told = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(rows)))
    assert told <= options
    words = README + " --help -h --output --overwrite-output"  # Scrapy's own and their long forms
    for option in options - {"--pdb"}:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", words), option


def test_the_tour_can_be_walked(tmp_path):
    """Types every line of the README's `sh` blocks, in order, in a folder like a checkout."""
    script = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    start = "\npython -m fixtures.site &\n"
    assert script.count(start) == 1
    for path in ROOT.iterdir():
        if path.name not in {"archive", "demo-archive", "my-sources", "site"}:
            (tmp_path / path.name).symlink_to(path)
    with Site() as site:  # what that line starts, at a port that is free
        script = script.replace(start, "\n").replace("8907", site.url.rpartition(":")[2])
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"no_proxy": "127.0.0.1"},
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said
    assert "tour: 6 new" in said  # of the dry run, and of the run
    assert len(list(tmp_path.glob("archive/posts/jiangzhu/**/*.md"))) == 6
    assert said.count("exit status 1\n") == 1  # of verify, for the damaged post
    assert "1 healed" in said
    assert len(list(tmp_path.glob("texts/**/*.txt"))) == 12
    for name in ("articles.jsonl", "feeds.opml", "feeds/atom.xml", "report.html"):
        assert (tmp_path / name).stat().st_size > 0
