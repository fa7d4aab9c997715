"""What an overview adds up: articles from the ledger, runs from their reports.

All of it stays small however many articles and runs there are: counts by day, and of what is
listed the newest. Times are seconds UTC.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from crawler.drift import is_drift
from crawler.overview.period import Period
from crawler.report import HostReport, RunReport, SourceReport, Trouble

# Rows of a table. More than this nobody reads on a page.
MOST_ROWS = 200
# Of troubles and hosts so many are kept apart; sources are few, but a feed may be of any name.
_MOST_KEPT = 2_000


@dataclass(slots=True)
class SourceArticles:
    """A source's articles. ``total`` and ``newest_at`` are those of the whole archive, the rest is
    of the period: articles by the day of their publication (where they have no date, of the first
    fetch), those that were ``edited`` last in it, texts of others that it ``repeated``, and
    how often its own were ``repeated_elsewhere``. ``delays`` are, by day, the seconds from
    publication to archive of all articles of which that is known: the first fetch was seen, the
    date has a clock, and the source was followed already."""

    by_day: list[int]
    total: int = 0
    newest_at: int | None = None
    edited: int = 0
    repeated: int = 0
    repeated_elsewhere: int = 0
    delays: dict[int, array[int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.by_day)

    def note_delay(self, day: int, seconds: int) -> None:
        self.delays.setdefault(day, array("q")).append(max(0, seconds))

    def list_delays(self) -> list[int]:
        """Gives the delays of the period, the shortest first."""
        return sorted(seconds for delays in self.delays.values() for seconds in delays)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a text stands or stood: source, title, address, when it was met."""

    source: str
    title: str
    url: str
    at: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """A post and who else carried its text, the first met first."""

    post: Standing
    carriers: list[Standing]


@dataclass(frozen=True, slots=True)
class Edited:
    """A post that was edited, last at ``at``; ``versions`` counts the live one too."""

    post: Standing
    versions: int
    path: str


@dataclass(slots=True)
class Grouped:
    """Troubles of one source that have one reason; ``url`` is the last of their addresses."""

    source: str
    reason: str
    count: int = 0
    first_at: int = 0
    last_at: int = 0
    url: str = ""


class Troubles:
    """Troubles by source and reason, the newest kinds of them. ``count`` counts all, ``left_out``
    those that are not kept apart any more."""

    def __init__(self) -> None:
        self.count = 0
        self.left_out = 0
        self._groups: OrderedDict[tuple[str, str], Grouped] = OrderedDict()

    def add(self, source: str, trouble: Trouble, at: int) -> None:
        self.count += 1
        key = (source, trouble.reason)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Grouped(*key, first_at=at)
            if len(self._groups) > _MOST_KEPT:
                self.left_out += self._groups.popitem(last=False)[1].count
        self._groups.move_to_end(key)
        group.count += 1
        group.last_at = at
        group.url = trouble.url or group.url

    def miss(self, count: int) -> None:
        """Counts troubles that a report has the number of only."""
        self.count += count
        self.left_out += count

    def __iter__(self) -> Iterator[Grouped]:
        """Yields them, the newest first."""
        return reversed(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)


@dataclass(slots=True)
class SourceRuns:
    """What the runs of the period did for a source."""

    runs: int = 0
    failed: int = 0
    near: int = 0
    refused: int = 0
    warnings: int = 0


@dataclass(slots=True)
class HostRuns:
    """How a host was treated in the period. ``delay_s``, ``robots`` and ``why`` (it was given up)
    are the last ones; ``gave_up`` counts runs."""

    runs: int = 0
    requests: int = 0
    bytes: int = 0
    delay_s: float = 0.0
    waited_s: float = 0.0
    retries: int = 0
    robots: str = ""
    gave_up: int = 0
    why: str = ""

    def add(self, host: HostReport) -> None:
        self.runs += 1
        self.requests += host.requests
        self.bytes += host.bytes
        self.delay_s = host.delay_s
        self.waited_s += host.waited_s
        self.retries += host.retries
        self.robots = host.robots or self.robots
        if host.gave_up:
            self.gave_up += 1
            self.why = host.gave_up


@dataclass(frozen=True, slots=True)
class Run:
    """A run in one line. ``took_s`` is None for one that did not come to its end; ``said`` is the
    first thing that went wrong, "" where nothing did."""

    at: int
    took_s: int | None
    status: int
    sources: int
    new: int
    updated: int
    refused: int
    warnings: int
    requests: int
    said: str


@dataclass(frozen=True, slots=True)
class NearPair:
    source: str
    url: str
    twin: str
    shared: float
    at: int


class Runs:
    """All runs of a period, to be added in the order of their beginnings."""

    def __init__(self, period: Period) -> None:
        self._period = period
        days = len(period.days)
        self.done_by_day = [0] * days
        self.failed_by_day = [0] * days
        self.requests_by_day = [0] * days
        self.durations: array[int] = array("q")
        # The longest time without a run, and when it began.
        self.pause = (0, 0)
        self.sources: defaultdict[str, SourceRuns] = defaultdict(SourceRuns)
        self.hosts: OrderedDict[str, HostRuns] = OrderedDict()
        self.refused = Troubles()
        self.drift = Troubles()
        self.warnings = Troubles()
        self.near: deque[NearPair] = deque(maxlen=MOST_ROWS)
        self._newest: deque[Run] = deque(maxlen=MOST_ROWS // 2)
        self._failed: deque[Run] = deque(maxlen=MOST_ROWS // 2)
        self._last_at: int | None = None

    @property
    def count(self) -> int:
        return sum(self.done_by_day) + self.failed

    @property
    def failed(self) -> int:
        return sum(self.failed_by_day)

    @property
    def near_count(self) -> int:
        return sum(source.near for source in self.sources.values())

    def list_runs(self) -> list[Run]:
        """Gives the newest runs and the newest of those that failed, the newest first."""
        return sorted({*self._newest, *self._failed}, key=lambda run: run.at, reverse=True)

    def add(self, report: RunReport, status: int) -> None:
        """Adds a run with its exit status; one that began on no day of the period is none of it."""
        at = int(report.started_at.timestamp())
        day = self._period.find_day(at)
        if day is None:
            return
        if self._last_at is not None:
            self.pause = max(self.pause, (at - self._last_at, self._last_at))
        self._last_at = at
        (self.failed_by_day if status else self.done_by_day)[day] += 1
        for name, source in report.sources.items():
            self._add_source(name, source, at)
        for name, host in report.hosts.items():
            self.requests_by_day[day] += host.requests
            self._add_host(name, host)
        run = self._sum_up(report, status, at)
        if run.took_s is not None:
            self.durations.append(run.took_s)
        self._newest.append(run)
        if status:
            self._failed.append(run)

    def _add_source(self, name: str, source: SourceReport, at: int) -> None:
        runs = self.sources[name]
        runs.runs += 1
        runs.failed += source.failed_wholly
        runs.near += source.near_duplicates
        runs.refused += source.refused_count
        runs.warnings += source.warning_count
        for near in source.near:
            self.near.append(NearPair(name, near.url, near.twin, near.shared, at))
        for trouble in source.refused:
            self.refused.add(name, trouble, at)
            if is_drift(trouble.reason):
                self.drift.add(name, trouble, at)
        for number, trouble in enumerate(source.warnings):
            is_sign = number < source.drift or is_drift(trouble.reason)
            (self.drift if is_sign else self.warnings).add(name, trouble, at)
        self.refused.miss(max(0, source.refused_count - len(source.refused)))
        self.warnings.miss(max(0, source.warning_count - len(source.warnings)))

    def _add_host(self, name: str, host: HostReport) -> None:
        runs = self.hosts.get(name)
        if runs is None:
            runs = self.hosts[name] = HostRuns()
            if len(self.hosts) > _MOST_KEPT:
                self.hosts.popitem(last=False)
        runs.add(host)
        self.hosts.move_to_end(name)

    def _sum_up(self, report: RunReport, status: int, at: int) -> Run:
        sources = report.sources.values()
        ended_at = report.ended_at
        return Run(
            at=at,
            took_s=max(0, int(ended_at.timestamp()) - at) if ended_at else None,
            status=status,
            sources=len(sources),
            new=sum(source.new for source in sources),
            updated=sum(source.updated for source in sources),
            refused=sum(source.refused_count for source in sources),
            warnings=sum(source.warning_count for source in sources) + len(report.warnings),
            requests=sum(host.requests for host in report.hosts.values()),
            said=_say_failure(report) if status else "",
        )


def _say_failure(report: RunReport) -> str:
    for error in report.errors:
        return error
    for name, source in report.sources.items():
        if source.failed_wholly:
            return f"{name}: {source.say_trouble()}"
    return ""


@dataclass(slots=True)
class Overview:
    """All that a page shows. ``labels`` has publishers by source; ``repeats`` how often which
    source (the second) carried texts of which; ``repeated`` and ``edited`` the last posts of those,
    ``damaged`` the first reports that could not be read, with the reason."""

    period: Period
    runs: Runs
    labels: dict[str, str] = field(default_factory=dict)
    articles: dict[str, SourceArticles] = field(default_factory=dict)
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: list[Repeated] = field(default_factory=list)
    repeated_count: int = 0
    edited: list[Edited] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    damaged_count: int = 0

    def articles_of(self, source: str) -> SourceArticles:
        articles = self.articles.get(source)
        if articles is None:
            articles = self.articles[source] = SourceArticles([0] * len(self.period.days))
        return articles

    def list_sources(self) -> list[tuple[str, SourceArticles, SourceRuns]]:
        """Gives all sources, those with most articles first."""
        found = [
            (
                name,
                self.articles.get(name) or SourceArticles([]),
                self.runs.sources.get(name) or SourceRuns(),
            )
            for name in {*self.articles, *self.runs.sources}
        ]
        return sorted(found, key=lambda one: (-one[1].count, -one[1].total, one[0]))

    def list_delays(self) -> list[int]:
        return sorted(s for source in self.articles.values() for s in source.list_delays())


def find_share(values: Sequence[int], part: float) -> int:
    """Gives the value that a part of sorted values reaches at most. There must be a value.

    >>> find_share([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], 0.5), find_share([7], 0.9)
    (5, 7)
    """
    return values[max(0, ceil(len(values) * part) - 1)]
