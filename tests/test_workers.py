"""Several processes that read files: the same as one, in order, whatever becomes of them."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from crawler.archive import workers
from crawler.archive.workers import BATCH, read_in_order

NAMES = [f"{n}" for n in range(BATCH * 9 + 5)]
TEST = os.getpid()


def read_with_process(name: str, *, folder: str = "") -> tuple[str, int]:
    return folder + name, os.getpid()


def end_on(name: str, *, ending: str, test: int) -> str:
    """Ends the process at one name, unless it is the test's own."""
    if name == ending and os.getpid() != test:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def refuse(name: str, *, refused: str) -> str:
    if name == refused:
        raise ValueError(name)
    return name


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(workers, "_count_processors", lambda: 2)


@pytest.mark.parametrize("count", [0, 3, 4, BATCH + 4, len(NAMES)])
def test_results_come_in_the_order_of_the_names(count):
    found = list(read_in_order(partial(read_with_process, folder="a/"), NAMES[:count], alone=3))
    assert [name for name, _ in found] == [f"a/{name}" for name in NAMES[:count]]


def test_few_names_are_read_alone_and_many_by_others():
    found = list(read_in_order(read_with_process, NAMES, alone=10))
    assert {process for _, process in found[:10]} == {TEST}
    assert len({process for _, process in found} - {TEST}) == 2


def test_what_cannot_be_handed_over_is_done_here():
    found = read_in_order(lambda name: (name, os.getpid()), NAMES, alone=10)
    assert {process for _, process in found} == {TEST}


def test_where_no_process_can_be_had_all_is_done_here(monkeypatch):
    monkeypatch.setattr(workers.sys, "executable", "/nowhere/python")
    found = list(read_in_order(read_with_process, NAMES, alone=10))
    assert found == [(name, TEST) for name in NAMES]


@pytest.mark.parametrize("ending", [NAMES[200], NAMES[700], NAMES[-1]])
def test_a_process_that_is_killed_costs_no_result(ending):
    found = read_in_order(partial(end_on, ending=ending, test=TEST), NAMES, alone=10)
    assert list(found) == NAMES


@pytest.mark.parametrize("refused", [NAMES[5], NAMES[700]], ids=["here", "there"])
def test_what_a_file_raises_is_raised_here_in_its_turn(refused):
    found = read_in_order(partial(refuse, refused=refused), NAMES, alone=10)
    before = list(islice(found, int(refused) // BATCH * BATCH))
    assert before == NAMES[: len(before)]
    with pytest.raises(ValueError, match=refused):
        list(found)


def test_no_process_is_left_when_nobody_reads_on(monkeypatch):
    started = []

    class Watched(workers.subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(workers.subprocess, "Popen", Watched)
    reading = read_in_order(read_with_process, NAMES, alone=0)
    for _ in range(BATCH + 1):
        next(reading)
    reading.close()
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


def test_nothing_of_the_asking_script_runs_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from crawler.archive import workers\n"
        "from crawler.archive.workers import read_in_order\n"
        "from tests.test_workers import read_with_process\n"
        "workers._count_processors = lambda: 2\n"
        "print('begins', flush=True)\n"
        "found = list(read_in_order(read_with_process, map(str, range(999)), alone=0))\n"
        "print(len({process for _, process in found}))\n"
    )
    done = workers.subprocess.run(
        [workers.sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.stdout == "begins\n3\n"
    assert done.stderr == ""
