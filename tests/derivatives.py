"""Values and derivatives of a function of tensors, to be held against those of another way to write it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def up_to_second(function: Callable[..., Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """The value, its first derivatives as formed for good and to be differentiated, and the second ones.

    They are those of the sum of squares, which depends on the value, and of a product with weights that do not.
    """
    value = function(*leaves)
    plain = torch.autograd.grad(value.square().sum(), leaves)
    first = torch.autograd.grad(function(*leaves).square().sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum((g * g.detach().cos()).sum() for g in first), leaves)  # type: ignore[arg-type]
    return [value, *plain, *first, *second]
