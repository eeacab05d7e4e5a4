import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from seqdistill.data import Dataset, Provenance
from seqdistill.data.dataset import VALIDATION_USERS
from seqdistill.evaluation import ranking
from seqdistill.evaluation.metrics import UserScores, summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.learners import Learner, Recommender

ITEMS = 12


class LastItem(Learner):
    """State = the embedded last item, so that the scores after item i are row i of E E^T."""

    dim, length = ITEMS, 20

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        del mask
        return embedded if at is None else embedded.take_along_dim(at[..., None], 1)

    def reset_parameters(self) -> None:
        pass


def make_dataset(sequences: list[list[int]]) -> Dataset:
    lengths = [len(s) for s in sequences]
    names = pl.Series([f"i{v}" for v in range(1, ITEMS + 1)])
    users = pl.Series([f"u{v}" for v in range(len(sequences))])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Dataset("toy", np.concatenate(sequences), offsets, names, users, Provenance("toy"))


def model_with(scores: Tensor) -> Recommender:
    """A model that scores the items by `scores` after any history that ends in item 1."""
    embedding = torch.eye(ITEMS)
    embedding[:, 0] = scores
    model = Recommender(LastItem(), embedding, frozen=True)
    # The state after item 1 is the unit vector that picks column 0.
    model.embed = lambda items: torch.nn.functional.one_hot((items - 1).clamp(min=0), ITEMS).float()  # type: ignore[method-assign]
    return model


def test_ranks_and_likelihood_against_a_count_by_hand() -> None:
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn(ITEMS, generator=rng)
    dataset = make_dataset([[2, 3, 1, target] for target in range(1, ITEMS + 1)])
    got = rank_held_out(model_with(scores), dataset, "test", length=3)
    for index in range(ITEMS):
        assert got.ranks[index] == 1 + sum(float(s) > float(scores[index]) for s in scores)
        assert got.log_likelihoods[index] == pytest.approx(float(scores.log_softmax(0)[index]), rel=1e-5)


def test_ties_count_against_the_model() -> None:
    dataset = make_dataset([[2, 3, 1, 5]])
    assert rank_held_out(model_with(torch.zeros(ITEMS)), dataset, "test", length=3).ranks[0] == ITEMS


def test_scores_that_are_not_numbers_rank_last() -> None:
    dataset = make_dataset([[2, 3, 1, 5]])
    scores = torch.full((ITEMS,), torch.nan)
    assert rank_held_out(model_with(scores), dataset, "test", length=3).ranks[0] == ITEMS


def test_masking_leaves_seen_items_out_but_not_the_target() -> None:
    scores = torch.arange(ITEMS, 0, -1).float()
    dataset = make_dataset([[2, 3, 1, 5], [2, 5, 1, 5]])
    open_ranks = rank_held_out(model_with(scores), dataset, "test", length=3).ranks
    masked_ranks = rank_held_out(model_with(scores), dataset, "test", length=3, mask_seen=True).ranks
    assert open_ranks.tolist() == [5, 5]
    assert masked_ranks.tolist() == [2, 3]


def test_chunks_of_users_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.randn(ITEMS, generator=torch.Generator().manual_seed(0))
    dataset = make_dataset([[2, 3, 1, target] for target in range(1, ITEMS + 1)])
    whole = rank_held_out(model_with(scores), dataset, "test", length=3)
    monkeypatch.setattr(ranking, "MAX_SCORES", 5 * ITEMS)
    parts = rank_held_out(model_with(scores), dataset, "test", length=3)
    np.testing.assert_array_equal(whole.ranks, parts.ranks)


def test_validation_does_not_see_the_validation_item() -> None:
    dataset = make_dataset([[1, 7, 9]])
    scores = torch.arange(ITEMS, 0, -1).float()
    assert rank_held_out(model_with(scores), dataset, "validation", length=5).ranks[0] == 7


def test_a_validation_of_many_users_ranks_those_who_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MAX_SCORES", 1000 * ITEMS)
    users = VALIDATION_USERS + 500
    dataset = make_dataset([[1, 1 + user % ITEMS, 3] for user in range(users)])
    scores = rank_held_out(model_with(torch.arange(ITEMS, 0, -1).float()), dataset, "validation", length=2)
    assert scores.ranks.tolist() == (1 + dataset.held_out_users("validation") % ITEMS).tolist()
    assert len(scores.ranks) == VALIDATION_USERS


def test_metrics_of_known_ranks() -> None:
    means = summarise(UserScores(np.array([1, 3, 11, 200]), np.array([-1.0, -2.0, -3.0, -6.0])), cutoffs=(10,))
    assert means["hr@10"] == 0.5
    assert means["ndcg@10"] == pytest.approx((1 + 1 / 2) / 4)
    assert means["ndcg@100"] == pytest.approx((1 + 1 / 2 + 1 / np.log2(12)) / 4)
    assert means["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 11 + 1 / 200) / 4)
    assert means["log_likelihood"] == -3.0
