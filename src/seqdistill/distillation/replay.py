"""Hypergradients by replay: exact, with the memory of one inner step.

An inner run is theta_{k+1} = Adam(theta_k, grad_theta L_k(theta_k, x)), where x (the summary) is what we want to
differentiate with respect to. Unrolling keeps every step's graph. Here the window runs without any graph and remembers
the state before each step, three vectors of the size of theta, and the normalisers of the loss. The reverse pass then
walks back; with bars for sensitivities, step k needs the gradient once more, with its graph, Adam's closed-form adjoint
(see `adam`) and, with u = bar(gradient), the one product

    d/d(theta, x) <grad_theta L_k(theta_k, x), u>,

which is a reverse pass through that graph.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqdistill.attention import Memo
from seqdistill.distillation.adam import AdamRule, AdamState, adam_step, adam_step_adjoint
from seqdistill.distillation.tape import StateTape

Inputs = tuple[Tensor, ...]
InnerLoss = Callable[[Tensor, Inputs, Memo | None], Tensor]
"""Scalar loss of one inner step, from the flat parameters and the inputs; everything random is fixed inside.

What it puts into the memo in the window, it finds there in the replay, at the same parameters and inputs.
"""


class WindowStep(NamedTuple):
    """What the reverse pass needs of one step, beside the state before it.

    Attributes:
        loss: of the step.
        memo: what it remembered.
        number: of the step since the learner was initialised, 1-based.
    """

    loss: InnerLoss
    memo: Memo
    number: int


class Window(NamedTuple):
    """A run of inner steps that can be replayed, once.

    Attributes:
        end: state after the last step.
        steps: in order.
        states: before each step.
    """

    end: AdamState
    steps: list[WindowStep]
    states: StateTape


DEFAULT_MAX_BYTES = 2 << 30


def gradient(loss: InnerLoss, theta: Tensor, inputs: Inputs, memo: Memo | None = None) -> Tensor:
    """Gradient of one inner loss with respect to the parameters, without a graph."""
    leaf = theta.detach().requires_grad_()
    return torch.autograd.grad(loss(leaf, inputs, memo), leaf)[0]


def warm_up(
    rule: AdamRule, state: AdamState, losses: Sequence[InnerLoss], inputs: Inputs, *, first_step: int = 1
) -> AdamState:
    """Plain inner steps that nothing is remembered of."""
    for step, loss in enumerate(losses, first_step):
        state = adam_step(rule, state, gradient(loss, state.theta, inputs), step)
    return state


def run_window(
    rule: AdamRule,
    state: AdamState,
    losses: Sequence[InnerLoss],
    inputs: Inputs,
    *,
    first_step: int = 1,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Window:
    """Inner steps that can be replayed.

    Args:
        rule: constants of the inner Adam.
        state: at the start of the window, moments included.
        losses: one a step.
        inputs: what the hypergradient is taken with respect to; detached here.
        first_step: number of the first step since the learner was initialised, 1-based (Adam's bias correction).
        max_bytes: of states held in memory; beyond, they go to disk.

    Raises:
        SeqDistillError: if they do not fit there either.
    """
    inputs = tuple(x.detach() for x in inputs)
    steps: list[WindowStep] = []
    states = StateTape(max_bytes)
    for number, loss in enumerate(losses, first_step):
        memo: Memo = {}
        steps.append(WindowStep(loss, memo, number))
        states.push(state)
        state = adam_step(rule, state, gradient(loss, state.theta, inputs, memo), number)
    return Window(state, steps, states)


def replay(rule: AdamRule, window: Window, inputs: Inputs, theta_bar: Tensor) -> Inputs:
    """Hypergradient of a scalar of the final parameters with respect to the inputs of every step.

    The window is truncated: the state at its start counts as a constant.

    Args:
        rule: as given to `run_window`.
        window: from `run_window`; its states are used up.
        inputs: as given to `run_window`.
        theta_bar: gradient of the scalar with respect to the parameters after the window, [p].

    Returns:
        One tensor per input, of its shape.
    """
    bar = AdamState.start(theta_bar)
    total = tuple(torch.zeros_like(x) for x in inputs)
    leaves = tuple(x.detach().requires_grad_() for x in inputs)
    for step in reversed(window.steps):
        before = window.states.pop(like=window.end)
        theta = before.theta.detach().requires_grad_()
        (g,) = torch.autograd.grad(step.loss(theta, leaves, step.memo), theta, create_graph=True)
        bar, gradient_bar = adam_step_adjoint(rule, before, g.detach(), step.number, bar)
        hessian_product, *mixed = torch.autograd.grad(
            torch.dot(g, gradient_bar), (theta, *leaves), allow_unused=True, materialize_grads=True
        )
        bar = bar._replace(theta=bar.theta + hessian_product)
        total = tuple(a + b for a, b in zip(total, mixed, strict=True))
    return total
