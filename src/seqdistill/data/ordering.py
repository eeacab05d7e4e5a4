"""The rows of a log put in order: by user, and within a user by time, ties as in the file.

What does not fit in memory is first dealt out to files of consecutive users, each of which does; then each is sorted by
itself. Since the sort is stable and the files are in order, the result does not depend on how many there are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from seqdistill.data.blocks import BLOCK_ROWS, Bools, Ints, Times, user_blocks
from seqdistill.data.intake import RawLog
from seqdistill.data.spill import Column

SORT_BYTES_PER_ROW = 80
"""Of a row while it is sorted, with all copies."""


@dataclass(frozen=True, eq=False)
class OrderedLog:
    """A log in order; users and items are numbered from 0 by the order of their ids.

    Attributes:
        offsets: int64 [users + 1]; user u owns the rows `offsets[u]:offsets[u + 1]`.
        items: uint32.
        times: int64 or float64, ascending within a user, or None.
        wanted: bool, or None.
        num_items: distinct items.
        ties: rows with the time of the same user's row before.
    """

    offsets: Ints
    items: Column
    times: Column | None
    wanted: Column | None
    num_items: int
    ties: int

    @property
    def num_users(self) -> int:
        """Distinct users."""
        return len(self.offsets) - 1


def order_rows(raw: RawLog, folder: Path, *, rows_in_memory: int) -> OrderedLog:
    """Put a log in order.

    Args:
        raw: the log; its columns are freed.
        folder: for the new columns.
        rows_in_memory: most rows to be sorted together; a single user with more is sorted all the same.
    """
    counts = np.zeros(len(raw.user_ids), dtype=np.int64)
    for _, codes in raw.users.blocks(BLOCK_ROWS):
        counts += np.bincount(raw.user_ids.places(codes), minlength=len(counts))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    begins = np.array([users.start for users, _ in user_blocks(offsets, rows_in_memory)])
    parts = _deal_out(raw, begins, folder)

    items = Column(folder / "items.ordered", np.uint32)
    times = None if raw.times is None else Column(folder / "times.ordered", raw.times.dtype)
    wanted = None if raw.wanted is None else Column(folder / "wanted.ordered", np.bool_)
    ties = 0
    for part in parts:
        users, values, moments, flags = part.take()
        order, tied = _order(users, moments)
        ties += tied
        items.append(values[order])
        if times is not None and moments is not None:
            times.append(moments[order])
        if wanted is not None and flags is not None:
            wanted.append(flags[order])
    return OrderedLog(offsets, items, times, wanted, len(raw.item_ids), ties)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of consecutive users, in the file's order."""

    users: Column
    items: Column
    times: Column | None
    wanted: Column | None

    def take(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], Times | None, Bools | None]:
        """All of it; the files are freed."""
        columns = (self.users, self.items, self.times, self.wanted)
        arrays = tuple(None if column is None else column.read() for column in columns)
        for column in columns:
            if column is not None:
                column.remove()
        users, items, times, wanted = arrays
        assert users is not None
        assert items is not None
        return users, items, times, wanted


def _deal_out(raw: RawLog, begins: Ints, folder: Path) -> list[_Part]:
    """A part for each group of consecutive users; `begins` has the first user of each."""

    def part(number: int) -> _Part:
        return _Part(
            Column(folder / f"users.{number}", np.uint32),
            Column(folder / f"items.{number}", np.uint32),
            None if raw.times is None else Column(folder / f"times.{number}", raw.times.dtype),
            None if raw.wanted is None else Column(folder / f"wanted.{number}", np.bool_),
        )

    parts = [part(number) for number in range(len(begins))]
    for begin, codes in raw.users.blocks(BLOCK_ROWS):
        end = begin + len(codes)
        users = raw.user_ids.places(codes)
        arrays = [(users, "users"), (raw.item_ids.places(raw.items.read(begin, end)), "items")]
        arrays += [
            (column.read(begin, end), name)
            for column, name in ((raw.times, "times"), (raw.wanted, "wanted"))
            if column is not None
        ]
        numbers = np.searchsorted(begins, users, side="right") - 1
        order = np.argsort(numbers, kind="stable") if len(parts) > 1 else slice(None)
        ends = np.cumsum(np.bincount(numbers, minlength=len(parts)))
        for array, name in arrays:
            for target, piece in zip(parts, np.split(array[order], ends[:-1]), strict=True):
                if len(piece) > 0:
                    getattr(target, name).append(piece)
    for column in (raw.users, raw.items, raw.times, raw.wanted):
        if column is not None:
            column.remove()
    return parts


def _order(users: npt.NDArray[np.uint32], times: Times | None) -> tuple[npt.NDArray[np.uint32], int]:
    """uint32 [rows]: the stable order by user and time; and how many rows tie with the one before."""
    frame = pl.DataFrame({"row": np.arange(len(users), dtype=np.uint32)})
    key = _packed(users, times)
    if key is not None:
        ordered = frame.with_columns(key=key).sort("key", maintain_order=True)
        tied = 0 if times is None else int((np.diff(ordered["key"].to_numpy()) == 0).sum())
        return ordered["row"].to_numpy(), tied
    ordered = frame.with_columns(user=users, time=times).sort("user", "time", maintain_order=True)
    same = (pl.col("user").diff() == 0) & (pl.col("time") == pl.col("time").shift())
    return ordered["row"].to_numpy(), int(ordered.select(same.sum()).item())


def _packed(users: npt.NDArray[np.uint32], times: Times | None) -> npt.NDArray[np.uint64] | None:
    """User and time in one number, which sorts faster than two columns; None where they do not fit."""
    local = (users - users.min()).astype(np.uint64)
    if times is None:
        return local
    if times.dtype.kind != "i":
        return None
    earliest, latest = int(times.min()), int(times.max())
    bits = (latest - earliest).bit_length()
    if bits + int(local.max()).bit_length() > 64:
        return None
    # The difference wraps around to the right value where it does not fit in int64.
    return (local << np.uint64(bits)) | (times.astype(np.uint64) - np.uint64(earliest % 2**64))
