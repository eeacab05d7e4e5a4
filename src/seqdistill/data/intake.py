"""Reading a log once: its rows leave memory again as columns of codes and times on disk, whatever the log's size."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from seqdistill.config import DataConfig
from seqdistill.data.blocks import BLOCK_ROWS
from seqdistill.data.columns import Checker, Rows
from seqdistill.data.duck import DuckCoder, require_duckdb
from seqdistill.data.files import Meter
from seqdistill.data.ids import IdCoder, IdTable, Interner
from seqdistill.data.log import Log, naming
from seqdistill.data.spill import Column
from seqdistill.data.text import LineTally
from seqdistill.data.times import Clock, whole_if_exact
from seqdistill.errors import SeqDistillError


@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as it was read: nothing removed but what the user wanted dropped, nothing reordered.

    Attributes:
        users: uint32 codes, one a row, in the file's order.
        items: the same for the items.
        times: int64 or float64, or None.
        wanted: bool, whether the row has the rating it needs; None where no rating was asked for.
        user_ids: what the codes stand for.
        item_ids: the same for the items.
        clock: what the times mean.
        sha256: of the log's files.
        notes: one line each for what was decided and dropped.
    """

    users: Column
    items: Column
    times: Column | None
    wanted: Column | None
    user_ids: IdTable
    item_ids: IdTable
    clock: Clock
    sha256: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.users)


class _Writer:
    """Appends checked rows to the columns, and widens the times to decimals when the first decimal comes."""

    def __init__(self, folder: Path, config: DataConfig) -> None:
        self._folder = folder
        self._min_rating = config.min_rating
        self.times: Column | None = None
        self.wanted = Column(folder / "wanted", np.bool_) if config.min_rating is not None else None

    def add(self, rows: Rows) -> None:
        if rows.times is not None:
            values = rows.times.to_numpy()
            if self.times is None:
                self.times = Column(self._folder / "times", values.dtype)
            elif values.dtype.kind == "f" and self.times.dtype.kind == "i":
                self.times = self.times.cast(np.float64, BLOCK_ROWS)
            self.times.append(values)
        if self.wanted is not None and rows.ratings is not None:
            self.wanted.append(rows.ratings.to_numpy() >= self._min_rating)

    def finish_times(self) -> Column | None:
        """The times, as whole numbers if that is what they all are: 5.0 is 5 in whatever way a log spells it."""
        times = self.times
        if (
            times is not None
            and times.dtype.kind == "f"
            and all(whole_if_exact(b) for _, b in times.blocks(BLOCK_ROWS))
        ):
            return times.cast(np.int64, BLOCK_ROWS)
        return times


def read_log(log: Log, config: DataConfig, folder: Path, *, on_bytes: Callable[[int], None] | None = None) -> RawLog:
    """Read all rows of a log.

    Args:
        log: the log.
        config: how to take its rows.
        folder: an empty folder for the columns.
        on_bytes: told how many bytes of the log's files have been read.

    Raises:
        SeqDistillError: it is damaged, has a row that cannot be used, or has no rows.
    """
    try:
        return _read(log, config, _new_folder(folder, "memory"), Interner, on_bytes)
    except _TooManyIdsError:
        require_duckdb(log.source, int(config.memory))
    disk = _new_folder(folder, "disk")

    def coder(codes: Column) -> IdCoder:
        return DuckCoder(codes, codes.path.with_suffix(".duck"), int(config.memory) // 2)

    return _read(log, config, disk, coder, on_bytes)


class _TooManyIdsError(Exception):
    """The ids do not fit in their half of the memory."""


def _read(
    log: Log,
    config: DataConfig,
    folder: Path,
    new_coder: Callable[[Column], IdCoder],
    on_bytes: Callable[[int], None] | None,
) -> RawLog:
    meter, tally = Meter(on_bytes), LineTally()
    checker = Checker(log.columns or {"user": "user", "item": "item"}, drop=config.bad_rows == "drop")
    writer = _Writer(folder, config)
    users, items = (new_coder(Column(folder / f"{name}.codes", np.uint32)) for name in ("users", "items"))
    num_rows = 0
    for batch in log.batches(meter, tally):
        with naming(batch.where):
            rows = checker.check(batch)
        writer.add(rows)
        users.add(rows.users)
        items.add(rows.items)
        num_rows += len(rows.users)
        if users.num_bytes + items.num_bytes > int(config.memory) // 2:
            raise _TooManyIdsError
    if num_rows == 0:
        why = f"; all {checker.dropped:,} rows were dropped" if checker.dropped else ""
        raise SeqDistillError(f"{log.source}: has no rows{why}; give a log with at least one interaction")
    user_codes, user_ids = users.finish()
    item_codes, item_ids = items.finish()
    if config.format == "auto":
        with naming(log.source):
            tally.check(len(user_ids))
    clock = Clock(checker.clock.unit)
    times = writer.finish_times()
    notes = [log.note]
    if checker.dropped:
        notes.append(f"{checker.dropped:,} rows without a usable id, time or rating dropped")
    if times is None:
        notes.append("the log has no times: each user's rows are taken in the file's order")
    else:
        notes.append(_time_note(times, clock))
    return RawLog(
        user_codes,
        item_codes,
        times,
        writer.wanted,
        user_ids,
        item_ids,
        clock,
        meter.sha256,
        tuple(notes),
    )


def _new_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _time_note(times: Column, clock: Clock) -> str:
    extremes = [(block.min(), block.max()) for _, block in times.blocks(BLOCK_ROWS)]
    first, last = min(low for low, _ in extremes), max(high for _, high in extremes)
    note = f"times are {clock.title}, from {clock.text(float(first))} to {clock.text(float(last))}"
    if clock.unit is None:
        return note
    now = clock.number(datetime.now(UTC).isoformat(), "now")
    late = sum(int((block > now).sum()) for _, block in times.blocks(BLOCK_ROWS))
    early = sum(int((block < 0).sum()) for _, block in times.blocks(BLOCK_ROWS)) if first < 0 else 0
    odd = [f"{count:,} {what}" for count, what in ((late, "in the future"), (early, "before 1970")) if count]
    return note + (f"; {' and '.join(odd)}, kept" if odd else "")
