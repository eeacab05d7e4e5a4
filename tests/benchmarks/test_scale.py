"""An outer step at 100,000 items fits a small machine, in both regimes."""

import pytest

from benchmarks.harness import GIB, Case, Settings, measure

MIB_PER_DISTRIBUTIONS = 50 * 50 * 100_000 * 4 / 2**20
"""One distribution for each synthetic position, in float32. The textbook's step holds a few of them per inner step."""


@pytest.mark.parametrize(("regime", "window", "most"), [("shared", 40, 0.5), ("fresh", 2, 1.5)])
def test_a_hundred_thousand_items(regime: str, window: int, most: float) -> None:
    sizes = {"items": 100_000, "dim": 64, "num_sequences": 50, "length": 50, "window": window, "cuts": 1}
    case = Case({}, "benchmarks.methods:prepare", {"method": "eager", **sizes, "regime": regime, "seed": 0})
    (row,) = measure([case], Settings(rounds=0, threads=1, timeout=400, memory=4 * GIB))
    assert "failed" not in row
    assert row["peak_mib"] < most * MIB_PER_DISTRIBUTIONS
