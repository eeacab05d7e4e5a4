"""The same hypergradient on a GPU as on the CPU, and without reduced precision."""

import pytest
import torch
from torch import Tensor

from benchmarks.methods import METHODS, Cuts, make_problem
from seqdistill.config import Regime

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def solve(method: str, device: str, dtype: torch.dtype, cuts: Cuts, regime: Regime) -> tuple[Tensor, ...]:
    sizes = {"items": 300, "dim": 16, "num_sequences": 6, "length": 10, "window": 8}
    problem = make_problem(**sizes, cuts=cuts, regime=regime, seed=1)
    return tuple(t.cpu() for t in METHODS[method](problem.to(torch.device(device), dtype)))


@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize("cuts", [1, "all"])
@pytest.mark.parametrize("method", ["eager", "replay"])
def test_agrees_with_the_cpu_in_double_precision(method: str, cuts: Cuts, regime: Regime) -> None:
    found = solve(method, "cuda", torch.float64, cuts, regime)
    expected = solve("unroll", "cpu", torch.float64, cuts, regime)
    assert error(found, expected) < 1e-9


def test_single_precision_is_not_cut_down_to_tf32() -> None:
    exact = solve("unroll", "cpu", torch.float64, "all", "shared")
    # TF32 keeps 10 bits of a factor where float32 keeps 23.
    on_cpu = error(solve("eager", "cpu", torch.float32, "all", "shared"), exact)
    assert error(solve("eager", "cuda", torch.float32, "all", "shared"), exact) < 10 * on_cpu


def error(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    return max(float((a.double() - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))
