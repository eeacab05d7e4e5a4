"""What `distill --dry-run` tells, against what the run then takes, and what its checkpoints cost.

    python -m benchmarks.estimate --data ml-100k

Both are real commands, one after the other. On a machine that others use, wall-clock time differs with what they do; so
processor time is noted beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, describe_machine, note, version

Row = dict[str, Any]
COMMAND = (sys.executable, "-c", "from seqdistill.cli import main; main()", "distill")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "reliability" / "estimate.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        arguments = [options.data, "--out", str(run), "--seed", str(options.seed), "--json", "--quiet"]
        arguments += [f"--set={setting}" for setting in options.settings]
        estimate, trial = _measured([*arguments, "--dry-run"], options.threads)
        note(f"estimated {estimate['seconds']:.0f} s in {trial['seconds']:.0f} s")
        result, fact = _measured(arguments, options.threads)
    seconds: dict[str, float] = result["seconds"]
    row = {
        "data": Path(options.data).name,
        "estimated": {
            "seconds": estimate["seconds"],
            "at_most": estimate["at_most"],
            "memory_mib": estimate["memory_bytes"] / 2**20,
            "epochs": estimate["epochs"],
            "costs": estimate["costs"],
        },
        "dry_run": trial,
        "run": {
            **fact,
            "teacher_seconds": seconds["teacher"],
            "distill_seconds": seconds["distill"],
            "teacher_best_epoch": result["teacher"]["best_epoch"],
        },
        "checkpoints": {
            "seconds": seconds["checkpoints"],
            "percent_of_run": 100 * seconds["checkpoints"] / fact["seconds"],
        },
        "ratio_seconds": estimate["seconds"] / fact["seconds"],
        "ratio_memory": estimate["memory_bytes"] / 2**20 / fact["peak_mib"],
    }
    content = {
        "benchmark": "estimate",
        "command": " ".join(["python -m benchmarks.estimate", *sys.argv[1:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": options.seed,
        "config": result["config"],
        "versions": {name: version(name) for name in ("torch", "seqdistill")},
        "machine": {**describe_machine(), "threads": options.threads},
        "rows": [row],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    note(f"took {fact['seconds']:.0f} s; wrote {options.out.name}")


def _measured(arguments: list[str], threads: int) -> tuple[Row, Row]:
    """What a command printed, and what it took."""
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen([*COMMAND, *arguments], stdout=printed, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"distill ended with status {process.returncode}")
        printed.seek(0)
        document: Row = json.load(printed)
    return document, {
        "seconds": time.perf_counter() - began,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
