"""What a summary is worth to new learners, on the validation items.

They train in every regime of the inner loop, by its Adam steps; where items are given also by SOAP's, which suit the
start better, and the better of the two counts. They are trained side by side, by processes with an equal share of the
threads each: a step of a small learner is many small operations, which more threads hardly make faster.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch

from seqdistill.config import OPTIMISERS, DistillConfig, LearnerConfig, Optimiser, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import opened, sendable
from seqdistill.evaluation.metrics import SELECTION, summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.members import processes_for
from seqdistill.seeding import derive_seed
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.workers import MORE_MEMORY, Tell, Workers


class Validation:
    """Trains new learners on summaries and ranks what they were not trained on. A context: it ends its processes.

    Args:
        dataset: the log.
        config: how long learners train, and how many there are of an architecture.
        architectures: of the learners.
        seed: decides everything random; every summary has the same learners.
        device: where to train.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: DistillConfig,
        architectures: Sequence[LearnerConfig],
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        learners = [
            _New(regime, optimiser, one, index)
            for regime in config.regimes
            for optimiser in OPTIMISERS[regime]
            for one in architectures
            for index in range(config.validation_learners)
        ]
        self._learners = learners
        count = min(processes_for(len(learners), one, device) for one in architectures)
        opening = _Opening(sendable(dataset) if count > 1 else dataset, config, learners, seed, device)
        threads = torch.get_num_threads() // count
        self._workers = Workers[_Task, dict[str, float]](opening, count, threads=threads, remedy=MORE_MEMORY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.__exit__(*exception)

    def of(self, summary: Summary) -> dict[str, float]:
        """Mean metrics of its learners, in a regime by whichever optimiser they rank better; of the regimes the mean.

        Raises:
            SeqDistillError: if a process dies.
        """
        places = range(len(self._learners))
        waiting = [_Task(place, summary.sequences()) for place in reversed(places)]
        found: dict[int, dict[str, float]] = {}
        self._workers.run(
            lambda: waiting.pop() if waiting else None, lambda task, metrics: found.update({task.place: metrics})
        )
        by_way = defaultdict[tuple[Regime, Optimiser], list[dict[str, float]]](list)
        for place, new in enumerate(self._learners):
            by_way[new.regime, new.optimiser].append(found[place])
        best: dict[Regime, dict[str, float]] = {}
        for (regime, _), metrics in by_way.items():
            mean = _mean_of(metrics)
            if regime not in best or mean[SELECTION] > best[regime][SELECTION]:
                best[regime] = mean
        return _mean_of(list(best.values()))


def _mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


class _New(NamedTuple):
    """A learner to be trained: how, its architecture, and which one of that it is."""

    regime: Regime
    optimiser: Optimiser
    architecture: LearnerConfig
    number: int


class _Task(NamedTuple):
    """The place of a learner among all, and what it is to be trained on."""

    place: int
    sequences: Sequences


@dataclass(frozen=True, eq=False)
class _Opening:
    """What a process needs to train and rank learners; see `Validation`."""

    dataset: Dataset | Path
    config: DistillConfig
    learners: Sequence[_New]
    seed: int
    device: torch.device

    def open(self) -> "_Performer":
        """See `workers.Opening`."""
        return _Performer(self, opened(self.dataset))


@dataclass(frozen=True, eq=False)
class _Performer:
    """Trains and ranks learners, with the dataset at hand."""

    given: _Opening
    dataset: Dataset

    def perform(self, task: _Task, tell: Tell) -> dict[str, float]:
        """See `workers.Performer`."""
        del tell
        config, new = self.given.config, self.given.learners[task.place]
        model = fit_to_sequences(
            task.sequences,
            new.architecture,
            new.regime,
            Schedule(config.inner_learning_rate, config.inner_steps, new.optimiser),
            seed=derive_seed(self.given.seed, "validation", new.number),
            length=config.length,
            device=self.given.device,
        )
        return summarise(rank_held_out(model, self.dataset, "validation", length=config.length))
