"""Ranking metrics from the rank of the one relevant item of each user.

With a single relevant item at rank r (1 is best): HR@k = [r <= k], NDCG@k = [r <= k] / log2(1 + r) and MRR = 1 / r over
all ranks (no cut). `log_likelihood` is the mean log-probability, in nats, that the model's softmax over the whole
catalogue gives the item. The last two, and NDCG@100, move smoothly where a top-10 figure jumps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UserScores:
    """Per-user results from which every mean, bootstrap and breakdown is computed.

    Attributes:
        ranks: int64 [users], 1 is best; ties with the relevant item count against it.
        log_likelihoods: float64 [users], nats, at most 0.
    """

    ranks: npt.NDArray[np.int64]
    log_likelihoods: Floats


def hit_rate(ranks: npt.NDArray[np.int64], k: int) -> Floats:
    """HR@k of each user."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: npt.NDArray[np.int64], k: int) -> Floats:
    """NDCG@k of each user."""
    return np.where(ranks <= k, 1 / np.log2(1.0 + ranks), 0.0)


def reciprocal_rank(ranks: npt.NDArray[np.int64]) -> Floats:
    """1 / rank of each user, without a cut."""
    return 1.0 / ranks


def summarise(scores: UserScores, cutoffs: Iterable[int] = (10, 20)) -> dict[str, float]:
    """Means over users under the names used in every table: hr@k, ndcg@k, ndcg@100, mrr, log_likelihood."""
    means: dict[str, float] = {}
    for k in cutoffs:
        means[f"hr@{k}"] = float(hit_rate(scores.ranks, k).mean())
        means[f"ndcg@{k}"] = float(ndcg(scores.ranks, k).mean())
    means["ndcg@100"] = float(ndcg(scores.ranks, 100).mean())
    means["mrr"] = float(reciprocal_rank(scores.ranks).mean())
    means["log_likelihood"] = float(scores.log_likelihoods.mean())
    return means
