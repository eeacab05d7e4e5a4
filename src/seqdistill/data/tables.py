"""Logs that are tables already: parquet and Arrow files, folders of them, and frames of other libraries."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from seqdistill.artifacts import file_sha256
from seqdistill.data.columns import Batch
from seqdistill.data.files import Meter, UnreadableError, one_line
from seqdistill.data.text import POLARS_ERRORS
from seqdistill.errors import SeqDistillError

BATCH_ROWS = 1 << 20

_ERRORS = (*POLARS_ERRORS, OSError)


def scan(files: Sequence[Path], kind: str) -> pl.LazyFrame:
    """The rows of parquet or Arrow files, one after another, unread.

    Hive partitions (`day=2024-01-31/part-0.parquet`) become columns.
    """
    if kind == "parquet":
        partitioned = any("=" in parent.name for file in files for parent in file.parents)
        return pl.scan_parquet(list(files), hive_partitioning=partitioned)
    return pl.concat([_scan_arrow(file) for file in files])


def _scan_arrow(file: Path) -> pl.LazyFrame:
    with file.open("rb") as stream:
        random_access = stream.read(6) == b"ARROW1"
    return pl.scan_ipc(file) if random_access else pl.read_ipc_stream(file).lazy()


def table_names(frame: pl.LazyFrame) -> list[str]:
    """The names of a table's columns.

    Raises:
        UnreadableError: it is damaged.
    """
    try:
        return frame.collect_schema().names()
    except _ERRORS as error:
        raise UnreadableError(f"not a whole table ({one_line(error)}); write or fetch it again") from error


def table_batches(
    frame: pl.LazyFrame, columns: Mapping[str, str], where: str, meter: Meter, files: Sequence[Path] = ()
) -> Iterator[Batch]:
    """The rows of a table, a batch at a time.

    Args:
        frame: the table.
        columns: role -> name.
        where: for messages.
        meter: gets the share of the files' bytes that the rows so far are of all rows, and the digests.
        files: what the table is read from, if from files.

    Raises:
        UnreadableError: it is damaged.
    """
    total = sum(file.stat().st_size for file in files)
    row, counted = 0, 0
    try:
        rows = int(frame.select(pl.len()).collect().item()) if total else 0
        chosen = frame.select(**{role: pl.col(name) for role, name in columns.items()})
        for batch in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            yield Batch(batch, row + 1, where)
            row += len(batch)
            meter.count(total * row // max(rows, 1) - counted)
            counted = total * row // max(rows, 1)
    except _ERRORS as error:
        raise UnreadableError(f"not a whole table ({one_line(error)}); write or fetch it again") from error
    for file in files:
        meter.add_digest(file_sha256(file))


def holds_tables(folder: Path) -> bool:
    """Whether a folder looks like a log: it has parquet files in it, or is a saved data set."""
    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    return saved or next(folder.rglob("*.parquet"), None) is not None


def saved_dataset_files(folder: Path) -> list[Path] | None:
    """The Arrow files of a data set that Hugging Face's `datasets` saved to disk; None if the folder is no such thing.

    Raises:
        SeqDistillError: it holds several splits, or names files that are not there.
    """
    several = folder / "dataset_dict.json"
    if several.is_file():
        names = _json(several).get("splits", [])
        raise SeqDistillError(
            f"{folder}: holds the splits {', '.join(names)}; give one of them, such as {folder / str(names[0])}"
            if names
            else f"{folder}: names no split; save the data set again"
        )
    state = folder / "state.json"
    if not state.is_file() or not (folder / "dataset_info.json").is_file():
        return None
    listed = cast("list[dict[str, str]]", _json(state).get("_data_files", []))
    try:
        files = [folder / Path(entry["filename"]).name for entry in listed]
    except (KeyError, TypeError) as error:
        raise SeqDistillError(f"{state} is damaged; save the data set again") from error
    if missing := [file for file in files if not file.is_file()]:
        raise SeqDistillError(f"{missing[0]} is missing; save or copy the data set again")
    if not files:
        raise SeqDistillError(f"{folder}: names no data files; save the data set again")
    return files


def _json(file: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise SeqDistillError(f"{file} is damaged ({one_line(error)}); save the data set again") from error
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def frame_of(table: object) -> pl.LazyFrame | None:
    """A polars or pandas frame, an Arrow table, or anything that gives its data as an Arrow stream; None for all else.

    Raises:
        SeqDistillError: a column cannot be converted.
    """
    if isinstance(table, pl.LazyFrame):
        return table
    if isinstance(table, pl.DataFrame):
        return table.lazy()
    try:
        if type(table).__module__.partition(".")[0] == "pandas":
            return _from_pandas(table).lazy()
        if hasattr(table, "__arrow_c_stream__"):
            return pl.DataFrame(cast("Any", table)).lazy()
    except (*POLARS_ERRORS, TypeError, ValueError) as error:
        raise SeqDistillError(
            f"the table cannot be read ({one_line(error)}); cast its columns to plain types"
        ) from error
    return None


def _from_pandas(table: Any) -> pl.DataFrame:  # noqa: ANN401 - pandas is not a dependency
    """Column by column through numpy, as polars would ask for pyarrow."""
    columns: dict[str, pl.Series] = {}
    for name in table.columns:
        column = table[name]
        missing = column.isna().to_numpy()
        if getattr(column.dtype, "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        kind = column.dtype.kind if hasattr(column.dtype, "kind") else "O"
        if kind in "iufbM" and not (kind in "iub" and missing.any()):
            values = pl.Series(str(name), column.to_numpy())
            columns[str(name)] = values.fill_nan(None) if values.dtype.is_float() else values
        else:
            if any(isinstance(value, list | tuple | dict | set | np.ndarray) for value in column):
                raise TypeError(f"column {str(name)!r} holds several values a row")
            texts = [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]
            columns[str(name)] = pl.Series(str(name), texts, dtype=pl.String)
    return pl.DataFrame(columns)
