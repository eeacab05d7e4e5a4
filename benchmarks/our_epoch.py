# pyright: basic
"""One epoch of this library's training on a log, as a case."""

import numpy as np
import polars as pl
import torch

from benchmarks.harness import Row, Step
from seqdistill.config import TeacherConfig
from seqdistill.data import Dataset, Provenance, load_dataset
from seqdistill.learners import Recommender, build_learner
from seqdistill.training import Epoch

MEAN_HISTORY = 60
"""Interactions of a user of the synthetic log, on average."""


def prepare(*, source: str, dim: int, length: int, targets_per_step: int, seed: int) -> Step:
    """An epoch on a named dataset or a log file."""
    return epoch_of(load_dataset(source), dim=dim, length=length, targets_per_step=targets_per_step, seed=seed)


def prepare_synthetic(
    *, users: int, items: int, dim: int, length: int, seed: int, targets_per_step: int = 2048
) -> Step:
    """An epoch on a random log."""
    log = synthetic_log(users, items, seed)
    return epoch_of(log, dim=dim, length=length, targets_per_step=targets_per_step, seed=seed)


def epoch_of(dataset: Dataset, *, dim: int, length: int, targets_per_step: int, seed: int) -> Step:
    """An epoch: windows cut anew, every target of the training part once, shuffled.

    Args:
        dataset: the log.
        dim: width of the item embedding.
        length: longest history.
        targets_per_step: on average; as many whole windows make a batch.
        seed: decides everything random.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    config = TeacherConfig(dim=dim, negatives="all")
    learner = build_learner(config, dim=dim, length=length, dropout=config.dropout)
    model = Recommender.fresh(learner, dataset.num_items)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.rate, fused=True)
    windows = len(dataset.window_bounds(length, rng)[0])
    rows_per_step = max(1, round(targets_per_step * windows / num_targets(dataset)))
    config = config.model_copy(update={"batch_size": rows_per_step})

    def step() -> Row:
        epoch = Epoch(model, dataset, config, length=length, rng=rng)
        for rows in epoch.batches:
            epoch.step(optimiser, rows)
        return {
            "targets": epoch.targets,
            "windows": windows,
            "windows_per_step": rows_per_step,
            "warm_up": "an epoch",
        }

    return step


def num_targets(dataset: Dataset) -> int:
    """Next-item targets of the training part: all of its items but each user's first."""
    return int(np.maximum(dataset.training_ends - dataset.offsets[:-1] - 1, 0).sum())


def synthetic_log(users: int, items: int, seed: int) -> Dataset:
    """A log with histories of very different lengths over items of very different popularity."""
    rng = np.random.default_rng(seed)
    lengths = 5 + rng.geometric(1 / (MEAN_HISTORY - 5), users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    popularity = 1 / np.arange(1, items + 1)
    drawn = rng.choice(items, size=int(offsets[-1]), p=popularity / popularity.sum()) + 1
    item_ids = pl.Series([str(v) for v in range(1, items + 1)])
    user_ids = pl.Series([str(u) for u in range(users)])
    return Dataset("synthetic", drawn, offsets, item_ids, user_ids, Provenance("synthetic"))
