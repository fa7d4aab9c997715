"""What the answers of a host mean for it."""

from __future__ import annotations

import pytest

from crawler.hosts import LONGEST_RAISED_S, Host, Patience, name_host

PATIENCE = Patience(most_s=30, first_s=5)


@pytest.mark.parametrize(
    ("urls", "name"),
    [
        (["http://a.example/x", "https://A.example:443/", "http://a.example.:80"], "a.example"),
        (["http://a.example:8080/x", "https://a.example:8080/"], "a.example:8080"),
        (["http://127.1:81/", "http://127.0.0.1:81/"], "127.0.0.1:81"),
        (["http://[::1]:81/", "http://[0::1]:81/"], "[::1]:81"),
        (["https://a.example/{page}?{cursor}"], "a.example"),
        (["no-address://x y", "http://[", "", "http://"], ""),
    ],
)
def test_one_host_has_one_name(urls, name):
    assert {name_host(url) for url in urls} == {name}


def play(steps, patience=PATIENCE):
    """Lets a host answer: (second, None) is a good answer, (second, seconds asked for) a refusal,
    (second, "") silence."""
    host = Host()
    for at, asked in steps:
        if asked is None:
            host.answer()
        elif asked == "":
            host.fail("timed out")
        else:
            host.refuse("HTTP 503", at, patience, asked_s=asked)
    return host


@pytest.mark.parametrize(
    ("steps", "until", "waited"),
    [
        ([(0, 7)], 7, 7),
        ([(0, 0)], 5, 5),
        ([(0, 0), (5, 0)], 15, 15),
        ([(0, 0), (5, None), (6, 0)], 11, 10),
        ([(0, 7), (1, 7), (2, 3)], 8, 8),  # all asked before it was left alone
        ([(0, 0), (1, 20)], 21, 21),
        ([(0, 20), (20, 10)], 30, 30),
        ([(0, 20), (20, None), (20, 20)], 40, 40),
    ],
)
def test_host_is_left_alone(steps, until, waited):
    host = play(steps)
    assert not host.report.gave_up
    assert (host.held_until, host.report.waited_s) == (until, waited)
    assert not host.is_well


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([(0, 31)], "HTTP 503, asks to be left alone for 31 s (NEWS_MAX_RETRY_AFTER)"),
        ([(0, 20), (20, 11)], "HTTP 503, asks to be left alone for 11 s (NEWS_MAX_RETRY_AFTER)"),
        ([(0, 0), (5, 0), (15, 0)], "3 times in a row HTTP 503"),
        ([(0, ""), (1, ""), (2, "")], "3 times in a row timed out"),
    ],
)
def test_host_is_given_up(steps, why):
    for count in range(1, len(steps) + 1):
        assert bool(play(steps[:count]).report.gave_up) == (count == len(steps))
    host = play([*steps, (99, None), (99, 0)])
    assert host.report.gave_up == why
    assert play([*steps[:-1], (30, None), steps[-1]]).report.gave_up == (
        why if len(steps) == 1 else ""
    )


def test_backing_off_never_takes_longer_than_is_allowed():
    assert play([(0, 0)], Patience(most_s=2, first_s=5)).held_until == 2
    for jitter in (0.0, 0.5, 1.0):
        host = Host()
        host.refuse("HTTP 429", 0, PATIENCE, jitter=jitter)
        assert 5 <= host.held_until <= 6.25


@pytest.mark.parametrize(("delay", "raised"), [(0, 0.5), (0.25, 0.5), (1, 2), (4, 5), (9, 9)])
def test_delay_is_raised_up_to_a_bound(delay, raised):
    assert Host.raise_delay(delay) == raised <= max(LONGEST_RAISED_S, delay)
