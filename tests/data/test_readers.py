import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from seqdistill.data.readers import Columns, LogFrame, read_log
from seqdistill.errors import SeqDistillError

Rows = list[tuple[str, str, float]]

# Three users; 007 is not 7, and u1's rows are not in the order of their times.
ROWS: Rows = [("u1", "007", 30), ("u2", "7", 10), ("u1", "a b", 20), ("u3", "é", 40)]


def inter(rows: Rows) -> bytes:
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"{u}\t{i}\t{t}" for u, i, t in rows)]
    return ("\n".join(lines) + "\n").encode()


def csv(rows: Rows) -> bytes:
    return pl.DataFrame(rows, ["userId", "movieId", "timestamp"], orient="row").write_csv().encode()


def tsv(rows: Rows) -> bytes:
    return pl.DataFrame(rows, ["uid", "iid", "ts"], orient="row").write_csv(separator="\t").encode()


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def as_tuples(log: LogFrame) -> Rows:
    return log.rows.select("user", "item", "time").rows()


def message(path: Path, columns: Columns | None = None) -> str:
    """The one line a user sees when `path` cannot be read."""
    with pytest.raises(SeqDistillError) as caught:
        read_log(path, columns)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("encode", [inter, csv, tsv])
@pytest.mark.parametrize("compression", ["", ".gz"])
def test_text_formats_give_the_rows_in_file_order(
    tmp_path: Path, encode: Callable[[Rows], bytes], compression: str
) -> None:
    content = encode(ROWS)
    path = write(tmp_path / f"log.{encode.__name__}{compression}", gzip.compress(content) if compression else content)
    assert as_tuples(read_log(path)) == ROWS


def test_zstd(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.zst"
    frame = pl.LazyFrame(ROWS, ["user", "item", "time"], orient="row")
    frame.sink_csv(path, compression="zstd")
    assert as_tuples(read_log(path)) == ROWS
    path.write_bytes(path.read_bytes()[:-10])
    assert "damaged" in message(path)


def test_parquet_with_integer_ids_and_datetimes(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [2, 1, 2], "item_id": [7, 7, 8], "timestamp": [5, 6, 5]})
    frame = frame.with_columns(pl.col("timestamp").cast(pl.Datetime("ms")))
    frame.write_parquet(tmp_path / "log.parquet")
    assert as_tuples(read_log(tmp_path / "log.parquet")) == [("2", "7", 5), ("1", "7", 6), ("2", "8", 5)]


def test_lines_of_items(tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", 'u 3 1 2\n\nv\t1  1\r\nalone\nw "q\n')
    log = read_log(path)
    assert log.rows.rows() == [("u", "3"), ("u", "1"), ("u", "2"), ("v", "1"), ("v", "1"), ("w", '"q')]
    assert any("file's order" in note for note in log.notes)


def test_user_item_lines(tmp_path: Path) -> None:
    assert read_log(write(tmp_path / "log.txt", "u 3\nv 1\nu 2\n")).rows.rows() == [("u", "3"), ("v", "1"), ("u", "2")]


def test_sessions_without_users_are_not_taken_for_users(tmp_path: Path) -> None:
    text = message(write(tmp_path / "log.txt", "1 2 1\n5 6 5\n1 3\n"))
    assert "line 3" in text
    assert "line 1" in text


def test_earlier_guesses_win_and_are_reported(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "log.csv", "asin,parent_asin,user_id,rating\nx,y,u,5\n"))
    assert log.rows.rows() == [("u", "y")]
    assert "user = user_id, item = parent_asin" in log.notes[0]


def test_given_columns_win_over_guesses(tmp_path: Path) -> None:
    path = write(tmp_path / "log.inter", "user_id:token\titem_id:token\tsong:token\twhen:float\nu\ti\ts\t1.5\n")
    log = read_log(path, Columns(item="song:token", time="when"))
    assert as_tuples(log) == [("u", "s", 1.5)]


def test_times_keep_their_precision(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,time\nu,a,9007199254740993\nu,b,9007199254740992\n")
    assert read_log(path).rows["time"].to_list() == [9007199254740993, 9007199254740992]


def test_inter_does_not_treat_quotes_as_quoting(tmp_path: Path) -> None:
    assert read_log(write(tmp_path / "log.inter", 'user_id:token\titem_id:token\nu\t"a\nv\tb"\n')).rows.rows() == [
        ("u", '"a'),
        ("v", 'b"'),
    ]


def test_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "\ufeffuser,item,time\r\nu,a,1\r\n\r\nv,b,2\r\n\r\n")
    assert as_tuples(read_log(path)) == [("u", "a", 1), ("v", "b", 2)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("log.csv", b"", ["is empty"]),
        ("log.csv", b"user,item\n", ["no rows"]),
        ("log.txt", b"\n\n", ["no rows"]),
        ("log.xyz", b"u i\n", ["cannot tell the format", ".inter"]),
        ("log.csv", b"who,item\nu,i\n", ["user id", "'who', 'item'"]),
        ("log.csv", b"user;item\nu;i\n", ["user id", "'user;item'"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,soon\n", ["line 3", "'soon'", "'time'"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,nan\n", ["line 3", "'nan'"]),
        ("log.csv", b"user,item,time\nu,a,1\nu,b,\n", ["line 3", "no value", "'time'"]),
        ("log.csv", b"user,item\nu,a\n\nu,\n", ["line 4", "no value", "'item'"]),
        ("log.csv", b"user,item\nu,a\nu,a,b\n", ["line 3", "3 fields"]),
        ("log.csv", b"user,item\nu,a\nv,\xff\xfe\n", ["line 3", "UTF-8"]),
        ("log.csv", b'user,item\n"u,a\n', ["damaged"]),
        ("log.txt", b"u a\nv \xff\n", ["line 2", "UTF-8"]),
        ("log.inter", b"user:token\tuser:float\nu\t1\n", ["twice"]),
        ("log.csv.gz", b"user,item\nu,i\n", ["gzip"]),
        ("log.csv.gz", gzip.compress(b"user,item\n" + b"u,i\n" * 99)[:-12], ["gzip"]),
        ("log.parquet", b"PAR1, or so it says", ["parquet"]),
    ],
)
def test_a_bad_log_is_answered_in_one_line(tmp_path: Path, name: str, content: bytes, expected: list[str]) -> None:
    text = message(write(tmp_path / name, content))
    for part in expected:
        assert part in text


def test_missing_file_folder_and_missing_given_column(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "log.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in message(tmp_path / "folder.csv")
    path = write(tmp_path / "log.csv", "user,item\nu,i\n")
    assert "no column 'when'; its columns are 'user', 'item'" in message(path, Columns(time="when"))


def test_parquet_column_that_cannot_be_an_id(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": [[1], [2]], "item": ["a", "b"]}).write_parquet(path)
    assert "'user'" in message(path)
