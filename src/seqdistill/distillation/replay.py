"""Hypergradients by replay: exact, with the memory of one inner step.

Unrolling an inner run keeps every step's graph. Here the window runs without any graph and remembers the state before
each step, three vectors of the size of theta, and the normalisers of the loss. The reverse pass then walks back, one
step's adjoint at a time (see `step`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqdistill.attention import Memo
from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.inner import Draw, Inputs
from seqdistill.distillation.step import Step
from seqdistill.distillation.tape import StateTape


class WindowStep(NamedTuple):
    """What the reverse pass needs of one step, beside the state before it.

    Attributes:
        draw: what was random about it.
        memo: what it remembered.
        number: of the step since the learner was initialised, 1-based.
    """

    draw: Draw
    memo: Memo
    number: int


class Window(NamedTuple):
    """A run of inner steps that can be replayed, once.

    Attributes:
        steps: in order.
        states: before each step.
    """

    steps: list[WindowStep]
    states: StateTape


DEFAULT_MEMORY = 4 << 30


def warm_up(step: Step, state: AdamState, draws: Sequence[Draw], inputs: Inputs, *, first_step: int = 1) -> AdamState:
    """Inner steps of which nothing is remembered; the first has a number, 1 for a new learner."""
    for number, draw in enumerate(draws, first_step):
        state, _ = step.advance(state, number, inputs, draw)
    return state


def run_window(
    step: Step,
    state: AdamState,
    draws: Sequence[Draw],
    inputs: Inputs,
    *,
    first_step: int = 1,
    memory: int = DEFAULT_MEMORY,
) -> tuple[AdamState, Window]:
    """Inner steps that can be replayed.

    Args:
        step: of the learner.
        state: at the start of the window, moments included.
        draws: one a step.
        inputs: what the hypergradient is taken with respect to; detached here.
        first_step: number of the first step since the learner was initialised, 1-based (Adam's bias correction).
        memory: bytes that the window may hold; states that do not fit go to disk.

    Returns:
        The state after the last step, and the window.

    Raises:
        SeqDistillError: if they do not fit there either.
    """
    inputs = tuple(x.detach() for x in inputs)
    steps: list[WindowStep] = []
    states = StateTape(memory)
    for number, draw in enumerate(draws, first_step):
        states.push(state)
        state, memo = step.advance(state, number, inputs, draw)
        steps.append(WindowStep(draw, memo, number))
    return state, Window(steps, states)


def replay(step: Step, window: Window, inputs: Inputs, theta_bar: Tensor) -> Inputs:
    """Hypergradient of a scalar of the final parameters with respect to the inputs of every step.

    The window is truncated: the state at its start counts as a constant.

    Args:
        step: as given to `run_window`.
        window: from `run_window`; its states are used up.
        inputs: as given to `run_window`.
        theta_bar: gradient of the scalar with respect to the parameters after the window, [p].

    Returns:
        One tensor per input, of its shape.
    """
    bar = AdamState.start(theta_bar.clone())
    inputs = tuple(x.detach() for x in inputs)
    total = tuple(torch.zeros_like(x) for x in inputs)
    for draw, memo, number in reversed(window.steps):
        bar, through_step = step.pull_back(window.states.pop(), number, inputs, draw, memo, bar)
        total = tuple(a + b for a, b in zip(total, through_step, strict=True))
    return total
