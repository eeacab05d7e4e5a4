import numpy as np
import pytest
import torch

from planted import planted_dataset
from seqdistill.data import Dataset
from seqdistill.evaluation.coresets import Choice, RealSequences, mean_embedding

LOG, _ = planted_dataset(num_users=40, length=12)
FACTOR = torch.randn(LOG.num_items, 6, generator=torch.Generator().manual_seed(0))


def real(log: Dataset = LOG, length: int = 4) -> RealSequences:
    return RealSequences(log, length, mean_embedding(FACTOR))


@pytest.mark.parametrize("choice", ["random", "longest", "k-center"])
def test_choices_are_distinct_windows_of_the_log_and_fewer_are_the_first_of_more(choice: Choice) -> None:
    sequences = real()
    windows = {tuple(w) for w in LOG.training_windows(4).tolist()}
    many = sequences.choose(choice, 25, seed=1)
    assert {tuple(w) for w in many.tolist()} <= windows
    if choice != "random":
        torch.testing.assert_close(sequences.choose(choice, 9, seed=1), many[:9])
    everything = sequences.choose(choice, 10**6, seed=1)
    assert sorted(map(tuple, everything.tolist())) == sorted(map(tuple, LOG.training_windows(4).tolist()))


def test_random_and_k_center_differ_between_seeds_and_longest_does_not() -> None:
    sequences = real()
    expected: list[tuple[Choice, bool]] = [("random", True), ("k-center", True), ("longest", False)]
    for choice, differs in expected:
        one, other = (sequences.choose(choice, 8, seed=seed) for seed in (1, 2))
        assert torch.equal(one, other) != differs


def test_longest_come_first_and_recent_ones_end_last() -> None:
    lengths = [4, 9, 3, 7]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = np.random.default_rng(0).integers(1, LOG.num_items + 1, offsets[-1])
    times = np.random.default_rng(1).permutation(offsets[-1])
    for user in range(4):
        times[offsets[user] : offsets[user + 1]].sort()
    log = Dataset("log", items, offsets, LOG.item_ids, LOG.user_ids[:4], LOG.provenance, times=times)
    sequences = RealSequences(log, 4, mean_embedding(FACTOR))
    counts = (sequences.choose("longest", 10, seed=0) > 0).sum(1).tolist()
    assert counts == sorted(counts, reverse=True)
    newest = sequences.choose("longest", 1, seed=0)[0].tolist()
    assert newest == log.items[offsets[1] + 2 : offsets[1] + 7].tolist()
    ends = sequences.bounds[1]
    recent = sequences.choose("recent", 1, seed=0)[0]
    last = max(range(len(ends)), key=lambda w: times[ends[w] - 1])
    assert recent[recent > 0].tolist()[-1] == items[ends[last] - 1]


def test_mean_embedding_ignores_padding() -> None:
    windows = torch.tensor([[2, 5, 0, 0]])
    torch.testing.assert_close(mean_embedding(FACTOR)(windows)[0], (FACTOR[1] + FACTOR[4]) / 2)
