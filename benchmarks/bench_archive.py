"""The archive at size: what a new article costs beside few and many known ones; rebuild, verify.

Ledgers are filled with made-up rows, and new articles committed in groups as a crawl does, each
measured in a process of its own that has Scrapy loaded, few and many in turn. Files to rebuild from
stand in /dev/shm where there is one: ext4 makes and reads new files more slowly for minutes after
many were deleted.

Alone: ``python -m benchmarks.bench_archive [--known N] [--files N] [--rounds N]``, and ``--quick``
to see in seconds that it runs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from benchmarks.bench_crawl import ROOT, _body, _words
from crawler.archive import Archive, Candidate, identify_article
from crawler.archive.decide import name_post
from crawler.archive.ledger import Carrier, ClauseRow, Ledger, PostRow
from crawler.archive.verify import verify
from crawler.article import FORMS, Article, Form
from crawler.clauses import SAMPLED
from crawler.normalize import normalize
from crawler.posts import render_post

FEW = 10_000
GROUP = 256
GROUPS = 10
WARM_UP = 2
ZONE = "Asia/Shanghai"


def render(article: Article, zone: str) -> bytes:
    return render_post(article, timezone=zone)


# ---------------------------------------------------------------- known and new articles


def make_ledger(path: Path, count: int) -> None:
    """Fills a new ledger with the rows of so many articles of twenty sources."""
    ledger = Ledger(path)
    for start in range(0, count, 50_000):
        rows = list(make_rows(range(start, min(start + 50_000, count))))
        with ledger.transaction(), ledger.sorted_keys():
            ledger.add_posts(post for post, _ in rows)
            ledger.put_carriers((carrier, post.id) for post, carrier in rows)
            ledger.add_versions((post.hash, post.id) for post, _ in rows)
            ledger.add_clauses(clause for post, _ in rows for clause in clauses_of(post))
    ledger.close()


def make_rows(numbers: range) -> Iterator[tuple[PostRow, Carrier]]:
    first_at = datetime(2016, 1, 1, tzinfo=UTC)
    for n in numbers:
        identity = sha256(f"identity {n}".encode()).digest()
        content = sha256(f"content {n}".encode()).digest()
        source = f"source-{n % 20}"
        url = f"https://www.news.example/article/detail/{n}.html"
        title = f"第{n}号报道：公司市场增长投资银行基金"
        day = first_at + timedelta(minutes=5 * n)
        at = int(day.timestamp())
        post = PostRow(
            id=n + 1,
            identity=identity,
            source=source,
            path=name_post(source, identity, day, UTC),
            title=title,
            hash=content,
            file_hash=content,
            size=3700,
            mtime_ns=at * 10**9,
            published_at=at,
            first_at=at,
            written_at=at,
        )
        yield (
            post,
            Carrier(identity, source, url, url, title, at, at, content, identity[:16]),
        )


def clauses_of(post: PostRow) -> list[ClauseRow]:
    """Gives as many as most texts have, each its own."""
    chance = Random(post.id)
    return post.list_clauses(sorted(chance.getrandbits(30) for _ in range(2 * SAMPLED)))


def make_articles(count: int, *, seed: int, sources: int) -> Iterator[Article]:
    random = Random(seed)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(count):
        url = f"https://{seed}.news.example/{n}.html"
        yield Article(
            title=f"第{n}号报道：{_words(random, 6)}",
            body=_body(random, n),
            source=f"source-{n % sources}",
            section="金融",
            label="测试日报",
            channel="要闻",
            guid=url,
            canonical_url=url,
            published=at + timedelta(minutes=10 * n),
        )


# ---------------------------------------------------------------- new articles beside known ones


def commit_groups(root: Path, seed: int) -> dict[str, float]:
    """Commits groups of new articles; gives milliseconds an article and mebibytes."""
    import crawler.pipelines  # noqa: F401 - what a crawl's process holds

    met_at = datetime(2026, 6, 1, tzinfo=UTC)
    raw = list(make_articles(GROUP * GROUPS, seed=seed, sources=20))
    used = time.process_time()
    articles = [normalize(article, body="text") for article in raw]
    normalizing = time.process_time() - used
    candidates = [Candidate(article, ZONE, met_at, b"entry") for article in articles]
    wall, cpu = [], []
    opening = time.perf_counter()
    with Archive(root, render) as archive:
        opening = time.perf_counter() - opening
        for start in range(0, len(candidates), GROUP):
            before, used = time.perf_counter(), time.process_time()
            archive.commit(candidates[start : start + GROUP])
            wall.append(time.perf_counter() - before)
            cpu.append(time.process_time() - used)
        used = time.process_time()
        for article in articles:
            assert archive.is_current(identify_article(article), b"entry")
        looking = time.process_time() - used
    counted = (GROUPS - WARM_UP) * GROUP / 1000
    return {
        "normalised": normalizing / len(articles) * 1000,
        "archived": sum(cpu[WARM_UP:]) / counted,
        "waited for": sum(wall[WARM_UP:]) / counted,
        "looked up again": looking / len(articles) * 1000,
        "opening": opening * 1000,
        "memory": find_peak(),
    }


def find_peak() -> float:
    """Gives the most memory this process has had. Not ru_maxrss: a child begins with its parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


_CHILD = """
import json, sys
from pathlib import Path
from benchmarks.bench_archive import commit_groups
print(json.dumps(commit_groups(Path(sys.argv[1]), int(sys.argv[2]))))
"""


def compare_sizes(work: Path, many: int, rounds: int) -> None:
    big = work / "many"
    big.mkdir()
    make_ledger(big / "ledger.sqlite3", many)
    best: dict[int, dict[str, float]] = {FEW: {}, many: {}}
    for turn in range(rounds):
        # What was committed makes many no more than it was, but few twice as many.
        small = work / f"few-{turn}"
        small.mkdir()
        make_ledger(small / "ledger.sqlite3", FEW)
        for count, root in ((FEW, small), (many, big)):
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, str(root), str(1000 + turn)],
                check=True,
                cwd=ROOT,
                stdout=subprocess.PIPE,
            )
            for name, figure in json.loads(done.stdout).items():
                best[count][name] = min(figure, best[count].get(name, figure))
    print(f"\nA new article beside known ones (groups of {GROUP}, the least of {rounds} rounds)\n")
    print(f"| | {FEW:,} known | {many:,} known | ratio |\n|---|---:|---:|---:|")
    for figures in best.values():
        figures["normalised and archived"] = figures["normalised"] + figures["archived"]
    for name, unit in (
        ("normalised and archived", "ms CPU an article"),
        ("archived", "ms CPU an article"),
        ("waited for", "ms an article"),
        ("looked up again", "ms CPU an article"),
        ("opening", "ms"),
        ("memory", "MiB"),
    ):
        few, more = best[FEW][name], best[many][name]
        print(f"| {name}, {unit} | {few:.3g} | {more:.3g} | {more / few:.2f} |")


# ---------------------------------------------------------------- rebuild and verify


def make_files(root: Path, count: int, form: Form) -> None:
    for raw in make_articles(count, seed=1, sources=4):
        article = normalize(raw, body=form)
        assert article.published is not None
        name = name_post(
            article.source, identify_article(article), article.published, ZoneInfo(ZONE)
        )
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_post(article))


def measure_rebuild(work: Path, count: int, rounds: int) -> None:
    print(f"\n{count:,} files in {work.parent} (the best of {rounds} rounds)\n")
    print(
        "| body | bytes a file | rebuild, files/s | CPU, ms a file | verify, files/s |\n"
        "|---|---:|---:|---:|---:|"
    )
    for form in FORMS:
        root = work / form
        make_files(root, count, form)
        size = sum(path.stat().st_size for path in root.rglob("*.md")) // count
        Ledger(root / "ledger.sqlite3").close()
        rebuilding, cpu, proving = [], [], []
        for _ in range(rounds):
            with Archive(root, render) as archive:
                started, used = time.perf_counter(), cpu_of_all()
                assert archive.rebuild() == count
                rebuilding.append(time.perf_counter() - started)
                cpu.append(cpu_of_all() - used)
            ledger = Ledger(root / "ledger.sqlite3", read_only=True)
            started = time.perf_counter()
            assert verify(root, ledger).consistent == count
            proving.append(time.perf_counter() - started)
            ledger.close()
        print(
            f"| {form} | {size:,} | {count / min(rebuilding):,.0f} | "
            f"{min(cpu) / count * 1000:.3f} | {count / min(proving):,.0f} |",
            flush=True,
        )


def cpu_of_all() -> float:
    """Gives the CPU seconds of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(found.ru_utime + found.ru_stime for found in used)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--known", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small and once: does it run?")
    options = parser.parse_known_args(arguments)[0]
    if options.quick:
        options.known, options.files, options.rounds = 20_000, 3_000, 1
    with tempfile.TemporaryDirectory() as name:
        compare_sizes(Path(name), options.known, options.rounds)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        measure_rebuild(Path(name), options.files, options.rounds)


if __name__ == "__main__":
    main()
