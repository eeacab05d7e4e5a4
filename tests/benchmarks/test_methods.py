"""The methods of the hypergradient benchmark compute one and the same thing."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch

from benchmarks.methods import METHODS, Cuts, import_higher, make_problem
from seqdistill.config import Regime


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("method", "cuts", "regime"),
    [
        ("replay", 1, "shared"),  # Compiling takes a minute; `eager` and tests/distillation cover the other cases.
        *product(("eager", "textbook", "checkpoint"), (1, "all"), ("shared", "fresh")),
    ],
)
def test_hypergradient_equals_that_of_the_plain_unroll(method: str, cuts: Cuts, regime: Regime) -> None:
    if method == "textbook":
        try:
            import_higher()
        except ModuleNotFoundError as error:
            pytest.skip(str(error))
    # Not every draw will do: where an early gradient happens to be almost 0, Adam is almost a sign, and rounding grows.
    found, expected = (
        METHODS[name](
            make_problem(items=60, dim=8, num_sequences=4, length=6, window=12, cuts=cuts, regime=regime, seed=1)
        )
        for name in (method, "unroll")
    )
    for one, other in zip(found, expected, strict=True):
        assert float(other.norm()) > 0
        assert float((one - other).norm() / other.norm()) < 1e-9
