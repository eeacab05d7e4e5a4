"""A run directory: what was asked for, what happened at each step, and what came out.

`config.json` is written first and `result.json` last, so a run with a result is finished, and one without is not.
"""

import json
import shutil
from pathlib import Path
from typing import Any, cast

from seqdistill.artifacts import Json, write_json
from seqdistill.errors import SeqDistillError

CONFIG, METRICS, RESULT = "config.json", "metrics.jsonl", "result.json"


class RunDirectory:
    """The folder of one `distill`.

    Args:
        path: the folder; made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def finished_result(self, request: Json) -> Json | None:
        """The result of a finished run of the same request; None if the folder is free for a new run.

        A run that was begun and not finished, with the same request, counts as free: it starts over.

        Raises:
            SeqDistillError: if the folder holds a run of another request, or is not a run.
        """
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise SeqDistillError(f"{self.path} is a file; choose another folder with --out")
        if not any(self.path.iterdir()):
            return None
        found = self._read(CONFIG)
        if found is None:
            raise SeqDistillError(f"{self.path} is not empty and holds no run; choose another folder with --out")
        if found != request:
            changed = ", ".join(_differences(found, request))
            raise SeqDistillError(
                f"{self.path} holds a run with other settings ({changed}); choose another --out, or --overwrite it"
            )
        return self._read(RESULT)

    def begin(self, request: Json) -> None:
        """Make the folder anew, with `config.json` in it."""
        try:
            if self._read(CONFIG) is not None:
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SeqDistillError(f"cannot write {self.path}: {error.strerror}") from error
        write_json(self.path / CONFIG, request)

    def log(self, record: Json) -> None:
        """Append one line to `metrics.jsonl`."""
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        except OSError as error:
            raise SeqDistillError(f"cannot write {self.path / METRICS}: {error.strerror}") from error

    def finish(self, result: Json) -> None:
        """Write `result.json`; from now on the run is finished."""
        write_json(self.path / RESULT, result)

    def _read(self, name: str) -> Json | None:
        file = self.path / name
        if not file.is_file():
            return None
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SeqDistillError(f"{file} is damaged; choose another --out, or --overwrite it") from error


def _differences(found: Json, wanted: Json, prefix: str = "") -> list[str]:
    """Dotted names of the entries in which two nested requests differ."""
    names: list[str] = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            names += _differences(cast("dict[str, Any]", old), cast("dict[str, Any]", new), f"{prefix}{key}.")
        elif old != new:
            names.append(f"{prefix}{key}")
    return names
