import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seqdistill import prediction_loss as module
from seqdistill import sequences as sequences_module
from seqdistill.attention import soft_cross_entropy, soft_embeddings
from seqdistill.config import LearnerConfig, Regime
from seqdistill.learners import Recommender
from seqdistill.learners.paces import paces
from seqdistill.prediction_loss import Distributions, Table, Targets, prediction_loss
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import EVERY, Sequences
from seqdistill.summary import Schedule
from seqdistill.views import POSITIONS_A_MOVE, ask, begin_late, draws_per_sequence

ROWS, ITEMS, DIM, OTHER, N, LENGTH = 23, 31, 8, 5, 6, 7


def adam(model: Recommender, regime: Regime, rate: float) -> torch.optim.Adam:
    """Adam as torch has it, each parameter at its pace."""
    groups: list[dict[str, Any]] = [
        {"params": [p], "lr": rate * paces(model.learner, regime).get(name.removeprefix("learner."), 1.0)}
        for name, p in model.named_parameters()
        if p.requires_grad
    ]
    return torch.optim.Adam(groups)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=["one tile", "many tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many tiles":
        monkeypatch.setitem(module.TILE_NUMBERS, "cpu", 5 * ITEMS)
        monkeypatch.setattr(module, "LEAST_ROWS", 5)


def draw(*shapes: tuple[int, ...]) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=rng) for shape in shapes]


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("kind", ["items", "table", "made when asked for"])
@pytest.mark.parametrize("selected", [False, True])
def test_loss_and_gradients_are_those_of_the_streamed_cross_entropy(kind: str, selected: bool) -> None:
    states, embedding, queries, factor = draw((ROWS, DIM), (ITEMS, DIM), (ROWS, OTHER), (ITEMS, OTHER))
    items = torch.randint(1, ITEMS + 1, (ROWS,), generator=torch.Generator().manual_seed(1))
    tables: dict[str, Table] = {
        "items": items,
        "table": (queries @ factor.T).softmax(1),
        "made when asked for": Distributions(queries, factor),
    }
    # In another order, one of them twice and some not at all.
    at = torch.tensor([3, 0, 22, 3, 17, 9, 11, 12]) if selected else torch.arange(ROWS)
    ours, streamed = ([t.clone().requires_grad_() for t in (states[: len(at)], embedding)] for _ in range(2))
    found = prediction_loss(ours[0], ours[1], Targets(tables[kind], at if selected else None))
    h, e = streamed
    mean = e[items[at] - 1] if kind == "items" else soft_embeddings(queries[at], factor, e)
    expected = soft_cross_entropy(h, mean, e).mean()
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for one, other in zip(
        torch.autograd.grad(3 * found, ours), torch.autograd.grad(3 * expected, streamed), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("tiles")
def test_without_targets_it_is_the_mean_normaliser_and_a_constant_embedding_gets_no_gradient() -> None:
    states, embedding = draw((ROWS, DIM), (ITEMS, DIM))
    states.requires_grad_()
    found = prediction_loss(states, embedding)
    expected = (states @ embedding.T).logsumexp(1).mean()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, states)[0] for value in (found, expected)))


def test_scores_far_beyond_the_range_of_exp_do_not_overflow() -> None:
    states, embedding = (t.float() for t in draw((ROWS, DIM), (ITEMS, DIM)))
    states.requires_grad_()
    scores = (1e4 * states.detach() @ embedding.T).double()
    items = 1 + scores.argmin(1)
    found = prediction_loss(1e4 * states, embedding, Targets(items))
    torch.testing.assert_close(found.double(), cross_entropy(scores, items - 1), rtol=1e-5, atol=1e-2)
    assert torch.autograd.grad(found, states)[0].isfinite().all()


def test_a_second_derivative_is_refused() -> None:
    states, embedding = (t.requires_grad_() for t in draw((ROWS, DIM), (ITEMS, DIM)))
    loss = prediction_loss(states, embedding, Targets(torch.ones(ROWS, dtype=torch.int64)))
    with pytest.raises(NotImplementedError, match="soft_cross_entropy"):
        torch.autograd.grad(loss, states, create_graph=True)


@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize("reads", ["items", "queries"])
@pytest.mark.parametrize("cached", [False, True])
def test_training_on_sequences_follows_plain_gradient_steps(
    regime: Regime, reads: str, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        monkeypatch.setattr(sequences_module, "MAX_CACHED_PROBABILITIES", 0)
    n, length, steps, rate = 3, 7, 6, 0.01
    factor, asked, predicted = draw((ITEMS, DIM), (n, length, DIM), (n, length, DIM))
    items = torch.randint(1, ITEMS + 1, (n, length), generator=torch.Generator().manual_seed(1))
    # All targets, or some sequences shorter than others.
    mask = torch.arange(length) < torch.tensor([[7], [4 if reads == "items" else 7], [7]])
    sequences = Sequences(items if reads == "items" else asked, predicted, mask, factor)
    begun: list[Recommender] = []

    def keep(step: int, model: Recommender) -> None:
        if step == 0:
            begun.append(copy.deepcopy(model))

    ours = fit_to_sequences(sequences, LearnerConfig(), regime, Schedule(rate, steps), seed=0, on_step=keep)
    (plain,) = begun
    optimiser = adam(plain, regime, rate)
    wanted = (predicted @ factor.T).softmax(-1)
    for _ in range(steps):
        read = plain.embed(items) if reads == "items" else (asked @ factor.T).softmax(-1) @ plain.embedding
        scores = plain.scores(plain.learner(read, mask)[mask])
        optimiser.zero_grad()
        cross_entropy(scores, wanted[mask]).backward()
        optimiser.step()
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("regime", "moves"), [("shared", 1), ("fresh", 4)])
def test_a_step_of_a_fresh_learner_moves_once_for_every_few_sequences(regime: Regime, moves: int) -> None:
    n, length, rate = 4 * (POSITIONS_A_MOVE // 16), 16, 1e-3
    factor, read, predict = draw((ITEMS, DIM), (n, length, DIM), (n, length, DIM))
    sequences = Sequences(read, predict, torch.ones(n, length, dtype=torch.bool), factor)
    begun: list[Recommender] = []

    def keep(step: int, model: Recommender) -> None:
        if step == 0:
            begun.append(copy.deepcopy(model))

    ours = fit_to_sequences(sequences, LearnerConfig(), regime, Schedule(rate, 1), seed=0, on_step=keep)
    rest = [
        name for name, _ in ours.named_parameters() if name.removeprefix("learner.") not in paces(ours.learner, regime)
    ]
    largest = max(float((ours.get_parameter(n) - begun[0].get_parameter(n)).detach().abs().max()) for n in rest)
    # Adam's first moves are as long as the rate for gradients that agree, and hardly ever longer.
    assert (moves - 0.5) * rate < largest < (moves + 0.5) * rate


@pytest.mark.parametrize("learner", ["gru4rec", "narm"])
def test_a_step_on_sequences_that_begin_late_is_one_on_what_is_left_of_them(learner: str) -> None:
    factor, read, predict = draw((ITEMS, DIM), (N, LENGTH, DIM), (N, LENGTH, DIM))
    sequences = Sequences(read, predict, torch.ones(N, LENGTH, dtype=torch.bool), factor)
    begun: list[tuple[Recommender, Tensor]] = []

    def keep(step: int, model: Recommender) -> None:
        if step == 0:
            begun.append((copy.deepcopy(model), torch.get_rng_state()))

    ours = fit_to_sequences(
        sequences, LearnerConfig(learner=learner), "shared", Schedule(1e-3, 1), seed=0, on_step=keep
    )
    ((plain, random),) = begun
    rng = torch.Generator()
    rng.set_state(random)
    draws = draws_per_sequence(plain.learner, N)
    places, present = begin_late(torch.ones(draws * N, LENGTH, dtype=torch.bool), plain.learner.late_starts, rng)
    asked = ask(plain.learner, present, rng)
    optimiser = adam(plain, "shared", 1e-3)
    embedded, wanted = ((x @ factor.T).softmax(-1) for x in (read, predict))
    losses: list[Tensor] = []
    for row, first in enumerate(places[:, 0].tolist()):
        last = LENGTH - first if asked.at is None else int(asked.at[row, 0]) + 1
        shown = (embedded[row % N, first : first + last] @ plain.embedding)[None]
        states = plain.learner(shown, torch.ones(1, last, dtype=torch.bool))[0]
        scores, targets = plain.scores(states), wanted[row % N, first : first + last]
        losses.append(
            cross_entropy(scores, targets, reduction="none")
            if asked.at is None
            else cross_entropy(scores[-1:], targets[-1:], reduction="none")
        )
    torch.cat(losses).mean().backward()
    optimiser.step()
    assert int((places[:, 0] > 0).sum()) > 0
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_mean_of_what_is_to_be_predicted_is_that_of_its_distributions() -> None:
    factor, read, predict = draw((ITEMS, DIM), (2, 3, DIM), (2, 3, DIM))
    sequences = Sequences(read, predict, torch.ones(2, 3, dtype=torch.bool), factor)
    table = sequences.targets()
    assert isinstance(table, Tensor)
    torch.testing.assert_close(table.sum(1), torch.ones(6))
    torch.testing.assert_close(table @ factor, sequences.mean_targets(factor))
    torch.testing.assert_close(sequences.inputs()(factor, EVERY), (read @ factor.T).softmax(-1) @ factor)
