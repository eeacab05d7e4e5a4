"""An outer step at 100,000 items fits a small machine, in both regimes."""

import pytest

from benchmarks.harness import GIB, Case, Settings, measure

POSITIONS_TIMES_ITEMS_GIB = 50 * 50 * 100_000 * 4 / GIB
"""One distribution per synthetic position, in float32: what nothing here may hold."""


@pytest.mark.parametrize(("regime", "window"), [("shared", 40), ("fresh", 2)])
def test_a_hundred_thousand_items(regime: str, window: int) -> None:
    sizes = {"items": 100_000, "dim": 64, "num_sequences": 50, "length": 50, "window": window, "cuts": 1}
    case = Case({}, "benchmarks.methods:prepare", {"method": "eager", **sizes, "regime": regime, "seed": 0})
    (row,) = measure([case], Settings(rounds=0, threads=1, timeout=400, memory=4 * GIB))
    assert "failed" not in row
    assert row["peak_mib"] / 1024 < 1.3 < 1.5 * POSITIONS_TIMES_ITEMS_GIB
