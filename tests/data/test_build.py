import hashlib
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from logs import load_all, refusal, rows_of, sequences, write, write_csv
from seqdistill.data import load_dataset
from seqdistill.data.ids import narrowest


def parquet_bytes(rows: pl.DataFrame) -> int:
    """Size of a log as zstd parquet, each column in the narrowest type that holds its values exactly."""
    buffer = io.BytesIO()
    rows.select(narrowest(column) for column in rows).write_parquet(buffer, compression="zstd")
    return buffer.getbuffer().nbytes


def test_a_small_log_by_hand(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "shop.csv", "10,b,3", "9,a,5", "10,c,1", "10,a,2", "9,b,4")
    dataset = load_all(path)
    assert dataset.name == "shop"
    assert dataset.user_ids.to_list() == ["9", "10"]
    assert dataset.item_ids.to_list() == ["a", "b", "c"]
    assert dataset.offsets.tolist() == [0, 2, 5]
    assert dataset.items.tolist() == [2, 1, 3, 1, 2]
    assert dataset.provenance.source == str(path)
    assert dataset.provenance.log_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_ties_keep_the_order_of_the_file_and_are_counted(tmp_path: Path) -> None:
    rows = ["u,z,1", "u,b,1", "v,x,1", "u,y,0", "u,a,1", "v,w,2"]
    dataset = load_all(write_csv(tmp_path / "log.csv", *rows))
    assert sequences(dataset) == {"u": ["y", "z", "b", "a"], "v": ["x", "w"]}
    assert any(note.startswith("2 of 6 rows") for note in dataset.provenance.notes)


@pytest.mark.parametrize(
    "times",
    [
        [3, 1, 2],
        [-3, 5, -4],
        [2**62, -(2**62), 0],
        [0.5, 0.25, -1.5],
        ["2024-01-03", "1960-01-01", "2024-01-02T03:04:05.678901Z"],
    ],
)
def test_times_of_every_kind_order_the_rows(tmp_path: Path, times: list[object]) -> None:
    path = write_csv(tmp_path / "log.csv", *(f"u,{k},{time}" for k, time in enumerate(times)))
    by_time = [str(k) for k in sorted(range(3), key=lambda k: times[k])]  # type: ignore[return-value, arg-type]
    assert sequences(load_all(path)) == {"u": by_time}


def test_whole_times_are_the_same_however_they_are_spelt(tmp_path: Path) -> None:
    one = load_all(write_csv(tmp_path / "one.csv", "u,a,5", "u,b,6"))
    other = load_all(write_csv(tmp_path / "two.csv", "u,a,5.0", "u,b,6e0"))
    assert one.times is not None
    assert other.times is not None
    assert one.times.dtype == other.times.dtype == np.int64
    # A decimal late in the log makes all of it decimal.
    mixed = load_all(write_csv(tmp_path / "three.csv", "u,a,5", "u,b,4.5"))
    assert rows_of(mixed) == [("u", "b", 4.5), ("u", "a", 5.0)]


def test_odd_times_are_kept_and_counted(tmp_path: Path) -> None:
    rows = ["u,a,1700000000", "u,b,-86400", "u,c,99999999999"]
    dataset = load_all(write_csv(tmp_path / "log.csv", *rows))
    assert sequences(dataset) == {"u": ["b", "a", "c"]}
    (note,) = [note for note in dataset.provenance.notes if note.startswith("times are")]
    assert "epoch seconds, from 1969-12-31 to 5138-11-16 09:46:39; 1 in the future and 1 before 1970, kept" in note


def test_the_numbering_does_not_depend_on_the_order_of_the_lines(tmp_path: Path) -> None:
    rows = ["u,10,1", "v,9,2", "u,9,3", "w,11,4"]
    one = load_all(write_csv(tmp_path / "one.csv", *rows))
    two = load_all(write_csv(tmp_path / "two.csv", *reversed(rows)))
    assert one.item_ids.to_list() == two.item_ids.to_list() == ["9", "10", "11"]
    assert one.items.tolist() == two.items.tolist()


def test_the_log_is_weighed_unfiltered_and_as_numbers(tmp_path: Path) -> None:
    rows = [f"{100_000 + u},{i},{1_000_000_000 + 60 * u + i}" for u in range(50) for i in range(u % 7)]
    path = write_csv(tmp_path / "log.csv", *rows)
    dataset = load_dataset(path, min_count=5)
    assert dataset.num_interactions < len(rows)
    assert dataset.provenance.log_parquet_bytes == load_all(path).provenance.log_parquet_bytes
    text = pl.read_csv(path, infer_schema=False)
    numbers = text.cast(pl.Int32)
    assert dataset.provenance.log_parquet_bytes == parquet_bytes(text) == parquet_bytes(numbers)


def test_neither_a_name_nor_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal("ml100k")
    assert "no such file" in message
    assert "did you mean ml-100k" in message
    assert "no such file" in refusal("logs/shop.csv")
    assert "no such file" in refusal(Path("ml-100k"))


def test_a_path_reaches_a_file_that_is_called_like_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("ml-100k"), "user,item\nu,a\n")
    assert sequences(load_all("./ml-100k")) == {"u": ["a"]}
