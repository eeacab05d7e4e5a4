"""The inner objective: a learner's loss on the summary, at the positions a step draws."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqdistill.attention import Memo, soft_cross_entropy, soft_embeddings
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.replay import InnerLoss, Inputs


@dataclass(frozen=True, eq=False)
class InnerObjective:
    """Draws the loss of one inner step.

    What a loss reads is the summary in one of two forms, `Inputs`. In the `shared` regime the embedding is constant, so
    the inputs and targets come embedded, [n, positions, dim] each. In the `fresh` regime they come as queries,
    [n, positions, d3] each, and are embedded by today's embedding at every step.

    A causal learner's state at position t is what it would be if the sequence ended there, so a random cut of a
    sequence is a random position, and several cuts, or all positions, cost one pass.

    Attributes:
        model: the recommender as a function of its flat parameters.
        num_sequences: n.
        positions: training positions of a sequence.
        batch_size: sequences per step, at most n.
        cuts: positions drawn beside the last one, uniform and independent, or "all" positions.
    """

    model: FlatRecommender
    num_sequences: int
    positions: int
    batch_size: int
    cuts: int | Literal["all"]

    def draw(self, rng: torch.Generator) -> InnerLoss:
        """Fix a batch and its cuts, and return the loss."""
        model = self.model
        device = model.item_factor.device
        everything = self.batch_size >= self.num_sequences
        rows = None if everything else torch.randperm(self.num_sequences, generator=rng)[: self.batch_size].to(device)
        batch = self.num_sequences if rows is None else len(rows)
        mask = torch.ones(batch, self.positions, dtype=torch.bool, device=device)
        at = None
        if self.cuts != "all":
            cuts = torch.randint(self.positions, (batch, self.cuts), generator=rng)
            last = torch.full((batch, 1), self.positions - 1)
            at = torch.cat([last, cuts], dim=1).to(device)

        def loss(theta: Tensor, inputs: Inputs, memo: Memo | None = None) -> Tensor:
            body, embedding = model.split(theta)
            read, predict = inputs if rows is None else (x.index_select(0, rows) for x in inputs)
            if at is not None:
                predict = predict.take_along_dim(at[..., None], 1)
            if model.regime == "fresh":
                read = soft_embeddings(read, model.item_factor, embedding, memo=memo, name="read")
                predict = soft_embeddings(predict, model.item_factor, embedding, memo=memo, name="predict")
            states = model.states(body, read, mask, at)
            return soft_cross_entropy(states, predict, embedding, memo=memo).mean()

        return loss
