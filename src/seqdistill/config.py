"""All settings, their defaults and their limits.

One model per section; `load_config` layers a TOML file and `section.key=value` pairs over the defaults.
"""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from seqdistill.errors import SeqDistillError

Regime = Literal["shared", "fresh"]
REGIMES: tuple[Regime, ...] = ("shared", "fresh")
"""`shared`: the item embedding is the summary's item factor, frozen. `fresh`: it starts at random and is trained."""

Targets = Literal["tied", "separate"]
"""`tied`: the input at t + 1 is the target at t (the paper). `separate`: targets have queries of their own."""

LearnerName = Literal["sasrec"]


class Section(BaseModel):
    """Base of the sections: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Reading a log."""

    min_count: int = Field(default=5, ge=1, description="drop items and users with fewer interactions, in one pass")


class LearnerConfig(Section):
    """An architecture; its width is that of the item embedding."""

    learner: LearnerName = "sasrec"
    layers: int = Field(default=1, ge=1, le=64)
    heads: int = Field(default=1, ge=1, le=64)
    feed_forward: int = Field(default=64, ge=1, description="hidden width of the position-wise network")


class TeacherConfig(LearnerConfig):
    """Training on the real log, for the teacher and for the full-data row alike."""

    dim: int = Field(default=32, ge=1, description="width of the item embedding, d3 of the summary")
    dropout: float = Field(default=0.3, ge=0, lt=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=128, ge=1, description="windows of the log per step")
    epochs: int = Field(default=100, ge=1, description="at most; early stopping ends sooner")
    patience: int = Field(default=8, ge=1, description="epochs without a better validation log-likelihood")
    keep_epochs: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8, 16, 32, 64), description="epochs whose parameters are kept"
    )

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"teacher.heads = {self.heads} does not divide teacher.dim = {self.dim}")
        return self


class DistillConfig(Section):
    """The summary and the bi-level optimisation."""

    num_sequences: int = Field(default=20, ge=1, description="n, synthetic sequences")
    length: int = Field(default=50, ge=2, description="l, positions of a synthetic sequence and of every history")
    rank: tuple[int, int] | None = Field(
        default=None, description="Tucker ranks (user, time); none: full ranks, n and l"
    )
    targets: Targets = "separate"
    start: Literal["generated", "real", "random"] = Field(
        default="generated",
        description="where the factors start: sequences the teacher generates, users' own, or noise",
    )
    sharpness: float = Field(
        default=0.9, gt=0, lt=1, description="mean probability of the item itself where the inputs start"
    )
    steps: int = Field(default=300, ge=0, description="outer steps")
    learning_rate: float = Field(
        default=0.01, gt=0, description="how far an entry of H moves in an outer step; falls to 0 along a cosine"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="of the factors")
    inner_steps: int = Field(default=300, ge=1, description="T_in, longest run of a learner, its window included")
    window: int = Field(default=20, ge=1, description="W, differentiated steps at the end of the run")
    inner_learning_rate: float = Field(default=0.01, gt=0)
    inner_weight_decay: float = Field(default=0.0, ge=0)
    inner_batch_size: int | None = Field(default=None, ge=1, description="sequences per inner step; none: all")
    cuts: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        default="all", description="random cuts beside the last position, or all positions"
    )
    learner_start: Literal["random", "teacher"] = Field(
        default="random", description="where learners start: at random, or at an early teacher checkpoint"
    )
    inner_regime: Regime = Field(
        default="shared", description="of the learners in the inner loop: the item factor frozen, or a fresh embedding"
    )
    learner_pool: int = Field(
        default=16,
        ge=0,
        description="learners of all ages that carry on from window to window; 0: a new one every outer step",
    )
    alignment_weight: float = Field(default=1.0, ge=0)
    outer_batch_size: int = Field(default=128, ge=1, description="windows of the log per outer step")
    clip: float = Field(default=2.0, gt=0, description="largest hypergradient norm, as a multiple of its running mean")
    memory: ByteSize = Field(
        default=ByteSize(4 << 30),
        description="states of a window held in memory take at most half of this, the rest goes to disk",
    )
    validate_every: int = Field(default=50, ge=1, description="outer steps between validations of the summary")
    validation_learners: int = Field(default=2, ge=1, description="learners averaged by one validation")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.window > self.inner_steps:
            raise ValueError(
                f"distill.window = {self.window} exceeds distill.inner_steps = {self.inner_steps}; "
                "lower the window or raise the inner steps"
            )
        if self.inner_regime == "fresh" and self.learner_start == "teacher":
            raise ValueError(
                "distill.learner_start = teacher needs distill.inner_regime = shared: "
                "a teacher's parameters mean nothing to a fresh embedding"
            )
        if self.targets == "tied" and self.length < 3:
            raise ValueError("distill.length must be at least 3 with tied targets: one position is only a target")
        if self.rank is not None:
            for name, rank, bound, meaning in (
                ("user", self.rank[0], self.num_sequences, "distill.num_sequences"),
                ("time", self.rank[1], self.length, "distill.length"),
            ):
                if not 1 <= rank <= bound:
                    raise ValueError(f"distill.rank: the {name} rank {rank} must lie in 1..{bound} ({meaning})")
        return self

    @property
    def ranks(self) -> tuple[int, int]:
        """(d1, d2), with None resolved to the full ranks."""
        return self.rank or (self.num_sequences, self.length)


class TrainConfig(LearnerConfig):
    """Training a new learner on a summary (or, with the teacher's optimiser settings, on a log)."""

    regime: Regime = "shared"
    learning_rate: float | None = Field(
        default=None, gt=0, description="none: what the summary recommends for the regime"
    )
    steps: int | None = Field(default=None, ge=1, description="none: what the summary recommends for the regime")
    dropout: float = Field(default=0.0, ge=0, lt=1)


class EvaluateConfig(Section):
    """Ranking the held-out items."""

    cutoffs: tuple[PositiveInt, ...] = (10, 20)
    mask_seen: bool = Field(default=False, description="leave items of the history out of the ranking")
    seeds: int = Field(default=3, ge=1, description="learners trained for each row of a table")
    candidate_rates: tuple[PositiveFloat, ...] = Field(
        default=(3e-3, 1e-2), min_length=1, description="learning rates tried on validation"
    )
    candidate_steps: tuple[PositiveInt, ...] = Field(
        default=(10, 25, 50, 100, 200, 300, 400, 600, 800),
        min_length=1,
        description="training steps tried on validation, in one run",
    )


class Config(Section):
    """Every setting of a run."""

    seed: int = Field(default=0, ge=0)
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    distill: DistillConfig = DistillConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


Layers = dict[str, Any]


def load_config(file: Path | None = None, assignments: Iterable[str] = (), *, seed: int | None = None) -> Config:
    """Defaults, then a TOML file, then `section.key=value` assignments, then the seed.

    Values of assignments are read as TOML (`8`, `0.1`, `[8, 16]`, `true`) and, failing that, as plain text.

    Raises:
        SeqDistillError: naming the key that is unknown (with the nearest known ones) or the value that cannot work.
    """
    layers: Layers = {}
    if file is not None:
        try:
            layers = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SeqDistillError(f"cannot read config file {file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SeqDistillError(f"config file {file} is not valid TOML: {error}") from error
    for assignment in assignments:
        _assign(layers, assignment)
    if seed is not None:
        layers["seed"] = seed
    return parse_config(layers)


def parse_config(values: Layers) -> Config:
    """Validate plain values, such as a stored `config.json`.

    Raises:
        SeqDistillError: one line with every offending key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise SeqDistillError("; ".join(_describe(dict(e)) for e in error.errors())) from error


def _assign(layers: Layers, assignment: str) -> None:
    key, separator, text = assignment.partition("=")
    section, dot, name = key.strip().partition(".")
    if not separator or not dot:
        raise SeqDistillError(f"--set {assignment}: expected section.key=value, such as distill.steps=100")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = None if text.strip().lower() == "none" else text.strip()
    layers.setdefault(section, {})
    if not isinstance(layers[section], dict):
        raise SeqDistillError(f"--set {assignment}: {section} is no section; sections are {', '.join(_sections())}")
    layers[section][name] = value


def _describe(error: dict[str, Any]) -> str:
    location = [str(part) for part in cast("tuple[int | str, ...]", error["loc"])]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _known_keys()
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        tail = [k for k in known if k.endswith(f".{location[-1]}") and k not in near]
        hint = " or ".join(tail + near) or ", ".join(_sections())
        return f"unknown setting {key}; nearest: {hint}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{key} = {error['input']!r}: {message}" if error["type"] != "value_error" else message


def _sections() -> list[str]:
    return [name for name in Config.model_fields if name != "seed"]


def _known_keys() -> list[str]:
    defaults = Config().model_dump()
    return ["seed", *(f"{s}.{key}" for s in _sections() for key in defaults[s])]
