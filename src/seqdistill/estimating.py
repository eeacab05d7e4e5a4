"""What a distillation will take, told before it begins.

Everything a run repeats is done a few times on the real log and timed: batches of the teacher, a ranking, outer steps,
warm-up steps, training steps on the summary in both regimes. The rest is counting, with one exception. When a training
will stop early cannot be known, so there are two figures: what is expected, and what it is at most.
"""

import copy
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch

from seqdistill import memory
from seqdistill.config import OPTIMISERS, REGIMES, Config, DistillConfig, LearnerConfig, Regime, TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.inner_loop import InnerLoop
from seqdistill.distillation.loop import Distillation
from seqdistill.distillation.pool import RUNS
from seqdistill.distillation.replay import warm_up
from seqdistill.distillation.validation import Validation
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.evaluation.short import CONTROLS, rows_of_table
from seqdistill.evaluation.table import SEARCH_LEARNERS, ways_to_train
from seqdistill.json_values import Json
from seqdistill.learners import Recommender, build_learner
from seqdistill.members import processes_for, time_taken
from seqdistill.progress import Progress, Task
from seqdistill.resuming import KEEP_NOTHING
from seqdistill.seeding import derive_seed, seeded
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.training import Epoch, FittedToLog, epochs_for
from seqdistill.workers import computing_on

LEAST_SECONDS = 2.0
"""What is repeated is timed for at least so long, or so often as it is done in the run."""

MOST_REPEATS = 20

USED_EPOCHS = 0.9
"""Share of its epochs that a training on a log usually takes before its patience ends."""

USED_PATIENCE = 1.5
"""Outer steps that a distillation usually takes, as a multiple of those that it takes at least."""

CONTROLS_SHARE, SUMMARIES_SHARE = 0.3, 0.6
"""How much of the longest training the learners of an evaluation usually get: on hard sequences and on soft targets."""

SELECTION_SHARES = {False: 0.4, True: 1.0}
"""The same of the search for their schedule, which gives up once the score has fallen."""


@dataclass(frozen=True)
class Cost:
    """Of one part of a run.

    Attributes:
        part: its name.
        seconds: expected.
        at_most: seconds, if nothing stops early.
    """

    part: str
    seconds: float
    at_most: float


@dataclass(frozen=True)
class Estimate:
    """Of a run.

    Attributes:
        costs: by part, in order.
        epochs: of a training on the log, at most.
        memory_bytes: the most the process holds at a time.
        free_bytes: what it could get, what it holds already included.
    """

    costs: tuple[Cost, ...]
    epochs: int
    memory_bytes: int
    free_bytes: int

    @property
    def seconds(self) -> float:
        """Expected, in all."""
        return sum(cost.seconds for cost in self.costs)

    @property
    def at_most(self) -> float:
        """Seconds, if nothing stops early."""
        return sum(cost.at_most for cost in self.costs)

    def as_json(self) -> Json:
        """As JSON values."""
        return {**asdict(self), "seconds": self.seconds, "at_most": self.at_most}


def estimate_run(
    dataset: Dataset,
    config: Config,
    papers: DistillConfig | None,
    *,
    teacher: bool,
    evaluation: bool,
    device: torch.device,
    progress: Progress,
) -> Estimate:
    """Try a little of everything.

    Args:
        dataset: the log.
        config: all settings.
        papers: settings of a second summary, distilled as the paper does.
        teacher: whether the teacher is to be trained, and not taken over from another run.
        evaluation: whether the summary is evaluated; if not, only its schedules are chosen.
        device: where to train.
        progress: where to report.
    """
    with progress.task("trying a little of everything", 3 + (papers is not None)) as task:
        trial = _Trial(dataset, config, device)
        on_log, epochs = trial.training_on_log(config.teacher)
        task.advance()
        costs = [trial.teacher(on_log)] if teacher else []
        for name, settings in (("distilling", config.distill), ("distilling as the paper", papers)):
            if settings is not None:
                costs.append(trial.distilling(name, settings))
                task.advance()
        costs.append(
            trial.evaluation(on_log, with_papers=papers is not None, task=task)
            if evaluation
            else trial.schedules(task=task)
        )
    free = memory.free(device) + (0 if device.type == "cuda" else memory.held())
    return Estimate(tuple(costs), epochs, trial.peak_memory(), free)


class _Trial:
    """Times parts of a run; the model trained a little for the first stands in for the teacher in the others."""

    def __init__(self, dataset: Dataset, config: Config, device: torch.device) -> None:
        self._dataset, self._config, self._device = dataset, config, device
        self._length = config.distill.length
        self._model = self._untrained(config.teacher)
        self._pool_bytes = 0
        self._start: Summary | None = None
        self._rankings: dict[str, float] = {}

    def teacher(self, on_log: Cost) -> Cost:
        """The teacher and those it learns from."""
        config = self._config.teacher
        count = config.members_for(self._dataset.num_interactions, self._dataset.num_items)
        if count == 1:
            return replace(on_log, part="teacher")
        tried = config.of_trials(count)
        # Which architectures rank well is not known before: all of them, here.
        good = {one.learner: one for one in tried}
        more = config.of_more(count, list(good.values()))
        models, costs = {config.learner: self._model}, {config.learner: on_log}
        with computing_on(torch.get_num_threads() // processes_for(len(tried), config, self._device)):
            for name in [name for name in good if name not in models]:
                models[name] = self._untrained(good[name])
                costs[name], _ = self.training_on_log(good[name], model=models[name])
        guides = [models[one.learner] for one in (*good.values(), *more)]
        student, _ = self.training_on_log(config.of_student(), copy.deepcopy(guides))

        def taken(seconds_of: Callable[[Cost], float]) -> float:
            return sum(
                time_taken(
                    [seconds_of(costs[one.learner]) for one in members],
                    processes_for(len(members), config, self._device),
                )
                for members in (tried, more)
            )

        return Cost(
            "teacher",
            taken(lambda cost: cost.seconds) + student.seconds,
            taken(lambda cost: cost.at_most) + student.at_most,
        )

    def _untrained(self, config: TeacherConfig) -> Recommender:
        with seeded(derive_seed(self._config.seed, "trial"), self._device):
            learner = build_learner(config, dim=config.dim, length=self._length, dropout=config.dropout)
            return Recommender.fresh(learner, self._dataset.num_items).to(self._device)

    def training_on_log(
        self, config: TeacherConfig, guides: Sequence[Recommender] = (), *, model: Recommender | None = None
    ) -> tuple[Cost, int]:
        """One training on the log, and how many epochs it takes at most."""
        model = self._model if model is None else model
        optimiser = torch.optim.Adam(model.parameters(), lr=config.rate, fused=True)
        with seeded(derive_seed(self._config.seed, "trial"), self._device):
            rng = np.random.default_rng(self._config.seed)
            epoch = Epoch(model, self._dataset, config, length=self._length, rng=rng, guides=guides)
            # The same ones again where an epoch has few.
            batches = itertools.cycle(epoch.batches)
            epoch.step(optimiser, next(batches))
            batch = self._timed(lambda: epoch.step(optimiser, next(batches)), len(epoch.batches))
        model.eval()
        seconds = len(epoch.batches) * batch + self._ranking("validation")
        epochs = epochs_for(self._dataset, config, self._length)
        return Cost("", USED_EPOCHS * epochs * seconds, epochs * seconds), epochs

    def distilling(self, name: str, settings: DistillConfig) -> Cost:
        """All outer steps and validations."""
        config, architectures = self._config, self._config.distilling()
        teacher = FittedToLog(self._model, 1, {}, 0.0, {1: self._model.learner.state_dict()})
        began = time.perf_counter()
        # A pool of one, whose learner begins anew at every window, has none to warm up.
        alone = settings.model_copy(update={"learner_pool": 1, "inner_steps": settings.window})
        with Validation(self._dataset, alone, architectures, seed=config.seed, device=self._device) as validation:
            run = Distillation(self._dataset, teacher, alone, architectures, config.seed, KEEP_NOTHING, validation)
        seconds, loops = time.perf_counter() - began, len(run.inner_loops)
        self._start = self._start or run.start
        validated = self._validated(run.start, settings, architectures)
        validations = 1 + math.ceil(settings.steps / settings.validate_every)
        steps = 0.0
        for inner in run.inner_loops:
            run.hypergradient(inner)
            steps += self._timed(lambda inner=inner: run.hypergradient(inner), max(2, settings.steps // loops)) / loops
            steps += self._warming_up(run, inner, settings, loops)
        usual = min(1.0, USED_PATIENCE * settings.least_steps / max(1, settings.steps))
        outer = validations * validated + settings.steps * steps
        one_of_each = sum(
            t.numel() * t.element_size()
            for inner in run.inner_loops
            for t in AdamState.start(inner.objective.model.draw(run.rng))
        )
        self._pool_bytes = max(self._pool_bytes, max(0, settings.learner_pool // loops - 1) * one_of_each)
        return Cost(name, seconds + usual * outer, seconds + outer)

    def _validated(self, start: Summary, settings: DistillConfig, architectures: Sequence[LearnerConfig]) -> float:
        """Seconds of a validation of a summary: learners that train side by side, each ranked in the end."""
        kinds = list(itertools.product(settings.regimes, architectures))
        counts = [settings.validation_learners * len(OPTIMISERS[regime]) for regime, _ in kinds]
        together = min(processes_for(sum(counts), one, self._device) for one in architectures)
        with computing_on(torch.get_num_threads() // together):
            steps = [self._step_on_sequences(start, one, regime) for regime, one in kinds]
        seconds = [
            settings.inner_steps * step + self._ranking("validation")
            for step, count in zip(steps, counts, strict=True)
            for _ in range(count)
        ]
        return time_taken(seconds, together)

    def schedules(self, *, task: Task) -> Cost:
        """The search for the schedules of the summary."""
        validation = self._ranking("validation")
        seconds = sum(self._search(regime, self._training_step(regime), validation) for regime in REGIMES)
        task.advance()
        return Cost("schedules", seconds, seconds)

    def evaluation(self, on_log: Cost, *, with_papers: bool, task: Task) -> Cost:
        """All rows of the short evaluation."""
        evaluate, train = self._config.evaluate, self._config.train
        validation, test = self._ranking("validation"), self._ranking("test")
        searches = len(evaluate.candidate_rates) if self._config.teacher.learning_rate == "auto" else 0
        turns = sum(
            math.ceil(count / processes_for(count, train, self._device))
            for count in (searches, evaluate.seeds)
            if count
        )
        seconds, at_most = (turns * cost + evaluate.seeds * test for cost in (on_log.seconds, on_log.at_most))
        rows = rows_of_table(with_paper=with_papers)
        together = processes_for(len(rows), train, self._device)
        with computing_on(torch.get_num_threads() // together):
            steps = {regime: self._training_step(regime) for regime in REGIMES}
        expected: list[float] = []
        longest: list[float] = []
        for name, regime in rows:
            is_soft = name not in CONTROLS
            search = self._search(regime, steps[regime], validation)
            learners = evaluate.seeds * max(evaluate.candidate_steps) * steps[regime]
            share = SUMMARIES_SHARE if is_soft else CONTROLS_SHARE
            expected.append(SELECTION_SHARES[is_soft] * search + share * learners + evaluate.seeds * test)
            longest.append(search + learners + evaluate.seeds * test)
        task.advance()
        # Those that take longest go first.
        seconds += time_taken(sorted(expected, reverse=True), together)
        at_most += time_taken(sorted(longest, reverse=True), together)
        return Cost("evaluation", seconds, at_most)

    def _search(self, regime: Regime, step: float, validation: float) -> float:
        """Seconds of the search for a schedule, at most, given those of a training step and of a validation."""
        evaluate = self._config.evaluate
        once = max(evaluate.candidate_steps) * step + len(evaluate.candidate_steps) * validation
        return len(ways_to_train(evaluate, regime)) * SEARCH_LEARNERS * once

    def peak_memory(self) -> int:
        """The most held so far, and what a whole pool of learners adds to it."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) + self._pool_bytes
        return memory.peak() + self._pool_bytes

    def _warming_up(self, run: Distillation, inner: InnerLoop, settings: DistillConfig, loops: int) -> float:
        """Seconds of warming learners up, per outer step."""
        draws = [inner.objective.draw(run.rng) for _ in range(5)]
        state = AdamState.start(inner.objective.model.draw(run.rng))
        inputs = tuple(part.detach() for part in run.inner_inputs(inner.regime))
        step = self._timed(lambda: warm_up(inner.step, state, draws, inputs), MOST_REPEATS) / len(draws)
        oldest, turns = settings.inner_steps - settings.window, settings.steps / loops
        if settings.learner_pool == 0:
            return oldest / 2 * step / loops
        size = max(1, settings.learner_pool // loops)
        # A run that fills slots is made the first time that one of them is drawn, up to the highest of their ages.
        runs = min(RUNS, size)
        made = runs * (1 - (1 - 1 / runs) ** turns)
        slots = size / runs
        return made * oldest * slots / (slots + 1) * step / max(1, turns) / loops

    def _training_step(self, regime: Regime) -> float:
        """Seconds of a training step on the summary, of the learner that is evaluated."""
        assert self._start is not None
        return self._step_on_sequences(self._start, self._config.train, regime, dropout=self._config.train.dropout)

    def _step_on_sequences(
        self, summary: Summary, architecture: LearnerConfig, regime: Regime, *, dropout: float = 0.0
    ) -> float:
        """Seconds of a step of a learner on a summary; the first one, which also sets up, is not counted."""
        times: list[float] = []

        def go_on(step: int, _model: Recommender) -> bool:
            times.append(self._now())
            return step < 3 or times[-1] - times[1] < LEAST_SECONDS

        fit_to_sequences(
            summary.sequences(),
            architecture,
            regime,
            Schedule(0.001, 1 + MOST_REPEATS),
            seed=self._config.seed,
            length=self._length,
            dropout=dropout,
            device=self._device,
            on_step=go_on,
        )
        return (times[-1] - times[1]) / (len(times) - 2)

    def _ranking(self, part: Literal["validation", "test"]) -> float:
        """Seconds of a ranking of all users' items of a part."""
        if part not in self._rankings:
            ranked = partial(rank_held_out, self._model, self._dataset, part, length=self._length)
            self._rankings[part] = self._timed(ranked, 3)
        return self._rankings[part]

    def _timed(self, work: Callable[[], object], times: int) -> float:
        """Mean seconds of a piece of work, done so often, or fewer times where that takes long."""
        done, began = 0, self._now()
        while done < max(1, min(times, MOST_REPEATS)):
            work()
            done += 1
            if done > 1 and self._now() - began >= LEAST_SECONDS:
                break
        return (self._now() - began) / done

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
