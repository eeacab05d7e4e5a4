"""What the command line says of runs that are unfinished, and of runs not yet begun."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Invoke = Callable[..., Result]


def test_resume_and_overwrite_exclude_each_other(invoke: Invoke, log: Path, tmp_path: Path) -> None:
    result = invoke("distill", log, "--out", tmp_path / "run", "--resume", "--overwrite")
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_stopped_by_trouble_goes_on_by_name_and_with_other_means(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]
) -> None:
    run = tmp_path / "run"
    arguments = ("distill", log, "--out", run, *tiny, "--set=distill.inner_learning_rate=1e25")
    stopped = invoke(*arguments)
    assert stopped.exit_code == 1
    assert stopped.stderr.splitlines()[-1].startswith("error: outer step 1 is not finite")
    again = invoke(*arguments)
    assert again.exit_code == 1
    assert "--resume" in again.stderr
    resumed = invoke(*arguments, "--resume", "--on-nonfinite", "skip", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert f"{run} goes on from teacher, done" in resumed.stderr
    assert "teacher: 0/" not in resumed.stderr
    assert json.loads(resumed.stdout)["distillation"]["skipped_steps"] == 3


def test_a_dry_run_tells_time_and_memory_by_part_and_writes_nothing(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]
) -> None:
    text = invoke("distill", log, "--out", tmp_path / "run", *tiny, "--dry-run")
    assert text.exit_code == 0, text.output
    for part in ("teacher", "distilling", "evaluation", "in all", "at most", "memory: "):
        assert part in text.stdout
    assert list(tmp_path.iterdir()) == []
