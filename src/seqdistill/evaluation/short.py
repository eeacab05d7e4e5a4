"""The small table at the end of a distillation: the summary beside what it must beat."""

from dataclasses import dataclass
from typing import Any

import torch

from seqdistill.config import REGIMES, Config, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.loop import Distilled
from seqdistill.evaluation.coresets import RealSequences, mean_embedding
from seqdistill.evaluation.kept import KeptRows
from seqdistill.evaluation.rows import ITEM_BYTES
from seqdistill.evaluation.sources import SequencesOf, noise
from seqdistill.evaluation.table import Evaluator
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import KEEP_NOTHING, Keeper, Parts
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.training import CPU


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
        keeper: gets each row when it is done, and the trainings on the log after every batch.
    """
    parts = Parts(keeper)
    evaluator = KeptRows(Evaluator(dataset, config, device, progress, parts.offer), parts)
    summary = distilled.summary
    full = evaluator.full_data()
    rows = [full]
    rows.append(
        evaluator.sequences("item factor only", "shared", lambda seed: noise(summary, seed), summary.size_bytes())
    )
    real = RealSequences(dataset, config.distill.length, mean_embedding(summary.item_factor))
    real_bytes = summary.size_bytes(factors=False) + summary.num_sequences * (config.distill.length + 1) * ITEM_BYTES

    def random_real(seed: int) -> Sequences:
        return Sequences.from_windows(real.choose("random", summary.num_sequences, seed), summary.item_factor)

    rows.append(evaluator.sequences("random sequences", "shared", random_real, real_bytes))
    schedules: dict[Regime, Schedule] = {}
    for name, source in (("start, soft targets", distilled.start), ("distilled", summary)):
        for regime in REGIMES:
            row = evaluator.sequences(name, regime, _always(source), source.size_bytes())
            rows.append(row)
            if source is summary and row.schedule is not None:
                schedules[regime] = row.schedule
    if papers is not None:
        rows += [
            evaluator.sequences("distilled, paper", regime, _always(papers.summary), papers.summary.size_bytes())
            for regime in REGIMES
        ]
    keeper.finish(parts.state())
    return ShortTable([row.as_json(full) for row in rows], schedules)


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
    schedules: dict[Regime, Schedule] = {}
    with progress.task("how to train on it", len(REGIMES)) as task:
        for regime in REGIMES:
            schedules[regime] = evaluator.choose_schedule(regime, _always(distilled.summary))
            task.advance(f"{regime}: {schedules[regime].steps} steps at rate {schedules[regime].learning_rate:g}")
    return ShortTable([], schedules)


def _always(summary: Summary) -> SequencesOf:
    sequences = summary.sequences()
    return lambda _seed: sequences
