"""Recommenders trained on a log side by side, each by a process of its own.

An epoch of a small log is many small operations, which more threads do not make faster; several trainings at once do.
One that is put down starts over, those that are done are kept, and either way the same ones come out.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from seqdistill.config import PUBLISHED, TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import opened, sendable
from seqdistill.progress import Progress
from seqdistill.resuming import KeepNothing, Parts, Snapshot
from seqdistill.training import epochs_for, fit_to_log
from seqdistill.workers import Tell, Workers


@dataclass(frozen=True)
class Member:
    """One of several.

    Attributes:
        name: of its part in what is kept.
        config: its architecture and optimiser settings.
        seed: decides everything random in it.
    """

    name: str
    config: TeacherConfig
    seed: int


def can_be_trained_apart(config: TeacherConfig, device: torch.device) -> bool:
    """Whether other processes can train such a recommender.

    A GPU is one process's, and a class of the user's own may be defined where no other process finds it.
    """
    return device.type == "cpu" and config.learner in PUBLISHED


def processes_for(count: int) -> int:
    """How many train so many members: as many as there are threads to compute on."""
    return max(1, min(count, torch.get_num_threads()))


def time_taken(seconds: Sequence[float], count: int) -> float:
    """Of so many processes that train members in their order, each the next one as soon as it is free."""
    ends = [0.0] * count
    for each in seconds:
        ends[ends.index(min(ends))] += each
    return max(ends)


def train_apart(
    members: Mapping[str, Member],
    dataset: Dataset,
    *,
    length: int,
    parts: Parts,
    progress: Progress,
) -> None:
    """Train members and keep what each comes to in its part.

    Args:
        members: by title.
        dataset: the log.
        length: positions they read.
        parts: where they are kept.
        progress: where to report.

    Raises:
        SeqDistillError: if a loss stops being finite, or a process dies.
    """
    waiting = list(members.items())
    count = processes_for(len(waiting))
    left = {title: epochs_for(dataset, member.config, length) for title, member in members.items()}
    room = _Classroom(sendable(dataset), length)
    threads = torch.get_num_threads() // count
    with (
        progress.task("recommenders for the teacher", sum(left.values())) as task,
        Workers[tuple[str, Member], Snapshot](
            room, count, threads=threads, remedy="lower teacher.members; those that are done are kept"
        ) as workers,
    ):

        def told(titled: tuple[str, Member], note: str) -> None:
            left[titled[0]] -= 1
            task.advance(f"{titled[0]}: {note}")

        def done(titled: tuple[str, Member], outcome: Snapshot) -> None:
            # It stopped early: the epochs it was spared are done too.
            task.advance(f"{titled[0]}: done", units=left[titled[0]])
            parts.part(titled[1].name).finish(outcome)

        workers.run(lambda: waiting.pop(0) if waiting else None, done, told=told, idle=parts.offer)


@dataclass(frozen=True, eq=False)
class _Classroom:
    """What a process needs to train members; see `train_apart`."""

    dataset: Dataset | Path
    length: int

    def open(self) -> "_Training":
        return _Training(opened(self.dataset), self.length)


@dataclass(frozen=True, eq=False)
class _Training:
    """Trains members."""

    dataset: Dataset
    length: int

    def perform(self, task: tuple[str, Member], tell: Tell) -> Snapshot:
        title, member = task
        ends = _End()
        fit_to_log(
            self.dataset,
            member.config,
            length=self.length,
            seed=member.seed,
            progress=_Telling(tell),
            title=title,
            keeper=ends,
        )
        assert ends.outcome is not None
        return ends.outcome


class _End(KeepNothing):
    """Keeps the outcome alone."""

    outcome: Snapshot | None = None

    def finish(self, outcome: Snapshot) -> None:
        self.outcome = outcome


@dataclass(frozen=True)
class _Telling:
    """Progress that is told to another process: the note of every epoch."""

    tell: Tell

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator["_Telling"]:
        del title, total, done
        yield self

    def advance(self, note: str = "", *, units: int = 1) -> None:
        del units
        self.tell(note)
