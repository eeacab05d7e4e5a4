"""Rankings that nothing is trained for: popularity and a first-order Markov chain.

Both are probabilities over the catalogue, so that they have a log-likelihood like every other row. With c(v) the
occurrences of item v in training and c(u, v) those of v right after u,

    popularity(v)  = (c(v) + 1) / (sum c + |V|)
    markov(v | u)  = (c(u, v) + popularity(v)) / (sum_v c(u, v) + 1),

so that the chain falls back on popularity where it never saw u, and orders by it what it saw equally often.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from seqdistill.data.blocks import Ints, user_blocks
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.ranking import Scorer


def popularity(dataset: Dataset) -> Scorer:
    """Log-probabilities of the items, whatever the history."""
    scores = _popularity(dataset).log()
    return lambda histories: scores.repeat(len(histories), 1)


def markov(dataset: Dataset) -> Scorer:
    """Log-probabilities of what follows the last item of a history."""
    base = _popularity(dataset)
    before, after, counts = transitions(dataset)
    first = np.searchsorted(before, np.arange(dataset.num_items + 2))
    following, weights = torch.from_numpy(after - 1), torch.from_numpy(counts).to(base.dtype)

    def score(histories: Tensor) -> Tensor:
        last = histories.gather(1, (histories > 0).sum(1, keepdim=True).clamp(min=1) - 1)[:, 0]
        scores = base.repeat(len(histories), 1)
        for row, item in enumerate(cast("list[int]", last.tolist())):
            entries = slice(int(first[item]), int(first[item + 1]))
            scores[row, following[entries]] += weights[entries]
            scores[row] /= weights[entries].sum() + 1
        return scores.log()

    return score


def transitions(dataset: Dataset) -> tuple[Ints, Ints, Ints]:
    """Pairs of consecutive items of the training part, ordered, each once: item, next item, how often."""
    keys: list[Ints] = []
    width = dataset.num_items + 1
    for users, _ in user_blocks(dataset.offsets):
        starts, ends = dataset.offsets[users.start : users.stop], dataset.training_ends[users]
        lengths = np.maximum(ends - starts - 1, 0)
        place = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = place + np.repeat(starts, lengths)
        keys.append(np.asarray(dataset.items[place]) * width + dataset.items[place + 1])
    pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
    return pairs // width, pairs % width, counts


def _popularity(dataset: Dataset) -> Tensor:
    counts = torch.from_numpy(dataset.item_counts[1:]).to(torch.float64) + 1
    return counts / counts.sum()
