"""The small table at the end of a distillation: the summary beside what it must beat."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqdistill.config import REGIMES, Config, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.loop import Distilled
from seqdistill.distillation.start import random_factors
from seqdistill.evaluation.kept import KeptRows
from seqdistill.evaluation.table import Evaluator, SequencesOf
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import KEEP_NOTHING, Keeper, Parts
from seqdistill.seeding import derive_seed
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.training import CPU

ITEM_BYTES = 4
"""Of an item in a stored hard sequence."""


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
        evaluator.sequences(
            "item factor only", "shared", lambda seed: _untrained(summary, config, seed), summary.size_bytes()
        )
    )
    windows = torch.from_numpy(dataset.training_windows(config.distill.length))
    real_bytes = summary.size_bytes(factors=False) + config.distill.num_sequences * windows.shape[1] * ITEM_BYTES
    rows.append(
        evaluator.sequences("random sequences", "shared", lambda seed: _random_real(windows, summary, seed), real_bytes)
    )
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


def _always(summary: Summary) -> SequencesOf:
    sequences = summary.sequences()
    return lambda _seed: sequences


def _untrained(summary: Summary, config: Config, seed: int) -> Sequences:
    """A summary of the same shape whose factors are noise: what the item factor alone gives."""
    rng = torch.Generator().manual_seed(derive_seed(seed, "untrained"))
    settings = config.distill
    width = summary.factors.core.shape[2]
    factors = random_factors(settings.num_sequences, settings.length, width, settings.ranks, summary.item_factor, rng)
    return Summary(factors, summary.item_factor, summary.item_ids, summary.targets).sequences()


def _random_real(windows: torch.Tensor, summary: Summary, seed: int) -> Sequences:
    """As many randomly drawn training windows as the summary has sequences, with hard targets."""
    rng = np.random.default_rng(derive_seed(seed, "random sequences"))
    rows = rng.choice(len(windows), size=min(summary.num_sequences, len(windows)), replace=False)
    return Sequences.from_windows(windows[torch.from_numpy(rows)], summary.item_factor)
