"""Which learner, at which age, an outer step looks at.

Truncated back-propagation differentiates only a window of a learner's training, at a random place of it (RaT-BPTT,
Feng et al., ICLR 2024). Two ways to bring a learner to that place:

- warm up a newly initialised learner for s plain steps, s uniform: what the papers do, and most of the cost;
- keep a pool of learners of all ages (as FRePo does, Zhou et al., NeurIPS 2022): draw one, train it through the window,
  put it back older, and initialise it anew when it would pass the longest run. The window is then all the cost, and the
  learner's past differs from the summary of today only by what the summary moved since.

A pool must hold all ages from the beginning. Its learners come from `RUNS` runs, each of which leaves one behind at
several ages: a run for each would be warm-up again. From then on the summary moves under each at other times, and where
steps draw something they draw differently, so that learners of one run part.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.inner import Draw, Inputs
from seqdistill.distillation.replay import warm_up
from seqdistill.distillation.step import Step
from seqdistill.resuming import Snapshot, under

RUNS = 4
"""Runs that fill a pool. With four learners from each, they take two fifths of the steps that sixteen runs would."""


class Aged(NamedTuple):
    """A learner under training.

    Attributes:
        state: parameters and moments.
        age: steps since it was initialised.
    """

    state: AdamState
    age: int


class LearnerPool:
    """Hands out learners at random ages in 0..inner_steps - window.

    Args:
        size: learners kept; 0 for a newly warmed-up one at every call.
        initialise: draws the parameters of a new learner, [p].
        draw: draws what is random about an inner step.
        step: of the learners.
        inner_steps: T_in, longest run.
        window: W.
        rng: on the CPU.
        device: where learners are.
    """

    def __init__(
        self,
        size: int,
        initialise: Callable[[], Tensor],
        draw: Callable[[torch.Generator], Draw],
        step: Step,
        *,
        inner_steps: int,
        window: int,
        rng: torch.Generator,
        device: torch.device,
    ) -> None:
        self._initialise = initialise
        self._draw = draw
        self._step = step
        self._oldest = inner_steps - window
        self._rng = rng
        self._device = device
        self._pool: list[Aged | None] = [None] * size
        self._drawn = 0

    def take(self, inputs: Inputs) -> Aged:
        """A learner at the start of its window.

        Args:
            inputs: the embedded summary of today, for warming up.
        """
        if not self._pool:
            return self._older(self._new(), self._any_age(), inputs)
        self._drawn = self._integer(len(self._pool))
        run = slots_of_run(self._drawn, len(self._pool))
        if all(self._pool[slot] is None for slot in run):
            self._fill(run, inputs)
        aged = self._pool[self._drawn]
        return aged if aged is not None and aged.age <= self._oldest else self._new()

    def give_back(self, learner: Aged) -> None:
        """Return the learner of the last `take`, older by its window."""
        if self._pool:
            self._pool[self._drawn] = learner

    def discard(self) -> None:
        """Instead of `give_back`: the learner of the last `take` went wrong, and a new one takes its place."""
        if self._pool:
            self._pool[self._drawn] = None

    def state(self) -> Snapshot:
        """The learners; the generator is its owner's to keep."""
        tensors = {
            f"{slot}/{name}": tensor
            for slot, aged in enumerate(self._pool)
            if aged is not None
            for name, tensor in aged.state._asdict().items()
        }
        return Snapshot(tensors, {"ages": [None if aged is None else aged.age for aged in self._pool]})

    def restore(self, kept: Snapshot) -> None:
        """Take learners over from `state` of such a pool."""
        ages: list[int | None] = kept.values["ages"]
        if len(ages) != len(self._pool):
            raise ValueError(f"{len(ages)} learners for a pool of {len(self._pool)}")
        self._pool = [
            None if age is None else Aged(AdamState(**self._placed(under(kept.tensors, str(slot)))), age)
            for slot, age in enumerate(ages)
        ]

    def _placed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self._device) for name, tensor in state.items()}

    def _fill(self, run: Sequence[int], inputs: Inputs) -> None:
        """Leave learners of one run at some slots, each at a random age."""
        learner = self._new()
        for slot, age in zip(run, sorted(self._any_age() for _ in run), strict=True):
            learner = self._older(learner, age, inputs)
            self._pool[slot] = learner

    def _new(self) -> Aged:
        return Aged(AdamState.start(self._initialise()), 0)

    def _older(self, learner: Aged, age: int, inputs: Inputs) -> Aged:
        draws = [self._draw(self._rng) for _ in range(age - learner.age)]
        return Aged(warm_up(self._step, learner.state, draws, inputs, first_step=learner.age + 1), age)

    def _any_age(self) -> int:
        return self._integer(self._oldest + 1)

    def _integer(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self._rng))


def slots_of_run(slot: int, size: int) -> range:
    """The slots of a pool that are filled by the same run as one of them."""
    return range(slot % RUNS, size, RUNS)


def initialiser(
    draw: Callable[[torch.Generator], Tensor], starts: Sequence[Tensor], rng: torch.Generator
) -> Callable[[], Tensor]:
    """Draw new learners at random or, if there are any, from given parameter vectors (early teacher checkpoints)."""
    if not starts:
        return partial(draw, rng)

    def draw_start() -> Tensor:
        return starts[int(torch.randint(len(starts), (), generator=rng))].clone()

    return draw_start
