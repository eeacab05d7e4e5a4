"""NARM's attention weights, without the four-way tensor they are the sum of.

With a_t what a state asks as an end and b_j what one offers as a position, the weight of position j for end t is

    w_tj = v . s_tj,        s_tj = sigmoid(a_t + b_j),

and with g the gradient by w and D_tj = g_tj s_tj (1 - s_tj),

    by a_t: v sum_j D_tj,        by b_j: v sum_t D_tj,        by v: sum_tj g_tj s_tj.

s has [sequences, ends, positions, hidden] numbers, 130 MB for a batch of a log. Formed as a whole and kept for the way
back it is most of a training's time; here it is formed in tiles that stay in a CPU's cache, and once more on the way
back. A gradient that is to be differentiated again is formed as a whole.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from seqdistill.attention import operation, scratch

TILE_NUMBERS = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Numbers of s held at once, by device type."""
ENDS = 4
"""Ends in a tile: the fewer, the fewer positions behind its first end are formed in vain."""

Ctx: TypeAlias = Any
"""Autograd's context: what forward leaves for backward."""


def agreement(by_end: Tensor, by_position: Tensor, weigh: Tensor, *, causal: bool) -> Tensor:
    """How much each position says about each end.

    Differentiable twice, with respect to everything.

    Args:
        by_end: a, [sequences, ends, hidden].
        by_position: b, [sequences, positions, hidden].
        weigh: v, [hidden].
        causal: whether the ends are the positions in order, and w is 0 behind each.

    Returns:
        w, [sequences, ends, positions].
    """
    return cast("Tensor", cast("Callable[..., Any]", _Agreement.apply)(by_end, by_position, weigh, causal))


# pyright: reportIncompatibleMethodOverride=false
# Autograd functions name their arguments; the base class takes any.


class _Agreement(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Ctx, by_end: Tensor, by_position: Tensor, weigh: Tensor, causal: bool) -> Tensor:  # noqa: FBT001
        ctx.save_for_backward(by_end, by_position, weigh)
        ctx.causal = causal
        return _weights(by_end, by_position, weigh, causal)

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        by_end, by_position, weigh = ctx.saved_tensors
        if ctx.causal:
            grad = grad.tril()
        if torch.is_grad_enabled():
            return *_whole_adjoint(by_end, by_position, weigh, grad), None
        for_end, for_position, for_weigh = _adjoint(by_end, by_position, weigh, grad, ctx.causal)
        return for_end, for_position, for_weigh, None


def _fake_weights(by_end: Tensor, by_position: Tensor, weigh: Tensor, causal: bool) -> Tensor:  # noqa: FBT001
    del weigh, causal
    return by_end.new_empty(*by_end.shape[:2], by_position.shape[1])


@operation("agreement", _fake_weights)
def _weights(by_end: Tensor, by_position: Tensor, weigh: Tensor, causal: bool) -> Tensor:  # noqa: FBT001
    weights = by_end.new_zeros(*by_end.shape[:2], by_position.shape[1])
    for rows, ends, before in _tiles(by_end, by_position, causal=causal):
        s = _agreeing(by_end[rows, ends], by_position[rows, before])
        weights[rows, ends, before] = s @ weigh
    return weights.tril_() if causal else weights


def _fake_adjoint(
    by_end: Tensor,
    by_position: Tensor,
    weigh: Tensor,
    grad: Tensor,
    causal: bool,  # noqa: FBT001
) -> list[Tensor]:
    del grad, causal
    return [t.new_empty(t.shape) for t in (by_end, by_position, weigh)]


@operation("agreement_adjoint", _fake_adjoint)
def _adjoint(
    by_end: Tensor,
    by_position: Tensor,
    weigh: Tensor,
    grad: Tensor,
    causal: bool,  # noqa: FBT001
) -> list[Tensor]:
    for_end, for_position, for_weigh = (torch.zeros_like(t) for t in (by_end, by_position, weigh))
    for rows, ends, before in _tiles(by_end, by_position, causal=causal):
        s = _agreeing(by_end[rows, ends], by_position[rows, before])
        g = grad[rows, ends, before]
        for_weigh.addmv_(s.flatten(0, 2).T, g.flatten())
        # s (1 - s) = s - s^2.
        slopes = s.addcmul_(s, s, value=-1).mul_(g[..., None])
        for_end[rows, ends] = slopes.sum(2)
        for_position[rows, before] += slopes.sum(1)
    return [for_end.mul_(weigh), for_position.mul_(weigh), for_weigh]


def _whole_adjoint(by_end: Tensor, by_position: Tensor, weigh: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from operations that autograd differentiates."""
    s = (by_end[:, :, None] + by_position[:, None]).sigmoid()
    given = s * grad[..., None]
    slopes = given * (1 - s)
    return slopes.sum(2) * weigh, slopes.sum(1) * weigh, given.sum((0, 1, 2))


def _agreeing(by_end: Tensor, by_position: Tensor) -> Tensor:
    """A tile of s, [sequences, ends, positions, hidden], in scratch memory."""
    (count, ends, hidden), positions = by_end.shape, by_position.shape[1]
    room = scratch("agreement", (count * ends * positions, hidden), by_end).view(count, ends, positions, hidden)
    return torch.add(by_end[:, :, None], by_position[:, None], out=room).sigmoid_()


def _tiles(by_end: Tensor, by_position: Tensor, *, causal: bool) -> Iterator[tuple[slice, slice, slice]]:
    """Slices of sequences, ends and positions that cover all weights that are wanted."""
    (count, num_ends, hidden), positions = by_end.shape, by_position.shape[1]
    for first in range(0, num_ends, ENDS):
        last = min(first + ENDS, num_ends)
        before = last if causal else positions
        high = max(1, TILE_NUMBERS[by_end.device.type] // ((last - first) * before * hidden))
        for row in range(0, count, high):
            yield slice(row, min(row + high, count)), slice(first, last), slice(0, before)
