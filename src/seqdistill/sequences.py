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
        item_factor: V, [num_items, d3]; what queries refer to, and the frozen embedding of the `shared` regime.
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

    def embedders(self) -> tuple[Embedder, Embedder]:
        """For inputs and targets: functions of an embedding E [num_items, dim] and of rows, [k] or all of them."""
        return self._embedder(self.read), self._embedder(self.predict)

    def _embedder(self, role: Tensor) -> Embedder:
        if not role.is_floating_point():
            return lambda embedding, rows: embed_items(role[rows], embedding)
        if role[..., 0].numel() * self.num_items > MAX_CACHED_PROBABILITIES:
            return lambda embedding, rows: soft_embeddings(role[rows], self.item_factor, embedding)
        probabilities = (role @ self.item_factor.T).softmax(-1)
        return lambda embedding, rows: probabilities[rows] @ embedding
