"""The verb `recommend`, for one history or a file of them."""

from collections.abc import Sequence
from pathlib import Path

from seqdistill.api.given import resolve_device
from seqdistill.models import TrainedModel
from seqdistill.recommending import (
    Recommendations,
    Recommended,
    check_table_file,
    read_histories,
    recommend_one,
    recommend_table,
    write_table,
)


def recommend(
    model: str | Path | TrainedModel,
    history: Sequence[str],
    *,
    k: int = 10,
    exclude_seen: bool = True,
    device: str = "auto",
    allow_code: str | None = None,
) -> Recommendations:
    """What a trained model recommends after a history.

    Args:
        model: a model or its folder.
        history: item ids of the log, oldest first; those the model does not know are skipped and named in the result.
        k: items recommended.
        exclude_seen: leave the items of the history out.
        device: "auto", "cpu" or "cuda[:N]".
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Raises:
        SeqDistillError: a damaged model, or a history of which it knows no item.
    """
    return recommend_one(_on_device(model, device, allow_code), history, k=k, exclude_seen=exclude_seen)


def recommend_file(
    model: str | Path | TrainedModel,
    histories: str | Path,
    out: str | Path,
    *,
    k: int = 10,
    exclude_seen: bool = True,
    device: str = "auto",
    allow_code: str | None = None,
) -> Recommended:
    """Recommendations for a file of histories.

    Args:
        model: a model or its folder.
        histories: parquet or JSON lines with a column `history`, lists of item ids, oldest first.
        out: the same table with the columns `items` and `scores`, as parquet or JSON lines.
        k: items recommended after each history.
        exclude_seen: leave the items of a history out.
        device: "auto", "cpu" or "cuda[:N]".
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Raises:
        SeqDistillError: a damaged model, a file that holds no histories, or `out` cannot be written.
    """
    check_table_file(Path(out))
    table = read_histories(Path(histories))
    found = recommend_table(_on_device(model, device, allow_code), table, k=k, exclude_seen=exclude_seen)
    write_table(found.table, Path(out))
    return found


def _on_device(model: str | Path | TrainedModel, device: str, allow_code: str | None) -> TrainedModel:
    trained = model if isinstance(model, TrainedModel) else TrainedModel.load(model, allow_code=allow_code)
    trained.recommender.to(resolve_device(device))
    return trained
