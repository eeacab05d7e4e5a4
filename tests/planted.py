"""A log with a known law: a Markov chain on a few items in which each item has one likely successor."""

import numpy as np
import polars as pl

from seqdistill.data import Dataset, Provenance

NUM_ITEMS = 25
FOLLOWS = 0.9
"""Probability of the likely successor; otherwise the next item is uniform."""


def planted_dataset(num_users: int = 150, length: int = 12, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """The log, and each item's likely successor: int64 [NUM_ITEMS + 1], entry 0 unused."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(NUM_ITEMS) + 1
    successor = np.zeros(NUM_ITEMS + 1, dtype=np.int64)
    successor[order] = np.roll(order, -1)
    items = np.empty((num_users, length), dtype=np.int64)
    items[:, 0] = rng.integers(1, NUM_ITEMS + 1, num_users)
    for t in range(1, length):
        strays = rng.integers(1, NUM_ITEMS + 1, num_users)
        items[:, t] = np.where(rng.random(num_users) < FOLLOWS, successor[items[:, t - 1]], strays)
    ids = pl.Series([f"item {v}" for v in range(1, NUM_ITEMS + 1)])
    users = pl.Series([f"user {u}" for u in range(num_users)])
    offsets = np.arange(num_users + 1) * length
    return Dataset(
        "planted", items.ravel(), offsets, ids, users, Provenance("planted", log_parquet_bytes=4_000)
    ), successor
