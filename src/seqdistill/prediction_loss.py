"""A learner's loss with its gradient, in one pass over the catalogue, where nothing differentiates it again.

With scores s = h E^T and a target distribution t at each of k rows, the loss is the mean cross-entropy

    L = 1/k sum (logsumexp(s) - t . s),        k dL/ds = softmax(s) - t,

so while a tile of scores is at hand, its part of dL/dh = dL/ds E and of dL/dE = dL/ds^T h is two products more. Formed
on the way forward, no score is formed twice and none is kept. `attention` has the same loss for the inner loop, which
differentiates it twice, and for which targets are mean embeddings.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from seqdistill.attention import scratch

TILE_NUMBERS = {"cpu": 1 << 20, "cuda": 1 << 26}
"""Scores held at once, by device type; twice as many as in `attention`, as a tile has whole rows here and is used four
times."""
LEAST_ROWS = 64
"""Rows of a tile, however large the catalogue: the embedding and its gradient are gone through anew for each tile."""

Ctx: TypeAlias = Any
"""Autograd's context: what forward leaves for backward."""


@dataclass(frozen=True, eq=False)
class Distributions:
    """Rows softmax(q V^T) of a table that is never whole.

    Attributes:
        queries: q, [rows, d3].
        item_factor: V, [num_items, d3].
    """

    queries: Tensor
    item_factor: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Some of them, [rows, num_items], in scratch memory."""
        queries = self.queries[rows]
        shape = (len(queries), len(self.item_factor))
        scores = torch.mm(queries, self.item_factor.T, out=scratch("scores of targets", shape, queries))
        return torch.softmax(scores, 1, out=scratch("targets", shape, queries))


Table: TypeAlias = Tensor | Distributions


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be predicted, row by row.

    Attributes:
        table: int64 [rows] ids of items, or a distribution a row: [rows, num_items], or made when it is asked for.
        at: int64 [k], which of the table's rows; None for all.
    """

    table: Table
    at: Tensor | None = None

    def leave(self, scores: Tensor, slopes: Tensor, rows: slice) -> Tensor:
        """Take the targets' part of the derivative.

        Args:
            scores: s of some rows, [rows, num_items].
            slopes: softmax(s), from which t is taken away.
            rows: which of `at`.

        Returns:
            The sum of t . s.
        """
        wanted = self._wanted(rows)
        if wanted.ndim == 2:
            slopes.sub_(wanted)
            return torch.dot(wanted.flatten(), scores.flatten())
        columns = (wanted - 1)[:, None]
        slopes.scatter_add_(1, columns, slopes.new_full(columns.shape, -1.0))
        return scores.gather(1, columns).sum()

    def _wanted(self, rows: slice) -> Tensor:
        if self.at is None:
            return self.table[rows]
        at = self.at[rows]
        if isinstance(self.table, Distributions) or self.table.ndim == 1:
            return self.table[at]
        return torch.index_select(self.table, 0, at, out=scratch("targets", (len(at), self.table.shape[1]), self.table))


def prediction_loss(states: Tensor, embedding: Tensor, targets: Targets | None = None) -> Tensor:
    """Mean cross-entropy of what is to be predicted, in nats; differentiable once.

    Args:
        states: h, [k, dim].
        embedding: E, [num_items, dim].
        targets: k of them; None for the mean of logsumexp(h E^T) alone, from which h . (t E) remains to be taken.

    Raises:
        NotImplementedError: where a gradient is asked for that can be differentiated again.
    """
    return cast("Tensor", _PredictionLoss.apply(states, embedding, targets))


# pyright: reportIncompatibleMethodOverride=false
# Autograd functions name their arguments; the base class takes any.


class _PredictionLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Ctx, states: Tensor, embedding: Tensor, targets: Targets | None) -> Tensor:
        by_states = torch.empty_like(states)
        by_embedding = torch.zeros_like(embedding) if ctx.needs_input_grad[1] else None
        loss = states.new_zeros(())
        height = max(LEAST_ROWS, TILE_NUMBERS[states.device.type] // len(embedding))
        for begin in range(0, len(states), height):
            rows = slice(begin, min(begin + height, len(states)))
            shape = (rows.stop - rows.start, len(embedding))
            scores = torch.mm(states[rows], embedding.T, out=scratch("scores", shape, states))
            slopes = torch.softmax(scores, 1, out=scratch("slopes", shape, states))
            # The largest probability is exp(highest - logsumexp), and at least 1 / num_items.
            loss += scores.amax(1).sum() - slopes.amax(1).log().sum()
            if targets is not None:
                loss -= targets.leave(scores, slopes, rows)
            torch.mm(slopes, embedding, out=by_states[rows])
            if by_embedding is not None:
                by_embedding.addmm_(slopes.T, states[rows])
        ctx.save_for_backward(by_states, *(() if by_embedding is None else (by_embedding,)))
        ctx.count = len(states)
        return loss / len(states)

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        if torch.is_grad_enabled():
            raise NotImplementedError("prediction_loss has no second derivative; soft_cross_entropy has")
        by_states, *by_embedding = ctx.saved_tensors
        share = grad / ctx.count
        return by_states * share, by_embedding[0] * share if by_embedding else None, None
