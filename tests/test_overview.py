"""``scrapy report``: what it adds up, the page it makes, and that page in a real browser."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import sqlite3
import statistics
from base64 import b64encode
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml.etree import tostring
from scrapy.utils.project import get_project_settings
from selectolax.lexbor import LexborHTMLParser

from crawler.archive import open_to_read
from crawler.archive.history import read_overview
from crawler.archive.ledger import VERSION
from crawler.archive.reports import FOLDER, PAGE
from crawler.commands.report import Command
from crawler.drift import is_drift
from crawler.errors import NewsError, ReportError
from crawler.extensions import write_report
from crawler.overview import MOST_ROWS, Overview, Period, Runs, Standing, render_page
from crawler.overview.charts import MOST_BARS, add_up, draw_bars, draw_line, find_step
from crawler.overview.figures import Edited, Grouped, HostRuns, Repeated, Troubles, find_share
from crawler.overview.html import cut, link, tag
from crawler.overview.words import LANGUAGES, WORDS, say_duration
from crawler.report import HostReport, Near, RunReport, SourceReport, Trouble, parse_report
from fixtures.history import SOURCES, make_history
from tests.browser import IS_THERE, Browser
from tests.conftest import ROOT
from tests.test_archive import BEIJING, findings, meet, open_archive, run

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
LONG = "".join(f"第{n}条消息说，公司第{n}季度营收增长，董事会通过了有关议案。" for n in range(9))


def make_period(days: int = 30, now: datetime = NOW) -> Period:
    return Period.make(days, now=now, zone=ZONE)


def overview_of(root: Path, days: int = 30, now: datetime = NOW) -> Overview:
    with contextlib.closing(open_to_read(root)) as ledger:
        return read_overview(root, ledger, make_period(days, now), {"stcn": "证券时报网"})


def text_of(page: bytes) -> str:
    return LexborHTMLParser(page).text()


# ---------------------------------------------------------------- reading reports


def full_report() -> RunReport:
    """A report in which no field has its default."""
    report = RunReport(started_at=datetime(2026, 6, 4, 1, 0, tzinfo=UTC), ended_at=NOW)
    source = report.of("stcn")
    for number, one in enumerate(fields(SourceReport)):
        if type(getattr(source, one.name)) is int:
            setattr(source, one.name, number + 1)
    source.verified = False
    source.first_at, source.last_at = report.started_at, NOW
    source.refused = [Trouble("不行", "https://a.example/")]
    source.warnings = [Trouble("odd")]
    source.near = [Near("https://a.example/1", "https://b.example/1", 0.71)]
    report.hosts["a.example"] = HostReport(3, 4, 0.5, 6.5, 7, "allowed", "refused")
    report.errors, report.warnings = ["disk"], ["old"]
    return report


def test_report_that_was_written_is_read_back():
    report = full_report()
    data = json.dumps(report.as_json()).encode()
    assert parse_report(data) == (report, 1)
    assert parse_report(b'{"started_at": "2026-06-04T01:00:00Z", "exit_status": 1}')[1] == 1


@pytest.mark.parametrize(
    "report",
    [RunReport(started_at=NOW), RunReport(NOW, sources={"a": SourceReport()})],
    ids=["empty", "empty source"],
)
def test_empty_report_is_read_back(report):
    assert parse_report(json.dumps(report.as_json()).encode()) == (report, 0)


def test_older_and_later_reports_are_read():
    """Keys that were not there yet have their defaults, keys of another day are passed over."""
    values = full_report().as_json()
    del values["hosts"]
    values["sources"] = {"stcn": {"new": 3, "mood": "good"}}
    values["weather"] = "fair"
    report, _ = parse_report(json.dumps(values).encode())
    assert report.sources == {"stcn": SourceReport(new=3)}
    assert report.hosts == {}


def change(path: str, value: object) -> bytes:
    values = full_report().as_json()
    *parts, last = path.split("/")
    place = values
    for part in parts:
        place = place[int(part) if isinstance(place, list) else part]
    place[last] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no JSON"),
        (b'{"started_at": "2026-06', "is no JSON"),
        (b"\x00" * 60, "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"exit_status": ' + b"9" * 5000 + b"}", "is no JSON"),
        (b"[]", "holds a list, expected an object"),
        (b"{}", "has no started_at"),
        (b'{"started_at": "yesterday"}', "started_at is 'yesterday', expected a time"),
        (b'{"started_at": 3}', "started_at is '3', expected a time"),
        (change("ended_at", "0001-01-01T00:00:00+14:00"), "ended_at is"),
        (change("sources", []), "sources is a list"),
        (change("sources/stcn", None), "a source is a NoneType"),
        (change("sources/stcn/new", "3"), "a source: new is '3'"),
        (change("sources/stcn/new", -1), "a source: new is '-1'"),
        (change("sources/stcn/new", True), "a source: new is 'True'"),
        (change("sources/stcn/new", 10**400), "a source: new is '1000"),
        (change("sources/stcn/refused", [3]), "refused is a int"),
        (change("sources/stcn/refused", [{"url": ""}]), "refused lacks a key"),
        (change("sources/stcn/near", [{"url": "", "twin": "", "shared": "x"}]), "near: shared"),
        (change("hosts/a.example/delay_s", float("nan")), "a host: delay_s is 'nan'"),
        (change("hosts/a.example/delay_s", float("inf")), "a host: delay_s is 'inf'"),
        (change("errors", [None]), "errors is no list of texts"),
        (change("exit_status", "1"), "exit_status is '1'"),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_damaged_report_is_named(data, message):
    with pytest.raises(ReportError, match=re.escape(message)):
        parse_report(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)


@settings(max_examples=50)
@given(st.sampled_from(["sources/stcn", "hosts/a.example", "errors", "started_at"]), JSON)
def test_no_report_raises_anything_else(path, value):
    with contextlib.suppress(NewsError):
        report, status = parse_report(change(path, value))
        runs = Runs(make_period())
        runs.add(report, status)


# ---------------------------------------------------------------- adding up


def test_days_are_those_of_the_zone_and_may_have_23_or_25_hours():
    period = Period.make(
        3, now=datetime(2026, 3, 30, 10, 0, tzinfo=UTC), zone=ZoneInfo("Europe/Berlin")
    )
    assert [f"{day:%d}" for day in period.days] == ["28", "29", "30"]
    lengths = [(b - a) // 3600 for a, b in zip(period.edges, period.edges[1:], strict=False)]
    assert lengths == [24, 23, 24]
    assert [period.find_day(edge) for edge in period.edges] == [0, 1, 2, None]
    assert period.find_day(period.since - 1) is None
    assert period.is_midnight(period.edges[1])
    assert not period.is_midnight(period.edges[1] + 60)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=400), st.sampled_from([0.5, 0.9]))
def test_share_of_values_is_what_it_says(values, part):
    values.sort()
    found = find_share(values, part)
    assert sum(value <= found for value in values) >= part * len(values)
    assert sum(value < found for value in values) < part * len(values)
    if part == 0.5:
        assert found == statistics.median_low(values)


@given(st.integers(1, 3660))
def test_bars_are_few_and_lose_no_day(days):
    step = find_step(days)
    bars = add_up([1] * days, step)
    assert len(bars) <= MOST_BARS
    assert sum(bars) == days
    assert set(bars[1:]) <= {step}


def test_line_breaks_where_nothing_is_known():
    (path,) = draw_line([0.0, None, 1.0, 0.5])
    assert path.get("d") == "M0 95.0h.01M20 5.0h.01L30 50.0"


def test_layers_of_bars_stand_on_one_another():
    *paths, hit = draw_bars([("done", [3, 0]), ("failed", [1, 2])], 4, ["a", "b"])[:-1]
    assert [(path.get("class"), path.get("d")) for path in paths] == [
        ("done", "M1 25.0h8v75.0h-8z"),
        ("done open", ""),
        ("failed", "M1 0.0h8v25.0h-8z"),
        ("failed open", "M11 50.0h8v50.0h-8z"),
    ]
    assert hit[0].text == "a"


def test_troubles_are_grouped_and_only_the_newest_kinds_kept():
    troubles = Troubles()
    for at in range(5_000):
        troubles.add("stcn", Trouble(f"reason {at}", f"u{at}"), at)
        troubles.add("cs", Trouble("404", f"https://a.example/{at}" if at % 2 else ""), at)
    first = next(iter(troubles))
    assert first == Grouped("cs", "404", 5_000, 0, 4_999, "https://a.example/4999")
    assert len(list(troubles)) == len(troubles) == 2_000
    assert troubles.count == 10_000
    assert troubles.left_out + sum(group.count for group in troubles) == 10_000


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("page rule 'div.a': 7 of 9 bodies hold less than 40 characters", True),
        ("pages without a rule: 3 titles have one and the same text", True),
        ("no page rule fits: nothing to see in body 'div'", True),
        ("title '.tt' matched nothing in 20 rows", True),
        ("rows 'ul > li' matched nothing", True),
        ("empty, where 20 entries were", True),
        ("404 Not Found", False),
        ("charset guessed: gb18030", False),
    ],
)
def test_signs_of_a_changed_layout_are_told_from_other_troubles(reason, expected):
    assert is_drift(reason) is expected


def make_run(hours: float, **fields) -> RunReport:
    at = NOW + timedelta(hours=hours)
    return RunReport(started_at=at, ended_at=at + timedelta(seconds=30), **fields)


def test_runs_are_added_up():
    runs = Runs(make_period())
    source = SourceReport(feeds=1, entries=9, new=5, updated=1, near_duplicates=2)
    source.near = [Near("https://a.example/1", "https://b.example/1", 0.7)]
    source.refuse("404", "https://a.example/2")
    source.refused_count += 4
    source.warn("rows 'li' matched nothing", "https://a.example/")  # of an older report
    source.warn("charset guessed: gb18030", "https://a.example/")
    source.warn_of_layout("feed 1: 4 titles have one and the same text", "https://a.example/")
    host = HostReport(10, 1000, 0.25, 1.5, 2, "allowed", "")
    runs.add(make_run(-2000), 1)  # of another time
    runs.add(make_run(-50, sources={"stcn": source}, hosts={"a.example": host}), 0)
    given_up = HostReport(2, 10, 5.0, 30.0, 1, "", "answered 503")
    failed = make_run(
        -1, sources={"cs": SourceReport(feeds_failed=1)}, hosts={"a.example": given_up}
    )
    failed.of("cs").refuse("503", "https://c.example/")
    failed.ended_at = None
    runs.add(failed, 1)
    assert (runs.count, runs.failed, runs.near_count) == (2, 1, 2)
    assert runs.pause == (49 * 3600, int(make_run(-50).started_at.timestamp()))
    assert list(runs.durations) == [30]
    assert runs.hosts["a.example"] == HostRuns(
        2, 12, 1010, 5.0, 31.5, 3, "allowed", 1, "answered 503"
    )
    assert (runs.refused.count, runs.refused.left_out) == (6, 4)
    signs = {"rows 'li' matched nothing", "feed 1: 4 titles have one and the same text"}
    assert {group.reason for group in runs.drift} == signs
    assert [group.reason for group in runs.warnings] == ["charset guessed: gb18030"]
    newest, oldest = runs.list_runs()
    assert (newest.status, newest.took_s, newest.said) == (1, None, "cs: 503 (https://c.example/)")
    assert (oldest.new, oldest.updated, oldest.refused, oldest.warnings) == (5, 1, 5, 3)
    assert runs.sources["cs"].failed == 1


def test_failed_runs_stay_listed_behind_many_good_ones():
    runs = Runs(make_period())
    runs.add(make_run(-600, errors=["disk full"]), 1)
    for n in range(500):
        runs.add(make_run(-599 + n), 0)
    listed = runs.list_runs()
    assert len(listed) == MOST_ROWS // 2 + 1
    assert listed[-1].said == "disk full"


# ---------------------------------------------------------------- from the archive


def test_archive_is_told_as_it_happened(tmp_path):
    """What was met two hours after it was published at nine on 4 June, and what became of it."""
    url = "https://www.stcn.example/1.html"
    other = "https://mirror.example/m1"
    run(tmp_path, meet(LONG, canonical_url=url))
    run(tmp_path, meet(LONG, source="mirror", guid="m", canonical_url=other, hours=1))
    run(tmp_path, meet(LONG + "补一句。", canonical_url=url, hours=2))
    run(tmp_path, meet("没有日期。", guid="2", published=None, hours=3))
    midnight = datetime(2026, 6, 5, tzinfo=BEIJING)
    run(tmp_path, meet("只有日期。", guid="3", published=midnight, hours=30))
    later = datetime(2026, 6, 6, 9, 0, tzinfo=BEIJING)
    run(tmp_path, meet("后来的。", guid="4", published=later, hours=50))
    overview = overview_of(tmp_path)
    stcn = overview.articles["stcn"]
    by_day = {f"{day:%d}": n for day, n in zip(overview.period.days, stcn.by_day, strict=True) if n}
    assert by_day == {"04": 2, "05": 1, "06": 1}
    assert (stcn.total, stcn.count, stcn.edited, stcn.repeated_elsewhere) == (4, 4, 1, 1)
    # The first was published before anybody looked, the second has no date, the third no clock.
    assert len(stcn.list_delays()) == 1
    assert overview.articles["mirror"].repeated == 1
    assert overview.repeats == Counter({("stcn", "mirror"): 1})
    (repeated,) = overview.repeated
    assert (repeated.post.url, [one.url for one in repeated.carriers]) == (url, [other])
    (edited,) = overview.edited
    assert (edited.post.url, edited.versions) == (url, 2)
    page = render_page(overview)
    links = [node.attributes["href"] for node in LexborHTMLParser(page).css("td a")]
    assert links == [url, other, url]
    assert "证券时报网" in text_of(page)
    assert edited.path in text_of(page)


def test_first_fetch_that_was_not_seen_tells_no_delay(tmp_path):
    day = datetime(2026, 6, 4, 9, 0, tzinfo=BEIJING)
    run(
        tmp_path,
        meet("甲。"),
        meet("乙。", guid="2", published=day + timedelta(hours=30), hours=60),
    )
    assert len(overview_of(tmp_path).articles["stcn"].list_delays()) == 1
    with open_archive(tmp_path) as archive:
        archive.rebuild()
    stcn = overview_of(tmp_path).articles["stcn"]
    assert (stcn.count, stcn.list_delays()) == (2, [])


def test_archive_is_read_while_somebody_writes_it_and_left_as_it_is(tmp_path):
    run(tmp_path, meet())
    write_report(tmp_path / FOLDER, full_report())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with open_archive(tmp_path) as archive, archive._ledger.transaction():
        archive._ledger.put_note("source stcn", "{}")
        overview = overview_of(tmp_path)
        assert overview.articles["stcn"].total == overview.runs.count == 1
        assert {path: path.read_bytes() for path in before} == before


def test_damaged_reports_are_named_and_the_others_count(tmp_path):
    run(tmp_path, meet())
    folder = tmp_path / FOLDER
    good = write_report(folder, make_run(-9))
    names = [f"20260629T0{n}0000.000000Z.json" for n in range(4)]
    (folder / names[0]).write_bytes(good.read_bytes()[:-40])
    (folder / names[1]).symlink_to(good)
    (folder / names[2]).mkdir()
    (folder / names[3]).write_bytes(b"")
    (folder / "latest.json").write_bytes(b"{")
    (folder / "20250101T000000.000000Z.json").write_bytes(b"old and broken")
    overview = overview_of(tmp_path)
    assert overview.runs.count == 1
    assert [name for name, _ in overview.damaged] == names
    page = text_of(render_page(overview))
    assert all(name in page for name in names)
    assert "4 reports cannot be read" in page


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("key", WORDS)
def test_words_are_used_and_hold_the_same_values_in_both_languages(key):
    source = "".join(p.read_text("utf-8") for p in (ROOT / "crawler" / "overview").glob("*.py"))
    named = source.count(f'"{key}"') > 1
    assert (
        named
        or (key.startswith("about-") and f'_section("{key[6:]}"' in source)
        or (key.startswith("about-") and f'_tell_troubles("{key[6:]}"' in source)
    )
    english, chinese = (set(re.findall(r"\{(\w+)\}", text)) for text in WORDS[key])
    assert english == chinese


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(0, "0 s", "0 秒"), (59, "59 s", "59 秒"), (90, "2 min", "2 分"), (3600, "1 h", "1 小时"), (5400, "1.5 h", "1.5 小时"),
     (86_400, "24 h", "24 小时"), (10 * 86_400, "10 d", "10 天"), (10**9, "11,574 d", "11,574 天")],
)  # fmt: skip
def test_times_are_said_in_the_unit_that_fits(seconds, english, chinese):
    assert [span.text for span in say_duration(seconds)] == [english, chinese]


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://a.example/?q=1&x=\"'<>", True),
        ("http://a.example/", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("https:javascript", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("//a.example/", False),
        ("https://[bad", False),
        ("https://a.example/\u202e", False),
        ("https://a.example/" + "x" * 1000, False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_become_links(url, is_link):
    element = link(url, "题")
    assert (element.tag == "a") is is_link
    if is_link:
        assert element.get("href") == url
        assert set(element.get("rel").split()) == {"noreferrer", "noopener", "nofollow"}


@settings(max_examples=50)
@given(st.text(), st.integers(2, 50))
def test_texts_are_cut_and_elements_hold_any_text(text, length):
    assert len(cut(text, length)) <= length
    assert cut(cut(text, length), length) == cut(text, length)
    assert tostring(tag("p", tag("b", text, class_=text), link(text, text)), method="html")


HOSTILE = [
    "</td><script>alert(1)</script>",
    "</style></script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "]]><!--<svg onload=alert(1)>",
    "{{7*7}}{% raw %}",
    "\x00\x07\u202e\ud800\uffff",
    "一" * 5000,
]


def hostile_overview() -> Overview:
    period = make_period(3)
    overview = Overview(period, Runs(period))
    for text in HOSTILE:
        url = f"https://a.example/{text}"
        overview.labels[text] = text
        overview.articles_of(text).by_day[0] = 3
        overview.repeats[text, text] = 2
        standing = Standing(text, text, url, int(NOW.timestamp()))
        overview.repeated.append(Repeated(standing, [standing] * 9))
        overview.edited.append(Edited(standing, 2, text))
        overview.damaged.append((text, text))
        source = SourceReport()
        source.refuse(text, url)
        source.warn(text, text)
        source.note_near(url, text, 0.7)
        host = HostReport(1, 1, 1.0, 1.0, 1, text, text)
        overview.runs.add(make_run(0, sources={text: source}, hosts={text: host}, errors=[text]), 1)
    return overview


def test_nothing_from_outside_becomes_markup():
    page = render_page(hostile_overview())
    tree = LexborHTMLParser(page)
    (script,) = tree.css("script")
    assert script.text() == (ROOT / "crawler" / "overview" / "page.js").read_text("utf-8")
    assert len(tree.css("style")) == 1
    assert not tree.css("img, iframe, object, embed, link, base, form, td svg[onload]")
    for node in tree.css("*"):
        for name, value in node.attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert value.startswith(("https://", "#"))
    reasons = {node.text() for node in tree.css('td[data-k="reason"]')}
    assert set(HOSTILE[:6]) <= reasons
    assert len(page) < 400_000


def test_policy_allows_this_style_and_script_and_nothing_else():
    tree = LexborHTMLParser(render_page(hostile_overview()))
    policy = tree.css_first('meta[http-equiv="Content-Security-Policy"]').attributes["content"]
    digests = {
        kind: b64encode(sha256(tree.css_first(kind).text().encode()).digest()).decode()
        for kind in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'; base-uri 'none'; form-action 'none'"
    )
    assert not tree.css("[style]")


def test_page_stays_a_page_and_says_what_it_left_away():
    period = make_period(3660)
    overview = Overview(period, Runs(period))
    many = SourceReport(new=1)
    for n in range(3_000):
        many.refuse(f"reason {n} " + "x" * 500, f"https://a.example/{n}?{'x' * 900}")
        many.note_near(f"https://a.example/{n}", f"https://b.example/{n}", 0.5)
    for n in range(60):
        hosts = {f"{k}.example": HostReport(requests=n) for k in range(n * 50, n * 50 + 50)}
        sources = {f"s{n}-{k}": many for k in range(10)}
        overview.runs.add(make_run(n / 10 - 9, sources=sources, hosts=hosts), 1)
        overview.articles_of(f"s{n}-1").by_day[-1] = 1
    page = render_page(overview)
    assert len(page) < 2_000_000
    assert "200 of 600 shown." in text_of(page)  # sources
    assert "200 of 2,000 shown." in text_of(page)  # hosts
    assert "are counted but no longer told apart" in text_of(page)


# ---------------------------------------------------------------- the command


def call(root: Path, *arguments: str) -> int:
    """Calls the command in this process; gives its exit status."""
    command = Command()
    command.settings = get_project_settings()
    command.settings.set("NEWS_ARCHIVE", str(root), priority="cmdline")
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    opts, rest = parser.parse_known_args(arguments)
    command.run(rest, opts)
    return command.exitcode


def make_older(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION - 1}")


def make_later(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")


def make_foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id=7")


def make_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def make_mad(path: Path) -> None:
    """Values of the wrong types, as flipped bits may make them."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE post SET first_at = 'soon', source = x'ff'")


def make_mad_while_at_work(path: Path) -> None:
    path.with_name(f"{path.name}-seal").unlink()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE carrier SET title = x'ff'")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "no ledger there; scrapy archive rebuild makes it again"),
        (make_older, f"has version {VERSION - 1}, this program reads version {VERSION}"),
        (make_later, f"has version {VERSION + 1}, this program reads version {VERSION}"),
        (make_foreign, "is a database of another program"),
        (make_cut, "; scrapy archive rebuild makes it again\n"),
        (lambda path: path.write_bytes(b"\x00" * 20_000), "damaged"),
        (lambda path: path.write_bytes(b"no database at all" * 900), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (make_mad, "damaged"),
        (make_mad_while_at_work, "damaged (a value of table carrier)"),
    ],
    ids=[
        "missing",
        "older",
        "later",
        "foreign",
        "cut",
        "zeros",
        "text",
        "empty",
        "mad",
        "mad, no seal",
    ],
)
def test_ledger_that_cannot_be_read_is_one_line(tmp_path, capsys, damage, message):
    run(tmp_path, meet())
    damage(tmp_path / "ledger.sqlite3")
    for name in ("ledger.sqlite3-wal", "ledger.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert call(tmp_path, "-o", "-", "--days", "366") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"scrapy report: {tmp_path}/ledger.sqlite3: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "0"], "--days is '0', expected a number from 1 to 3660"),
        (["--days", "3661"], "--days is '3661'"),
        (["--days", "9" * 5000], "--days is '999"),
        (["--days", "٣"], "--days is '٣'"),
        (["--lang", "de"], "--lang is 'de', expected one of en, zh"),
        (["stcn"], "report takes no 'stcn'"),
    ],
    ids=["no days", "too many", "far too many", "other digits", "language", "argument"],
)
def test_wrong_usage_is_one_line(tmp_path, capsys, arguments, message):
    assert call(tmp_path, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"scrapy report: {message}")
    assert err.count("\n") == 1


def test_output_that_cannot_be_written_is_one_line(tmp_path, capsys):
    run(tmp_path, meet())
    assert call(tmp_path, "-o", str(tmp_path / "nowhere" / "page.html")) == 1
    assert "nowhere" in capsys.readouterr().err
    assert call(tmp_path / "nowhere") == 1
    assert capsys.readouterr().err == f"scrapy report: {tmp_path}/nowhere: no archive there\n"


def test_page_is_written_beside_the_reports_whole_and_belongs_there(tmp_path, capsys):
    run(tmp_path, meet())
    assert call(tmp_path, "--days", "3660") == 0
    page = tmp_path / FOLDER / PAGE
    assert capsys.readouterr().out == f"{page}\n"
    assert [path.name for path in page.parent.iterdir()] == [PAGE]
    assert findings(tmp_path) == []


def test_real_command_after_a_real_crawl(desk):
    desk.crawl("atom-finance")
    page = desk.scrapy("report", "-o", "-", "--days", "3660", "--lang", "zh").stdout
    tree = LexborHTMLParser(page)
    assert tree.css_first("html").attributes["lang"] == "zh"
    assert "checked" in tree.css_first("#zh").attributes
    (row,) = tree.css("#sources tbody tr")
    assert row.css_first("td").text().startswith("atom-finance")
    assert row.css_first('td[data-k="total"]').text() == str(len(desk.files("posts")))
    assert desk.site.url.removeprefix("http://") in tree.css_first("#hosts").text()


# ---------------------------------------------------------------- in a browser

needs_browser = pytest.mark.skipif(not IS_THERE, reason="no chromium with chromedriver here")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The page of two weeks of 14 sources, with titles that would do harm."""
    root = tmp_path_factory.mktemp("history")
    make_history(root, now=NOW, days=14, minutes=360, posts=1_500)
    shutil.copy(
        next((root / FOLDER).glob("2*.json")), root / FOLDER / "20260629T000000.000000Z.json"
    )
    (root / FOLDER / "20260629T000001.000000Z.json").write_bytes(b"{")
    path = root / "page.html"
    path.write_bytes(render_page(overview_of(root, 14)))
    return path


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


VISIBLE = """
const seen = (node) => node.offsetParent !== null;
const spans = [...document.querySelectorAll('main span[lang]')].filter(seen);
return [document.documentElement.lang, document.querySelector('h1').innerText,
        [...new Set(spans.map((span) => span.lang))].join()];
"""
TEXT = "return document.body.innerText"
COLUMN = """
return [...document.querySelectorAll('#sources td[data-k="%s"]')].map((cell) => cell.innerText);
"""


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_page_fits_its_window_and_asks_for_nothing(browser, page, width, dark):
    browser.show(page, width=width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.run("return document.title") == " · ".join(WORDS["title"])
    assert browser.log() == []
    paper, ink = browser.run(
        "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (paper, ink)]
    assert (bright[0] < bright[1]) is dark
    assert len(browser.run("return document.querySelectorAll('#per-day .minis svg')")) == len(
        SOURCES
    )


@needs_browser
def test_policy_holds_against_what_would_get_in(browser, page):
    browser.show(page)
    browser.run("""
        const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image);
        const script = document.createElement('script'); script.textContent = "document.title = 'owned'";
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<b id="hit" onclick="document.title=1">x</b>');
        document.getElementById('hit').click();
    """)
    assert browser.run("return document.title") == " · ".join(WORDS["title"])
    refused = browser.log()
    assert len(refused) == 3
    assert all("Content Security Policy" in message for message in refused)


@needs_browser
@pytest.mark.parametrize(
    ("accept", "shown"),
    [("en-US,zh", "en"), ("zh-CN,zh;q=0.9,en", "zh"), ("fr,zh-TW", "zh"), ("fr", "en")],
)
def test_language_is_that_of_the_browser_and_can_be_switched(browser, page, accept, shown):
    browser.tell("Network.setUserAgentOverride", userAgent="test", acceptLanguage=accept)
    browser.show(page)
    titles = dict(zip(LANGUAGES, WORDS["title"], strict=True))
    assert browser.run(VISIBLE) == [shown, titles[shown], shown]
    other = next(code for code in LANGUAGES if code != shown)
    browser.run(f"document.querySelector('label[for={other}]').click()")
    assert browser.run(VISIBLE) == [other, titles[other], other]
    browser.tell("Network.setUserAgentOverride", userAgent="test", acceptLanguage="en-US")


@needs_browser
def test_tables_sort_by_any_column_there_and_back(browser, page):
    browser.show(page)
    before = browser.run(COLUMN % "articles")
    numbers = [int(text.replace(",", "")) for text in before]
    assert numbers == sorted(numbers, reverse=True)
    press = "document.querySelector('#sources th:nth-child(%d) button').click()"
    browser.run(press % 1)
    names = browser.run(COLUMN % "source")
    assert names == sorted(names)
    assert browser.run("return document.querySelector('#sources th').ariaSort") == "ascending"
    browser.run(press % 2)
    assert browser.run(COLUMN % "articles") == before
    browser.run(press % 2)
    assert browser.run(COLUMN % "articles") == before[::-1]


@needs_browser
def test_heads_stay_in_sight(browser, page):
    browser.show(page)
    top = "return document.querySelector('#repeats %s').getBoundingClientRect().top"
    browser.run("document.querySelector('#repeats .box').scrollTop = 300")
    assert abs(browser.run(top % "th") - browser.run(top % ".box")) <= 1
    assert browser.run(top % "tbody tr") < browser.run(top % "th")


@needs_browser
def test_without_script_it_is_whole_and_speaks_both_languages(browser, page):
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(page)
        seen = browser.run(TEXT)
        assert WORDS["sources"][0] in seen
        assert WORDS["about-sources"][1] not in seen
        browser.run("document.querySelector('label[for=zh]').click()")
        seen = browser.run(TEXT)
        assert WORDS["about-sources"][1] in seen
        assert WORDS["about-sources"][0] not in seen
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)
