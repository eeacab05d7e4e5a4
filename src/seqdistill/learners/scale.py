"""Items at another scale.

All scaling is by powers of two, which rounds nothing.
"""

import math

from torch import Tensor

from seqdistill.learners.base import Learner


def rms(tensor: Tensor) -> float:
    """Root mean square of all entries."""
    return float(tensor.detach().square().mean().sqrt())


def scale_towards(wanted: float, embedding: Tensor) -> float:
    """The power of two that brings an item embedding nearest to a root mean square; 1 for one of zeros.

    Args:
        wanted: greater than 0.
        embedding: [num_items, dim].
    """
    size = rms(embedding)
    return 2.0 ** round(math.log2(wanted / max(size, 1e-30))) if size > 0.0 else 1.0


def scale_for(learner: Learner, item_factor: Tensor) -> float:
    """The power of two that brings an item factor to the scale a learner wants of it; 1 where it wants none.

    Args:
        learner: see `Learner.item_rms`.
        item_factor: V, [num_items, d3].
    """
    return 1.0 if learner.item_rms is None else scale_towards(learner.item_rms, item_factor)


class Rescaled(Learner):
    """A learner as it is with all items, and so all states, at another scale.

    Args:
        learner: that reads items and gives states at its own scale.
        scale: c, greater than 0; it reads c times what the learner reads, and gives the learner's states over c.
    """

    def __init__(self, learner: Learner, scale: float) -> None:
        super().__init__()
        self.learner = learner
        self.scale = scale
        self.dim, self.length = learner.dim, learner.length
        self.view, self.mask_ratio, self.late_starts = learner.view, learner.mask_ratio, learner.late_starts
        self.output_scale = tuple(f"learner.{name}" for name in learner.output_scale)

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        return self.learner(embedded / self.scale, mask, at) / self.scale

    def reset_parameters(self) -> None:
        """Those of the learner."""
        self.learner.reset_parameters()


def at_its_scale(learner: Learner, item_factor: Tensor) -> Learner:
    """A learner that reads an item factor V as it is and scores by it, as if V had the scale that it wants."""
    scale = scale_for(learner, item_factor)
    return learner if scale == 1.0 else Rescaled(learner, 1 / scale)
