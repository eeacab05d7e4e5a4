"""The inner objective: a learner's loss on the summary, at the positions a step draws."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seqdistill.attention import Memo, soft_cross_entropy, soft_embeddings
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.views import ask, at_places, begin_late, draws_per_sequence, late_share

Inputs = tuple[Tensor, ...]
"""A summary as an inner loss reads it; see `InnerObjective`."""


class Draw(NamedTuple):
    """What is random about an inner step.

    Attributes:
        mask: bool [batch, positions], what may be read.
        rows: int64 [batch], the sequences; None for all, in order.
        at: int64 [batch, k], the positions whose states are wanted; None for all that may be read.
        places: int64 [batch, positions], which position of its sequence stands where; None if each in its own place.
    """

    mask: Tensor
    rows: Tensor | None = None
    at: Tensor | None = None
    places: Tensor | None = None


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
        at = places = None
        learner = self.model.learner
        if learner.view != "causal":
            draws = draws_per_sequence(learner, len(mask))
            rows = (torch.arange(len(mask)) if rows is None else rows).repeat(draws)
            mask = mask.repeat(draws, 1)
        if (share := late_share(learner, self.model.regime)) > 0:
            places, mask = begin_late(mask, share, rng)
        if learner.view != "causal":
            # Of few sequences prefixes are drawn, and each has its loss at its one end.
            mask, at, _ = ask(learner, mask, rng)
        elif self.cuts != "all":
            lengths = mask.sum(1, keepdim=True)
            cuts = (torch.rand(len(mask), self.cuts, generator=rng) * lengths).long()
            at = torch.cat([lengths - 1, cuts], dim=1)
        return Draw(mask.to(device), *(None if t is None else t.to(device) for t in (rows, at, places)))

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
        if draw.places is not None:
            read, predict = (at_places(x, draw.places) for x in (read, predict))
        if draw.at is not None:
            predict = at_places(predict, draw.at)
        if model.regime == "fresh":
            read = soft_embeddings(read, model.item_factor, embedding, memo=memo, name="read")
            predict = soft_embeddings(predict, model.item_factor, embedding, memo=memo, name="predict")
        states = model.states(body, read, draw.mask, draw.at)
        losses = soft_cross_entropy(states, predict, embedding, memo=memo)
        if draw.at is None and draw.places is not None:
            # A mean over what is there, in tensors of one shape at every step, as compiled code wants them.
            return (losses * draw.mask).sum() / draw.mask.sum()
        return losses.mean()
