"""Full ranking: every held-out item against the whole catalogue, some users at a time; only ranks are kept."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset, HeldOut
from seqdistill.evaluation.metrics import UserScores
from seqdistill.evaluation.sampled import draw_unseen
from seqdistill.learners.recommender import Recommender

MAX_SCORES = 16_000_000
"""Scores held at once (64 MiB in float32); more users are ranked in chunks."""

SHOWN = 10
"""Items a user is shown, for what is counted of them."""

Scorer = Callable[[Tensor], Tensor]
"""Histories, int64 [users, length] padded with 0 on the right -> scores [users, num_items]; column v - 1 is item v."""


class Ranked(NamedTuple):
    """Where the wanted items stand, each [users].

    Attributes:
        ranks: int64, 1 is best.
        ties: int64, other items scored the same.
        log_likelihoods: of the wanted item under the softmax of the scores.
    """

    ranks: Tensor
    ties: Tensor
    log_likelihoods: Tensor


def rank_held_out(
    model: Recommender,
    dataset: Dataset,
    part: HeldOut,
    *,
    length: int,
    mask_seen: bool = False,
    sample_seed: int | None = None,
) -> UserScores:
    """Rank each user's held-out item among all items, as `rank_held_out_by` does, with a model.

    Args:
        model: put into evaluation mode for the call.
        dataset: gives the histories and the held-out items.
        part: "validation" or "test".
        length: the most recent positions of a history that the model reads.
        mask_seen: leave the items of the (cut) history out of the ranking, the held-out item excepted.
        sample_seed: as there.
    """
    was_training = model.training
    model.eval()
    embedding = model.item_embedding.detach()

    def score(histories: Tensor) -> Tensor:
        return model.last_states(histories) @ embedding.T

    scores = rank_held_out_by(
        score,
        dataset,
        part,
        length=length,
        mask_seen=mask_seen,
        sample_seed=sample_seed,
        device=model.embedding.device,
    )
    model.train(was_training)
    return scores


@torch.no_grad()
def rank_held_out_by(
    score: Scorer,
    dataset: Dataset,
    part: HeldOut,
    *,
    length: int,
    mask_seen: bool = False,
    sample_seed: int | None = None,
    device: torch.device | None = None,
) -> UserScores:
    """Rank each user's held-out item among all items.

    The rank is pessimistic: an item scored the same as the held-out one counts as ranked before it, so a model that
    scores everything alike ranks last.

    Args:
        score: what ranks.
        dataset: gives the histories and the held-out items.
        part: "validation" or "test".
        length: the most recent positions of a history that count.
        mask_seen: leave the items of the (cut) history out of the ranking, the held-out item excepted.
        sample_seed: draw items the user never met, rank the held-out one among these too, and note which items anyone
            is shown; None does neither.
        device: of the scores.
    """
    parts: list[tuple[Tensor, ...]] = []
    shown = torch.zeros(dataset.num_items, dtype=torch.bool, device=device)
    for users, histories, targets in _chunks(dataset, part, length):
        wanted = torch.from_numpy(targets).to(device)
        read = torch.from_numpy(histories).to(device)
        scores = score(read)
        ranked = rank_scores(scores, wanted, seen=read if mask_seen else None)
        columns: tuple[Tensor, ...] = ranked
        if sample_seed is not None:
            unseen = torch.from_numpy(draw_unseen(dataset, users, seed=sample_seed)).to(device)
            columns = (*ranked, _sampled_ranks(scores, wanted, unseen))
            shown[scores.topk(min(SHOWN, dataset.num_items)).indices.unique()] = True
        parts.append(columns)
    ranks, ties, likelihoods, *sampled = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    if sample_seed is None:
        return UserScores(ranks, likelihoods.astype(np.float64), ties)
    return UserScores(ranks, likelihoods.astype(np.float64), ties, sampled[0], shown.cpu().numpy())


def rank_scores(scores: Tensor, targets: Tensor, *, seen: Tensor | None = None) -> Ranked:
    """Where each row's target stands among all items of the row.

    Args:
        scores: [users, num_items]; column v - 1 is item v. Overwritten at items that are left out.
        targets: int64 [users] of ids.
        seen: int64 [users, any] of ids that are left out, padded with 0; the target itself stays.
    """
    column = (targets - 1)[:, None]
    own = scores.gather(1, column)
    likelihood = (own - scores.logsumexp(-1, keepdim=True)).squeeze(1)
    if seen is not None:
        # Padding points at the target, whose score is then put back.
        scores.scatter_(1, torch.where(seen > 0, seen - 1, column), -torch.inf).scatter_(1, column, own)
    # `not <` instead of `>=`: a NaN score ranks the item last instead of first. The item itself makes the count 1.
    ranks = scores.shape[1] - (scores < own).sum(1)
    ties = ((scores == own).sum(1) - 1).clamp(min=0)
    return Ranked(ranks, ties, likelihood)


def _sampled_ranks(scores: Tensor, targets: Tensor, unseen: Tensor) -> Tensor:
    own = scores.gather(1, (targets - 1)[:, None])
    drawn = scores.gather(1, (unseen - 1).clamp(min=0))
    return 1 + (~(drawn < own) & (unseen > 0)).sum(1)


def _chunks(dataset: Dataset, part: HeldOut, length: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Users, histories and targets of as many users as may be scored at once."""
    places = dataset.split.validation if part == "validation" else dataset.split.test
    owners = dataset.held_out_users(part)
    step = max(1, MAX_SCORES // dataset.num_items)
    for start in range(0, len(places), step):
        users, targets = owners[start : start + step], places[start : start + step]
        begin = np.maximum(dataset.offsets[users], targets - length)
        yield users, dataset.gather(begin, targets, width=length), np.asarray(dataset.items[targets])
