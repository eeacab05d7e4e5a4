"""One inner step, and its adjoint.

    theta_{k+1} = Adam(theta_k, grad_theta L_k(theta_k, x))

with x the summary. The adjoint takes the sensitivities of a later scalar to the state after the step to those to the
state before it and to x. It needs the gradient once more, with its graph, Adam's closed-form adjoint (see `adam`) and,
with u the sensitivity to the gradient, the one product

    d / d(theta, x) <grad_theta L_k(theta_k, x), u>,

which is a reverse pass through that graph.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from seqdistill.attention import Memo
from seqdistill.distillation.adam import AdamRule, AdamState, Corrections, adam_step, adam_step_adjoint
from seqdistill.distillation.inner import Draw, InnerObjective, Inputs


class Step(Protocol):
    """What the inner loop runs forwards and backwards."""

    def advance(self, state: AdamState, number: int, inputs: Inputs, draw: Draw) -> tuple[AdamState, Memo]:
        """The state after a step, and what `pull_back` should be told of it.

        Args:
            state: before the step.
            number: of the step since the learner was initialised, from 1.
            inputs: the summary, without a graph.
            draw: what is random about the step.
        """
        ...

    def pull_back(
        self, state: AdamState, number: int, inputs: Inputs, draw: Draw, memo: Memo, bar: AdamState
    ) -> tuple[AdamState, Inputs]:
        """Sensitivities of a scalar to the state before a step, and to the inputs through this step.

        Args:
            state: before the step.
            number: as given to `advance`.
            inputs: as given to `advance`.
            draw: as given to `advance`.
            memo: from `advance`.
            bar: sensitivities to the state after the step; their memory may be taken over by those before it.
        """
        ...


@dataclass(frozen=True, eq=False)
class InnerStep:
    """A step of Adam on an inner objective; see `Step`.

    Attributes:
        objective: L.
        rule: Adam's constants.
    """

    objective: InnerObjective
    rule: AdamRule

    def advance(self, state: AdamState, number: int, inputs: Inputs, draw: Draw) -> tuple[AdamState, Memo]:
        """See `Step.advance`."""
        return self.advance_corrected(state, self.rule.corrections(number), inputs, draw)

    def pull_back(
        self, state: AdamState, number: int, inputs: Inputs, draw: Draw, memo: Memo, bar: AdamState
    ) -> tuple[AdamState, Inputs]:
        """See `Step.pull_back`."""
        corrections = self.rule.corrections(number)
        return self.pull_back_corrected(state, corrections, inputs, draw, memo, bar, overwrite=True)

    def advance_corrected(
        self, state: AdamState, corrections: Corrections, inputs: Inputs, draw: Draw
    ) -> tuple[AdamState, Memo]:
        """`advance` with Adam's bias corrections for the number of the step."""
        memo: Memo = {}
        theta = state.theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.objective.loss(theta, inputs, draw, memo), theta)
        return adam_step(self.rule, state, gradient, corrections), memo

    def pull_back_corrected(
        self,
        state: AdamState,
        corrections: Corrections,
        inputs: Inputs,
        draw: Draw,
        memo: Memo,
        bar: AdamState,
        *,
        overwrite: bool = False,
    ) -> tuple[AdamState, Inputs]:
        """`pull_back` with Adam's bias corrections for the number of the step."""
        theta, *leaves = (x.detach().requires_grad_() for x in (state.theta, *inputs))
        loss = self.objective.loss(theta, tuple(leaves), draw, memo)
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        before, gradient_bar = adam_step_adjoint(
            self.rule, state, gradient.detach(), corrections, bar, overwrite=overwrite
        )
        hessian_product, *mixed = torch.autograd.grad(
            torch.dot(gradient, gradient_bar), (theta, *leaves), allow_unused=True, materialize_grads=True
        )
        before.theta.add_(hessian_product)
        return before, tuple(mixed)
