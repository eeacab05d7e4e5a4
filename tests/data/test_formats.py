"""Every format a log may come in gives the same rows, ids and times."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from logs import Rows, load_all, refusal, rows_of, sequences, write
from seqdistill.data import load_dataset, text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# 007 is not 7, ids have spaces, accents and a comma, and u1's rows are not in the order of their times.
ROWS: Rows = [("u1", "007", 30), ("u2", "7", 10), ("u1", "a b", 20), ("u3", "é", 40), ("u 4", "x,y", 50)]
ORDERED = sorted(ROWS, key=lambda row: (row[0], row[2]))


def inter(rows: Rows) -> bytes:
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"{u}\t{i}\t{t}" for u, i, t in rows)]
    return ("\n".join(lines) + "\n").encode()


def frame(rows: Rows, *names: str) -> pl.DataFrame:
    return pl.DataFrame(rows, list(names or ("userId", "movieId", "timestamp")), orient="row")


def csv(rows: Rows) -> bytes:
    return frame(rows).write_csv().encode()


def tsv(rows: Rows) -> bytes:
    return frame(rows, "uid", "iid", "ts").write_csv(separator="\t").encode()


def jsonl(rows: Rows) -> bytes:
    keys = ("reviewerID", "asin", "unixReviewTime")
    lines = [json.dumps({"text": "a\nb", **dict(zip(keys, row, strict=True)), "style": {"a": [1]}}) for row in rows]
    return "\n".join(lines).encode()


def gz(content: bytes) -> bytes:
    # In several members, as parallel compressors write it.
    return gzip.compress(content[:20]) + gzip.compress(content[20:])


@pytest.mark.parametrize("encode", [inter, csv, tsv, jsonl])
@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gz), (".zst", zstd.compress)])
def test_text_formats_plain_and_compressed(
    tmp_path: Path, encode: Callable[[Rows], bytes], suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / f"log.{encode.__name__}{suffix}", compress(encode(ROWS)))
    assert rows_of(load_all(path)) == ORDERED


@pytest.mark.parametrize("encode", [inter, csv, tsv, jsonl])
def test_the_content_tells_where_the_name_does_not(tmp_path: Path, encode: Callable[[Rows], bytes]) -> None:
    # Compressed, though the name does not say so.
    assert rows_of(load_all(write(tmp_path / "log.dat", gzip.compress(encode(ROWS))))) == ORDERED
    assert rows_of(load_all(write(tmp_path / "log", encode(ROWS)))) == ORDERED


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "::", "^"])
@pytest.mark.parametrize("name", ["log.csv", "log.txt"])
def test_any_delimiter_is_found_out(tmp_path: Path, delimiter: str, name: str) -> None:
    lines = [delimiter.join(str(field) for field in row) for row in [("user", "item", "time"), *ROWS]]
    assert rows_of(load_all(write(tmp_path / name, "\n".join(lines)))) == ORDERED


def test_names_that_were_given_make_any_text_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", "who;what;when\nu;a;2\nu;b;1\n")
    assert sequences(load_all(path, user="who", item="what", time="when")) == {"u": ["b", "a"]}


def test_a_delimiter_that_was_given(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user~item\nu~a\nu~b\n")
    assert sequences(load_all(path, delimiter="~")) == {"u": ["a", "b"]}
    assert "data.delimiter" in refusal(path)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("1::10::5::978300760\n1::11::3::978300750\n", "user,item,rating,time"),
        ("1,10,5.0,978300760\n1,11,3.0,978300750\n", ["user", "item", "rating", "time"]),
        ("10 1 978300760\n11 1 978300750\n", "item,user,time"),
    ],
)
def test_a_file_without_a_header(tmp_path: Path, content: str, columns: object) -> None:
    path = write(tmp_path / "ratings.dat", content)
    assert rows_of(load_all(path, columns=columns)) == [("1", "11", 978300750), ("1", "10", 978300760)]
    assert "data.columns=user,item,rating,time" in refusal(path)
    assert "data.columns=user,item,rating,time" in refusal(path, format="csv")


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines, quoted line ends and header fall anywhere among the blocks."""
    rows: Rows = [(f"u{k % 7}", f'item "{k}"\nof two lines', k) for k in range(60)]
    path = write(tmp_path / "log.csv", csv(rows))
    whole = rows_of(load_all(path))
    assert whole == sorted(rows, key=lambda row: (row[0], row[2]))
    for num_bytes in (1, 7, 64, 1000):
        monkeypatch.setattr(text.cut_blocks, "__defaults__", (num_bytes,))
        if num_bytes > 20:
            assert rows_of(load_all(path)) == whole
        lines = write(tmp_path / "lines.txt", "u 3 1 2\n\nv\t1  1\r\nalone\nw 1")
        assert sequences(load_all(lines)) == {"u": ["3", "1", "2"], "v": ["1", "1"], "w": ["1"]}


def test_parquet_with_integer_ids_and_datetimes(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user_id": [2, 1, 2], "item_id": [7, 7, 8], "timestamp": [5, 6, 5]})
    rows = rows.with_columns(pl.col("timestamp").cast(pl.Datetime("ms")))
    rows.write_parquet(tmp_path / "log.parquet")
    dataset = load_all(tmp_path / "log.parquet")
    assert rows_of(dataset) == [("1", "7", 6), ("2", "7", 5), ("2", "8", 5)]
    assert "parquet" in dataset.provenance.notes[0]


def test_folders_and_patterns_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    for number, row in enumerate(ROWS):
        part = folder / f"day={number}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        frame([row]).write_parquet(part)
        write(tmp_path / f"part-{number}.csv", csv([row]))
    write(folder / "_SUCCESS", "x")
    assert rows_of(load_all(folder)) == ORDERED
    assert rows_of(load_all(str(folder / "*" / "*.parquet"))) == ORDERED
    dataset = load_all(str(tmp_path / "part-*.csv"))
    assert rows_of(dataset) == ORDERED
    assert "5 files" in dataset.provenance.notes[0]
    assert len(dataset.provenance.log_sha256) == 64
    # A partition can be a column like any other.
    assert sequences(load_all(folder, user="day"))["1"] == ["7"]


def test_arrow_files_and_a_saved_hugging_face_data_set(tmp_path: Path) -> None:
    frame(ROWS).write_ipc(tmp_path / "log.arrow")
    frame(ROWS).write_ipc_stream(tmp_path / "log.ipc")
    assert rows_of(load_all(tmp_path / "log.arrow")) == rows_of(load_all(tmp_path / "log.ipc")) == ORDERED
    saved = tmp_path / "saved" / "train"
    saved.mkdir(parents=True)
    frame(ROWS[:2]).write_ipc_stream(saved / "data-00000-of-00002.arrow")
    frame(ROWS[2:]).write_ipc_stream(saved / "data-00001-of-00002.arrow")
    files = [{"filename": f"data-0000{k}-of-00002.arrow"} for k in range(2)]
    write(saved / "state.json", json.dumps({"_data_files": files}))
    write(saved / "dataset_info.json", "{}")
    assert rows_of(load_all(saved)) == ORDERED
    write(saved.parent / "dataset_dict.json", json.dumps({"splits": ["train"]}))
    assert str(saved) in refusal(saved.parent)
    (saved / "data-00001-of-00002.arrow").unlink()
    assert "data-00001" in refusal(saved)


class ArrowTable:
    """Whatever speaks Arrow's stream protocol."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_frames_and_tables(tmp_path: Path) -> None:
    table = frame(ROWS)
    for source in (table, table.lazy(), ArrowTable(table)):
        dataset = load_all(source)
        assert rows_of(dataset) == ORDERED
        assert dataset.provenance.log_sha256 == ""
    assert load_dataset(table, name="mine", min_count=1).name == "mine"
    assert "a list is no log" in refusal([1, 2])
    path = tmp_path / "log.csv"
    table.write_csv(path)
    assert load_all(table).fingerprint == load_all(path).fingerprint


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    times = pandas.to_datetime(["2024-01-02T01:00", "2024-01-01T01:00"]).tz_localize("Europe/Berlin")
    table = pandas.DataFrame({"user": ["u", "u"], "item": [7, 8], "time": times}, index=[5, 9])
    dataset = load_all(table)
    assert sequences(dataset) == {"u": ["8", "7"]}
    assert "from 2024-01-01 to 2024-01-02" in dataset.provenance.notes[1]
    assert "row 2" in refusal(pandas.DataFrame({"user": ["u", None], "item": ["a", "b"]}))
    assert "column 'item' holds several values" in refusal(pandas.DataFrame({"user": ["u"], "item": [[1]]}))
    # Whole numbers with gaps are floats to pandas; what is left of them is still the id.
    gaps = pandas.DataFrame({"user": ["u", "v"], "item": pandas.array([7, None], dtype="Int64")})
    assert sequences(load_all(gaps, bad_rows="drop")) == {"u": ["7"]}


def test_lines_of_items_without_times(tmp_path: Path) -> None:
    dataset = load_all(write(tmp_path / "log.txt", 'u 3 1 2\nv 1 1\nw "q\n'))
    assert sequences(dataset) == {"u": ["3", "1", "2"], "v": ["1", "1"], "w": ['"q']}
    assert dataset.times is None
    assert any("file's order" in note for note in dataset.provenance.notes)


def test_user_item_lines(tmp_path: Path) -> None:
    assert sequences(load_all(write(tmp_path / "log.txt", "u 3\nv 1\nu 2\n"))) == {"u": ["3", "2"], "v": ["1"]}


def test_sessions_are_told_from_users_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", "1 2 1\n\n5 6 5\n1 3\n")
    message = refusal(path)
    assert "line 4" not in message  # blank lines are not counted among the lines compared
    assert "--set data.format=sessions" in message
    dataset = load_all(path, format="sessions")
    assert sequences(dataset) == {"1": ["1", "2", "1"], "3": ["5", "6", "5"], "4": ["1", "3"]}
    assert sequences(load_all(path, format="lines")) == {"1": ["2", "1", "3"], "5": ["6", "5"]}


def test_sessions_of_several_files_are_different_ones(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "1 2\n3 4")
    write(tmp_path / "b.txt", "1 2\n")
    dataset = load_all(str(tmp_path / "*.txt"), format="sessions")
    assert sorted(sequences(dataset).values()) == [["1", "2"], ["1", "2"], ["3", "4"]]


def test_repeated_users_are_noticed_even_beyond_the_first_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqdistill.data.log.HEAD_BYTES", 16)
    monkeypatch.setattr("seqdistill.data.recognise.HEAD_BYTES", 16)
    path = write(tmp_path / "log.txt", "".join(f"u{k} 1 2 3\n" for k in [*range(50), 3]))
    assert "data.format=sessions" in refusal(path)


def test_earlier_guesses_win_and_are_reported(tmp_path: Path) -> None:
    dataset = load_all(write(tmp_path / "log.csv", "asin,parent_asin,User_ID,rating\nx,y,u,5\n"))
    assert sequences(dataset) == {"u": ["y"]}
    assert "user = User_ID, item = parent_asin" in dataset.provenance.notes[0]


def test_given_columns_win_over_guesses(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\tsong:token\twhen:float"
    path = write(tmp_path / "log.inter", f"{header}\nu\ti\ts\t1.5\n")
    assert rows_of(load_all(path, item="song:token", time="when")) == [("u", "s", 1.5)]


def test_inter_does_not_treat_quotes_as_quoting(tmp_path: Path) -> None:
    path = write(tmp_path / "log.inter", 'user_id:token\titem_id:token\nu\t"a\nv\tb"\n')
    assert sequences(load_all(path)) == {"u": ['"a'], "v": ['b"']}
    path = write(tmp_path / "log.csv", 'user,item\nu,5" pipe\n')
    assert sequences(load_all(path, quote=None)) == {"u": ['5" pipe']}


def test_byte_order_mark_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "\ufeff\r\nuser,item,time\r\nu,a,1\r\n\r\nv,b,2\r\n\r\n")
    assert rows_of(load_all(path)) == [("u", "a", 1), ("v", "b", 2)]


def test_json_lines_with_keys_that_come_and_go(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"user": 1, "item": "a"}\n{"item": 2, "user": "1", "time": 5}\n')
    assert "line 1 has no value in column 'time'" in refusal(path)
    assert sequences(load_all(path, order="file")) == {"1": ["a", "2"]}
    assert sequences(load_all(path, bad_rows="drop")) == {"1": ["2"]}
