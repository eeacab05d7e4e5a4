"""All settings, their defaults and their limits.

One model per section; `load_config` layers a TOML file and `section.key=value` pairs over the defaults.
"""

import difflib
import json
import re
import reprlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import date
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from seqdistill.errors import SeqDistillError, one_line

Regime = Literal["shared", "fresh"]
REGIMES: tuple[Regime, ...] = ("shared", "fresh")
"""`shared`: the item embedding is the summary's item factor, frozen. `fresh`: it starts at random and is trained."""

Optimiser = Literal["adam", "soap"]
OPTIMISERS: dict[Regime, tuple[Optimiser, ...]] = {"shared": ("adam", "soap"), "fresh": ("adam",)}
"""Whose steps a training on few sequences may take."""

Targets = Literal["tied", "separate"]
"""`tied`: the input at t + 1 is the target at t (the paper). `separate`: targets have queries of their own."""

Precision = Literal["float32", "float16", "int8"]
"""Of stored numbers; `int8` is a byte each and a power of two for each row of them (`block_floats`)."""

MAX_LENGTH = 8192
"""Positions of a sequence or a history: attention holds a table of every position by every other."""

MAX_FILE_BYTES = 1 << 20
"""Of a file of settings."""

MOST_ERRORS = 5
"""Settings named in one message."""

Option = int | float | None
PUBLISHED: dict[str, dict[str, Option]] = {
    "sasrec": {"layers": 1, "heads": 1, "feed_forward": 64},
    "gru4rec": {"layers": 1, "hidden": 100},
    "narm": {"layers": 1, "hidden": 100, "output_dropout": None},
    "bert4rec": {"layers": 2, "heads": 2, "feed_forward": None, "mask_ratio": 0.2},
}
"""Architecture -> what can be set about it -> the published value (of SASRec: TD3's), None where it follows from
another. Each file in `learners/` says whose these are."""


DROPOUT: dict[str, float] = {"narm": 0.25}
"""Published dropout of the architectures that need it on a log; the others take the default of the section. On a
summary there is none: its targets are free of the noise that dropout keeps a learner from fitting."""


LARGE_LOG, FEW_SEQUENCES, MANY_SEQUENCES = 500_000, 20, 50
"""Interactions from which a log gets more sequences by default, and how many it gets below and above: what 20 hold of
MovieLens-100K is all that a teacher knows, but of MovieLens-1M only two thirds."""

FRESH_ITEMS = 10_000
"""Items up to which some learners of the inner loop have embeddings of their own by default: every differentiated step
of one goes through the whole catalogue again and again."""

LARGE_CATALOGUE = 20_000
"""Items up to which training on a log sums over all of them by default: more would be most of the time."""

MANY_NEGATIVES = 4_096
"""Items that are drawn for a batch from a larger catalogue."""

CAUSAL = ("sasrec", "gru4rec", "narm")
"""Architectures that predict what follows every position from those before it, and so can be asked the same."""

MIXED = ("sasrec", "gru4rec")
"""Those that a teacher learns from by default. NARM is not: an epoch of it takes several times as long."""

SEVERAL = {1_000_000_000: 6, 10_000_000_000: 4}
"""Interactions times items, which is what an epoch costs -> how many others a teacher learns from up to there. The
smaller a log, the more is left to chance in what one recommender makes of it."""

RATES, RATE = (1e-2, 3e-3), 5e-3
"""Learning rates on a log, tried where there are several recommenders, and of one alone: dense logs are learned best at
the higher one, sparse ones at the lower one."""

USUAL_EPOCHS, USUAL_BATCHES, FEWER_EPOCHS, MOST_EPOCHS = 36, 20, -0.36, 100
"""Epochs of a training on a log where each has so many batches, and the power of their number that they go by. More
gave nothing at 6 batches (Magazine) and 20 (MovieLens-100K), and was not tried at 190 (MovieLens-1M)."""


class Section(BaseModel):
    """Base of the sections: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _fits_in_64_bits(cls, value: object) -> object:
        """What is beyond cannot be stored, nor printed."""
        numbers = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int) and number.bit_length() > 63 for number in numbers):
            raise ValueError("it must fit in 64 bits")
        return cast("object", value)


LogFormat = Literal["auto", "inter", "csv", "jsonl", "lines", "sessions", "parquet", "arrow"]
"""`csv` is any text with a header and one delimiter; `lines` is `user item item ...`; `sessions` has items only."""


Moment = Annotated[
    str | int | float, BeforeValidator(lambda value: value.isoformat() if isinstance(value, date) else value)
]
"""A date or time as ISO text (TOML dates too), or a number in the log's own unit."""


class DataConfig(Section):
    """Reading, filtering and splitting a log."""

    format: LogFormat = Field(default="auto", description="auto: recognised by name and content")
    delimiter: str | None = Field(
        default=None, min_length=1, description="between the fields of a csv; none: found out"
    )
    quote: str | None = Field(
        default='"', min_length=1, max_length=1, description="around fields of a csv; none: no quoting"
    )
    columns: tuple[str, ...] | None = Field(
        default=None, description="names of the columns in order, where the file has no header"
    )
    user: str | None = Field(default=None, description="column with the user ids; none: guessed")
    item: str | None = Field(default=None, description="column with the item ids; none: guessed")
    time: str | None = Field(default=None, description="column with the times; none: guessed")
    rating: str | None = Field(default=None, description="column with the ratings; none: guessed")
    order: Literal["time", "file"] = Field(
        default="time", description="of a user's rows: by time, ties as in the file, or as in the file altogether"
    )
    bad_rows: Literal["error", "drop"] = Field(
        default="error", description="rows without an id or a usable time: stop at the first, or drop and count them"
    )
    min_rating: float | None = Field(default=None, description="drop rows with a lower rating")
    time_from: Moment | None = Field(default=None, description="drop rows before this date or number")
    time_until: Moment | None = Field(default=None, description="drop rows at or after this date or number")
    drop_repeats: bool = Field(default=False, description="keep the first of a user's consecutive rows of one item")
    min_count: int = Field(default=5, ge=1, description="drop items and users with fewer interactions")
    min_item_count: int | None = Field(default=None, ge=1, description="of items alone; none: min_count")
    min_user_count: int | None = Field(default=None, ge=1, description="of users alone; none: min_count")
    filter: Literal["together", "items-first", "core"] = Field(
        default="together",
        description="min counts once on the log as it comes; once, items and then users; or until both hold (k-core)",
    )
    min_length: int = Field(default=1, ge=1, description="at last, drop users with fewer interactions left")
    split: Literal["leave-one-out", "time", "user"] = Field(
        default="leave-one-out", description="what is held out: each user's last two, all after a date, or whole users"
    )
    validation_share: float = Field(default=0.1, gt=0, lt=1, description="of rows (split = time) or users (user)")
    test_share: float = Field(default=0.1, gt=0, lt=1, description="of rows (split = time) or users (user)")
    validation_from: Moment | None = Field(default=None, description="date or number; over validation_share")
    test_from: Moment | None = Field(default=None, description="date or number; over test_share")
    split_seed: int = Field(default=0, ge=0, description="draws the users of split = user")
    memory: ByteSize = Field(default=ByteSize(4 << 30), ge=64 << 20, description="what preparing a log may hold")

    @field_validator("columns", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """`user,item,rating,time` is a list, as on a command line."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _splits(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                f"data.validation_share = {self.validation_share} and data.test_share = {self.test_share} leave"
                " nothing to train on; lower them"
            )
        if (self.validation_from is None) != (self.test_from is None):
            raise ValueError("data.validation_from and data.test_from go together; give both or neither")
        if self.split != "time" and self.test_from is not None:
            raise ValueError(f"data.test_from is for data.split = time, and data.split = {self.split}; set one of them")
        return self

    @property
    def min_counts(self) -> tuple[int, int]:
        """Least numbers of rows of (users, items), with None resolved."""
        return self.min_user_count or self.min_count, self.min_item_count or self.min_count

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults and decide what comes out, as JSON values."""
        mine, defaults = self.model_dump(mode="json"), DataConfig().model_dump(mode="json")
        return {key: value for key, value in mine.items() if value != defaults[key] and key != "memory"}


class LearnerConfig(Section):
    """An architecture; its width is that of the item embedding.

    What is not set takes the architecture's published value. What an architecture does not have stays None, and setting
    it is an error.
    """

    learner: str = Field(
        default="sasrec", max_length=256, description="sasrec, gru4rec, narm, bert4rec or package.module:Class"
    )
    layers: int | None = Field(default=None, ge=1, le=64)
    heads: int | None = Field(default=None, ge=1, le=64, description="attention heads, a divisor of the width")
    feed_forward: int | None = Field(default=None, ge=1, description="hidden width of the position-wise network")
    hidden: int | None = Field(default=None, ge=1, description="width of the recurrent state")
    output_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="of NARM's last layer; none: twice the other dropout, at most 0.5"
    )
    mask_ratio: float | None = Field(default=None, gt=0, lt=1, description="share of the items that BERT4Rec hides")
    options: dict[str, Any] = Field(default={}, description="keyword arguments of a package.module:Class")

    @field_validator("options")
    @classmethod
    def _storable(cls, options: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("options are numbers, texts, true and false, and lists and tables of them") from error
        return options

    @model_validator(mode="before")
    @classmethod
    def _published_where_unset(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
        if not isinstance(values, dict):
            return values
        given = cast("dict[str, Any]", values)
        name = given.get("learner", "sasrec")
        if not isinstance(name, str):
            return given
        published = {**PUBLISHED.get(name, {}), **cls.of_a_log(name)}
        missing = {key: value for key, value in published.items() if given.get(key) is None}
        return {**given, **missing}

    @classmethod
    def of_a_log(cls, learner: str) -> dict[str, Option]:
        """Published values that an architecture has in training on a log alone: none, if this section is not for it."""
        del learner
        return {}

    @model_validator(mode="after")
    def _knows_its_options(self) -> Self:
        own = re.fullmatch(r"[\w.]+:[\w.]+", self.learner)
        if self.learner not in PUBLISHED and not own:
            near = difflib.get_close_matches(self.learner.lower(), PUBLISHED, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"learner {self.learner!r} is unknown; {hint}known are {', '.join(PUBLISHED)} and your own class "
                "as package.module:Class"
            )
        published = PUBLISHED.get(self.learner, {})
        for name in sorted({key for keys in PUBLISHED.values() for key in keys}):
            if getattr(self, name) is not None and name not in published:
                takes = ", ".join(published) or "options={...}"
                raise ValueError(f"{name} = {getattr(self, name)} means nothing to {self.learner}, which takes {takes}")
        if self.options and not own:
            raise ValueError(f"options are for classes of your own; {self.learner} takes {', '.join(published)}")
        return self

    def keywords(self) -> dict[str, Any]:
        """What the learner's class is constructed with, beside its width, length and dropout."""
        if self.learner not in PUBLISHED:
            return dict(self.options)
        return {name: value for name in PUBLISHED[self.learner] if (value := getattr(self, name)) is not None}


class TeacherConfig(LearnerConfig):
    """Training on the real log, for the teacher and for the full-data row alike."""

    dim: int = Field(default=32, ge=1, description="width of the item embedding, d3 of the summary")
    dropout: float = Field(default=0.3, ge=0, lt=1)
    learning_rate: Literal["auto"] | PositiveFloat = Field(
        default="auto",
        description="the highest: it rises over the first epoch and falls to 0 along a cosine; auto: of those that a "
        "teacher learns from, one of each architecture is trained at 0.01 and one at 0.003, the others and the teacher "
        "at what was better; one alone takes 0.005",
    )
    weight_decay: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=128, ge=1, description="windows of the log per step")
    epochs: Literal["auto"] | PositiveInt = Field(
        default="auto",
        description="at most; auto: 36 of 20 batches each, and fewer the more batches they have (16 of 190)",
    )
    patience: int = Field(default=16, ge=1, description="epochs without a better validation NDCG@100")
    negatives: Literal["auto", "all"] | PositiveInt = Field(
        default="auto",
        description="items that a target is set against in the loss: all, or so many drawn for each batch; auto: all "
        "up to a catalogue of 20,000, and 4,096 beyond",
    )
    members: Literal["auto"] | PositiveInt = Field(
        default="auto",
        description="recommenders whose mean prediction the teacher learns; 1: it learns from the log itself; auto: 6 "
        "where interactions times items are at most a billion, 4 up to ten billion, and 1 beyond",
    )
    ensemble: Literal["auto"] | tuple[str, ...] = Field(
        default="auto",
        description="architectures of the members, by turns; auto: sasrec and gru4rec for a teacher that is one of "
        "them, which err differently, and the teacher's own for another",
    )
    student_dropout: float = Field(default=0.1, ge=0, lt=1, description="of a teacher that learns from others")
    keep_epochs: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8, 16, 32, 64), description="epochs whose parameters are kept"
    )

    @classmethod
    def of_a_log(cls, learner: str) -> dict[str, Option]:
        """See `LearnerConfig.of_a_log`."""
        return {"dropout": DROPOUT[learner]} if learner in DROPOUT else {}

    @field_validator("ensemble", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """`sasrec,gru4rec` is a list, as on a command line."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) and value != "auto" else value

    @model_validator(mode="after")
    def _asked_alike(self) -> Self:
        for name in self._ensemble():
            if name != self.learner and not {name, self.learner} <= set(CAUSAL):
                raise ValueError(
                    f"teacher.ensemble: {name} is not asked what {self.learner} is asked, so it cannot teach it; "
                    f"{', '.join(CAUSAL[:-1])} and {CAUSAL[-1]} can teach each other, others only themselves"
                )
        if not self._ensemble():
            raise ValueError("teacher.ensemble names no architecture; leave it at auto")
        return self

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.heads is not None and self.dim % self.heads:
            raise ValueError(f"teacher.heads = {self.heads} does not divide teacher.dim = {self.dim}")
        return self

    def negatives_among(self, num_items: int) -> int | None:
        """How many items are drawn for a batch from a catalogue; None where all of it is summed over."""
        if self.negatives == "auto":
            return None if num_items <= LARGE_CATALOGUE else MANY_NEGATIVES
        return None if self.negatives == "all" or self.negatives >= num_items else self.negatives

    def epochs_for(self, windows: int) -> int:
        """How many epochs a training takes at most on a log of so many windows."""
        if self.epochs != "auto":
            return self.epochs
        batches = max(1, windows / self.batch_size)
        return max(1, min(MOST_EPOCHS, round(USUAL_EPOCHS * (batches / USUAL_BATCHES) ** FEWER_EPOCHS)))

    def members_for(self, num_interactions: int, num_items: int) -> int:
        """How many recommenders the teacher of a log learns from; 1 where it learns from the log itself."""
        if self.members != "auto":
            return self.members
        cost = num_interactions * num_items
        return next((count for most, count in SEVERAL.items() if cost <= most), 1)

    def of_trials(self, count: int) -> tuple["TeacherConfig", ...]:
        """Settings of the first of so many members: one of each of their architectures at every rate in question."""
        rates = RATES if self.learning_rate == "auto" else (self.learning_rate,)
        names = dict.fromkeys(islice(cycle(self._ensemble()), count))
        return tuple(self._of_member(name).at_rate(rate) for rate in rates for name in names)

    def of_more(self, count: int, good: Sequence["TeacherConfig"]) -> tuple["TeacherConfig", ...]:
        """Settings of those that are still missing from so many members when one of each good architecture is there.

        The architectures take turns in what results, each at its rate.
        """
        by_name = {one.learner: one for one in good}
        wanted = Counter(islice(cycle([name for name in self._ensemble() if name in by_name]), count))
        wanted.subtract(list(by_name))
        return tuple(by_name[name] for name in wanted.elements())

    def _ensemble(self) -> tuple[str, ...]:
        if self.ensemble != "auto":
            return self.ensemble
        # The teacher's own first: it goes on from there.
        return (self.learner, *(name for name in MIXED if name != self.learner and self.learner in MIXED))

    def _of_member(self, learner: str) -> "TeacherConfig":
        if learner == self.learner:
            return self
        training = self.model_dump(exclude=set(LearnerConfig.model_fields) | {"ensemble"})
        return TeacherConfig(learner=learner, **training)

    def of_student(self) -> Self:
        """The settings of a teacher that learns from others."""
        return self.model_copy(update={"dropout": self.student_dropout})

    def at_rate(self, rate: float) -> Self:
        """The same with a learning rate."""
        return self.model_copy(update={"learning_rate": rate})

    @property
    def rate(self) -> float:
        """The learning rate of one recommender."""
        return RATE if self.learning_rate == "auto" else self.learning_rate


class DistillConfig(Section):
    """The summary and the bi-level optimisation."""

    num_sequences: Literal["auto"] | PositiveInt = Field(
        default="auto", description="n, synthetic sequences; auto: 20, and 50 for a log of 500,000 interactions or more"
    )
    length: int = Field(
        default=50, ge=2, le=MAX_LENGTH, description="l, positions of a synthetic sequence and of every history"
    )
    rank: tuple[int, int] | None = Field(
        default=None, description="Tucker ranks (user, time); none: full ranks, n and l"
    )
    targets: Targets = "separate"
    start: Literal["generated", "real", "random"] = Field(
        default="generated",
        description="where the factors start: sequences that cover what the teacher generates, users' own, or noise",
    )
    sharpness: float = Field(
        default=0.9, gt=0, lt=1, description="mean probability of the item itself where the inputs start"
    )
    steps: int = Field(default=600, ge=0, description="outer steps, at most")
    learning_rate: float = Field(
        default=0.1, gt=0, description="how far an entry of H moves in an outer step; falls to 0 along a cosine"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="of the factors")
    inner_steps: int = Field(default=400, ge=1, description="T_in, longest run of a learner, its window included")
    window: int = Field(default=20, ge=1, description="W, differentiated steps at the end of the run")
    inner_learning_rate: float = Field(default=0.01, gt=0)
    inner_weight_decay: float = Field(default=0.0, ge=0)
    inner_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="sequences per inner step; none: all, and with an embedding to train as many as have 256 positions",
    )
    cuts: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        default="all", description="random cuts beside the last position, or all positions"
    )
    learner_start: Literal["random", "teacher"] = Field(
        default="random", description="where learners start: at random, or at an early teacher checkpoint"
    )
    inner_regime: Regime | Literal["both", "auto"] = Field(
        default="auto",
        description="of the learners in the inner loop: the item factor frozen (shared), an embedding of their own "
        "(fresh), or both by turns, one drawn every outer step; auto: both, and shared alone for more than "
        f"{FRESH_ITEMS:,} items",
    )
    item_scale: Literal["auto", "teacher"] = Field(
        default="auto",
        description="of the item factor: the one learners train well with, or that of the teacher's item embedding, "
        "which learners that start at a teacher need",
    )
    precision: Literal["int8", "float32"] = Field(
        default="int8", description="of the summary: a byte for each number and one for each row of them, or four bytes"
    )
    learners: tuple[str, ...] | None = Field(
        default=None,
        description="architectures that distil, one drawn every outer step; none: that of train",
    )
    learner_pool: int = Field(
        default=16,
        ge=0,
        description="learners of all ages that carry on from window to window; 0: a new one every outer step",
    )
    outer_targets: Literal["teacher", "log"] = Field(
        default="teacher",
        description="what learners are to predict after histories of the log: what the teacher predicts, or what came "
        "next, as always with a teacher that is not causal",
    )
    alignment_weight: float = Field(
        default=0.0, ge=0, description="of the mean squared difference of a learner's states to the teacher's"
    )
    outer_batch_size: int = Field(default=128, ge=1, description="windows of the log per outer step")
    clip: float = Field(default=2.0, gt=0, description="largest hypergradient norm, as a multiple of its running mean")
    memory: ByteSize = Field(
        default=ByteSize(4 << 30),
        description="what a window may hold; its states take at most half of this and leave a step room to work, and "
        "the rest of them goes to disk",
    )
    compile: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="generate code for the inner step, which takes a minute; auto: where it pays and is possible",
    )
    on_nonfinite: Literal["stop", "skip"] = Field(
        default="stop", description="at an outer step whose loss or hypergradient is not finite: stop, or leave it out"
    )
    max_skips: int = Field(default=10, ge=0, description="outer steps that on_nonfinite = skip may leave out in all")
    validate_every: int = Field(default=50, ge=1, description="outer steps between validations of the summary")
    patience: int = Field(
        default=3, ge=1, description="validations in a row without a better summary after which outer steps end"
    )
    validation_learners: int = Field(default=2, ge=1, description="learners averaged by one validation")

    @field_validator("learners", mode="before")
    @classmethod
    def _learner_names(cls, value: object) -> object:
        """`sasrec,gru4rec` is a list, as on a command line."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @field_validator("learners")
    @classmethod
    def _known_learners(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            LearnerConfig(learner=name)
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.window > self.inner_steps:
            raise ValueError(
                f"distill.window = {self.window} exceeds distill.inner_steps = {self.inner_steps}; "
                "lower the window or raise the inner steps"
            )
        if self.inner_regime in {"fresh", "both"} and self.learner_start == "teacher":
            raise ValueError(
                "distill.learner_start = teacher needs distill.inner_regime = shared: "
                "a teacher's parameters mean nothing to a fresh embedding"
            )
        if self.targets == "tied" and self.length < 3:
            raise ValueError("distill.length must be at least 3 with tied targets: one position is only a target")
        if self.rank is not None:
            for name, rank, bound, meaning in (
                ("user", self.rank[0], self._bound, "distill.num_sequences"),
                ("time", self.rank[1], self.length, "distill.length"),
            ):
                if not 1 <= rank <= bound:
                    raise ValueError(f"distill.rank: the {name} rank {rank} must lie in 1..{bound} ({meaning})")
        return self

    @property
    def ranks(self) -> tuple[int, int]:
        """(d1, d2), with None resolved to the full ranks."""
        return self.rank or (self.n, self.length)

    @property
    def n(self) -> int:
        """Number of synthetic sequences, once the log is known; see `Config.for_log`."""
        assert self.num_sequences != "auto"
        return self.num_sequences

    @property
    def least_steps(self) -> int:
        """Outer steps that are taken whatever validation says."""
        return min(self.steps, self.patience * self.validate_every)

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Of the learners in the inner loop, once the log is known; see `Config.for_log`."""
        assert self.inner_regime != "auto"
        return REGIMES if self.inner_regime == "both" else (self.inner_regime,)

    @property
    def _bound(self) -> int:
        """Of the user rank; that of the largest summary as long as the log is not known."""
        return MANY_SEQUENCES if self.num_sequences == "auto" else self.num_sequences


class TrainConfig(LearnerConfig):
    """Training a new learner on a summary (or, with the teacher's optimiser settings, on a log)."""

    regime: Regime = "shared"
    dim: int | None = Field(
        default=None,
        ge=1,
        description="width of the learner; none: that of the item factor or, on a log, the teacher's",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="none: what the summary recommends for the regime"
    )
    optimiser: Optimiser | None = Field(default=None, description="none: what the summary recommends for the regime")
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
    candidate_optimisers: tuple[Optimiser, ...] = Field(
        default=("soap", "adam"),
        min_length=1,
        description="whose steps are tried, at each of the rates, in training on few sequences with the items given "
        "(shared); all else is trained by Adam",
    )
    candidate_steps: tuple[PositiveInt, ...] = Field(
        default=(10, 25, 50, 100, 200, 300, 400, 600, 800, 1200, 1600),
        min_length=1,
        description="training steps tried on validation, in one run",
    )


class CompareConfig(Section):
    """The scoreboard of `compare`."""

    seeds: int = Field(default=5, ge=1, description="learners trained for each row")
    rows: Literal["all", "essential"] = Field(
        default="all",
        description="essential: full data, what trains nothing, soft targets at n, and the summary",
    )
    batch_sequences: int = Field(
        default=20, ge=1, description="most sequences a step of any row reads; never fewer than the summary has"
    )
    hard: tuple[Literal["random", "longest", "recent", "k-center"], ...] = Field(
        default=("random", "longest", "recent", "k-center"),
        description="real sequences with their own items as targets",
    )
    hard_sizes: tuple[PositiveInt, ...] = Field(
        default=(1, 4, 20), description="numbers of those, as multiples of the summary's"
    )
    soft: tuple[Literal["random", "k-center", "generated"], ...] = Field(
        default=("random", "k-center", "generated"), description="sequences with the teacher's predictions as targets"
    )
    soft_sizes: tuple[PositiveInt, ...] = Field(default=(1, 4), description="numbers of those")
    resamples: int = Field(default=2000, ge=100, description="of a bootstrap")
    workers: int | None = Field(
        default=None, ge=1, description="processes of one thread each; none: one a core. Changes no figure but seconds"
    )

    @model_validator(mode="after")
    def _measures_random_sequences(self) -> Self:
        if (
            "random" not in self.hard
            or "random" not in self.soft
            or 1 not in self.hard_sizes
            or 1 not in self.soft_sizes
        ):
            raise ValueError(
                "compare.hard and compare.soft need random, and compare.hard_sizes and compare.soft_sizes need 1: "
                "a summary is compared with as many random sequences first of all"
            )
        return self


class RunConfig(Section):
    """Keeping a run, which has no part in what comes out."""

    checkpoint_seconds: float | None = Field(
        default=None, ge=0, description="from one checkpoint to the next; none: 10, or more where writing takes long"
    )


class Config(Section):
    """Every setting of a run."""

    seed: int = Field(default=0, ge=0)
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    distill: DistillConfig = DistillConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    compare: CompareConfig = CompareConfig()
    run: RunConfig = RunConfig()

    def for_log(self, num_interactions: int, num_items: int) -> "Config":
        """The same with what the size of the log decides: that of the summary, and the regimes of the inner loop.

        Raises:
            SeqDistillError: if it does not go with another setting.
        """
        decided: dict[str, object] = {}
        distill = self.distill
        if distill.num_sequences == "auto":
            decided["num_sequences"] = FEW_SEQUENCES if num_interactions < LARGE_LOG else MANY_SEQUENCES
        if distill.inner_regime == "auto":
            with_fresh = num_items <= FRESH_ITEMS and distill.learner_start == "random"
            decided["inner_regime"] = "both" if with_fresh else "shared"
        values = self.model_dump()
        return parse_config({**values, "distill": {**values["distill"], **decided}}) if decided else self

    def distilling(self) -> tuple[LearnerConfig, ...]:
        """Architectures of the inner loop: those named, with the options of `train` where it is the same one."""
        names = self.distill.learners or (self.train.learner,)
        return tuple(self.train if name == self.train.learner else LearnerConfig(learner=name) for name in names)


Layers = dict[str, Any]


def load_config(
    file: Path | None = None,
    assignments: Iterable[str] = (),
    *,
    seed: int | None = None,
    base: Mapping[str, Any] | None = None,
) -> Config:
    """Defaults, then stored settings, then a TOML file, then `section.key=value` assignments, then the seed.

    Values of assignments are read as TOML (`8`, `0.1`, `[8, 16]`, `true`) and, failing that, as plain text.

    Raises:
        SeqDistillError: naming the key that is unknown (with the nearest known ones) or the value that cannot work.
    """
    layers: Layers = deepcopy(dict(base or {}))
    if file is not None:
        try:
            with file.open("rb") as stream:
                given = parse_toml(stream.read(MAX_FILE_BYTES + 1), file)
        except OSError as error:
            raise SeqDistillError(f"cannot read config file {file}: {error.strerror}") from error
        for name, value in given.items():
            under = layers.get(name)
            layers[name] = {**under, **value} if isinstance(under, dict) and isinstance(value, dict) else value
    for assignment in assignments:
        _assign(layers, assignment)
    if seed is not None:
        layers["seed"] = seed
    return parse_config(layers)


def parse_toml(data: bytes, file: Path) -> Layers:
    """The settings of a TOML file, not yet validated.

    Raises:
        SeqDistillError: it is no TOML, or larger than settings can be.
    """
    if len(data) > MAX_FILE_BYTES:
        raise SeqDistillError(f"config file {file} is larger than {MAX_FILE_BYTES:,} bytes, and so no settings")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOML, UTF-8, numbers of thousands of digits, and deep nesting
        raise SeqDistillError(f"config file {file} is not valid TOML: {one_line(str(error))}") from error


def parse_config(values: Layers) -> Config:
    """Validate plain values, such as a stored `config.json`.

    Raises:
        SeqDistillError: one line with the offending keys.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        more = f"; and {len(wrong) - MOST_ERRORS:,} more" if len(wrong) > MOST_ERRORS else ""
        raise SeqDistillError("; ".join(_describe(dict(e)) for e in wrong[:MOST_ERRORS]) + more) from error
    except (OverflowError, RecursionError) as error:
        raise SeqDistillError(f"a setting cannot be used: {one_line(str(error))}") from error


def _assign(layers: Layers, assignment: str) -> None:
    key, separator, text = assignment.partition("=")
    section, dot, name = key.strip().partition(".")
    if not separator or not dot:
        raise SeqDistillError(f"--set {one_line(assignment)}: expected section.key=value, such as distill.steps=100")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = None if text.strip().lower() == "none" else text.strip()
    layers.setdefault(section, {})
    if not isinstance(layers[section], dict):
        raise SeqDistillError(
            f"--set {one_line(assignment)}: {section} is no section, but {', '.join(_sections())} are"
        )
    layers[section][name] = value


def _describe(error: dict[str, Any]) -> str:
    location = [str(part) for part in cast("tuple[int | str, ...]", error["loc"])]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _known_keys()
        near = difflib.get_close_matches(key[:120], known, n=3, cutoff=0.5)
        tail = [k for k in known if k.endswith(f".{location[-1]}") and k not in near]
        hint = " or ".join(tail + near) or ", ".join(_sections())
        return f"unknown setting {one_line(key)}; nearest: {hint}"
    message = one_line(str(error["msg"]).removeprefix("Value error, "), 400)
    return f"{one_line(key)} = {_shown(error['input'])}: {message}" if error["type"] != "value_error" else message


def _shown(value: object) -> str:
    try:
        return one_line(repr(value) if isinstance(value, str | float) else reprlib.repr(value))
    except (ValueError, RecursionError):
        return f"a value of type {type(value).__name__}"


def _sections() -> list[str]:
    return [name for name in Config.model_fields if name != "seed"]


def _known_keys() -> list[str]:
    defaults = Config().model_dump()
    return ["seed", *(f"{s}.{key}" for s in _sections() for key in defaults[s])]
