"""A summary: n synthetic sequences of l positions over a real catalogue, held as Tucker factors.

    H = G x_1 U x_2 T                      queries, [n, l, d3] or, with separate targets, [n, l, 2 d3]
    P = softmax(H V^T)                     a distribution over the items at every position

(TD3, arXiv 2502.02854, section 3.2.) With `tied` targets, as in the paper, the distribution at t + 1 is what a learner
has to predict at t. With `separate` targets the core has two slices: H_in is what is read and H_out what is to be
predicted. A teacher predicts by softmax(h V^T) with its state h, so a row of H_out can hold its whole prediction.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from seqdistill import __version__
from seqdistill.artifacts import Details, Manifest, Strict, open_artifact, write_artifact
from seqdistill.artifacts.compact import compacted
from seqdistill.artifacts.parquet import write_ids
from seqdistill.artifacts.tensors import Shapes
from seqdistill.block_floats import rounded
from seqdistill.config import MAX_LENGTH, Optimiser, Precision, Regime, Targets
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from seqdistill.readable import schedule_line
from seqdistill.sequences import Sequences

FORMAT_VERSION = 4
ITEM_IDS, ITEM_ID = "item_ids.parquet", "item_id"
"""The id map of summaries and models, and its column."""

FACTORS, ITEM_FACTOR = "factors", "item_factor"

RANKS = {"user": 2, "time": 2, "core": 3, "item": 2}
"""Number of axes of each tensor."""

MAX_COMPOSED = 1 << 30
"""Numbers in H: small factors can mean a tensor that fits nowhere."""


class Factors(NamedTuple):
    """The part of a summary that distillation learns.

    Attributes:
        user: U, synthetic user latent factor, [n, d1].
        time: T, temporal dynamics latent factor, [l, d2].
        core: G, relation core, [d1, d2, d3] or, with separate targets, [d1, d2, 2 d3].
    """

    user: Tensor
    time: Tensor
    core: Tensor

    def compose(self) -> Tensor:
        """H = G x_1 U x_2 T, [n, l, d3 or 2 d3]."""
        return torch.einsum("na,lb,abc->nlc", self.user, self.time, self.core)

    def query_pairs(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """What is read and what is to be predicted at each training position, both [n, positions, d3].

        There are l positions with separate targets, and l - 1 with tied ones: the last distribution is only a target.
        """
        queries = self.compose()
        if targets == "tied":
            return queries[:, :-1], queries[:, 1:]
        read, predict = queries.chunk(2, dim=-1)
        return read, predict

    def rounded(self, targets: Targets) -> "Factors":
        """What bytes can hold of them; what is read and what is predicted have a scale of their own."""
        blocks = self.blocks(targets)
        return Factors(*(rounded(factor, blocks.get(name, 1)) for name, factor in self._asdict().items()))

    @staticmethod
    def blocks(targets: Targets) -> dict[str, int]:
        """In how many blocks the rows of a factor are stored, where in more than one; see `block_floats`."""
        return {"core": 2} if targets == "separate" else {}


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        learning_rate: constant.
        steps: gradient steps, each over all sequences.
        optimiser: whose steps.
    """

    learning_rate: float
    steps: int
    optimiser: Optimiser = "adam"

    def __str__(self) -> str:
        """As in "400 steps of SOAP at rate 0.01"."""
        return schedule_line(**asdict(self))


DEFAULT_SCHEDULE = Schedule(learning_rate=0.01, steps=300)


@dataclass(frozen=True, eq=False)
class Summary:
    """Synthetic sequences and all that a learner needs to train on them.

    Attributes:
        factors: U, T and the core.
        item_factor: V, [num_items, d3]; row v - 1 is item v.
        item_ids: the log's ids; item v is `item_ids[v - 1]`.
        targets: whether targets are tied to the inputs or separate.
        schedules: the training schedule that did best on validation, by regime.
        details: what made it (dataset, config), as JSON values.
    """

    factors: Factors
    item_factor: Tensor
    item_ids: pl.Series
    targets: Targets
    schedules: dict[Regime, Schedule] = field(default_factory=dict[Regime, Schedule])
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def num_sequences(self) -> int:
        """Number of synthetic sequences, n."""
        return self.factors.user.shape[0]

    @property
    def length(self) -> int:
        """l, the longest history a learner trained on it can read."""
        return self.factors.time.shape[0]

    @property
    def num_items(self) -> int:
        """Size of the catalogue, |V|."""
        return self.item_factor.shape[0]

    @property
    def dim(self) -> int:
        """d3, width of the item factor."""
        return self.item_factor.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over factors, item factor and item ids: equal exactly if a learner would see the same."""
        digest = hashlib.sha256(self.targets.encode())
        for tensor in (*self.factors, self.item_factor):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        digest.update("\0".join(self.item_ids.to_list()).encode())
        return digest.hexdigest()

    def queries(self) -> Tensor:
        """Input queries H, [n, l, d3]."""
        return self.factors.compose()[..., : self.dim]

    def distributions(self) -> Tensor:
        """P, what each synthetic position reads, [n, l, num_items]; rows sum to one. Large: n l num_items numbers."""
        return (self.queries() @ self.item_factor.T).softmax(-1)

    def sequences(self) -> Sequences:
        """What a learner trains on: queries to read and to predict, at every position."""
        read, predict = self.factors.query_pairs(self.targets)
        return Sequences(read, predict, torch.ones(read.shape[:2], dtype=torch.bool), self.item_factor)

    def schedule(self, regime: Regime) -> Schedule:
        """The recommended schedule, or a default where none was chosen."""
        return self.schedules.get(regime, DEFAULT_SCHEDULE)

    def save(self, path: str | Path) -> None:
        """Write a summary folder: factors, item factor, item ids and a manifest with the SHA-256 of each.

        Nothing is rounded: tensors that bytes can hold are stored so, and others in float32.

        Raises:
            SeqDistillError: if the folder exists and is not a summary, or cannot be written.
        """
        write_artifact(
            Path(path),
            kind="summary",
            version=FORMAT_VERSION,
            tensors={
                FACTORS: compacted(self.factors._asdict(), Factors.blocks(self.targets)),
                ITEM_FACTOR: compacted({"item": self.item_factor}),
            },
            extra_files={ITEM_IDS: lambda file: write_ids(self.item_ids, ITEM_ID, file)},
            manifest={
                "versions": {"seqdistill": __version__, "torch": torch.__version__},
                "targets": self.targets,
                "schedules": {regime: asdict(schedule) for regime, schedule in self.schedules.items()},
                "details": self.details,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Summary":
        """Read and verify a summary folder.

        Raises:
            SeqDistillError: naming the file that is missing, damaged, altered or inconsistent.
        """
        folder = Path(path)
        with open_artifact(folder, kind="summary", version=FORMAT_VERSION, migrations=MIGRATIONS) as artifact:
            manifest = artifact.content(SummaryManifest)
            artifact.expect_files({ITEM_IDS, f"{FACTORS}.safetensors", f"{ITEM_FACTOR}.safetensors"})
            shapes = {**artifact.shapes(FACTORS), **artifact.shapes(ITEM_FACTOR)}
            if not _fit(shapes, manifest.targets):
                raise SeqDistillError(f"{folder}: the factors' shapes do not fit together; the summary was altered")
            item_ids = artifact.ids(ITEM_IDS, column=ITEM_ID, rows=shapes["item"][0])
            return cls(
                Factors(**artifact.floats(FACTORS)),
                artifact.floats(ITEM_FACTOR)["item"],
                item_ids,
                manifest.targets,
                {regime: Schedule(**entry.model_dump()) for regime, entry in manifest.schedules.items()},
                artifact.manifest["details"],
            )

    @property
    def precision(self) -> Precision:
        """`int8` where a byte for each number and one for each block of them hold all (see `block_floats`)."""
        stored = compacted(self._tensors, Factors.blocks(self.targets)).values()
        return "int8" if all(part.dtype == torch.int8 for part in stored) else "float32"

    def bytes_by_part(self) -> dict[str, int]:
        """Bytes of each factor, the item factor, the item ids and all of them; a folder adds a few kB of headers."""
        blocks = Factors.blocks(self.targets)
        held = {
            name: sum(part.nbytes for part in compacted({name: tensor}, blocks).values())
            for name, tensor in self._tensors.items()
        }
        held["item_ids"] = int(self.item_ids.str.len_bytes().sum())
        return {**held, "total": sum(held.values())}

    def size_bytes(self, *, factors: bool = True) -> int:
        """Bytes of the item factor and the item ids and, if asked for, of U, T and the core; see `bytes_by_part`."""
        parts = self.bytes_by_part()
        return parts["total"] if factors else parts[ITEM_FACTOR] + parts["item_ids"]

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {**self.factors._asdict(), ITEM_FACTOR: self.item_factor}


class ScheduleEntry(Strict):
    """A `Schedule` in the manifest."""

    learning_rate: float = Field(gt=0)
    steps: int = Field(ge=1, le=10**9)
    optimiser: Optimiser


class SummaryManifest(Manifest):
    """The manifest of a summary, format 4."""

    targets: Targets
    schedules: dict[Regime, ScheduleEntry]
    details: Details


def _without_shapes(manifest: Json) -> Json:
    """Format 1 said the shapes in one place; now each file has its own."""
    return {key: value for key, value in manifest.items() if key != "shapes"}


def _same(manifest: Json) -> Json:
    """Format 2 had no tensors in bytes, and was the same otherwise."""
    return manifest


def _with_optimisers(manifest: Json) -> Json:
    """Up to format 3 schedules named no optimiser: SOAP took the steps where items are given, Adam all others."""
    schedules: object = manifest.get("schedules")
    if not isinstance(schedules, dict):
        return manifest  # It is refused for what it is.
    named: Json = {}
    for regime, entry in cast("Json", schedules).items():
        optimiser = {"optimiser": "soap" if regime == "shared" else "adam"}
        named[regime] = {**cast("Json", entry), **optimiser} if isinstance(entry, dict) else entry
    return {**manifest, "schedules": named}


MIGRATIONS = {1: _without_shapes, 2: _same, 3: _with_optimisers}


def _fit(shapes: Shapes, targets: Targets) -> bool:
    """Whether shapes are those of a summary: known before any tensor is given memory."""
    if {name: len(shape) for name, shape in shapes.items()} != RANKS:
        return False
    (n, r1), (length, r2), (num_items, dim) = (shapes[name] for name in ("user", "time", "item"))
    width = dim * (2 if targets == "separate" else 1)
    return (
        min(n, r1, length, r2, num_items, dim) >= 1
        and (r1 <= n and r2 <= length <= MAX_LENGTH)
        and shapes["core"] == (r1, r2, width)
        and n * length * width <= MAX_COMPOSED
    )
