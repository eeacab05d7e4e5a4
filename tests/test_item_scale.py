"""The scale of an item factor: what it leaves as it is, and what it is for."""

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch

from planted import planted_dataset
from seqdistill.block_floats import rounded
from seqdistill.config import DistillConfig, LearnerConfig, TeacherConfig
from seqdistill.distillation.loop import distill_summary
from seqdistill.item_scale import USUAL_RMS, at_scale_of, rescaled, usual_scale
from seqdistill.learners import GRU4Rec, Learner, Recommender, build_learner
from seqdistill.learners.scale import at_its_scale
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule
from seqdistill.training import FittedToLog, fit_to_log

LENGTH, DIM, ITEMS = 10, 8, 30
LOG, _ = planted_dataset()


def recommender(name: str = "sasrec", *, spread: float = 0.4, dim: int = DIM) -> Recommender:
    torch.manual_seed(0)
    learner = build_learner(LearnerConfig(learner=name), dim=dim, length=LENGTH, dropout=0.0)
    return Recommender(learner, spread * torch.randn(ITEMS, dim)).eval()


def rms(tensor: torch.Tensor) -> float:
    return float(tensor.square().mean().sqrt())


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_at_another_scale_every_score_is_the_same_to_the_last_bit(name: str) -> None:
    one = recommender(name)
    other = rescaled(one, 0.125)
    items = torch.randint(1, ITEMS + 1, (6, LENGTH), generator=torch.Generator().manual_seed(1))
    items[2, 4:] = 0
    with torch.no_grad():
        scores, same = (model.scores(model.last_states(items)) for model in (one, other))
    assert torch.equal(scores, same)
    assert torch.equal(other.embedding, one.embedding / 8)


@pytest.mark.parametrize("spread", [1e-3, 0.02, 0.059, 0.2, 0.42, 3.0])
def test_the_usual_scale_is_the_nearest_power_of_two(spread: float) -> None:
    embedding = spread * torch.randn(500, 16, generator=torch.Generator().manual_seed(2))
    scale = usual_scale(embedding)
    assert math.log2(scale).is_integer()
    assert USUAL_RMS / 2**0.5 <= rms(scale * embedding) <= USUAL_RMS * 2**0.5


@pytest.mark.parametrize("stored", [torch.clone, rounded])
def test_a_teacher_is_brought_to_the_scale_of_its_own_item_factor(
    stored: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    teacher = recommender()
    found = at_scale_of(stored(teacher.embedding.detach()) / 4, teacher)
    assert torch.equal(found.embedding, teacher.embedding / 4)


@pytest.mark.parametrize(
    "item_factor",
    [
        0.7 * recommender().embedding.detach(),
        recommender().embedding.detach().flip(0),
        torch.zeros(ITEMS, DIM),
        recommender(dim=4).embedding.detach(),
    ],
    ids=["no power of two", "of the same size", "zeros", "another width"],
)
def test_a_teacher_of_another_item_factor_stays_as_it_is(item_factor: torch.Tensor) -> None:
    teacher = recommender()
    assert at_scale_of(item_factor, teacher) is teacher


@pytest.fixture(scope="module")
def teacher() -> FittedToLog:
    config = TeacherConfig(dim=16, dropout=0.0, learning_rate=2e-2, batch_size=32, epochs=10, members=1)
    return fit_to_log(LOG, config, length=LENGTH, seed=0)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_summary_holds_the_teachers_items_at_the_scale_that_learners_want(
    teacher: FittedToLog, precision: Literal["int8", "float32"]
) -> None:
    config = DistillConfig(
        num_sequences=3, length=LENGTH, inner_regime="shared", steps=1, inner_steps=40, precision=precision
    )
    summary = distill_summary(LOG, teacher, config, [LearnerConfig()], seed=0).summary
    scale = usual_scale(teacher.model.embedding)
    assert scale != 1.0
    wanted = teacher.model.embedding.detach() * scale
    assert torch.equal(summary.item_factor, rounded(wanted) if precision == "int8" else wanted)
    assert summary.precision == precision


@pytest.mark.parametrize("settings", [{"item_scale": "teacher"}, {"learner_start": "teacher"}])
def test_the_teachers_own_scale_stays_where_it_is_wanted_or_needed(
    teacher: FittedToLog, settings: dict[str, str]
) -> None:
    config = DistillConfig(num_sequences=3, length=LENGTH, inner_regime="shared", steps=0, inner_steps=40, **settings)  # pyright: ignore[reportArgumentType]
    summary = distill_summary(LOG, teacher, config, [LearnerConfig()], seed=0).summary
    assert torch.equal(summary.item_factor, rounded(teacher.model.embedding.detach()))


def gru4rec() -> Learner:
    torch.manual_seed(0)
    return GRU4Rec(DIM, LENGTH, hidden=6).eval()


@pytest.mark.parametrize("spread", [1e-3, 0.06, 0.5, 4.0])
def test_items_given_to_a_learner_come_at_the_scale_it_wants(spread: float) -> None:
    item_factor = spread * torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(2))
    given = Recommender.shared(gru4rec(), item_factor).embedding
    wanted = GRU4Rec.item_rms
    assert wanted is not None
    assert wanted / 2**0.5 <= rms(given) <= wanted * 2**0.5
    power = math.log2(float(given[0, 0] / item_factor[0, 0]))
    assert power.is_integer()
    assert torch.equal(given, item_factor * 2**power)


def test_items_without_a_scale_and_learners_without_a_wish_leave_items_as_they_are() -> None:
    assert torch.equal(Recommender.shared(gru4rec(), torch.zeros(ITEMS, DIM)).embedding, torch.zeros(ITEMS, DIM))
    item_factor = 0.3 * torch.randn(ITEMS, DIM)
    sasrec = build_learner(LearnerConfig(), dim=DIM, length=LENGTH)
    assert torch.equal(Recommender.shared(sasrec, item_factor).embedding, item_factor)
    assert at_its_scale(sasrec, item_factor) is sasrec


def test_the_inner_loop_reads_and_scores_items_as_training_on_the_summary_does() -> None:
    item_factor = 0.06 * torch.randn(ITEMS, DIM)
    trained = Recommender.shared(gru4rec(), item_factor).eval()
    inner = Recommender(at_its_scale(gru4rec(), item_factor), item_factor).eval()
    items = torch.randint(1, ITEMS + 1, (6, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(inner.scores(inner.last_states(items)), trained.scores(trained.last_states(items)))


@pytest.mark.parametrize("hard", [False, True])
def test_a_learner_with_a_scale_of_its_own_learns_the_same_from_a_summary_at_any(hard: bool) -> None:
    rng = torch.Generator().manual_seed(3)
    item_factor = torch.randn(ITEMS, DIM, generator=rng)
    mask = torch.ones(4, LENGTH, dtype=torch.bool)
    if hard:
        read, predict = (torch.randint(1, ITEMS + 1, (4, LENGTH), generator=rng) for _ in range(2))
    else:
        read, predict = (torch.randn(4, LENGTH, DIM, generator=rng) for _ in range(2))

    def learned(scale: float) -> dict[str, torch.Tensor]:
        queries = (read, predict) if hard else (read / scale, predict / scale)
        sequences = Sequences(*queries, mask, item_factor * scale)
        architecture = LearnerConfig(learner="gru4rec", hidden=6)
        return fit_to_sequences(sequences, architecture, "shared", Schedule(0.01, 5), seed=0).state_dict()

    here, there = learned(1.0), learned(0.0625)
    assert all(torch.equal(here[name], there[name]) for name in here)
