"""When a source is due again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.schedule import (
    LONGEST,
    MOST_ASKED,
    SHORTEST,
    SourceState,
    Span,
    count_entries,
    find_interval,
    find_span,
    parse_state,
    read_freshness,
    read_retry_after,
    read_span,
    render_state,
)

NOW = datetime(2026, 6, 4, 12, tzinfo=UTC)


def ago(*hours: float) -> list[datetime]:
    return [NOW - timedelta(hours=number) for number in hours]


@pytest.mark.parametrize(
    ("lists", "options", "minutes"),
    [
        (ago(2), {}, 30),
        (ago(24 * 30, 2, 24 * 7), {}, 30),
        ([Span(*ago(9, 7))], {}, 2 * 60),
        ([Span(*ago(9, 8.9))], {}, 60),
        ([Span(*ago(24 * 4, 24 * 4))], {}, 24 * 60),
        (ago(0.1), {}, 10),
        (ago(24 * 30), {}, 24 * 60),
        ([], {}, 6 * 60),
        (ago(-5, 2), {}, 30),
        (ago(2), {"fresh_s": 3600}, 60),
        (ago(2), {"fresh_s": 10**9}, 24 * 60),
        (ago(2), {"retry_after_s": 7200}, 120),
        (ago(2), {"failures": 1}, 15),
        (ago(2), {"failures": 3}, 60),
        (ago(2), {"failures": 99}, 24 * 60),
        (ago(2), {"failures": 1, "retry_after_s": 3600}, 60),
    ],
    ids=[
        "two hours of news", "and slow columns", "a night", "a long night",
        "stopped", "minutes", "a month", "no dates", "a date ahead", "ttl", "endless ttl",
        "retry-after", "one failure", "three failures", "many failures", "failure and retry-after",
    ],
)  # fmt: skip
def test_interval_follows_what_a_source_publishes(lists, options, minutes):
    spans = [each if isinstance(each, Span) else Span(each) for each in lists]
    assert find_interval(spans, now=NOW, **options) == timedelta(minutes=minutes)


@given(
    st.lists(st.floats(-1e5, 1e6).map(lambda h: NOW - timedelta(hours=h)), max_size=9),
    st.integers(-5, 10**12),
    st.integers(-5, 10**12),
    st.integers(0, 10**6),
)
def test_interval_stays_within_bounds(published, fresh_s, retry_after_s, failures):
    span = find_span(published)
    found = find_interval(
        [span] if span else [],
        now=NOW,
        fresh_s=fresh_s,
        retry_after_s=retry_after_s,
        failures=failures,
    )
    assert SHORTEST <= found <= max(LONGEST, MOST_ASKED)


@pytest.mark.parametrize(
    ("published", "span"),
    [
        ([], None),
        (ago(3), Span(*ago(3))),
        (ago(1, 3, 2), Span(*ago(3))),
        (ago(999, *range(9)), Span(*ago(7, 0))),
        (ago(*range(4), 999), Span(*ago(3, 0))),
    ],
    ids=["no dates", "one", "three", "one of ten pinned", "one of five pinned"],
)
def test_how_far_a_list_goes_back(published, span):
    assert find_span(published) == span
    assert span is None or read_span(span.seconds) == span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("max-age=600", 600),
        ('public, Max-Age="60"', 60),
        ("no-cache, max-age=600", 0),
        ("", 0),
        (None, 0),
        ("s-maxage=9", 0),
    ],
)
def test_freshness(text, seconds):
    assert read_freshness(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("Thu, 04 Jun 2026 12:05:00 GMT", 300),
        ("Thu, 04 Jun 2026 11:00:00 GMT", 0),
        ("soon", 0),
        (None, 0),
        ("-1", 0),
    ],
)
def test_retry_after(text, seconds):
    assert read_retry_after(text, now=NOW) == seconds


def test_feed_that_is_empty_is_believed_the_third_time():
    remembered, told = None, []
    for entries in (0, 7, 0, 0, 7, 0, 0, 0, 0, 7):
        remembered, missing = count_entries(remembered, entries)
        told.append(missing)
    assert told == [0, 0, 7, 7, 0, 7, 7, 0, 0, 0]


def test_state_is_read_back_and_a_broken_one_is_empty():
    state = SourceState(run_at=1, due_at=2, failures=3, trouble="坏", feeds={"a": [3, 1]})
    assert parse_state(render_state(state)) == state
    for text in (None, "", "{", "[]", '{"other": 1}'):
        assert parse_state(text) == SourceState()
    assert SourceState().is_due(NOW)
    assert not SourceState(due_at=int(NOW.timestamp()) + 1).is_due(NOW)
