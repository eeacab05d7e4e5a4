"""seqdistill: distil an interaction log into a summary that a sequential recommender trains on in seconds.

import seqdistill

run = seqdistill.distill("ml-100k", out="runs/ml-100k")
model = seqdistill.train(run.summary)
print(seqdistill.evaluate(model, "ml-100k")["metrics"])
"""

from typing import TYPE_CHECKING, Any

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

__version__ = "0.1.0"

_HOMES = {
    "Config": "config",
    "Dataset": "data",
    "Run": "api",
    "SeqDistillError": "errors",
    "Summary": "summary",
    "TrainedModel": "models",
    "check_learner": "learners.check",
    "compare": "api",
    "distill": "api",
    "estimate": "api",
    "evaluate": "api",
    "export": "api",
    "inspect": "api",
    "load_config": "config",
    "load_dataset": "data",
    "prepare": "data",
    "recommend": "api",
    "recommend_file": "api",
    "train": "api",
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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
    """Import on first use, so that `seqdistill --help` need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'seqdistill' has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(f"seqdistill.{_HOMES[name]}"), name)
