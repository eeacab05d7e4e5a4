"""Our layer normalisation is torch's, up to and including second derivatives."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqdistill.learners.layer_norm import LayerNorm

DIM, EPS = 6, 1e-12


def arguments() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x, gain, bias = (
        torch.randn(*shape, generator=rng, dtype=torch.float64, requires_grad=True)
        for shape in ((3, 2, DIM), (DIM,), (DIM,))
    )
    return x, gain, bias


def apply(layer: nn.LayerNorm, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return functional_call(layer, {"weight": gain, "bias": bias}, (x,))


def test_values_and_both_derivatives_are_torchs() -> None:
    results: list[list[Tensor]] = []
    for layer in (LayerNorm(DIM, EPS), nn.LayerNorm(DIM, EPS)):
        leaves = arguments()
        y = apply(layer, *leaves)
        first = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum((g * g.detach().cos()).sum() for g in first), leaves)  # type: ignore[arg-type]
        results.append([y, *first, *second])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_second_derivatives_agree_with_differences_of_first_ones() -> None:
    layer = LayerNorm(DIM, EPS)
    assert torch.autograd.gradgradcheck(lambda *leaves: apply(layer, *leaves), arguments())


def test_a_transposed_input_is_read_by_its_values_and_not_by_its_layout() -> None:
    x, gain, bias = (t.detach() for t in arguments())
    turned = x.mT.contiguous().mT
    torch.testing.assert_close(
        apply(LayerNorm(DIM, EPS), turned, gain, bias), apply(LayerNorm(DIM, EPS), x, gain, bias)
    )
