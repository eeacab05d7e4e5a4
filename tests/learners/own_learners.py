"""Modules of somebody's own, sound and broken, as `tests.learners` names them."""

from typing import Any, cast

import torch
from torch import Tensor, nn


class Base(nn.Module):
    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.dim, self.length = dim, length
        self.inner = nn.Linear(dim, dim)


class Sound(Base):
    """Each state from its own item and the mean of those before it."""

    def __init__(self, dim: int, length: int, *, gain: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__(dim, length)
        self.gain = gain
        self.dropout = nn.Dropout(dropout)

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        counts = torch.arange(1, embedded.shape[1] + 1, device=embedded.device, dtype=embedded.dtype)
        means = embedded.cumsum(1) / counts[:, None]
        return embedded + self.gain * torch.tanh(self.inner(self.dropout(means)))


class LooksAhead(Base):
    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        real = embedded * mask[..., None]
        return embedded + torch.tanh(self.inner(real.sum(1, keepdim=True) / mask.sum(1)[:, None, None]))


class Prefixes(LooksAhead):
    view = "prefix"


class ReadsPadding(Base):
    view = "prefix"

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        return embedded + torch.tanh(self.inner(embedded.mean(1, keepdim=True)))


class SeesTheAnswer(Base):
    view = "masked"

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        assert at is not None
        return LooksAhead.forward(self, embedded, mask).take_along_dim(at[..., None], 1)  # type: ignore[arg-type]


class MaskedWithoutAt(LooksAhead):
    view = "masked"


class UnknownView(Sound):
    view = "backwards"


class NoScale(Sound):
    item_rms = 0.0


class NoShare(Sound):
    late_starts = 1.5


class NoNames(Sound):
    output_scale = "gain"


class NoSuchParameter(Sound):
    output_scale = ("gain",)


class OfItsOwnMind(Sound):
    item_rms = 0.5
    late_starts = 0.25
    output_scale = ("inner.weight", "inner.bias")


class WrongShape(Base):
    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        return self.inner(embedded).mean(1)


class Fused(nn.Module):
    """Attention by a fused kernel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, 3 * dim)

    def forward(self, hidden: Tensor) -> Tensor:
        q, k, v = self.project(hidden)[:, None].chunk(3, dim=-1)
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]


class FusedAttention(Base):
    def __init__(self, dim: int, length: int) -> None:
        super().__init__(dim, length)
        self.blocks = nn.ModuleList([nn.Linear(dim, dim), Fused(dim)])

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        hidden = embedded
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return hidden


class Detached(nn.Module):
    """A normalisation whose statistics are cut out of the graph, so that its derivatives are silently wrong."""

    def forward(self, hidden: Tensor) -> Tensor:
        return cast("Tensor", _HalfTanh.apply(hidden))


class _HalfTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - autograd's context
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ANN401
        (y,) = ctx.saved_tensors
        return grad * (1 - y.detach() ** 2).detach()


class SilentlyWrong(Base):
    def __init__(self, dim: int, length: int) -> None:
        super().__init__(dim, length)
        self.squash = Detached()

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        return embedded + self.inner(self.squash(embedded))


class InItsOwnForward(Base):
    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        return embedded + cast("Tensor", _HalfTanh.apply(self.inner(embedded)))


class Hoards(Base):
    """Keeps its weights at a second place, where nobody can replace them."""

    def __init__(self, dim: int, length: int) -> None:
        super().__init__(dim, length)
        self.hoard = [self.inner.weight]

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        del mask
        return embedded + torch.tanh(embedded @ self.hoard[0] + self.inner.bias)


class Forgetful(Sound):
    def reset_parameters(self) -> None:
        nn.init.zeros_(self.inner.bias)


class Noisy(Sound):
    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(embedded, mask), 0.5, training=True)


def not_a_class(dim: int, length: int) -> Sound:
    return Sound(dim, length)
