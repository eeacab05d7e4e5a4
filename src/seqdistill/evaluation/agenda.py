"""Which task of a comparison comes next, and how much of the work it is."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from seqdistill.config import Config, Regime
from seqdistill.evaluation.lab import Curve, Outcome, Point, Search, Task, Tested, Trial
from seqdistill.evaluation.rows import RowSpec
from seqdistill.evaluation.store import Measured
from seqdistill.evaluation.table import (
    PLATEAU,
    SEARCH_LEARNERS,
    Tried,
    Way,
    best_schedule,
    shortest_schedule,
    ways_to_train,
)
from seqdistill.progress import Task as ProgressTask
from seqdistill.summary import Schedule

PROGRESS_UNITS = 1000
"""Of all the work of one agenda."""

LEARNER_WORK = 40_000.0
"""Of a position through a learner, where a product of two item embeddings' entries is 1."""

HARD_STEPS = 75
"""Steps that learners of hard targets are trained for, as seen on ML-100K."""


@dataclass(frozen=True)
class Scale:
    """What the work of a task depends on.

    Attributes:
        users: who are ranked for.
        items: of the catalogue.
        dim: of the item embedding.
        targets: of an epoch of the log.
        length: positions of a history, and of a sequence.
        batch: most sequences of a step.
        epochs: of a training on the log.
        steps: of a training on soft targets, by regime.
        candidates: numbers of steps that a search tries, rising.
    """

    users: int
    items: int
    dim: int
    targets: int
    length: int
    batch: int
    epochs: int
    steps: Mapping[Regime, int]
    candidates: Sequence[int]

    def work(self, task: Task) -> float:
        """Expected work of a task; only ratios mean anything."""
        ranking = self.users * (self.length * LEARNER_WORK / 3 + self.items * self.dim)
        row = task.row
        if not row.learns or row.source == "untrained":
            return ranking
        # Scores, and what each position and each item is given of the loss; then mean embeddings and their gradient.
        products = 2 if row.regime == "shared" else 5 if row.source in ("distilled", "paper") else 3
        position = LEARNER_WORK + products * self.items * self.dim
        if row.source == "full":
            return self.epochs * (self.targets * position + ranking)
        step = min(row.sequences or self.batch, self.batch) * self.length * position
        steps = self.steps[row.regime or "fresh"] if row.targets == "soft" else HARD_STEPS
        if isinstance(task, Search):
            tried = self._tried(steps)
            return SEARCH_LEARNERS * (tried[-1] * step + len(tried) * ranking)
        if isinstance(task, Curve):
            return 2 * steps * step + len(self.candidates) * ranking
        return steps * step + ranking

    def _tried(self, chosen: int) -> list[int]:
        """The candidates up to where a search sees that it has been on a level since the one it will choose."""
        shorter = [steps for steps in self.candidates if steps < chosen]
        return list(self.candidates[: len(shorter) + PLATEAU])


@dataclass
class _Progressing:
    """A row under way."""

    row: RowSpec
    learners: int
    tried: dict[Way, list[Tried]] = field(default_factory=dict[Way, list[Tried]])
    tested: dict[int, Tested] = field(default_factory=dict[int, Tested])
    schedule: Schedule | None = None


class Agenda:
    """The tasks of some rows and curves: all ways to train a row's learners, then all its learners, then its curve.

    Rows that were begun come first, so that what is kept is rows and not parts of them; among others, those with the
    most work, so that all processes end at about the same time.

    Args:
        rows: to be measured.
        curves: keys of the rows whose curves are wanted.
        config: all settings.
        scale: of the work.
        keep: gets each row when it is complete.
        keep_curve: gets each curve.
        schedules: of rows that were measured before.
    """

    def __init__(
        self,
        rows: Sequence[RowSpec],
        curves: frozenset[str],
        config: Config,
        scale: Scale,
        keep: Callable[[RowSpec, Measured], None],
        keep_curve: Callable[[RowSpec, list[Point]], None],
        schedules: Mapping[str, Schedule] | None = None,
    ) -> None:
        self._config, self._scale, self._curves = config, scale, curves
        self._keep, self._keep_curve = keep, keep_curve
        self._under_way = {row.key: _Progressing(row, config.compare.seeds if row.learns else 1) for row in rows}
        self._begun: list[Task] = []
        self._waiting: list[Task] = []
        self._followers: dict[str, list[RowSpec]] = {}
        self._progress: ProgressTask | None = None
        self._done = self._reported = 0.0
        self._finished = 0
        for row in rows:
            if row.schedule_of is not None:
                self._put_off(row, schedules)
            elif row.searched:
                self._waiting += [Search(row, way) for way in self._ways(row)]
            else:
                self._waiting += [Trial(row, index, None) for index in range(self._under_way[row.key].learners)]
        self._waiting.sort(key=self._work)
        self._total = sum(map(self._all_work, rows))

    def report_to(self, progress: ProgressTask) -> None:
        """Where progress goes, as parts of `PROGRESS_UNITS`."""
        self._progress = progress

    def add_curve(self, row: RowSpec, schedule: Schedule) -> None:
        """Take up the curve of a row that was measured before."""
        self._waiting.append(Curve(row, _way_of(schedule)))
        self._total += self._work(self._waiting[-1])

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self._begun and not self._waiting

    def choose(self) -> Task | None:
        """The next task, if one is ready."""
        ready = self._begun or self._waiting
        return ready.pop() if ready else None

    def done(self, task: Task, outcome: Outcome) -> None:
        """Take what came of a task, and see what that makes ready."""
        row = task.row
        if isinstance(task, Curve):
            self._keep_curve(row, cast("list[Point]", outcome))
        elif isinstance(task, Search):
            self._searched(task, cast("list[Tried]", outcome))
        else:
            assert isinstance(outcome, Tested)
            self._tested(task, outcome)
        self._advance(self._work(task), row)

    def _put_off(self, row: RowSpec, schedules: Mapping[str, Schedule] | None) -> None:
        """Until the row is searched whose schedule it takes, if that was not before."""
        assert row.schedule_of is not None
        if schedules and (schedule := schedules.get(row.schedule_of)) is not None:
            self._take_up(row, schedule)
        else:
            self._followers.setdefault(row.schedule_of, []).append(row)

    def _take_up(self, row: RowSpec, schedule: Schedule) -> None:
        state = self._under_way[row.key]
        state.schedule = schedule
        self._begun = [*(Trial(row, index, schedule) for index in reversed(range(state.learners))), *self._begun]

    def _searched(self, task: Search, tried: list[Tried]) -> None:
        state = self._under_way[task.row.key]
        state.tried[task.way] = tried
        ways = self._ways(task.row)
        if len(state.tried) == len(ways):
            # In the order of the settings, whichever came back first.
            choose = best_schedule if task.row.source == "full" else shortest_schedule
            schedule = choose(one for way in ways for one in state.tried[way])
            for row in (task.row, *self._followers.get(task.row.key, ())):
                self._take_up(row, schedule)

    def _tested(self, task: Trial, tested: Tested) -> None:
        state = self._under_way[task.row.key]
        state.tested[task.index] = tested
        if len(state.tested) < state.learners:
            return
        self._finished += 1
        self._keep(task.row, Measured.of([state.tested[index] for index in range(state.learners)], state.schedule))
        if task.row.key in self._curves and state.schedule is not None:
            self._begun = [Curve(task.row, _way_of(state.schedule)), *self._begun]

    def _ways(self, row: RowSpec) -> tuple[Way, ...]:
        return ways_to_train(self._config.evaluate, None if row.source == "full" else row.regime)

    def _work(self, task: Task) -> float:
        return self._scale.work(task)

    def _all_work(self, row: RowSpec) -> float:
        tasks: list[Task] = [Trial(row, 0, None)] * self._under_way[row.key].learners
        if row.searched and row.schedule_of is None:
            tasks += [Search(row, way) for way in self._ways(row)]
        if row.key in self._curves and row.searched:
            tasks.append(Curve(row, self._ways(row)[0]))
        return sum(map(self._work, tasks))

    def _advance(self, work: float, row: RowSpec) -> None:
        self._done += work
        if self._progress is None:
            return
        units = math.floor(PROGRESS_UNITS * self._done / self._total + 1e-6) - self._reported
        self._reported += units
        where = f"{row.regime or ''} {row.sequences or ''}".strip()
        note = f"row {self._finished} of {len(self._under_way)}: {row.name}{', ' if where else ''}{where}"
        self._progress.advance(note, units=int(units))


def _way_of(schedule: Schedule) -> Way:
    return Way(schedule.learning_rate, schedule.optimiser)
