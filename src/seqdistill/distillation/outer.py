"""The outer objective: how well the learner that came out of the window does on real histories."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seqdistill.attention import soft_cross_entropy, soft_embeddings
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.learners import Recommender, embed_items
from seqdistill.views import WHOLE_IN_A_LOG, ask


class OuterLoss(NamedTuple):
    """Parts of the outer loss, as numbers, and its gradient.

    Attributes:
        cross_entropy: mean over the positions of the batch, nats.
        alignment: mean squared difference to the teacher's states.
        theta_bar: gradient of cross_entropy + alignment_weight * alignment with respect to the parameters, [p].
    """

    cross_entropy: float
    alignment: float
    theta_bar: Tensor


@dataclass(frozen=True, eq=False)
class OuterObjective:
    """Cross-entropy at every position of real histories, plus alignment with the teacher's states there.

    What a learner is to predict is the teacher's whole prediction or the item that came next. With the teacher's, the
    cross-entropy is itself an alignment, of what states predict, which needs no common embedding and no weight; and its
    gradient has none of the noise of single items.

    States can be aligned only where learner and teacher share an item embedding: in the `fresh` regime the alignment is
    left out (and reported as 0), since any rotation of embedding and states together is as good as another. A teacher
    that is not causal has no states at all positions: with one, what is to be predicted is the item that came next, and
    no states are aligned.

    Attributes:
        model: the recommender as a function of its flat parameters.
        teacher: in evaluation mode.
        alignment_weight: at least 0.
        targets: whose answers a learner is to give, the teacher's or the log's.
    """

    model: FlatRecommender
    teacher: Recommender
    alignment_weight: float
    targets: Literal["teacher", "log"]

    def evaluate(self, theta: Tensor, windows: Tensor, rng: torch.Generator | None = None) -> OuterLoss:
        """Loss and gradient on windows of `positions + 1` items padded with 0 on the right.

        Args:
            theta: flat parameters, [p].
            windows: int64 [batch, positions + 1].
            rng: on the CPU; draws what is asked of a learner that is not causal.
        """
        windows = windows[:, : int((windows > 0).sum(1).max())].to(theta.device)
        read, following = windows[:, :-1], windows[:, 1:]
        asked = ask(self.model.learner, following > 0, rng, whole=WHOLE_IN_A_LOG)
        aligned = self.alignment_weight > 0 and self.model.regime == "shared"
        teacher_states = None
        if self.teacher.learner.view == "causal" and (aligned or self.targets == "teacher"):
            with torch.no_grad():
                teacher_states = asked.select(self.teacher(read))
        leaf = theta.detach().requires_grad_()
        body, embedding = self.model.split(leaf)
        states = self.model.states(body, embed_items(read, embedding), asked.mask, asked.at)[asked.counted]
        if teacher_states is not None and self.targets == "teacher":
            wanted = soft_embeddings(teacher_states, self.teacher.item_embedding, embedding)
        else:
            wanted = embed_items(asked.select(following), embedding)
        cross_entropy = soft_cross_entropy(states, wanted, embedding).mean()
        alignment = torch.zeros_like(cross_entropy)
        if teacher_states is not None and aligned:
            alignment = (states - teacher_states).square().mean()
        loss = cross_entropy + self.alignment_weight * alignment
        (theta_bar,) = torch.autograd.grad(loss, leaf)
        return OuterLoss(float(cross_entropy.detach()), float(alignment.detach()), theta_bar)
