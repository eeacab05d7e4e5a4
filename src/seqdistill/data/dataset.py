"""A log as training reads it: one flat array of items, user after user, oldest first.

Items are numbered 1..num_items inside the library; 0 is padding and never an item. The ids of the log are strings and
come back through `item_ids`. The split is leave-one-out: a user with at least three interactions gives the last one to
the test and the second last to the validation; what is before belongs to training. Shorter users only train.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
HeldOut = Literal["validation", "test"]

MIN_SPLIT_LENGTH = 3
"""A user needs one interaction each for training, validation and test."""


@dataclass(frozen=True)
class Provenance:
    """Where a dataset came from, for manifests and messages.

    Attributes:
        source: name or path as the user gave it.
        log_sha256: digest of the log's bytes, or empty where there is no single file.
        log_parquet_bytes: size of the unfiltered log (user, item, time) as zstd parquet; what a summary competes with.
        notes: one line each for what reading and filtering did (columns guessed, rows removed, ties in time).
    """

    source: str
    log_sha256: str = ""
    log_parquet_bytes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """An interaction log, ordered, with dense item numbers and a leave-one-out split.

    Attributes:
        name: short name for tables.
        items: int64 [interactions], values 1..num_items; the users' sequences one after another, oldest first.
        offsets: int64 [num_users + 1]; user u owns `items[offsets[u]:offsets[u + 1]]`.
        item_ids: the log's item ids; item v is `item_ids[v - 1]`.
        user_ids: the log's user ids; user u is `user_ids[u]`.
        provenance: where it came from.
    """

    name: str
    items: Ints
    offsets: Ints
    item_ids: pl.Series
    user_ids: pl.Series
    provenance: Provenance

    @property
    def num_items(self) -> int:
        """Size of the catalogue, |V|."""
        return len(self.item_ids)

    @property
    def num_users(self) -> int:
        """Number of users, those too short for the split included."""
        return len(self.offsets) - 1

    @property
    def num_interactions(self) -> int:
        """Number of rows of the filtered log."""
        return len(self.items)

    @cached_property
    def has_repeats(self) -> bool:
        """Whether some user meets some item twice; then rankings must not mask seen items."""
        users = np.repeat(np.arange(self.num_users), np.diff(self.offsets))
        return len(np.unique(users * (self.num_items + 1) + self.items)) < len(self.items)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sequences and item ids: equal exactly if training would see the same data."""
        digest = hashlib.sha256()
        for array in (self.items, self.offsets):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        digest.update("\0".join(self.item_ids.to_list()).encode())
        return digest.hexdigest()

    @cached_property
    def training_ends(self) -> Ints:
        """int64 [num_users]: user u trains on `items[offsets[u]:training_ends[u]]`."""
        lengths = np.diff(self.offsets)
        return self.offsets[1:] - np.where(lengths >= MIN_SPLIT_LENGTH, 2, 0)

    @cached_property
    def split_users(self) -> Ints:
        """The users long enough to be validated and tested on."""
        return np.flatnonzero(np.diff(self.offsets) >= MIN_SPLIT_LENGTH)

    @cached_property
    def item_counts(self) -> Ints:
        """int64 [num_items + 1]: occurrences of each item in the training part; entry 0 (padding) is 0."""
        keep = np.arange(len(self.items)) < np.repeat(self.training_ends, np.diff(self.offsets))
        return np.bincount(self.items[keep], minlength=self.num_items + 1)

    def training_windows(self, length: int, rng: np.random.Generator | None = None) -> Ints:
        """Cut the training part into windows in which every target appears exactly once.

        A window of `length + 1` items gives `length` inputs and, shifted by one, `length` targets; consecutive windows
        of a user share one item (the last target is the next window's first input). Rows shorter than that are padded
        with 0 on the right.

        Args:
            length: positions a learner sees, at least 1.
            rng: draws where each long user's first cut falls, so that over the epochs a target is met after histories
                of every length. None cuts from the most recent item backwards, so that the newest window is full.

        Returns:
            int64 [num_windows, length + 1].
        """
        starts, ends = self.offsets[:-1], self.training_ends
        targets = np.maximum(ends - starts - 1, 0)
        # The first window takes `first` targets, the following ones `length` each.
        if rng is None:
            first = (targets - 1) % length + 1
        else:
            first = rng.integers(1, length + 1, size=len(starts))
        first = np.minimum(np.where(targets <= length, targets, first), targets)
        windows_per_user = np.where(targets > 0, 1 + -(-(targets - first) // length), 0)

        user = np.repeat(np.arange(len(starts)), windows_per_user)
        rank = np.arange(len(user)) - np.repeat(np.cumsum(windows_per_user) - windows_per_user, windows_per_user)
        begin = starts[user] + np.where(rank == 0, 0, first[user] + (rank - 1) * length)
        end = np.minimum(starts[user] + first[user] + rank * length, ends[user] - 1)
        return self._rows(begin, end + 1, length + 1)

    def held_out(self, part: HeldOut, length: int, users: Sequence[int] | Ints | None = None) -> tuple[Ints, Ints]:
        """Histories and the next item to be ranked, one row a user.

        The test history includes the validation item, as it is known by then.

        Args:
            part: "validation" or "test".
            length: the most recent positions kept of each history.
            users: some of `split_users`; all of them by default.

        Returns:
            Histories, int64 [users, length], padded with 0 on the right, and targets, int64 [users].
        """
        rows = self.split_users if users is None else np.asarray(users)
        target = self.offsets[rows + 1] - (2 if part == "validation" else 1)
        begin = np.maximum(self.offsets[rows], target - length)
        return self._rows(begin, target, length), self.items[target]

    def _rows(self, begin: Ints, end: Ints, width: int) -> Ints:
        """Gather `items[begin[i]:end[i]]` into rows of `width`, padded with 0 on the right."""
        columns = begin[:, None] + np.arange(width)
        inside = columns < end[:, None]
        return np.where(inside, self.items[np.where(inside, columns, 0)], 0)
