"""Kill `seqdistill distill` at random moments, resume it, and compare what comes out with an uninterrupted run.

    python -m tools.crash_test --kills 50 --terms 20 --out results/reliability/crashes.json

A small log is distilled once in peace. Then it is distilled again and again, each process being ended at a random
moment by SIGKILL or SIGTERM and followed by one with `--resume`, until as many have been ended as asked for and the
last run is through. Every file of every summary and teacher must have the bytes of the first one's.

Each process is a fork of this one, which has imported torch and done nothing else with it: a new interpreter would
spend most of its life importing, and most kills would hit imports.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SETTINGS = (
    "teacher.epochs=12",
    "teacher.members=2",
    "teacher.patience=12",
    "teacher.dim=8",
    "teacher.batch_size=16",
    "distill.num_sequences=4",
    "distill.length=8",
    "distill.steps=24",
    "distill.inner_steps=12",
    "distill.window=4",
    "distill.learner_pool=3",
    "distill.validate_every=6",
    "distill.validation_learners=1",
    "evaluate.seeds=1",
    "evaluate.candidate_steps=[10, 20]",
    "evaluate.candidate_rates=[0.01]",
    "run.checkpoint_seconds=0.1",
)
COMPARED = ("summary", "teacher")
TICK = 0.01
"""Seconds between two looks at a process."""

MOMENT = 0.3
"""Seconds within which a signal comes after a checkpoint."""

PATIENCE = 120.0
"""Seconds after which a process that should have ended has hung."""


@dataclass
class Outcome:
    """What was seen.

    Attributes:
        ended: processes that a signal ended, by its name and the stage of the newest checkpoint they left.
        runs: distillations brought to their end.
        differing: files that were not as they should be.
        failures: processes that ended otherwise than they should.
        left_behind: temporary files of processes that SIGTERM ended.
    """

    ended: dict[str, Counter[str]] = field(default_factory=lambda: {"SIGKILL": Counter(), "SIGTERM": Counter()})
    runs: int = 0
    differing: list[str] = field(default_factory=list[str])
    failures: list[str] = field(default_factory=list[str])
    left_behind: list[str] = field(default_factory=list[str])


class Subject:
    """The distillation under test, in a folder of its own.

    Args:
        folder: for logs, runs and what processes say.
        settings: further `section.key=value`.
        paper: whether to distil as the paper does, too.
    """

    def __init__(self, folder: Path, settings: list[str], *, paper: bool) -> None:
        self.folder = folder
        self.log = folder / "films.csv"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.log.write_text(_log(), encoding="utf-8")
        assigned = [f"--set={setting}" for setting in (*SETTINGS, *settings)]
        self.command = ["distill", str(self.log), *assigned, *(["--paper"] if paper else []), "--quiet", "--resume"]

    def start(self, run: Path) -> int:
        """A process that begins or resumes a run; its pid."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        status = 70
        try:
            said = os.open(self.folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            tempfile.tempdir = str(self.temporary)
            from seqdistill.cli import app

            app([*self.command, "--out", str(run)], prog_name="seqdistill")
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 71
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # What a process cleans up when it leaves, and nothing of its parent's.
            _leave(status)
        raise AssertionError

    def tidy(self) -> None:
        """Remove the temporary files of a process that could not."""
        for path in self.temporary.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def said(self) -> str:
        """What the last process wrote."""
        return (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace").strip()


def crash(subject: Subject, kills: int, terms: int, rng: random.Random) -> Outcome:
    """End processes and compare what their successors make.

    Args:
        subject: what to run.
        kills: processes to end by SIGKILL.
        terms: processes to end by SIGTERM.
        rng: draws the moments.
    """
    outcome = Outcome()
    peaceful = subject.folder / "peaceful"
    pid, checkpoints = subject.start(peaceful), 0
    while (status := wait(pid, TICK)) is None:
        checkpoints = max(checkpoints, _newest(peaceful)[0])
    if status != 0:
        raise SystemExit(f"the uninterrupted run failed: {subject.said()}")
    orders = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    rng.shuffle(orders)
    # So far apart that they fall into all stages of one run, or of several if they are many.
    most = max(1, round(2 * checkpoints * (1 + len(orders) / 32) / max(1, len(orders))))
    run = subject.folder / "crashed"
    while orders or run.exists():
        pid = subject.start(run)
        if orders:
            status = _advance(pid, run, rng.randint(0, most))
            status = wait(pid, rng.uniform(0.0, MOMENT)) if status is None else status
        else:
            status = wait(pid, PATIENCE)
        if status is None and orders:
            number = orders.pop()
            os.kill(pid, number)
            status = wait(pid, PATIENCE)
            wanted = -signal.SIGKILL if number == signal.SIGKILL else 128 + signal.SIGTERM
            # A process that does not listen yet, or no longer, has nothing to keep.
            deaf = number == signal.SIGTERM and status == -signal.SIGTERM
            if status == wanted or deaf:
                if number == signal.SIGTERM:
                    outcome.left_behind += [path.name for path in subject.temporary.glob("seqdistill-*")]
                subject.tidy()
                outcome.ended[signal.Signals(number).name][
                    "while starting or leaving" if deaf else _newest(run)[1]
                ] += 1
                continue
            if status != 0:
                outcome.failures.append(f"status {status} after {signal.Signals(number).name}: {subject.said()}")
            else:
                orders.append(number)
        if status != 0:
            outcome.failures.append(f"status {status}: {subject.said()}")
            break
        outcome.runs += 1
        outcome.differing += differences(peaceful, run)
        shutil.rmtree(run)
    return outcome


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.crash_test", description="Kill distillations and resume them."
    )
    parser.add_argument("--kills", type=int, default=10, help="processes ended by SIGKILL (default: 10)")
    parser.add_argument("--terms", type=int, default=4, help="processes ended by SIGTERM (default: 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--paper", action="store_true", help="distil as the paper does, too")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--out", type=Path, help="where the result goes; standard output by default")
    options = parser.parse_args(arguments)

    import torch

    from seqdistill import api

    del api  # Only for the forks, so that they need not import it each.
    torch.set_num_threads(1)
    began = time.perf_counter()
    # Not a TemporaryDirectory, which every fork would remove when it leaves.
    folder = Path(tempfile.mkdtemp(prefix="crash-test-"))
    try:
        subject = Subject(folder, options.settings, paper=options.paper)
        outcome = crash(subject, options.kills, options.terms, random.Random(options.seed))
    finally:
        shutil.rmtree(folder)
    found: dict[str, Any] = {
        "killed": sum(outcome.ended["SIGKILL"].values()),
        "terminated": sum(outcome.ended["SIGTERM"].values()),
        "stage_when_ended": {name: dict(sorted(stages.items())) for name, stages in outcome.ended.items()},
        "runs_completed": outcome.runs,
        "files_differing": outcome.differing,
        "failures": outcome.failures,
        "left_behind_by_sigterm": outcome.left_behind,
        "seconds": round(time.perf_counter() - began, 1),
    }
    words = sys.argv[1:] if arguments is None else arguments
    tell("crash_test", words, options.seed, [*SETTINGS, *options.settings], found, options.out)
    raise SystemExit(1 if outcome.differing or outcome.failures or outcome.left_behind else 0)


def tell(tool: str, words: list[str], seed: int, config: list[str], found: dict[str, Any], out: Path | None) -> None:
    """Write what a tool found, with where it comes from, to a file or to standard output."""
    import torch

    from seqdistill import __version__

    result = {
        "command": " ".join([f"python -m tools.{tool}", *words]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": seed,
        "config": config,
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__, "seqdistill": __version__},
        **found,
    }
    text = json.dumps(result, indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def wait(pid: int, seconds: float) -> int | None:
    """Exit status of a process, negative for a signal; None if it is still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.005)


def _leave(status: int) -> None:
    import atexit

    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    os._exit(status)


def _advance(pid: int, run: Path, checkpoints: int) -> int | None:
    """Wait until a process has written so many checkpoints or ended; its exit status, or None."""
    goal = _newest(run)[0] + checkpoints
    deadline = time.monotonic() + PATIENCE
    while _newest(run)[0] < goal and time.monotonic() < deadline:
        if (status := wait(pid, TICK)) is not None:
            return status
    return None


def _newest(run: Path) -> tuple[int, str]:
    """Number of the newest whole checkpoint, and the stage that was under way."""
    try:
        checkpoints = sorted((run / "checkpoints").glob("[0-9]*"), reverse=True)
    except OSError:  # The run was finished while its folder was looked through.
        checkpoints = []
    for checkpoint in checkpoints:
        try:
            manifest = json.loads((checkpoint / "manifest.json").read_text(encoding="utf-8"))
        except OSError:  # It was removed meanwhile.
            continue
        return int(checkpoint.name), str(manifest["stages"][-1]["name"])
    return 0, "before the first checkpoint"


def differences(one: Path, other: Path) -> list[str]:
    """Files of two runs that should be alike and are not."""
    files = {path.relative_to(root) for root in (one, other) for part in COMPARED for path in (root / part).rglob("*")}
    names = sorted(str(file) for file in files if _content(one / file) != _content(other / file))
    lines = [len((root / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) for root in (one, other)]
    return [*names, *(["metrics.jsonl"] if lines[0] != lines[1] else [])]


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _log() -> str:
    """60 users who mostly go from film i to film i + 1, of 30."""
    rng = random.Random(0)
    rows = ["user_id,item_id,timestamp"]
    for user in range(60):
        film = rng.randrange(30)
        for moment in range(12):
            rows.append(f"u{user},film {film},{moment}")
            film = (film + 1) % 30 if rng.random() < 0.8 else rng.randrange(30)
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
