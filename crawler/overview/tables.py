"""Tables of a page: cells that know how they sort, and what they are called where there is no head
to see (on a phone every row becomes a card)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from lxml import etree

from crawler.overview.html import Child, tag
from crawler.overview.period import Period
from crawler.overview.words import LANGUAGES, WORDS, say, say_duration

Row = Sequence[etree._Element]


def text_cell(key: str, *children: Child, wide: bool = False) -> etree._Element:
    """A cell of words; on a phone a wide one takes a line of its own, an empty one none."""
    parts = [tag("bdi", one) if isinstance(one, str) and one else one for one in children]
    return tag("td", *parts, data_k=key, **({"class_": "wide"} if wide else {}))


def count_cell(key: str, value: float, shown: str = "", *, bad: bool = False) -> etree._Element:
    """A cell with a number, shown as ``shown`` where that is another text. Nothing is a nought."""
    kind = "n bad" if bad and value else "n" if value else "n nought"
    return tag("td", shown or f"{value:,}", class_=kind, data_k=key, data_v=value)


def duration_cell(key: str, seconds: float | None) -> etree._Element:
    if seconds is None:
        return tag("td", "–", class_="n nought", data_k=key, data_v=-1)
    kind = "n" if seconds else "n nought"
    return tag("td", say_duration(seconds), class_=kind, data_k=key, data_v=round(seconds, 1))


def chart_cell(key: str, chart: etree._Element, value: float) -> etree._Element:
    return tag("td", chart, class_="chart", data_k=key, data_v=value)


def time_cell(key: str, at: int | None, period: Period) -> etree._Element:
    if at is None:
        return tag("td", "–", class_="t nought", data_k=key, data_v=0)
    return tag("td", say_time(at, period), class_="t", data_k=key, data_v=at)


def say_time(at: int, period: Period) -> str:
    """Gives a time in the period's zone; with its year only where that is another than today's."""
    try:
        local = datetime.fromtimestamp(at, period.zone)
    except (ValueError, OverflowError, OSError):  # a date that no calendar has
        return "–"
    form = "%m-%d %H:%M" if local.year == period.made_at.year else "%Y-%m-%d %H:%M"
    return local.strftime(form)


def draw_table(columns: Sequence[str], rows: Iterable[Row]) -> etree._Element:
    """Makes a table; what a column is, its cells in the first row say. There must be a row."""
    rows = list(rows)
    heads = [
        tag("th", say(key), scope="col", **_heads_like(cell))
        for key, cell in zip(columns, rows[0], strict=True)
    ]
    body = tag("tbody", *(tag("tr", *row) for row in rows))
    table = tag("table", tag("thead", tag("tr", *heads)), body)
    return tag("div", table, class_="box", tabindex=0)


def _heads_like(cell: etree._Element) -> dict[str, str]:
    """A column of numbers or times is sorted from the top at first."""
    kind = (cell.get("class") or "").split(" ")[0]
    if kind not in ("n", "t", "chart"):
        return {}
    return {"data_down": ""} | ({"class_": kind} if kind != "chart" else {})


def style_labels(keys: Iterable[str]) -> str:
    """Gives the style rules that name the cells of cards, on a phone, in the language chosen."""
    rules = "".join(
        f"#{language}:checked~main td[data-k={key}]::before{{content:{_quote(WORDS[key][n])}}}"
        for n, language in enumerate(LANGUAGES)
        for key in sorted(set(keys))
    )
    return f"@media (max-width:640px){{{rules}}}\n"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
