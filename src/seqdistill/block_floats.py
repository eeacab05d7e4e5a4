"""Block floating point: a byte for each number, and one for the power of two that a block of them shares.

A number is c 2^e, with c from -127 to 127 and e the block's (MXINT8 of Rouhani et al., arXiv 2310.10537, in blocks of
any size). Powers of two make rounding commute with scaling by one, and a number that has been rounded stays as it is.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LARGEST_CODE = 127
BITS = 7
"""Of a code, its sign left out."""
LEAST_EXPONENT = -120
"""What is smaller than 2^-121 becomes 0, so that no code stands for a subnormal number of float32."""


class Blocks(NamedTuple):
    """A tensor of `width` numbers in its last axis, in blocks of width / k.

    Attributes:
        codes: c, int8 [..., width].
        exponents: e, int8 [..., k].
    """

    codes: Tensor
    exponents: Tensor


def encode(tensor: Tensor, blocks: int = 1) -> Blocks:
    """The nearest numbers that blocks can hold, within 1/64 of the largest in the same block.

    Args:
        tensor: floats [..., width], finite.
        blocks: k, how many the last axis is cut into; divides it.
    """
    cut = tensor.reshape(*tensor.shape[:-1], blocks, -1)
    # The largest is m 2^x, m from 1/2 to 1; where m is above 127/128, its code is cut off there.
    exponents = (torch.frexp(cut.abs().amax(-1))[1] - BITS).clamp(min=LEAST_EXPONENT)
    codes = torch.ldexp(cut, -exponents[..., None]).round().clamp(-LARGEST_CODE, LARGEST_CODE)
    return Blocks(codes.flatten(-2).to(torch.int8), exponents.to(torch.int8))


def decode(encoded: Blocks) -> Tensor:
    """The numbers, float32 [..., width]."""
    codes, exponents = encoded
    cut = codes.reshape(*exponents.shape, -1).float()
    return torch.ldexp(cut, exponents.int()[..., None]).flatten(-2)


def rounded(tensor: Tensor, blocks: int = 1) -> Tensor:
    """What comes back of a tensor: see `encode`."""
    return decode(encode(tensor, blocks))


def encoded_exactly(tensor: Tensor, blocks: int = 1) -> Blocks | None:
    """The blocks that hold just these numbers; None where some would be rounded."""
    encoded = encode(tensor, blocks)
    return encoded if torch.equal(decode(encoded), tensor) else None
