"""Feeds of every kind and damage, each with the result beside it; and what holds for all bytes."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.feeds import parse_feed

FOLDER = Path(__file__).parents[1] / "fixtures" / "feeds"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "feeds"
CASES = sorted(path for path in FOLDER.iterdir() if not path.name.endswith(".expected.json"))
URL = "https://www.jianghai.example/feeds/rss.xml"


def describe(value: Any) -> Any:
    """A record as JSON, without the fields that say nothing."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: describe(found)
            for field in dataclasses.fields(value)
            if (found := getattr(value, field.name)) not in (None, "", [], False)
        }
    if isinstance(value, list):
        return [describe(part) for part in value]
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_fixture_gives_what_is_expected(path, request):
    neighbour = path.with_name(path.name + ".expected.json")
    expected = json.loads(neighbour.read_text("utf-8")) if neighbour.exists() else {}
    feed = parse_feed(path.read_bytes(), url=URL, content_type=expected.get("content_type"))
    if request.config.getoption("--refresh-expected"):
        expected["feed"] = describe(feed)
        text = json.dumps(expected, ensure_ascii=False, indent=1)
        neighbour.write_text(text + "\n", "utf-8")
    assert describe(feed) == expected["feed"]


def test_every_expected_file_has_its_fixture():
    names = {path.name.removesuffix(".expected.json") for path in FOLDER.glob("*.expected.json")}
    assert names == {path.name for path in CASES}
