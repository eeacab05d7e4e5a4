"""Architectures, one a file, behind one small interface."""

from seqdistill.learners.base import Learner
from seqdistill.learners.build import build_learner
from seqdistill.learners.recommender import Recommender
from seqdistill.learners.sasrec import SASRec

__all__ = ["Learner", "Recommender", "SASRec", "build_learner"]
