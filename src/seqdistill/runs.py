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
FORMAT = "seqdistill/run"
MOST_DIFFERENCES = 4


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
        if not self._holds_run():
            return None
        found = self._read(CONFIG)
        wanted = _as_stored(request)
        if found != wanted:
            changed = differences(found or {}, wanted)
            more = f" and {len(changed) - MOST_DIFFERENCES} more" if len(changed) > MOST_DIFFERENCES else ""
            raise SeqDistillError(
                f"{self.path} holds a run with other settings ({', '.join(changed[:MOST_DIFFERENCES])}{more}); "
                "choose another --out, or --overwrite it"
            )
        return self._read(RESULT)

    def begin(self, request: Json) -> None:
        """Make the folder anew, with `config.json` in it; a run that is there is removed.

        Raises:
            SeqDistillError: if the folder holds something else, or cannot be written.
        """
        holds_run = self._holds_run()
        try:
            if holds_run:
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SeqDistillError(f"cannot write {self.path}: {error.strerror}") from error
        write_json(self.path / CONFIG, _as_stored(request))

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

    def _holds_run(self) -> bool:
        """Whether there is a run; False for no folder or an empty one, an error for anything that is not ours."""
        if not self.path.exists():
            return False
        if not self.path.is_dir():
            raise SeqDistillError(f"{self.path} is a file; choose another folder with --out")
        if not any(self.path.iterdir()):
            return False
        if (self._read(CONFIG) or {}).get("format") != FORMAT:
            raise SeqDistillError(f"{self.path} is not empty and holds no run; choose another folder with --out")
        return True

    def _read(self, name: str) -> Json | None:
        file = self.path / name
        if not file.is_file():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SeqDistillError(f"{file} is damaged; choose another --out or remove {self.path}") from error
        return cast("Json", content) if isinstance(content, dict) else None


def _as_stored(request: Json) -> Json:
    return {"format": FORMAT, **request}


def differences(found: Json, wanted: Json, prefix: str = "") -> list[str]:
    """Dotted names of the entries in which two nested requests differ, in alphabetical order."""
    names: list[str] = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            names += differences(cast("dict[str, Any]", old), cast("dict[str, Any]", new), f"{prefix}{key}.")
        elif old != new:
            names.append(f"{prefix}{key}")
    return names
