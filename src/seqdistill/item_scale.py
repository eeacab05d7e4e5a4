"""The scale of an item factor.

A distribution softmax(h V^T) stays what it is when V becomes c V and h becomes h / c, so a summary may hold its item
factor at any scale. A learner that is trained on it may not: its states start with entries of about one, whatever V
is. Trained item embeddings grow with the log, and with a large V the first scores of a new learner differ by several
nats, so that it has to unlearn before it learns, and what it reads drowns its position vectors, which start small.

All scaling is by powers of two, which rounds nothing.
"""

import math

from torch import Tensor

from seqdistill.learners import Recommender
from seqdistill.learners.scale import Rescaled, rms, scale_towards

USUAL_RMS = 0.06
"""Root mean square of a summary's item factor, to within a factor of sqrt(2): learners train well with it, or say which
other one they want (`Learner.item_rms`)."""

SAME = 1e-4
"""How far from a whole number the logarithm of a scale may be, which takes sums over all items."""


def rescaled(recommender: Recommender, scale: float) -> Recommender:
    """The same recommender, score by score, with its item embedding times `scale`.

    Args:
        recommender: without a projection; in evaluation mode.
        scale: c, a power of two.
    """
    if scale == 1.0:
        return recommender
    return Recommender(Rescaled(recommender.learner, scale), recommender.embedding.detach() * scale).eval()


def usual_scale(embedding: Tensor) -> float:
    """The power of two that brings an item embedding nearest to `USUAL_RMS`.

    Args:
        embedding: [num_items, dim].
    """
    return scale_towards(USUAL_RMS, embedding)


def at_scale_of(item_factor: Tensor, recommender: Recommender) -> Recommender:
    """A recommender at the scale of an item factor that is its item embedding at some scale.

    Args:
        item_factor: V, [num_items, d3].
        recommender: comes back as it is where the scale is no power of two, and V so another embedding.
    """
    embedding = recommender.embedding
    if embedding.shape != item_factor.shape or not min(rms(item_factor), rms(embedding)) > 0.0:
        return recommender
    power = math.log2(rms(item_factor) / rms(embedding))
    return rescaled(recommender, 2.0 ** round(power)) if abs(power - round(power)) < SAME else recommender
