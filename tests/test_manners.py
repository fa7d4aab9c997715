"""What servers see of us, by the times at which requests arrive."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from statistics import mean
from time import monotonic

import pytest
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings

from crawler.archive import read_states
from crawler.options import list_download_settings
from tests.test_guard import PAGE, Server, declare, drip, reply, rss

# Between the sending of two requests and their arrival a machine may do other things.
SLACK_S = 0.09


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture
def other() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture
def many() -> Iterator[Callable[[], Server]]:
    """Gives a server for each call."""
    with ExitStack() as open_now:

        def start() -> Server:
            server = open_now.enter_context(Server())
            open_now.callback(server.shutdown)
            return server

        yield start


def serve(server, name="a", pages=6, **answers):
    """Lets the server have a feed, and pages of which some answer in another way; gives the feed's
    address."""
    links = {}
    for number in range(pages):
        path = f"/{name}/{number}"
        server.answers[path] = answers.get(f"page_{number}", reply(PAGE.format(f"{name} {number}")))
        links[f"{name} 的第 {number} 篇"] = server.url + path
    server.answers[f"/{name}/feed.xml"] = rss(links)
    return f"{server.url}/{name}/feed.xml"


def in_turn(*answers):
    """Answers each request with the next one, and with the last one from then on."""
    left = list(answers)

    def answer(connection):
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return answer


def harvest(desk, *settings, status=0, **sources):
    for name, url in sources.items():
        declare(desk, name, url)
    arguments = [part for setting in settings for part in ("-s", setting)]
    desk.scrapy("harvest", *sources, "-s", "RETRY_TIMES=2", *arguments, status=status)
    return desk.report()


def times(server, pattern=".*"):
    return [
        at
        for (at, _), path in zip(server.heads, server.asked, strict=True)
        if re.fullmatch(pattern, path)
    ]


def gaps(moments):
    return [later - sooner for sooner, later in pairwise(moments)]


def refusal(status="429 Too Many Requests", retry_after=None):
    fields = [f"Retry-After: {retry_after}"] if retry_after is not None else []
    return reply("", status, *fields)


def test_delay_is_kept_by_all_sources_of_a_run(desk, server):
    sources = {name: serve(server, name, 3) for name in ("a", "b", "c")}
    report = harvest(desk, "DOWNLOAD_DELAY=0.1", **sources)
    assert [report["sources"][name]["new"] for name in sources] == [3, 3, 3]
    assert len(server.asked) == 1 + 3 + 9  # robots.txt once
    assert mean(gaps(times(server))) > 0.09
    (host,) = report["hosts"].values()
    assert host | {"bytes": 0} == {
        "requests": 13,
        "bytes": 0,
        "delay_s": 0.1,
        "waited_s": 0.0,
        "retries": 0,
        "robots": "none",
        "gave_up": "",
    }
    assert host["bytes"] > 9 * len(PAGE)


def test_no_more_requests_at_a_time_than_are_allowed(desk, server):
    open_now, most = [], []
    crowd = threading.Condition()

    def answer(connection):
        with crowd:
            open_now.append(connection)
            most.append(len(open_now))
            crowd.notify_all()
            crowd.wait_for(lambda: len(open_now) >= 3, timeout=0.1)  # a third never comes
            open_now.remove(connection)
        connection.sendall(reply(PAGE.format("题目")))

    pages = {f"page_{number}": answer for number in range(6)}
    sources = {name: serve(server, name, **pages) for name in ("a", "b")}
    harvest(desk, "CONCURRENT_REQUESTS_PER_DOMAIN=2", **sources)
    assert max(most) == 2


@pytest.mark.parametrize(("form", "delay"), [("seconds", 0), ("date", 0.05)])
def test_no_request_reaches_a_host_before_retry_after(desk, server, other, form, delay):
    until = []

    def refuse_once(connection):
        if until:
            connection.sendall(reply(PAGE.format("题目")))
            return
        until.append(monotonic() + 1)
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        if form == "date":
            until[0] = monotonic() + (at - datetime.now(UTC)).total_seconds()
        asked = "1" if form == "seconds" else format_datetime(at, usegmt=True)
        connection.sendall(refusal("503 Service Unavailable", asked))

    sources = {
        "a": serve(server, "a", 8, page_3=refuse_once),
        "b": serve(server, "b", 8),
        "c": serve(other, "c", 3),
    }
    report = harvest(desk, f"DOWNLOAD_DELAY={delay}", **sources)
    assert {name: report["sources"][name]["new"] for name in sources} == {"a": 8, "b": 8, "c": 3}
    refused_at = times(server, "/a/3")[0]
    # What was on its way to the server already cannot be called back.
    inside = [at for at in times(server) if refused_at + SLACK_S < at < until[0]]
    assert not inside
    assert max(times(other)) < until[0]  # the others do not wait
    host = report["hosts"][f"127.0.0.1:{server.port}"]
    assert 0.9 <= host["waited_s"] <= 2.1
    assert (host["retries"], host["gave_up"]) == (1, "")


def test_host_that_asks_for_too_long_is_given_up_and_kept_away_from(desk, server, other):
    refused_at = []

    def refuse(connection):
        refused_at.append(monotonic())
        connection.sendall(refusal(retry_after=99_999))

    def answer(connection):
        if len(times(server)) < 8:
            connection.sendall(reply(PAGE.format("题目")))
        else:
            refuse(connection)

    pages = {f"page_{number}": answer for number in range(20)}
    sources = {
        "a": serve(server, "a", 20, **pages),
        "b": serve(server, "b", 20, **pages),
        # Fails wholly, whoever of the others is asked first.
        "d": serve(server, "d", 1, page_0=refuse),
        "c": serve(other, "c", 3),
    }
    report = harvest(desk, "DOWNLOAD_DELAY=0.02", status=1, **sources)
    assert not [at for at in times(server) if at > refused_at[0] + SLACK_S]
    assert report["sources"]["c"]["new"] == 3
    why = "HTTP 429, asks to be left alone for 99999 s (NEWS_MAX_RETRY_AFTER)"
    name = f"127.0.0.1:{server.port}"
    assert report["hosts"][name]["gave_up"] == why
    for source, listed in (("a", 20), ("b", 20), ("d", 1)):
        refused = report["sources"][source]["refused"]
        assert refused
        assert {trouble["reason"] for trouble in refused} == {
            f"{name} is given up for this run: {why}; to be tried again next run"
        }
        assert report["sources"][source]["new"] + len(refused) == listed
    states = read_states(desk.archive, list(sources))
    waits = {name: state.due_at - state.run_at >= 99_999 for name, state in states.items()}
    assert waits == {"a": True, "b": True, "c": False, "d": True}
    for name, listed in (("a", 20), ("b", 20), ("d", 1)):
        serve(server, name, listed)
    again = harvest(desk, **sources)["sources"]
    assert again["a"]["new"] + report["sources"]["a"]["new"] == 20
    assert again["b"]["new"] + report["sources"]["b"]["new"] == 20


def test_host_that_does_not_say_how_long_is_asked_later_each_time(desk, server, other):
    sources = {"a": serve(server, "a"), "b": serve(other, "b")}
    server.answers["/a/feed.xml"] = refusal()
    other.answers["/b/feed.xml"] = refusal("503 Service Unavailable")
    report = harvest(desk, "NEWS_BACKOFF=0.3", status=1, **sources)
    for name, host, status in (("a", server, 429), ("b", other, 503)):
        first, second = gaps(times(host, f"/{name}/feed.xml"))
        assert first > 0.3 - SLACK_S
        assert second > 0.6 - SLACK_S
        assert len(host.asked) == 1 + 3
        told = report["hosts"][f"127.0.0.1:{host.port}"]
        assert told["gave_up"] == f"3 times in a row HTTP {status}"
        assert told["delay_s"] == (1.0 if status == 429 else 0.0)


def test_pause_costs_no_article(desk, server):
    pages = {
        f"page_{number}": in_turn(refusal(), reply(PAGE.format(str(number)))) for number in (1, 2)
    }
    report = harvest(desk, "NEWS_BACKOFF=0.3", a=serve(server, **pages))["sources"]["a"]
    assert (report["new"], report["refused_count"]) == (6, 0)


ROBOTS = """User-agent: other
Crawl-delay: 9
Disallow: /

User-agent: news-archive-crawler
Crawl-delay: {0}
Disallow: /a/2

User-agent: *
Disallow: /
"""


DELAYS = {
    "ours": (ROBOTS.format("0.3"), 0.3, ""),
    "too-long": (
        ROBOTS.format("99"),
        0.4,
        "Crawl-delay 99 s, 0.4 s are kept (NEWS_MAX_CRAWL_DELAY)",
    ),
    "no-number": (ROBOTS.format("soon"), 0.05, ""),
    "rate": ("User-agent: *\nRequest-rate: 3/1s\nDisallow: /a/2\n", 1 / 3, ""),
}


def test_robots_are_obeyed_with_their_delay(desk, many):
    hosts = {name: many() for name in DELAYS}
    for name, host in hosts.items():
        host.answers["/robots.txt"] = reply(DELAYS[name][0], kind="text/plain")
    sources = {name: serve(host, pages=4) for name, host in hosts.items()}
    report = harvest(desk, "DOWNLOAD_DELAY=0.05", "NEWS_MAX_CRAWL_DELAY=0.4", **sources)
    for name, host in hosts.items():
        _, kept, warning = DELAYS[name]
        assert sorted(host.asked) == ["/a/0", "/a/1", "/a/3", "/a/feed.xml", "/robots.txt"]
        assert min(gaps(times(host))) > kept - SLACK_S, name
        key = f"127.0.0.1:{host.port}"
        told = report["hosts"][key]
        assert told["robots"] == "disallowed 1"
        assert told["delay_s"] == pytest.approx(kept)
        warnings = [found for found in report["warnings"] if found.startswith(f"{key}:")]
        assert warnings == ([f"{key}: {warning}"] if warning else [])
        counts = report["sources"][name]
        assert (counts["new"] + counts["duplicates"], counts["partial"]) == (4, 1)


# What is answered for robots.txt, the verdict, and how often it is asked for.
ANSWERS = {
    "404": (reply("no", "404 Not Found"), "none", 1),
    "403": (reply("no", "403 Forbidden"), "none", 1),
    "401": (reply("User-agent: *\nDisallow: /", "401 Unauthorized"), "none", 1),
    "loop": (reply("", "302 Found", "Location: /robots.txt"), "none", 6),
    "garbage": (reply(b"\x00\xff<html>", kind="text/plain"), "allowed", 1),
    "500": (reply("", "500 Oops"), "unreachable", 3),
    "503": (refusal("503 Service Unavailable"), "unreachable", 3),
    "429": (refusal(retry_after=99), "unreachable", 1),
    "cut": (reply("User-agent", "200 OK", "Content-Length: 999"), "unreachable", 3),
    "nothing": (b"", "unreachable", 3),
}


def test_robots_that_cannot_be_had(desk, many):
    hosts = {name: many() for name in ANSWERS}
    sources = {name: serve(host, pages=2) for name, host in hosts.items()}
    for name, host in hosts.items():
        host.answers["/robots.txt"] = ANSWERS[name][0]
    report = harvest(desk, "NEWS_BACKOFF=0.1", status=1, **sources)
    for name, host in hosts.items():
        _, verdict, asked = ANSWERS[name]
        assert host.asked.count("/robots.txt") == asked, name
        assert len(host.asked) == asked + (0 if verdict == "unreachable" else 3), name
        assert report["hosts"][f"127.0.0.1:{host.port}"]["robots"] == verdict, name
        host.answers["/robots.txt"] = reply("", kind="text/plain")
    again = harvest(desk, **sources)["sources"]
    for name in ANSWERS:
        both = (report["sources"][name], again[name])
        assert sum(counts["new"] + counts["duplicates"] for counts in both) == 2, name


def test_we_say_who_we_are(desk, server):
    harvest(desk, "NEWS_CONTACT=https://example.org/about", a=serve(server, pages=1))
    agents = {re.search(rb"(?im)^user-agent: (.*)\r$", head)[1] for _, head in server.heads}
    assert agents == {b"news-archive-crawler/0.1 (+https://example.org/about)"}


@pytest.mark.parametrize("contact", ["somebody", "a@b (c)", "a@b\r\nX: y", "https://例.example/"])
def test_contact_must_fit_into_a_header(contact):
    with pytest.raises(UsageError, match="NEWS_CONTACT is "):
        list_download_settings(BaseSettings({"NEWS_CONTACT": contact, "USER_AGENT": "a"}))


def test_source_that_takes_too_long_costs_only_itself(desk, server, other):
    slow = {f"page_{number}": drip for number in range(9)}
    sources = {"slow": serve(server, "slow", 9, **slow), "good": serve(other, "good", 9)}
    report = harvest(desk, "NEWS_MAX_SOURCE_SECONDS=1", "NEWS_MAX_SECONDS=60", status=1, **sources)[
        "sources"
    ]
    assert report["good"]["new"] == 9
    assert report["slow"]["refused_count"] == 9
    assert {trouble["reason"] for trouble in report["slow"]["refused"]} == {
        "the source took longer than 1 s (NEWS_MAX_SOURCE_SECONDS); to be tried again next run"
    }
    assert len(server.asked) == 2 + 4
    serve(server, "slow", 9)
    assert harvest(desk, **sources)["sources"]["slow"]["new"] == 9


def test_host_that_says_nothing_is_given_up(desk, server, other):
    silent = {f"page_{number}": lambda connection: connection.recv(1) for number in range(30)}
    sources = {"silent": serve(server, "silent", 30, **silent), "good": serve(other, "good", 9)}
    report = harvest(desk, "NEWS_MAX_SECONDS=1", status=1, **sources)
    assert report["sources"]["good"]["new"] == 9
    assert report["sources"]["silent"]["refused_count"] == 30
    assert len(server.asked) == 2 + 4  # nothing that timed out is asked for again
    host = report["hosts"][f"127.0.0.1:{server.port}"]
    assert host["gave_up"] == "3 times in a row timed out (NEWS_MAX_SECONDS)"


def test_many_hosts_that_say_nothing_do_not_hold_up_the_others(desk, server):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        # One host, as far as anybody can tell, for each of these addresses.
        dead = {f"dead{n}": f"http://127.0.0.{n}:{port}/feed.xml" for n in range(2, 22)}
        report = harvest(
            desk,
            "NEWS_MAX_SECONDS=1",
            status=1,
            **dead,
            good=serve(server, "good", 9),
        )
    assert report["sources"]["good"]["new"] == 9
    assert sum(report["sources"][name]["feeds_failed"] for name in dead) == len(dead)
    assert len(report["hosts"]) == 1 + len(dead)


def test_feed_that_had_entries_and_is_empty_is_not_believed_at_once(desk, server):
    url = serve(server, pages=3)
    assert harvest(desk, a=url)["sources"]["a"]["new"] == 3
    full = server.answers["/a/feed.xml"]
    server.answers["/a/feed.xml"] = reply(
        rss({}).partition(b"\r\n\r\n")[2], "200 OK", 'ETag: "1"', kind="application/rss+xml"
    )
    for status in (1, 1, 0):
        report = harvest(desk, status=status, a=url)["sources"]["a"]
        told = [trouble["reason"] for trouble in report["refused"]]
        assert told == (["empty, where 3 entries were"] if status else [])
        assert not re.search(rb"(?i)if-none-match", server.heads[-1][1])
    server.answers["/a/feed.xml"] = full
    assert harvest(desk, a=url)["sources"]["a"]["unchanged"] == 3


def test_one_text_under_several_titles_is_named(desk, server):
    error = reply("<html><article><p>" + "系统繁忙，请稍后再试。" * 9 + "</p></article></html>")
    url = serve(server, **{f"page_{number}": error for number in (1, 2, 4)})
    report = harvest(desk, a=url)["sources"]["a"]
    told = [warning["reason"] for warning in report["warnings"]]
    assert "pages without a rule: 3 titles have one and the same text" in told
