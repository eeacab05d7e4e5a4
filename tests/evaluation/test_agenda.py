"""How much work the tasks of a comparison are expected to be, by which it tells the time that is left."""

from dataclasses import replace

import pytest

from seqdistill.config import Regime
from seqdistill.evaluation.agenda import Scale
from seqdistill.evaluation.lab import Search, Trial
from seqdistill.evaluation.rows import RowSpec
from seqdistill.evaluation.table import Way

SCALE = Scale(
    users=1,
    items=3_000,
    dim=32,
    targets=900_000,
    length=50,
    batch=50,
    epochs=16,
    steps={"shared": 100, "fresh": 800},
    candidates=(10, 25, 50, 100, 200, 300, 400, 600, 800, 1200, 1600),
)
FULL = RowSpec("full/fresh", "full data", "reference", "full")


def soft(regime: Regime) -> RowSpec:
    return RowSpec(f"random/soft/{regime}/50", "random sequences", "soft", "random", regime, "soft", 50, "n")


def test_a_training_on_the_log_is_expected_to_take_all_its_epochs() -> None:
    longer = replace(SCALE, epochs=48)
    assert longer.work(Trial(FULL, 0, None)) == pytest.approx(3 * SCALE.work(Trial(FULL, 0, None)))


@pytest.mark.parametrize(("regime", "until"), [("shared", 400), ("fresh", 1600)])
def test_soft_targets_are_expected_to_take_the_steps_that_the_summary_recommends(regime: Regime, until: int) -> None:
    recommended = SCALE.steps[regime]
    trial = SCALE.work(Trial(soft(regime), 0, None))
    longer = replace(SCALE, steps={**SCALE.steps, regime: 2 * recommended})
    assert longer.work(Trial(soft(regime), 0, None)) == pytest.approx(2 * trial, rel=0.01)
    # Two learners try a rate, until four candidates are level or there are no more.
    assert SCALE.work(Search(soft(regime), Way(0.01))) == pytest.approx(2 * until / recommended * trial, rel=0.01)
