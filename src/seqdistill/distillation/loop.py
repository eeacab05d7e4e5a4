"""The outer loop: from a teacher and a log to a summary."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqdistill.attention import soft_embeddings
from seqdistill.config import DistillConfig, LearnerConfig, Regime
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.batches import WindowBatches
from seqdistill.distillation.inner import Inputs
from seqdistill.distillation.inner_loop import InnerLoop, build_inner_loop
from seqdistill.distillation.outer import OuterLoss
from seqdistill.distillation.start import start_factors
from seqdistill.distillation.validation import Validation
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import SELECTION
from seqdistill.item_scale import rescaled, rounded_items, usual_scale
from seqdistill.learners.scale import rms
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import (
    KEEP_NOTHING,
    Keeper,
    Snapshot,
    fitting,
    optimiser_tensors,
    part_of,
    prefixed,
    restore_optimiser,
    resume,
    under,
    with_parts,
)
from seqdistill.seeding import derive_seed
from seqdistill.summary import Factors, Summary
from seqdistill.training import FittedToLog


class OuterStep(NamedTuple):
    """One line of `metrics.jsonl`.

    Attributes:
        step: 1-based; 0 for the start.
        learner: architecture whose turn it was.
        regime: of that learner; outer losses of different kinds of learners do not compare.
        start: s, age of the learner at the start of its window.
        cross_entropy: of the learner after the window, on real histories, nats.
        alignment: mean squared difference of its states to the teacher's.
        norm: of the hypergradient, before clipping.
        clipped_to: of the gradient the factors moved by.
        learning_rate: of the factors.
        validation: metrics of new learners trained on the summary after this step, where it was validated.
        seconds: since the start.
        skipped: whether the factors stayed where they were, because something was not finite.
    """

    step: int
    learner: str
    regime: Regime
    start: int
    cross_entropy: float
    alignment: float
    norm: float
    clipped_to: float
    learning_rate: float
    validation: dict[str, float] | None
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, eq=False)
class Distilled:
    """A summary and how it came about.

    Attributes:
        summary: the best one by validation NDCG@100.
        start: the summary before the first outer step.
        best_step: outer step after which it stood; 0 if no step bettered the start.
        validation: metrics of the best one on the validation items.
        seconds: wall-clock time, validation included and the teacher's training not.
        skips: outer steps left out because something was not finite.
    """

    summary: Summary
    start: Summary
    best_step: int
    validation: dict[str, float]
    seconds: float
    skips: int = 0


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
    keeper: Keeper = KEEP_NOTHING,
) -> Distilled:
    """Distil a log, on the device the teacher is on.

    Args:
        dataset: the log.
        teacher: gives the item factor and, by default, the start and what learners are to predict.
        config: of the summary and the optimisation.
        architectures: of the learners, at the teacher's width; each outer step draws one of them, and a regime.
        seed: decides everything random.
        progress: where to report.
        title: of the report.
        record: gets every outer step.
        keeper: gets the state after every outer step.

    Raises:
        SeqDistillError: if a hypergradient is not finite and may not be skipped, or the settings do not fit together.
    """
    kept = keeper.kept()
    if kept is not None and kept.finished:
        with fitting():
            return _restored(kept, dataset, teacher, config)
    with Validation(dataset, config, architectures, seed=seed, device=teacher.model.embedding.device) as validation:
        run = Distillation(dataset, teacher, config, architectures, seed, keeper, validation)
        if kept is None:
            run.begin()
        else:
            resume(run, kept)
        with progress.task(title, max(1, config.steps), done=run.step) as task:
            while not run.finished:
                line = run.advance()
                best = run.best_metrics["ndcg@10"]
                task.advance(f"outer loss {line.cross_entropy:.3f}, validation NDCG@10 {best:.4f}")
                if record is not None:
                    record(line)
                keeper.offer(run.state)
    distilled = run.outcome()
    keeper.finish(_outcome(distilled))
    return distilled


class Distillation:
    """One run of the outer loop under way; see `distill_summary` for the arguments, and `Validation`."""

    def __init__(
        self,
        dataset: Dataset,
        teacher: FittedToLog,
        config: DistillConfig,
        architectures: Sequence[LearnerConfig],
        seed: int,
        keeper: Keeper,
        validation: Validation,
    ) -> None:
        self.started = time.perf_counter()
        self.dataset, self.config, self.seed, self.keeper = dataset, config, seed, keeper
        self.validation = validation
        teacher = as_summary_holds(teacher, config)
        self.item_factor = teacher.model.embedding.detach()
        self.rng = torch.Generator().manual_seed(derive_seed(seed, "distill"))
        # A pool of 0 means new learners every time; else every kind has at least one.
        pool_size = config.learner_pool and max(1, config.learner_pool // (len(architectures) * len(config.regimes)))
        self.inner_loops = [
            build_inner_loop(architecture, regime, teacher, config, pool_size=pool_size, rng=self.rng)
            for architecture in architectures
            for regime in config.regimes
        ]
        window_rng = np.random.default_rng(derive_seed(seed, "outer"))
        self.batches = WindowBatches(dataset, config.length, config.outer_batch_size, window_rng)
        kept = keeper.kept()
        if kept is None:
            factors = start_factors(dataset, teacher.model, config, derive_seed(seed, "start"))
        else:
            with fitting():
                factors = Factors(*(f.to(self.item_factor.device) for f in _factors(kept, "start")))
        # One layout in memory whatever they came from: sums of floats depend on it.
        self.factors = Factors(*(factor.contiguous() for factor in factors))
        for factor in self.factors:
            factor.requires_grad_()
        self.optimiser = self._optimiser()
        self.decay = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, max(1, config.steps))
        self.start = self.best = self._summary()
        self.step, self.best_step, self.skips = 0, 0, 0
        self.best_metrics = dict[str, float]()

    def begin(self) -> None:
        """What the outer steps have to better."""
        self.best_metrics = self.validation.of(self.start)

    def advance(self) -> OuterStep:
        """An outer step."""
        config = self.config
        step = self.step + 1
        rate = float(self.decay.get_last_lr()[-1])
        inner = self._whose_turn()
        age, outer, gradients = self.hypergradient(inner)
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        if math.isfinite(norm) and math.isfinite(outer.cross_entropy):
            scale = inner.clip.scale(norm)
            for factor, gradient in zip(self.factors, gradients, strict=True):
                factor.grad = gradient * scale
            self.optimiser.step()
            self.decay.step()
        else:
            self._skip(step, norm, outer.cross_entropy)
            inner.pool.discard()
            scale = 0.0
        self.step = step
        validation = None
        if step % config.validate_every == 0 or step == config.steps:
            candidate = self._summary()
            validation = self.validation.of(candidate)
            if validation[SELECTION] > self.best_metrics[SELECTION]:
                self.best, self.best_step, self.best_metrics = candidate, step, validation
        return OuterStep(
            step,
            inner.architecture.learner,
            inner.regime,
            age,
            outer.cross_entropy,
            outer.alignment,
            norm,
            norm * scale if scale else 0.0,
            rate,
            validation,
            self._seconds(),
            skipped=scale == 0.0,
        )

    @property
    def finished(self) -> bool:
        """Whether the last step or the end of the patience is reached."""
        config = self.config
        return self.step >= min(config.steps, self.best_step + config.patience * config.validate_every)

    def outcome(self) -> Distilled:
        """The best summary, once it is finished."""
        return Distilled(self.best, self.start, self.best_step, self.best_metrics, self._seconds(), self.skips)

    def state(self) -> Snapshot:
        """See `Resumable.state`."""
        now = Factors(*(factor.detach() for factor in self.factors))
        tensors = {
            "random": self.rng.get_state(),
            **prefixed("adam", optimiser_tensors(self.optimiser)),
            **prefixed("factors", now._asdict()),
            **prefixed("start", self.start.factors._asdict()),
        }
        if self.best is not self.start:
            tensors |= prefixed("best", self.best.factors._asdict())
        whole = Snapshot(
            tensors,
            {
                "step": self.step,
                "best_step": self.best_step,
                "best_metrics": self.best_metrics,
                "skips": self.skips,
                "batches": self.batches.state(),
                "decay": self.decay.state_dict(),
                "rates": [group["lr"] for group in self.optimiser.param_groups],
                "seconds": self._seconds(),
            },
            f"outer step {self.step}",
            self.best_metrics[SELECTION],
        )
        return with_parts(whole, {f"learners {index}": inner.state() for index, inner in enumerate(self.inner_loops)})

    def restore(self, kept: Snapshot) -> None:
        """See `Resumable.restore`; the start has been taken from there when this was made."""
        tensors, values = kept.tensors, kept.values
        self.rng.set_state(tensors["random"])
        restore_optimiser(self.optimiser, under(tensors, "adam"))
        with torch.no_grad():
            for factor, stored in zip(self.factors, _factors(kept, "factors"), strict=True):
                factor.copy_(stored)
        self.decay.load_state_dict(values["decay"])
        for group, rate in zip(self.optimiser.param_groups, values["rates"], strict=True):
            group["lr"] = rate
        self.batches.restore(values["batches"])
        for index, inner in enumerate(self.inner_loops):
            inner.restore(part_of(kept, f"learners {index}"))
        self.step, self.best_step, self.skips = values["step"], values["best_step"], values["skips"]
        self.best_metrics = values["best_metrics"]
        if self.best_step > 0:
            self.best = dataclasses.replace(self.start, factors=_factors(kept, "best"))
        self.started -= values["seconds"]

    def hypergradient(self, inner: InnerLoop) -> tuple[int, OuterLoss, tuple[Tensor, ...]]:
        """Age of the learner, outer loss, and its gradient with respect to each factor, for one outer step."""
        summary = self.inner_inputs(inner.regime)
        inputs: Inputs = tuple(part.detach() for part in summary)
        age, outer, bars = inner.hypergradient(inputs, next(self.batches), self.rng)
        return age, outer, torch.autograd.grad(summary, self.factors, bars)

    def inner_inputs(self, regime: Regime) -> Inputs:
        """The summary as the inner objective of a regime reads it, with the graph back to the factors."""
        summary: Inputs = self.factors.query_pairs(self.config.targets)
        if regime == "shared":
            summary = tuple(soft_embeddings(queries, self.item_factor, self.item_factor) for queries in summary)
        return summary

    def _skip(self, step: int, norm: float, loss: float) -> None:
        """Count a step that must not be taken.

        Raises:
            SeqDistillError: if none may be skipped, or no more.
        """
        config = self.config
        told = (
            f"outer step {step} is not finite (hypergradient norm {norm}, outer loss {loss}, seed {self.seed}); "
            f"{self.keeper.last()}; "
        )
        remedy = "lower distill.inner_learning_rate or distill.window"
        if config.on_nonfinite == "stop":
            raise SeqDistillError(f"{told}{remedy}, or leave such steps out: --on-nonfinite skip")
        self.skips += 1
        if self.skips > config.max_skips:
            raise SeqDistillError(
                f"{told}{self.skips - 1} such steps were skipped, which is all that distill.max_skips allows; {remedy}"
            )

    def _seconds(self) -> float:
        return time.perf_counter() - self.started

    def _whose_turn(self) -> InnerLoop:
        if len(self.inner_loops) == 1:
            return self.inner_loops[0]
        return self.inner_loops[int(torch.randint(len(self.inner_loops), (), generator=self.rng))]

    def _optimiser(self) -> torch.optim.Adam:
        # The rate says how far an entry of H moves in a step. Under Adam an entry of a factor moves by its own rate
        # whatever the gradient, so U and T get theirs in proportion: all three change H alike, whatever their scales.
        core_scale = rms(self.factors.core)
        groups = [
            {"params": [factor], "lr": self.config.learning_rate * min(1.0, rms(factor) / core_scale)}
            for factor in self.factors
        ]
        return torch.optim.Adam(groups, weight_decay=self.config.weight_decay)

    def _summary(self) -> Summary:
        factors = Factors(*(f.detach().cpu().clone() for f in self.factors))
        if self.config.precision == "int8":
            factors = factors.rounded(self.config.targets)
        return Summary(factors, self.item_factor.cpu(), self.dataset.item_ids, self.config.targets)


def as_summary_holds(teacher: FittedToLog, config: DistillConfig) -> FittedToLog:
    """The teacher, its item embedding at the scale and precision that the settings want of an item factor."""
    model = teacher.model
    # Where learners start from early parameters of the teacher, these know its own scale.
    if config.item_scale == "auto" and config.learner_start != "teacher":
        model = rescaled(model, usual_scale(model.embedding))
    if config.precision == "int8":
        model = rounded_items(model)
    return dataclasses.replace(teacher, model=model)


def _outcome(distilled: Distilled) -> Snapshot:
    tensors = prefixed("start", distilled.start.factors._asdict())
    if distilled.summary is not distilled.start:
        tensors |= prefixed("best", distilled.summary.factors._asdict())
    values = {
        "finished": True,
        "best_step": distilled.best_step,
        "validation": distilled.validation,
        "seconds": distilled.seconds,
        "skips": distilled.skips,
    }
    return Snapshot(tensors, values, "done", distilled.validation[SELECTION])


def _restored(kept: Snapshot, dataset: Dataset, teacher: FittedToLog, config: DistillConfig) -> Distilled:
    values = kept.values
    item_factor = as_summary_holds(teacher, config).model.embedding.detach().cpu()
    start = Summary(_factors(kept, "start"), item_factor, dataset.item_ids, config.targets)
    best = dataclasses.replace(start, factors=_factors(kept, "best")) if values["best_step"] > 0 else start
    return Distilled(best, start, values["best_step"], values["validation"], values["seconds"], values["skips"])


def _factors(kept: Snapshot, name: str) -> Factors:
    return Factors(**under(kept.tensors, name))
