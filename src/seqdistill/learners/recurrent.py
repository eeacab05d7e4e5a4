"""A gated recurrent unit with a second derivative on every device, shared by the recurrent architectures.

With x_t the input and h_t the state at position t, h_0 = 0,

    r_t = sigmoid(W_r x_t + U_r h_{t-1})
    z_t = sigmoid(W_z x_t + U_z h_{t-1})
    n_t = tanh(W_n x_t + r_t * q_t),      q_t = U_n h_{t-1}
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}.

The weights are laid out as those of `torch.nn.GRU` without biases, and the numbers are the same. It is written out
because cuDNN's kernels have no second derivative, and because a few sequences of many positions are many small
operations, each of which costs autograd more than it computes. The way back needs few of them. Once all states are
known, so are the gates of all positions, and with them

    A_t = (1 - z_t) (1 - n_t^2),    C_t = A_t q_t r_t (1 - r_t),    B_t = (h_{t-1} - n_t) z_t (1 - z_t),

which take the gradient d_t by h_t to those by what enters r, z, n and q: C d, B d, A d and A r d. Only d itself goes
back step by step,

    d_{t-1} = g_{t-1} + z_t d_t + [C_t d_t, B_t d_t, A_t r_t d_t] U,

where g is the gradient from outside. All of it differentiates again, the states by the same way back.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from seqdistill.attention import operation

ITEM_RMS = 0.5
"""At which root mean square learners with such a network want items that stay as they are (`Learner.item_rms`): weights
begin at one over the square root of the state's width at most, and smaller items hardly move the gates."""

LATE_STARTS = 0.5
"""How often they want a sequence to begin late (`Learner.late_starts`): such a state holds all of a history, and from a
few dozen histories a learner gets to know these instead of what they have in common with others."""

BLOCK_NUMBERS = {"cpu": 1 << 15, "cuda": 1 << 26}
"""States of a block of positions whose slopes are formed together, by device type; they stay in a CPU's cache."""

Ctx: TypeAlias = Any
"""Autograd's context: what forward leaves for backward."""


class GRU(nn.Module):
    """Layers of gated recurrent units, without biases.

    Args:
        dim: width of the inputs.
        hidden: width of the states.
        layers: number of layers, each reading the states of the one below.
    """

    def __init__(self, dim: int, hidden: int, layers: int) -> None:
        super().__init__()
        widths = [dim, *[hidden] * (layers - 1)]
        self.input_weights = nn.ParameterList(torch.empty(3 * hidden, width) for width in widths)
        self.state_weights = nn.ParameterList(torch.empty(3 * hidden, hidden) for _ in widths)

    def forward(self, inputs: Tensor) -> Tensor:
        """[batch, positions, dim] -> states [batch, positions, hidden]."""
        # Position by position, a step's numbers lie together where positions come first.
        inputs = inputs.transpose(0, 1)
        for w, u in zip(self.input_weights, self.state_weights, strict=True):
            inputs = cast("Tensor", cast("Callable[..., Any]", _States.apply)(inputs @ w.T, u))
        return inputs.transpose(0, 1)

    def reset_parameters(self) -> None:
        """Each gate's matrices uniform within sqrt(6 / (rows + columns)), as of GRU4Rec."""
        for weight in self.parameters():
            rows, columns = weight.shape[0] // 3, weight.shape[1]
            bound = math.sqrt(6 / (rows + columns))
            nn.init.uniform_(weight, -bound, bound)


class Block(NamedTuple):
    """What the way back needs of consecutive positions.

    Attributes:
        gates: r and z, [block, batch, 2 hidden].
        q: [block, batch, hidden].
        n: the same.
        before: h_{t-1}, the same.
        grad: g, the same.
    """

    gates: Tensor
    q: Tensor
    n: Tensor
    before: Tensor
    grad: Tensor


# pyright: reportIncompatibleMethodOverride=false
# Autograd functions name their arguments; the base class takes any.


class _States(torch.autograd.Function):
    """States h [positions, batch, hidden] of W x [positions, batch, 3 hidden] and U [3 hidden, hidden].

    Rows of U, and the last axis of W x, are the reset gate's, the update gate's, the candidate's.
    """

    @staticmethod
    def forward(ctx: Ctx, brought: Tensor, u: Tensor) -> Tensor:
        states, *inside = _run(brought, u)
        ctx.save_for_backward(brought, u, states, *inside)
        return states

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        brought, u, states, *inside = ctx.saved_tensors
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        if torch.is_grad_enabled():
            # To be differentiated again, they must be formed with a graph.
            inside = _inside(brought, before, u)
        high = max(1, BLOCK_NUMBERS[states.device.type] // states[0].numel())
        blocks = [Block(*parts) for parts in zip(*(torch.split(t, high) for t in (*inside, before, grad)), strict=True)]
        by_state = torch.zeros_like(states[0])
        by_brought, by_recalled = list[Tensor](), list[Tensor]()
        for block in reversed(blocks):
            brought_in, recalled, by_state = _adjoint(block, u, by_state)
            by_brought.append(brought_in)
            by_recalled.append(recalled)
        by_u = torch.cat(by_recalled[::-1]).flatten(0, 1).T @ before.flatten(0, 1)
        return torch.cat(by_brought[::-1]), by_u


def _inside(brought: Tensor, before: Tensor, u: Tensor) -> list[Tensor]:
    """Of all positions r and z together, q, and n, from the states before each."""
    parts = [2 * u.shape[1], u.shape[1]]
    gates, candidate = torch.split(brought, parts, dim=2)
    recalled, q = torch.split(before @ u.T, parts, dim=2)
    gates = (gates + recalled).sigmoid()
    return [gates, q, torch.addcmul(candidate, gates[..., : u.shape[1]], q).tanh()]


def _adjoint(block: Block, u: Tensor, by_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The way back through a block.

    Args:
        block: what it needs of its positions.
        u: U, [3 hidden, hidden].
        by_state: d of its last state as far as it comes from the positions after the block, [batch, hidden].

    Returns:
        Gradients by W x and by U h_{t-1} at its positions, and by the state before it.
    """
    gates, q, n, before, grad = block
    r, z = gates.chunk(2, dim=2)
    to_n = (1 - z) * (1 - n * n)
    to_q = to_n * r
    slopes = torch.stack([to_q * q * (1 - r), (before - n) * z * (1 - z), to_q], dim=2)
    by_states, by_recalled = list[Tensor](), list[Tensor]()
    for slope, kept, outside in zip(*(t.unbind(0)[::-1] for t in (slopes, z, grad)), strict=True):
        by_state = outside + by_state
        by_states.append(by_state)
        by_recalled.append((slope * by_state[:, None]).flatten(1))
        by_state = torch.addmm(kept * by_state, by_recalled[-1], u)
    recalled = torch.stack(by_recalled[::-1])
    by_candidate = to_n * torch.stack(by_states[::-1])
    return torch.cat([recalled[..., : gates.shape[2]], by_candidate], dim=2), recalled, by_state


def _fake_run(brought: Tensor, u: Tensor) -> list[Tensor]:
    hidden = u.shape[1]
    return [brought.new_empty(*brought.shape[:2], width) for width in (hidden, 2 * hidden, hidden, hidden)]


@operation("gru", _fake_run)
def _run(brought: Tensor, u: Tensor) -> list[Tensor]:
    """h, r and z together, q, and n, position by position."""
    hidden = u.shape[1]
    found = _fake_run(brought, u)
    before = brought.new_zeros(brought.shape[1], hidden)
    recall_gates, recall_q = torch.split(u.T, [2 * hidden, hidden], dim=1)
    for now, after, rz, q, n in zip(*(t.unbind(0) for t in (brought, *found)), strict=True):
        gate, candidate = torch.split(now, [2 * hidden, hidden], dim=1)
        torch.addmm(gate, before, recall_gates, out=rz).sigmoid_()
        torch.mm(before, recall_q, out=q)
        torch.addcmul(candidate, rz[:, :hidden], q, out=n).tanh_()
        before = torch.lerp(n, before, rz[:, hidden:], out=after)
    return found
