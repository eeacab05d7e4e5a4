"""Recommendations for histories given in the log's own ids.

Histories come as one table with a row each and leave as one, and every step between is an operation on whole columns:
ids become numbers by a join, numbers become rows padded on the right, rows become scores in chunks, and the best
of these become ids again.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.ranking import MAX_SCORES
from seqdistill.models import TrainedModel

HISTORY, ITEMS, SCORES = "history", "items", "scores"
"""Columns: the ids of a history, oldest first; the recommended ids, best first; their scores."""

FILE_KINDS = (".parquet", ".jsonl", ".ndjson")


class Recommendation(NamedTuple):
    """One recommended item.

    Attributes:
        item_id: in the log's ids.
        score: larger is better; only differences within one history mean anything.
    """

    item_id: str
    score: float


class Recommendations(NamedTuple):
    """What follows one history.

    Attributes:
        items: best first; fewer than k where fewer are left.
        cold: ids of the history that the model does not know, and skipped.
    """

    items: list[Recommendation]
    cold: list[str]


@dataclass(frozen=True, eq=False)
class Recommended:
    """Recommendations for a table of histories.

    Attributes:
        table: the table as it came, with the columns `items` and `scores`: lists, shorter than k where fewer items are
            left, and empty for a history of which the model knows no item.
        cold: ids the model does not know -> how often they occur.
        unknown: histories of which it knows no item.
    """

    table: pl.DataFrame
    cold: dict[str, int]
    unknown: int


@torch.no_grad()
def recommend_table(
    model: TrainedModel, histories: pl.DataFrame, *, k: int = 10, exclude_seen: bool = True, batch: int | None = None
) -> Recommended:
    """The k best items after each history.

    Args:
        model: on the device to compute on.
        histories: with a column `history`, lists of ids, oldest first; other columns are kept.
        k: items recommended.
        exclude_seen: leave out every item of the history, also where it is longer than the model reads.
        batch: histories scored at once; by default as many as fit into some 64 MiB of scores.
    """
    known, cold = _numbered(histories.get_column(HISTORY), model.item_ids)
    count, num_items = len(histories), len(model.item_ids)
    recommender, device = model.recommender.eval(), model.recommender.embedding.device
    k = min(k, num_items)
    rows, seen = (known[column].to_numpy(writable=True) for column in ("row", "item"))
    padded = torch.from_numpy(_padded(known, count, model.length))
    items = torch.empty(count, k, dtype=torch.long)
    scores = torch.empty(count, k)
    batch = batch or max(1, MAX_SCORES // num_items)
    for begin in range(0, count, batch):
        end = min(begin + batch, count)
        chunk = padded[begin:end]
        chunk = chunk[:, : max(1, int((chunk > 0).sum(1).max()))].to(device)
        found = recommender.scores(recommender.last_states(chunk))
        if exclude_seen:
            of_chunk = slice(*np.searchsorted(rows, [begin, end]).tolist())
            found[torch.from_numpy(rows[of_chunk] - begin), torch.from_numpy(seen[of_chunk] - 1)] = -torch.inf
        best = found.topk(k)
        scores[begin:end], items[begin:end] = best.values.cpu(), best.indices.cpu()
    scores[~(padded > 0).any(1)] = -torch.inf
    table = histories.with_columns(_lists(items, scores, model.item_ids))
    return Recommended(table, cold, int((padded[:, 0] == 0).sum()))


def recommend_one(
    model: TrainedModel, history: Sequence[str], *, k: int = 10, exclude_seen: bool = True
) -> Recommendations:
    """The k best items after one history of ids, oldest first.

    Raises:
        SeqDistillError: if it knows none of them.
    """
    table = pl.DataFrame({HISTORY: [list(history)]}, schema={HISTORY: pl.List(pl.String)})
    found = recommend_table(model, table, k=k, exclude_seen=exclude_seen)
    if found.unknown:
        near = difflib.get_close_matches(history[0], model.item_ids.to_list(), n=3) if history else []
        known = near or model.item_ids.head(3).to_list()
        raise SeqDistillError(
            f"the model knows no item of the history {', '.join(history)}; "
            f"{'nearest' if near else 'its ids look like'}: {', '.join(known)}"
        )
    row = found.table.row(0, named=True)
    pairs = zip(row[ITEMS], row[SCORES], strict=True)
    return Recommendations([Recommendation(item_id, score) for item_id, score in pairs], list(found.cold))


def read_histories(path: Path) -> pl.DataFrame:
    """A table of histories from parquet or JSON lines.

    Raises:
        SeqDistillError: naming what is missing or of another kind.
    """
    check_table_file(path)
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
    except OSError as error:
        raise SeqDistillError(f"cannot read {path}: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise SeqDistillError(f"{path} cannot be read as {path.suffix}: {str(error).splitlines()[0]}") from error
    if HISTORY not in table.columns:
        raise SeqDistillError(f"{path} has no column {HISTORY!r}, only {', '.join(table.columns)}; name the lists so")
    kind = table.schema[HISTORY]
    if not isinstance(kind, pl.List):
        raise SeqDistillError(f"{path}: the column {HISTORY!r} holds {kind} instead of lists of ids")
    return table.with_columns(pl.col(HISTORY).cast(pl.List(pl.String)))


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table as parquet or JSON lines, by the ending of its name.

    Raises:
        SeqDistillError: if it cannot be written.
    """
    check_table_file(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            table.write_parquet(path)
        else:
            table.write_ndjson(path)


def check_table_file(path: Path) -> None:
    """Make sure that the ending of a name says what kind of table it is.

    Raises:
        SeqDistillError: if it does not.
    """
    if path.suffix not in FILE_KINDS:
        raise SeqDistillError(f"{path}: histories and recommendations are {', '.join(FILE_KINDS)} files")


def _numbered(histories: pl.Series, item_ids: pl.Series) -> tuple[pl.DataFrame, dict[str, int]]:
    """Known items as (row, item, from_end), in order, with from_end 0 for the last one of a row; and the cold ids."""
    catalogue = pl.DataFrame({"id": item_ids, "item": np.arange(1, len(item_ids) + 1)})
    long = (
        pl.DataFrame({"row": np.arange(len(histories)), "id": histories})
        .explode("id")
        .drop_nulls("id")
        .join(catalogue, on="id", how="left", maintain_order="left")
    )
    strange = long.filter(pl.col("item").is_null())["id"].value_counts(sort=True)
    cold = dict(zip(strange["id"].to_list(), strange["count"].to_list(), strict=True))
    known = long.drop_nulls("item").with_columns(from_end=pl.int_range(pl.len()).reverse().over("row"))
    return known, cold


def _padded(known: pl.DataFrame, count: int, length: int) -> np.ndarray:
    """The most recent `length` items of each row, padded with 0 on the right, int64 [count, length]."""
    recent = known.filter(pl.col("from_end") < length)
    row, from_end = recent["row"].to_numpy(), recent["from_end"].to_numpy()
    sizes = np.bincount(row, minlength=count)
    padded = np.zeros((count, length), dtype=np.int64)
    padded[row, sizes[row] - 1 - from_end] = recent["item"].to_numpy()
    return padded


def _lists(items: Tensor, scores: Tensor, item_ids: pl.Series) -> list[pl.Series]:
    """Columns of lists, best first; what has the score -inf is left out."""
    count, k = items.shape
    long = pl.DataFrame(
        {
            "row": np.repeat(np.arange(count), k),
            ITEMS: item_ids.gather(items.flatten().numpy()),
            SCORES: scores.flatten().numpy(),
        }
    )
    kept = long.filter(pl.col(SCORES).is_finite()).group_by("row", maintain_order=True).agg(ITEMS, SCORES)
    whole = pl.DataFrame({"row": np.arange(count)}).join(kept, on="row", how="left", maintain_order="left")
    filled = whole.with_columns(pl.col(ITEMS, SCORES).fill_null(pl.lit([], dtype=pl.List(pl.Null))))
    return [filled[ITEMS], filled[SCORES]]
