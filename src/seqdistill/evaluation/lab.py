"""Where learners of a comparison are trained and tested: one task at a time, each independent of all others.

A task gives the same numbers in whichever process it runs, and in whatever order: it draws from seeds of its own and
computes on one thread. What it gives back holds numpy arrays and plain values only.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from seqdistill.config import Config, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.baselines import markov, popularity
from seqdistill.evaluation.metrics import SELECTION, UserScores, summarise
from seqdistill.evaluation.ranking import rank_held_out_by
from seqdistill.evaluation.rows import RowSpec
from seqdistill.evaluation.sources import Sources
from seqdistill.evaluation.table import Evaluator, Tried, Way
from seqdistill.learners import Recommender
from seqdistill.seeding import derive_seed
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule
from seqdistill.training import Clock, FittedToLog, OnEpoch, fit_to_log
from seqdistill.workers import Tell

CURVE_METRICS = ("ndcg@10", "hr@10", "ndcg@100")

CURVE_EPOCHS = frozenset({1, 2, 3, 5, 8, 13, 21, 34, 55, 89})
"""Of a log, after which the time-to-quality curve has a point."""

CURVE_STEPS = (1, 3, 5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600)
"""The same for sequences."""

Point = dict[str, float]


@dataclass(frozen=True)
class Search:
    """Try one way to train a row's learners on validation."""

    row: RowSpec
    way: Way


@dataclass(frozen=True)
class Trial:
    """Train one learner of a row and test it; without a learner, just test.

    Attributes:
        row: of which.
        index: which of the row's learners.
        schedule: how to train; None for rows that are not trained. On a log only its rate counts.
    """

    row: RowSpec
    index: int
    schedule: Schedule | None


@dataclass(frozen=True)
class Curve:
    """Test one learner of a row again and again while it trains."""

    row: RowSpec
    way: Way


Task = Search | Trial | Curve


@dataclass(frozen=True, eq=False)
class Tested:
    """One learner on the test items.

    Attributes:
        scores: of each user.
        seconds: of its training.
        start: digests of the tensors it started from that chance decided.
        points: along its training, of the first full-data learner.
    """

    scores: UserScores
    seconds: float = 0.0
    start: frozenset[str] = frozenset()
    points: list[Point] = field(default_factory=list[Point])


Outcome = list[Tried] | Tested | list[Point]


@dataclass(frozen=True, eq=False)
class Lab:
    """All that tasks need.

    Attributes:
        dataset: the log.
        config: all settings.
        sources: of training sequences.
        device: where to train.
    """

    dataset: Dataset
    config: Config
    sources: Sources
    device: torch.device

    def perform(self, task: Task, tell: Tell | None = None) -> Outcome:
        """Do a task: validation scores of a search, a tested learner, or the points of a curve. Nothing is told."""
        del tell
        if isinstance(task, Search) and task.row.source == "full":
            return self._try_way_on_log(task)
        if isinstance(task, Search):
            return self._evaluator.try_way(_regime(task.row), self.sources.of(task.row), task.way)
        if isinstance(task, Curve):
            return self._curve(task)
        if not task.row.learns:
            return Tested(self._untrained(task.row))
        if task.row.source == "full":
            return self._on_log(task)
        return self._on_sequences(task)

    @property
    def _clock(self) -> Clock:
        """On one thread, processor time is that of the clock on a machine with nothing else to do."""
        return time.process_time if self.device.type == "cpu" else time.perf_counter

    @cached_property
    def _evaluator(self) -> Evaluator:
        batch = max(self.config.compare.batch_sequences, self.sources.summary.num_sequences)
        return Evaluator(self.dataset, self.config, self.device, batch_size=batch)

    def _on_sequences(self, task: Trial) -> Tested:
        seed = self._evaluator.test_seed(task.index)
        sequences = self.sources.of(task.row)(seed)
        start: set[str] = set()

        def watch(step: int, model: Recommender) -> bool:
            if step == 0:
                start.update(self._started_anew(model))
            return True

        schedule = task.schedule or Schedule(self.config.evaluate.candidate_rates[0], steps=0)
        started = self._clock()
        model = self._evaluator.fit(sequences, _regime(task.row), schedule, seed, on_step=watch)
        seconds = self._clock() - started
        return Tested(self._test(model), seconds, frozenset(start))

    def _on_log(self, task: Trial) -> Tested:
        start: set[str] = set()
        points: list[Point] = []
        with_curve = task.index == 0 and task.row.regime is None

        def watch(epoch: int, model: Recommender, seconds: float) -> None:
            if epoch == 0:
                start.update(self._started_anew(model))
            elif with_curve and epoch in CURVE_EPOCHS:
                points.append(self._point(model, epoch, seconds))

        assert task.schedule is not None
        fitted = self._fit_to_log(task.row, task.schedule.learning_rate, self._evaluator.test_seed(task.index), watch)
        return Tested(self._test(fitted.model), fitted.seconds, frozenset(start), points)

    def _try_way_on_log(self, task: Search) -> list[Tried]:
        """One training, which stops early by itself."""
        fitted = self._fit_to_log(task.row, task.way.learning_rate, derive_seed(self.config.seed, "selection"))
        windows = len(self.sources.real)
        steps = fitted.best_epoch * -(-windows // self.config.teacher.batch_size)
        return [Tried(fitted.validation[SELECTION], task.way.of(steps))]

    def _fit_to_log(self, row: RowSpec, rate: float, seed: int, on_epoch: OnEpoch | None = None) -> FittedToLog:
        return fit_to_log(
            self.dataset,
            self.config.teacher.model_copy(update={"learning_rate": rate}),
            length=self.config.distill.length,
            seed=seed,
            architecture=self.config.train,
            dim=self.sources.summary.dim,
            item_factor=self.sources.summary.item_factor if row.regime == "shared" else None,
            device=self.device,
            on_epoch=on_epoch,
            clock=self._clock,
        )

    def _untrained(self, row: RowSpec) -> UserScores:
        if row.source == "teacher":
            return self._test(self.sources.teacher)
        score = (popularity if row.source == "popularity" else markov)(self.dataset)
        return rank_held_out_by(
            score,
            self.dataset,
            "test",
            length=self.config.distill.length,
            mask_seen=self.config.evaluate.mask_seen,
            sample_seed=self._sample_seed,
        )

    def _curve(self, task: Curve) -> list[Point]:
        """The clock stands still while the learner is tested, and for a step before, with which a process warms up."""
        evaluator, seed, regime = self._evaluator, self._evaluator.test_seed(0), _regime(task.row)
        points: list[Point] = []
        last = max(self.config.evaluate.candidate_steps)
        steps = sorted({step for step in CURVE_STEPS if step < last} | {last})
        sequences = self.sources.of(task.row)(seed)
        evaluator.fit(sequences, regime, task.way.of(1), seed)
        clock = self._clock()
        trained = 0.0

        def watch(step: int, model: Recommender) -> bool:
            nonlocal clock, trained
            if step in steps:
                trained += self._clock() - clock
                points.append(self._point(model, step, trained))
                clock = self._clock()
            return True

        evaluator.fit(sequences, regime, task.way.of(last), seed, on_step=watch)
        return points

    def _point(self, model: Recommender, steps: int, seconds: float) -> Point:
        metrics = summarise(self._evaluator.rank(model, "test"), (10,))
        return {"seconds": seconds, "steps": steps, **{name: metrics[name] for name in CURVE_METRICS}}

    def _test(self, model: Recommender) -> UserScores:
        return self._evaluator.rank(model, "test", sample_seed=self._sample_seed)

    @property
    def _sample_seed(self) -> int:
        return derive_seed(self.config.seed, "sampled items")

    def _started_anew(self, model: Recommender) -> set[str]:
        """Digests of the tensors that chance decided; none may be one of the teacher's."""
        drawn = {name: d for name, d in _digests(model).items() if name not in self._decided}
        if taken := sorted(name for name, digest in drawn.items() if digest in self._of_teacher):
            raise RuntimeError(f"a learner started with tensors of the teacher's: {', '.join(taken)}")
        return set(drawn.values())

    @cached_property
    def _of_teacher(self) -> set[str]:
        return set(_digests(self.sources.teacher).values())

    @cached_property
    def _decided(self) -> set[str]:
        """Names of the tensors that begin the same whatever the seed, such as biases of 0."""
        found: list[dict[str, str]] = []

        def note(_step: int, model: Recommender) -> bool:
            found.append(_digests(model))
            return True

        factor = self.sources.summary.item_factor
        nothing = Sequences.from_windows(torch.ones(1, 2, dtype=torch.int64), factor)
        for seed in (1, 2):
            for regime in ("shared", "fresh"):
                fit_to_sequences(
                    nothing,
                    self.config.train,
                    regime,
                    Schedule(1.0, steps=0),
                    seed=seed,
                    length=self.config.distill.length,
                    on_step=note,
                )
        one, other = ({**found[at], **found[at + 1]} for at in (0, 2))
        return {name for name in one if one[name] == other[name]}


def _regime(row: RowSpec) -> Regime:
    assert row.regime is not None
    return row.regime


def _digests(model: Recommender) -> dict[str, str]:
    """SHA-256 of every tensor that is trained, by name."""
    trained: Mapping[str, Any] = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return {
        name: hashlib.sha256(np.ascontiguousarray(p.detach().cpu().numpy()).tobytes()).hexdigest()
        for name, p in trained.items()
    }
