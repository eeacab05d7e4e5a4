"""Where the quality comes from: whose histories, which items, and how much of the catalogue is ever shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.metrics import Floats

Bools = npt.NDArray[np.bool_]
PARTS = ("ndcg@10", "hr@10")
"""Metrics that are broken down."""

QUANTILES = 4
POPULAR = ((0.0, 0.01), (0.01, 0.1), (0.1, 0.5), (0.5, 1.0))
"""Shares of the catalogue, the most popular items first."""


@dataclass(frozen=True, eq=False)
class Bucket:
    """Some of the users.

    Attributes:
        label: who they are.
        users: bool [users], in the order of the test.
    """

    label: str
    users: Bools

    def means(self, metrics: dict[str, Floats]) -> dict[str, float]:
        """Means over learners and the users in the bucket, of metrics [learners, users]."""
        return {name: float(metrics[name][:, self.users].mean()) for name in PARTS}


def by_history(dataset: Dataset) -> list[Bucket]:
    """Quarters of the tested users by how much they did before the tested item."""
    users = dataset.held_out_users("test")
    lengths = dataset.targets("test") - dataset.offsets[users]
    cuts = np.unique(np.quantile(lengths, np.linspace(0, 1, QUANTILES + 1)[1:-1], method="lower"))
    places = np.searchsorted(cuts, lengths, side="left")
    return [
        Bucket(_range(lengths[places == place]), places == place)
        for place in range(len(cuts) + 1)
        if (places == place).any()
    ]


def by_popularity(dataset: Dataset) -> list[Bucket]:
    """Tested users by how popular the tested item is in training."""
    counts = dataset.item_counts[1:]
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    targets = np.asarray(dataset.items[dataset.targets("test")]) - 1
    seen = counts[targets] > 0
    return [Bucket(label, users) for label, users in _popular(place[targets], seen, len(counts)) if users.any()]


def _popular(places: Ints, seen: Bools, items: int) -> Iterator[tuple[str, Bools]]:
    for first, last in POPULAR:
        if first == 0:
            label = f"top {last:.0%} of items"
        elif last < 1:
            label = f"{first:.0%} to {last:.0%}"
        else:
            label = f"last {1 - first:.0%}"
        yield label, seen & (places >= round(first * items)) & (places < round(last * items))
    yield "never in training", ~seen


def _range(lengths: Ints) -> str:
    low, high = int(lengths.min()), int(lengths.max())
    return str(low) if low == high else f"{low} to {high}"
