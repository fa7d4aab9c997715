"""The record of a run: what was met and what became of it, source by source. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from crawler.errors import ReportError

# A report is read by people: of one kind of trouble this many examples, and then the count.
MOST_LISTED = 200
# So many pages that no rule fits, and none that one does, are no chance where they are half of what
# is listed. Fewer may be videos.
MANY_UNFIT = 3
# How the warning begins that a list for every day has none for this one.
NO_ISSUE = "no issue of"


def make_printable(text: str) -> str:
    """Takes out what would say something to a terminal: names and titles are others' text."""
    return "".join(character if character.isprintable() else " " for character in text)


@dataclass(slots=True)
class Trouble:
    """Something refused or odd: why, and where."""

    reason: str
    url: str = ""


@dataclass(slots=True)
class Near:
    """A near-duplicate: its address, that of the article it repeats, what part they share."""

    url: str
    twin: str
    shared: float


@dataclass(slots=True)
class SourceReport:
    """What a run did for one source.

    ``conditional`` counts feeds that had not changed, ``skipped`` rows that a rule leaves out,
    ``pages`` article pages that were read, ``unfit`` those that no rule fits, ``removed`` articles
    met that were taken out of the archive for good; ``first_at`` and ``last_at`` are the oldest and
    the newest date among the entries met. ``drift`` counts the warnings that tell of a changed
    layout; they stand first.
    """

    feeds: int = 0
    entries: int = 0
    skipped: int = 0
    pages: int = 0
    unfit: int = 0
    new: int = 0
    updated: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    near: list[Near] = field(default_factory=list)
    unchanged: int = 0
    healed: int = 0
    removed: int = 0
    partial: int = 0
    refused_count: int = 0
    refused: list[Trouble] = field(default_factory=list)
    bytes: int = 0
    conditional: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    drift: int = 0
    warning_count: int = 0
    warnings: list[Trouble] = field(default_factory=list)
    feeds_failed: int = 0
    verified: bool = True

    def refuse(self, reason: str, url: str = "") -> None:
        self.refused_count += 1
        if len(self.refused) < MOST_LISTED:
            self.refused.append(Trouble(reason, url))

    def warn(self, reason: str, url: str = "") -> None:
        self.warning_count += 1
        if len(self.warnings) < MOST_LISTED:
            self.warnings.append(Trouble(reason, url))

    def warn_of_layout(self, reason: str, url: str = "") -> None:
        """Puts a sign of a changed layout before all other warnings, however many there are."""
        self.warning_count += 1
        self.warnings.insert(self.drift, Trouble(reason, url))
        self.drift += 1
        del self.warnings[MOST_LISTED:]

    def note_near(self, url: str, twin: str, shared: float) -> None:
        self.near_duplicates += 1
        if len(self.near) < MOST_LISTED:
            self.near.append(Near(url, twin, round(shared, 2)))

    def see(self, at: datetime | None) -> None:
        """Widens the span of dates met."""
        if at is not None:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)

    @property
    def failed_wholly(self) -> bool:
        """True when none of the source's feeds could be read (a list without rows counts so), or
        when nothing came of all that they listed."""
        if self.feeds_failed and not self.feeds:
            return True
        if self.unfit >= MANY_UNFIT and not self.pages and self.unfit * 2 >= self.entries:
            return True  # nothing new can be read, whatever is known already
        came = (
            self.new + self.updated + self.duplicates + self.unchanged + self.removed + self.healed
        )
        return self.entries > 0 and self.refused_count > 0 and came == 0

    @property
    def troubles(self) -> list[Trouble]:
        """All that is listed, a changed layout before everything else."""
        return [*self.warnings[: self.drift], *self.refused, *self.warnings[self.drift :]]

    def say_trouble(self) -> str:
        """Gives the first thing that went wrong, with its address; "" where nothing did. A day
        without an issue is a Sunday."""
        for trouble in self.troubles:
            if not trouble.reason.startswith(NO_ISSUE):
                return f"{trouble.reason} ({trouble.url})" if trouble.url else trouble.reason
        return ""

    def count_all(self) -> dict[str, int]:
        """Gives what came of it, by the words that people are told it in."""
        return {
            "new": self.new,
            "updated": self.updated,
            "duplicates": self.duplicates,
            "near-duplicates": self.near_duplicates,
            "unchanged": self.unchanged,
            "healed": self.healed,
            "removed for good": self.removed,
            "partial": self.partial,
            "feeds not changed": self.conditional,
            "refused": self.refused_count,
            "warnings": self.warning_count,
            "feeds failed": self.feeds_failed,
        }

    def summary(self) -> str:
        counts = self.count_all().items()
        return ", ".join(f"{count} {name}" for name, count in counts if count or name == "new")


@dataclass(slots=True)
class HostReport:
    """How a host was asked: ``bytes`` as they came, ``delay_s`` between two requests at last,
    ``waited_s`` for which it was left alone, ``robots`` the verdict of its robots.txt, ``gave_up``
    why it was asked nothing more in this run, "" where it was not."""

    requests: int = 0
    bytes: int = 0
    delay_s: float = 0.0
    waited_s: float = 0.0
    retries: int = 0
    robots: str = ""
    gave_up: str = ""


@dataclass(slots=True)
class RunReport:
    """A run as a whole. ``errors`` are why its exit status is 1 beyond what sources tell."""

    started_at: datetime
    ended_at: datetime | None = None
    sources: dict[str, SourceReport] = field(default_factory=dict)
    hosts: dict[str, HostReport] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def of(self, source: str) -> SourceReport:
        report = self.sources.get(source)
        if report is None:
            report = self.sources[source] = SourceReport()
        return report

    @property
    def exit_status(self) -> int:
        """0 when done, 1 when a source failed wholly or the archive could not be written."""
        failed = any(report.failed_wholly for report in self.sources.values())
        return int(bool(self.errors) or failed)

    def as_json(self) -> dict[str, Any]:
        """Gives the report as JSON values: keys as in the README, times in ISO 8601 UTC."""
        return {
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            "exit_status": self.exit_status,
            "errors": self.errors,
            "warnings": self.warnings,
            "sources": {
                name: {
                    key: _iso(value) if key in ("first_at", "last_at") else value
                    for key, value in asdict(report).items()
                }
                for name, report in sorted(self.sources.items())
            },
            "hosts": {
                name: asdict(report) | {"waited_s": round(report.waited_s, 1)}
                for name, report in sorted(self.hosts.items())
            },
        }


def _iso(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- reading

# More than any count of ours; a number beyond it is damage, and a trouble to whoever adds it up.
_MOST = 1 << 53

T = TypeVar("T")


def parse_report(data: bytes) -> tuple[RunReport, int]:
    """Gives a run as ``as_json`` told it, and the exit status that was written down.

    Keys that older reports lack get their defaults, those of later ones are passed over. Raises
    ReportError where anything else is not as we write it.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise ReportError(f"holds a {type(values).__name__}, expected an object")
    started_at = _read_time(values.get("started_at"), "started_at")
    if started_at is None:
        raise ReportError("has no started_at")
    sources = _read_table(values.get("sources", {}), "sources")
    hosts = _read_table(values.get("hosts", {}), "hosts")
    run = RunReport(
        started_at=started_at,
        ended_at=_read_time(values.get("ended_at"), "ended_at"),
        sources={name: _read_source(value) for name, value in sources.items()},
        hosts={name: _read_record(HostReport, value, "a host") for name, value in hosts.items()},
        errors=_read_texts(values.get("errors", []), "errors"),
        warnings=_read_texts(values.get("warnings", []), "warnings"),
    )
    status = values.get("exit_status", run.exit_status)
    if not _is_like(status, 0):
        raise ReportError(f"exit_status is {str(status)[:40]!r}")
    return run, status


def _read_source(value: object) -> SourceReport:
    report = _read_record(SourceReport, value, "a source")
    report.refused = [_read_record(Trouble, one, "refused") for one in report.refused]
    report.warnings = [_read_record(Trouble, one, "warnings") for one in report.warnings]
    report.near = [_read_record(Near, one, "near") for one in report.near]
    report.first_at = _read_time(report.first_at, "first_at")
    report.last_at = _read_time(report.last_at, "last_at")
    return report


def _read_record(kind: type[T], value: object, what: str) -> T:
    """Makes a record of the values for its fields, each of the type of an empty one's."""
    if not isinstance(value, dict):
        raise ReportError(f"{what} is a {type(value).__name__}, expected an object")
    found: dict[str, Any] = {}
    for name, default in _DEFAULTS[kind].items():
        if name in value:
            found[name] = value[name]
            if not _is_like(value[name], default):
                raise ReportError(f"{what}: {name} is {str(value[name])[:40]!r}")
    try:
        return kind(**found)
    except TypeError as error:
        raise ReportError(f"{what} lacks a key") from error


def _is_like(value: object, default: object) -> bool:
    if default is None:  # a time, which is looked at by itself
        return True
    if type(default) is float and type(value) is int:
        value = float(value) if value <= _MOST else value
    if type(value) is not type(default):
        return False
    return not isinstance(value, int | float) or 0 <= value <= _MOST


def _read_table(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ReportError(f"{what} is a {type(value).__name__}, expected an object")
    return value


def _read_texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ReportError(f"{what} is no list of texts")
    return value


def _read_time(value: object, what: str) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)  # type: ignore[arg-type]
        return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ReportError(f"{what} is {str(value)[:40]!r}, expected a time") from error


def _list_defaults(kind: Any) -> dict[str, object]:
    empty = {"str": "", "float": 0.0}
    defaults: dict[str, object] = {}
    for one in fields(kind):
        if one.default is not MISSING:
            defaults[one.name] = one.default
        elif one.default_factory is not MISSING:
            defaults[one.name] = one.default_factory()
        else:
            defaults[one.name] = empty[str(one.type)]
    return defaults


_DEFAULTS: dict[Any, dict[str, object]] = {
    kind: _list_defaults(kind) for kind in (SourceReport, HostReport, Trouble, Near)
}
