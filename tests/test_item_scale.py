"""The scale of an item factor: what it leaves as it is, and what it is for."""

import math

import pytest
import torch

from planted import planted_dataset
from seqdistill.config import DistillConfig, LearnerConfig, TeacherConfig
from seqdistill.distillation.loop import distill_summary
from seqdistill.item_scale import USUAL_RMS, at_scale_of, rescaled, usual_scale
from seqdistill.learners import Recommender, build_learner
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


def test_a_teacher_is_brought_to_the_scale_of_its_own_item_factor() -> None:
    teacher = recommender()
    found = at_scale_of(teacher.embedding.detach() / 4, teacher)
    assert torch.equal(found.embedding, teacher.embedding / 4)


@pytest.mark.parametrize(
    "item_factor",
    [0.7 * recommender().embedding.detach(), torch.zeros(ITEMS, DIM), recommender(dim=4).embedding.detach()],
    ids=["no power of two", "zeros", "another width"],
)
def test_a_teacher_of_another_item_factor_stays_as_it_is(item_factor: torch.Tensor) -> None:
    teacher = recommender()
    assert at_scale_of(item_factor, teacher) is teacher


@pytest.fixture(scope="module")
def teacher() -> FittedToLog:
    config = TeacherConfig(dim=16, dropout=0.0, learning_rate=2e-2, batch_size=32, epochs=10, members=1)
    return fit_to_log(LOG, config, length=LENGTH, seed=0)


def test_a_summary_holds_the_teachers_items_at_the_scale_that_learners_want(teacher: FittedToLog) -> None:
    config = DistillConfig(num_sequences=3, length=LENGTH, steps=0, inner_steps=40)
    summary = distill_summary(LOG, teacher, config, [LearnerConfig()], seed=0).summary
    scale = usual_scale(teacher.model.embedding)
    assert scale != 1.0
    assert torch.equal(summary.item_factor, teacher.model.embedding.detach() * scale)


@pytest.mark.parametrize("settings", [{"item_scale": "teacher"}, {"learner_start": "teacher"}])
def test_the_teachers_own_scale_stays_where_it_is_wanted_or_needed(
    teacher: FittedToLog, settings: dict[str, str]
) -> None:
    config = DistillConfig(num_sequences=3, length=LENGTH, steps=0, inner_steps=40, **settings)  # pyright: ignore[reportArgumentType]
    summary = distill_summary(LOG, teacher, config, [LearnerConfig()], seed=0).summary
    assert torch.equal(summary.item_factor, teacher.model.embedding.detach())
