"""The library's front door: what the command line does, as functions. One verb, or two that belong together, a file."""

from seqdistill.api.distilling import Run, distill, estimate
from seqdistill.api.evaluating import compare, evaluate
from seqdistill.api.recommending import recommend, recommend_file
from seqdistill.api.summaries import export, inspect
from seqdistill.api.training import train
from seqdistill.data import load_dataset, prepare
from seqdistill.estimating import Estimate

__all__ = [
    "Estimate",
    "Run",
    "compare",
    "distill",
    "estimate",
    "evaluate",
    "export",
    "inspect",
    "load_dataset",
    "prepare",
    "recommend",
    "recommend_file",
    "train",
]
