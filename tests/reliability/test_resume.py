"""A run that was interrupted comes out as one that was not, and goes on only where it can."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reliability.stopping import bytes_of, recommender, resumed, stopped_at
from seqdistill import checkpoints
from seqdistill.api import distill
from seqdistill.config import Config, load_config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import SELECTION
from seqdistill.interruption import Interrupted, Interruption
from seqdistill.summary import Summary

Planted = tuple[Dataset, np.ndarray]


def with_settings(config: Config, *assignments: str) -> Config:
    before = config.model_dump(mode="json", exclude_unset=True)
    kept = [f"{s}.{key}={json.dumps(value)}" for s in before if s != "seed" for key, value in before[s].items()]
    return load_config(None, [*kept, *assignments], seed=config.seed)


def validated(run: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["validation"]]


def steps_of(run: Path) -> list[tuple[str, int]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [(line["phase"], line["step"]) for line in map(json.loads, lines)]


def test_stopped_in_every_stage_a_run_ends_with_the_bytes_of_one_never_stopped(
    planted: Planted, quick: Config, tmp_path: Path
) -> None:
    config = with_settings(
        quick, "evaluate.seeds=2", "distill.steps=3", "teacher.members=3", "teacher.learning_rate=0.01"
    )
    whole = distill(planted[0], out=tmp_path / "whole", config=config, paper=True)
    out = tmp_path / "run"
    stops = [
        (recommender(config, 2), 2),
        ("recommender 3 (sasrec at 0.01)", 1),
        ("teacher, learning from them", 1),
        ("distilling", 1),
        ("distilling", 2),
        ("distilling as the paper", 1),
        ("full data, learner 2 of 2", 1),
        ("distilled, fresh", 1),
    ]
    for number, stop in enumerate(stops):
        said, stopper = stopped_at(stop, planted[0], config, out, paper=True, resume=number > 0)
        assert str(out) in said
        assert "--resume" in said
        if number > 0:
            # It goes on exactly where it was left, and what came before that is not done again.
            assert stopper.begun[0] == stops[number - 1]
        assert not (out / "result.json").exists()
    run, told = resumed(planted[0], config, out, paper=True)
    assert "goes on from evaluation" in " ".join(told)
    assert bytes_of(out) == bytes_of(tmp_path / "whole")
    assert steps_of(out) == steps_of(tmp_path / "whole")
    timeless = [{**row, "seconds_train": None} for row in run.result["rows"]]
    assert timeless == [{**row, "seconds_train": None} for row in whole.result["rows"]]
    assert not (out / "checkpoints").exists()
    assert resumed(planted[0], config, out, paper=True)[0].reused


@pytest.mark.parametrize(
    "settings",
    [
        ["distill.inner_regime=fresh", "distill.learner_pool=2"],
        ["distill.learner_pool=0", "distill.inner_batch_size=2", "distill.cuts=2"],
        ["distill.learners=sasrec,bert4rec,gru4rec", "teacher.dropout=0.5"],
        ["distill.learner_start=teacher", "distill.rank=[2, 3]", "distill.outer_batch_size=64"],
        ["teacher.learner=bert4rec", "distill.weight_decay=0.01", "train.dropout=0.2"],
    ],
    ids=["fresh", "no pool", "architectures", "ranks", "masked teacher"],
)
def test_whatever_the_settings_a_stopped_run_ends_with_the_same_bytes(
    planted: Planted, quick: Config, tmp_path: Path, settings: list[str]
) -> None:
    config = with_settings(quick, *settings)
    distill(planted[0], out=tmp_path / "whole", config=config)
    stopped_at((recommender(config, 2), 2), planted[0], config, tmp_path / "run")
    stopped_at(("distilling", 3), planted[0], config, tmp_path / "run", resume=True)
    resumed(planted[0], config, tmp_path / "run")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")


def test_an_unfinished_run_is_neither_overwritten_nor_continued_unasked(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path
) -> None:
    before = sorted(half.rglob("*"))
    with pytest.raises(SeqDistillError, match=r"unfinished run.*--resume.*--overwrite"):
        distill(planted[0], out=half, config=quick)
    assert sorted(half.rglob("*")) == before
    distill(planted[0], out=half, config=quick, overwrite=True)
    assert bytes_of(half) == bytes_of(uninterrupted)


def test_a_run_goes_on_only_as_it_was_begun(
    planted: Planted, quick: Config, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pattern: str, dataset: Dataset = planted[0], config: Config = quick) -> None:
        with pytest.raises(SeqDistillError, match=pattern):
            resumed(dataset, config, half)

    refused(
        r"other settings \(config\.distill\.steps, config\.seed\)",
        config=with_settings(quick.model_copy(update={"seed": 3}), "distill.steps=7"),
    )
    data = planted[0]
    items = data.items.copy()
    items[0] = items[0] % 25 + 1
    other = Dataset(data.name, items, data.offsets, data.item_ids, data.user_ids, data.provenance)
    refused(r"dataset\.fingerprint", dataset=other)
    torch.set_num_threads(2)
    try:
        refused("threads 1, and now 2")
    finally:
        torch.set_num_threads(1)
    monkeypatch.setattr(checkpoints, "FORMAT_VERSION", 2)
    refused("no checkpoint in .* can be used")


def test_settings_that_only_help_a_run_through_may_change(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path
) -> None:
    helped = with_settings(quick, "distill.on_nonfinite=skip", "distill.memory=1MB", "run.checkpoint_seconds=100")
    run, _ = resumed(planted[0], helped, half)
    assert torch.equal(run.summary.factors.core, Summary.load(uninterrupted / "summary").factors.core)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path
) -> None:
    newest = max((half / "checkpoints").iterdir())
    file = newest / "distilling.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 4
    file.write_bytes(content)
    _, told = resumed(planted[0], quick, half)
    assert any(str(file) in line for line in told)
    assert any("goes on from distilling, outer step 3" in line for line in told)
    assert bytes_of(half) == bytes_of(uninterrupted)
    assert steps_of(half) == steps_of(uninterrupted)


def test_with_every_checkpoint_damaged_a_run_says_so_and_is_left_alone(
    planted: Planted, quick: Config, half: Path
) -> None:
    for folder in (half / "checkpoints").iterdir():
        (folder / "manifest.json").write_text("{")
    with pytest.raises(SeqDistillError, match=r"no checkpoint in .*start over with --overwrite"):
        resumed(planted[0], quick, half)
    assert (half / "metrics.jsonl").exists()


def test_a_teacher_that_is_not_this_runs_is_refused(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    other = quick.model_copy(update={"seed": 5})
    distill(planted[0], out=tmp_path / "other", config=other)
    shutil.rmtree(half / "teacher")
    shutil.copytree(tmp_path / "other" / "teacher", half / "teacher")
    with pytest.raises(SeqDistillError, match="is not the teacher this run trained"):
        resumed(planted[0], quick, half)
    shutil.rmtree(half / "teacher")
    with pytest.raises(SeqDistillError, match="teacher does not exist"):
        resumed(planted[0], quick, half)
    shutil.copytree(uninterrupted / "teacher", half / "teacher")
    resumed(planted[0], quick, half)


def test_what_a_killed_process_left_half_written_is_removed(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path
) -> None:
    (half / ".summary.abc").mkdir()
    (half / ".summary.abc" / "factors.safetensors").write_bytes(b"half")
    (half / "checkpoints" / ".000099.xyz").mkdir()
    (half / ".result.json.123").write_text("{")
    with (half / "metrics.jsonl").open("a") as stream:
        stream.write('{"phase": "distilling", "step": 5}\n{"pha')
    resumed(planted[0], quick, half)
    assert {path.name for path in half.iterdir()} == {path.name for path in uninterrupted.iterdir()}
    assert bytes_of(half) == bytes_of(uninterrupted)
    assert steps_of(half) == steps_of(uninterrupted)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    planted: Planted, quick: Config, half: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    shutil.rmtree(half / "checkpoints")
    _, told = resumed(planted[0], quick, half)
    assert any("begins anew" in line for line in told)
    assert bytes_of(half) == bytes_of(uninterrupted)
    assert steps_of(half) == steps_of(uninterrupted)
    resumed(planted[0], quick, tmp_path / "nothing yet")
    assert bytes_of(tmp_path / "nothing yet") == bytes_of(uninterrupted)


def test_the_last_two_checkpoints_and_the_best_are_kept(planted: Planted, quick: Config, tmp_path: Path) -> None:
    config = with_settings(quick, "distill.steps=12", "distill.learning_rate=0.3", "run.checkpoint_seconds=0")
    stopped_at(("distilling", 11), planted[0], config, tmp_path)
    found: dict[int, float] = {}
    for folder in (tmp_path / "checkpoints").iterdir():
        stage = json.loads((folder / "manifest.json").read_text())["stages"][-1]
        found[stage["values"]["step"]] = stage["score"]
    # Steps as large as these spoil the summary, so the best one came early.
    scores = {line["step"]: line["validation"][SELECTION] for line in validated(tmp_path)}
    best = max(scores, key=lambda step: scores[step])
    first = best if scores[best] == max(found.values()) else 1
    assert first < 10
    assert found.keys() == {first, 10, 11}


def test_the_first_signal_is_noted_and_the_second_ends_everything() -> None:
    interruption = Interruption()
    before = signal.getsignal(signal.SIGTERM)
    with interruption.listening():
        with interruption.graceful():
            os.kill(os.getpid(), signal.SIGTERM)
            assert interruption.requested == signal.SIGTERM
            with pytest.raises(Interrupted) as second:
                os.kill(os.getpid(), signal.SIGTERM)
        assert second.value.status == 143
        # From here on the system ends the process, even inside a long operation.
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_outside_of_the_stages_the_first_signal_is_enough() -> None:
    with Interruption().listening(), pytest.raises(Interrupted) as stopped:
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.status == 130
