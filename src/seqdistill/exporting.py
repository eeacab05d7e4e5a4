"""A summary as hard sequences, in files that other libraries read.

Each synthetic sequence becomes one user, or several whose items are drawn from its distributions. Names and times are
made up: `synthetic-1`, `synthetic-2`, ..., and 1, 2, ... along each sequence.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
import torch
from torch import Tensor

from seqdistill.errors import SeqDistillError
from seqdistill.inspection import likeliest_items, query_chunks, top_items
from seqdistill.summary import Summary

ExportFormat = Literal["inter", "csv", "tsv", "parquet", "jsonl", "lines"]

USER, ITEM, TIME = "user_id", "item_id", "timestamp"
ITEMS, MASSES = "items", "masses"

_BY_SUFFIX: dict[str, ExportFormat] = {
    ".inter": "inter",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "lines",
}
_SUFFIX: dict[ExportFormat, str] = {
    "inter": ".inter",
    "csv": ".csv",
    "tsv": ".tsv",
    "parquet": ".parquet",
    "jsonl": ".jsonl",
    "lines": ".txt",
}
_CANNOT_HOLD: dict[ExportFormat, tuple[str, str]] = {
    # RecBole has pandas read these files, which takes a quote at the start of a field for one around it.
    "inter": (r'[\t\r\n]|^"', "tabs, line ends, or a quote at its start"),
    "lines": (r"\s|^$", "blanks or line ends, or nothing at all"),
}
"""Format -> a pattern of ids that it would not give back as they are, and what that is in words."""

_EVERYWHERE = (r"^$|\x00", "nothing at all, or a NUL")


@dataclass(frozen=True)
class Target:
    """Where an export goes.

    Attributes:
        sequences: the file of the sequences.
        targets: the file beside it for the soft targets.
        format: of the sequences.
    """

    sequences: Path
    targets: Path
    format: ExportFormat


def choose_target(out: Path, wanted: ExportFormat | None = None) -> Target:
    """The files and the format that a name stands for.

    A name that ends as one of the formats is a file. Anything else is a folder, in which the file is called like the
    folder, as RecBole looks for it: `synthetic` holds `synthetic/synthetic.inter`.

    Raises:
        SeqDistillError: the ending says another format than was asked for, or none.
    """
    if wanted is not None and wanted not in get_args(ExportFormat):
        raise SeqDistillError(f"unknown format {wanted!r}; use one of {', '.join(get_args(ExportFormat))}")
    suffix = out.suffix.lower()
    if out.is_dir() or not suffix:
        name = out.resolve().name
        chosen = wanted or "inter"
        return Target(out / f"{name}{_SUFFIX[chosen]}", out / f"{name}.targets.parquet", chosen)
    by_name = _BY_SUFFIX.get(suffix)
    if by_name is None and wanted is None:
        raise SeqDistillError(
            f"{out}: cannot tell the format from the ending {suffix}; end it in one of {', '.join(_BY_SUFFIX)}, or say"
            f" --format {'|'.join(get_args(ExportFormat))}"
        )
    if by_name is not None and wanted not in (None, by_name):
        raise SeqDistillError(f"{out} ends like {by_name} and the format asked for is {wanted}; make them agree")
    return Target(out, out.with_name(f"{out.stem}.targets.parquet"), wanted or by_name or "inter")


def hard_sequences(summary: Summary, *, draws: int | None = None, seed: int = 0) -> Tensor:
    """Items for the positions of a summary, int64 [users, l], values 1..num_items.

    Args:
        summary: n sequences.
        draws: of each sequence, every position drawn by itself from its distribution, one sequence after another: n
            times `draws` users. None takes the likeliest item of each position: n users.
        seed: decides the draws.
    """
    if draws is None:
        return likeliest_items(summary)
    generator = torch.Generator().manual_seed(seed)
    queries = summary.queries()
    drawn = [
        (chunk @ summary.item_factor.T).softmax(-1).multinomial(draws, replacement=True, generator=generator)
        for chunk in query_chunks(queries, summary.num_items)
    ]
    of_sequence = torch.cat(drawn).reshape(summary.num_sequences, summary.length, draws)
    return of_sequence.transpose(1, 2).flatten(0, 1) + 1


def interactions(items: Tensor, item_ids: pl.Series) -> pl.DataFrame:
    """Sequences as a log: a row for each position, user after user, with times 1, 2, ...

    Args:
        items: int64 [users, l], values 1..num_items.
        item_ids: the catalogue.
    """
    users, length = items.shape
    return pl.DataFrame(
        {
            USER: pl.Series([f"synthetic-{user}" for user in range(1, users + 1)]).gather(
                np.repeat(np.arange(users), length)
            ),
            ITEM: item_ids.gather(items.flatten().numpy() - 1),
            TIME: np.tile(np.arange(1, length + 1), users),
        }
    )


def soft_targets(summary: Summary, top: int, *, draws: int = 1) -> pl.DataFrame:
    """What is to be predicted after each row of `interactions`: the likeliest items and their mass, as lists.

    A mass is a probability; what the listed ones leave of 1 lies on other items. With tied targets nothing is to be
    predicted after the last position.
    """
    _, predict = summary.factors.query_pairs(summary.targets)
    masses, rows = top_items(predict, summary.item_factor, top)
    count, positions, k = rows.shape
    users = count * draws
    # Draws of one sequence have its targets.
    masses, rows = (part.repeat_interleave(draws, 0).reshape(-1, k).numpy() for part in (masses, rows))
    ids = summary.item_ids.gather(rows.ravel()).reshape((len(rows), k))
    return pl.DataFrame(
        {
            USER: pl.Series([f"synthetic-{user}" for user in range(1, users + 1)]).gather(
                np.repeat(np.arange(users), positions)
            ),
            TIME: np.tile(np.arange(1, positions + 1), users),
            ITEMS: ids.cast(pl.List(pl.String)),
            MASSES: pl.Series(masses.astype(np.float32)).cast(pl.List(pl.Float32)),
        }
    )


def check_ids(ids: pl.Series, format: ExportFormat) -> None:  # noqa: A002 - what it is called everywhere
    """Make sure that a format gives ids back as they are.

    Raises:
        SeqDistillError: naming the first that it would not.
    """
    for pattern, what in (_EVERYWHERE, _CANNOT_HOLD.get(format, _EVERYWHERE)):
        bad = ids.filter(ids.str.contains(pattern))
        if len(bad):
            others = f" (and {bad.n_unique() - 1:,} more)" if bad.n_unique() > 1 else ""
            hint = "; use parquet, jsonl or csv" if format in _CANNOT_HOLD else "; it is no id that a log can have"
            raise SeqDistillError(f"the item id {bad[0]!r}{others} has {what}, which {format} cannot hold{hint}")


def write_interactions(table: pl.DataFrame, target: Target) -> None:
    """Write the rows of `interactions`, whole or not at all.

    Raises:
        SeqDistillError: the file cannot be written, or the format cannot hold an id.
    """
    check_ids(table[ITEM].unique(maintain_order=True), target.format)
    writers: dict[ExportFormat, Callable[[Path], Any]] = {
        "inter": lambda file: _typed(table).write_csv(file, separator="\t", quote_style="never"),
        "csv": table.write_csv,
        "tsv": lambda file: table.write_csv(file, separator="\t"),
        "parquet": table.write_parquet,
        "jsonl": table.write_ndjson,
        "lines": lambda file: _lines(table).write_csv(file, include_header=False, quote_style="never"),
    }
    _write(target.sequences, writers[target.format])


def write_targets(table: pl.DataFrame, target: Target) -> None:
    """Write the rows of `soft_targets` as parquet, whole or not at all.

    Raises:
        SeqDistillError: the file cannot be written.
    """
    _write(target.targets, table.write_parquet)


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    """With the types that RecBole wants to find in the header."""
    return table.rename({USER: f"{USER}:token", ITEM: f"{ITEM}:token", TIME: f"{TIME}:float"})


def _lines(table: pl.DataFrame) -> pl.DataFrame:
    lines = table.group_by(USER, maintain_order=True).agg(pl.col(ITEM).str.join(" "))
    return lines.select(pl.concat_str(USER, ITEM, separator=" "))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
    except OSError as error:
        raise SeqDistillError(f"cannot write {path}: {error.strerror}") from error
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
        raise SeqDistillError(f"cannot write {path}: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)
