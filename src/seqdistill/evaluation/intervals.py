"""Bootstrap intervals over users, and over the seeds of learners.

A resample draws as many users as there are, with replacement, and is held as how often each was drawn. The same
resamples serve every row, so that all comparisons within one are paired.
"""

from collections.abc import Iterator

import numpy as np

from seqdistill.evaluation.metrics import Floats
from seqdistill.seeding import derive_seed

MAX_NUMBERS = 16_000_000
"""Of a block of resamples, held at once."""

COVERAGE = 0.95


def resamples(num_users: int, count: int, seed: int) -> Iterator[Floats]:
    """Blocks of resamples: the weight of each user, float64 [block, users], rows of which sum to 1."""
    rng = np.random.default_rng(derive_seed(seed, "bootstrap users"))
    block = max(1, MAX_NUMBERS // num_users)
    for begin in range(0, count, block):
        size = min(block, count - begin)
        drawn = rng.integers(num_users, size=(size, num_users)) + num_users * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * num_users).reshape(size, num_users) / num_users


def mean_intervals(values: Floats, count: int, seed: int) -> tuple[Floats, Floats]:
    """Percentile intervals of 95% for the means over users.

    Args:
        values: [users, columns], such as differences between two rows.
        count: resamples.
        seed: of the draws.

    Returns:
        Lower and upper ends, [columns] each.
    """
    means = np.concatenate([weights @ values for weights in resamples(len(values), count, seed)])
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    return low, high


def resampled_means(of_seeds: list[Floats], count: int, seed: int) -> list[Floats]:
    """Bootstrap means of several rows over the same users, and over seeds of each row's own.

    Args:
        of_seeds: of each row, [seeds, users].
        count: resamples.
        seed: of the draws.

    Returns:
        Of each row, [count].
    """
    blocks = [
        np.concatenate([weights @ values.T for values in of_seeds], axis=1)
        for weights in resamples(of_seeds[0].shape[1], count, seed)
    ]
    rng = np.random.default_rng(derive_seed(seed, "bootstrap seeds"))
    means: list[Floats] = []
    begin = 0
    for values in of_seeds:
        of_row = np.concatenate([block[:, begin : begin + len(values)] for block in blocks])
        begin += len(values)
        drawn = rng.integers(len(values), size=of_row.shape)
        means.append(np.take_along_axis(of_row, drawn, axis=1).mean(1))
    return means
