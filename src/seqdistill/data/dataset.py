"""A log as training reads it: one flat array of items, user after user, oldest first.

Items are numbered 1..num_items inside the library; 0 is padding and never an item. The ids of the log are strings and
come back through `item_ids`. What trains and what is held out is decided by a `Split`, leave-one-out unless another is
given.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from seqdistill.data.blocks import BLOCK_ROWS, Bools, Ints, Times, owners, user_blocks
from seqdistill.data.splits import Split, leave_one_out

HeldOut = Literal["validation", "test"]

VALIDATION_USERS = 10_000
"""Users who are asked in a validation, drawn once for all where there are more. Epochs, schedules and summaries are
chosen by hundreds of validations, and more users would not make one choose better; a test asks every user."""


@dataclass(frozen=True)
class Provenance:
    """Where a dataset came from, for manifests and messages.

    Attributes:
        source: name or path as the user gave it.
        log_sha256: digest of the log's bytes, or empty where there is no file.
        log_parquet_bytes: size of the unfiltered log (user, item, time) as zstd parquet; what a summary competes with.
        notes: one line each for what reading, filtering and splitting did (columns guessed, rows removed, ties).
        settings: of the section `data`, those that differ from the defaults.
    """

    source: str
    log_sha256: str = ""
    log_parquet_bytes: int = 0
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, eq=False)
class Dataset:
    """An interaction log, ordered, with dense item numbers and a split.

    Attributes:
        name: short name for tables.
        items: int64 [interactions], values 1..num_items; the users' sequences one after another, oldest first.
        offsets: int64 [num_users + 1]; user u owns `items[offsets[u]:offsets[u + 1]]`.
        item_ids: the log's item ids; item v is `item_ids[v - 1]`.
        user_ids: the log's user ids; user u is `user_ids[u]`.
        provenance: where it came from.
        times: [interactions], int64 or float64 in the log's own unit; None for a log without times.
        given_split: None for leave-one-out.
    """

    name: str
    items: Ints
    offsets: Ints
    item_ids: pl.Series
    user_ids: pl.Series
    provenance: Provenance
    times: Times | None = None
    given_split: Split | None = None

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
    def split(self) -> Split:
        """What trains and what is held out."""
        return self.given_split or leave_one_out(self.offsets)

    @property
    def training_ends(self) -> Ints:
        """int64 [num_users]: user u trains on `items[offsets[u]:training_ends[u]]`."""
        return self.split.training_ends

    @cached_property
    def has_repeats(self) -> bool:
        """Whether some user meets some item twice; then rankings must not mask seen items."""
        return any(any_repeats(users, self.items[rows], self.num_items) for users, rows in self._blocks())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sequences, item ids and split: equal exactly if training would see the same data."""
        digest = hashlib.sha256()
        arrays = [self.items, self.offsets]
        if self.given_split is not None and self.split.name != "leave-one-out":
            arrays += [self.split.training_ends, self.split.validation, self.split.test]
        for array in arrays:
            for begin in range(0, len(array), BLOCK_ROWS):
                digest.update(np.ascontiguousarray(array[begin : begin + BLOCK_ROWS], dtype="<i8").tobytes())
        for begin in range(0, len(self.item_ids), BLOCK_ROWS):
            separator = "\0" if begin else ""
            digest.update((separator + "\0".join(self.item_ids[begin : begin + BLOCK_ROWS])).encode())
        return digest.hexdigest()

    @cached_property
    def item_counts(self) -> Ints:
        """int64 [num_items + 1]: occurrences of each item in the training part; entry 0 (padding) is 0."""
        counts = np.zeros(self.num_items + 1, dtype=np.int64)
        for users, rows in self._blocks():
            trains: Bools = np.arange(int(rows.start), int(rows.stop)) < self.training_ends[users]
            counts += np.bincount(self.items[rows][trains], minlength=self.num_items + 1)
        return counts

    def targets(self, part: HeldOut) -> Ints:
        """Where in `items` the targets that are ranked in a part stand, ascending, one a user."""
        return self._validation_sample if part == "validation" else self.split.test

    def held_out_users(self, part: HeldOut) -> Ints:
        """The users who are ranked in a part, ascending: of the validation's, at most `VALIDATION_USERS`."""
        return np.searchsorted(self.offsets, self.targets(part), side="right") - 1

    def training_windows(self, length: int, rng: np.random.Generator | None = None) -> Ints:
        """Cut the training part into windows in which every target appears exactly once.

        A window of `length + 1` items gives `length` inputs and, shifted by one, `length` targets; consecutive windows
        of a user share one item (the last target is the next window's first input). Rows shorter than that are padded
        with 0 on the right. The windows of a log that is longer than memory are gathered a batch at a time, from
        `window_bounds`.

        Args:
            length: positions a learner sees, at least 1.
            rng: see `window_bounds`.

        Returns:
            int64 [num_windows, length + 1].
        """
        return self.gather(*self.window_bounds(length, rng), width=length + 1)

    def window_bounds(self, length: int, rng: np.random.Generator | None = None) -> tuple[Ints, Ints]:
        """Where the training windows begin and end in `items`: two int64 [num_windows].

        Args:
            length: positions a learner sees, at least 1.
            rng: draws where each long user's first cut falls, so that over the epochs a target is met after histories
                of every length. None cuts from the most recent item backwards, so that the newest window is full.
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
        return begin, end + 1

    def held_out(self, part: HeldOut, length: int, users: Sequence[int] | Ints | None = None) -> tuple[Ints, Ints]:
        """Histories and the next item to be ranked, one row a user.

        A history is all that a user did before the target: in a test, the validation's rows too.

        Args:
            part: "validation" or "test".
            length: the most recent positions kept of each history.
            users: some of `held_out_users(part)`; all of them by default.

        Returns:
            Histories, int64 [users, length], padded with 0 on the right, and targets, int64 [users].
        """
        targets, owners = self.targets(part), self.held_out_users(part)
        if users is not None:
            places = np.searchsorted(owners, np.asarray(users))
            targets, owners = targets[places], owners[places]
        begin = np.maximum(self.offsets[owners], targets - length)
        return self.gather(begin, targets, width=length), np.asarray(self.items[targets])

    def gather(self, begin: Ints, end: Ints, *, width: int) -> Ints:
        """Rows of `items[begin[i]:end[i]]`, each at most `width` long and padded with 0 on the right: [rows, width]."""
        columns = begin[:, None] + np.arange(width)
        inside = columns < end[:, None]
        return np.where(inside, self.items[np.where(inside, columns, 0)], 0)

    @cached_property
    def _validation_sample(self) -> Ints:
        targets = self.split.validation
        if len(targets) <= VALIDATION_USERS:
            return targets
        chosen = np.random.default_rng(0).choice(len(targets), size=VALIDATION_USERS, replace=False)
        return targets[np.sort(chosen)]

    def _blocks(self) -> Iterator[tuple[Ints, slice]]:
        """The user of each row of a block, and which rows these are."""
        for users, rows in user_blocks(self.offsets):
            yield owners(self.offsets, users), rows


def any_repeats(users: Ints, items: Ints, num_items: int) -> bool:
    """Whether a user and an item meet twice in rows of a few consecutive users."""
    return bool(pl.Series((users - users[:1]) * (num_items + 1) + items).is_duplicated().any())
