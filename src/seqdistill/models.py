"""A trained model as a folder: everything that ranking needs, and nothing else."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from torch import Tensor

from seqdistill import __version__
from seqdistill.artifacts import read_artifact, write_artifact
from seqdistill.config import LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners import Recommender, build_learner
from seqdistill.summary import ITEM_IDS
from seqdistill.training import FittedToLog

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A recommender with the ids of its log.

    Attributes:
        recommender: learner and item embedding, in evaluation mode.
        architecture: what the learner was built from.
        length: positions it reads.
        item_ids: the log's ids; item v is `item_ids[v - 1]`.
        details: what it was trained on and how, as JSON values.
        checkpoints: epoch -> the learner's parameters along its training, where they were kept.
    """

    recommender: Recommender
    architecture: LearnerConfig
    length: int
    item_ids: pl.Series
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    checkpoints: dict[int, dict[str, Tensor]] = field(default_factory=dict[int, dict[str, Tensor]])

    @classmethod
    def from_log(
        cls, fitted: FittedToLog, architecture: LearnerConfig, length: int, item_ids: pl.Series, details: dict[str, Any]
    ) -> "TrainedModel":
        """A model trained on a log, with what its training told."""
        training = {"best_epoch": fitted.best_epoch, "validation": fitted.validation}
        return cls(fitted.model, architecture, length, item_ids, {**details, **training}, fitted.checkpoints)

    def save(self, path: str | Path) -> None:
        """Write a model folder.

        Raises:
            SeqDistillError: if the folder exists and is not a model, or cannot be written.
        """
        tensors = {"model": self.recommender.state_dict()}
        if self.checkpoints:
            flat = {f"{epoch}/{name}": t for epoch, state in self.checkpoints.items() for name, t in state.items()}
            tensors["checkpoints"] = flat
        # Only the architecture: a TeacherConfig is one with more fields, which belong to `details`.
        architecture = {name: getattr(self.architecture, name) for name in LearnerConfig.model_fields}
        write_artifact(
            Path(path),
            kind="model",
            version=FORMAT_VERSION,
            tensors=tensors,
            extra_files={ITEM_IDS: lambda file: self.item_ids.rename("item_id").to_frame().write_parquet(file)},
            manifest={
                "versions": {"seqdistill": __version__, "torch": torch.__version__},
                "architecture": architecture,
                "length": self.length,
                "details": self.details,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "TrainedModel":
        """Read and verify a model folder.

        Raises:
            SeqDistillError: naming what is missing, damaged or inconsistent.
        """
        folder = Path(path)
        manifest, tensors = read_artifact(folder, kind="model", version=FORMAT_VERSION)
        try:
            architecture = LearnerConfig.model_validate(manifest["architecture"])
            embedding = tensors["model"]["embedding"]
            projection = tensors["model"].get("projection")
            dim = (embedding if projection is None else projection).shape[1]
            learner = build_learner(architecture, dim=dim, length=manifest["length"])
            recommender = Recommender(learner, embedding, projection=projection)
            recommender.load_state_dict(tensors["model"])
            item_ids = pl.read_parquet(folder / ITEM_IDS)["item_id"]
            checkpoints: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.get("checkpoints", {}).items():
                epoch, _, parameter = name.partition("/")
                checkpoints.setdefault(int(epoch), {})[parameter] = tensor
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, pl.exceptions.PolarsError) as error:
            raise SeqDistillError(f"{folder} is not a complete model: {str(error).splitlines()[0]}") from error
        if len(item_ids) != len(embedding):
            raise SeqDistillError(f"{folder}: {len(item_ids)} item ids for {len(embedding)} embeddings; it was altered")
        details = cast("dict[str, Any]", manifest["details"])
        return cls(recommender.eval(), architecture, manifest["length"], item_ids, details, checkpoints)
