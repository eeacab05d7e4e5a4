"""The outer loop: from a teacher and a log to a summary."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqdistill.attention import soft_embeddings
from seqdistill.config import DistillConfig, LearnerConfig
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.inner import Inputs
from seqdistill.distillation.inner_loop import InnerLoop, build_inner_loop
from seqdistill.distillation.outer import OuterLoss, window_batches
from seqdistill.distillation.start import (
    decompose,
    generate_sequences,
    random_factors,
    real_sequences,
    sharp_queries,
)
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.learners import Recommender
from seqdistill.progress import SILENT, Progress, Task
from seqdistill.seeding import derive_seed
from seqdistill.summary import Factors, Schedule, Summary
from seqdistill.training import FittedToLog, fit_to_sequences


class OuterStep(NamedTuple):
    """One line of `metrics.jsonl`.

    Attributes:
        step: 1-based; 0 for the start.
        learner: architecture whose turn it was.
        start: s, age of the learner at the start of its window.
        cross_entropy: of the learner after the window, on real next items, nats.
        alignment: mean squared difference of its states to the teacher's.
        norm: of the hypergradient, before clipping.
        clipped_to: of the gradient the factors moved by.
        learning_rate: of the factors.
        validation: metrics of new learners trained on the summary after this step, where it was validated.
        seconds: since the start.
    """

    step: int
    learner: str
    start: int
    cross_entropy: float
    alignment: float
    norm: float
    clipped_to: float
    learning_rate: float
    validation: dict[str, float] | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Distilled:
    """A summary and how it came about.

    Attributes:
        summary: the best one by validation log-likelihood.
        start: the summary before the first outer step.
        best_step: outer step after which it stood; 0 if no step bettered the start.
        validation: metrics of the best one on the validation items.
        seconds: wall-clock time, validation included and the teacher's training not.
    """

    summary: Summary
    start: Summary
    best_step: int
    validation: dict[str, float]
    seconds: float


def distill_summary(
    dataset: Dataset,
    teacher: FittedToLog,
    config: DistillConfig,
    architectures: Sequence[LearnerConfig],
    *,
    seed: int,
    progress: Progress = SILENT,
    title: str = "distilling",
    record: Callable[[OuterStep], None] | None = None,
) -> Distilled:
    """Distil a log, on the device the teacher is on.

    Args:
        dataset: the log.
        teacher: gives the item factor, the states to align with and, by default, the start.
        config: of the summary and the optimisation.
        architectures: of the learners, at the teacher's width; each outer step draws one of them.
        seed: decides everything random.
        progress: where to report.
        title: of the report.
        record: gets every outer step.

    Raises:
        SeqDistillError: if the hypergradient stops being finite, or the settings do not fit together.
    """
    started = time.perf_counter()
    with progress.task(title, max(1, config.steps)) as task:
        return _Distillation(dataset, teacher, config, architectures, seed).run(started, task, record)


class _Distillation:
    """State of one run of the outer loop."""

    def __init__(
        self,
        dataset: Dataset,
        teacher: FittedToLog,
        config: DistillConfig,
        architectures: Sequence[LearnerConfig],
        seed: int,
    ) -> None:
        self.dataset, self.config, self.seed = dataset, config, seed
        self.item_factor = teacher.model.embedding.detach()
        self.rng = torch.Generator().manual_seed(derive_seed(seed, "distill"))
        self.factors = start_factors(dataset, teacher.model, config, derive_seed(seed, "start"))
        # A pool of 0 means new learners every time; else every architecture has at least one.
        pool_size = config.learner_pool and max(1, config.learner_pool // len(architectures))
        self.inner_loops = [
            build_inner_loop(architecture, teacher, config, pool_size=pool_size, rng=self.rng)
            for architecture in architectures
        ]
        window_rng = np.random.default_rng(derive_seed(seed, "outer"))
        self.batches = window_batches(dataset, config.length, config.outer_batch_size, window_rng)

    def run(self, started: float, task: Task, record: Callable[[OuterStep], None] | None) -> Distilled:
        """All outer steps."""
        config = self.config
        for factor in self.factors:
            factor.requires_grad_()
        optimiser = self._optimiser()
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, config.steps))
        start = self._summary()
        best, best_step, best_metrics = start, 0, self.validate(start)
        for step in range(1, config.steps + 1):
            rate = float(decay.get_last_lr()[-1])
            inner = self._whose_turn()
            age, outer, gradients = self.hypergradient(inner)
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
            if not math.isfinite(norm):
                raise SeqDistillError(
                    f"the hypergradient of outer step {step} is not finite (norm {norm}, seed {self.seed}); "
                    "lower distill.inner_learning_rate or distill.window"
                )
            scale = inner.clip.scale(norm)
            for factor, gradient in zip(self.factors, gradients, strict=True):
                factor.grad = gradient * scale
            optimiser.step()
            decay.step()
            validation = None
            if step % config.validate_every == 0 or step == config.steps:
                candidate = self._summary()
                validation = self.validate(candidate)
                if validation["log_likelihood"] > best_metrics["log_likelihood"]:
                    best, best_step, best_metrics = candidate, step, validation
            task.advance(f"outer loss {outer.cross_entropy:.3f}, validation NDCG@10 {best_metrics['ndcg@10']:.4f}")
            if record is not None:
                seconds = time.perf_counter() - started
                record(
                    OuterStep(
                        step,
                        inner.architecture.learner,
                        age,
                        outer.cross_entropy,
                        outer.alignment,
                        norm,
                        norm * scale,
                        rate,
                        validation,
                        seconds,
                    )
                )
        return Distilled(best, start, best_step, best_metrics, time.perf_counter() - started)

    def hypergradient(self, inner: InnerLoop) -> tuple[int, OuterLoss, tuple[Tensor, ...]]:
        """Age of the learner, outer loss, and its gradient with respect to each factor, for one outer step."""
        summary: Inputs = self.factors.query_pairs(self.config.targets)
        if self.config.inner_regime == "shared":
            summary = tuple(soft_embeddings(queries, self.item_factor, self.item_factor) for queries in summary)
        inputs: Inputs = tuple(part.detach() for part in summary)
        age, outer, bars = inner.hypergradient(inputs, next(self.batches), self.rng)
        return age, outer, torch.autograd.grad(summary, self.factors, bars)

    def validate(self, summary: Summary) -> dict[str, float]:
        """Validation metrics of new learners trained on a summary, averaged."""
        config = self.config
        schedule = Schedule(config.inner_learning_rate, config.inner_steps)
        rows: list[dict[str, float]] = []
        for inner in self.inner_loops:
            for index in range(config.validation_learners):
                model = fit_to_sequences(
                    summary.sequences(),
                    inner.architecture,
                    "shared",
                    schedule,
                    seed=derive_seed(self.seed, "validation", index),
                    length=config.length,
                    device=self.item_factor.device,
                )
                rows.append(summarise(rank_held_out(model, self.dataset, "validation", length=config.length)))
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _whose_turn(self) -> InnerLoop:
        if len(self.inner_loops) == 1:
            return self.inner_loops[0]
        return self.inner_loops[int(torch.randint(len(self.inner_loops), (), generator=self.rng))]

    def _optimiser(self) -> torch.optim.Adam:
        # The rate says how far an entry of H moves in a step. Under Adam an entry of a factor moves by its own rate
        # whatever the gradient, so U and T get theirs in proportion: all three change H alike, whatever their scales.
        core_scale = _rms(self.factors.core)
        groups = [
            {"params": [factor], "lr": self.config.learning_rate * min(1.0, _rms(factor) / core_scale)}
            for factor in self.factors
        ]
        return torch.optim.Adam(groups, weight_decay=self.config.weight_decay)

    def _summary(self) -> Summary:
        factors = Factors(*(f.detach().cpu().clone() for f in self.factors))
        return Summary(factors, self.item_factor.cpu(), self.dataset.item_ids, self.config.targets)


def start_factors(dataset: Dataset, teacher: Recommender, config: DistillConfig, seed: int) -> Factors:
    """Factors before the first outer step; see `start`."""
    item_factor = teacher.embedding.detach()
    rng = torch.Generator().manual_seed(seed)
    n, length, separate = config.num_sequences, config.length, config.targets == "separate"
    if config.start == "random":
        width = item_factor.shape[1] * (2 if separate else 1)
        return random_factors(n, length, width, config.ranks, item_factor, rng)
    items = start_sequences(dataset, teacher, config, rng)
    read = sharp_queries(items, item_factor, config.sharpness)
    if separate:
        with torch.no_grad():
            read = torch.cat([read, teacher(items)], dim=-1)
    return decompose(read, config.ranks)


def start_sequences(dataset: Dataset, teacher: Recommender, config: DistillConfig, rng: torch.Generator) -> Tensor:
    """Items of the sequences the factors start from, int64 [n, l]."""
    n, length = config.num_sequences, config.length
    if config.start == "real":
        return real_sequences(dataset, num_sequences=n, length=length, rng=rng).to(teacher.embedding.device)
    trained = dataset.training_ends > dataset.offsets[:-1]
    first = torch.from_numpy(dataset.items[dataset.offsets[:-1][trained]])
    return generate_sequences(teacher, first, num_sequences=n, length=length, repeats=dataset.has_repeats, rng=rng)


def _rms(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())
