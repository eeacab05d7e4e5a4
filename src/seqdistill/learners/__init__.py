"""Architectures, one a file, behind one small interface."""

from seqdistill.learners.base import VIEWS, Learner, View
from seqdistill.learners.bert4rec import BERT4Rec
from seqdistill.learners.build import LEARNERS, build_learner, check_architecture
from seqdistill.learners.gru4rec import GRU4Rec
from seqdistill.learners.narm import NARM
from seqdistill.learners.own import as_learner
from seqdistill.learners.recommender import INITIAL_EMBEDDING_STD, Recommender, embed_items
from seqdistill.learners.sasrec import SASRec

__all__ = [
    "INITIAL_EMBEDDING_STD",
    "LEARNERS",
    "NARM",
    "VIEWS",
    "BERT4Rec",
    "GRU4Rec",
    "Learner",
    "Recommender",
    "SASRec",
    "View",
    "as_learner",
    "build_learner",
    "check_architecture",
    "embed_items",
]
