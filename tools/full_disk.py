"""Distil on a disk that is too small, give it more room whenever it is full, and compare what comes out.

    python -m tools.full_disk --out results/reliability/full_disk.json

The disk is a tmpfs, which takes the right to mount one. The settings are those of `tools.crash_test`, with a checkpoint
after every step. Every time the disk is full the process must end with one line and status 1, and leave a checkpoint
that can be read, if there was one before.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from seqdistill.checkpoints import Checkpoints
from tools.crash_test import PATIENCE, SETTINGS, Subject, differences, tell, wait

EVERY_STEP = "run.checkpoint_seconds=0"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.full_disk")
    parser.add_argument("--step", type=int, default=16, help="KiB more each time (default: 16)")
    parser.add_argument("--out", type=Path, help="where the result goes; standard output by default")
    options = parser.parse_args()

    import torch

    from seqdistill import api

    del api
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="full-disk-"))
    disk = folder / "disk"
    disk.mkdir()
    subject = Subject(folder, [EVERY_STEP], paper=False)
    if wait(subject.start(folder / "peaceful"), PATIENCE) != 0:
        raise SystemExit(f"the run with enough room failed: {subject.said()}")
    size = options.step
    _mount(disk, size, "size={}k")
    said: list[str] = []
    failures: list[str] = []
    try:
        while (status := wait(subject.start(disk / "run"), PATIENCE)) != 0 and not failures:
            told = subject.said().replace(str(disk / "run"), "RUN")
            if status != 1 or "No space left on device" not in told or len(told.splitlines()) > 1:
                failures.append(f"status {status}: {told}")
            checkpoints = disk / "run" / "checkpoints"
            if said and checkpoints.exists():
                warnings: list[str] = []
                newest = Checkpoints(checkpoints, None).read_newest(warnings.append)
                failures += warnings if newest is not None else []
            said.append(told)
            size += options.step
            _mount(disk, size, "remount,size={}k")
        differing = differences(folder / "peaceful", disk / "run") if not failures else []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    found: dict[str, Any] = {
        "times_full": len(said),
        "kib_in_the_end": size,
        "full_at": dict(Counter(_where(line) for line in said)),
        "example": said[-1] if said else None,
        "failures": failures,
        "files_differing": differing,
    }
    tell("full_disk", sys.argv[1:], 0, [*SETTINGS, EVERY_STEP], found, options.out)
    raise SystemExit(1 if failures or differing else 0)


def _mount(disk: Path, size: int, how: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", how.format(size), "none", str(disk)], check=True)


def _where(line: str) -> str:
    """The file or kind of folder that could not be written."""
    name = line.partition("RUN/")[2].partition(":")[0]
    return name.partition("/")[0] or "RUN"


if __name__ == "__main__":
    main()
