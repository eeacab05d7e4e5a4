"""How long the search for a number of training steps goes on, and what it goes by."""

import numpy as np
import pytest
import torch

from seqdistill.config import OPTIMISERS, Config, Optimiser
from seqdistill.data import Dataset
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.table import (
    PATIENCE,
    PLATEAU,
    SEARCH_LEARNERS,
    Evaluator,
    Tried,
    Way,
    promising,
    shortest_schedule,
)
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule


def searched(scores: list[float]) -> list[float]:
    """The scores that a search sees before it ends."""
    seen: list[float] = []
    for score in scores:
        seen.append(score)
        if not promising(seen):
            break
    return seen


def test_a_search_goes_on_past_training_that_first_makes_worse() -> None:
    falls_then_rises = [0.40, 0.31, 0.25, 0.22, 0.24, 0.30, 0.39, 0.45, 0.52]
    assert searched(falls_then_rises) == falls_then_rises


@pytest.mark.parametrize("best", [0, 3])
def test_a_search_ends_when_nothing_has_come_near_its_best_for_long(best: int) -> None:
    scores = [0.1] * best + [0.5] + [0.2] * 20
    assert len(searched(scores)) == best + 1 + PATIENCE


def test_a_search_that_keeps_rising_sees_every_candidate() -> None:
    rising = [step / 100 for step in range(30)]
    assert searched(rising) == rising
    slowly = [0.15 * 1.003**step for step in range(30)]
    assert searched(slowly) == slowly


def test_a_search_ends_on_a_plateau() -> None:
    level = [0.1500, 0.1507, 0.1490, 0.1502]
    assert len(searched([0.10, 0.14, *level, *level])) == 2 + PLATEAU
    assert len(searched([0.10, 0.14, 0.150, 0.152, 0.1535, 0.154, 0.153, 0.1535, 0.154, 0.153])) == 8
    nothing_yet = [0.0] * 6 + [0.1, 0.2]
    assert searched(nothing_yet) == nothing_yet


def tried(*candidates: tuple[float, float, int]) -> list[Tried]:
    """From scores, rates and steps."""
    return [Tried(score, Schedule(rate, steps)) for score, rate, steps in candidates]


def test_the_shortest_training_is_chosen_that_two_learners_cannot_tell_from_the_best() -> None:
    slow_to_the_best = tried((0.1500, 0.01, 100), (0.1594, 0.01, 200), (0.1597, 0.01, 400), (0.1601, 0.01, 1600))
    assert shortest_schedule(slow_to_the_best) == Schedule(0.01, 200)
    assert shortest_schedule(tried((0.0, 0.01, 10), (0.0, 0.01, 20))) == Schedule(0.01, 10)
    assert shortest_schedule([*slow_to_the_best, *tried((0.1598, 0.003, 200))]) == Schedule(0.003, 200)
    clearly_better = tried((0.150, 0.01, 100), (0.160, 0.003, 1600))
    assert shortest_schedule(clearly_better) == Schedule(0.003, 1600)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_candidate_is_scored_by_two_learners(
    planted: tuple[Dataset, np.ndarray], small_config: Config, optimiser: Optimiser
) -> None:
    dataset, steps, rate = planted[0], (3, 9), 0.01
    config = small_config.model_copy(
        update={"evaluate": small_config.evaluate.model_copy(update={"candidate_steps": steps})}
    )
    evaluator = Evaluator(dataset, config)
    windows = torch.from_numpy(dataset.training_windows(config.distill.length)[:8])
    factor = torch.randn(dataset.num_items, 8, generator=torch.Generator().manual_seed(0))
    sequences = Sequences.from_windows(windows, factor)
    seeds: list[int] = []

    def source(seed: int) -> Sequences:
        seeds.append(seed)
        return sequences

    found = evaluator.try_way("shared", source, Way(rate, optimiser))
    assert len(set(seeds)) == SEARCH_LEARNERS > 1
    for step, one in zip(steps, found, strict=True):
        schedule = Schedule(rate, step, optimiser)
        models = [evaluator.fit(sequences, "shared", schedule, seed) for seed in seeds]
        scores = [summarise(evaluator.rank(model, "validation"))["ndcg@100"] for model in models]
        assert one.schedule == schedule
        assert one.score == pytest.approx(np.mean(scores), rel=1e-6)
