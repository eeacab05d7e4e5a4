"""A run directory: what was asked for, what happened at each step, how far it is, and what came out.

`config.json` is written first and `result.json` last, so a run with a result is finished, and one without is not. In
between, `checkpoints/` holds what it takes to go on (see `checkpoints`). `metrics.jsonl` has a line for every outer
step. One process at a time works in it (see `locks`).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from seqdistill.artifacts import MANIFEST, read_json, sealed, write_json
from seqdistill.checkpoints import Checkpoints
from seqdistill.config import RunConfig
from seqdistill.differences import differences, some_of
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.interruption import Interrupted, Interruption
from seqdistill.json_values import Json, finite
from seqdistill.locks import LOCK, locked
from seqdistill.resuming import Snapshot

CONFIG, METRICS, RESULT, CHECKPOINTS = "config.json", "metrics.jsonl", "result.json", "checkpoints"
SUMMARY, TEACHER, PAPER = "summary", "teacher", "paper"
"""Folders of what a run made; the last only where it distilled as the paper does, too."""

FORMAT = "seqdistill/run"
ENVIRONMENT = "environment"

FREE = {"config.distill.on_nonfinite", "config.distill.max_skips", "config.distill.memory", "config.data.memory"}
"""Entries of a request in which the two halves of a run may differ: they say how to get through, not what comes out."""

Notify = Callable[[str], None]


class RunDirectory:
    """The folder of one `distill`.

    Args:
        path: the folder; made when the run begins.
        config: how often to write checkpoints.
        interruption: what the process has been asked for.
    """

    def __init__(self, path: Path, config: RunConfig | None = None, interruption: Interruption | None = None) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / CHECKPOINTS, (config or RunConfig()).checkpoint_seconds)
        self._interruption = interruption or Interruption()
        self._stages: dict[str, Snapshot] = {}
        self._metrics = _Metrics(path / METRICS)

    def finished_result(self, request: Json) -> Json | None:
        """The result of a finished run of the same request; None if there is none, or no run.

        Raises:
            SeqDistillError: if the folder holds a run of another request, or is not a run.
        """
        if not self._holds_run():
            return None
        self._refuse_differences(_without_environment(self._read(CONFIG) or {}), _without_environment(_stored(request)))
        return self._read(RESULT)

    @contextmanager
    def opened(
        self, request: Json, environment: Json, *, resume: bool, overwrite: bool, notify: Notify
    ) -> Generator[None]:
        """Work on the run within the block, from where it was left or from the beginning.

        Args:
            request: what is asked for.
            environment: what else the bits of the outcome depend on; must be the same when a run goes on.
            resume: go on with an unfinished run; where there is none, one begins.
            overwrite: begin anew whatever run is there.
            notify: gets lines a user should see.

        Raises:
            SeqDistillError: if another process works on it, the folder holds something else or a run that must not be
                touched or cannot go on, or it cannot be written.
        """
        self._holds_run()
        with locked(self.path, notify), self._interruption.graceful():
            if resume and not overwrite and self._holds_run():
                self._go_on(request, environment, notify)
            else:
                self._begin(request, environment, overwrite=overwrite)
            yield

    def stage(self, name: str) -> "StageKeeper":
        """Where a stage of the run keeps its state."""
        return StageKeeper(self, name)

    def log(self, record: Json) -> None:
        """Append one line to `metrics.jsonl`; a number that is not finite becomes null."""
        self._metrics.append(record)

    def finish(self, result: Json) -> None:
        """Write `result.json`; from now on the run is finished, and its checkpoints are of no more use."""
        write_json(self.path / RESULT, sealed(result))
        self.checkpoints.clear()

    def kept(self, stage: str) -> Snapshot | None:
        """Where a stage stands."""
        return self._stages.get(stage)

    def keep(self, stage: str, state: Callable[[], Snapshot], *, now: bool) -> None:
        """Write a checkpoint if it is time for one, must be, or is the last chance.

        Raises:
            Interrupted: then, if the process has been asked to stop.
            SeqDistillError: if it cannot be written.
        """
        number = self._interruption.requested
        if now or number is not None or self.checkpoints.due:
            self._stages[stage] = state()
            extra = {"metrics": self._metrics.reach_disk(), "seconds": self.checkpoints.seconds}
            self.checkpoints.write(self._stages, extra)
        if number is not None:
            where = self.checkpoints.last.where if self.checkpoints.last else stage
            raise Interrupted(
                number, f"interrupted; {self.path} is kept at {where}: the same command with --resume goes on"
            )

    def _begin(self, request: Json, environment: Json, *, overwrite: bool) -> None:
        """Make the folder anew, with `config.json` in it; a run that is there is removed."""
        if self._holds_run() and not overwrite:
            self._refuse_differences(
                _without_environment(self._read(CONFIG) or {}), _without_environment(_stored(request))
            )
            raise SeqDistillError(
                f"{self.path} holds an unfinished run of these settings; go on with --resume, or start over with "
                "--overwrite"
            )
        with writing(self.path):
            # The result first and `config.json` last: what is left when this is cut short is an unfinished run.
            first, last = self.path / RESULT, self.path / CONFIG
            first.unlink(missing_ok=True)
            for entry in self.path.iterdir():
                if entry.name not in (LOCK, CONFIG):
                    _remove(entry)
            last.unlink(missing_ok=True)
        write_json(self.path / CONFIG, sealed({**_stored(request), ENVIRONMENT: environment}))

    def _go_on(self, request: Json, environment: Json, notify: Notify) -> None:
        wanted = {**_stored(request), ENVIRONMENT: environment}
        self._refuse_differences(self._read(CONFIG) or {}, wanted)
        for leftover in (*self.path.glob(".*"), *(self.path / CHECKPOINTS).glob(".*")):
            if leftover.name != LOCK:
                _remove(leftover)
        write_json(self.path / CONFIG, sealed(wanted))
        newest = self.checkpoints.read_newest(notify)
        if newest is None:
            notify(f"{self.path} was left before its first checkpoint; it begins anew")
            self._metrics.cut({}, notify)
            return
        self._stages = dict(newest.stages)
        self.checkpoints.seconds = float(newest.extra.get("seconds", 0.0))
        self._metrics.cut(newest.extra.get("metrics", {}), notify)
        notify(f"{self.path} goes on from {newest.where}")

    def _refuse_differences(self, found: Json, wanted: Json) -> None:
        changed = [name for name in differences(found, wanted) if name not in FREE]
        if not changed:
            return
        surroundings = [name.removeprefix(f"{ENVIRONMENT}.") for name in changed if name.startswith(f"{ENVIRONMENT}.")]
        if surroundings and len(surroundings) == len(changed):
            old, new = found.get(ENVIRONMENT, {}), wanted[ENVIRONMENT]
            words = ", ".join(f"{name} {old.get(name)}, and now {new.get(name)}" for name in surroundings)
            raise SeqDistillError(
                f"{self.path} was begun with {words}; the outcome depends on it: make it as it was (threads: "
                "OMP_NUM_THREADS), or start over with --overwrite"
            )
        raise SeqDistillError(
            f"{self.path} holds a run with other settings ({some_of(changed)}); choose another --out, or --overwrite it"
        )

    def _holds_run(self) -> bool:
        """Whether there is a run; False for no folder or an empty one, an error for anything that is not ours."""
        if not self.path.exists():
            return False
        if not self.path.is_dir():
            raise SeqDistillError(f"{self.path} is a file; choose another folder with --out")
        # A process that was killed while it began leaves a lock and perhaps half of a `config.json` under another name.
        if all(entry.name == LOCK or entry.name.startswith(f".{CONFIG}.") for entry in self.path.iterdir()):
            return False
        if (self._read(CONFIG) or {}).get("format") != FORMAT:
            raise SeqDistillError(f"{self.path} is not empty and holds no run; choose another folder with --out")
        return True

    def _read(self, name: str) -> Json | None:
        file = self.path / name
        if not file.is_file():
            return None
        content: object = read_json(file)
        return cast("Json", content) if isinstance(content, dict) else None


@dataclass(frozen=True)
class StageKeeper:
    """Where a stage of a run keeps its state; see `resuming.Keeper`."""

    run: RunDirectory
    name: str

    def kept(self) -> Snapshot | None:
        """See `Keeper.kept`."""
        return self.run.kept(self.name)

    def offer(self, state: Callable[[], Snapshot]) -> None:
        """See `Keeper.offer`."""
        self.run.keep(self.name, state, now=False)

    def finish(self, outcome: Snapshot) -> None:
        """See `Keeper.finish`."""
        self.run.keep(self.name, lambda: outcome, now=True)

    def last(self) -> str:
        """See `Keeper.last`."""
        return self.run.checkpoints.describe_last()


class _Metrics:
    """The file `metrics.jsonl`, with what a checkpoint must know to cut it back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        self._digest = hashlib.sha256()

    def append(self, record: Mapping[str, Any]) -> None:
        line = (json.dumps(finite(dict(record)), allow_nan=False) + "\n").encode()
        with writing(self._path), self._path.open("ab") as stream:
            stream.write(line)
        self._bytes += len(line)
        self._digest.update(line)

    def reach_disk(self) -> Json:
        """Make what was appended survive a power cut, and tell how much that is."""
        if self._bytes:
            with writing(self._path), self._path.open("rb") as stream:
                os.fsync(stream.fileno())
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def cut(self, mark: Json, notify: Notify) -> None:
        """Back to what `reach_disk` told; a file that does not have it is put aside, and a new one begins."""
        size = int(mark.get("bytes", 0))
        with writing(self._path):
            content = self._path.read_bytes() if self._path.is_file() else b""
            digest = hashlib.sha256(content[:size])
            if size and (len(content) < size or digest.hexdigest() != mark.get("sha256")):
                aside = self._path.with_suffix(".damaged.jsonl")
                if content:
                    self._path.replace(aside)
                notify(f"{self._path} is not what this run wrote; what is left of it is in {aside.name}")
                return
            if content:
                with self._path.open("r+b") as stream:
                    stream.truncate(size)
        self._bytes, self._digest = size, digest


def is_run(folder: Path) -> bool:
    """Whether a folder is a run with a summary in it, rather than a summary."""
    return (folder / SUMMARY).is_dir() and not (folder / MANIFEST).exists()


def summary_folder(folder: Path) -> Path:
    """The folder itself or, for a run, that of the summary in it."""
    return folder / SUMMARY if is_run(folder) else folder


def _stored(request: Json) -> Json:
    return {"format": FORMAT, **request}


def _without_environment(stored: Json) -> Json:
    return {key: value for key, value in stored.items() if key != ENVIRONMENT}


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
