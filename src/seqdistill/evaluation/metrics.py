"""Ranking metrics from the rank of the one relevant item of each user.

With a single relevant item at rank r (1 is best): HR@k = [r <= k], NDCG@k = [r <= k] / log2(1 + r),
MRR@k = [r <= k] / r, and MRR without a cut. `log_likelihood` is the mean log-probability, in nats, that the model's
softmax over the whole catalogue gives the item. The last two, and NDCG@100, move smoothly where a top-10 figure jumps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SELECTION = "ndcg@100"
"""What epochs, schedules and summaries are chosen by, on validation items: a ranking metric, yet smooth where a top-10
figure jumps. The likelihood is smoother, but on a sparse log it is best long before the ranking is."""

SAMPLED_CUTOFF = 10
"""Cut of the metrics against sampled items."""


@dataclass(frozen=True, eq=False)
class UserScores:
    """Per-user results from which every mean, bootstrap and breakdown is computed.

    Attributes:
        ranks: int64 [users], 1 is best; ties with the relevant item count against it.
        log_likelihoods: float64 [users], nats, at most 0.
        ties: int64 [users], other items scored like the relevant one; None where nobody counted.
        sampled_ranks: int64 [users], rank among sampled items instead of all; None where none were drawn.
        shown: bool [num_items], whether an item is in anyone's first `ranking.SHOWN`; None where nobody looked.
    """

    ranks: Ints
    log_likelihoods: Floats
    ties: Ints | None = None
    sampled_ranks: Ints | None = None
    shown: npt.NDArray[np.bool_] | None = None


def hit_rate(ranks: Ints, k: int) -> Floats:
    """HR@k of each user."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: Ints, k: int) -> Floats:
    """NDCG@k of each user."""
    return np.where(ranks <= k, 1 / np.log2(1.0 + ranks), 0.0)


def reciprocal_rank(ranks: Ints, k: int | None = None) -> Floats:
    """1 / rank of each user, 0 beyond k if there is a cut."""
    return np.where(ranks <= (ranks.max(initial=0) if k is None else k), 1.0 / ranks, 0.0)


def per_user(scores: UserScores, cutoffs: Iterable[int] = (10, 20)) -> dict[str, Floats]:
    """Every metric of each user, float64 [users], under the names used in every table."""
    values: dict[str, Floats] = {}
    for k in cutoffs:
        values[f"hr@{k}"] = hit_rate(scores.ranks, k)
        values[f"ndcg@{k}"] = ndcg(scores.ranks, k)
        values[f"mrr@{k}"] = reciprocal_rank(scores.ranks, k)
    values["ndcg@100"] = ndcg(scores.ranks, 100)
    values["mrr"] = reciprocal_rank(scores.ranks)
    values["log_likelihood"] = scores.log_likelihoods
    if scores.sampled_ranks is not None:
        values[f"sampled_hr@{SAMPLED_CUTOFF}"] = hit_rate(scores.sampled_ranks, SAMPLED_CUTOFF)
        values[f"sampled_ndcg@{SAMPLED_CUTOFF}"] = ndcg(scores.sampled_ranks, SAMPLED_CUTOFF)
    return values


def summarise(scores: UserScores, cutoffs: Iterable[int] = (10, 20)) -> dict[str, float]:
    """Means over users of everything in `per_user`."""
    return {name: float(values.mean()) for name, values in per_user(scores, cutoffs).items()}
