import pytest
import torch

from seqdistill.covering import farthest_first


def test_farthest_first_is_greedy() -> None:
    rng = torch.Generator().manual_seed(4)
    points = torch.randn(60, 3, generator=rng)
    chosen = farthest_first(points, 12, seed=5).tolist()
    for place in range(1, len(chosen)):
        distance = torch.cdist(points, points[chosen[:place]]).amin(1)
        assert float(distance[chosen[place]]) == pytest.approx(float(distance.max()), rel=1e-4)


def test_farthest_first_takes_no_row_twice_even_of_equal_ones() -> None:
    assert sorted(farthest_first(torch.ones(7, 2), 7, seed=0).tolist()) == list(range(7))
