"""A log, whatever it is given as: what it is called, how it is laid out, and its rows in batches."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from seqdistill.config import DataConfig
from seqdistill.data.columns import Batch, choose_columns
from seqdistill.data.files import Meter, UnreadableError, find_files, open_bytes, split_suffixes
from seqdistill.data.recognise import HEAD_BYTES, json_names, recognise
from seqdistill.data.tables import frame_of, saved_dataset_files, scan, table_batches, table_names
from seqdistill.data.text import LineTally, read_header, text_batches
from seqdistill.errors import SeqDistillError


@dataclass(frozen=True, eq=False)
class Log:
    """A log that is ready to be read, as often as needed.

    Attributes:
        name: short name for tables.
        source: what the user gave.
        title: what it was recognised as.
        columns: role -> name of the column; empty for lines of words.
        num_bytes: size of its files; 0 for a frame.
        batches: reads it from its beginning; the meter counts bytes, the tally lines of words.
    """

    name: str
    source: str
    title: str
    columns: Mapping[str, str]
    num_bytes: int
    batches: Callable[[Meter, LineTally], Iterator[Batch]]

    @property
    def note(self) -> str:
        """One line about what was recognised."""
        how = ", ".join(f"{role} = {name}" for role, name in self.columns.items())
        return f"read as {self.title}" + (f": {how}" if how else "")


def open_log(source: object, config: DataConfig, *, name: str | None = None) -> Log:
    """Recognise a log and choose its columns.

    Args:
        source: the path of a file, of a folder of parquet files or of a saved data set, a pattern of files; or a polars
            or pandas frame, an Arrow table.
        config: what the user said about it.
        name: to call it by; by default that of the file, without its endings.

    Raises:
        SeqDistillError: it is missing, of an unknown format, or lacks a column.
    """
    if isinstance(source, (str, Path)):
        return _open_path(Path(source), config, name)
    frame = frame_of(source)
    if frame is None:
        raise SeqDistillError(
            f"a {type(source).__name__} is no log; give a path, a polars or pandas frame, or an Arrow table"
        )
    title = f"a {type(source).__name__}"
    with naming(title):
        columns = choose_columns(table_names(frame), config)
    return Log(
        name or "frame", title, title, columns, 0, lambda meter, _tally: table_batches(frame, columns, title, meter)
    )


def _open_path(path: Path, config: DataConfig, name: str | None) -> Log:
    saved = saved_dataset_files(path) if path.is_dir() else None
    files = saved or find_files(path)
    bare, suffix, _ = split_suffixes(path if path.exists() else files[0])
    with naming(str(files[0])):
        head = b""
        if saved is None:
            with open_bytes(files[0]) as stream:
                head = stream.read(HEAD_BYTES)
        frame: pl.LazyFrame | None = None
        layout = recognise(head or b"ARROW1", suffix, config)
        if layout.kind in ("parquet", "arrow"):
            frame = scan(files, layout.kind)
            names = table_names(frame)
        elif layout.kind in ("inter", "csv"):
            names = read_header(files[0], layout)
        elif layout.kind == "jsonl":
            names = json_names(head)
        else:
            names = ["user", "item"]
        columns = choose_columns(names, config) if layout.kind not in ("lines", "sessions") else {}

    def batches(meter: Meter, tally: LineTally) -> Iterator[Batch]:
        if frame is not None:
            with naming(str(path)):
                yield from table_batches(frame, columns, str(path), meter, files)
            return
        for file in files:
            with naming(str(file)):
                yield from text_batches(file, layout, columns, names, meter, tally)

    title = "a saved data set" if saved else layout.title
    more = f" in {len(files):,} files" if len(files) > 1 else ""
    num_bytes = sum(file.stat().st_size for file in files)
    return Log(name or bare or "log", str(path), title + more, columns, num_bytes, batches)


@contextmanager
def naming(where: str) -> Generator[None]:
    """What cannot be read inside is an error about `where`.

    Raises:
        SeqDistillError: one line that names it.
    """
    try:
        yield
    except UnreadableError as error:
        raise SeqDistillError(f"{where}: {error}") from error
