"""What validates a summary: new learners, trained side by side or one after the other."""

import numpy as np
import pytest
import torch

from planted import planted_dataset
from seqdistill.config import OPTIMISERS, DistillConfig, LearnerConfig, Optimiser
from seqdistill.distillation.validation import Validation
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.seeding import derive_seed
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.summary import Factors, Schedule, Summary
from seqdistill.training import CPU
from seqdistill.workers import computing_on

LENGTH, DIM, SEED = 6, 8, 5
LOG, _ = planted_dataset(60)
CONFIG = DistillConfig(
    num_sequences=4, length=LENGTH, inner_steps=12, window=2, inner_learning_rate=0.02, validation_learners=2
)
ARCHITECTURES = [LearnerConfig(), LearnerConfig(learner="gru4rec", hidden=6)]


def random_summary() -> Summary:
    rng = torch.Generator().manual_seed(0)
    core = torch.randn(4, LENGTH, 2 * DIM, generator=rng)
    item_factor = torch.randn(LOG.num_items, DIM, generator=rng)
    return Summary(Factors(torch.eye(4), torch.eye(LENGTH), core), item_factor, LOG.item_ids, "separate")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_summary_is_worth_the_mean_of_its_learners_by_the_better_optimiser(threads: int) -> None:
    summary = random_summary()
    with computing_on(threads), Validation(LOG, CONFIG, ARCHITECTURES, seed=SEED, device=CPU) as validation:
        found = [validation.of(summary) for _ in range(2)]
    with computing_on(1):
        worth = {optimiser: mean_of_learners(summary, optimiser) for optimiser in OPTIMISERS}
    scores = [metrics["ndcg@100"] for metrics in worth.values()]
    assert scores[0] != scores[1]
    best = max(worth.values(), key=lambda metrics: metrics["ndcg@100"])
    assert found == [best, best]


def mean_of_learners(summary: Summary, optimiser: Optimiser) -> dict[str, float]:
    rows: list[dict[str, float]] = []
    for architecture in ARCHITECTURES:
        for index in range(2):
            model = fit_to_sequences(
                summary.sequences(),
                architecture,
                "shared",
                Schedule(0.02, 12, optimiser),
                seed=derive_seed(SEED, "validation", index),
                length=LENGTH,
            )
            rows.append(summarise(rank_held_out(model, LOG, "validation", length=LENGTH)))
    assert len({row["ndcg@100"] for row in rows}) > 1
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
