"""Items a held-out item is ranked among in the sampled protocol: drawn per user, none that the user ever met.

Sampled metrics order models differently from full ones (Krichene and Rendle, KDD 2020); they are here to be set beside
papers that report nothing else. The draws come from a counter-based generator, so that a user's items depend on the
seed and the user alone, and not on who is ranked in the same chunk.
"""

import numpy as np

from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset

SAMPLED = 100
"""Items drawn for each user."""
SPARE = 2
"""Candidates drawn for every item wanted, to make up for those met and drawn before."""


def draw_unseen(dataset: Dataset, users: Ints, *, seed: int, count: int = SAMPLED) -> Ints:
    """Distinct items that each user meets nowhere in the log, uniformly.

    Args:
        dataset: the log.
        users: int64 [k].
        seed: of the draws.
        count: items wanted of each user.

    Returns:
        int64 [k, count] of ids; 0 at the end of the rows of users who left fewer items than that unmet.
    """
    draws = SPARE * count + 2 * int(np.ceil(np.sqrt(count)))
    counters = users.astype(np.uint64)[:, None] * np.uint64(1 << 20) + np.arange(draws, dtype=np.uint64)
    items = 1 + (_hash(counters, seed) % np.uint64(dataset.num_items)).astype(np.int64)
    good = ~_met(dataset, users, items) & _first_of_its_kind(items)
    place = np.cumsum(good, axis=1) - 1
    drawn = np.zeros((len(users), count), dtype=np.int64)
    rows, columns = np.nonzero(good & (place < count))
    drawn[rows, place[rows, columns]] = items[rows, columns]
    for row in np.nonzero(good.sum(1) < count)[0]:
        drawn[row] = _by_permutation(dataset, int(users[row]), seed, count)
    return drawn


def _hash(counters: np.ndarray, seed: int) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) of the counters, uint64."""
    state = counters * np.uint64(0x9E3779B97F4A7C15) + np.array([seed], dtype=np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _met(dataset: Dataset, users: Ints, items: Ints) -> np.ndarray:
    """Whether a user meets an item anywhere in the log, bool [users, draws]."""
    starts, lengths = dataset.offsets[users], dataset.offsets[users + 1] - dataset.offsets[users]
    row = np.repeat(np.arange(len(users)), lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    width = dataset.num_items + 1
    keys = np.unique(row * width + dataset.items[np.repeat(starts, lengths) + within])
    wanted = np.arange(len(users))[:, None] * width + items
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[found] == wanted


def _first_of_its_kind(items: Ints) -> np.ndarray:
    """Whether the same item stands nowhere before in its row."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, 1)
    repeats = np.zeros(items.shape, dtype=bool)
    repeats[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    first = np.empty_like(repeats)
    np.put_along_axis(first, order, ~repeats, 1)
    return first


def _by_permutation(dataset: Dataset, user: int, seed: int, count: int) -> Ints:
    """For a user who met much of a small catalogue: the first of all unmet items in a random order."""
    met = dataset.items[dataset.offsets[user] : dataset.offsets[user + 1]]
    unmet = np.setdiff1d(np.arange(1, dataset.num_items + 1), met)
    chosen = np.random.default_rng([seed, user]).permutation(unmet)[:count]
    return np.pad(chosen, (0, count - len(chosen)))
