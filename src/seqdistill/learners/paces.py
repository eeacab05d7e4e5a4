"""Parameters that move faster than others.

Items given to a learner, in the `shared` regime, stay small, so its states have to grow before its predictions can be
as sharp as the targets. Adam moves a parameter by about its rate whatever the gradient, and a gain of 1 that has to
become 5 is then what a training waits for, hundreds of steps, long after everything before it has been learned.
"""

import torch
from torch import Tensor

from seqdistill.config import Regime
from seqdistill.learners.base import Learner

OUTPUT_PACE = 10.0
"""How many times the learning rate `Learner.output_scale` takes where items are given."""


def paces(learner: Learner, regime: Regime) -> dict[str, float]:
    """How many times the learning rate parameters take in training on few sequences; 1 for those that are not named.

    In the `fresh` regime all take it once: there the embedding, which scores, grows itself.

    Args:
        learner: see `Learner.output_scale`.
        regime: how its item embedding is treated.
    """
    return dict.fromkeys(learner.output_scale, OUTPUT_PACE) if regime == "shared" else {}


def pace_vector(learner: Learner, regime: Regime) -> Tensor | None:
    """The same for all parameters of a learner, one after the other, [p]; None where all take the rate once."""
    found = paces(learner, regime)
    if not found:
        return None
    return torch.cat([p.new_full((p.numel(),), found.get(name, 1.0)) for name, p in learner.named_parameters()])
