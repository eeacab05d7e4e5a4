import hashlib
from pathlib import Path

import polars as pl
import pytest

from seqdistill.data import Dataset, load_dataset
from seqdistill.data.build import parquet_bytes
from seqdistill.data.filters import single_pass_core
from seqdistill.errors import SeqDistillError


def sequences(dataset: Dataset) -> dict[str, list[str]]:
    """Each user's items, oldest first, in the log's own ids."""
    ids = dataset.item_ids.to_list()
    return {
        user: [ids[item - 1] for item in dataset.items[dataset.offsets[u] : dataset.offsets[u + 1]]]
        for u, user in enumerate(dataset.user_ids)
    }


def write(path: Path, *rows: str) -> Path:
    path.write_text("user,item,time\n" + "".join(row + "\n" for row in rows))
    return path


def test_a_small_log_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", "10,b,3", "9,a,5", "10,c,1", "10,a,2", "9,b,4")
    dataset = load_dataset(path, min_count=1)
    assert dataset.name == "shop"
    assert dataset.user_ids.to_list() == ["9", "10"]
    assert dataset.item_ids.to_list() == ["a", "b", "c"]
    assert dataset.offsets.tolist() == [0, 2, 5]
    assert dataset.items.tolist() == [2, 1, 3, 1, 2]
    assert dataset.provenance.source == str(path)
    assert dataset.provenance.log_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_ties_keep_the_order_of_the_file_and_are_counted(tmp_path: Path) -> None:
    rows = ["u,z,1", "u,b,1", "v,x,1", "u,y,0", "u,a,1", "v,w,2"]
    dataset = load_dataset(write(tmp_path / "log.csv", *rows), min_count=1)
    assert sequences(dataset) == {"u": ["y", "z", "b", "a"], "v": ["x", "w"]}
    assert any(note.startswith("2 of 6 rows") for note in dataset.provenance.notes)


def test_without_times_the_order_of_the_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("u 3 1 2\nv 9 3\n")
    assert sequences(load_dataset(path, min_count=1)) == {"u": ["3", "1", "2"], "v": ["9", "3"]}


def test_the_numbering_does_not_depend_on_the_order_of_the_lines(tmp_path: Path) -> None:
    rows = ["u,10,1", "v,9,2", "u,9,3", "w,11,4"]
    one = load_dataset(write(tmp_path / "one.csv", *rows), min_count=1)
    two = load_dataset(write(tmp_path / "two.csv", *reversed(rows)), min_count=1)
    assert one.item_ids.to_list() == two.item_ids.to_list() == ["9", "10", "11"]
    assert one.items.tolist() == two.items.tolist()


def test_ids_that_only_look_like_numbers_stay_apart(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path / "log.csv", "u,7,1", "u,007,2", "u,7.0,3"), min_count=1)
    assert sequences(dataset) == {"u": ["7", "007", "7.0"]}


def test_the_filter_counts_once_on_the_whole_log() -> None:
    # Item y has two rows and stays, though one of them is of user b, who has one row and goes.
    rows = pl.DataFrame({"user": ["a", "a", "b", "a", "c", "c"], "item": ["x", "y", "y", "x", "x", "z"]})
    kept, note = single_pass_core(rows, 2)
    assert kept.rows() == [("a", "x"), ("a", "y"), ("a", "x"), ("c", "x")]
    assert "2 of 6 rows, 1 of 3 users, 1 of 3 items removed" in note


def test_an_emptied_log_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "u,a,1", "v,b,2")
    with pytest.raises(SeqDistillError, match="min_count") as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_log_is_weighed_unfiltered_and_as_numbers(tmp_path: Path) -> None:
    rows = [f"{100_000 + u},{i},{1_000_000_000 + 60 * u + i}" for u in range(50) for i in range(u % 7)]
    path = write(tmp_path / "log.csv", *rows)
    dataset = load_dataset(path, min_count=5)
    assert dataset.num_interactions < len(rows)
    assert dataset.provenance.log_parquet_bytes == load_dataset(path, min_count=1).provenance.log_parquet_bytes
    text = pl.read_csv(path, infer_schema=False)
    numbers = text.cast(pl.Int32)
    assert dataset.provenance.log_parquet_bytes == parquet_bytes(text) == parquet_bytes(numbers)


def test_neither_a_name_nor_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeqDistillError, match=r"no such file.*did you mean ml-100k\?"):
        load_dataset("ml100k")
    with pytest.raises(SeqDistillError, match=r"no such file.*ml-100k"):
        load_dataset("logs/shop.csv")
    with pytest.raises(SeqDistillError, match="no such file"):
        load_dataset(Path("ml-100k"))


def test_a_path_reaches_a_file_that_is_called_like_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ml-100k").mkdir()
    with pytest.raises(SeqDistillError, match="is a folder"):
        load_dataset("./ml-100k")
