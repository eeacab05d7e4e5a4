"""The inner objective: a learner's loss on the summary, at the positions a step draws."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seqdistill.attention import Memo, soft_cross_entropy, soft_embeddings
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.views import ask, draws_per_sequence

Inputs = tuple[Tensor, ...]
"""A summary as an inner loss reads it; see `InnerObjective`."""


class Draw(NamedTuple):
    """What is random about an inner step.

    Attributes:
        mask: bool [batch, positions], what may be read.
        rows: int64 [batch], the sequences; None for all, in order.
        at: int64 [batch, k], the positions whose states are wanted; None for all.
    """

    mask: Tensor
    rows: Tensor | None = None
    at: Tensor | None = None


@dataclass(frozen=True, eq=False)
class InnerObjective:
    """The loss of one inner step, as a function of the flat parameters, the summary and a draw.

    The summary comes in one of two forms, `Inputs`. In the `shared` regime the embedding is constant, so inputs and
    targets come embedded, [n, positions, dim] each. In the `fresh` regime they come as queries, [n, positions, d3]
    each, and are embedded by today's embedding at every step.

    A causal learner's state at position t is what it would be if the sequence ended there, so a random cut of a
    sequence is a random position, and several cuts, or all positions, cost one pass. Other learners are asked as
    `views` says.

    Attributes:
        model: the recommender as a function of its flat parameters.
        num_sequences: n.
        positions: training positions of a sequence.
        batch_size: sequences per step, at most n.
        cuts: for a causal learner, positions drawn beside the last one, uniform and independent, or "all" positions.
    """

    model: FlatRecommender
    num_sequences: int
    positions: int
    batch_size: int
    cuts: int | Literal["all"]

    def draw(self, rng: torch.Generator) -> Draw:
        """Draw a batch and the positions in it.

        Args:
            rng: on the CPU.
        """
        device = self.model.item_factor.device
        everything = self.batch_size >= self.num_sequences
        rows = None if everything else torch.randperm(self.num_sequences, generator=rng)[: self.batch_size]
        mask = torch.ones(self.num_sequences if rows is None else len(rows), self.positions, dtype=torch.bool)
        at = None
        learner = self.model.learner
        if learner.view != "causal":
            draws = draws_per_sequence(learner, len(mask))
            rows = (torch.arange(len(mask)) if rows is None else rows).repeat(draws)
            # Of few sequences prefixes are drawn, and each has its loss at its one end.
            mask, at, _ = ask(learner, mask.repeat(draws, 1), rng)
        elif self.cuts != "all":
            cuts = torch.randint(self.positions, (len(mask), self.cuts), generator=rng)
            last = torch.full((len(mask), 1), self.positions - 1)
            at = torch.cat([last, cuts], dim=1)
        return Draw(mask.to(device), *(None if t is None else t.to(device) for t in (rows, at)))

    def loss(self, theta: Tensor, inputs: Inputs, draw: Draw, memo: Memo | None = None) -> Tensor:
        """Mean cross-entropy at the positions drawn, nats.

        Args:
            theta: flat parameters, [p].
            inputs: the summary.
            draw: from `draw`.
            memo: what a first evaluation puts there, a second one with the same arguments finds.
        """
        model = self.model
        body, embedding = model.split(theta)
        read, predict = inputs if draw.rows is None else (x.index_select(0, draw.rows) for x in inputs)
        if draw.at is not None:
            predict = predict.take_along_dim(draw.at[..., None], 1)
        if model.regime == "fresh":
            read = soft_embeddings(read, model.item_factor, embedding, memo=memo, name="read")
            predict = soft_embeddings(predict, model.item_factor, embedding, memo=memo, name="predict")
        states = model.states(body, read, draw.mask, draw.at)
        return soft_cross_entropy(states, predict, embedding, memo=memo).mean()
