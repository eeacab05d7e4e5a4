"""The ranking metrics against ir-measures, which wraps trec_eval."""

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import RR, Qrel, ScoredDoc, Success, nDCG

from seqdistill.evaluation.metrics import UserScores, per_user, summarise
from seqdistill.evaluation.ranking import rank_scores

USERS, ITEMS = 60, 40


def tied_scores(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of few distinct values, and the wanted items."""
    rng = torch.Generator().manual_seed(seed)
    scores = torch.randint(12, (USERS, ITEMS), generator=rng).float()
    return scores, 1 + torch.randint(ITEMS, (USERS,), generator=rng)


@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_agree_with_trec_eval_where_the_wanted_item_loses_its_ties(seed: int) -> None:
    scores, targets = tied_scores(seed)
    qrels = [Qrel(str(u), str(int(target)), 1) for u, target in enumerate(targets)]
    run: list[ScoredDoc] = []
    for user in range(USERS):
        wanted = int(targets[user])
        order = sorted(range(1, ITEMS + 1), key=lambda v, u=user, w=wanted: (-float(scores[u, v - 1]), v == w))
        run += [ScoredDoc(str(user), str(item), float(-place)) for place, item in enumerate(order)]
    ranked = rank_scores(scores, targets)
    ours = per_user(UserScores(ranked.ranks.numpy(), np.zeros(USERS)), cutoffs=(1, 5, 10))
    theirs = {"hr": Success, "ndcg": nDCG, "mrr": RR}
    for k in (1, 5, 10):
        for name, measure in theirs.items():
            found = {m.query_id: m.value for m in ir_measures.iter_calc([measure @ k], qrels, run)}
            expected = [found[str(user)] for user in range(USERS)]
            np.testing.assert_allclose(ours[f"{name}@{k}"], expected, atol=1e-12, err_msg=f"{name}@{k}")
    whole = {m.query_id: m.value for m in ir_measures.iter_calc([RR], qrels, run)}
    np.testing.assert_allclose(ours["mrr"], [whole[str(user)] for user in range(USERS)])


def test_ties_are_counted() -> None:
    scores, targets = tied_scores(2)
    ranked = rank_scores(scores, targets)
    for user in range(USERS):
        own = scores[user, targets[user] - 1]
        assert ranked.ties[user] == int((scores[user] == own).sum()) - 1
        assert ranked.ranks[user] == int((scores[user] >= own).sum())
    assert int(ranked.ties.sum()) > 0
    assert int(rank_scores(scores, targets, ties=False).ties.sum()) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_counts_are_exact_in_every_type(dtype: torch.dtype) -> None:
    # More items than a half-precision sum of ones could count.
    scores = torch.arange(5000).to(dtype).repeat(2, 1)
    targets = torch.tensor([1, 5000])
    own = scores.gather(1, (targets - 1)[:, None])
    assert rank_scores(scores, targets).ranks.tolist() == (scores >= own).sum(1).tolist()


def test_sampled_metrics_come_with_sampled_ranks() -> None:
    scores = UserScores(np.array([50, 3]), np.zeros(2), sampled_ranks=np.array([4, 30]))
    means = summarise(scores)
    assert means["sampled_hr@10"] == 0.5
    assert means["sampled_ndcg@10"] == pytest.approx(1 / np.log2(5) / 2)
    assert "sampled_hr@10" not in summarise(UserScores(scores.ranks, scores.log_likelihoods))
