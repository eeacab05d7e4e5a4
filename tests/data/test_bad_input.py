"""Whatever is wrong with a log is answered in one line that says where and how to mend it."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from logs import load_all, refusal, rows_of, sequences, write, write_csv
from seqdistill.data import load_dataset, text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("log.csv", b"", ["is empty"]),
        ("log.csv", b"\n\n", ["no rows"]),
        ("log.csv", b"user,item\n", ["no rows"]),
        ("log.txt", b"\n\n", ["no rows"]),
        ("log.txt", b"alone\n", ["no rows"]),
        ("log.jsonl", b"\n", ["no"]),
        ("log.xyz", b"u i\n", ["cannot tell the format", "data.format", ".inter"]),
        ("log.csv", b"who,item\nu,i\n", ["user id", "'who', 'item'", "data.user=NAME"]),
        ("log.csv", b"user;item;x\nu,i\n", ["line 2", "no value", "'item'"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,soon\n", ["line 3", "'soon'", "'time'", "data.order=file"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,nan\n", ["line 3", "'nan'"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,\n", ["line 3", "no value", "'time'", "data.bad_rows=drop"]),
        ("log.csv", b"user,item,time\nu,a,2024-01-31\nu,b,31.01.2024\n", ["line 3", "'31.01.2024'"]),
        ("log.csv", b"user,item,time\nu,a,2024-01-31\nu,b,7\n", ["line 3", "'7'"]),
        ("log.csv", b"user,item\nu,a\n\nu,\n", ["line 4", "no value", "'item'"]),
        ("log.csv", b"user,item\nu,a\nu,a,b\n", ["line 3", "3 fields", "header 2"]),
        ("log.csv", b"user,item\nu,a\nv,\xff\xfe\n", ["line 3", "UTF-8"]),
        ("log.csv", b"us\xe9r,item\nu,a\n", ["line 1", "UTF-8"]),
        ("log.csv", "user,item\nu,a\n".encode("utf-16"), ["UTF-16", "UTF-8"]),
        ("log.csv", b'user,item\nu,a\n"u,a\nv,b\n', ["line 3", "not closed", "data.quote=none"]),
        ("log.csv", b'user,item\nu,5" pipe\nv,b\n', ["line 2", "data.quote=none"]),
        ("log.csv", b"user,item,user\nu,a,v\n", ["'user' twice"]),
        ("log.csv", b"1,2,5,978300760\n1,3,4,978300761\n", ["no header", "data.columns=user,item,rating,time"]),
        ("log.txt", b"1,2\n1,3\n", ["2 fields", "','", "data.columns"]),
        ("log.txt", b"u a\nv \xff\n", ["line 2", "UTF-8"]),
        ("log.inter", b"user:token\tuser:float\nu\t1\n", ["twice"]),
        ("log.jsonl", b'{"user": 1, "item": 2}\n{"user": 1,\n', ["line 2", "JSON"]),
        ("log.jsonl", b'{"user": 1, "item": 2}\n' * 2000 + b"{oops\n", ["line 2001", "JSON"]),
        ("log.json", b'[{"user": 1, "item": 2}]', ["array", "one object a line"]),
        ("log.csv.gz", b"user,item\nu,i\n", ["gzip"]),
        ("log.csv.gz", gzip.compress(b"user,item\n" + b"u,i\n" * 99)[:-12], ["gzip", "too soon"]),
        ("log.csv.gz", gzip.compress(b"user,item\nu,i\n")[:-8] + b"\0" * 8, ["gzip"]),
        ("log.csv.zst", b"user,item\nu,i\n", ["zstd"]),
        ("log.zip", b"PK\x03\x04 and so on", ["zip", "unpack"]),
        ("log.csv.bz2", b"BZh91AY&SY", ["bzip2", "unpack"]),
        ("log.parquet", b"PAR1, or so it says", ["parquet"]),
        ("log.parquet", b"user,item\nu,i\n", ["parquet"]),
        ("log.arrow", b"ARROW1, or so it says", ["not a whole table"]),
    ],
)
def test_a_bad_file(tmp_path: Path, name: str, content: bytes, expected: list[str]) -> None:
    path = write(tmp_path / name, content)
    message = refusal(path)
    assert str(path) in message
    for part in expected:
        assert part in message


def test_a_bad_line_is_named_by_its_number_in_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text.cut_blocks, "__defaults__", (50,))
    good = [f"u{k},a,{k}" for k in range(100)]
    for bad, part in (("u,a,soon", "'soon'"), ("u,,1", "'item'"), ("u,a,1,2", "4 fields"), ('"u,a,1', "not closed")):
        path = write_csv(tmp_path / "log.csv", *good[:60], bad, *good[60:])
        message = refusal(path)
        assert "line 62" in message
        assert part in message


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "log.txt", "u " + "1 " * 5000)
    assert len(sequences(load_all(path))["u"]) == 5000
    monkeypatch.setattr(text.cut_blocks, "__defaults__", (64,))
    monkeypatch.setattr(text, "MAX_LINE_BYTES", 1000)
    assert "line 1 is longer" in refusal(path)


def test_missing_files_and_folders_that_are_no_log(tmp_path: Path) -> None:
    for name in ("log.csv", "*.csv", "some/[a-c].csv"):
        assert str(tmp_path / name) in refusal(tmp_path / name)
    assert "no such file" in refusal(tmp_path / "log.csv")
    assert "matches the pattern" in refusal(tmp_path / "*.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "without parquet files" in refusal(tmp_path / "folder.csv")


def test_a_given_column_that_is_not_there_offers_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,clicked_at\nu,i,1\n")
    message = refusal(path, time="cliked_at")
    assert "has no column 'cliked_at'; did you mean 'clicked_at'? its columns are 'user', 'item'" in message


def test_columns_that_cannot_be_ids(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": [[1], [2]], "item": ["a", "b"]}).write_parquet(path)
    assert "'user'" in refusal(path)
    pl.DataFrame({"user": [b"1"], "item": ["a"]}).write_parquet(path)
    assert "bytes" in refusal(path)
    pl.DataFrame({"user": [1, None], "item": ["a", "b"]}).write_parquet(path)
    assert "row 2 has no value in column 'user'" in refusal(path)


def test_bad_rows_can_be_dropped_and_are_counted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", "u,a,3", ",a,1", "u,,1", "u,b,soon", "u,c,", "u,d,1")
    dataset = load_all(path, bad_rows="drop")
    assert rows_of(dataset) == [("u", "d", 1), ("u", "a", 3)]
    assert any(note.startswith("4 rows without") for note in dataset.provenance.notes)
    assert "all 1 rows were dropped" in refusal(write_csv(path, "u,a,soon"), bad_rows="drop")


def test_times_can_be_left_aside(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", "u,b,", "u,a,soon")
    dataset = load_all(path, order="file")
    assert sequences(dataset) == {"u": ["b", "a"]}
    assert dataset.times is None


def test_ids_come_back_as_they_were(tmp_path: Path) -> None:
    ids = ["7", "007", "7.0", " 7", "-0", "1e3", "é", "e\u0301", "NULL", "nan", "a,b", 'say "x"', "9" * 30, "\u200b"]
    table = pl.DataFrame({"user": ["u"] * len(ids), "item": ids})
    table.write_csv(tmp_path / "log.csv")
    table.write_parquet(tmp_path / "log.parquet")
    for name in ("log.csv", "log.parquet"):
        assert sequences(load_all(tmp_path / name)) == {"u": ids}


def test_one_user_and_one_item(tmp_path: Path) -> None:
    dataset = load_all(write_csv(tmp_path / "log.csv", "u,a,1"))
    assert (dataset.num_users, dataset.num_items, dataset.num_interactions) == (1, 1, 1)
    assert dataset.held_out_users("test").tolist() == []
    dataset = load_all(write_csv(tmp_path / "log.csv", "u,a,1", "u,a,2", "u,a,3"))
    assert dataset.held_out("test", 5)[0].tolist() == [[1, 1, 0, 0, 0]]


def test_an_unknown_setting_offers_the_nearest(tmp_path: Path) -> None:
    assert "data.min_count" in refusal(tmp_path / "log.csv", min_cuont=3)


def test_a_default_filter_that_would_take_nearly_all_asks_first(tmp_path: Path) -> None:
    rows = [f"u{k},a{k % 50},1" for k in range(500)] + [f"v,a{k},{k}" for k in range(10)]
    path = write_csv(tmp_path / "log.csv", *rows)
    with pytest.raises(Exception, match=r"at least 5 rows\) would leave 10 of 510 rows.*data.filter=items-first"):
        load_dataset(path)
    assert load_dataset(path, min_count=5).num_interactions == 10
    assert load_dataset(path, min_count=1).num_interactions == 510
    # What the user asked to drop does not count against the default filter.
    rows = [f"u{k % 5},a{k % 5},{k}" for k in range(1000)]
    path = write_csv(tmp_path / "log.csv", *rows)
    assert load_dataset(path, time_from=950).num_interactions == 50
