"""From a log's rows to a `Dataset`: number users and items, order each user's rows, count what was ambiguous."""

import io

import numpy as np
import polars as pl

from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.filters import single_pass_core
from seqdistill.data.readers import LogFrame
from seqdistill.errors import SeqDistillError


def build_dataset(log: LogFrame, *, name: str, source: str, min_count: int) -> Dataset:
    """Filter, order and number a log.

    Users and items are numbered in the order of their ids, whole numbers by value and all else as text, so that the
    numbering depends on the log's content and not on the order of its lines. Each user's rows are ordered by time; rows
    of equal time, and all rows of a log without times, keep the file's order.

    Args:
        log: the log as it was read.
        name: short name for tables.
        source: the name or path the user gave.
        min_count: see `single_pass_core`; 1 or less filters nothing.

    Raises:
        SeqDistillError: the filter leaves no row.
    """
    rows, notes = log.rows, log.notes
    if min_count > 1:
        rows, note = single_pass_core(rows, min_count)
        notes = (*notes, note)
    if rows.is_empty():
        raise SeqDistillError(
            f"{source}: no row is left of {len(log.rows):,}, as no user and item with at least {min_count} rows meet;"
            f" lower min_count"
        )

    user_ids, item_ids = _distinct(rows["user"]), _distinct(rows["item"])
    rows = rows.with_columns(user=_positions(rows["user"], user_ids), item=_positions(rows["item"], item_ids))
    if "time" in rows.columns:
        rows = rows.sort("user", "time", maintain_order=True)
        same = (pl.col("user") == pl.col("user").shift()) & (pl.col("time") == pl.col("time").shift())
        ties = int(rows.select(same.sum()).item())
        notes = (*notes, f"{ties:,} of {len(rows):,} rows have the time of the same user's row before: file order kept")
    else:
        rows = rows.sort("user", maintain_order=True)

    lengths = np.bincount(rows["user"].to_numpy(), minlength=len(user_ids))
    return Dataset(
        name=name,
        items=rows["item"].to_numpy() + 1,
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)]),
        item_ids=item_ids,
        user_ids=user_ids,
        provenance=Provenance(source, log.sha256, parquet_bytes(log.rows), notes),
    )


def parquet_bytes(rows: pl.DataFrame) -> int:
    """Size of a log as zstd parquet, each column in the narrowest type that holds its values exactly.

    It is what a summary's bytes are compared with, so the log must not weigh more than a careful owner would let it.
    """
    buffer = io.BytesIO()
    rows.select(_narrowest(column) for column in rows).write_parquet(buffer, compression="zstd")
    return buffer.getbuffer().nbytes


def _distinct(ids: pl.Series) -> pl.Series:
    distinct = ids.unique()
    whole = _as_whole(distinct)
    return distinct.sort() if whole is None else whole.sort().cast(pl.String).alias(ids.name)


def _positions(ids: pl.Series, distinct: pl.Series) -> pl.Series:
    """int64 [rows]: the place of each id in `distinct`."""
    return ids.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64)


def _narrowest(column: pl.Series) -> pl.Series:
    whole = _as_whole(column)
    return column if whole is None else whole.shrink_dtype()


def _as_whole(column: pl.Series) -> pl.Series | None:
    """The column as Int64 if that loses nothing ("007" and "1.0" would lose their spelling), else None."""
    whole = column.cast(pl.Int64, strict=False)
    if whole.has_nulls() or not (whole.cast(column.dtype) == column).all():
        return None
    return whole
