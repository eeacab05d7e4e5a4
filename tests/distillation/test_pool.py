"""The pool of learners: ages are steps taken, every age is met, and few runs fill it."""

from collections.abc import Callable

import pytest
import torch

from seqdistill.attention import Memo
from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.inner import Draw, Inputs
from seqdistill.distillation.pool import RUNS, Aged, LearnerPool

OLDEST, WINDOW, SIZE = 90, 10, 16
DRAW = Draw(torch.ones(1, 1, dtype=torch.bool))


class Counting:
    """A step that adds its number to theta, so that theta is 1 + 2 + ... + age whatever way a learner took there."""

    def advance(self, state: AdamState, number: int, inputs: Inputs, draw: Draw) -> tuple[AdamState, Memo]:
        del inputs, draw
        return state._replace(theta=state.theta + number), {}

    def pull_back(
        self, state: AdamState, number: int, inputs: Inputs, draw: Draw, memo: Memo, bar: AdamState
    ) -> tuple[AdamState, Inputs]:
        raise NotImplementedError


def pool_of(size: int, initialise: Callable[[], torch.Tensor] = lambda: torch.zeros(1)) -> LearnerPool:
    return LearnerPool(
        size,
        initialise,
        lambda _rng: DRAW,
        Counting(),
        inner_steps=OLDEST + WINDOW,
        window=WINDOW,
        rng=torch.Generator().manual_seed(0),
        device=torch.device("cpu"),
    )


def after_window(learner: Aged) -> Aged:
    state = learner.state
    for number in range(learner.age + 1, learner.age + WINDOW + 1):
        state = state._replace(theta=state.theta + number)
    return Aged(state, learner.age + WINDOW)


@pytest.mark.parametrize("size", [0, 1, 3, SIZE])
def test_a_learner_has_taken_as_many_steps_as_its_age_says(size: int) -> None:
    pool = pool_of(size)
    ages: list[int] = []
    for turn in range(300):
        learner = pool.take(())
        assert float(learner.state.theta) == learner.age * (learner.age + 1) / 2
        ages.append(learner.age)
        if turn % 20 == 19:
            pool.discard()
        else:
            pool.give_back(after_window(learner))
    assert min(ages) < OLDEST / 10
    assert OLDEST >= max(ages) > OLDEST * 0.9


def test_a_pool_begins_with_learners_of_all_ages() -> None:
    pool = pool_of(SIZE)
    seen = [pool.take(()).age for _ in range(200)]
    quarters = [sum(lower <= age < lower + OLDEST / 4 for age in set(seen)) for lower in (0, 22.5, 45, 67.5)]
    assert min(quarters) >= 1


def test_few_runs_fill_a_pool() -> None:
    begun: list[torch.Tensor] = []

    def initialise() -> torch.Tensor:
        begun.append(torch.zeros(1))
        return begun[-1]

    pool = pool_of(SIZE, initialise)
    for _ in range(200):
        pool.take(())
    assert len(begun) == RUNS


def test_what_went_wrong_is_replaced_by_a_new_learner() -> None:
    pool = pool_of(1)
    pool.take(())
    pool.give_back(Aged(AdamState.start(torch.full((1,), torch.nan)), 20))
    pool.take(())
    pool.discard()
    assert torch.isfinite(pool.take(()).state.theta).all()


def test_a_pool_goes_on_from_what_was_kept() -> None:
    pool = pool_of(SIZE)
    for _ in range(40):
        pool.give_back(after_window(pool.take(())))
    again = pool_of(SIZE)
    again.restore(pool.state())
    kept, restored = pool.state(), again.state()
    assert kept.values == restored.values
    assert kept.tensors.keys() == restored.tensors.keys()
    assert all(torch.equal(tensor, restored.tensors[name]) for name, tensor in kept.tensors.items())
