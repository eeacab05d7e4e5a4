"""A few points that cover many."""

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
