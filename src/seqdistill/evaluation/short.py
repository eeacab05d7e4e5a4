"""The small table at the end of a distillation: the summary beside what it must beat.

On a CPU its rows are made side by side, by processes with an equal share of the threads each: a step of a small learner
is many small operations, which more threads hardly make faster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from seqdistill.config import REGIMES, Config, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import opened, sendable
from seqdistill.distillation.loop import Distilled
from seqdistill.evaluation.coresets import RealSequences, mean_embedding
from seqdistill.evaluation.kept import KeptRows, title_of
from seqdistill.evaluation.rows import item_bytes
from seqdistill.evaluation.sources import SequencesOf, noise
from seqdistill.evaluation.table import Evaluator, Row
from seqdistill.members import processes_for
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import KEEP_NOTHING, Keeper, Parts
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.training import CPU
from seqdistill.workers import MORE_MEMORY, Tell, Telling, Workers, computing_on

CONTROLS = FACTOR_ONLY, RANDOM = "item factor only", "random sequences"
"""Rows that have the item factor alone, and it with real sequences."""
START, DISTILLED, PAPER = "start, soft targets", "distilled", "distilled, paper"
"""Rows of a summary."""


class RowName(NamedTuple):
    """A row of learners that train on a few sequences."""

    name: str
    regime: Regime


def rows_of_table(*, with_paper: bool) -> list[RowName]:
    """Those rows in the order of the table, below that of full data."""
    summaries = (START, DISTILLED, *((PAPER,) if with_paper else ()))
    controls = [RowName(name, "shared") for name in CONTROLS]
    return [*controls, *(RowName(name, regime) for name in summaries for regime in REGIMES)]


@dataclass(frozen=True, eq=False)
class ShortTable:
    """Rows as JSON values, and the schedules chosen for the distilled summary."""

    rows: list[dict[str, Any]]
    schedules: dict[Regime, Schedule]


def short_evaluation(
    dataset: Dataset,
    config: Config,
    distilled: Distilled,
    papers: Distilled | None = None,
    *,
    device: torch.device = CPU,
    progress: Progress = SILENT,
    keeper: Keeper = KEEP_NOTHING,
) -> ShortTable:
    """Full data, two controls, the start, the distilled summary and, where there is one, the paper's.

    Args:
        dataset: the log.
        config: all settings.
        distilled: the summary in question, and its start.
        papers: a summary distilled as the paper does.
        device: where to train.
        progress: where to report.
        keeper: gets each row when it is done, each training on the log when it is, and the state of one that runs
            alone after every batch.
    """
    parts = Parts(keeper)
    kept = KeptRows(Evaluator(dataset, config, device, progress, parts.offer), parts)
    full = kept.full_data()
    summaries = {START: distilled.start, DISTILLED: distilled.summary}
    if papers is not None:
        summaries[PAPER] = papers.summary
    wanted = rows_of_table(with_paper=papers is not None)
    together = processes_for(len(wanted), config.train, device)
    threads = torch.get_num_threads() // together
    missing = [row for row in wanted if not kept.has(*row)]
    count = min(together, len(missing))
    if count > 1:
        opening = _Opening(sendable(dataset), config, summaries)
        with Workers[RowName, Row](opening, count, threads=threads, remedy=MORE_MEMORY) as workers:
            _make_apart(missing, workers, config.evaluate.seeds + 1, kept, progress, parts.offer)
    # As many threads for the last one that is missing, so that it comes out the same.
    contents = _Contents(dataset, config, summaries)
    with computing_on(threads):
        rows = [kept.sequences(row.name, row.regime, *contents.of(row.name)) for row in wanted]
    keeper.finish(parts.state())
    schedules: dict[Regime, Schedule] = {
        row.regime: row.schedule for row in rows if row.name == DISTILLED and row.regime and row.schedule
    }
    return ShortTable([row.as_json(full) for row in (full, *rows)], schedules)


def only_schedules(
    dataset: Dataset,
    config: Config,
    distilled: Distilled,
    *,
    device: torch.device = CPU,
    progress: Progress = SILENT,
    keeper: Keeper = KEEP_NOTHING,
) -> ShortTable:
    """The schedules of the distilled summary, chosen on validation items, without a row: no test item is looked at.

    Args:
        dataset: the log.
        config: all settings.
        distilled: the summary in question.
        device: where to train.
        progress: where to report.
        keeper: is offered to stop between two steps.
    """
    evaluator = Evaluator(dataset, config, device, progress, Parts(keeper).offer)
    sequences = distilled.summary.sequences()
    schedules: dict[Regime, Schedule] = {}
    with progress.task("how to train on it", len(REGIMES)) as task:
        for regime in REGIMES:
            schedules[regime] = evaluator.choose_schedule(regime, lambda _seed: sequences)
            task.advance(f"{regime}: {schedules[regime]}")
    return ShortTable([], schedules)


@dataclass(frozen=True, eq=False)
class _Opening:
    """What a process needs to make rows; see `_Contents`."""

    dataset: Dataset | Path
    config: Config
    summaries: Mapping[str, Summary]

    def open(self) -> "_Contents":
        """See `workers.Opening`."""
        return _Contents(opened(self.dataset), self.config, self.summaries)


@dataclass(frozen=True, eq=False)
class _Contents:
    """What the learners of each row train on.

    Attributes:
        dataset: the log.
        config: all settings.
        summaries: by the name of their rows; the distilled one among them.
    """

    dataset: Dataset
    config: Config
    summaries: Mapping[str, Summary]

    def of(self, name: str) -> tuple[SequencesOf, int]:
        """The sequences of a row, by seed, and their bytes."""
        distilled = self.summaries[DISTILLED]
        if name == FACTOR_ONLY:
            return lambda seed: noise(distilled, seed), distilled.size_bytes()
        if name == RANDOM:
            return self._random(distilled)
        sequences = self.summaries[name].sequences()
        return lambda _seed: sequences, self.summaries[name].size_bytes()

    def perform(self, task: RowName, tell: Tell) -> Row:
        """See `workers.Performer`."""
        evaluator = Evaluator(self.dataset, self.config, progress=Telling(tell))
        return evaluator.sequences(task.name, task.regime, *self.of(task.name))

    def _random(self, distilled: Summary) -> tuple[SequencesOf, int]:
        """As many real sequences as there are synthetic ones, with the item factor."""
        count, length = distilled.num_sequences, self.config.distill.length
        real = RealSequences(self.dataset, length, mean_embedding(distilled.item_factor))

        def draw(seed: int) -> Sequences:
            return Sequences.from_windows(real.choose("random", count, seed), distilled.item_factor)

        weight = count * (length + 1) * item_bytes(self.dataset.num_items)
        return draw, distilled.size_bytes(factors=False) + weight


def _make_apart(
    missing: Sequence[RowName],
    workers: Workers[RowName, Row],
    units: int,
    kept: KeptRows,
    progress: Progress,
    offer: Callable[[], None],
) -> None:
    """Let workers make rows of so many units each, and keep them."""
    # Those that take longest go first (they are taken from the end), so that all processes end at about the same time.
    waiting = sorted(missing, key=lambda row: (row.name not in CONTROLS, row.regime == "fresh"))
    with progress.task("learners on few sequences", units * len(waiting)) as task:

        def told(row: RowName, note: str) -> None:
            task.advance(": ".join(filter(None, [title_of(*row), note])))

        workers.run(lambda: waiting.pop() if waiting else None, lambda _, row: kept.keep(row), told=told, idle=offer)
