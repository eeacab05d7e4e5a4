"""The outer objective: how well the learner that came out of the window does on real sequences."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqdistill.attention import soft_cross_entropy
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.learners import Recommender, embed_items


class OuterLoss(NamedTuple):
    """Parts of the outer loss, as numbers, and its gradient.

    Attributes:
        cross_entropy: mean over the real targets of the batch, nats.
        alignment: mean squared difference to the teacher's states.
        theta_bar: gradient of cross_entropy + alignment_weight * alignment with respect to the parameters, [p].
    """

    cross_entropy: float
    alignment: float
    theta_bar: Tensor


@dataclass(frozen=True, eq=False)
class OuterObjective:
    """Cross-entropy on real next items at every position, plus alignment with the teacher's states there.

    States can be aligned only where learner and teacher share an item embedding: in the `fresh` regime the alignment is
    left out (and reported as 0), since any rotation of embedding and states together is as good as another.

    Attributes:
        model: the recommender as a function of its flat parameters.
        teacher: in evaluation mode.
        alignment_weight: at least 0.
    """

    model: FlatRecommender
    teacher: Recommender
    alignment_weight: float

    def evaluate(self, theta: Tensor, windows: Tensor) -> OuterLoss:
        """Loss and gradient on windows of `positions + 1` items padded with 0 on the right."""
        windows = windows[:, : int((windows > 0).sum(1).max())].to(theta.device)
        read, present = windows[:, :-1], windows[:, 1:] > 0
        leaf = theta.detach().requires_grad_()
        body, embedding = self.model.split(leaf)
        states = self.model.states(body, embed_items(read, embedding), read > 0)[present]
        target_embeddings = embed_items(windows[:, 1:][present], embedding)
        cross_entropy = soft_cross_entropy(states, target_embeddings, embedding).mean()
        alignment = torch.zeros_like(cross_entropy)
        if self.model.regime == "shared" and self.alignment_weight > 0:
            with torch.no_grad():
                teacher_states = self.teacher(read)[present]
            alignment = (states - teacher_states).square().mean()
        loss = cross_entropy + self.alignment_weight * alignment
        (theta_bar,) = torch.autograd.grad(loss, leaf)
        return OuterLoss(float(cross_entropy.detach()), float(alignment.detach()), theta_bar)


def window_batches(dataset: Dataset, length: int, batch_size: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Endless batches of training windows, cut and shuffled anew at every pass over the log."""
    while True:
        windows = dataset.training_windows(length, rng)
        order = rng.permutation(len(windows))
        for begin in range(0, len(order), batch_size):
            yield torch.from_numpy(windows[order[begin : begin + batch_size]])
