"""A short run of `tools.fuzz`; its long one is in results/reliability/fuzz.json."""

import json
from pathlib import Path

import pytest

from tools.fuzz import LOADERS, fuzz

LONG = Path(__file__).resolve().parents[2] / "results" / "reliability" / "fuzz.json"
EXECUTIONS = {"manifest": 400, "array": 150}


@pytest.mark.parametrize("loader", LOADERS)
def test_mutants_are_loaded_or_refused_with_a_line(loader: str) -> None:
    tally = fuzz(loader, EXECUTIONS.get(loader, 2_000), seed=7)
    assert tally.crashes == []
    # It reaches behind the first check: some are loaded, and many reasons are given for those that are not.
    assert tally.loaded > 0
    assert len(tally.refused) >= 3


@pytest.mark.parametrize("loader", ["manifest", "safetensors", "config"])
def test_the_long_run_is_kept_and_found_nothing(loader: str) -> None:
    kept = json.loads(LONG.read_text())[loader]
    assert kept["executions"] >= 100_000
    assert kept["crashes"] == 0
