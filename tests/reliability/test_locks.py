import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reliability.stopping import resumed
from seqdistill.api import distill
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.locks import locked

HOLD = """
import sys
from pathlib import Path
from seqdistill.locks import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_another_process_works_on_is_refused_by_its_number_until_that_is_gone(
    planted: tuple[Dataset, np.ndarray], quick: Config, half: Path
) -> None:
    command = [sys.executable, "-c", HOLD, str(half)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        before = {path: path.stat().st_mtime_ns for path in half.rglob("*")}
        for resume, overwrite in ((True, False), (False, True), (False, False)):
            with pytest.raises(SeqDistillError, match=f"{half} is in use by process {process.pid};"):
                distill(planted[0], out=half, config=quick, resume=resume, overwrite=overwrite)
        assert {path: path.stat().st_mtime_ns for path in half.rglob("*")} == before
        process.kill()
    resumed(planted[0], quick, half)


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "run"), pytest.raises(SeqDistillError, match="in use"), locked(tmp_path / "run"):
            pass
