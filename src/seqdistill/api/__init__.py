"""The library's front door: what the command line does, as functions. One verb, or two that belong together, a file."""

from typing import TYPE_CHECKING

from seqdistill.lazy import on_first_use

if TYPE_CHECKING:
    from seqdistill.api.comparing import compare
    from seqdistill.api.distilling import Run, distill, estimate
    from seqdistill.api.evaluating import evaluate
    from seqdistill.api.recommending import recommend, recommend_file
    from seqdistill.api.summaries import export, inspect
    from seqdistill.api.training import train

_HOMES = {
    "Run": "distilling",
    "compare": "comparing",
    "distill": "distilling",
    "estimate": "distilling",
    "evaluate": "evaluating",
    "export": "summaries",
    "inspect": "summaries",
    "recommend": "recommending",
    "recommend_file": "recommending",
    "train": "training",
}

__all__ = [
    "Run",
    "compare",
    "distill",
    "estimate",
    "evaluate",
    "export",
    "inspect",
    "recommend",
    "recommend_file",
    "train",
]

# Recommending from a model need not wait for what trains one.
__getattr__ = on_first_use(__name__, _HOMES)
