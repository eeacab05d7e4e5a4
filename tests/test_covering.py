import itertools
import math

import pytest
import torch

from seqdistill.covering import farthest_first, nearest_in_the_mean


def test_farthest_first_is_greedy() -> None:
    rng = torch.Generator().manual_seed(4)
    points = torch.randn(60, 3, generator=rng)
    chosen = farthest_first(points, 12, seed=5).tolist()
    for place in range(1, len(chosen)):
        distance = torch.cdist(points, points[chosen[:place]]).amin(1)
        assert float(distance[chosen[place]]) == pytest.approx(float(distance.max()), rel=1e-4)


def test_farthest_first_takes_no_row_twice_even_of_equal_ones() -> None:
    assert sorted(farthest_first(torch.ones(7, 2), 7, seed=0).tolist()) == list(range(7))


def test_nearest_in_the_mean_lowers_it_most_with_every_choice() -> None:
    rng = torch.Generator().manual_seed(4)
    distances = torch.rand(30, 100, generator=rng)
    chosen = nearest_in_the_mean(distances, 8).tolist()
    for place, row in enumerate(chosen):
        means = {other: float(distances[[*chosen[:place], other]].amin(0).mean()) for other in range(30)}
        assert means[row] == min(means.values())


def test_nearest_in_the_mean_comes_near_the_best_choice_of_all() -> None:
    rng = torch.Generator().manual_seed(5)
    for _ in range(20):
        distances = torch.rand(10, 40, generator=rng)
        best = min(float(distances[list(rows)].amin(0).mean()) for rows in itertools.combinations(range(10), 3))
        greedy = float(distances[nearest_in_the_mean(distances, 3)].amin(0).mean())
        # What one row more can spare is bounded by the worst distance of each point (Nemhauser et al.).
        none = float(distances.amax(0).mean())
        assert none - greedy >= (1 - 1 / math.e) * (none - best)


def test_nearest_in_the_mean_takes_no_row_twice_even_of_equal_ones() -> None:
    assert nearest_in_the_mean(torch.ones(7, 3), 7).tolist() == list(range(7))
