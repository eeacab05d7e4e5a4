"""The replayed hypergradient against plain autograd through the whole unrolled window, in float64."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from seqdistill.attention import soft_embeddings
from seqdistill.config import REGIMES, Regime
from seqdistill.distillation import inner
from seqdistill.distillation.adam import AdamRule, AdamState, adam_step
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.inner import InnerObjective, Inputs
from seqdistill.distillation.outer import OuterObjective
from seqdistill.distillation.replay import replay, run_window, warm_up
from seqdistill.distillation.step import InnerStep
from seqdistill.distillation.tape import STEP_STATES
from seqdistill.learners import Recommender, SASRec
from seqdistill.learners.paces import pace_vector
from seqdistill.summary import Factors

N, LENGTH, DIM, ITEMS = 5, 6, 8, 40
SPARE_POSITIONS = 2
"""Positions the learner has and the sequences do not: parameters whose gradient is exactly zero throughout."""


@dataclass
class Problem:
    objective: InnerObjective
    outer: OuterObjective
    windows: Tensor
    inputs: Inputs
    start: AdamState
    rule: AdamRule

    @property
    def step(self) -> InnerStep:
        return InnerStep(self.objective, self.rule)


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_problem(
    *,
    weight_decay: float,
    alignment: float,
    cuts: int | str = "all",
    batch: int = 3,
    regime: Regime = "shared",
    late: float = 0.0,
    targets: Literal["teacher", "log"] = "log",
) -> Problem:
    torch.manual_seed(3)
    embedding = torch.randn(ITEMS, DIM)
    teacher = Recommender(SASRec(DIM, LENGTH + SPARE_POSITIONS), embedding).eval()
    for parameter in teacher.parameters():
        parameter.requires_grad = False
    learner = SASRec(DIM, LENGTH + SPARE_POSITIONS)
    learner.late_starts = late
    model = FlatRecommender(learner, embedding, regime)
    objective = InnerObjective(model, N, LENGTH, batch, cuts)  # type: ignore[arg-type]
    windows = torch.randint(1, ITEMS + 1, (7, LENGTH + 1))
    windows[2, 3:] = 0
    inputs = (torch.randn(N, LENGTH, DIM), torch.randn(N, LENGTH, DIM))
    rule = AdamRule(0.01, weight_decay=weight_decay, paces=pace_vector(learner, regime))
    rng = torch.Generator().manual_seed(5)
    warm = [objective.draw(rng) for _ in range(3)]
    start = warm_up(InnerStep(objective, rule), AdamState.start(model.draw(rng)), warm, inputs)
    return Problem(objective, OuterObjective(model, teacher, alignment, targets), windows, inputs, start, rule)


def outer_value(problem: Problem, theta: Tensor) -> Tensor:
    """The outer loss written out anew from its definition."""
    outer, read = problem.outer, problem.windows[:, :-1]
    target, present = problem.windows[:, 1:], problem.windows[:, 1:] > 0
    body, embedding = outer.model.split(theta)
    states = outer.model.states(body, embedding[(read - 1).clamp(min=0)], read > 0)
    log_q = (states @ embedding.T).log_softmax(-1)
    if outer.targets == "teacher":
        wanted = outer.teacher.scores(outer.teacher(read)).softmax(-1)
    else:
        wanted = one_hot((target - 1).clamp(min=0), ITEMS)
    entropy = -(wanted * log_q).sum(-1)[present].mean()
    if outer.model.regime == "fresh":
        return entropy
    aligned = (states - outer.teacher(read))[present].square().mean()
    return entropy + outer.alignment_weight * aligned


def plain_embeddings(queries: Tensor, factor: Tensor, embedding: Tensor, **_: object) -> Tensor:
    return (queries @ factor.T).softmax(-1) @ embedding


def plain_cross_entropy(states: Tensor, targets: Tensor, embedding: Tensor, **_: object) -> Tensor:
    return (states @ embedding.T).logsumexp(-1) - (states * targets).sum(-1)


def unrolled(problem: Problem, window: int, rng: torch.Generator) -> Inputs:
    leaves = tuple(x.clone().requires_grad_() for x in problem.inputs)
    theta, m, v = problem.start
    state = AdamState(theta.clone().requires_grad_(), m, v)
    with pytest.MonkeyPatch.context() as patch:
        # Nothing of the library's own derivatives on this side.
        patch.setattr(inner, "soft_embeddings", plain_embeddings)
        patch.setattr(inner, "soft_cross_entropy", plain_cross_entropy)
        for step in range(4, 4 + window):
            loss = problem.objective.loss(state.theta, leaves, problem.objective.draw(rng))
            (gradient,) = torch.autograd.grad(loss, state.theta, create_graph=True)
            state = adam_step(problem.rule, state, gradient, problem.rule.corrections(step))
    return torch.autograd.grad(outer_value(problem, state.theta), leaves)


def replayed(problem: Problem, window: int, rng: torch.Generator, memory: int = 1 << 30) -> Inputs:
    draws = [problem.objective.draw(rng) for _ in range(window)]
    end, window_run = run_window(problem.step, problem.start, draws, problem.inputs, first_step=4, memory=memory)
    outer = problem.outer.evaluate(end.theta, problem.windows)
    return replay(problem.step, window_run, problem.inputs, outer.theta_bar)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("window", [1, 7, 40])
@pytest.mark.parametrize(
    ("weight_decay", "alignment", "cuts", "late", "targets"),
    [
        (0.0, 0.0, "all", 0.0, "teacher"),
        (0.0, 0.0, "all", 0.0, "log"),
        (5e-2, 1.0, "all", 0.0, "log"),
        (5e-2, 0.5, 1, 0.0, "teacher"),
        (5e-2, 1.0, "all", 0.7, "log"),
        (0.0, 0.5, 1, 0.7, "log"),
    ],
)
def test_replay_equals_the_unrolled_window(
    window: int, weight_decay: float, alignment: float, cuts: int | str, late: float, targets: Literal["teacher", "log"]
) -> None:
    problem = make_problem(weight_decay=weight_decay, alignment=alignment, cuts=cuts, late=late, targets=targets)
    expected = unrolled(problem, window, torch.Generator().manual_seed(9))
    actual = replayed(problem, window, torch.Generator().manual_seed(9))
    for one, other in zip(actual, expected, strict=True):
        assert float(other.norm()) > 0
        assert float((one - other).norm() / other.norm()) < 1e-9


@pytest.mark.usefixtures("double_precision")
def test_parameters_with_zero_gradient_are_in_the_problem() -> None:
    problem = make_problem(weight_decay=0.0, alignment=0.0)
    assert (problem.start.v == 0).sum() >= SPARE_POSITIONS * DIM


@pytest.mark.usefixtures("double_precision")
def test_hypergradient_of_the_factors_predicts_a_finite_difference() -> None:
    problem = make_problem(weight_decay=1e-3, alignment=1.0)
    item_factor = problem.objective.model.item_factor
    factors = Factors(torch.randn(N, 3), torch.randn(LENGTH, 4), torch.randn(3, 4, 2 * DIM) / 4)

    def embed(factors: Factors) -> Inputs:
        return tuple(soft_embeddings(q, item_factor, item_factor) for q in factors.query_pairs("separate"))

    def value(factors: Factors) -> Tensor:
        rng = torch.Generator().manual_seed(9)
        draws = [problem.objective.draw(rng) for _ in range(7)]
        end, _ = run_window(problem.step, problem.start, draws, embed(factors), first_step=4)
        return outer_value(problem, end.theta)

    for factor in factors:
        factor.requires_grad_()
    embedded = embed(factors)
    bars = replayed(
        dataclasses.replace(problem, inputs=tuple(e.detach() for e in embedded)),
        7,
        torch.Generator().manual_seed(9),
    )
    gradients = torch.autograd.grad(embedded, factors, bars)
    direction = [torch.randn_like(f) for f in factors]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    step = 1e-6
    moved = [
        Factors(*(f.detach() + sign * step * d for f, d in zip(factors, direction, strict=True))) for sign in (1, -1)
    ]
    measured = float((value(moved[0]) - value(moved[1])) / (2 * step))
    assert measured == pytest.approx(slope, rel=1e-5)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("cuts", ["all", 2])
def test_a_sequence_that_begins_late_is_what_is_left_of_it(cuts: int | str) -> None:
    problem = make_problem(weight_decay=0.0, alignment=0.0, cuts=cuts, batch=N, late=0.8)
    model, theta = problem.objective.model, problem.start.theta
    body, embedding = model.split(theta)
    rng = torch.Generator().manual_seed(2)
    begun_late = 0
    for _ in range(20):
        draw = problem.objective.draw(rng)
        assert draw.places is not None
        losses: list[Tensor] = []
        for row, first in enumerate(draw.places[:, 0].tolist()):
            begun_late += first > 0
            read, predict = (x[row : row + 1, first:] for x in problem.inputs)
            states = model.states(body, read, torch.ones(read.shape[:2], dtype=torch.bool))
            every = plain_cross_entropy(states, predict, embedding)[0]
            losses.append(every if draw.at is None else every[draw.at[row]])
        wanted = torch.cat(losses).mean()
        assert float(problem.objective.loss(theta, problem.inputs, draw)) == pytest.approx(float(wanted), rel=1e-10)
    assert 0.4 < begun_late / (20 * N) < 0.9


def test_learners_whose_embedding_is_learned_along_read_sequences_from_the_beginning() -> None:
    problem = make_problem(weight_decay=0.0, alignment=0.0, regime="fresh", late=0.8)
    assert problem.objective.draw(torch.Generator().manual_seed(2)).places is None


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("targets", ["teacher", "log"])
def test_outer_loss_and_its_gradient_are_those_of_their_definition(
    regime: Regime, targets: Literal["teacher", "log"]
) -> None:
    problem = make_problem(weight_decay=0.0, alignment=0.5, regime=regime, targets=targets)
    outer = problem.outer.evaluate(problem.start.theta, problem.windows)
    theta = problem.start.theta.detach().requires_grad_()
    total = outer_value(problem, theta)
    assert outer.cross_entropy + 0.5 * outer.alignment == pytest.approx(float(total.detach()), rel=1e-5)
    (gradient,) = torch.autograd.grad(total, theta)
    torch.testing.assert_close(outer.theta_bar, gradient, rtol=1e-3, atol=1e-6)


def test_states_that_go_to_disk_come_back_as_they_were() -> None:
    problem = make_problem(weight_decay=1e-3, alignment=1.0)
    state_bytes = sum(t.numel() * t.element_size() for t in problem.start)
    in_memory = replayed(problem, 9, torch.Generator().manual_seed(9))
    for held in (0, 4):
        memory = (STEP_STATES + held) * state_bytes
        spilled = replayed(problem, 9, torch.Generator().manual_seed(9), memory=memory)
        assert all(torch.equal(one, other) for one, other in zip(spilled, in_memory, strict=True))


@pytest.mark.parametrize("regime", ["shared", "fresh"])
def test_what_a_window_remembers_of_its_steps_holds_no_graph(regime: Regime) -> None:
    # A graph holds the embedding of its step, whatever became of the state it was part of.
    problem = make_problem(weight_decay=0.0, alignment=0.0, regime=regime)
    draws = [problem.objective.draw(torch.Generator().manual_seed(9)) for _ in range(3)]
    _, window = run_window(problem.step, problem.start, draws, problem.inputs, first_step=4)
    remembered = [tensor for step in window.steps for pair in step.memo.values() for tensor in pair]
    assert remembered
    assert not any(tensor.requires_grad for tensor in remembered)
