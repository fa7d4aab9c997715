"""How a host is treated in a run, by what it has answered so far. Pure: the clock is an argument.

A host is a name and a port, whatever sources lead to it. One that says that it has too much to do
is left alone for as long as it says, or longer each time; one that goes on like that, or does not
answer at all, is given up for the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from crawler.addresses import PORTS, read_origin
from crawler.report import HostReport

# So many answers of one kind in a row and nothing good between them: the host is given up.
MOST_REFUSALS = 3
MOST_FAILURES = 3
# A host that says 429 is asked half as often each time, down to one request in so many seconds.
SHORTEST_RAISED_S = 0.5
LONGEST_RAISED_S = 5.0


@lru_cache(4096)
def name_host(address: str) -> str:
    """Gives what counts as one host: the name, and the port where it is not that of http or https;
    "" for what is no address.

    >>> name_host("https://a.example/x"), name_host("http://A.example:8080")
    ('a.example', 'a.example:8080')
    """
    try:
        host, port = read_origin(address)
    except ValueError:
        return ""
    if ":" in host:
        host = f"[{host}]"
    return host if port in PORTS.values() else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: ``most_s`` is how long a host may keep a run waiting between two good answers,
    ``first_s`` how long one is left alone that does not say how long."""

    most_s: float
    first_s: float


@dataclass(slots=True)
class Host:
    """What is known of a host in this run. Times are seconds of a clock that only goes forward.

    ``is_well`` says that its last answer was a good one; until there is one it is asked one thing
    at a time. ``retry_after_s`` is the longest that it asked to be left alone.
    """

    report: HostReport = field(default_factory=HostReport)
    is_well: bool = False
    held_until: float = 0.0
    retry_after_s: int = 0
    refusals: int = 0
    failures: int = 0
    spent_s: float = 0.0

    def answer(self) -> None:
        """Takes note of a good answer."""
        self.is_well = True
        self.refusals = self.failures = 0
        self.spent_s = 0.0

    def fail(self, reason: str) -> None:
        """Takes note that there was no answer at all."""
        self.is_well = False
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            self._give_up(f"{self.failures} times in a row {reason}")

    def refuse(
        self, reason: str, now: float, patience: Patience, *, asked_s: int = 0, jitter: float = 0.0
    ) -> bool:
        """Takes note that the host asks to be left alone, for ``asked_s`` seconds (0: it does not
        say). Answers to what was asked before it was left alone count as one; False comes back
        for all but the first. ``jitter`` is from 0 to 1."""
        self.is_well = False
        self.retry_after_s = max(self.retry_after_s, asked_s)
        wait_s: float = asked_s
        is_anew = now >= self.held_until
        if is_anew:
            self.refusals += 1
            if not asked_s:
                usual_s = patience.first_s * (1 << (self.refusals - 1)) * (1 + jitter / 4)
                wait_s = min(usual_s, patience.most_s)
        since = max(now, self.held_until)
        more_s = max(0.0, now + wait_s - since)
        if asked_s and self.spent_s + more_s > patience.most_s:
            self._give_up(f"{reason}, asks to be left alone for {asked_s} s (NEWS_MAX_RETRY_AFTER)")
        elif self.refusals >= MOST_REFUSALS:
            self._give_up(f"{self.refusals} times in a row {reason}")
        else:
            self.held_until = since + more_s
            self.spent_s += more_s
            self.report.waited_s += more_s
        return is_anew

    @staticmethod
    def raise_delay(delay_s: float) -> float:
        """Gives the delay after an answer that there were too many requests."""
        return max(delay_s, min(max(2 * delay_s, SHORTEST_RAISED_S), LONGEST_RAISED_S))

    def _give_up(self, why: str) -> None:
        self.report.gave_up = self.report.gave_up or why
        self.held_until = 0.0
