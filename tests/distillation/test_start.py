"""The sequences a summary starts from."""

import numpy as np
import pytest
import torch
from torch import Tensor

from planted import FOLLOWS, NUM_ITEMS, planted_dataset
from seqdistill.config import LearnerConfig, TeacherConfig
from seqdistill.data import Dataset
from seqdistill.distillation import start
from seqdistill.distillation.start import (
    covering_sequences,
    generate_sequences,
    logit_metric,
    states_of_users,
)
from seqdistill.learners import Recommender, build_learner
from seqdistill.training import fit_to_log

LOG, SUCCESSOR = planted_dataset()
LENGTH = 10


@pytest.fixture(scope="module")
def teacher() -> Recommender:
    config = TeacherConfig(dim=16, dropout=0.0, learning_rate=2e-2, batch_size=32, epochs=40, members=1)
    return fit_to_log(LOG, config, length=LENGTH, seed=0).model


def untaught(dataset: Dataset) -> Recommender:
    torch.manual_seed(0)
    learner = build_learner(LearnerConfig(), dim=8, length=LENGTH, dropout=0.0)
    return Recommender.fresh(learner, dataset.num_items).eval()


def generated(dataset: Dataset, teacher: Recommender, count: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return generate_sequences(dataset, teacher, num_sequences=count, length=LENGTH, rng=rng)


def covering(teacher: Recommender, count: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return covering_sequences(LOG, teacher, num_sequences=count, length=LENGTH, rng=rng)


def without_repeats() -> Dataset:
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(NUM_ITEMS)[:12] + 1 for _ in range(50)])
    return Dataset("once", items, np.arange(51) * 12, LOG.item_ids, LOG.user_ids[:50], LOG.provenance)


def test_generated_sequences_follow_the_law_the_teacher_learned(teacher: Recommender) -> None:
    drawn = generated(LOG, teacher, 400).numpy()
    follows = (SUCCESSOR[drawn[:, :-1]] == drawn[:, 1:]).mean()
    assert follows == pytest.approx(FOLLOWS, abs=0.05)
    begins = LOG.items[LOG.offsets[:-1]]
    assert set(drawn[:, 0].tolist()) <= set(np.asarray(begins).tolist())


def test_an_item_comes_twice_only_where_the_log_has_repeats(teacher: Recommender) -> None:
    once = without_repeats()
    assert not once.has_repeats
    assert LOG.has_repeats
    drawn = generated(once, untaught(once), 100)
    assert all(len(set(row)) == LENGTH for row in drawn.tolist())
    assert any(len(set(row)) < LENGTH for row in generated(LOG, teacher, 100).tolist())


@torch.no_grad()
def predicted_beside(teacher: Recommender, many: Tensor, few: Tensor) -> float:
    """Mean Kullback-Leibler divergence from the prediction after one of many histories to the nearest in a few."""
    wanted = teacher.scores(teacher.last_states(many)).log_softmax(-1)
    there = teacher.scores(teacher(few).flatten(0, 1)).log_softmax(-1)
    divergence = (wanted.exp() * wanted).sum(-1, keepdim=True) - wanted.exp() @ there.T
    return float(divergence.amin(1).mean())


def test_the_start_predicts_what_users_need_better_than_as_many_as_they_come(teacher: Recommender) -> None:
    histories = torch.from_numpy(LOG.held_out("test", LENGTH)[0])
    covered = [predicted_beside(teacher, histories, covering(teacher, 15, seed)) for seed in range(5)]
    drawn = [predicted_beside(teacher, histories, generated(LOG, teacher, 15, seed)) for seed in range(5)]
    assert max(covered) < min(drawn)


def test_the_metric_of_logits_is_their_spread_over_the_catalogue(teacher: Recommender) -> None:
    states = teacher(generated(LOG, teacher, 2)).flatten(0, 1).detach()
    logits = teacher.scores(states).detach()
    spread = (logits[:1] - logits).var(1, correction=0)
    to_logits = logit_metric(teacher.item_embedding.detach())
    distances = ((states[:1] - states) @ to_logits).square().sum(1)
    torch.testing.assert_close(distances, spread, rtol=1e-4, atol=1e-4)


def test_states_of_users_are_those_after_training_items_and_no_others(teacher: Recommender) -> None:
    states = states_of_users(LOG, teacher, 300, LENGTH, torch.Generator().manual_seed(0))
    ends = [(user, end) for user, end in enumerate(LOG.training_ends)]
    histories = [
        LOG.items[max(LOG.offsets[user], end - LENGTH) : end]
        for user, last in ends
        for end in range(LOG.offsets[user] + 1, last + 1)
    ]
    padded = torch.tensor([[*map(int, history), *[0] * (LENGTH - len(history))] for history in histories])
    possible = teacher.last_states(padded).detach()
    nearest = torch.cdist(states, possible, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert float(nearest.max()) < 1e-4
    # Neither only early positions nor only late ones.
    assert len(torch.unique(states, dim=0)) > 200


def test_too_large_a_catalogue_to_choose_from_many_leaves_the_generated_ones(
    teacher: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "MAX_DRAWN_FROM", 1)
    assert sorted(covering(teacher, 15).tolist()) == sorted(generated(LOG, teacher, 15).tolist())


def test_parts_generated_apart_are_as_long_and_as_many(teacher: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "SEQUENCES_AT_ONCE", 7)
    drawn = generated(LOG, teacher, 30)
    assert drawn.shape == (30, LENGTH)
    assert ((drawn >= 1) & (drawn <= NUM_ITEMS)).all()
