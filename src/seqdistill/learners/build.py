"""From a name and a few sizes to a learner."""

from seqdistill.config import LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners.base import Learner
from seqdistill.learners.bert4rec import BERT4Rec
from seqdistill.learners.gru4rec import GRU4Rec
from seqdistill.learners.narm import NARM
from seqdistill.learners.own import build_own
from seqdistill.learners.sasrec import SASRec
from seqdistill.seeding import seeded

LEARNERS: dict[str, type[Learner]] = {"sasrec": SASRec, "gru4rec": GRU4Rec, "narm": NARM, "bert4rec": BERT4Rec}


def build_learner(config: LearnerConfig, *, dim: int, length: int, dropout: float = 0.0) -> Learner:
    """A newly initialised learner, drawn from torch's global generator.

    Raises:
        SeqDistillError: if the sizes do not fit together, or a class of the user's own cannot be had.
    """
    if config.heads is not None and dim % config.heads:
        raise SeqDistillError(f"{config.heads} attention heads do not divide a width of {dim}; set train.heads")
    if config.learner not in LEARNERS:
        return build_own(config.learner, dim=dim, length=length, dropout=dropout, options=config.options)
    cls = LEARNERS[config.learner]
    return cls(dim, length, dropout=dropout, **config.keywords())


def check_architecture(config: LearnerConfig, *, dim: int, length: int) -> None:
    """Make sure that a learner can be built, before the work that leads up to building it.

    Raises:
        SeqDistillError: if it cannot.
    """
    with seeded(0):
        build_learner(config, dim=dim, length=length)
