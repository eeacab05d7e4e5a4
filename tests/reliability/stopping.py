"""A user who asks a run to stop at chosen points, through the progress it reports."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqdistill.api import Run, distill
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.interruption import Interrupted, Interruption

Stop = tuple[str, int]
"""Title of a piece of work, and how many of its units may be done."""


def recommender(config: Config, number: int) -> str:
    """The title of one of the first that a teacher learns from."""
    settings = config.teacher.of_trials(2)[number - 1]
    return f"recommender {number} ({settings.learner} at {settings.rate:g})"


class Stopper:
    """Asks to stop once the named piece of work has come so far; see `seqdistill.progress.Progress`."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.interruption = Interruption()
        self.begun: list[tuple[str, int]] = []

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator["_Counter"]:
        del total
        self.begun.append((title, done))
        yield _Counter(self, title, done)


class _Counter:
    def __init__(self, stopper: Stopper, title: str, done: int) -> None:
        self._stopper, self._title, self._done = stopper, title, done

    def advance(self, note: str = "", *, units: int = 1) -> None:
        del note
        self._done += units
        if (self._title, self._done) == self._stopper.stop:
            self._stopper.interruption.requested = signal.SIGTERM


def stopped_at(
    stop: Stop, dataset: Dataset, config: Config, out: Path, *, resume: bool = False, paper: bool = False
) -> tuple[str, Stopper]:
    """Distil until then; what the interruption said, and the stopper."""
    stopper = Stopper(stop)
    with pytest.raises(Interrupted) as interrupted:
        distill(
            dataset,
            out=out,
            config=config,
            resume=resume,
            paper=paper,
            progress=stopper,
            interruption=stopper.interruption,
        )
    assert interrupted.value.status == 143
    return str(interrupted.value), stopper


def resumed(dataset: Dataset, config: Config, out: Path, *, paper: bool = False) -> tuple[Run, list[str]]:
    """Go on to the end; the run, and what it told."""
    told: list[str] = []
    return distill(dataset, out=out, config=config, resume=True, paper=paper, notify=told.append), told


def bytes_of(run: Path) -> dict[str, bytes]:
    """The files that an interruption must not change."""
    return {str(f.relative_to(run)): f.read_bytes() for part in ("summary", "teacher") for f in (run / part).iterdir()}
