"""Recommenders trained on a log side by side, each by a process of its own.

An epoch of a small log is many small operations, which more threads do not make faster; several trainings at once do.
One that is put down starts over, those that are done are kept, and either way the same ones come out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seqdistill.config import PUBLISHED, LearnerConfig, TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import opened, sendable
from seqdistill.progress import Progress, Task
from seqdistill.resuming import KeepNothing, Parts, Snapshot
from seqdistill.training import FittedToLog, epochs_for, fit_to_log
from seqdistill.workers import MORE_MEMORY, Tell, Telling, Workers, computing_on


@dataclass(frozen=True)
class Member:
    """One of several.

    Attributes:
        name: of its part in what is kept.
        config: its optimiser settings and, if no other is named, its architecture.
        seed: decides everything random in it.
        architecture: that of `config` by default.
    """

    name: str
    config: TeacherConfig
    seed: int
    architecture: LearnerConfig | None = None


def processes_for(count: int, config: LearnerConfig, device: torch.device) -> int:
    """How many train so many recommenders: as many as there are threads to compute on.

    A GPU is one process's, and a class of the user's own may be defined where no other process finds it: 1 for these.
    """
    apart = device.type == "cpu" and config.learner in PUBLISHED
    return max(1, min(count, torch.get_num_threads())) if apart else 1


def time_taken(seconds: Sequence[float], count: int) -> float:
    """Of so many processes that train members in their order, each the next one as soon as it is free."""
    ends = [0.0] * count
    for each in seconds:
        ends[ends.index(min(ends))] += each
    return max(ends)


def fit_members(
    members: Mapping[str, Member],
    dataset: Dataset,
    *,
    length: int,
    device: torch.device,
    parts: Parts,
    progress: Progress,
    title: str,
) -> list[FittedToLog]:
    """Train members, side by side where that can be, or take those over that are kept.

    Args:
        members: by title.
        dataset: the log.
        length: positions they read.
        device: where to train.
        parts: where they are kept.
        progress: where to report.
        title: of all of them together.

    Raises:
        SeqDistillError: if a loss stops being finite, or a process dies.
    """
    together = min(processes_for(len(members), m.architecture or m.config, device) for m in members.values())
    threads = torch.get_num_threads() // together
    missing = {name: member for name, member in members.items() if not parts.has(member.name)}
    count = min(together, len(missing))
    if count > 1:
        left = {name: epochs_for(dataset, member.config, length) for name, member in missing.items()}
        classroom = _Classroom(sendable(dataset), length)
        with (
            progress.task(title, sum(left.values())) as task,
            Workers[tuple[str, Member], Snapshot](classroom, count, threads=threads, remedy=MORE_MEMORY) as workers,
        ):
            _train_apart(missing, workers, left, parts, task)
    # As many threads for the last one that is missing, so that it comes out the same.
    with computing_on(threads):
        return [
            fit_to_log(
                dataset,
                member.config,
                length=length,
                seed=member.seed,
                architecture=member.architecture,
                device=device,
                progress=progress,
                title=name,
                keeper=parts.part(member.name),
            )
            for name, member in members.items()
        ]


def _train_apart(
    members: Mapping[str, Member],
    workers: Workers[tuple[str, Member], Snapshot],
    left: dict[str, int],
    parts: Parts,
    task: Task,
) -> None:
    """Let workers train members; `left` are the epochs of each at most, and what each comes to is kept in its part."""
    waiting = list(members.items())

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
            architecture=member.architecture,
            progress=Telling(tell),
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
