"""NARM's attention weights in tiles are those formed as a whole."""

import pytest
import torch
from torch import Tensor

from derivatives import up_to_second
from seqdistill.learners import agreement as module
from seqdistill.learners.agreement import agreement

SEQUENCES, POSITIONS, HIDDEN = 3, 6, 4


def leaves(ends: int) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    shapes = ((SEQUENCES, ends, HIDDEN), (SEQUENCES, POSITIONS, HIDDEN), (HIDDEN,))
    return [torch.randn(*shape, generator=rng, dtype=torch.float64, requires_grad=True) for shape in shapes]


def whole(by_end: Tensor, by_position: Tensor, weigh: Tensor) -> Tensor:
    return torch.sigmoid(by_end[:, :, None] + by_position[:, None]) @ weigh


@pytest.mark.parametrize("tile", [1, 2 * HIDDEN * POSITIONS, 1 << 20])
@pytest.mark.parametrize(("ends", "causal"), [(POSITIONS, True), (POSITIONS, False), (2, False)])
def test_values_and_both_derivatives_are_those_of_the_whole(
    ends: int, causal: bool, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TILE_NUMBERS", {"cpu": tile})
    ours = up_to_second(lambda *given: agreement(*given, causal=causal), leaves(ends))
    theirs = up_to_second(lambda *given: whole(*given).tril() if causal else whole(*given), leaves(ends))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
