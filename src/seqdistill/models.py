"""A trained model as a folder: everything that ranking needs, and nothing else."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import polars as pl
import torch
from pydantic import Field
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seqdistill import __version__
from seqdistill.artifacts import Artifact, Details, Manifest, open_artifact, write_artifact
from seqdistill.artifacts.manifest import TensorEntry
from seqdistill.artifacts.parquet import write_ids
from seqdistill.artifacts.tensors import declared
from seqdistill.config import MAX_LENGTH, LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from seqdistill.learners import LEARNERS, Recommender, build_learner
from seqdistill.summary import ITEM_ID, ITEM_IDS
from seqdistill.training import FittedToLog

FORMAT_VERSION = 2

MODEL, CHECKPOINTS = "model", "checkpoints"


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
        tensors = {MODEL: self.recommender.state_dict()}
        if self.checkpoints:
            flat = {f"{epoch}/{name}": t for epoch, state in self.checkpoints.items() for name, t in state.items()}
            tensors[CHECKPOINTS] = flat
        # Only the architecture: a TeacherConfig is one with more fields, which belong to `details`.
        architecture = {name: getattr(self.architecture, name) for name in LearnerConfig.model_fields}
        write_artifact(
            Path(path),
            kind="model",
            version=FORMAT_VERSION,
            tensors=tensors,
            extra_files={ITEM_IDS: lambda file: write_ids(self.item_ids, ITEM_ID, file)},
            manifest={
                "versions": {"seqdistill": __version__, "torch": torch.__version__},
                "architecture": architecture,
                "length": self.length,
                "details": self.details,
            },
        )

    @classmethod
    def load(cls, path: str | Path, *, allow_code: str | None = None) -> "TrainedModel":
        """Read and verify a model folder.

        Args:
            path: the folder.
            allow_code: `package.module:Class`, if the model's architecture is a class of the user's own: loading it
                imports that module, so it is done for no other name than this one.

        Raises:
            SeqDistillError: naming what is missing, damaged or inconsistent, or the class that is not allowed.
        """
        folder = Path(path)
        with open_artifact(folder, kind="model", version=FORMAT_VERSION, migrations=MIGRATIONS) as artifact:
            manifest = artifact.content(ModelManifest)
            artifact.expect_files({ITEM_IDS, f"{MODEL}.safetensors"}, {f"{CHECKPOINTS}.safetensors"})
            architecture = manifest.architecture
            own = architecture.learner not in LEARNERS
            check_code(folder, architecture.learner, allow_code)
            found = artifact.entries(MODEL)
            embedding, projection = (_matrix(found.get(name)) for name in ("embedding", "projection"))
            if embedding is None:
                raise SeqDistillError(f"{folder} is not a complete model: it has no item embedding")
            sizes = _Sizes(architecture, manifest.length, embedding, projection)
            # What has no memory can be compared before memory is given; a class of the user's own may know no such way.
            skeleton = _assemble(sizes, folder, device="cpu" if own else "meta")
            _compare(found, declared(skeleton.state_dict()), folder / f"{MODEL}.safetensors")
            item_ids = artifact.ids(ITEM_IDS, column=ITEM_ID, rows=embedding[0])
            checkpoints = _read_checkpoints(artifact, skeleton)
            recommender = _assemble(sizes, folder, device="cpu")
            recommender.load_state_dict(artifact.tensors(MODEL, finite=True))
            details = cast("dict[str, Any]", artifact.manifest["details"])
        return cls(recommender.eval(), architecture, manifest.length, item_ids, details, checkpoints)


class ModelManifest(Manifest):
    """The manifest of a model, format 2."""

    architecture: LearnerConfig
    length: int = Field(ge=1, le=MAX_LENGTH)
    details: Details


def _same(manifest: Json) -> Json:
    """Format 1 did not say what is in a safetensors file, and was the same otherwise."""
    return manifest


MIGRATIONS = {1: _same}

Extents = tuple[int, int]


class _Undrawn(TorchFunctionMode):
    """Parameters are left undrawn: the file has them, and torch loads its compiler to draw into no memory."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        del types
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class _Sizes(NamedTuple):
    """All that decides the shapes of a recommender."""

    architecture: LearnerConfig
    length: int
    embedding: Extents
    projection: Extents | None


def _assemble(sizes: _Sizes, folder: Path, device: str) -> Recommender:
    """A recommender of these sizes, its numbers to be filled in.

    Raises:
        SeqDistillError: if there is none, or a class of the user's own cannot be had.
    """
    dim = (sizes.projection or sizes.embedding)[1]
    try:
        with torch.device(device), _Undrawn() if sizes.architecture.learner in LEARNERS else nullcontext():
            learner = build_learner(sizes.architecture, dim=dim, length=sizes.length)
            projection = None if sizes.projection is None else torch.empty(sizes.projection)
            return Recommender(learner, torch.empty(sizes.embedding), projection=projection)
    except SeqDistillError as error:
        raise SeqDistillError(f"{folder}: {error}") from error
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise SeqDistillError(f"{folder} is not a complete model: {str(error).splitlines()[0]}") from error


def _read_checkpoints(artifact: Artifact, skeleton: Recommender) -> dict[int, dict[str, Tensor]]:
    file = artifact.path / f"{CHECKPOINTS}.safetensors"
    if file.name not in artifact.files:
        return {}
    found = artifact.entries(CHECKPOINTS)
    epochs: dict[int, dict[str, TensorEntry]] = {}
    for name, entry in found.items():
        epoch, _, parameter = name.partition("/")
        if re.fullmatch(r"[1-9][0-9]{0,8}", epoch) is None:
            raise SeqDistillError(f"{file}: {name[:80]!r} is no parameter of an epoch; it was altered")
        epochs.setdefault(int(epoch), {})[parameter] = entry
    expected = declared(skeleton.learner.state_dict())
    for entries in epochs.values():
        _compare(entries, expected, file)
    tensors = artifact.tensors(CHECKPOINTS, finite=True)
    return {epoch: {name: tensors[f"{epoch}/{name}"] for name in entries} for epoch, entries in epochs.items()}


def _compare(found: dict[str, TensorEntry], expected: Json, file: Path) -> None:
    """Make sure that tensors are those of the architecture.

    Raises:
        SeqDistillError: naming one that is not.
    """
    said = {name: entry.model_dump() for name, entry in found.items()}
    if wrong := sorted(name for name in said.keys() | expected.keys() if said.get(name) != expected.get(name)):
        raise SeqDistillError(f"{file}: tensor {wrong[0][:80]!r} is not what the architecture has; it was altered")


def _matrix(entry: TensorEntry | None) -> Extents | None:
    """Both extents of a matrix with something in it."""
    if entry is None or len(entry.shape) != 2 or min(entry.shape) < 1:
        return None
    return entry.shape[0], entry.shape[1]


def check_code(place: Path | str, learner: str, allowed: str | None) -> None:
    """Make sure that a class which a file names may be imported.

    Args:
        place: what names it, for the message.
        learner: one of ours, or `package.module:Class`.
        allowed: the one such class that the user trusts.

    Raises:
        SeqDistillError: if it is another one.
    """
    if learner in LEARNERS or learner == allowed:
        return
    other = f", and {allowed} is allowed" if allowed else ""
    raise SeqDistillError(
        f"{place} needs the class {learner}{other}; loading it runs the code of that module, wherever the folder comes"
        f" from: if you trust it, --allow-code {learner} (allow_code= in Python)"
    )
