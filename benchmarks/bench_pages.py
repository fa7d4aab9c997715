"""What reading an article page by its rule costs beyond parsing the page, in one process.

For every example page of the shipped sources, filled up to 38 kB with links as real pages have
them: lexbor alone, and the rule (bounds, parsing, selectors, dates, credits, body as HTML).

Alone: ``python -m benchmarks.bench_pages [--rounds N]``.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from selectolax.lexbor import LexborHTMLParser

from crawler.encoding import decode_text
from crawler.errors import PageError
from crawler.pages import read_page
from crawler.sources import load_sources

ROOT = Path(__file__).parents[1]
PAGE_BYTES = 38_000
LINK = (
    '<li class="list-item"><a href="/article/2026/06/03/{0}.html" target="_blank">'
    '另一条新闻的标题，长度同寻常的一样，第{0}条</a><span class="time">06-0{1} 18:26</span></li>'
)


def fill(html: str) -> str:
    """Gives the page at its usual size."""
    count = max(0, PAGE_BYTES - len(html.encode())) // len(LINK.encode())
    links = "".join(LINK.format(n, n % 9) for n in range(count))
    return html.replace("</body>", f"<ul>{links}</ul></body>", 1)


def time_best(run: Callable[[], object], rounds: int) -> float:
    """Gives the milliseconds of the quickest of ``rounds``."""
    best = float("inf")
    for _ in range(rounds):
        start = perf_counter()
        run()
        best = min(best, perf_counter() - start)
    return best * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    sources = load_sources()
    more = []
    print(f"{'page':<34}{'kB':>5}{'bare parsing':>14}{'by rule':>10}{'more':>8}  ms")
    for path in sorted((ROOT / "fixtures" / "pages").glob("*/*.toml")):
        source = sources[path.parent.name]
        facts = tomllib.loads(path.read_text("utf-8"))
        page = path.with_suffix(".html")
        if not page.exists():  # a page that is JSON
            continue
        data = page.read_bytes()
        html = decode_text(data, content_type=facts.get("content_type"), kind="html").text
        if "<body" not in html:
            continue
        html = fill(html)
        rules = source.pages

        def read(html: str = html, url: str = facts["url"], rules: object = rules) -> object:
            return read_page(html, url=url, rule=rules)  # type: ignore[arg-type]

        try:
            rule = read_page(html, url=facts["url"], rule=rules).rule
        except PageError:
            continue
        bare = time_best(lambda html=html: LexborHTMLParser(html), rounds)  # type: ignore[misc]
        ours = time_best(read, rounds)
        name = f"{path.parent.name}/{path.stem}"
        note = " (XPath or auto)" if rule and (rule.body == "auto" or "/" in rule.body) else ""
        if not note:
            more.append(ours - bare)
        size = len(html.encode()) / 1000
        print(f"{name:<34}{size:>5.0f}{bare:>14.3f}{ours:>10.3f}{ours - bare:>8.3f}{note}")
    print(f"by CSS rules: {median(more):.3f} ms more in the median, {max(more):.3f} at most")


if __name__ == "__main__":
    main()
