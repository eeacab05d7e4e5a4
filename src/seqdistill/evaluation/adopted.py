"""Rows of full data taken over from another comparison of the same log by the same settings.

They do not depend on the summary, but for its item factor where that is the embedding, and take longest to measure.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch

from seqdistill.evaluation.store import INPUTS, Store
from seqdistill.json_values import Json
from seqdistill.summary import Summary

OF_SEQUENCES = frozenset({"regime", "learning_rate", "optimiser", "steps", "candidate_steps", "candidate_optimisers"})
"""Settings of `train` and `evaluate` that concern trainings on few sequences alone."""

OWN_EMBEDDING, WITH_FACTOR = "full/fresh", "full/shared"


def adopt_full_data(store: Store, others: Iterable[Path], request: Json, summary: Summary) -> None:
    """Take over rows that are missing, of the first comparison that has them.

    Args:
        store: of the comparison, begun.
        others: folders of comparisons, finished or not; those of other settings are passed over.
        request: what the comparison is of.
        summary: in question.
    """
    for place in others:
        other = Store(place)
        found = other.request
        if place == store.path or found is None or _deciding(found) != _deciding(request):
            continue
        factor = Summary.load(place / INPUTS / "summary").item_factor
        if factor.shape[1] != summary.dim:
            continue
        same_factor = torch.equal(factor, summary.item_factor)
        for key in (OWN_EMBEDDING, *([WITH_FACTOR] if same_factor else [])):
            measured = other.row(key)
            if measured is not None and store.row(key) is None:
                store.keep(key, measured)


def _deciding(request: Json) -> Json:
    """What of a request decides the rows of full data."""
    config = cast("Json", request["config"])
    return {
        "seqdistill": request["seqdistill"],
        "dataset": request["dataset"],
        "length": config["distill"]["length"],
        "learners": config["compare"]["seeds"],
        **{name: config[name] for name in ("seed", "teacher")},
        **{
            name: {key: value for key, value in config[name].items() if key not in OF_SEQUENCES}
            for name in ("train", "evaluate")
        },
    }
