"""Sequences a learner can train on, real or synthetic, under one form.

A position plays two roles: what is read there, and what is to be predicted next. Each role of a set of sequences is
held either as items (ids) or as queries, each of which stands for the distribution softmax(H V^T) over the catalogue.
A summary has queries in both roles, a log has items in both, and real sequences with a teacher's predictions as
targets read items and predict queries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from seqdistill.attention import soft_embeddings
from seqdistill.learners import embed_items
from seqdistill.prediction_loss import Distributions, Table

MAX_CACHED_PROBABILITIES = 64_000_000
"""Distributions of at most so many numbers (256 MiB) are computed once instead of at every step of `fresh` training."""

Rows = Tensor | slice
EVERY = slice(None)
"""All rows."""

Embedder = Callable[[Tensor, Rows], Tensor]
"""Embedding E [num_items, dim] and k rows -> [k, positions, dim]."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """A small set of training sequences over a catalogue.

    Attributes:
        read: int64 ids [n, positions] or queries [n, positions, d3].
        predict: the same for the targets: what follows each position.
        mask: bool [n, positions], True where there is a target; padding lies to the right.
        item_factor: V, [num_items, d3]; what queries refer to, and, times a power of two, the frozen embedding of the
            `shared` regime.
    """

    read: Tensor
    predict: Tensor
    mask: Tensor
    item_factor: Tensor

    @classmethod
    def from_windows(cls, windows: Tensor, item_factor: Tensor) -> "Sequences":
        """Hard sequences from rows of `positions + 1` items padded with 0 on the right (`Dataset.training_windows`)."""
        return cls(windows[:, :-1], windows[:, 1:], windows[:, 1:] > 0, item_factor)

    @property
    def length(self) -> int:
        """Number of positions."""
        return self.mask.shape[1]

    @property
    def num_items(self) -> int:
        """Size of the catalogue, |V|."""
        return self.item_factor.shape[0]

    def to(self, device: torch.device) -> "Sequences":
        """The same on another device."""
        return Sequences(*(t.to(device) for t in (self.read, self.predict, self.mask, self.item_factor)))

    def inputs(self) -> Embedder:
        """What is read, as a function of an embedding E [num_items, dim] and of rows, [k] or all of them."""
        role = self.read
        if not role.is_floating_point():
            return lambda embedding, rows: embed_items(role[rows], embedding)
        probabilities = self._distributions(role)
        if isinstance(probabilities, Distributions):
            return lambda embedding, rows: soft_embeddings(role[rows], self.item_factor, embedding)
        return lambda embedding, rows: probabilities[rows] @ embedding

    def targets(self) -> Table:
        """What is to be predicted, a row for each position of each sequence."""
        if not self.predict.is_floating_point():
            return self.predict.flatten()
        distributions = self._distributions(self.predict)
        return distributions if isinstance(distributions, Distributions) else distributions.flatten(0, 1)

    def mean_targets(self, embedding: Tensor) -> Tensor:
        """The embedding E [num_items, dim] of what is to be predicted, on average: [rows of `targets`, dim]."""
        if not self.predict.is_floating_point():
            return embed_items(self.predict, embedding).flatten(0, 1)
        return soft_embeddings(self.predict, self.item_factor, embedding).flatten(0, 1)

    def _distributions(self, queries: Tensor) -> Table:
        """Computed once if they are few: [n, positions, num_items], else a table of n x positions rows."""
        if queries[..., 0].numel() * self.num_items > MAX_CACHED_PROBABILITIES:
            return Distributions(queries.flatten(0, 1), self.item_factor)
        return (queries @ self.item_factor.T).softmax(-1)
