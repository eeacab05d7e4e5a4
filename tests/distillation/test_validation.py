"""What validates a summary: new learners, trained side by side or one after the other."""

from typing import Literal

import numpy as np
import pytest
import torch

from planted import planted_dataset
from seqdistill.config import OPTIMISERS, DistillConfig, LearnerConfig, Optimiser, Regime
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


@pytest.mark.parametrize(("regimes", "threads"), [("shared", 1), ("shared", 2), ("fresh", 1), ("both", 2)])
def test_a_summary_is_worth_the_mean_of_its_learners_in_a_regime_by_the_better_optimiser(
    regimes: Regime | Literal["both"], threads: int
) -> None:
    summary = random_summary()
    config = CONFIG.model_copy(update={"inner_regime": regimes})
    with computing_on(threads), Validation(LOG, config, ARCHITECTURES, seed=SEED, device=CPU) as validation:
        found = [validation.of(summary) for _ in range(2)]
    best: list[dict[str, float]] = []
    for regime in config.regimes:
        with computing_on(1):
            worth = [mean_of_learners(summary, regime, optimiser) for optimiser in OPTIMISERS[regime]]
        assert len({metrics["ndcg@100"] for metrics in worth}) == len(OPTIMISERS[regime])
        best.append(max(worth, key=lambda metrics: metrics["ndcg@100"]))
    assert found == [mean_of(best)] * 2


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def mean_of_learners(summary: Summary, regime: Regime, optimiser: Optimiser) -> dict[str, float]:
    rows: list[dict[str, float]] = []
    for architecture in ARCHITECTURES:
        for index in range(2):
            model = fit_to_sequences(
                summary.sequences(),
                architecture,
                regime,
                Schedule(0.02, 12, optimiser),
                seed=derive_seed(SEED, "validation", index),
                length=LENGTH,
            )
            rows.append(summarise(rank_held_out(model, LOG, "validation", length=LENGTH)))
    assert len({row["ndcg@100"] for row in rows}) > 1
    return mean_of(rows)
