"""The checkpoints of a run: folders that each hold all it takes to go on from there.

    checkpoints/000017/manifest.json          what is small, and the SHA-256 of every file
    checkpoints/000017/teacher.safetensors    one file for each stage that has tensors

A run is a chain of stages. A checkpoint holds the outcome of those that are done and the state of the one under way.
What is in them is the stages' affair (see `resuming`); here it is decided when one is written and which are kept: the
last two, and the first that held the best result so far.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqdistill.artifacts import read_artifact, read_manifest, write_artifact
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from seqdistill.resuming import Snapshot

KIND, FORMAT_VERSION = "checkpoint", 1
LEAST_SECONDS = 10.0
"""Between two checkpoints, where nothing is set."""

MOST_OF_RUN = 0.005
"""Share of the time that writing may take, where nothing is set."""

KEPT = 2

Rank = tuple[int, float]
"""Of the best result in a checkpoint: a later stage's before an earlier one's, then by score."""

NO_RESULT: Rank = (-1, 0.0)

Clock = Callable[[], float]
Notify = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        number: from 1.
        stages: outcomes and state, by name of the stage, in order; the last one may be under way.
        extra: what else the run wants to know, as JSON values.
    """

    number: int
    stages: dict[str, Snapshot]
    extra: Json

    @property
    def where(self) -> str:
        """How far the run was, in words."""
        name, snapshot = next(reversed(self.stages.items()))
        return ", ".join(filter(None, [name, snapshot.where]))


class Checkpoints:
    """The folder `checkpoints` of a run.

    Args:
        folder: made with the first one.
        every: seconds from one to the next; None for `LEAST_SECONDS`, or more where writing is slow.
        clock: gives seconds.

    Attributes:
        last: the newest one.
        seconds: that writing has taken.
    """

    def __init__(self, folder: Path, every: float | None, clock: Clock = time.monotonic) -> None:
        self.folder = folder
        self.last: Checkpoint | None = None
        self.seconds = 0.0
        self._best: tuple[int, Rank] = 0, NO_RESULT
        self._every = every
        self._clock = clock
        self._ended = clock()
        self._cost = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        every = max(LEAST_SECONDS, self._cost / MOST_OF_RUN) if self._every is None else self._every
        return self._clock() - self._ended >= every

    def write(self, stages: dict[str, Snapshot], extra: Json) -> None:
        """Write one and drop those no longer kept.

        Raises:
            SeqDistillError: if it cannot be written; those before are as they were.
        """
        began = self._clock()
        checkpoint = Checkpoint(1 + max(self._numbers(), default=0), dict(stages), extra)
        write_artifact(
            self._path(checkpoint.number),
            kind=KIND,
            version=FORMAT_VERSION,
            tensors={name: stage.tensors for name, stage in stages.items() if stage.tensors},
            manifest={
                "stages": [
                    {"name": name, "values": stage.values, "where": stage.where, "score": stage.score}
                    for name, stage in stages.items()
                ],
                "extra": extra,
            },
        )
        self.last = checkpoint
        self._compare(checkpoint.number, _rank([stage.score for stage in stages.values()]))
        self._prune()
        self._ended = self._clock()
        self._cost = self._ended - began
        self.seconds += self._cost

    def read_newest(self, notify: Notify) -> Checkpoint | None:
        """The newest one that is whole; None if there is none at all.

        Args:
            notify: gets a line for each damaged one.

        Raises:
            SeqDistillError: if there are some and all are damaged.
        """
        damaged: list[int] = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                self.last = self._read(number)
                break
            except SeqDistillError as error:
                damaged.append(number)
                notify(f"checkpoint {number} cannot be used: {error}")
        if self.last is None:
            if damaged:
                raise SeqDistillError(f"no checkpoint in {self.folder} can be used; start over with --overwrite")
            return None
        for number in damaged:
            self._remove(number)
        for number in sorted(self._numbers()):
            with contextlib.suppress(SeqDistillError, KeyError, TypeError, ValueError):
                self._compare(number, _rank([e["score"] for e in read_manifest(self._path(number), KIND)["stages"]]))
        return self.last

    def describe_last(self) -> str:
        """Where the last one is, and what it holds."""
        if self.last is None:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self._path(self.last.number)} ({self.last.where})"

    def clear(self) -> None:
        """Remove all of them: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, number: int) -> Checkpoint:
        path = self._path(number)
        manifest, tensors = read_artifact(path, kind=KIND, version=FORMAT_VERSION)
        try:
            stages = {
                entry["name"]: Snapshot(
                    tensors.get(entry["name"], {}),
                    dict(entry["values"]),
                    str(entry["where"]),
                    None if entry["score"] is None else float(entry["score"]),
                )
                for entry in manifest["stages"]
            }
            extra = dict(manifest["extra"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SeqDistillError(f"{path} is not a complete checkpoint") from error
        if not stages:
            raise SeqDistillError(f"{path} holds no stage")
        return Checkpoint(number, stages, extra)

    def _compare(self, number: int, rank: Rank) -> None:
        if rank > self._best[1]:
            self._best = number, rank

    def _prune(self) -> None:
        numbers = sorted(self._numbers())
        for number in numbers[:-KEPT]:
            if number != self._best[0]:
                self._remove(number)

    def _remove(self, number: int) -> None:
        # Away from its name first: a folder under its name is whole.
        leaving = self.folder / f".{number:06d}.gone"
        with writing(self.folder):
            self._path(number).rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def _rank(scores: Sequence[float | None]) -> Rank:
    return max(((index, score) for index, score in enumerate(scores) if score is not None), default=NO_RESULT)
