"""Tasks done by processes: the outcomes of one process, errors in the parent, and nothing left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from seqdistill.errors import SeqDistillError
from seqdistill.workers import Tell, Workers


@dataclass(frozen=True)
class Squares:
    """Squares numbers, with a trick for some."""

    base: int

    def open(self) -> "Squares":
        return self

    def perform(self, task: int, tell: Tell) -> tuple[int, int, int]:
        os.write(1, b"not an answer")
        tell(f"squaring {task}")
        if task == 13:
            raise SeqDistillError("13 cannot be squared; leave it out")
        if task == 14:
            raise ValueError("14 is a mistake")
        if task == 15:
            os._exit(3)
        return self.base + task * task, os.getpid(), torch.get_num_threads()


def squared(tasks: list[int], count: int) -> tuple[dict[int, tuple[int, int, int]], list[str]]:
    waiting, outcomes, notes = list(tasks), dict[int, tuple[int, int, int]](), list[str]()
    with Workers[int, tuple[int, int, int]](Squares(100), count, remedy="use fewer") as workers:
        workers.run(
            lambda: waiting.pop(0) if waiting else None,
            lambda task, outcome: outcomes.update({task: outcome}),
            told=lambda task, what: notes.append(f"{task}: {what}"),
        )
    return outcomes, notes


@pytest.mark.parametrize("count", [1, 2])
def test_every_task_is_done_once_and_what_it_tells_arrives(count: int) -> None:
    outcomes, notes = squared([1, 2, 3, 4, 5], count)
    assert {task: outcome[0] for task, outcome in outcomes.items()} == {1: 101, 2: 104, 3: 109, 4: 116, 5: 125}
    assert sorted(notes) == [f"{task}: squaring {task}" for task in range(1, 6)]
    processes = {outcome[1] for outcome in outcomes.values()}
    assert (os.getpid() in processes) == (count == 1)
    assert {outcome[2] for outcome in outcomes.values()} == {1}


@pytest.mark.parametrize(
    ("task", "error", "words"),
    [
        (13, SeqDistillError, "13 cannot be squared; leave it out"),
        (14, RuntimeError, "ValueError: 14 is a mistake"),
        (15, SeqDistillError, "a process died, perhaps for want of memory; use fewer"),
    ],
)
def test_what_goes_wrong_in_a_process_is_raised_here(task: int, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        squared([task, 1], 2)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes where Linux lists them")
def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    # No `if __name__ == "__main__"`: a script need not be one that can be imported.
    script.write_text(
        "import os, sys, time\n"
        "from seqdistill.workers import Workers\n"
        "from test_workers import Sleeper\n"
        "waiting = [1, 2]\n"
        "with Workers(Sleeper(sys.argv[1]), 2, remedy='') as workers:\n"
        "    workers.run(lambda: waiting.pop() if waiting else None, print)\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    paths = os.pathsep.join([*filter(None, sys.path), str(Path(__file__).parent)])
    with subprocess.Popen([sys.executable, str(script), str(pids)], env={**os.environ, "PYTHONPATH": paths}) as program:
        _until(lambda: len(list(pids.iterdir())) == 2)
        program.kill()
    _until(lambda: not any(Path("/proc", pid.name).exists() for pid in pids.iterdir()))


@dataclass(frozen=True)
class Sleeper:
    """Leaves its process number in a folder, and sleeps."""

    folder: str

    def open(self) -> "Sleeper":
        return self

    def perform(self, task: int, tell: Tell) -> None:
        del task, tell
        Path(self.folder, str(os.getpid())).touch()
        time.sleep(600)


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
