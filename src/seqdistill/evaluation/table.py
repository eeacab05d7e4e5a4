"""Rows of a table: what trains on one thing and is tested on another, each treated alike.

Every row gets the same search for its own optimiser, learning rate and number of steps on the validation items, then
new learners with seeds of their own, each tested once.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from seqdistill.config import Config, EvaluateConfig, LearnerConfig, Optimiser, Regime
from seqdistill.data.dataset import Dataset, HeldOut
from seqdistill.evaluation.metrics import SELECTION, UserScores, summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.evaluation.sources import SequencesOf
from seqdistill.learners import Recommender
from seqdistill.members import Member, fit_members
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import Parts
from seqdistill.seeding import derive_seed
from seqdistill.sequence_training import OnStep, fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule
from seqdistill.training import CPU, FittedToLog

PATIENCE = 7
"""Candidate numbers of steps in a row that may fall short of the best before the search gives a way up. With an item
factor of large norms a new learner is at first worse for being trained, for some hundred steps."""


PLATEAU = 4
"""Candidates in a row after which a search ends where all are level: none clearly above the first of them, which would
be chosen for being the shortest, none further below the best than `LEVEL`."""


LEVEL = 0.98
"""Share of the best score that a candidate on a plateau has: one learner's scores vary by a per cent on a level."""


SEARCH_LEARNERS = 2
"""Learners that try a way. One alone is often best after a number of steps that suits no other."""


NEARLY = 0.995
"""Share of the best score that a shorter training has to reach to be preferred. Two learners tell no closer, and a
schedule is kept with a summary for trainings that are to take seconds."""


class Way(NamedTuple):
    """How fast, and by whose steps, the learners of a row may train: what a search tries, at many numbers of steps."""

    learning_rate: float
    optimiser: Optimiser = "adam"

    def of(self, steps: int) -> Schedule:
        """The schedule of so many steps."""
        return Schedule(self.learning_rate, steps, self.optimiser)


def ways_to_train(config: EvaluateConfig, regime: Regime | None) -> tuple[Way, ...]:
    """What a search tries.

    Args:
        config: the candidates.
        regime: of the learners; None for those of a log.
    """
    optimisers = config.candidate_optimisers if regime == "shared" else ("adam",)
    return tuple(Way(rate, optimiser) for optimiser in optimisers for rate in config.candidate_rates)


class Tried(NamedTuple):
    """A schedule and its validation score."""

    score: float
    schedule: Schedule


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
            values["schedule"] = asdict(self.schedule)
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
        batch_size: most sequences a step reads; None for all.
    """

    dataset: Dataset
    config: Config
    device: torch.device = CPU
    progress: Progress = SILENT
    between_steps: Callable[[], None] = _go_on
    batch_size: int | None = None

    def full_data(self, parts: Parts) -> Row:
        """Learners trained on the whole log, from scratch, each kept as it was at its best epoch.

        Where the settings leave the learning rate open, it is the one of the candidates that is best on validation.

        Args:
            parts: keeps each training.
        """
        config = self.config

        def train(members: Sequence[Member]) -> list[FittedToLog]:
            return fit_members(
                {f"full data, {member.name}": member for member in members},
                self.dataset,
                length=config.distill.length,
                device=self.device,
                parts=parts,
                progress=self.progress,
                title="full data",
            )

        def member(name: str, rate: float, seed: int) -> Member:
            return Member(name, config.teacher.at_rate(rate), seed, self._architecture)

        rate = config.teacher.rate
        if config.teacher.learning_rate == "auto":
            seed, rates = derive_seed(config.seed, "selection"), config.evaluate.candidate_rates
            tried = train([member(f"rate {rate:g}", rate, seed) for rate in rates])
            rate, _ = max(zip(rates, tried, strict=True), key=lambda one: one[1].validation[SELECTION])
        count = config.evaluate.seeds
        fitted = train([member(f"learner {i + 1} of {count}", rate, self.test_seed(i)) for i in range(count)])
        models, seconds = [one.model for one in fitted], [one.seconds for one in fitted]
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
            task.advance(str(schedule))
            for index in range(count):
                seed = self.test_seed(index)
                started = time.perf_counter()
                models.append(self.fit(sequences_of(seed), regime, schedule, seed))
                seconds.append(time.perf_counter() - started)
                task.advance()
        return self._row(name, regime, models, seconds, num_bytes, schedule)

    def choose_schedule(self, regime: Regime, sequences_of: SequencesOf) -> Schedule:
        """Of the candidates that are (nearly) best by validation NDCG@100, the one with the fewest steps."""
        return shortest_schedule(
            tried
            for way in ways_to_train(self.config.evaluate, regime)
            for tried in self.try_way(regime, sequences_of, way)
        )

    def try_way(self, regime: Regime, sequences_of: SequencesOf, way: Way) -> list[Tried]:
        """Validation NDCG@100 at the candidate numbers of steps, each the mean of `SEARCH_LEARNERS` runs.

        A run ends when the score has fallen short of its best for `PATIENCE` candidates, or has been level for
        `PLATEAU` of them; what only some runs came to is left out.
        """
        steps = sorted(set(self.config.evaluate.candidate_steps))
        runs = [self._try_steps(regime, sequences_of, way, steps, index) for index in range(SEARCH_LEARNERS)]
        return [
            Tried(float(np.mean(scores)), way.of(step))
            for step, *scores in zip(steps, *runs, strict=False)  # The shortest run ends it.
        ]

    def _try_steps(
        self, regime: Regime, sequences_of: SequencesOf, way: Way, steps: Sequence[int], index: int
    ) -> list[float]:
        """Scores of one learner at these numbers of steps, in order, as far as they are promising."""
        seed = derive_seed(self.config.seed, "selection", index)
        scores: list[float] = []

        def watch(step: int, model: Recommender) -> bool:
            if step not in steps:
                return True
            scores.append(summarise(self.rank(model, "validation"))[SELECTION])
            return promising(scores)

        self.fit(sequences_of(seed), regime, way.of(steps[-1]), seed, on_step=watch)
        return scores

    def fit(
        self,
        sequences: Sequences,
        regime: Regime,
        schedule: Schedule,
        seed: int,
        *,
        on_step: OnStep | None = None,
    ) -> Recommender:
        """A new learner of the rows' architecture, trained on sequences."""

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
            batch_size=self.batch_size,
            device=self.device,
            on_step=watch,
        )

    def rank(self, model: Recommender, part: HeldOut, *, sample_seed: int | None = None) -> UserScores:
        """Rank the held-out items as the settings say."""
        return rank_held_out(
            model,
            self.dataset,
            part,
            length=self.config.distill.length,
            mask_seen=self.config.evaluate.mask_seen,
            sample_seed=sample_seed,
        )

    def test_seed(self, index: int) -> int:
        """Of a learner that is tested; it has no part in any choice."""
        return derive_seed(self.config.seed, "test", index)

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
        tested = [summarise(self.rank(model, "test"), evaluate.cutoffs) for model in models]
        metrics = {metric: spread_of([row[metric] for row in tested]) for metric in tested[0]}
        learner = self._architecture.learner
        return Row(name, learner, regime, len(models), metrics, float(np.mean(seconds)), num_bytes, schedule)

    @property
    def _architecture(self) -> LearnerConfig:
        return self.config.train


def promising(scores: Sequence[float]) -> bool:
    """Whether a search that has seen these scores, in order, should go on.

    It should while its best is among the last `PATIENCE` and the last `PLATEAU` are not on a level.
    """
    best, last = max(scores), scores[-PLATEAU:]
    level = len(last) == PLATEAU and last[0] >= NEARLY * best > 0 and min(last) >= LEVEL * best
    return best in scores[-PATIENCE:] and not level


def best_schedule(tried: Iterable[Tried]) -> Schedule:
    """The first of those with the best score."""
    return max(tried, key=lambda candidate: candidate.score).schedule


def shortest_schedule(tried: Iterable[Tried]) -> Schedule:
    """Of those whose score is within `NEARLY` of the best, the one with the fewest steps, and then the best score."""
    candidates = list(tried)
    enough = NEARLY * max(candidate.score for candidate in candidates)
    good = (candidate for candidate in candidates if candidate.score >= enough)
    return min(good, key=lambda candidate: (candidate.schedule.steps, -candidate.score)).schedule


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation."""
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
