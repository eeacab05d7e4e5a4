"""Real sequences chosen from a log: at random, the longest, the most recent, or those that cover the rest (k-center).

A real sequence is a training window (`Dataset.training_windows`). Windows end with what a user did last, so that the
first one of a user, counted from the end, is full wherever the user's history is. All choices are nested: fewer
sequences are the first of more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from seqdistill.covering import farthest_first
from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset
from seqdistill.learners import Recommender
from seqdistill.seeding import derive_seed

Choice = Literal["random", "longest", "recent", "k-center"]

CHUNK = 4096
"""Windows whose states are computed together."""

States = Callable[[Tensor], Tensor]
"""Windows, int64 [k, positions] of ids padded with 0 -> features [k, width]."""


@dataclass(frozen=True)
class RealSequences:
    """The training windows of a log, and ways to choose among them.

    Attributes:
        dataset: the log.
        length: positions a learner reads.
        states: features of windows, in whose space k-center covers them.
    """

    dataset: Dataset
    length: int
    states: States

    @cached_property
    def bounds(self) -> tuple[Ints, Ints]:
        """Where the windows begin and end in the log's items, two int64 [windows]."""
        return self.dataset.window_bounds(self.length)

    def __len__(self) -> int:
        return len(self.bounds[0])

    @property
    def mean_items(self) -> float:
        """Items of a window, padding not counted."""
        begin, end = self.bounds
        return float((end - begin).mean())

    def choose(self, choice: Choice, count: int, seed: int) -> Tensor:
        """Windows, int64 [at most count, length + 1] of ids padded with 0 on the right.

        Args:
            choice: how.
            count: windows wanted; no more than there are.
            seed: of the random choice, and of the first window of k-center.
        """
        count = min(count, len(self))
        if choice == "random":
            rng = np.random.default_rng(derive_seed(seed, "random sequences"))
            rows = rng.choice(len(self), size=count, replace=False)
        elif choice == "k-center":
            rows = farthest_first(self._features, count, derive_seed(seed, "k-center"))
        else:
            rows = self._order(choice)[:count]
        return self.windows(rows)

    def windows(self, rows: Ints) -> Tensor:
        """Some windows, int64 [rows, length + 1]."""
        begin, end = self.bounds
        return torch.from_numpy(self.dataset.gather(begin[rows], end[rows], width=self.length + 1))

    def _order(self, choice: Choice) -> Ints:
        begin, end = self.bounds
        user = np.searchsorted(self.dataset.offsets, begin, side="right") - 1
        if choice == "recent":
            assert self.dataset.times is not None
            return np.lexsort((user, -np.asarray(self.dataset.times[end - 1])))
        # Most windows are full; among those, each user's newest come first, of users with the longest histories.
        age = self.dataset.training_ends[user] - end
        history = self.dataset.training_ends[user] - self.dataset.offsets[user]
        return np.lexsort((user, -history, age, -(end - begin)))

    @cached_property
    def _features(self) -> Tensor:
        rows = np.arange(len(self))
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return torch.cat([self.states(self.windows(chunk)[:, 1:]) for chunk in chunks])


def last_states(teacher: Recommender) -> States:
    """A teacher's state after each window."""

    @torch.no_grad()
    def states(windows: Tensor) -> Tensor:
        return teacher.last_states(windows.to(teacher.embedding.device)).cpu()

    return states


def mean_embedding(item_factor: Tensor) -> States:
    """Mean item factor of each window."""

    def states(windows: Tensor) -> Tensor:
        inside = (windows > 0)[..., None]
        embedded = item_factor[(windows - 1).clamp(min=0)] * inside
        return embedded.sum(1) / inside.sum(1).clamp(min=1)

    return states
