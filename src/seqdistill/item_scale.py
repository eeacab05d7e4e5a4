"""The scale and the precision of an item factor.

A distribution softmax(h V^T) stays what it is when V becomes c V and h becomes h / c, so a summary may hold its item
factor at any scale. A learner that is trained on it may not: its states start with entries of about one, whatever V
is. Trained item embeddings grow with the log, and with a large V the first scores of a new learner differ by several
nats, so that it has to unlearn before it learns, and what it reads drowns its position vectors, which start small.

All scaling is by powers of two, which rounds nothing, and of what `block_floats` rounds the same at every scale.
"""

import math

import torch
from torch import Tensor

from seqdistill.block_floats import rounded
from seqdistill.learners import Recommender
from seqdistill.learners.scale import Rescaled, rms, scale_towards

USUAL_RMS = 0.06
"""Root mean square of a summary's item factor, to within a factor of sqrt(2): learners train well with it, or say which
other one they want (`Learner.item_rms`)."""


def rescaled(recommender: Recommender, scale: float) -> Recommender:
    """The same recommender, score by score, with its item embedding times `scale`.

    Args:
        recommender: without a projection; in evaluation mode.
        scale: c, a power of two.
    """
    if scale == 1.0:
        return recommender
    return Recommender(Rescaled(recommender.learner, scale), recommender.embedding.detach() * scale).eval()


def rounded_items(recommender: Recommender) -> Recommender:
    """A recommender that reads and scores the items that bytes can hold; see `block_floats`.

    Args:
        recommender: without a projection; in evaluation mode.
    """
    return Recommender(recommender.learner, rounded(recommender.embedding.detach())).eval()


def usual_scale(embedding: Tensor) -> float:
    """The power of two that brings an item embedding nearest to `USUAL_RMS`.

    Args:
        embedding: [num_items, dim].
    """
    return scale_towards(USUAL_RMS, embedding)


def at_scale_of(item_factor: Tensor, recommender: Recommender) -> Recommender:
    """A recommender at the scale of an item factor that is its item embedding at some scale, rounded or not.

    Args:
        item_factor: V, [num_items, d3].
        recommender: comes back as it is, and not rounded, where V is another embedding.
    """
    embedding = recommender.embedding.detach()
    if embedding.shape != item_factor.shape or not min(rms(item_factor), rms(embedding)) > 0.0:
        return recommender
    scale = 2.0 ** round(math.log2(rms(item_factor) / rms(embedding)))
    return rescaled(recommender, scale) if holds(item_factor, embedding * scale) else recommender


def holds(item_factor: Tensor, embedding: Tensor) -> bool:
    """Whether an item factor is an item embedding of the same shape, as it is or rounded."""
    here = item_factor.to(embedding.device)
    return torch.equal(here, embedding) or torch.equal(here, rounded(embedding))
