"""What tells of a changed layout, in one run and against earlier ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.drift import Sight, Usual, Watch, find_drift, learn, read_usual
from crawler.sources.rules import PageRule

NOW = datetime(2026, 6, 4, 12, tzinfo=UTC)
RULE = PageRule(body="#text", title="h1", published="em", page_count=r"pages = (\d+)")
PAGE = "page rule '#text'"
FLASH = "feed 2 (快讯)"
HOUR = timedelta(hours=1)


def watch_pages(count: int, **changes: Any) -> Watch:
    """So many articles as they should be, an hour and a minute apart, but for the changes; one
    that is a function gets the article's number."""
    watch = Watch()
    for n in range(count):
        at = NOW - n * HOUR - timedelta(minutes=n + 1)
        sight = Sight(f"/{n}", PAGE, RULE, f"题{n}", 500 + n, at, at, bytes([n]), counted=True)
        values = {
            key: change(n, sight) if callable(change) else change for key, change in changes.items()
        }
        watch.see(replace(sight, **values))
    return watch


def later(hours: float) -> Any:
    return lambda n, sight: sight.published + hours * HOUR


USUAL = {PAGE: Usual(500, 20, 20), FLASH: Usual(60, 20)}
LISTED = "dates of {} pages lie {} hours off those of the list"


@pytest.mark.parametrize(
    ("watch", "reasons"),
    [
        (watch_pages(9), []),
        (watch_pages(2, title="登录"), []),
        (watch_pages(3, title="登录"), ["3 of 3 articles have the title '登录'"]),
        (watch_pages(4, digest=b"x"), ["4 titles have one and the same text"]),
        (watch_pages(4, listed_at=later(8)), [LISTED.format("4 of 4", "-8")]),
        (
            watch_pages(6, listed_at=lambda n, s: s.published + (8 + 24 * (n > 3)) * HOUR),
            [LISTED.format("4 of 6", "-8")],
        ),
        (watch_pages(6, listed_at=lambda n, s: s.published + n * HOUR), []),
        (watch_pages(3, length=30), ["3 of 3 bodies hold less than 40 characters",
                                     "bodies are suddenly short, 30 characters where 500 were usual"]),
        (watch_pages(3, length=100), ["bodies are suddenly short, 100 characters where 500 were usual"]),
        (watch_pages(3, published=None), ["published 'em' gives nothing on any of 3 pages"]),
        (watch_pages(3, published=NOW + 2 * HOUR, listed_at=None),
         ["3 of 3 dates lie in the future, as 2026-06-04 14:00 +0000"]),
        (watch_pages(3, counted=False),
         [r"page_count 'pages = (\\d+)' finds nothing on any of 3 pages, where 20 of 20 had it"]),
        (watch_pages(5, counted=lambda n, s: n == 3), []),
    ],
    ids=[
        "as it should be", "two of a title", "one title", "one text", "eight hours",
        "eight hours but for yesterday", "each another time", "hollow", "short", "no dates",
        "future", "pages not counted", "pages counted once",
    ],
)  # fmt: skip
def test_odd_pages_are_named(watch, reasons):
    found = [*find_drift(watch, now=NOW, usual=USUAL)]
    assert [trouble.reason for trouble in found] == [f"{PAGE}: {reason}" for reason in reasons]
    assert all(trouble.url == watch.sights[0].url for trouble in found)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"length": 10}, []),
        ({"length": 0}, ["bodies are suddenly short, 0 characters where 60 were usual"]),
        ({"title": "快讯"}, ["4 of 4 articles have the title '快讯'"]),
        ({"digest": b"x"}, ["4 titles have one and the same text"]),
        ({"published": NOW + 2 * HOUR}, ["4 of 4 dates lie in the future, as 2026-06-04 14:00 +0000"]),
    ],
    ids=["flashes are short", "no text", "one title", "one text", "future"],
)  # fmt: skip
def test_odd_entries_of_a_feed_are_named(changes, reasons):
    changes = {"length": 60, "layout": FLASH, "rule": None, "listed_at": None, **changes}
    found = find_drift(watch_pages(4, **changes), now=NOW, usual=USUAL)
    assert [trouble.reason for trouble in found] == [f"{FLASH}: {reason}" for reason in reasons]


@pytest.mark.parametrize(
    ("usual", "runs_of", "told"),
    [
        (Usual(500, 9, 9), 9, False),
        (Usual(500, 200, 60), 9, False),
        (Usual(500, 200, 60), 25, True),
        (Usual(500, 200, 0), 99, False),
    ],
    ids=["few known", "a third, nine pages", "a third, many pages", "never counted"],
)
def test_missing_page_counts_are_told_when_they_are_no_chance(usual, runs_of, told):
    found = find_drift(watch_pages(runs_of, counted=False), now=NOW, usual={PAGE: usual})
    assert any("page_count" in trouble.reason for trouble in found) == told


@pytest.mark.parametrize(
    ("hours", "reasons"),
    [
        ([-8, -8, -8, 0], ["dates of 3 of 4 known articles are -8 hours off what they were"]),
        ([-8, -8, 0, 0], []),
        ([0, 0, 0, 0], []),
        ([1, 2, 3, 4], []),
        ([], []),
    ],
    ids=["most", "half", "as before", "corrections", "none"],
)
def test_dates_of_known_articles_that_moved_alike_are_named(hours, reasons):
    watch = Watch()
    for hour in hours:
        watch.meet("/a", hour * 3600)
    assert [trouble.reason for trouble in find_drift(watch, now=NOW)] == reasons


def test_what_is_usual_is_learned_by_layout_and_forgets():
    watch = watch_pages(10, length=500)
    learned = learn(watch, {FLASH: Usual(60, 20)})
    assert learned == {FLASH: Usual(60, 20), PAGE: Usual(500, 10, 10, (*watch.sights[-2:],))}
    for _ in range(60):
        learned = learn(watch_pages(10, length=100, counted=False), learned)
    assert replace(learned[PAGE], last=()) == Usual(100, 210, 0)


ONE_TITLE = ["3 of 3 articles have the title '登录'"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"title": "登录"}, [[], [], ONE_TITLE]),
        ({"title": "登录", "published": lambda n, s: NOW - n * 24 * HOUR, "listed_at": None}, []),
    ],
    ids=["as it should be", "one title", "one title, day by day"],
)
def test_articles_that_come_one_by_one_are_judged_together(changes, told):
    usual: dict[str, Usual] = {}
    found = []
    for sight in watch_pages(3, **changes).sights:
        watch = Watch([sight])
        found.append(
            [
                trouble.reason.removeprefix(f"{PAGE}: ")
                for trouble in find_drift(watch, now=NOW, usual=usual)
            ]
        )
        # By way of the ledger.
        usual = {
            name: read_usual(name, json.loads(json.dumps(each.as_json())))
            for name, each in learn(watch, usual).items()
        }
    assert found == (told or [[], [], []])
    assert len(usual[PAGE].last) == 2
    assert not [*find_drift(watch_pages(1), now=NOW, usual=usual)]
