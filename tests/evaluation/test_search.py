"""How long the search for a number of training steps goes on."""

import pytest

from seqdistill.evaluation.table import PATIENCE, promising


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
