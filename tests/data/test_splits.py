"""No split lets training see what it is tested on, whatever the log."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logs import load_all, refusal, write
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError

PARTS = ("validation", "test")
Log = list[tuple[int, int, int]]
logs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 30)), min_size=5, max_size=80)


def load(rows: Log, **chosen: object) -> Dataset:
    try:
        return load_all(pl.DataFrame(rows, ["user", "item", "time"], orient="row"), **chosen)
    except SeqDistillError:
        assume(condition=False)
        raise


def training_rows(dataset: Dataset) -> list[int]:
    """Places in `items` that training sees."""
    return [
        row
        for user in range(dataset.num_users)
        for row in range(int(dataset.offsets[user]), int(dataset.training_ends[user]))
    ]


def check_held_out(dataset: Dataset) -> None:
    """What holds for every split: histories end right before their targets, which training never sees."""
    training = set(training_rows(dataset))
    for part in PARTS:
        targets = dataset.split.validation if part == "validation" else dataset.split.test
        users = dataset.held_out_users(part)
        assert len(set(users.tolist())) == len(users)
        assert not training & set(targets.tolist())
        histories, items = dataset.held_out(part, 100)
        for user, target, history, item in zip(users, targets, histories, items, strict=True):
            assert dataset.offsets[user] < target < dataset.offsets[user + 1]
            assert history[history > 0].tolist() == dataset.items[dataset.offsets[user] : target].tolist()
            assert item == dataset.items[target]
    assert not set(dataset.split.validation.tolist()) & set(dataset.split.test.tolist())
    windows = dataset.training_windows(4)
    assert (windows > 0).sum() <= len(training) + len(windows)
    assert set(windows[windows > 0].tolist()) <= {int(dataset.items[row]) for row in training}
    assert dataset.item_counts.sum() == len(training)


@settings(deadline=None, max_examples=40)
@given(rows=logs)
def test_leave_one_out(rows: Log) -> None:
    dataset = load(rows)
    check_held_out(dataset)
    assert dataset.split.name == "leave-one-out"
    begins, ends = dataset.offsets[:-1], dataset.offsets[1:]
    assert dataset.split.test.tolist() == [e - 1 for b, e in zip(begins, ends, strict=True) if e - b >= 3]


@settings(deadline=None, max_examples=60)
@given(rows=logs, cuts=st.lists(st.integers(1, 29), min_size=2, max_size=2, unique=True))
def test_by_time(rows: Log, cuts: list[int]) -> None:
    first, second = sorted(cuts)
    dataset = load(rows, split="time", validation_from=first, test_from=second)
    check_held_out(dataset)
    times = dataset.times
    assert times is not None
    training = training_rows(dataset)
    assert all(times[row] < first for row in training)
    assert all(first <= times[row] < second for row in dataset.split.validation)
    assert all(times[row] >= second for row in dataset.split.test)
    # The next item of everyone who has one and a history is asked for, and no item is that training never saw.
    seen = {int(dataset.items[row]) for row in training}
    assert seen == set(range(1, dataset.num_items + 1))
    expected = [
        next((row for row in range(a, b) if times[row] >= second), a)
        for a, b in zip(dataset.offsets, dataset.offsets[1:], strict=False)
    ]
    assert dataset.split.test.tolist() == [row for row, a in zip(expected, dataset.offsets, strict=False) if row > a]


@settings(deadline=None, max_examples=40)
@given(rows=logs, seed=st.integers(0, 5))
def test_by_user(rows: Log, seed: int) -> None:
    dataset = load(rows, split="user", validation_share=0.2, test_share=0.3, split_seed=seed)
    check_held_out(dataset)
    trained = {user for user in range(dataset.num_users) if dataset.training_ends[user] > dataset.offsets[user]}
    for part in PARTS:
        users = dataset.held_out_users(part)
        assert not trained & set(users.tolist())
        assert (dataset.held_out(part, 3)[1] == dataset.items[dataset.offsets[users + 1] - 1]).all()
    assert not set(dataset.held_out_users("validation").tolist()) & set(dataset.held_out_users("test").tolist())


def by_hand(tmp_path: Path) -> Path:
    """Six users over ten days; day 6 begins the validation and day 8 the test."""
    rows = [
        *(("old", item, day) for item, day in (("a", 1), ("b", 2), ("c", 6), ("d", 7), ("a", 8), ("b", 9))),
        *(("gone", item, day) for item, day in (("c", 1), ("d", 5))),
        *(("new in validation", item, day) for item, day in (("a", 6), ("b", 7), ("c", 8))),
        *(("new in test", item, day) for item, day in (("a", 8), ("b", 9))),
        *(("odd", item, day) for item, day in (("a", 3), ("never trained on", 6), ("b", 8))),
    ]
    lines = ["user,item,time", *(f"{user},{item},2024-01-{day:02d}" for user, item, day in rows)]
    return write(tmp_path / "log.csv", "\n".join(lines))


def test_by_time_by_hand(tmp_path: Path) -> None:
    chosen = {"split": "time", "validation_from": "2024-01-06", "test_from": "2024-01-08"}
    dataset = load_all(by_hand(tmp_path), **chosen)
    users, items = dataset.user_ids.to_list(), dataset.item_ids.to_list()
    assert items == ["a", "b", "c", "d"]

    def asked(part: str) -> dict[str, str]:
        who = dataset.held_out_users("validation" if part == "validation" else "test")
        what = dataset.held_out("validation" if part == "validation" else "test", 9)[1]
        return {users[user]: items[item - 1] for user, item in zip(who, what, strict=True)}

    assert asked("validation") == {"old": "c"}
    assert asked("test") == {"old": "a", "new in validation": "c", "odd": "b"}
    assert dict(dataset.split.details) == {
        "users_unseen_in_training": 2,
        "users_beginning_in_validation": 1,
        "users_beginning_in_test": 1,
        "items_unseen_in_training": 1,
        "dropped_rows_of_unseen_items": 1,
        "validation_from": "2024-01-06",
        "test_from": "2024-01-08",
    }
    assert any("1 items unseen in training" in note for note in dataset.provenance.notes)


def test_shares_cut_about_where_they_say() -> None:
    rng = np.random.default_rng(0)
    rows = [(int(u), int(i), int(t)) for u, i, t in rng.integers(0, (50, 20, 10**6), (3000, 3))]
    dataset = load(rows, split="time", validation_share=0.2, test_share=0.1)
    assert len(training_rows(dataset)) / 3000 == pytest.approx(0.7, abs=0.01)
    times = dataset.times
    assert times is not None
    assert (times >= times[dataset.split.test].min()).mean() == pytest.approx(0.1, abs=0.02)


def test_splits_that_cannot_be_made(tmp_path: Path) -> None:
    path = by_hand(tmp_path)
    assert "no row is left to train on before 2020-01-01" in refusal(
        path, split="time", validation_from="2020-01-01", test_from="2024-01-08"
    )
    assert "not later" in refusal(path, split="time", validation_from="2024-01-08", test_from="2024-01-08")
    assert "together" in refusal(path, split="time", validation_from="2024-01-08")
    assert "lower them" in refusal(path, split="user", validation_share=0.5, test_share=0.5)
    assert "data.split = time" in refusal(path, validation_from="2024-01-06", test_from="2024-01-08")
    assert "no times" in refusal(write(tmp_path / "log.txt", "u 1 2\nv 1\n"), split="time")


def test_the_fingerprint_knows_the_split(tmp_path: Path) -> None:
    path = by_hand(tmp_path)
    prints = [load_all(path, split=split).fingerprint for split in ("leave-one-out", "user")]
    prints.append(load_all(path, split="user", split_seed=3).fingerprint)
    assert len(set(prints)) == 3
