"""The outer loop: from a teacher and a log to a summary."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqdistill.attention import soft_embeddings
from seqdistill.config import DistillConfig, LearnerConfig
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.adam import AdamRule
from seqdistill.distillation.compiled import compile_step
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.inner import InnerObjective, Inputs
from seqdistill.distillation.outer import OuterLoss, OuterObjective, window_batches
from seqdistill.distillation.pool import Aged, LearnerPool, initialiser
from seqdistill.distillation.replay import replay, run_window
from seqdistill.distillation.start import (
    decompose,
    generate_sequences,
    random_factors,
    real_sequences,
    sharp_queries,
)
from seqdistill.distillation.step import InnerStep, Step
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.learners import Recommender, build_learner
from seqdistill.progress import SILENT, Progress, Task
from seqdistill.seeding import derive_seed
from seqdistill.summary import Factors, Schedule, Summary
from seqdistill.training import FittedToLog, fit_to_sequences

NORM_MEMORY = 0.95
"""Decay of the running mean of the hypergradient norm."""


class OuterStep(NamedTuple):
    """One line of `metrics.jsonl`.

    Attributes:
        step: 1-based; 0 for the start.
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
    architecture: LearnerConfig,
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
        architecture: of the learners, at the teacher's width.
        seed: decides everything random.
        progress: where to report.
        title: of the report.
        record: gets every outer step.

    Raises:
        SeqDistillError: if the hypergradient stops being finite, or the settings do not fit together.
    """
    started = time.perf_counter()
    with progress.task(title, max(1, config.steps)) as task:
        return _Distillation(dataset, teacher, config, architecture, seed).run(started, task, record)


class _Distillation:
    """State of one run of the outer loop."""

    def __init__(
        self,
        dataset: Dataset,
        teacher: FittedToLog,
        config: DistillConfig,
        architecture: LearnerConfig,
        seed: int,
    ) -> None:
        self.dataset, self.config, self.architecture, self.seed = dataset, config, architecture, seed
        self.item_factor = teacher.model.embedding.detach()
        self.rng = torch.Generator().manual_seed(derive_seed(seed, "distill"))
        self.factors = start_factors(dataset, teacher.model, config, derive_seed(seed, "start"))
        learner = build_learner(architecture, dim=self.item_factor.shape[1], length=config.length)
        model = FlatRecommender(learner.to(self.item_factor.device), self.item_factor, config.inner_regime)
        objective = InnerObjective(
            model,
            num_sequences=config.num_sequences,
            positions=config.length - (config.targets == "tied"),
            batch_size=min(config.inner_batch_size or config.num_sequences, config.num_sequences),
            cuts=config.cuts,
        )
        self.objective = objective
        rule = AdamRule(config.inner_learning_rate, weight_decay=config.inner_weight_decay)
        self.step: Step = compile_step(
            InnerStep(objective, rule), steps=config.steps * config.window, wish=config.compile
        )
        self.pool = LearnerPool(
            config.learner_pool,
            initialiser(model.draw, self._learner_starts(model, teacher), self.rng),
            objective.draw,
            self.step,
            inner_steps=config.inner_steps,
            window=config.window,
            rng=self.rng,
        )
        self.outer = OuterObjective(model, teacher.model, config.alignment_weight)
        window_rng = np.random.default_rng(derive_seed(seed, "outer"))
        self.batches = window_batches(dataset, config.length, config.outer_batch_size, window_rng)
        self.mean_norm = 0.0

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
            age, outer, gradients = self.hypergradient()
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
            if not math.isfinite(norm):
                raise SeqDistillError(
                    f"the hypergradient of outer step {step} is not finite (norm {norm}, seed {self.seed}); "
                    "lower distill.inner_learning_rate or distill.window"
                )
            scale = self._clip(norm)
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
                        step, age, outer.cross_entropy, outer.alignment, norm, norm * scale, rate, validation, seconds
                    )
                )
        return Distilled(best, start, best_step, best_metrics, time.perf_counter() - started)

    def hypergradient(self) -> tuple[int, OuterLoss, tuple[Tensor, ...]]:
        """Age of the learner, outer loss, and its gradient with respect to each factor, for one outer step."""
        config = self.config
        summary: Inputs = self.factors.query_pairs(config.targets)
        if config.inner_regime == "shared":
            summary = tuple(soft_embeddings(queries, self.item_factor, self.item_factor) for queries in summary)
        inputs: Inputs = tuple(part.detach() for part in summary)
        aged = self.pool.take(inputs)
        draws = [self.objective.draw(self.rng) for _ in range(config.window)]
        window = run_window(self.step, aged.state, draws, inputs, first_step=aged.age + 1, max_bytes=config.memory // 2)
        outer = self.outer.evaluate(window.end.theta, next(self.batches))
        input_bars = replay(self.step, window, inputs, outer.theta_bar)
        self.pool.give_back(Aged(window.end, aged.age + config.window))
        return aged.age, outer, torch.autograd.grad(summary, self.factors, input_bars)

    def validate(self, summary: Summary) -> dict[str, float]:
        """Validation metrics of new learners trained on a summary, averaged."""
        config = self.config
        schedule = Schedule(config.inner_learning_rate, config.inner_steps)
        rows: list[dict[str, float]] = []
        for index in range(config.validation_learners):
            model = fit_to_sequences(
                summary.sequences(),
                self.architecture,
                "shared",
                schedule,
                seed=derive_seed(self.seed, "validation", index),
                length=config.length,
                device=self.item_factor.device,
            )
            rows.append(summarise(rank_held_out(model, self.dataset, "validation", length=config.length)))
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _optimiser(self) -> torch.optim.Adam:
        # The rate says how far an entry of H moves in a step. Under Adam an entry of a factor moves by its own rate
        # whatever the gradient, so U and T get theirs in proportion: all three change H alike, whatever their scales.
        core_scale = _rms(self.factors.core)
        groups = [
            {"params": [factor], "lr": self.config.learning_rate * min(1.0, _rms(factor) / core_scale)}
            for factor in self.factors
        ]
        return torch.optim.Adam(groups, weight_decay=self.config.weight_decay)

    def _clip(self, norm: float) -> float:
        """Factor that brings a norm to at most `clip` times its running mean."""
        scale = 1.0 if self.mean_norm == 0.0 else min(1.0, self.config.clip * self.mean_norm / max(norm, 1e-30))
        # What is clipped enters the mean as clipped: one outlier must not lift the bound for those after it.
        clipped = norm * scale
        self.mean_norm = (
            clipped if self.mean_norm == 0.0 else NORM_MEMORY * self.mean_norm + (1 - NORM_MEMORY) * clipped
        )
        return scale

    def _learner_starts(self, model: FlatRecommender, teacher: FittedToLog) -> list[Tensor]:
        if self.config.learner_start == "random":
            return []
        early = [state for epoch, state in teacher.checkpoints.items() if epoch <= teacher.best_epoch]
        if not early:
            raise SeqDistillError(
                "distill.learner_start = teacher, but the teacher kept no checkpoint; see keep_epochs"
            )
        try:
            return [model.flatten(state).to(self.item_factor.device) for state in early]
        except KeyError as error:
            raise SeqDistillError(
                "distill.learner_start = teacher needs a learner of the teacher's architecture; "
                "make [train] and [teacher] agree or start learners at random"
            ) from error

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
