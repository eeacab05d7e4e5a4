"""Architectures, one a file, behind one small interface."""

from seqdistill.learners.base import Learner
from seqdistill.learners.build import build_learner, check_width
from seqdistill.learners.recommender import INITIAL_EMBEDDING_STD, Recommender, embed_items
from seqdistill.learners.sasrec import SASRec

__all__ = ["INITIAL_EMBEDDING_STD", "Learner", "Recommender", "SASRec", "build_learner", "check_width", "embed_items"]
