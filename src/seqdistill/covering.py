"""A few that cover many: k-center and facility location, each greedily."""

import numpy as np
import torch
from torch import Tensor

from seqdistill.data.blocks import Ints


def farthest_first(features: Tensor, count: int, seed: int) -> Ints:
    """Greedy k-center (Gonzalez, 1985): each choice is the row farthest from all chosen ones; the first is drawn.

    Args:
        features: [rows, width].
        count: rows wanted, at most all.
        seed: of the first row.

    Returns:
        int64 [count] of distinct rows, in the order they were chosen.
    """
    chosen = np.empty(count, dtype=np.int64)
    current = int(np.random.default_rng(seed).integers(len(features)))
    distance = torch.full((len(features),), torch.inf)
    squares = features.square().sum(1)
    for place in range(count):
        chosen[place] = current
        to_current = squares - 2 * (features @ features[current]) + squares[current]
        distance = torch.minimum(distance, to_current.clamp(min=0))
        # Rows may coincide, and a chosen one must not come again.
        distance[current] = -1.0
        current = int(distance.argmax())
    return chosen


def nearest_in_the_mean(distances: Tensor, count: int) -> Ints:
    """Greedy facility location: each choice lowers most the mean distance of all points to the nearest chosen row.

    The mean lies at least 1 - 1/e as far below what it would be without any row as that of the best choice (Nemhauser,
    Wolsey and Fisher, 1978).

    Args:
        distances: [rows, points], of each point to each row.
        count: rows wanted, at most all.

    Returns:
        int64 [count] of distinct rows, in the order they were chosen; of equally good ones the first.
    """
    chosen = np.empty(count, dtype=np.int64)
    nearest = torch.full_like(distances[0], torch.inf)
    taken = torch.zeros(len(distances), dtype=torch.bool, device=distances.device)
    for place in range(count):
        means = torch.minimum(distances, nearest).mean(1).masked_fill(taken, torch.inf)
        current = int(means.argmin())
        chosen[place] = current
        taken[current] = True
        nearest = torch.minimum(nearest, distances[current])
    return chosen
