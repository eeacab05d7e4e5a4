"""The steps of trainings on few sequences: Adam's or SOAP's (Vyas et al., ICLR 2025, arXiv 2409.11321).

SOAP is Adam in the eigenbasis of Shampoo's preconditioner: of a matrix with gradient G it keeps running means of G G^T
and G^T G, and takes Adam's steps in the coordinates of their eigenvectors. Where items are given (`shared`), a training
is a small problem with hardly any noise; its coordinates hang together, and once it is known how, a step is worth
several of Adam's. For matrices this small the eigenvectors cost next to nothing. Where outer steps have moved a summary
far, for learners that take Adam's steps, learners do better with these: validation tells which. With an embedding to
find (`fresh`) a step of SOAP costs two fifths more and the last per cent takes as many, so there Adam's are taken.

The package brings a hundred optimisers and takes a second to import, so only what trains on sequences imports this.
"""

from typing import Any

import torch
from pytorch_optimizer import SOAP
from pytorch_optimizer.base.type import Closure, Loss
from torch import nn
from torch.optim import Optimizer

from seqdistill.config import Regime
from seqdistill.learners import Recommender
from seqdistill.learners.paces import paces
from seqdistill.summary import Schedule

BETAS = (0.95, 0.95)
"""The paper's: of the running means of the gradient, and of its squares and products."""

FREQUENCY = 10
"""Steps between eigenbases, the paper's."""

LARGEST_BASIS = 512
"""Size up to which a side of a matrix gets an eigenbasis."""


class Soap(SOAP):
    """SOAP whose first step moves: that of the package only forms the eigenbases of its gradient."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(
            groups,
            betas=BETAS,
            weight_decay=0.0,
            precondition_frequency=FREQUENCY,
            max_precondition_dim=LARGEST_BASIS,
        )
        self._begun = False

    def step(self, closure: Closure = None) -> Loss:
        """Move by the gradients that the parameters have."""
        if not self._begun:
            super().step(closure)
            self._begun = True
        return super().step(closure)


def optimiser_of(model: Recommender, regime: Regime, schedule: Schedule) -> Optimizer:
    """An optimiser of all that a recommender trains.

    Args:
        model: what is trained; parameters that need no gradient are left out.
        regime: how its item embedding is treated.
        schedule: how fast, and by whose steps.
    """
    groups = at_their_paces(model, regime, schedule.learning_rate)
    return Soap(groups) if schedule.optimiser == "soap" else torch.optim.Adam(groups, fused=True)


def at_their_paces(model: Recommender, regime: Regime, rate: float) -> list[dict[str, Any]]:
    """What is trained, grouped by its learning rate; see `paces`."""
    learners_own = paces(model.learner, regime)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(learners_own.get(name.removeprefix("learner."), 1.0), []).append(parameter)
    return [{"params": group, "lr": rate * pace} for pace, group in groups.items()]
