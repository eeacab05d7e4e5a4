"""A compiled inner step computes what the plain one does."""

from collections.abc import Iterator

import pytest
import torch

from seqdistill.attention import soft_embeddings
from seqdistill.config import LearnerConfig, Regime
from seqdistill.distillation.adam import AdamRule, AdamState
from seqdistill.distillation.compiled import WORTHWHILE_STEPS, CompiledStep, compile_step
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.inner import InnerObjective
from seqdistill.distillation.replay import replay, run_window
from seqdistill.distillation.step import InnerStep
from seqdistill.learners import Learner, SASRec, build_learner
from seqdistill.learners.paces import pace_vector

N, LENGTH, DIM, ITEMS = 5, 6, 8, 40


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_step(
    learner: Learner, regime: Regime, cuts: int | str = "all", batch: int = N, late: float = 0.0
) -> InnerStep:
    item_factor = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(1))
    learner.late_starts = late
    model = FlatRecommender(learner, item_factor, regime)
    objective = InnerObjective(model, N, LENGTH, batch, cuts)  # type: ignore[arg-type]
    return InnerStep(objective, AdamRule(0.01, weight_decay=1e-3, paces=pace_vector(learner, regime)))


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize(
    ("cuts", "batch", "late"), [("all", N, 0.0), (1, N, 0.0), (2, 3, 0.0), ("all", N, 0.7), (1, 3, 0.7)]
)
def test_a_traced_step_gives_the_same_window_and_hypergradient(
    regime: Regime, cuts: int | str, batch: int, late: float
) -> None:
    torch.manual_seed(0)
    step = make_step(SASRec(DIM, LENGTH), regime, cuts, batch, late)
    model = step.objective.model
    rng = torch.Generator().manual_seed(2)
    start = AdamState.start(model.draw(rng))
    inputs = (torch.randn(N, LENGTH, DIM), torch.randn(N, LENGTH, DIM))
    if regime == "shared":
        inputs = tuple(soft_embeddings(x, model.item_factor, model.item_factor) for x in inputs)
    draws = [step.objective.draw(rng) for _ in range(6)]
    theta_bar = torch.randn_like(start.theta)
    example = [torch.zeros_like(x) for x in inputs]
    compiled = CompiledStep(step, AdamState.start(torch.ones_like(start.theta)), tuple(example), draws[0], fuse=False)
    results: list[tuple[torch.Tensor, ...]] = []
    for one in (step, compiled):
        end, window = run_window(one, start, draws, inputs)
        results.append((*end, *replay(one, window, inputs, theta_bar)))
    for ours, plain in zip(*results, strict=True):
        assert float((ours - plain).norm() / plain.norm()) < 1e-11


def test_a_short_run_is_not_compiled() -> None:
    step = make_step(SASRec(DIM, LENGTH), "shared")
    assert compile_step(step, steps=WORTHWHILE_STEPS - 1, wish="auto") is step
    assert compile_step(step, steps=10 * WORTHWHILE_STEPS, wish="never") is step


def test_a_trace_that_is_too_long_is_refused_before_it_is_compiled() -> None:
    step = make_step(SASRec(DIM, LENGTH), "shared")
    start = AdamState.start(step.objective.model.draw(torch.Generator()))
    inputs = (torch.ones(N, LENGTH, DIM), torch.ones(N, LENGTH, DIM))
    with pytest.raises(RuntimeError, match="more than 10"):
        CompiledStep(step, start, inputs, step.objective.draw(torch.Generator()), limit=10)


@pytest.mark.parametrize("name", ["bert4rec", "gru4rec", "narm"])
def test_every_architecture_can_be_traced(name: str) -> None:
    torch.manual_seed(0)
    step = make_step(build_learner(LearnerConfig(learner=name), dim=DIM, length=LENGTH), "shared")
    rng = torch.Generator().manual_seed(2)
    start = AdamState.start(step.objective.model.draw(rng))
    inputs = (torch.randn(N, LENGTH, DIM), torch.randn(N, LENGTH, DIM))
    draws = [step.objective.draw(rng) for _ in range(2)]
    compiled = CompiledStep(step, start, inputs, draws[0], fuse=False)
    results = [run_window(one, start, draws, inputs)[0].theta for one in (step, compiled)]
    torch.testing.assert_close(*results)
