"""Modules of a user's own as learners, and what `check_learner` says about them."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import seqdistill
from seqdistill.api import Run, evaluate, train
from seqdistill.config import LearnerConfig, load_config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.learners import LEARNERS, build_learner
from seqdistill.learners.check import check_learner
from seqdistill.models import TrainedModel

ROOT = Path(__file__).parents[2]
HERE = "own_learners"
DECODER = "examples.own_learner:DecoderLearner"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a user's working directory and installed packages are to the learners' names."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(ROOT)
    yield
    sys.modules.pop(HERE, None)


@pytest.mark.parametrize("name", [*LEARNERS, f"{HERE}:Sound", f"{HERE}:Prefixes", DECODER])
def test_sound_learners_pass(name: str) -> None:
    report = check_learner(name)
    assert report.ok, str(report)
    assert len(report.findings) == 6
    report.raise_if_broken()


@pytest.mark.parametrize(
    ("name", "promise", "said"),
    [
        ("WrongShape", "shapes", r"(3, 16) instead of (3, 1, 16)"),
        ("Noisy", "shapes", "two passes in evaluation mode differ"),
        ("LooksAhead", "view", "the state at 0 depends on position 1; mask what follows, or declare view = 'prefix'"),
        ("ReadsPadding", "padding", "the values at padded positions reach the states"),
        ("SeesTheAnswer", "view", "the state at 0 sees the item at 1, which it has to predict"),
        ("Hoards", "parameters", "some are kept elsewhere"),
        ("Forgetful", "parameters", "module.inner.weight is not drawn anew"),
        ("FusedAttention", "second derivatives", "layer blocks.1 (Fused): derivative for aten::_scaled_dot_product"),
        ("SilentlyWrong", "second derivatives", "layer squash (Detached): its second derivative is not the derivative"),
        ("InItsOwnForward", "second derivatives", "the forward of InItsOwnForward itself: its second derivative"),
    ],
)
def test_what_is_broken_is_named(name: str, promise: str, said: str) -> None:
    report = check_learner(f"{HERE}:{name}")
    broken = [finding for finding in report.findings if not finding.kept]
    if name != "Hoards":
        assert [finding.promise for finding in broken] == [promise], str(report)
    assert said in {finding.promise: finding.detail for finding in broken}[promise]
    assert "BROKEN" in str(report)
    with pytest.raises(SeqDistillError, match=f"{name} cannot be a learner: {broken[0].promise}"):
        report.raise_if_broken()


def test_a_module_can_be_given_itself_and_is_left_as_it_is() -> None:
    class Mine(nn.Module):
        dim, length = 6, 9

        def forward(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            del mask
            return embedded.cumsum(1)

    module = Mine().train()
    assert seqdistill.check_learner(module).ok
    assert module.training
    with pytest.raises(SeqDistillError, match="Linear needs an attribute `dim`"):
        check_learner(nn.Linear(3, 3))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere_at_all:Class", "cannot import nowhere_at_all"),
        (f"{HERE}:Missing", "has no attribute 'Missing'"),
        (f"{HERE}:not_a_class", "is no torch.nn.Module class"),
        (f"{HERE}:UnknownView", "has the view 'backwards'; it must be one of causal, prefix, masked"),
        (f"{HERE}:NoScale", "has the item_rms 0.0; it must be a number above 0, or None"),
        (f"{HERE}:NoShare", "has the late_starts 1.5; it must be a probability, in 0..1"),
        (f"{HERE}:NoNames", "has the output_scale 'gain'; it must be names of its parameters"),
        (f"{HERE}:NoSuchParameter", "names 'gain' in output_scale, which is none of its parameters: inner.weight"),
        (f"{HERE}:MaskedWithoutAt", "its forward must take `at`"),
    ],
)
def test_classes_that_cannot_be_learners_are_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(SeqDistillError, match=said) as raised:
        build_learner(LearnerConfig(learner=name), dim=8, length=4)
    assert "\n" not in str(raised.value)


def test_what_a_class_wants_of_its_training_is_heard() -> None:
    wishes = build_learner(LearnerConfig(learner=f"{HERE}:OfItsOwnMind"), dim=8, length=4)
    assert (wishes.item_rms, wishes.late_starts) == (0.5, 0.25)
    assert set(wishes.output_scale) == {f"module.inner.{name}" for name in ("weight", "bias")}
    without = build_learner(LearnerConfig(learner=f"{HERE}:Sound"), dim=8, length=4)
    assert (without.item_rms, without.late_starts, without.output_scale) == (None, 0.0, ())


def test_options_and_dropout_reach_the_class_and_unknown_ones_are_named() -> None:
    def build(**options: float) -> nn.Module:
        config = LearnerConfig(learner=f"{HERE}:Sound", options=options)
        (module,) = build_learner(config, dim=8, length=4, dropout=0.25).children()
        return module

    module = build(gain=2.0)
    assert (module.gain, module.dropout) == (2.0, module.dropout)
    assert isinstance(module.dropout, nn.Dropout)
    assert module.dropout.p == 0.25
    with pytest.raises(SeqDistillError, match=r"cannot be constructed as \(8, 4, gian=2.0, dropout=0.25\)"):
        build(gian=2.0)


def test_a_module_without_reset_is_drawn_anew_by_constructing_it() -> None:
    learner = build_learner(LearnerConfig(learner=f"{HERE}:Sound"), dim=8, length=4)
    before = [p.detach().clone() for p in learner.parameters()]
    torch.manual_seed(5)
    learner.reset_parameters()
    after = [p.detach().clone() for p in learner.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    torch.manual_seed(5)
    learner.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(after, learner.parameters(), strict=True))


@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize("name", [f"{HERE}:Prefixes", DECODER])
def test_an_own_learner_trains_on_a_summary_and_its_model_comes_back(
    name: str, regime: str, planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path
) -> None:
    settings = [f"train.learner={name}", f"train.regime={regime}", "train.steps=60", "train.learning_rate=0.01"]
    model = train(planted_run[0].summary, out=tmp_path / "model", config=load_config(None, settings))
    metrics = evaluate(tmp_path / "model", planted[0], allow_code=name)["metrics"]
    assert metrics == evaluate(model, planted[0])["metrics"]
    assert TrainedModel.load(tmp_path / "model", allow_code=name).architecture.learner == name
    if name == DECODER:
        assert metrics["hr@10"] > 0.8


def test_the_example_runs(planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path) -> None:
    dataset, summary = planted[0], planted_run[0].summary
    lines = ["user_id,item_id,timestamp"]
    for user in range(dataset.num_users):
        own = dataset.items[dataset.offsets[user] : dataset.offsets[user + 1]]
        lines += [f"u{user},{item:02},{time}" for time, item in enumerate(own)]
    log = tmp_path / "planted.csv"
    log.write_text("\n".join(lines))
    # Ids whose order in the log is that of the planted items' numbers.
    ids = pl.Series([f"{item:02}" for item in range(1, dataset.num_items + 1)])
    replace(summary, item_ids=ids).save(tmp_path / "summary")
    script = ROOT / "examples" / "own_learner.py"
    command = [sys.executable, "-W", "error", script, tmp_path / "summary", log, "--steps", "40"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "BROKEN" not in output
    scores = [float(line.split()[-1]) for line in output.splitlines() if "NDCG@10" in line]
    assert len(scores) == 2
    assert min(scores) > 0.5
