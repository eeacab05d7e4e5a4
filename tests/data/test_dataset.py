from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqdistill.data import Dataset, Provenance
from seqdistill.data.dataset import VALIDATION_USERS


def make(sequences: list[list[int]]) -> Dataset:
    """A dataset of these sequences of items 1, 2, ..."""
    flat = [item for sequence in sequences for item in sequence]
    return Dataset(
        name="made",
        items=np.array(flat, dtype=np.int64),
        offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        item_ids=pl.Series([str(item) for item in range(1, max(flat) + 1)]),
        user_ids=pl.Series([str(user) for user in range(len(sequences))]),
        provenance=Provenance("made"),
    )


def distinct(lengths: list[int]) -> Dataset:
    """Users of these lengths; every position of the log is its own item, so that a window shows where it was cut."""
    ends = np.cumsum(lengths)
    return make([list(range(int(end) - length + 1, int(end) + 1)) for length, end in zip(lengths, ends, strict=True)])


def training_part(dataset: Dataset, user: int) -> list[int]:
    return dataset.items[dataset.offsets[user] : dataset.training_ends[user]].tolist()


lengths = st.lists(st.integers(1, 30), min_size=1, max_size=8)
seeds = st.none() | st.integers(0, 2**32 - 1)


@given(lengths=lengths, length=st.integers(1, 12), seed=seeds)
def test_windows_hold_every_training_target_once_after_its_predecessor(
    lengths: list[int], length: int, seed: int | None
) -> None:
    dataset = distinct(lengths)
    windows = dataset.training_windows(length, None if seed is None else np.random.default_rng(seed))
    assert windows.shape[1] == length + 1
    met = Counter((a, b) for row in windows.tolist() for a, b in pairwise(row) if b != 0)
    expected = Counter(pair for user in range(dataset.num_users) for pair in pairwise(training_part(dataset, user)))
    assert met == expected


@given(lengths=lengths, length=st.integers(1, 12), seed=seeds)
def test_held_out_rows_are_never_in_a_training_window(lengths: list[int], length: int, seed: int | None) -> None:
    dataset = distinct(lengths)
    windows = dataset.training_windows(length, None if seed is None else np.random.default_rng(seed))
    held = set[int]()
    for part in ("validation", "test"):
        held.update(dataset.held_out(part, length)[1].tolist())
    assert len(held) == 2 * len(dataset.held_out_users("test")) == 2 * sum(n >= 3 for n in lengths)
    assert not held & set(windows.ravel().tolist())
    assert dataset.item_counts[list(held)].sum() == 0


@given(lengths=lengths, length=st.integers(1, 12), seed=seeds)
def test_padding_is_on_the_right_only(lengths: list[int], length: int, seed: int | None) -> None:
    dataset = distinct(lengths)
    windows = dataset.training_windows(length, None if seed is None else np.random.default_rng(seed))
    for rows in (windows, dataset.held_out("validation", length)[0], dataset.held_out("test", length)[0]):
        assert (rows[:, :1] != 0).all()
        assert not ((rows[:, :-1] == 0) & (rows[:, 1:] != 0)).any()


def test_windows_by_hand() -> None:
    # Ten items, the last two held out: seven targets, 2 to 8.
    dataset = distinct([10])
    assert dataset.training_windows(3).tolist() == [[1, 2, 0, 0], [2, 3, 4, 5], [5, 6, 7, 8]]
    assert dataset.training_windows(7).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]
    assert dataset.training_windows(9).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 0, 0]]


def test_short_users_only_train() -> None:
    dataset = distinct([1, 2, 3])
    assert dataset.held_out_users("test").tolist() == [2]
    assert dataset.training_windows(4).tolist() == [[2, 3, 0, 0, 0]]
    assert dataset.item_counts.tolist() == [0, 1, 1, 1, 1, 0, 0]


def test_a_random_cut_moves_and_is_repeatable() -> None:
    dataset = distinct([40])
    one, same, other = (dataset.training_windows(8, np.random.default_rng(seed)).tolist() for seed in (1, 1, 3))
    assert one == same
    assert one != other


def test_held_out_by_hand() -> None:
    dataset = make([[5, 1, 2, 3, 4], [2, 1], [3, 2, 1]])
    histories, targets = dataset.held_out("test", 3)
    assert histories.tolist() == [[1, 2, 3], [3, 2, 0]]
    assert targets.tolist() == [4, 1]
    histories, targets = dataset.held_out("validation", 3)
    assert histories.tolist() == [[5, 1, 2], [3, 0, 0]]
    assert targets.tolist() == [3, 2]
    assert dataset.held_out("test", 2, users=[2])[0].tolist() == [[3, 2]]


@pytest.mark.parametrize(("sequences", "repeats"), [([[1, 2], [1, 2]], False), ([[1, 2], [2, 3, 2]], True)])
def test_repeats_are_those_of_one_user(sequences: list[list[int]], repeats: bool) -> None:
    assert make(sequences).has_repeats is repeats


def test_a_validation_asks_a_sample_of_many_users_and_a_test_asks_all() -> None:
    users = VALIDATION_USERS + 2_000
    dataset = make([[1, 2 + user % 5, 7] for user in range(users)])
    asked = dataset.held_out_users("validation")
    assert len(asked) == len(set(asked.tolist())) == VALIDATION_USERS
    histories, targets = dataset.held_out("validation", 4)
    assert (targets == 2 + asked % 5).all()
    assert (histories[:, 0] == 1).all()
    assert len(dataset.held_out("test", 4)[1]) == users
