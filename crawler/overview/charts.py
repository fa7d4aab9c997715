"""Charts as inline SVG. They are stretched to the width they get, so they hold no text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log

from lxml import etree

from crawler.overview.html import tag

# Bars of one chart; more do not tell more.
MOST_BARS = 183
# Where the scale of delays begins, and may end.
_SHORTEST_S = 60
_ENDS_S = (3600, 6 * 3600, 86400, 7 * 86400)


def find_step(days: int) -> int:
    """Gives how many days a bar stands for."""
    return -(-days // MOST_BARS)


def add_up(by_day: Sequence[int], step: int) -> list[int]:
    """Gives the sums of so many days each, the last of them whole."""
    first = len(by_day) % step
    sums = [sum(by_day[n : n + step]) for n in range(first, len(by_day), step)]
    return [sum(by_day[:first]), *sums] if first else sums


def draw_bars(
    layers: Sequence[tuple[str, Sequence[int]]], most: int, labels: Sequence[str] = ()
) -> etree._Element:
    """Draws bars of layers on top of one another, each a class and its heights, ``most`` being the
    height of the chart; with labels, one a bar, every bar tells its own. The last bar is paler: its
    day is not over."""
    count = len(layers[0][1])
    chart = _canvas(count * 10, 100)
    below = [0.0] * count
    for kind, values in layers:
        path = []
        for n, value in enumerate(values):
            if value:
                # What is there at all is to be seen.
                height = max(100 * value / most, 1.5)
                top = 100 - below[n] - height
                path.append(f"M{n * 10 + 1} {top:.1f}h8v{height:.1f}h-8z")
                below[n] += height
        last = path.pop() if path and values[-1] else ""
        chart.append(tag("path", class_=kind, d="".join(path)))
        chart.append(tag("path", class_=f"{kind} open", d=last))
    for n, label in enumerate(labels):
        bar = tag("rect", tag("title", label), class_="hit", x=n * 10, y=0, width=10, height=100)
        chart.append(bar)
    return chart


def find_top(value: int) -> int:
    """Gives the round number, which can be halved, that a scale with this value ends at.

    >>> [find_top(value) for value in (0, 3, 11, 24, 325, 4001)]
    [2, 4, 20, 30, 400, 5000]
    """
    size = 1
    while True:
        for step in (2, 3, 4, 5, 6, 8, 10):
            if step * size >= value and step * size % 2 == 0:
                return step * size
        size *= 10


def draw_line(values: Sequence[float | None]) -> etree._Element:
    """Draws a line through values of 0 to 1; where there is none it is broken."""
    chart = _canvas(max(len(values) - 1, 1) * 10, 100)
    path = []
    pen = "M"
    for n, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{n * 10} {95 - 90 * value:.1f}")
        if pen == "M":
            path.append("h.01")  # a day between two without any is a dot
        pen = "L"
    chart.append(tag("path", class_="line", d="".join(path)))
    return chart


def draw_range(low: int, high: int, end: int) -> etree._Element:
    """Draws seconds from low to high on the scale of ``scale_delay``."""
    chart = _canvas(100, 10)
    for tick in _ENDS_S:
        if tick < end:
            at = 100 * scale_delay(tick, end)
            chart.append(tag("path", class_="tick", d=f"M{at:.1f} 0v10"))
    left, right = 100 * scale_delay(low, end), 100 * scale_delay(high, end)
    chart.append(
        tag("rect", class_="range", x=f"{left:.1f}", y=3, width=f"{right - left:.1f}", height=4)
    )
    chart.append(tag("rect", class_="median", x=f"{max(left - 1, 0):.1f}", y=1, width=2, height=8))
    return chart


def find_end(longest: int) -> int:
    """Gives the seconds that a scale of delays ends at: an hour, six, a day or a week."""
    return next((end for end in _ENDS_S if end >= longest), _ENDS_S[-1])


def scale_delay(seconds: float, end: int) -> float:
    """Gives where seconds lie between a minute (0) and the end of the scale (1), by magnitude.

    >>> scale_delay(3, 86400), round(scale_delay(3600, 86400), 2), scale_delay(10**9, 3600)
    (0.0, 0.56, 1.0)
    """
    seconds = min(max(seconds, _SHORTEST_S), end)
    return log(seconds / _SHORTEST_S) / log(end / _SHORTEST_S)


def _canvas(width: int, height: int, parts: Iterable[etree._Element] = ()) -> etree._Element:
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
