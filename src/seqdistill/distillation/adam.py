"""Adam on one flat vector, and its adjoint.

The forward rule is `torch.optim.Adam`'s (Kingma and Ba 2015, with weight decay added to the gradient). With g the
gradient, g' = g + lambda theta and c_i = 1 - beta_i^t,

    m' = beta_1 m + (1 - beta_1) g'
    v' = beta_2 v + (1 - beta_2) g'^2
    theta' = theta - rate (m' / c_1) / (sqrt(v' / c_2) + eps),

where the rate may be another one for each parameter.

The adjoint carries the sensitivities of a later scalar back across one such step. It is exact everywhere but at v' = 0,
where the square root has no derivative: there it takes 0, as a parameter that never had a gradient needs.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Corrections = tuple[float, float] | tuple[Tensor, Tensor]
"""Adam's bias corrections c_1 and c_2, as numbers or as tensors of one."""


SLICE = 1 << 20
"""Entries of a vector that are updated together. Of a long one (the embedding of a large catalogue) the temporaries of
the formulas, a dozen, would otherwise need more memory than anything else."""


class AdamRule(NamedTuple):
    """Constants of the update.

    Attributes:
        learning_rate: step size, above 0.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the root of the second moment.
        weight_decay: lambda, L2 penalty added to the gradient.
        paces: multiples of the learning rate that the parameters take, [p]; None where all take it once.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    paces: Tensor | None = None

    def corrections(self, step: int) -> "Corrections":
        """c_1 and c_2 of the t-th update, t from 1."""
        return 1 - self.beta1**step, 1 - self.beta2**step

    def with_paces(self, *vectors: Tensor) -> tuple[Tensor, ...]:
        """Vectors [p] that a formula takes, and the paces where there are any."""
        return vectors if self.paces is None else (*vectors, self.paces)


class AdamState(NamedTuple):
    """Parameters and moments, or the sensitivities of a scalar to them.

    Attributes:
        theta: parameters, [p].
        m: first moment, [p].
        v: second moment, [p].
    """

    theta: Tensor
    m: Tensor
    v: Tensor

    @classmethod
    def start(cls, theta: Tensor) -> "AdamState":
        """Zero moments."""
        return cls(theta, torch.zeros_like(theta), torch.zeros_like(theta))


def adam_step(rule: AdamRule, state: AdamState, gradient: Tensor, corrections: Corrections) -> AdamState:
    """One update.

    Args:
        rule: the constants.
        state: before the step.
        gradient: of the loss at `state.theta`, without the weight decay, [p].
        corrections: `rule.corrections(step)`.
    """
    rate, root_correction = rule.learning_rate / corrections[0], corrections[1]

    def update(theta: Tensor, m: Tensor, v: Tensor, gradient: Tensor, *paces: Tensor) -> tuple[Tensor, ...]:
        gradient = gradient + rule.weight_decay * theta
        m = torch.lerp(gradient, m, rule.beta1)
        v = torch.lerp(gradient.square(), v, rule.beta2)
        root = _safe_sqrt(v / root_correction)
        return theta - _paced(rate * m / (root + rule.eps), paces), m, v

    return AdamState(*_by_slices(update, rule.with_paces(*state, gradient)))


def adam_step_adjoint(
    rule: AdamRule,
    before: AdamState,
    gradient: Tensor,
    corrections: Corrections,
    bar: AdamState,
    *,
    overwrite: bool = False,
) -> tuple[AdamState, Tensor]:
    """Carry sensitivities back across `adam_step`, the loss's own dependence on theta excepted.

    Args:
        rule: the constants.
        before: state before the step.
        gradient: as given to `adam_step`.
        corrections: as given to `adam_step`.
        bar: sensitivities of the scalar to the state after the step.
        overwrite: whether the result may take over the memory of `bar`, as it does where vectors are long.

    Returns:
        The sensitivities to `before`, still without the path theta -> gradient -> step, and the sensitivity to the
        gradient, [p]: that path adds the Hessian of the loss times the latter.
    """
    rate, root_correction = rule.learning_rate / corrections[0], corrections[1]

    def pull_back(
        theta: Tensor,
        m: Tensor,
        v: Tensor,
        gradient: Tensor,
        theta_bar: Tensor,
        m_bar: Tensor,
        v_bar: Tensor,
        *paces: Tensor,
    ) -> tuple[Tensor, ...]:
        decayed = gradient + rule.weight_decay * theta
        m = torch.lerp(decayed, m, rule.beta1)
        v = torch.lerp(decayed.square(), v, rule.beta2)
        root = _safe_sqrt(v / root_correction)
        denominator = root + rule.eps
        scaled = _paced(theta_bar * rate / denominator, paces)
        m_bar = m_bar - scaled
        # d root / d v = root / (2 v): for v = 0 replaced by 0.
        root_slope = torch.where(v > 0, root / (2 * v), 0.0)
        v_bar = v_bar + scaled * m / denominator * root_slope
        gradient_bar = (1 - rule.beta1) * m_bar + 2 * (1 - rule.beta2) * decayed * v_bar
        theta_bar = theta_bar + rule.weight_decay * gradient_bar
        return theta_bar, rule.beta1 * m_bar, rule.beta2 * v_bar, gradient_bar

    vectors = rule.with_paces(*before, gradient, *bar)
    *before_bar, gradient_bar = _by_slices(pull_back, vectors, into=tuple(bar) if overwrite else ())
    return AdamState(*before_bar), gradient_bar


def _paced(moves: Tensor, paces: tuple[Tensor, ...]) -> Tensor:
    """Moves of a rule without paces, or times these."""
    return moves * paces[0] if paces else moves


def _by_slices(
    formula: Callable[..., tuple[Tensor, ...]], vectors: tuple[Tensor, ...], *, into: tuple[Tensor, ...] = ()
) -> tuple[Tensor, ...]:
    """An elementwise formula of vectors [p], at most `SLICE` entries at a time; long results go `into` others."""
    if len(vectors[0]) <= SLICE:
        return formula(*vectors)
    whole: tuple[Tensor, ...] = ()
    for begin in range(0, len(vectors[0]), SLICE):
        parts = formula(*(v[begin : begin + SLICE] for v in vectors))
        whole = whole or (*into, *(torch.empty_like(vectors[0]) for _ in parts[len(into) :]))
        for full, part in zip(whole, parts, strict=True):
            full[begin : begin + SLICE] = part
    return whole


def _safe_sqrt(v: Tensor) -> Tensor:
    """Square root with derivative 0 at 0 (both branches are evaluated, so the inner `where` keeps 1/0 away)."""
    positive = v > 0
    return torch.where(positive, torch.where(positive, v, 1.0).sqrt(), 0.0)
