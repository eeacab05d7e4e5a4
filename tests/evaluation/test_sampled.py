import numpy as np
import pytest
import torch

from planted import planted_dataset
from seqdistill.evaluation import ranking
from seqdistill.evaluation.baselines import popularity
from seqdistill.evaluation.ranking import rank_held_out_by
from seqdistill.evaluation.sampled import draw_unseen

LOG, _ = planted_dataset(num_users=80, length=12)
USERS = LOG.held_out_users("test")


def met(user: int) -> set[int]:
    return set(LOG.items[LOG.offsets[user] : LOG.offsets[user + 1]].tolist())


@pytest.mark.parametrize("count", [5, 20])
def test_drawn_items_are_distinct_and_were_never_met(count: int) -> None:
    drawn = draw_unseen(LOG, USERS, seed=3, count=count)
    assert drawn.shape == (len(USERS), count)
    for user, row in zip(USERS, drawn, strict=True):
        items = row[row > 0].tolist()
        unmet = LOG.num_items - len(met(int(user)))
        assert len(items) == min(count, unmet)
        assert len(set(items)) == len(items)
        assert not set(items) & met(int(user))


def test_drawn_items_depend_on_the_seed_and_the_user_alone() -> None:
    drawn = draw_unseen(LOG, USERS, seed=3, count=6)
    np.testing.assert_array_equal(draw_unseen(LOG, USERS[10:20], seed=3, count=6), drawn[10:20])
    assert (draw_unseen(LOG, USERS, seed=4, count=6) != drawn).any()


def test_all_unmet_items_are_drawn_equally_often() -> None:
    users = np.zeros(1, dtype=np.int64)
    unmet = sorted(set(range(1, LOG.num_items + 1)) - met(0))
    draws = np.concatenate([draw_unseen(LOG, users, seed=seed, count=4).ravel() for seed in range(2000)])
    counts = np.array([(draws == item).sum() for item in unmet])
    assert counts.sum() == 8000
    expected = 8000 / len(unmet)
    # A chi-square far beyond any plausible draw of this seed.
    assert ((counts - expected) ** 2 / expected).sum() < len(unmet) + 5 * np.sqrt(2 * len(unmet))


def test_sampled_ranks_in_chunks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    score = popularity(LOG)
    whole = rank_held_out_by(score, LOG, "test", length=10, sample_seed=1)
    monkeypatch.setattr(ranking, "MAX_SCORES", 7 * LOG.num_items)
    parts = rank_held_out_by(score, LOG, "test", length=10, sample_seed=1)
    assert whole.sampled_ranks is not None
    np.testing.assert_array_equal(whole.sampled_ranks, parts.sampled_ranks)
    np.testing.assert_array_equal(whole.ranks, parts.ranks)
    np.testing.assert_array_equal(whole.shown, parts.shown)


def test_a_sampled_rank_counts_the_sampled_items_that_score_as_high() -> None:
    score = popularity(LOG)
    found = rank_held_out_by(score, LOG, "test", length=10, sample_seed=1)
    scores = score(torch.zeros(1, 1, dtype=torch.int64))[0].numpy()
    drawn = draw_unseen(LOG, USERS, seed=1)
    targets = LOG.items[LOG.split.test]
    assert found.sampled_ranks is not None
    for rank, row, target in zip(found.sampled_ranks, drawn, targets, strict=True):
        assert rank == 1 + (scores[row[row > 0] - 1] >= scores[target - 1]).sum()
    assert found.shown is not None
    assert found.shown.sum() == ranking.SHOWN
    assert scores[found.shown].min() >= np.sort(scores)[-ranking.SHOWN]
