"""Layer normalisation whose second derivative costs little more than its first.

With mu and r the mean and the reciprocal standard deviation of a row x of d numbers, xhat = r (x - mu) and

    y = gamma xhat + beta,        d xhat / d x = J = r (I - 1 1^T / d - xhat xhat^T / d), symmetric,

the gradients of <g, y> are J (gamma g) by x, and g xhat and g, summed over rows, by gamma and beta. torch
differentiates them once more by several dozen small operations, and in a shallow learner these are a good part of an
inner step's adjoint. But J is known to the kernel of the first derivative, and with u = gamma g, m(.) the mean of a
row and

    A = m(a xhat),   U = m(u xhat),   Q = m(a u) - m(a) m(u) - A U,

the product <a, J u> = d r Q has the gradient -r^2 Q xhat - r (U J a + A J u) by x.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Ctx: TypeAlias = Any
"""Autograd's context: what forward leaves for backward."""

_KERNEL = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", torch.ops.aten.native_layer_norm_backward)
"""From g, x, its shape, mu, r, gamma and beta: J (gamma g), and the sums of g xhat and of g, where they are wanted."""


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` over the last axis, with gain and bias: the same values and derivatives."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__(dim, eps=eps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of the parent's argument
        """[..., dim] -> [..., dim]."""
        return cast("Tensor", _LayerNorm.apply(input, self.weight, self.bias, self.eps))


# pyright: reportIncompatibleMethodOverride=false
# Autograd functions name their arguments; the base class takes any.


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Ctx, x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = x.contiguous()
        y, mean, reciprocal = torch.native_layer_norm(x, x.shape[-1:], gain, bias, eps)
        ctx.save_for_backward(x, gain, mean, reciprocal)
        return y

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, gain, mean, reciprocal = ctx.saved_tensors
        return *cast("tuple[Tensor, Tensor, Tensor]", _Gradient.apply(grad, x, gain, mean, reciprocal)), None


class _Gradient(torch.autograd.Function):
    """The gradients of <g, y> by x, gain and bias."""

    @staticmethod
    def forward(
        ctx: Ctx, grad: Tensor, x: Tensor, gain: Tensor, mean: Tensor, reciprocal: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        grad = grad.contiguous()
        by_x, by_gain, by_bias = _KERNEL(
            grad, x, x.shape[-1:], mean, reciprocal, gain, torch.zeros_like(gain), [True, True, True]
        )
        ctx.save_for_backward(grad, x, gain, mean, reciprocal, by_x)
        return by_x, by_gain, by_bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Ctx, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        grad, x, gain, mean, r, j_u = ctx.saved_tensors
        a = a.contiguous()
        j_a, _, _ = _KERNEL(a, x, x.shape[-1:], mean, r, None, None, [True, False, False])
        j_gb, _, _ = _KERNEL(grad, x, x.shape[-1:], mean, r, b, None, [True, False, False])
        x_hat = (x - mean) * r
        u = gain * grad
        along_a, along_u = (a * x_hat).mean(-1, keepdim=True), (u * x_hat).mean(-1, keepdim=True)
        q = (a * u).mean(-1, keepdim=True) - a.mean(-1, keepdim=True) * u.mean(-1, keepdim=True) - along_a * along_u
        by_x = j_gb.addcmul_(x_hat, -r.square() * q).addcmul_(j_a, -r * along_u).addcmul_(j_u, -r * along_a)
        by_grad = torch.addcmul(c, b, x_hat).addcmul_(gain, j_a)
        by_gain = (grad * j_a).flatten(0, -2).sum(0)
        return by_grad, by_x, by_gain, None, None
