"""The page: one HTML document that needs nothing beside itself and asks nothing of anybody."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from lxml import etree

from crawler.overview.charts import (
    add_up,
    draw_bars,
    draw_line,
    draw_range,
    find_end,
    find_step,
    find_top,
    scale_delay,
)
from crawler.overview.figures import (
    MOST_ROWS,
    Overview,
    SourceArticles,
    Standing,
    Troubles,
    find_share,
)
from crawler.overview.html import Child, cut, link, tag
from crawler.overview.tables import (
    Row,
    chart_cell,
    count_cell,
    draw_table,
    duration_cell,
    say_time,
    style_labels,
    text_cell,
    time_cell,
)
from crawler.overview.words import LANGUAGES, WORDS, say, say_duration

# Others that carry one text, and small charts: more are counted.
_MOST_CARRIERS = 6
_MOST_CHARTS = 60


def render_page(overview: Overview, language: str | None = None) -> bytes:
    """Gives the document. It begins in ``language`` (``en`` or ``zh``), or where that is None in
    that of the browser, and holds both."""
    sections = [
        _tell_sources(overview),
        _draw_articles(overview),
        _tell_delays(overview),
        _tell_repeats(overview),
        _tell_edits(overview),
        _tell_near(overview),
        _tell_troubles("drift", overview.runs.drift, overview),
        _tell_troubles("refusals", overview.runs.refused, overview),
        _tell_troubles("warnings", overview.runs.warnings, overview),
        _tell_hosts(overview),
        _tell_runs(overview),
    ]
    if overview.damaged:
        sections.append(_tell_damaged(overview))
    main = tag("main", _sum_up(overview), *sections)
    labelled = {cell.get("data-k") or "" for cell in main.iter("td")}
    style = _read("page.css") + style_labels(labelled)
    script = _read("page.js")
    switch = [
        tag("input", type="radio", name="language", id=code, autocomplete="off")
        for code in LANGUAGES
    ]
    switch[list(LANGUAGES).index(language or "en")].set("checked", "")
    root = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=_allow(style, script)),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("meta", name="robots", content="noindex"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", " · ".join(WORDS["title"])),
            tag("style", style),
        ),
        tag(
            "body",
            *switch,
            _head(overview),
            main,
            tag("footer", tag("p", say("footer"))),
            tag("script", script),
        ),
        lang=language or "en",
        data_language=language or "auto",
    )
    text = etree.tostring(root, method="html", encoding="unicode", doctype="<!DOCTYPE html>")
    return f"{text}\n".encode()


def _read(name: str) -> str:
    return files("crawler.overview").joinpath(name).read_text("utf-8")


def _allow(style: str, script: str) -> str:
    """Gives the policy: nothing is loaded, and only this style and this script count."""
    digests = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _head(overview: Overview) -> etree._Element:
    period = overview.period
    return tag(
        "header",
        tag("h1", say("title")),
        tag(
            "p", (tag("label", name, for_=code) for code, name in LANGUAGES.items()), class_="langs"
        ),
        tag(
            "p",
            say("span", first=period.days[0], last=period.days[-1], days=f"{len(period.days):,}"),
            " · ",
            say("made", at=f"{period.made_at:%Y-%m-%d %H:%M}"),
            f" ({period.zone.key})",
            class_="about",
        ),
    )


def _sum_up(overview: Overview) -> etree._Element:
    runs, days = overview.runs, len(overview.period.days)
    articles = sum(source.count for source in overview.articles.values())
    delays = overview.list_delays()
    edited = sum(source.edited for source in overview.articles.values())
    repeated = sum(overview.repeats.values())
    tiles = [
        _tile(
            "per-day",
            f"{articles:,}",
            say("articles"),
            say("so-many-a-day", n=f"{articles / days:,.1f}"),
        ),
        _tile(
            "delays",
            say_duration(find_share(delays, 0.5)) if delays else "–",
            say("delay"),
            [say("p90"), " ", say_duration(find_share(delays, 0.9))] if delays else None,
        ),
        _tile("repeats", f"{repeated:,}", say("repeated")),
        _tile("edits", f"{edited:,}", say("edited")),
        _tile("nears", f"{runs.near_count:,}", say("near")),
        _tile("drift", f"{len(runs.drift):,}", say("redesigns"), bad=bool(len(runs.drift))),
        _tile("refusals", f"{runs.refused.count:,}", say("refused")),
        _tile(
            "runs",
            f"{runs.failed or runs.count:,}",
            say("of-runs", count=f"{runs.count:,}")
            if runs.failed
            else say("all-runs" if runs.count else "no-runs"),
            bad=bool(runs.failed),
        ),
    ]
    alarm = None
    if overview.damaged:
        said = say("to-damaged", count=f"{overview.damaged_count:,}")
        alarm = tag("p", tag("a", said, href="#damaged"), class_="alarm")
    return tag("nav", alarm, tag("ul", *tiles), class_="tiles")


def _tile(
    target: str, figure: Child, under: Child, *more: Child, bad: bool = False
) -> etree._Element:
    small = tag("small", *more) if any(more) else None
    figure = tag("b", figure, **({"class_": "bad"} if bad else {}))
    return tag("li", tag("a", figure, tag("span", under), small, href=f"#{target}"))


def _section(name: str, *children: Child, about: Child = None) -> etree._Element:
    return tag(
        "section",
        tag("h2", say(name)),
        tag("p", about or say(f"about-{name}"), class_="about"),
        *children,
        id=name,
    )


def _none() -> etree._Element:
    return tag("p", say("none"), class_="none")


def _note(shown: int, count: int, key: str = "rows") -> etree._Element | None:
    """Says how many rows were left away, where some were."""
    if shown >= count:
        return None
    return tag("p", say(key, shown=f"{shown:,}", count=f"{count:,}"), class_="note")


def _name_source(name: str, overview: Overview, key: str = "source") -> etree._Element:
    label = overview.labels.get(name)
    return tag(
        "td",
        tag("bdi", cut(name, 60)),
        [" ", tag("small", tag("bdi", cut(label, 60)))] if label else None,
        class_="s",
        data_k=key,
    )


def _tell_sources(overview: Overview) -> etree._Element:
    sources = overview.list_sources()
    days = len(overview.period.days)
    rows = []
    for name, articles, runs in sources[:MOST_ROWS]:
        a_day = articles.count / days
        rows.append(
            [
                _name_source(name, overview),
                count_cell("articles", articles.count),
                count_cell(
                    "a-day", round(a_day, 2), "<0.1" if 0 < a_day < 0.05 else f"{a_day:,.1f}"
                ),
                count_cell("repeated", articles.repeated),
                count_cell("elsewhere", articles.repeated_elsewhere),
                count_cell("edited", articles.edited),
                count_cell("near", runs.near),
                count_cell("refused", runs.refused),
                count_cell("warned", runs.warnings),
                count_cell("failed-runs", runs.failed, bad=True),
                time_cell("newest", articles.newest_at, overview.period),
                count_cell("total", articles.total),
            ]
        )
    return _section("sources", *_table(rows, len(sources)))


def _table(rows: Sequence[Row], count: int, key: str = "rows") -> list[Child]:
    """Makes a table with the keys of its cells as columns, and says what it leaves away."""
    if not rows:
        return [_none()]
    columns = [cell.get("data-k") or "" for cell in rows[0]]
    return [draw_table(columns, rows), _note(len(rows), count, key)]


def _draw_articles(overview: Overview) -> etree._Element:
    period = overview.period
    step = find_step(len(period.days))
    about = (
        say("about-per-day", zone=period.zone.key)
        if step == 1
        else say("about-per-days", zone=period.zone.key, days=step)
    )
    sources = [(name, found.by_day) for name, found, _ in overview.list_sources() if found.count]
    if not sources:
        return _section("per-day", tag("p", say("empty"), class_="none"), about=about)
    sums = zip(*(by_day for _, by_day in sources), strict=True)
    charts = []
    for name, by_day in sources[:_MOST_CHARTS]:
        bars = add_up(by_day, step)
        label = overview.labels.get(name)
        charts.append(
            tag(
                "figure",
                tag(
                    "figcaption",
                    tag("bdi", cut(name, 40), class_="s"),
                    [" ", tag("small", tag("bdi", cut(label, 40)))] if label else None,
                ),
                draw_bars([("bar", bars)], max(bars)),
                tag(
                    "p",
                    tag("b", f"{sum(bars):,}"),
                    tag("span", say("busiest", count=f"{max(bars):,}")),
                ),
            )
        )
    return _section(
        "per-day",
        _plot(overview, [("bar", [sum(counts) for counts in sums])], step),
        tag("div", *charts, class_="minis"),
        _note(len(charts), len(sources)),
        about=about,
    )


def _plot(
    overview: Overview, layers: Sequence[tuple[str, Sequence[int]]], step: int
) -> etree._Element:
    """Draws a large chart by day, with its scale."""
    days = overview.period.days
    bars = [(kind, add_up(by_day, step)) for kind, by_day in layers]
    starts = [days[max(0, len(days) - step * n)] for n in range(len(bars[0][1]), 0, -1)]
    sums = [list(values) for values in zip(*(values for _, values in bars), strict=True)]
    labels = [
        f"{day}: " + " + ".join(f"{value:,}" for value in values)
        for day, values in zip(starts, sums, strict=True)
    ]
    top = find_top(max(map(sum, sums)))
    dates = (starts[0], starts[len(starts) // 2], days[-1])
    return tag(
        "figure",
        tag("p", *(tag("span", f"{tick:,}") for tick in (top, top // 2, 0))),
        draw_bars(bars, top, labels),
        tag("p", *(tag("span", f"{day:%Y-%m-%d}") for day in dates)),
        class_="plot",
    )


def _tell_delays(overview: Overview) -> etree._Element:
    days = len(overview.period.days)
    step = find_step(days)
    measured = [
        (name, articles, find_share(delays, 0.5), find_share(delays, 0.9), len(delays))
        for name, articles, _ in overview.list_sources()
        if (delays := articles.list_delays())
    ]
    end = find_end(max((p90 for *_, p90, _ in measured), default=0))
    rows: list[Row] = []
    for name, articles, median, p90, count in measured[:MOST_ROWS]:
        medians = _list_medians(articles, days, step)
        line = draw_line([None if m is None else scale_delay(m, end) for m in medians])
        rows.append(
            [
                _name_source(name, overview),
                duration_cell("median", median),
                duration_cell("p90", p90),
                chart_cell("range", draw_range(median, p90, end), median),
                chart_cell("trend", line, medians[-1] or 0),
                count_cell("measured", count),
            ]
        )
    about = say("about-delays", end=say_duration(end))
    if not rows:
        return _section("delays", tag("p", say("no-delays"), class_="none"), about=about)
    return _section("delays", *_table(rows, len(measured)), about=about)


def _list_medians(articles: SourceArticles, days: int, step: int) -> list[int | None]:
    """Gives the median delays of so many days each."""
    medians: list[int | None] = []
    for last in range((days - 1) % step, days, step):
        found = range(max(0, last - step + 1), last + 1)
        delays = sorted(s for day in found for s in articles.delays.get(day, ()))
        medians.append(find_share(delays, 0.5) if delays else None)
    return medians


def _tell_repeats(overview: Overview) -> etree._Element:
    if not overview.repeated:
        return _section("repeats", _none())
    period = overview.period
    pairs = [
        [
            _name_source(source, overview),
            _name_source(carrier, overview, "carrier"),
            count_cell("count", count),
        ]
        for (source, carrier), count in overview.repeats.most_common(MOST_ROWS)
    ]
    rows = [
        [
            time_cell("last", max((one.at for one in repeated.carriers), default=None), period),
            _name_source(repeated.post.source, overview),
            text_cell("article", link(repeated.post.url, repeated.post.title), wide=True),
            text_cell("stood", _list_carriers(repeated.carriers, overview), wide=True),
            time_cell("first-seen", repeated.post.at, period),
        ]
        for repeated in overview.repeated
    ]
    return _section(
        "repeats",
        *_table(rows, overview.repeated_count),
        tag("h3", say("by-pairs")),
        *_table(pairs, len(overview.repeats)),
    )


def _list_carriers(carriers: Sequence[Standing], overview: Overview) -> list[Child]:
    said: list[Child] = [
        tag(
            "div",
            link(one.url, one.source if one.url else f"{one.source}: {one.title}"),
            " ",
            tag("small", say_time(one.at, overview.period)),
        )
        for one in carriers[:_MOST_CARRIERS]
    ]
    if len(carriers) > _MOST_CARRIERS:
        more = say("and-more", count=f"{len(carriers) - _MOST_CARRIERS:,}")
        said.append(tag("div", tag("small", more)))
    return said


def _tell_edits(overview: Overview) -> etree._Element:
    rows = [
        [
            time_cell("last-edit", edited.post.at, overview.period),
            _name_source(edited.post.source, overview),
            text_cell("article", link(edited.post.url, edited.post.title), wide=True),
            count_cell("versions", edited.versions),
            text_cell("file", tag("code", tag("bdi", cut(edited.path))), wide=True),
        ]
        for edited in overview.edited
    ]
    count = sum(articles.edited for articles in overview.articles.values())
    return _section("edits", *_table(rows, count))


def _tell_near(overview: Overview) -> etree._Element:
    rows = [
        [
            time_cell("met", pair.at, overview.period),
            _name_source(pair.source, overview),
            text_cell("article", link(pair.url), wide=True),
            text_cell("twin", link(pair.twin), wide=True),
            count_cell("shared", pair.shared, f"{pair.shared:.0%}"),
        ]
        for pair in reversed(overview.runs.near)
    ]
    return _section("nears", *_table(rows, overview.runs.near_count))


def _tell_troubles(name: str, troubles: Troubles, overview: Overview) -> etree._Element:
    rows = [
        [
            time_cell("last", group.last_at, overview.period),
            _name_source(group.source, overview),
            text_cell("reason", cut(group.reason), wide=True),
            text_cell("sample", link(group.url), wide=True),
            count_cell("count", group.count),
            time_cell("first", group.first_at, overview.period),
        ]
        for group, _ in zip(troubles, range(MOST_ROWS), strict=False)
    ]
    left_out = None
    if troubles.left_out:
        left_out = tag("p", say("left-out", count=f"{troubles.left_out:,}"), class_="note")
    return _section(name, *_table(rows, len(troubles), "groups"), left_out)


def _tell_hosts(overview: Overview) -> etree._Element:
    hosts = sorted(overview.runs.hosts.items(), key=lambda item: (-item[1].requests, item[0]))
    rows = []
    for name, host in hosts[:MOST_ROWS]:
        per_run = host.requests / host.runs
        rows.append(
            [
                tag("td", tag("bdi", cut(name, 80)), class_="s", data_k="host"),
                count_cell("requests", host.requests),
                count_cell("per-run", round(per_run, 2), f"{per_run:,.1f}"),
                count_cell("received", host.bytes, _say_bytes(host.bytes)),
                count_cell("pause", host.delay_s, f"{host.delay_s:g}"),
                duration_cell("waited", host.waited_s),
                count_cell("retries", host.retries),
                text_cell("robots", cut(host.robots, 60)),
                count_cell("gave-up", host.gave_up, bad=True),
                text_cell("said", cut(host.why), wide=True),
            ]
        )
    return _section("hosts", *_table(rows, len(hosts)))


def _say_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _tell_runs(overview: Overview) -> etree._Element:
    runs, period = overview.runs, overview.period
    if not runs.count:
        return _section("runs", _none(), about=say("none"))
    rows = []
    for run in runs.list_runs():
        took = duration_cell("took", run.took_s)
        if run.took_s is None:
            took = tag("td", say("not-ended"), class_="n bad", data_k="took", data_v=-1)
        rows.append(
            [
                time_cell("began", run.at, period),
                took,
                count_cell("status", run.status, bad=True),
                count_cell("source-count", run.sources),
                count_cell("new", run.new),
                count_cell("updated", run.updated),
                count_cell("refused", run.refused),
                count_cell("warned", run.warnings),
                count_cell("requests", run.requests),
                text_cell("said", cut(run.said), wide=True),
            ]
        )
    layers = [("bar", runs.done_by_day), ("failed", runs.failed_by_day)]
    legend = tag(
        "p",
        *(
            tag("span", tag("i", class_=kind), say(key))
            for kind, key in (("bar", "done"), ("failed", "failed"))
        ),
        class_="legend",
    )
    return _section(
        "runs",
        _plot(overview, layers, find_step(len(period.days))),
        legend,
        *_table(rows, runs.count),
        about=say(
            "about-runs",
            median=say_duration(find_share(sorted(runs.durations), 0.5) if runs.durations else 0),
            pause=say_duration(runs.pause[0]),
            since=say_time(runs.pause[1], period),
        ),
    )


def _tell_damaged(overview: Overview) -> etree._Element:
    items = [
        tag("li", tag("code", cut(name)), ": ", tag("bdi", cut(reason)))
        for name, reason in overview.damaged
    ]
    return _section(
        "damaged",
        tag("ul", *items, class_="plain"),
        _note(len(items), overview.damaged_count),
        about=say("about-damaged", count=f"{overview.damaged_count:,}"),
    )
