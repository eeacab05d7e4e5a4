import numpy as np
import pytest

from seqdistill.evaluation.equivalent import crossing, equivalent_coreset, isotonic
from seqdistill.evaluation.intervals import mean_intervals, resampled_means, resamples


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    trials, users = 400, 200
    # All columns are trials of their own; skewed like a reciprocal rank.
    values = rng.exponential(1.0, (users, trials)) - rng.exponential(0.5, (users, trials))
    low, high = mean_intervals(values, 1000, seed=1)
    covered = ((low <= 0.5) & (high >= 0.5)).mean()
    assert 0.91 <= covered <= 0.98


def test_resamples_draw_as_many_users_as_there_are() -> None:
    weights = np.concatenate(list(resamples(30, 50, seed=2)))
    assert weights.shape == (50, 30)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(weights * 30, (weights * 30).round())


def test_one_set_of_resamples_serves_all_rows() -> None:
    values = np.random.default_rng(3).normal(size=(4, 100))
    one, shifted = resampled_means([values, values + 1.0], 300, seed=4)
    # The users are the same in both, and the seeds are drawn apart.
    assert np.corrcoef(one, shifted)[0, 1] > 0.3
    single, moved = resampled_means([values[:1], values[:1] + 1.0], 300, seed=4)
    np.testing.assert_allclose(moved, single + 1.0)


def test_isotonic_fit_pools_what_falls() -> None:
    curves = np.array([[1.0, 3.0, 2.0, 4.0], [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(isotonic(curves), [[1, 2.5, 2.5, 4], [2.5] * 4, [1, 2, 3, 4]])


def test_crossing_interpolates_in_the_logarithm() -> None:
    curve = np.array([[0.1, 0.2, 0.3]])
    places = [float(crossing([10, 40, 160], curve, np.array([level]))[0]) for level in (0.15, 0.2, 0.1, 0.35, 0.05)]
    assert places == pytest.approx([20.0, 40.0, 10.0, np.inf, -np.inf])


def simulated(level: float, seeds: int = 5, users: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(level, 0.2, (seeds, users))


def test_equivalent_number_and_its_interval_lie_around_the_truth() -> None:
    sizes = [10, 40, 160]
    rows = [simulated(0.1 * (place + 1), seed=place) for place in range(3)]
    found = equivalent_coreset(sizes, rows, simulated(0.25, seed=9), 500, seed=0)
    assert found.relation == "equal"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 80 < found.high
    assert found.low < found.sequences < found.high


@pytest.mark.parametrize(("level", "relation", "number"), [(0.9, "more than", 160), (0.01, "less than", 10)])
def test_beyond_what_was_measured_nothing_is_extrapolated(level: float, relation: str, number: int) -> None:
    rows = [simulated(0.1 * (place + 1), seed=place) for place in range(3)]
    found = equivalent_coreset([10, 40, 160], rows, simulated(level, seed=9), 500, seed=0)
    assert (found.relation, found.sequences) == (relation, number)
    assert (found.high if relation == "more than" else found.low) is None
