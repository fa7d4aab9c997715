"""How a source is doing: what a visit notes and warns of, what the ledger is to remember.

Glue between a visit and the pure rooms that judge: ``drift`` (has the layout changed), ``schedule``
(when is the source due again).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawler.article import Feed
from crawler.drift import FEW, Watch, find_drift, learn, read_usual
from crawler.errors import HostGivenUpError
from crawler.feeds.fields import DATES_WITHOUT_ZONE
from crawler.feeds.lists import MATCHED_NOTHING
from crawler.report import NO_ISSUE, SourceReport
from crawler.schedule import (
    SourceState,
    Span,
    count_entries,
    find_interval,
    find_span,
    read_retry_after,
    read_span,
)
from crawler.sources import FeedRule, Source
from crawler.spiders.articles import CHARSET_GUESSED, Listing
from crawler.spiders.responses import read_header

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Feeds and layouts of a source that are remembered, those met last: sitemaps come and go.
_MOST_COUNTED = 100
_WEEKEND = (5, 6)


class Health:
    """What one visit learns of its source, beside ``before``, what earlier ones did."""

    def __init__(self, source: Source, report: SourceReport, before: SourceState) -> None:
        self.watch = Watch()
        self._source = source
        self._report = report
        self._before = before
        self._counts: dict[str, list[int]] = {}
        self._paged: dict[str, int] = {}
        self._spans: dict[str, Span] = {}
        # Lists for every day: which had an issue, and weekdays' pages that show none.
        self._issues: set[int] = set()
        self._without_rows: defaultdict[int, list[str]] = defaultdict(list)
        self._absent: defaultdict[int, list[str]] = defaultdict(list)
        self._fresh_s = 0
        self._retry_after_s = 0
        self._warned: set[str] = set()

    def note_freshness(self, seconds: int) -> None:
        """Notes for how long the source says that what it gave is fresh."""
        self._fresh_s = max(self._fresh_s, seconds)

    def note_issue(self, listing: Listing) -> None:
        """Notes that a list for every day has an issue."""
        self._issues.add(listing.number)

    def note_feed(self, listing: Listing, feed: Feed) -> None:
        """Notes how far back the first page of a list goes, and how long it is fresh."""
        self.note_issue(listing)
        span = find_span(entry.published for entry in feed.entries if entry.published)
        if span:
            self._spans[_key_of(listing.rule)] = span
        self.note_freshness(feed.ttl_s or 0)

    def count_entries(self, rule: FeedRule, entries: int) -> int:
        """Gives how many entries are missing of a feed that had some and is empty, 0 when none."""
        key = _key_of(rule)
        self._counts[key], missing = count_entries(self._before.feeds.get(key), entries)
        return missing

    def note_problems(self, feed: Feed, listing: Listing, url: str) -> None:
        for problem in feed.problems:
            if self._source.zone_declared and problem.reason.startswith(DATES_WITHOUT_ZONE):
                continue
            # The page behind the last one, and a day without an issue, have no rows.
            if problem.reason.startswith("rows ") and (listing.page > 1 or listing.day):
                continue
            if problem.index is None and MATCHED_NOTHING in problem.reason:
                self._warn_of_layout(problem.reason, url)
                continue
            if problem.reason.startswith(CHARSET_GUESSED):
                self.warn_once(problem.reason, url)
                continue
            where = "" if problem.index is None else f"entry {problem.index}: "
            self._report.warn(where + problem.reason, url)

    def _warn_of_layout(self, reason: str, url: str) -> None:
        """Says that a site was redesigned in the log too, where somebody may look before the next
        report; other warnings stay in the report."""
        self._report.warn_of_layout(reason, url)
        logger.warning("%s: %s (%s)", self._source.name, reason, url)

    def warn_once(self, reason: str, url: str) -> None:
        """Says once a run what is true of every page of a kind."""
        if reason not in self._warned:
            self._warned.add(reason)
            self._report.warn(reason, url)

    def note_next(self, listing: Listing, url: str, *, leads_on: bool) -> None:
        """Says so when a list that led to a second page does so no longer, though it is as long."""
        rule = listing.rule
        key = _key_of(rule)
        if leads_on:
            self._paged[key] = listing.rows
        elif 0 < self._before.paged.get(key, 0) <= listing.rows:
            selector = rule.next or ", ".join(rule.cursor.values())
            reason = f"{'next' if rule.next else 'cursor'} {selector!r} {MATCHED_NOTHING}"
            self._warn_of_layout(f"{reason}, where it led to a second page", url)

    def note_no_issue(
        self, listing: Listing, why: str, url: str, *, is_missing: bool = False
    ) -> None:
        """A Sunday, a holiday, or a list that has moved: what other days had is to tell."""
        self._report.warn(f"{NO_ISSUE} {listing.day}: {why}", url)
        if listing.day and listing.day.weekday() not in _WEEKEND:
            days = self._absent if is_missing else self._without_rows
            days[listing.number].append(url)

    def hear(self, failure: Failure) -> None:
        """Notes how long the server asks to be left alone."""
        if isinstance(failure.value, HttpError):
            response = failure.value.response
            asked = read_retry_after(read_header(response, "Retry-After"), now=datetime.now(UTC))
            self._retry_after_s = max(self._retry_after_s, asked)
        elif isinstance(failure.value, HostGivenUpError):
            self._retry_after_s = max(self._retry_after_s, failure.value.retry_after_s)

    def end(self, now: datetime, *, first_unfit: str, first_partial: str) -> SourceState:
        """Gives what the ledger is to remember of the source; names in the report what looks like
        a changed layout, with the first page that no rule fits or that could not be had."""
        before, report = self._before, self._report
        earlier = _read_each(before.layouts, read_usual)
        self._note_missing_issues()
        read = report.pages
        if report.unfit >= FEW and report.unfit > read:
            tried = ", ".join(repr(rule.body) for rule in self._source.pages)
            reason = f"body {tried} fits none of {report.unfit} pages, and {read} could be read"
            self._warn_of_layout(reason, first_unfit)
        if report.partial >= FEW and not read:
            reason = (
                f"none of {report.partial} pages could be had, all are written without their text"
            )
            self._warn_of_layout(reason, first_partial)
        for trouble in find_drift(self.watch, now=now, usual=earlier):
            self._warn_of_layout(trouble.reason, trouble.url)
        failures = before.failures + 1 if report.failed_wholly else 0
        spans = _remember(
            _read_each(before.spans, lambda _, seconds: read_span(seconds)), self._spans
        )
        if report.conditional:
            self._fresh_s = max(self._fresh_s, before.fresh_s)
        interval = find_interval(
            spans.values(),
            now=now,
            failures=failures,
            fresh_s=self._fresh_s,
            retry_after_s=self._retry_after_s,
        )
        newest = int(report.last_at.timestamp()) if report.last_at else None
        state = replace(
            before,
            run_at=int(now.timestamp()),
            due_at=int((now + interval).timestamp()),
            newest_at=max(filter(None, (newest, before.newest_at)), default=None),
            failures=failures,
            feeds=_remember(self._before.feeds, self._counts),
            paged=_remember(self._before.paged, self._paged),
            spans={key: span.seconds for key, span in spans.items()},
            fresh_s=self._fresh_s,
        )
        if report.entries or not report.conditional or report.say_trouble():
            # Where nothing has changed, what was seen the last time is how the source is doing.
            state.new, state.entries = report.new, report.entries
            state.trouble = report.say_trouble()
        learned = [*learn(self.watch, earlier).items()][-_MOST_COUNTED:]
        state.layouts = {name: known.as_json() for name, known in learned}
        return state

    def _note_missing_issues(self) -> None:
        """A paper without one issue on several weekdays has another layout, or none any more. Where
        there are not even pages it may be a week of holidays."""
        for number in {*self._without_rows, *self._absent} - self._issues:
            pages, absent = self._without_rows[number], self._absent[number]
            if len(pages) >= 2:
                self._report.feeds_failed += 1
                rows = self._source.feeds[number - 1].rows
                reason = f"rows {rows!r} {MATCHED_NOTHING} on any of {len(pages)} weekdays"
                self._warn_of_layout(reason, pages[0])
            elif len(pages) + len(absent) >= 2:
                reason = f"no page for any of {len(pages) + len(absent)} weekdays"
                self._warn_of_layout(reason, (pages + absent)[0])


def _key_of(rule: FeedRule) -> str:
    """What a feed is called where its state is kept."""
    return sha256(rule.url.encode()).hexdigest()[:12]


def _read_each(told: Mapping[str, Any], read: Callable[[str, Any], T]) -> dict[str, T]:
    """What the ledger tells, without what another version of ours wrote otherwise."""
    found = {}
    for key, values in told.items():
        with suppress(ValueError, TypeError, OverflowError):
            found[key] = read(key, values)
    return found


def _remember(known: Mapping[str, T], met: Mapping[str, T]) -> dict[str, T]:
    """Both, the newest last and not too many."""
    kept = {key: value for key, value in known.items() if key not in met}
    return dict([*kept.items(), *met.items()][-_MOST_COUNTED:])
