"""The inner loop of one kind of learner: they train on the summary, and here is what the outer loop asks of them.

A summary can be distilled with several architectures in turn, in one regime or both; each kind of learner then has an
inner loop of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from seqdistill.config import DistillConfig, LearnerConfig, Regime
from seqdistill.distillation.adam import AdamRule
from seqdistill.distillation.compiled import compile_step
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.inner import InnerObjective, Inputs
from seqdistill.distillation.outer import OuterLoss, OuterObjective
from seqdistill.distillation.pool import Aged, LearnerPool, initialiser
from seqdistill.distillation.replay import replay, run_window
from seqdistill.distillation.step import InnerStep, Step
from seqdistill.errors import SeqDistillError
from seqdistill.learners import build_learner
from seqdistill.learners.paces import pace_vector
from seqdistill.learners.scale import at_its_scale
from seqdistill.resuming import Snapshot
from seqdistill.training import FittedToLog
from seqdistill.views import sequences_a_move

NORM_MEMORY = 0.95
"""Decay of the running mean of the hypergradient norm."""


@dataclass
class RunningClip:
    """Bounds norms by a multiple of their running mean.

    Attributes:
        factor: the multiple.
        mean: of the norms so far, as clipped; 0 before the first.
    """

    factor: float
    mean: float = 0.0

    def scale(self, norm: float) -> float:
        """What to multiply a gradient of this norm with."""
        scale = 1.0 if self.mean == 0.0 else min(1.0, self.factor * self.mean / max(norm, 1e-30))
        # What is clipped enters the mean as clipped: one outlier must not lift the bound for those after it.
        clipped = norm * scale
        self.mean = clipped if self.mean == 0.0 else NORM_MEMORY * self.mean + (1 - NORM_MEMORY) * clipped
        return scale


class Pulled(NamedTuple):
    """What an outer step learns from the inner loop.

    Attributes:
        age: of the learner at the start of its window.
        outer: its loss on real sequences after the window.
        bars: hypergradient with respect to the inputs.
    """

    age: int
    outer: OuterLoss
    bars: Inputs


@dataclass(frozen=True, eq=False)
class InnerLoop:
    """Learners of one architecture in one regime.

    Attributes:
        architecture: of the learners.
        regime: of the learners.
        objective: what they train on.
        step: of their training.
        pool: the learners.
        outer: what the outer loop wants of them.
        window: W.
        memory: bytes that a window may hold.
        clip: of the hypergradients from here; learners of other kinds differ in their norms.
    """

    architecture: LearnerConfig
    regime: Regime
    objective: InnerObjective
    step: Step
    pool: LearnerPool
    outer: OuterObjective
    window: int
    memory: int
    clip: RunningClip = field(default_factory=lambda: RunningClip(math.inf))

    def hypergradient(self, inputs: Inputs, batch: Tensor, rng: torch.Generator) -> Pulled:
        """Train a learner through a window on the summary, and differentiate its outer loss.

        Args:
            inputs: the summary as the inner objective reads it, detached.
            batch: windows of the log.
            rng: on the CPU.
        """
        state, age = self.pool.take(inputs)
        draws = [self.objective.draw(rng) for _ in range(self.window)]
        state, window = run_window(self.step, state, draws, inputs, first_step=age + 1, memory=self.memory)
        outer = self.outer.evaluate(state.theta, batch, rng)
        self.pool.give_back(Aged(state, age + self.window))
        # Of a large catalogue's embedding, the walk back has no room for states that nobody needs.
        del state
        bars = replay(self.step, window, inputs, outer.theta_bar)
        return Pulled(age, outer, bars)

    def state(self) -> Snapshot:
        """Learners and clip; see `resuming.Resumable`."""
        pool = self.pool.state()
        return Snapshot(pool.tensors, {**pool.values, "clip_mean": self.clip.mean})

    def restore(self, kept: Snapshot) -> None:
        """See `resuming.Resumable`."""
        self.pool.restore(kept)
        self.clip.mean = float(kept.values["clip_mean"])


def build_inner_loop(
    architecture: LearnerConfig,
    regime: Regime,
    teacher: FittedToLog,
    config: DistillConfig,
    *,
    pool_size: int,
    rng: torch.Generator,
) -> InnerLoop:
    """The inner loop of an architecture, at the width and on the device of the teacher's item embedding.

    Args:
        architecture: of the learners.
        regime: of the learners.
        teacher: gives the item factor, and what learners are to predict or align with.
        config: of the inner loop.
        pool_size: learners kept; see `LearnerPool`.
        rng: on the CPU.

    Raises:
        SeqDistillError: if the settings do not fit together.
    """
    item_factor = teacher.model.embedding.detach()
    learner = build_learner(architecture, dim=item_factor.shape[1], length=config.length).to(item_factor.device)
    paces: Tensor | None = None
    # A teacher's checkpoint knows the scale of its own items, and its states have grown.
    if regime == "shared" and config.learner_start == "random":
        learner = at_its_scale(learner, item_factor)
        paces = pace_vector(learner, regime)
    model = FlatRecommender(learner, item_factor, regime)
    positions = config.length - (config.targets == "tied")
    objective = InnerObjective(
        model,
        num_sequences=config.n,
        positions=positions,
        batch_size=min(config.inner_batch_size or sequences_a_move(learner, regime, positions) or config.n, config.n),
        cuts=config.cuts,
    )
    rule = AdamRule(config.inner_learning_rate, weight_decay=config.inner_weight_decay, paces=paces)
    step = compile_step(InnerStep(objective, rule), steps=config.least_steps * config.window, wish=config.compile)
    starts: Sequence[Tensor] = _teachers_past(model, teacher) if config.learner_start == "teacher" else ()
    pool = LearnerPool(
        pool_size,
        initialiser(model.draw, starts, rng),
        objective.draw,
        step,
        inner_steps=config.inner_steps,
        window=config.window,
        rng=rng,
        device=item_factor.device,
    )
    outer = OuterObjective(model, teacher.model, config.alignment_weight, config.outer_targets)
    clip = RunningClip(config.clip)
    return InnerLoop(architecture, regime, objective, step, pool, outer, config.window, config.memory, clip)


def _teachers_past(model: FlatRecommender, teacher: FittedToLog) -> Sequence[Tensor]:
    early = [state for epoch, state in teacher.checkpoints.items() if epoch <= teacher.best_epoch]
    if not early:
        raise SeqDistillError("distill.learner_start = teacher, but the teacher kept no checkpoint; see keep_epochs")
    try:
        return [model.flatten(state).to(model.item_factor.device) for state in early]
    except KeyError as error:
        raise SeqDistillError(
            "distill.learner_start = teacher needs a learner of the teacher's architecture; "
            "make [train] and [teacher] agree or start learners at random"
        ) from error
