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

BLOCK_SCORES = {"cpu": 1 << 19, "cuda": 1 << 26}
"""Scores compared at once, by device type."""

SHOWN = 10
"""Items a user is shown, for what is counted of them."""

Scorer = Callable[[Tensor], Tensor]
"""Histories, int64 [users, length] padded with 0 on the right -> scores [users, num_items]; column v - 1 is item v."""


class Ranked(NamedTuple):
    """Where the wanted items stand, each [users].

    Attributes:
        ranks: int64, 1 is best.
        ties: int64, other items scored the same; 0 where nobody asked.
    """

    ranks: Tensor
    ties: Tensor


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
        likelihoods = log_likelihoods(scores, wanted)
        if mask_seen:
            _leave_out(scores, wanted, read)
        columns: tuple[Tensor, ...] = (*rank_scores(scores, wanted), likelihoods)
        if sample_seed is not None:
            unseen = torch.from_numpy(draw_unseen(dataset, users, seed=sample_seed)).to(device)
            columns = (*columns, _sampled_ranks(scores, wanted, unseen))
            shown[scores.topk(min(SHOWN, dataset.num_items)).indices.unique()] = True
        parts.append(columns)
    ranks, ties, likelihoods, *sampled = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    if sample_seed is None:
        return UserScores(ranks, likelihoods.astype(np.float64), ties)
    return UserScores(ranks, likelihoods.astype(np.float64), ties, sampled[0], shown.cpu().numpy())


def rank_scores(scores: Tensor, targets: Tensor, *, ties: bool = True) -> Ranked:
    """Where each row's target stands among all items of the row.

    Counts in blocks that stay in a core's cache, as sums of ones in the scores' own type, which is what processors do
    fastest.

    Args:
        scores: [users, num_items]; column v - 1 is item v.
        targets: int64 [users] of ids.
        ties: whether to count them, which takes about as long as the ranks.
    """
    users, items = scores.shape
    own = scores.gather(1, (targets - 1)[:, None])
    below, alike = (torch.ones(users, dtype=torch.int64, device=scores.device) for _ in range(2))
    high = max(1, BLOCK_SCORES[scores.device.type] // items)
    # In float32, sums of ones are exact up to 16 million.
    kind = scores.dtype if scores.dtype in (torch.float32, torch.float64) else torch.float32
    compared, ones = scores.new_empty(high, items, dtype=kind), scores.new_ones(items, dtype=kind)
    for begin in range(0, users, high):
        rows = slice(begin, min(begin + high, users))
        block, mine = scores[rows], own[rows]
        ours = compared[: len(block)]
        below[rows] = torch.lt(block, mine, out=ours) @ ones
        if ties:
            alike[rows] = torch.eq(block, mine, out=ours) @ ones
    # Not below instead of at least as high: a NaN score ranks the item last instead of first. The item itself is not
    # below itself, which makes the best rank 1.
    return Ranked(items - below, (alike - 1).clamp(min=0))


def log_likelihoods(scores: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each row's target under the softmax of the row, [users], nats."""
    own = scores.gather(1, (targets - 1)[:, None])
    return (own - scores.logsumexp(-1, keepdim=True)).squeeze(1)


def _leave_out(scores: Tensor, targets: Tensor, seen: Tensor) -> None:
    """Overwrite the scores of the items in `seen` [users, any], padded with 0, but for the target."""
    column = (targets - 1)[:, None]
    own = scores.gather(1, column)
    # Padding points at the target, whose score is then put back.
    scores.scatter_(1, torch.where(seen > 0, seen - 1, column), -torch.inf).scatter_(1, column, own)


def _sampled_ranks(scores: Tensor, targets: Tensor, unseen: Tensor) -> Tensor:
    own = scores.gather(1, (targets - 1)[:, None])
    drawn = scores.gather(1, (unseen - 1).clamp(min=0))
    return 1 + (~(drawn < own) & (unseen > 0)).sum(1)


def _chunks(dataset: Dataset, part: HeldOut, length: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Users, histories and targets of as many users as may be scored at once."""
    places, owners = dataset.targets(part), dataset.held_out_users(part)
    step = max(1, MAX_SCORES // dataset.num_items)
    for start in range(0, len(places), step):
        users, targets = owners[start : start + step], places[start : start + step]
        begin = np.maximum(dataset.offsets[users], targets - length)
        yield users, dataset.gather(begin, targets, width=length), np.asarray(dataset.items[targets])
