"""Dropout whose mask costs a fraction of torch's on a CPU.

torch draws a number for every feature, one after the other on one thread, and after the loss this was the largest part
of a training step on MovieLens-1M. One draw of 64 bits decides four features here, 16 bits each.
"""

from typing import cast

import torch
from torch import Tensor, nn

LEVELS = 1 << 16
"""Values of the 16 bits that decide a feature."""
PIECES = 4
"""Features that one draw decides."""
LEAST = torch.iinfo(torch.int64).min


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`, with a probability that is a multiple of 1 / 65,536.

    In training, x -> x m / (1 - p) with m = 0 with probability p, else 1, drawn from torch's generator of the device.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of the parent's argument
        """[...] -> [...]."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return super().forward(input)
        count = input.numel()
        draws = torch.empty(-(-count // PIECES), dtype=torch.int64)
        # From the least to no end: all 64 bits.
        draws.random_(LEAST, cast("int", None))
        dropped = min(round(self.p * LEVELS), LEVELS - 1)
        kept = draws.view(torch.int16)[:count].view(input.shape) >= dropped - LEVELS // 2
        return input * kept.to(input.dtype).mul_(LEVELS / (LEVELS - dropped))
