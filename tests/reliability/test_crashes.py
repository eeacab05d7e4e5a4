"""Processes killed at random moments, in teacher, distillation and evaluation; see `tools.crash_test`."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHORTER = ("teacher.epochs=6", "distill.steps=12", "distill.validate_every=4", "evaluate.candidate_steps=[5]")


def test_ten_kills_and_three_polite_requests_change_no_byte() -> None:
    command = [sys.executable, "-m", "tools.crash_test", "--kills", "10", "--terms", "3"]
    command += [f"--set={setting}" for setting in SHORTER]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    result = json.loads(finished.stdout)
    assert (result["killed"], result["terminated"]) == (10, 3)
    stages = {stage for ended in result["stage_when_ended"].values() for stage in ended}
    assert {"teacher", "distilling", "evaluation"} <= stages
    assert result["files_differing"] == result["failures"] == result["left_behind_by_sigterm"] == []
