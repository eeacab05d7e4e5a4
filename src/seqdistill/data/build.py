"""From a log to the files of a prepared folder: read, order, filter, split, number, write.

Every step walks through the log in blocks and leaves its rows on disk, so that memory depends on the number of users
and items and hardly on the number of rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from seqdistill.config import DataConfig
from seqdistill.data.blocks import Bools, Ints, user_blocks
from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.filters import Applied, Counts, apply_filters, count
from seqdistill.data.holdout import plan_holdout
from seqdistill.data.ids import IdTable
from seqdistill.data.intake import read_log
from seqdistill.data.layout import IDS, ITEM_IDS, ITEMS, OFFSETS, TEST, TIMES, TRAINING_ENDS, USER_IDS, VALIDATION
from seqdistill.data.log import Log
from seqdistill.data.ordering import SORT_BYTES_PER_ROW, OrderedLog, order_rows
from seqdistill.data.splits import Split
from seqdistill.data.weigh import log_bytes
from seqdistill.errors import SeqDistillError

UNASKED_SHARE = 0.1
"""The default filter must leave this share of the rows, or the user has to choose one."""

FILTER_SETTINGS = frozenset({"min_count", "min_user_count", "min_item_count", "filter", "min_length"})

NUM_STAGES = 5
"""Calls of `on_stage` after the one that begins the work on what has been read."""


def build(
    log: Log,
    config: DataConfig,
    work: Path,
    *,
    on_bytes: Callable[[int], None] | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> tuple[Path, dict[str, Any]]:
    """Make the files of a prepared folder.

    Args:
        log: the log.
        config: how to read, filter and split it.
        work: an empty folder on a disk with room for about three times the rows.
        on_bytes: told how many bytes of the log's files have been read.
        on_stage: told what comes next whenever a stage after the reading begins or ends.

    Returns:
        The folder in `work` that holds the files, and what the manifest is to say about them.

    Raises:
        SeqDistillError: the log cannot be used, or nothing is left of it.
    """
    folders = [work / name for name in ("raw", "ordered", "built")]
    for folder in folders:
        folder.mkdir()
    raw = read_log(log, config, folders[0], on_bytes=on_bytes)
    on_stage("weighing")
    weight = log_bytes(raw)
    on_stage("ordering")
    ordered = order_rows(raw, folders[1], rows_in_memory=int(config.memory) // (4 * SORT_BYTES_PER_ROW))
    sizes = {"rows": len(raw), "users": len(raw.user_ids), "items": len(raw.item_ids)}
    notes = [*raw.notes, f"read {', '.join(f'{size:,} {what}' for what, size in sizes.items())}"]
    if ordered.times is not None:
        notes.append(
            f"{ordered.ties:,} of {len(raw):,} rows have the time of the same user's row before: file order kept"
        )

    on_stage("filtering")
    keep = np.ones(len(raw), dtype=np.bool_)
    applied = apply_filters(ordered, keep, config, raw.clock)
    _refuse_empty(log, sizes["rows"], applied)
    _refuse_unasked(log, config, ordered, applied)
    holdout = plan_holdout(ordered, keep, config, raw.clock)

    on_stage("writing")
    counts = count(ordered, keep)
    users, items = np.flatnonzero(counts.users), np.flatnonzero(counts.items)
    built = folders[2]
    _write_rows(ordered, keep, counts, built)
    for table, kept, name in ((raw.user_ids, users, USER_IDS), (raw.item_ids, items, ITEM_IDS)):
        _write_ids(table, kept, built / name)
    offsets: Ints = np.load(built / OFFSETS)
    times = np.load(built / TIMES, mmap_mode="r") if ordered.times is not None else None
    split = holdout.split(offsets, times, users)
    for name, array in ((TRAINING_ENDS, split.training_ends), (VALIDATION, split.validation), (TEST, split.test)):
        np.save(built / name, array)
    notes += [filtered.note for filtered in applied] + _split_notes(split)
    on_stage("checking")
    dataset = Dataset(
        log.name,
        np.load(built / ITEMS, mmap_mode="r"),
        offsets,
        raw.item_ids.texts(items),
        pl.Series([], dtype=pl.String),
        Provenance(log.source),
        times=times,
        given_split=split,
    )
    facts = {"has_repeats": dataset.has_repeats, "fingerprint": dataset.fingerprint}
    on_stage("")
    return built, {
        "name": log.name,
        "source": Path(log.source).name,
        "command": _command(log, config),
        "settings": config.changed(),
        "log": {**sizes, "sha256": raw.sha256, "parquet_bytes": weight},
        "counts": {
            "interactions": dataset.num_interactions,
            "users": len(users),
            "items": len(items),
            "validation": len(split.validation),
            "test": len(split.test),
        },
        "time_unit": raw.clock.unit,
        "split": {"name": split.name, **split.details},
        **facts,
        "notes": notes,
    }


def _command(log: Log, config: DataConfig) -> str:
    """The command line that does the same, without the places where the log and the folder lie."""
    words = ["seqdistill", "prepare", Path(log.source).name, "--out", "DIR"]
    for key, value in config.changed().items():
        text = (
            "none" if value is None else ",".join(cast("list[str]", value)) if isinstance(value, list) else str(value)
        )
        words.append(f"--set data.{key}={text}")
    return " ".join(words)


def _refuse_empty(log: Log, rows: int, applied: list[Applied]) -> None:
    for filtered in applied:
        if filtered.left[0] == 0:
            raise SeqDistillError(
                f"{log.source}: no row is left of {rows:,}; the last went with {filtered.name}; loosen that filter,"
                " such as with --set data.min_count=1"
            )


def _refuse_unasked(log: Log, config: DataConfig, ordered: OrderedLog, applied: list[Applied]) -> None:
    """Leave the choice to the user where the default filter would take nearly everything.

    Raises:
        SeqDistillError: naming choices.
    """
    if not applied or config.model_fields_set & FILTER_SETTINGS:
        return
    left = applied[-1].left  # the counts come last where nobody set a least length
    rows, users = left[0] + applied[-1].rows, left[1] + applied[-1].users
    if left[0] >= UNASKED_SHARE * rows:
        return
    middle = int(np.median(np.diff(ordered.offsets)))
    raise SeqDistillError(
        f"{log.source}: the default filter (users and items with at least {config.min_count} rows) would leave"
        f" {left[0]:,} of {rows:,} rows and {left[1]:,} of {users:,} users, as half of the users have"
        f" at most {middle}; choose one: --set data.min_count={config.min_count} for this one, --set"
        f" data.min_item_count=3 --set data.min_user_count={config.min_count} --set data.filter=items-first for rare"
        " items and then rare users, or --set data.min_count=1 for none"
    )


def _split_notes(split: Split) -> list[str]:
    notes = [f"split {split.name}: {len(split.validation):,} validation and {len(split.test):,} test items held out"]
    if counted := [f"{figure:,} {_words(what)}" for what, figure in split.details.items() if isinstance(figure, int)]:
        notes.append(f"split {split.name}: {', '.join(counted)}")
    if moments := [f"{_words(what)} {text}" for what, text in split.details.items() if isinstance(text, str)]:
        notes.append(f"split {split.name}: {', '.join(moments)}")
    return notes


def _words(key: str) -> str:
    return key.replace("_", " ")


def _write_rows(log: OrderedLog, keep: Bools, counts: Counts, folder: Path) -> None:
    """Items by their final numbers, times, and where each kept user's rows begin."""
    kept_users = counts.users[counts.users > 0]
    np.save(folder / OFFSETS, np.concatenate([[0], np.cumsum(kept_users)]))
    numbers = np.cumsum(counts.items > 0)  # an item's number, from 1, for those that are kept
    total = int(kept_users.sum())
    with _npy(folder / ITEMS, np.dtype(np.int64), total) as items:
        for _, rows in user_blocks(log.offsets):
            numbers[log.items.read(rows.start, rows.stop)[keep[rows]]].tofile(items)
    if log.times is not None:
        with _npy(folder / TIMES, log.times.dtype, total) as times:
            for _, rows in user_blocks(log.offsets):
                log.times.read(rows.start, rows.stop)[keep[rows]].tofile(times)


def _npy(path: Path, dtype: np.dtype[Any], length: int) -> Any:  # noqa: ANN401 - an open file, which numpy types loosely
    """A `.npy` file of one dimension, open behind its header."""
    file = path.open("wb")
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file


def _write_ids(table: IdTable, kept: Ints, path: Path) -> None:
    table.texts(kept).alias(IDS).to_frame().write_parquet(path, compression="zstd")
