"""From a name and a few sizes to a learner."""

from seqdistill.config import LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners.base import Learner
from seqdistill.learners.sasrec import SASRec


def build_learner(config: LearnerConfig, *, dim: int, length: int, dropout: float = 0.0) -> Learner:
    """A newly initialised learner, drawn from torch's global generator.

    Raises:
        SeqDistillError: if the sizes do not fit together.
    """
    check_width(config, dim)
    return SASRec(
        dim, length, layers=config.layers, heads=config.heads, feed_forward=config.feed_forward, dropout=dropout
    )


def check_width(config: LearnerConfig, dim: int) -> None:
    """Make sure that an architecture can have a width, before the work that leads up to building it.

    Raises:
        SeqDistillError: if it cannot.
    """
    if dim % config.heads:
        raise SeqDistillError(f"{config.heads} attention heads do not divide a width of {dim}; set train.heads")
