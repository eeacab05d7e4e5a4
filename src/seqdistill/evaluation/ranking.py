"""Full ranking: every held-out item against the whole catalogue."""

import numpy as np
import torch
from torch import Tensor

from seqdistill.data.dataset import Dataset, HeldOut
from seqdistill.evaluation.metrics import UserScores
from seqdistill.learners.recommender import Recommender

MAX_SCORES = 16_000_000
"""Scores held at once (64 MiB in float32); more users are ranked in chunks."""


@torch.no_grad()
def rank_held_out(
    model: Recommender, dataset: Dataset, part: HeldOut, *, length: int, mask_seen: bool = False
) -> UserScores:
    """Rank each user's held-out item among all items.

    The rank is pessimistic: an item scored the same as the held-out one counts as ranked before it, so a model that
    scores everything alike ranks last.

    Args:
        model: put into evaluation mode for the call.
        dataset: gives the histories and the held-out items.
        part: "validation" or "test".
        length: the most recent positions of a history that the model reads.
        mask_seen: leave the items of the (cut) history out of the ranking, the held-out item excepted.
    """
    device = model.embedding.device
    histories, targets = (torch.from_numpy(a).to(device) for a in dataset.held_out(part, length))
    was_training = model.training
    model.eval()
    chunk = max(1, MAX_SCORES // dataset.num_items)
    parts = [
        _rank(model, items, target, mask_seen=mask_seen)
        for items, target in zip(torch.split(histories, chunk), torch.split(targets, chunk), strict=True)
    ]
    model.train(was_training)
    ranks, likelihoods = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return UserScores(ranks, likelihoods.astype(np.float64))


def _rank(model: Recommender, histories: Tensor, targets: Tensor, *, mask_seen: bool) -> tuple[Tensor, Tensor]:
    scores = model.scores(model.last_states(histories))
    column = (targets - 1)[:, None]
    own = scores.gather(1, column)
    likelihood = (own - scores.logsumexp(-1, keepdim=True)).squeeze(1)
    if mask_seen:
        # Padding points at the last column of a widened matrix, which is then dropped.
        seen = torch.zeros(len(scores), scores.shape[1] + 1, dtype=torch.bool, device=scores.device)
        seen.scatter_(1, torch.where(histories > 0, histories - 1, scores.shape[1]), value=True)
        scores = scores.masked_fill(seen[:, :-1].scatter(1, column, value=False), -torch.inf)
    # `not <` instead of `>=`: a NaN score ranks the item last instead of first. The item itself makes the count 1.
    return (~(scores < own)).sum(1), likelihood
