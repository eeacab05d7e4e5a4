"""Rows of a table: what trains on one thing and is tested on another, each treated alike.

Every row gets the same search for its own learning rate and number of steps on the validation items, then new learners
with seeds of their own, each tested once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from seqdistill.config import Config, LearnerConfig, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.learners import Recommender
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import KEEP_NOTHING, Parts
from seqdistill.seeding import derive_seed
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule
from seqdistill.training import CPU, fit_to_log, fit_to_sequences

SELECTION = "ndcg@100"
"""Validation metric that schedules are chosen by: a ranking metric, yet smooth where a top-10 figure jumps."""

PATIENCE = 3
"""Candidate numbers of steps in a row that may fall short of the best before the search gives a rate up."""

SequencesOf = Callable[[int], Sequences]
"""Training sequences for a seed; the same ones for every seed where nothing about them is random."""


class Spread(NamedTuple):
    """Mean and sample standard deviation over learners (0 for one)."""

    mean: float
    std: float


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: what the learners were trained on.
        learner: architecture.
        regime: None where there is no summary to take an item factor from.
        seeds: number of learners.
        metrics: on the test items.
        seconds_train: of one learner, mean.
        num_bytes: of what the learners were trained on, item ids and item factor included.
        schedule: chosen on validation; None for a log, whose training stops early instead.
    """

    name: str
    learner: str
    regime: Regime | None
    seeds: int
    metrics: dict[str, Spread]
    seconds_train: float
    num_bytes: int
    schedule: Schedule | None = None

    def as_json(self, full: "Row") -> dict[str, Any]:
        """As JSON values, with percentages of the full-data row (of its metrics above 0, log-likelihood excepted)."""
        values: dict[str, Any] = {
            "name": self.name,
            "learner": self.learner,
            "regime": self.regime,
            "seeds": self.seeds,
            "metrics": {name: spread._asdict() for name, spread in self.metrics.items()},
            "percent_of_full": {
                metric: 100 * spread.mean / full.metrics[metric].mean
                for metric, spread in self.metrics.items()
                if metric != "log_likelihood" and full.metrics[metric].mean > 0
            },
            "seconds_train": self.seconds_train,
            "bytes": self.num_bytes,
        }
        if self.schedule is not None:
            values["schedule"] = {"learning_rate": self.schedule.learning_rate, "steps": self.schedule.steps}
        return values


def _go_on() -> None:
    """Nothing stands between two steps."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Makes rows for one dataset and one configuration.

    Attributes:
        dataset: the log; validation items choose, test items are looked at once a learner.
        config: all settings.
        device: where to train.
        progress: where to report.
        between_steps: called between two steps on a few sequences; may raise.
    """

    dataset: Dataset
    config: Config
    device: torch.device = CPU
    progress: Progress = SILENT
    between_steps: Callable[[], None] = _go_on

    def full_data(self, parts: Parts | None = None) -> Row:
        """Learners trained on the whole log, from scratch, with early stopping.

        Args:
            parts: keeps each training.
        """
        models: list[Recommender] = []
        seconds: list[float] = []
        config = self.config
        for index in range(config.evaluate.seeds):
            fitted = fit_to_log(
                self.dataset,
                config.teacher,
                length=config.distill.length,
                seed=self._test_seed(index),
                architecture=self._architecture,
                device=self.device,
                progress=self.progress,
                title=f"full data {index + 1}/{config.evaluate.seeds}",
                keeper=KEEP_NOTHING if parts is None else parts.part(f"learner {index + 1}"),
            )
            models.append(fitted.model)
            seconds.append(fitted.seconds)
        return self._row("full data", None, models, seconds, self.dataset.provenance.log_parquet_bytes, None)

    def sequences(
        self, name: str, regime: Regime, sequences_of: SequencesOf, num_bytes: int, schedule: Schedule | None = None
    ) -> Row:
        """Learners trained on a few sequences.

        Args:
            name: of the row.
            regime: how the item embedding is treated.
            sequences_of: what to train on, by seed.
            num_bytes: of the sequences, with item factor and ids.
            schedule: chosen before, if it was.
        """
        count = self.config.evaluate.seeds
        models: list[Recommender] = []
        seconds: list[float] = []
        with self.progress.task(f"{name}, {regime}", count + 1) as task:
            schedule = schedule or self.choose_schedule(regime, sequences_of)
            task.advance(f"{schedule.steps} steps at rate {schedule.learning_rate:g}")
            for index in range(count):
                seed = self._test_seed(index)
                started = time.perf_counter()
                models.append(self._fit(sequences_of(seed), regime, schedule, seed))
                seconds.append(time.perf_counter() - started)
                task.advance()
        return self._row(name, regime, models, seconds, num_bytes, schedule)

    def choose_schedule(self, regime: Regime, sequences_of: SequencesOf) -> Schedule:
        """The learning rate and number of steps with the best validation NDCG@100, of the candidates.

        A rate is given up when the score has fallen short of its best for `PATIENCE` candidate numbers of steps.
        """
        evaluate = self.config.evaluate
        seed = derive_seed(self.config.seed, "selection")
        best: list[tuple[float, Schedule]] = []
        for rate in evaluate.candidate_rates:
            of_rate: list[float] = []

            def watch(step: int, model: Recommender, rate: float = rate, of_rate: list[float] = of_rate) -> bool:
                if step not in evaluate.candidate_steps:
                    return True
                scores = rank_held_out(
                    model,
                    self.dataset,
                    "validation",
                    length=self.config.distill.length,
                    mask_seen=evaluate.mask_seen,
                )
                of_rate.append(summarise(scores)[SELECTION])
                best.append((of_rate[-1], Schedule(rate, step)))
                return max(of_rate) in of_rate[-PATIENCE:]

            self._fit(sequences_of(seed), regime, Schedule(rate, max(evaluate.candidate_steps)), seed, watch)
        return max(best, key=lambda scored: scored[0])[1]

    def _fit(
        self,
        sequences: Sequences,
        regime: Regime,
        schedule: Schedule,
        seed: int,
        on_step: Callable[[int, Recommender], bool | None] | None = None,
    ) -> Recommender:
        def watch(step: int, model: Recommender) -> bool | None:
            self.between_steps()
            return None if on_step is None else on_step(step, model)

        return fit_to_sequences(
            sequences,
            self._architecture,
            regime,
            schedule,
            seed=seed,
            length=self.config.distill.length,
            dropout=self.config.train.dropout,
            device=self.device,
            on_step=watch,
        )

    def _row(
        self,
        name: str,
        regime: Regime | None,
        models: Sequence[Recommender],
        seconds: Sequence[float],
        num_bytes: int,
        schedule: Schedule | None,
    ) -> Row:
        evaluate = self.config.evaluate
        tested = [
            summarise(
                rank_held_out(
                    model, self.dataset, "test", length=self.config.distill.length, mask_seen=evaluate.mask_seen
                ),
                evaluate.cutoffs,
            )
            for model in models
        ]
        metrics = {metric: _spread([row[metric] for row in tested]) for metric in tested[0]}
        learner = self._architecture.learner
        return Row(name, learner, regime, len(models), metrics, float(np.mean(seconds)), num_bytes, schedule)

    @property
    def _architecture(self) -> LearnerConfig:
        return self.config.train

    def _test_seed(self, index: int) -> int:
        return derive_seed(self.config.seed, "test", index)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
