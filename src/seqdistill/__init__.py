"""seqdistill: distil an interaction log into a summary that a sequential recommender trains on in seconds.

import seqdistill

run = seqdistill.distill("ml-100k", out="runs/ml-100k")
model = seqdistill.train(run.summary)
print(seqdistill.evaluate(model, "ml-100k")["metrics"])
"""

from typing import TYPE_CHECKING

from seqdistill.lazy import on_first_use

if TYPE_CHECKING:
    from seqdistill.api import (
        Run,
        compare,
        distill,
        estimate,
        evaluate,
        export,
        inspect,
        recommend,
        recommend_file,
        train,
    )
    from seqdistill.config import Config, load_config
    from seqdistill.data import Dataset, load_dataset, prepare
    from seqdistill.errors import SeqDistillError
    from seqdistill.learners.check import check_learner
    from seqdistill.models import TrainedModel
    from seqdistill.summary import Summary

__version__ = "0.2.0"

_HOMES = {
    "Config": "config",
    "Dataset": "data",
    "Run": "api.distilling",
    "SeqDistillError": "errors",
    "Summary": "summary",
    "TrainedModel": "models",
    "check_learner": "learners.check",
    "compare": "api.comparing",
    "distill": "api.distilling",
    "estimate": "api.distilling",
    "evaluate": "api.evaluating",
    "export": "api.summaries",
    "inspect": "api.summaries",
    "load_config": "config",
    "load_dataset": "data",
    "prepare": "data",
    "recommend": "api.recommending",
    "recommend_file": "api.recommending",
    "train": "api.training",
}

__all__ = [
    "Config",
    "Dataset",
    "Run",
    "SeqDistillError",
    "Summary",
    "TrainedModel",
    "__version__",
    "check_learner",
    "compare",
    "distill",
    "estimate",
    "evaluate",
    "export",
    "inspect",
    "load_config",
    "load_dataset",
    "prepare",
    "recommend",
    "recommend_file",
    "train",
]


# `seqdistill --help` need not wait for torch.
__getattr__ = on_first_use(__name__, _HOMES)
