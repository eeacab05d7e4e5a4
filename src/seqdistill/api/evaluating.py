"""The verb `evaluate`: how a model ranks."""

from pathlib import Path
from typing import Any, Literal

from seqdistill.api.given import Notify, protocol, resolve_device, usable_log
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.models import TrainedModel


def evaluate(
    model: str | Path | TrainedModel,
    data: str | Path | Dataset,
    *,
    config: Config | None = None,
    part: Literal["validation", "test"] = "test",
    device: str = "auto",
    notify: Notify | None = None,
    allow_code: str | None = None,
) -> dict[str, Any]:
    """Rank the held-out items of a log by a trained model.

    Args:
        model: a model or its folder.
        data: a named dataset, a log, a prepared folder, or a loaded dataset.
        config: all settings.
        part: which held-out item of each user to rank.
        device: "auto", "cpu" or "cuda[:N]".
        notify: gets lines a user should see once.
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Returns:
        {"dataset", "protocol", "model": {"learner", "length", "trained_on"}, "metrics": {name: mean over users}}.

    Raises:
        SeqDistillError: a damaged model, bad data, or a model of another catalogue.
    """
    config = config or Config()
    trained = model if isinstance(model, TrainedModel) else TrainedModel.load(model, allow_code=allow_code)
    dataset = usable_log(data, config, notify)
    if not trained.item_ids.equals(dataset.item_ids):
        raise SeqDistillError(
            f"the model knows {len(trained.item_ids)} items and {dataset.name} has {dataset.num_items}, "
            "and they are not the same; evaluate on the log it was made from, with the same data settings"
        )
    scores = rank_held_out(
        trained.recommender.to(resolve_device(device)),
        dataset,
        part,
        length=trained.length,
        mask_seen=config.evaluate.mask_seen,
    )
    return {
        "dataset": dataset.name,
        "protocol": {**protocol(dataset, config, part), "length": trained.length},
        "model": {
            "learner": trained.architecture.learner,
            "length": trained.length,
            "trained_on": trained.details.get("trained_on"),
        },
        "metrics": summarise(scores, config.evaluate.cutoffs),
    }
