"""``make faults``: every kind of fault at every file operation of a crawl, and what a rerun heals.

Prints a line for every run that left something wrong, and a summary; ends with 1 if there was one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fixtures.site import Site
from tests.faults import NO_FAULT, ROOT, Fault, Picture, crawl, question, take_picture

KINDS = ("kill", "torn", "short", "ENOSPC", "EIO", "EROFS", "ENOSPC-from", "EIO-from", "EROFS-from")


class Sweep:
    """One scenario: a crawl, or a second one that meets edits; counted once, then faulted."""

    def __init__(self, folder: Path, site: Site, *, source: str, edits: bool, lost: bool) -> None:
        self.folder = folder
        self.source = source
        self.name = f"{source}{' edited' if edits else ''}{' ledger lost' if lost else ''}"
        folder.mkdir()
        site.write_sources(folder / "sources")
        self.before = folder / "before"
        if edits or lost:
            site.overlay = {}
            assert self.crawl(self.before)[0] == 0
        if lost:
            for path in self.before.glob("ledger*"):
                path.unlink()
        if edits:
            root = ROOT / "fixtures" / "site-edits"
            for path in root.rglob("*"):
                if path.is_file():
                    site.overlay["/" + str(path.relative_to(root))] = path.read_bytes()
        clean = self.copy("clean")
        log = folder / "log"
        assert self.crawl(clean, Fault(log=log))[0] == 0
        self.operations = len(log.read_text().splitlines())
        self.expected: Picture = take_picture(clean)
        assert question(clean) == []

    def crawl(self, archive: Path, fault: Fault = NO_FAULT) -> tuple[int, str]:
        return crawl(archive, self.folder / "sources", self.source, fault=fault)

    def copy(self, name: str) -> Path:
        archive = self.folder / name
        if self.before.exists():
            shutil.copytree(self.before, archive, symlinks=True)
        return archive

    def run(self, kind: str, at: int, *, again: int = 0) -> tuple[str, list[str]]:
        """Crawls with a fault (and once more with one, where ``again`` says at which operation),
        then without; gives how the first crawl ended and all that is wrong."""
        archive = self.copy(f"{kind}-{at}-{again}")
        name, _, rest = kind.partition("-")
        fault = Fault(name, at, 0 if rest else 1)
        status, told = self.crawl(archive, fault)
        wrong = []
        lethal = kind in ("kill", "torn")
        if status == -9 and lethal:
            ended = "killed"
        elif status == 1 and not lethal:
            ended = "status 1"
            if str(archive) not in told:
                wrong.append(f"status 1 does not name the path: {told[-300:]!r}")
        elif status == 0:
            ended = "not noticed"
        else:
            ended = f"status {status}"
            wrong.append(told[-500:])
        if "Traceback" in told:
            wrong.append(f"traceback: {told[-1500:]}")
        if not lethal and not rest:
            left = [str(p.relative_to(archive)) for p in archive.rglob("*.tmp")]
            wrong += [f"{name}: left by a crawl that was not killed" for name in left]
        if again:
            self.crawl(archive, Fault("kill", again))
        status, told = self.crawl(archive)
        if status != 0 or "Traceback" in told:
            wrong.append(f"the rerun ended with {status}: {told[-500:]}")
        try:
            wrong += question(archive)
            found = take_picture(archive)
        except Exception as error:
            wrong.append(repr(error))
        else:
            if found.posts != self.expected.posts:
                wrong.append(f"posts differ: {compare(found.posts, self.expected.posts)}")
            if found.revisions != self.expected.revisions:
                wrong.append(
                    f"revisions differ: {compare(found.revisions, self.expected.revisions)}"
                )
        if not wrong:
            shutil.rmtree(archive)
        return ended, wrong


def compare(found: dict, expected: dict) -> str:
    lost = sorted(set(expected) - set(found))
    more = sorted(set(found) - set(expected))
    changed = sorted(key for key in set(found) & set(expected) if found[key] != expected[key])
    return f"lost {lost}, too many {more}, changed {changed}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="every so many operations")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--scenarios", default="first,edited,lost")
    parser.add_argument("--again", type=int, default=0, help="kill the rerun too, so many times")
    parser.add_argument("--source", default="rsshub-stcn")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    failed = runs = 0
    with Site(record=False) as site, ThreadPoolExecutor(2) as pool:
        for scenario in options.scenarios.split(","):
            edits, lost = scenario == "edited", scenario == "lost"
            sweep = Sweep(folder / scenario, site, source=options.source, edits=edits, lost=lost)
            print(f"{sweep.name}: {sweep.operations} file operations", flush=True)
            for kind in options.kinds.split(","):
                places = range(1, sweep.operations + 1, options.step)
                cases = [(kind, at, 0) for at in places]
                if options.again:
                    cases = [
                        (kind, at, 1 + (at * 7 + turn * 31) % (sweep.operations // 2))
                        for at in places
                        for turn in range(options.again)
                    ]
                ends: Counter[str] = Counter()
                jobs = [pool.submit(sweep.run, k, at, again=again) for k, at, again in cases]
                for case, job in zip(cases, jobs, strict=True):
                    ended, wrong = job.result()
                    ends[ended] += 1
                    runs += 1
                    if wrong:
                        failed += 1
                        print(f"  {case}: {ended}: " + "; ".join(wrong), flush=True)
                told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
                print(f"  {kind}: {sum(ends.values())} runs: {told}", flush=True)
    if failed:
        print(f"{runs} runs, {failed} with something wrong; see {folder}")
    else:
        print(f"{runs} runs, nothing torn, lost, doubled or left behind")
        shutil.rmtree(folder)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
