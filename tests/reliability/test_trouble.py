"""Numbers that are not finite, memory and disks that do not suffice."""

import json
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from reliability.stopping import bytes_of, recommender, resumed, stopped_at
from reliability.test_resume import with_settings
from seqdistill.api import distill, estimate
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.shortage import demands, explained

Planted = tuple[Dataset, np.ndarray]
CPU = torch.device("cpu")
DIVERGING = "distill.inner_learning_rate=1e25"


def test_an_outer_step_that_is_not_finite_is_not_taken(planted: Planted, quick: Config, tmp_path: Path) -> None:
    config = with_settings(quick, DIVERGING)
    with pytest.raises(SeqDistillError) as told:
        distill(planted[0], out=tmp_path / "run", config=config)
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    for part in ("outer step 1 ", "norm", "seed", str(newest), "distill.inner_learning_rate", "--on-nonfinite skip"):
        assert part in str(told.value)
    assert "\n" not in str(told.value)


def test_skips_are_counted_and_bounded(planted: Planted, quick: Config, tmp_path: Path) -> None:
    out = tmp_path / "run"
    bounded = with_settings(quick, DIVERGING, "distill.on_nonfinite=skip", "distill.max_skips=3")
    with pytest.raises(SeqDistillError, match=r"outer step 4 .*3 such steps were skipped.*distill.max_skips"):
        distill(planted[0], out=out, config=bounded)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["skipped"], line["clipped_to"]) for line in lines] == [
        (step, True, 0.0) for step in (1, 2, 3)
    ]
    # The same run goes on under a higher bound, to a summary that no step has moved.
    run, _ = resumed(planted[0], with_settings(bounded, "distill.max_skips=100"), out)
    assert run.result["distillation"]["skipped_steps"] == 6
    assert run.result["distillation"]["best_step"] == 0


def test_a_teacher_whose_loss_is_not_finite_stops_before_it_steps(
    planted: Planted, quick: Config, tmp_path: Path
) -> None:
    config = with_settings(quick, "teacher.learning_rate=1e30", "run.checkpoint_seconds=0")
    with pytest.raises(SeqDistillError) as told:
        distill(planted[0], out=tmp_path / "run", config=config)
    for part in ("the loss of epoch 1, batch 2 is nan", "seed", "checkpoints", "teacher.learning_rate"):
        assert part in str(told.value)


def test_too_little_memory_names_what_to_lower_and_what_would_fit(quick: Config) -> None:
    quick = with_settings(quick, "distill.inner_regime=both")
    config = with_settings(quick, "teacher.batch_size=100000000")
    with pytest.raises(SeqDistillError) as told, explained("teacher", config, 1_000, CPU):
        torch.empty(1 << 60)
    message = str(told.value)
    assert "out of memory in stage teacher: lower teacher.batch_size, now 100000000; about " in message
    fitting = int(message.split("about ")[1].split(maxsplit=1)[0])
    assert 100 < fitting < 100_000_000
    with (
        pytest.raises(SeqDistillError, match=r"distill\.num_sequences"),
        explained("distill", with_settings(quick, "distill.num_sequences=5000000"), 1_000, CPU),
    ):
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), explained("distill", quick, 1_000, CPU):
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))


def test_demands_grow_with_what_they_name(quick: Config) -> None:
    quick = with_settings(quick, "distill.inner_regime=both")
    for stage in ("teacher", "distill", "evaluate"):
        for demand in demands(stage, quick, 1_000):
            section, _, key = demand.setting.partition(".")
            doubled = with_settings(quick, f"{section}.{key}={2 * demand.value}")
            (after,) = [d for d in demands(stage, doubled, 1_000) if d.setting == demand.setting]
            if demand.setting in ("distill.memory", "teacher.dim"):
                assert after.num_bytes >= demand.num_bytes
            else:
                assert after.num_bytes == pytest.approx(2 * demand.num_bytes, rel=0.01)


@contextmanager
def files_of_at_most(num_bytes: int) -> Generator[None]:
    """A disk that is full once a file has so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_at_any_write_costs_no_checkpoint(
    planted: Planted, quick: Config, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    config = with_settings(quick, "run.checkpoint_seconds=0")
    stopped_at((recommender(config, 1), 1), planted[0], config, out)
    stopped: list[str] = []
    # Each gets a little further than the one before it.
    for limit in (0, 500, 3_000, 6_000, 15_000, 40_000, 100_000):
        before = {f: f.read_bytes() for f in (out / "checkpoints").rglob("[!.]*") if f.is_file()}
        try:
            with files_of_at_most(limit):
                resumed(planted[0], config, out)
        except SeqDistillError as error:
            message = str(error)
        else:
            break
        assert "cannot write" in message
        assert "File too large" in message
        assert "\n" not in message
        stopped.append(message.partition(f"{out}/")[2].partition(":")[0].partition("/")[0])
        left = {f: f.read_bytes() for f in (out / "checkpoints").rglob("[!.]*") if f.is_file()}
        assert left
        assert all(content == before.get(file, content) for file, content in left.items())
    assert {"config.json", "checkpoints"} <= set(stopped)
    resumed(planted[0], config, out)
    assert bytes_of(out) == bytes_of(uninterrupted)


def test_an_estimate_counts_what_the_settings_repeat_and_writes_nothing(
    planted: Planted, quick: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = estimate(planted[0], config=quick, paper=True)
    parts = {cost.part: cost for cost in found.costs}
    assert list(parts) == ["teacher", "distilling", "distilling as the paper", "evaluation"]
    assert found.epochs == quick.teacher.epochs
    assert 0 < found.seconds <= found.at_most
    assert found.seconds == sum(cost.seconds for cost in found.costs)
    assert 50 << 20 < found.memory_bytes < found.free_bytes
    longer = estimate(
        planted[0],
        config=with_settings(quick, "distill.steps=4000", "distill.patience=4000", "teacher.epochs=8000"),
    )
    assert next(c for c in longer.costs if c.part == "distilling").seconds > 20 * parts["distilling"].seconds
    assert longer.costs[0].at_most > 50 * parts["teacher"].at_most
    assert list(tmp_path.iterdir()) == []
