"""The inner objective: a learner's loss on the embedded summary, at the positions a step draws."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqdistill.attention import soft_cross_entropy
from seqdistill.distillation.functional import FlatLearner
from seqdistill.distillation.replay import InnerLoss, Inputs


@dataclass(frozen=True, eq=False)
class InnerObjective:
    """Draws the loss of one inner step.

    A causal learner's state at position t is what it would be if the sequence ended there, so a random cut of a
    sequence is a random position, and several cuts, or all positions, cost one pass.

    Attributes:
        apply: the learner as a function of its flat parameters.
        embedding: E, [num_items, dim]; a constant of the inner loop.
        num_sequences: n.
        positions: training positions of a sequence.
        batch_size: sequences per step, at most n.
        cuts: positions drawn beside the last one, uniform and independent, or "all" positions.
    """

    apply: FlatLearner
    embedding: Tensor
    num_sequences: int
    positions: int
    batch_size: int
    cuts: int | Literal["all"]

    def draw(self, rng: torch.Generator) -> InnerLoss:
        """Fix a batch and its cuts, and return the loss; it reads the embedded inputs and targets, each [n, p, d]."""
        device = self.embedding.device
        everything = self.batch_size >= self.num_sequences
        rows = None if everything else torch.randperm(self.num_sequences, generator=rng)[: self.batch_size].to(device)
        batch = self.num_sequences if rows is None else len(rows)
        mask = torch.ones(batch, self.positions, dtype=torch.bool, device=device)
        at = None
        if self.cuts != "all":
            cuts = torch.randint(self.positions, (batch, self.cuts), generator=rng)
            last = torch.full((batch, 1), self.positions - 1)
            at = torch.cat([last, cuts], dim=1).to(device)[..., None]

        def loss(theta: Tensor, inputs: Inputs) -> Tensor:
            embedded, targets = inputs if rows is None else (x.index_select(0, rows) for x in inputs)
            states = self.apply(theta, embedded, mask)
            if at is not None:
                states, targets = states.take_along_dim(at, 1), targets.take_along_dim(at, 1)
            return soft_cross_entropy(states, targets, self.embedding).mean()

        return loss
