from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logs import load_all, refusal, rows_of, sequences, write_csv
from seqdistill.data import Dataset

# Of user a: x y x; b: y; c: x z. Items: x 3, y 2, z 1.
ROWS = ("a,x,1", "a,y,2", "b,y,3", "a,x,4", "c,x,5", "c,z,6")


def notes(dataset: Dataset) -> str:
    return " | ".join(dataset.provenance.notes)


def test_a_single_pass_counts_on_the_log_as_it_comes(tmp_path: Path) -> None:
    # y has two rows and stays, though one of them is of user b, who has one row and goes.
    dataset = load_all(write_csv(tmp_path / "log.csv", *ROWS), min_count=2)
    assert sequences(dataset) == {"a": ["x", "y", "x"], "c": ["x"]}
    assert "in one pass: 2 of 6 rows, 1 of 3 users, 1 of 3 items removed" in notes(dataset)


def test_items_first_counts_users_on_what_is_left(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", *ROWS)
    assert sequences(load_all(path, min_count=2, filter="items-first")) == {"a": ["x", "y", "x"]}
    assert sequences(load_all(path, min_item_count=3, min_user_count=1)) == {"a": ["x", "x"], "c": ["x"]}


log = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@settings(deadline=None, max_examples=40)
@given(rows=log, least=st.integers(1, 4))
def test_the_core_is_the_largest_in_which_all_have_enough(rows: list[tuple[int, int]], least: int) -> None:
    kept = rows
    while True:
        users, items = Counter(u for u, _ in kept), Counter(i for _, i in kept)
        fewer = [(u, i) for u, i in kept if users[u] >= least and items[i] >= least]
        if len(fewer) == len(kept):
            break
        kept = fewer
    table = pl.DataFrame(rows, ["user", "item"], orient="row")
    if not kept:
        assert "no row is left" in refusal(table, min_count=least, filter="core")
        return
    expected = {str(user): [str(i) for u, i in kept if u == user] for user in {u for u, _ in kept}}
    assert sequences(load_all(table, min_count=least, filter="core")) == expected


def test_ratings(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,rating\nu,a,5\nu,b,3.5\nv,c,1\n")
    dataset = load_all(path, min_rating=3.5)
    assert sequences(dataset) == {"u": ["a", "b"]}
    assert "ratings below 3.5: 1 of 3 rows, 1 of 2 users, 1 of 3 items removed" in notes(dataset)
    assert sequences(load_all(path)) == {"u": ["a", "b"], "v": ["c"]}
    path.write_text("user,item,rating\nu,a,good\n")
    assert "line 2 has 'good' in column 'rating'" in refusal(path, min_rating=3)
    path.write_text("user,item,note\nu,a,5\n")
    assert "no column that looks like a rating" in refusal(path, min_rating=3)
    assert sequences(load_all(path, min_rating=3, rating="note")) == {"u": ["a"]}


def test_a_time_range(tmp_path: Path) -> None:
    days = [f"u,i{day},2024-01-{day:02d} 12:00" for day in range(1, 10)]
    path = write_csv(tmp_path / "log.csv", *days)
    dataset = load_all(path, time_from="2024-01-03", time_until="2024-01-05T12:00:00Z")
    assert sequences(dataset) == {"u": ["i3", "i4"]}
    assert "times before 2024-01-03: 2 of 9 rows" in notes(dataset)
    assert "is no date" in refusal(path, time_from="yesterday")
    assert "last went with times before 2025-01-01" in refusal(path, time_from="2025-01-01")
    untimed = tmp_path / "log.txt"
    untimed.write_text("u 1 2 3\n")
    assert "no times" in refusal(untimed, time_from="2024-01-03")


def test_consecutive_repeats(tmp_path: Path) -> None:
    rows = ["u,a,1", "u,b,3", "u,a,2", "u,a,4", "v,a,0", "v,a,0"]
    dataset = load_all(write_csv(tmp_path / "log.csv", *rows), drop_repeats=True)
    assert rows_of(dataset) == [("u", "a", 1), ("u", "b", 3), ("u", "a", 4), ("v", "a", 0)]
    assert "consecutive repeats of an item: 2 of 6 rows" in notes(dataset)


def test_least_length_comes_last(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", *ROWS)
    assert sequences(load_all(path, min_item_count=2, min_length=2)) == {"a": ["x", "y", "x"]}


@pytest.mark.parametrize("setting", [{"min_count": 9}, {"min_length": 9}])
def test_an_emptied_log_names_the_filter(tmp_path: Path, setting: dict[str, int]) -> None:
    path = write_csv(tmp_path / "log.csv", *ROWS)
    message = refusal(path, **setting)
    assert str(path) in message
    assert "no row is left of 6" in message
    assert "fewer than 9" in message
