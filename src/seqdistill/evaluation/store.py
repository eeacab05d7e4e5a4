"""The folder of a comparison: the request that says which one it is, and rows as they come.

`request.json` is written first and `comparison.json` last. A row is one safetensors file, whole or not there, so that
a comparison that was interrupted goes on with the rows it has.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.numpy

from seqdistill.artifacts import read_json, write_json
from seqdistill.differences import differences, some_of
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.lab import Point, Tested
from seqdistill.evaluation.metrics import Floats, UserScores, per_user
from seqdistill.json_values import Json
from seqdistill.summary import Schedule

REQUEST, RESULT, SPENT, ROWS, INPUTS = "request.json", "comparison.json", "spent.json", "rows", "inputs"
FORMAT = "seqdistill/comparison-request"
MAX_COMPARISON_BYTES = 64 << 20
"""A row takes some kB."""


@dataclass(frozen=True, eq=False)
class Measured:
    """All learners of a row, tested.

    Attributes:
        scores: of each learner.
        seconds: of each one's training.
        schedule: chosen on validation, if one was.
        points: along the training of the first one, where they were taken.
    """

    scores: Sequence[UserScores]
    seconds: Sequence[float]
    schedule: Schedule | None
    points: Sequence[Point]

    @classmethod
    def of(cls, tested: Sequence[Tested], schedule: Schedule | None) -> "Measured":
        """From the tests of each learner, which must have started apart.

        Raises:
            RuntimeError: if two learners started with the same random tensor.
        """
        starts = [digest for one in tested for digest in one.start]
        if len(starts) != len(set(starts)):
            raise RuntimeError("two learners of a row started with the same random tensor")
        return cls([one.scores for one in tested], [one.seconds for one in tested], schedule, tested[0].points)

    def values(self, cutoffs: Sequence[int]) -> dict[str, Floats]:
        """Every metric, [learners, users]."""
        of_each = [per_user(scores, cutoffs) for scores in self.scores]
        return {name: np.stack([one[name] for one in of_each]) for name in of_each[0]}


class Store:
    """Reads and writes the folder of a comparison.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, request: Json, *, overwrite: bool) -> bool:
        """Make the folder, or go on in one of the same request.

        Args:
            request: what the comparison is of; equal requests have equal rows.
            overwrite: remove a comparison of another request.

        Returns:
            Whether there was one of the same request.

        Raises:
            SeqDistillError: the folder holds something else, another comparison, or cannot be written.
        """
        wanted = json.loads(json.dumps({"format": FORMAT, **request}))
        found = self._found()
        if found is not None and found != wanted and not overwrite:
            raise SeqDistillError(
                f"{self.path} holds another comparison ({some_of(differences(found, wanted))}); "
                "choose another --out, or --overwrite it"
            )
        with writing(self.path):
            if found is not None and found != wanted:
                shutil.rmtree(self.path)
            (self.path / ROWS).mkdir(parents=True, exist_ok=True)
        write_json(self.path / REQUEST, wanted)
        return found == wanted

    def check_free(self) -> None:
        """Refuse a folder that holds anything but a comparison, before any work.

        Raises:
            SeqDistillError: naming it.
        """
        self._found()

    @property
    def request(self) -> Json | None:
        """What the comparison is of; None where there is none."""
        return self._read(REQUEST)

    @property
    def result(self) -> Json | None:
        """The finished comparison, if it is there."""
        return self._read(RESULT)

    def finish(self, comparison: Json) -> None:
        """Write `comparison.json`; from now on the comparison is finished."""
        write_json(self.path / RESULT, comparison)

    def row(self, key: str) -> Measured | None:
        """A row that was kept; None for one that was not."""
        file = self._file(key)
        if not file.is_file():
            return None
        try:
            with cast("Any", safetensors).safe_open(file, framework="numpy") as opened:
                described = cast("Json", json.loads(opened.metadata()["row"]))
                names = cast("list[str]", opened.keys())
                tensors = {name: opened.get_tensor(name) for name in names}
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise SeqDistillError(f"{file} is damaged; remove it, and the row is measured anew") from error
        return _measured(tensors, described)

    def keep(self, key: str, measured: Measured) -> None:
        """Write a row."""
        tensors: dict[str, Any] = {}
        for index, scores in enumerate(measured.scores):
            tensors |= {f"{index}/{name}": value for name, value in vars(scores).items() if value is not None}
        schedule = measured.schedule
        described = {
            "learners": len(measured.scores),
            "seconds": list(measured.seconds),
            "schedule": None if schedule is None else vars(schedule),
            "points": list(measured.points),
        }
        file = self._file(key)
        temporary = file.with_name(f".{file.name}")
        with writing(file):
            safetensors.numpy.save_file(tensors, temporary, metadata={"row": json.dumps(described)})
            temporary.replace(file)

    @property
    def spent(self) -> dict[str, float]:
        """Seconds that went into the comparison so far, interruptions included: by the clock, and of processors."""
        return {"clock": 0.0, "processors": 0.0, **(self._read(SPENT) or {})}

    def spend(self, clock: float, processors: float) -> None:
        """Add to what was spent."""
        before = self.spent
        spent = {"clock": before["clock"] + clock, "processors": before["processors"] + processors}
        write_json(self.path / SPENT, spent)

    def curve(self, key: str) -> list[Point] | None:
        """A curve that was kept."""
        found = self._read(f"{ROWS}/{_plain(key)}.curve.json")
        return None if found is None else cast("list[Point]", found["points"])

    def keep_curve(self, key: str, points: list[Point]) -> None:
        """Write a curve."""
        write_json(self.path / ROWS / f"{_plain(key)}.curve.json", {"points": points})

    def _file(self, key: str) -> Path:
        return self.path / ROWS / f"{_plain(key)}.safetensors"

    def _found(self) -> Json | None:
        """The request of what is there; None for no folder or an empty one."""
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise SeqDistillError(f"{self.path} is a file; choose another folder with --out")
        if all(entry.name == ".lock" for entry in self.path.iterdir()):
            return None
        found = self._read(REQUEST)
        if found is None or found.get("format") != FORMAT:
            raise SeqDistillError(f"{self.path} is not empty and holds no comparison; choose another folder with --out")
        return found

    def _read(self, name: str) -> Json | None:
        file = self.path / name
        if not file.is_file():
            return None
        content: object = read_json(file, limit=MAX_COMPARISON_BYTES)
        return cast("Json", content) if isinstance(content, dict) else None


def _measured(tensors: dict[str, Any], described: Json) -> Measured:
    scores = [
        UserScores(**{name.partition("/")[2]: t for name, t in tensors.items() if name.startswith(f"{index}/")})
        for index in range(described["learners"])
    ]
    schedule = described["schedule"]
    return Measured(
        scores, described["seconds"], None if schedule is None else Schedule(**schedule), described["points"]
    )


def _plain(key: str) -> str:
    return key.replace("/", "_")
