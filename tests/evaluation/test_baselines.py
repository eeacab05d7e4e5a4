import itertools

import numpy as np
import torch

from planted import FOLLOWS, planted_dataset
from seqdistill.evaluation.baselines import markov, popularity, transitions
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out_by

LOG, SUCCESSOR = planted_dataset()


def test_transitions_are_those_of_the_training_part() -> None:
    counted: dict[tuple[int, int], int] = {}
    for user in range(LOG.num_users):
        items = LOG.items[LOG.offsets[user] : LOG.training_ends[user]].tolist()
        for pair in itertools.pairwise(items):
            counted[pair] = counted.get(pair, 0) + 1
    before, after, counts = transitions(LOG)
    assert dict(zip(zip(before.tolist(), after.tolist(), strict=True), counts.tolist(), strict=True)) == counted


def test_both_are_probabilities() -> None:
    histories = torch.tensor([[3, 4, 0], [5, 0, 0]])
    for score in (popularity(LOG), markov(LOG)):
        np.testing.assert_allclose(score(histories).exp().sum(1).numpy(), 1.0)


def test_an_item_never_seen_falls_back_on_popularity() -> None:
    last = int(LOG.items[LOG.offsets[0]])
    unseen = planted_dataset(num_users=1, length=3)[0]
    after = markov(unseen)(torch.tensor([[(set(range(1, 26)) - {int(unseen.items[0])}).pop()]]))
    np.testing.assert_allclose(after.numpy(), popularity(unseen)(torch.tensor([[last]])).numpy())


def test_on_a_markov_chain_the_chain_is_best_and_popularity_says_little() -> None:
    chain = summarise(rank_held_out_by(markov(LOG), LOG, "test", length=10), (1,))
    popular = summarise(rank_held_out_by(popularity(LOG), LOG, "test", length=10), (1,))
    histories, targets = LOG.held_out("test", 10)
    followed = (SUCCESSOR[histories[np.arange(len(histories)), (histories > 0).sum(1) - 1]] == targets).mean()
    assert chain["hr@1"] == followed
    assert abs(followed - FOLLOWS) < 0.1
    assert popular["hr@1"] < 0.2
