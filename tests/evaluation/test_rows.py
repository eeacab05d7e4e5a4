from dataclasses import replace

import pytest
import torch

from seqdistill.api import Run
from seqdistill.config import REGIMES, CompareConfig
from seqdistill.evaluation.precision import PRECISIONS, item_factor_bytes, rounded, summary_bytes
from seqdistill.evaluation.rows import RowSpec, Sizes, planned_rows, sequence_row

SIZES = Sizes(
    num_sequences=20,
    summary={
        "user": 1_600,
        "time": 10_000,
        "core": 256_000,
        "item_factor": 40_000,
        "item_ids": 5_000,
        "total": 312_600,
    },
    windows=5_000,
    items_per_window=40.0,
    length=50,
    num_items=312,
    dim=32,
    log=600_000,
    has_times=True,
)


def by_key(sizes: Sizes = SIZES) -> dict[str, RowSpec]:
    rows = planned_rows(sizes, CompareConfig(), paper=(20, 99))
    keyed = {row.key: row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def test_every_control_is_there_in_both_regimes_and_all_sizes() -> None:
    rows = by_key()
    assert {
        "full/fresh",
        "full/shared",
        "teacher",
        "popularity",
        "markov",
        "untrained/shared",
        "noise/shared",
    } <= rows.keys()
    for regime in REGIMES:
        assert {f"distilled/{regime}", f"decoded/{regime}", f"paper/{regime}"} <= rows.keys()
        found = {(r.source, r.targets, r.size) for r in rows.values() if r.regime == regime}
        for source in ("random", "longest", "recent", "k-center"):
            assert {(source, "hard", size) for size in ("n", "4n", "20n", "equal bytes")} <= found
        for source in ("random", "k-center", "generated"):
            assert {(source, "soft", size) for size in ("n", "4n", "equal bytes")} <= found
        counts = {r.size: r.sequences for r in rows.values() if r.source == "random" and r.targets == "hard"}
        assert (counts["n"], counts["4n"], counts["20n"]) == (20, 80, 400)


def test_the_essential_rows_are_those_that_say_what_a_summary_is_worth_to_one_more_architecture() -> None:
    rows = planned_rows(SIZES, CompareConfig(rows="essential"), paper=(20, 99))
    soft = {f"{kind}/soft/{regime}/20" for kind in ("random", "k-center", "generated") for regime in REGIMES}
    ours = {f"distilled/{regime}" for regime in REGIMES}
    assert {row.key for row in rows} == {
        "full/fresh",
        "teacher",
        "popularity",
        "markov",
        "untrained/shared",
        *soft,
        *ours,
    }


def test_without_times_there_are_no_most_recent_sequences() -> None:
    assert not [row for row in by_key(replace(SIZES, has_times=False)).values() if row.source == "recent"]


@pytest.mark.parametrize("targets", ["hard", "soft"])
def test_equal_bytes_are_equal_to_within_a_sequence(targets: str) -> None:
    for row in by_key().values():
        if row.size != "equal bytes" or row.targets != targets or row.source == "every":
            continue
        generated = row.source == "generated"
        one = SIZES.per_sequence("soft" if row.targets == "soft" else "hard", generated=generated)
        assert SIZES.summary["total"] - one - 1 <= row.num_bytes <= SIZES.summary["total"] + 1


def test_bytes_by_hand() -> None:
    # Hard and shared: item factor, ids, and 4 bytes an item; hard and fresh: no item factor.
    assert SIZES.weight(20, "shared", "hard") == 40_000 + 5_000 + 20 * 40 * 4
    assert SIZES.weight(20, "fresh", "hard") == 5_000 + 20 * 40 * 4
    # A soft target is a state of 32 numbers; the last item of a window is read by nobody.
    assert SIZES.weight(20, "fresh", "soft") == 40_000 + 5_000 + 20 * 39 * (4 + 32 * 4)
    assert SIZES.weight(20, "shared", "soft", generated=True) == 40_000 + 5_000 + 20 * 50 * (4 + 32 * 4)
    assert SIZES.of_equal_bytes("fresh", "hard") == (312_600 - 5_000) // 160


def test_from_as_many_as_the_log_has_all_kinds_are_one_row() -> None:
    small = replace(SIZES, windows=300)
    rows = [row for row in by_key(small).values() if row.targets == "hard" and row.regime == "shared"]
    everything = [row for row in rows if row.sequences == 300]
    assert [row.source for row in everything] == ["every"]
    assert all((row.sequences or 0) <= 300 for row in rows if row.source != "decoded")
    assert sequence_row(small, "k-center", "fresh", "hard", 10**6, None).key == "every/hard/fresh/300"


def test_a_summary_of_few_bytes_still_gets_one_sequence_to_compare_with() -> None:
    tiny = replace(SIZES, summary={**SIZES.summary, "total": 45_001})
    assert tiny.of_equal_bytes("shared", "hard") == 1


def test_precisions_weigh_less_and_stay_near() -> None:
    factor = torch.randn(50, 16, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 50)[:, None]
    assert [item_factor_bytes(factor, p) for p in PRECISIONS] == [50 * 16 * 4, 50 * 16 * 2, 50 * 16 + 50 * 4]
    assert torch.equal(rounded(factor, "float32"), factor)
    largest = factor.abs().amax(1, keepdim=True)
    assert ((rounded(factor, "float16") - factor).abs() <= largest / 1024).all()
    assert ((rounded(factor, "int8") - factor).abs() <= largest / 127 / 2 * 1.001).all()
    assert torch.equal(rounded(torch.zeros(2, 3), "int8"), torch.zeros(2, 3))


def test_bytes_of_a_summary_are_what_it_stores(planted_run: tuple[Run, str]) -> None:
    summary = planted_run[0].summary
    weights = summary_bytes(summary)
    assert weights["total"] == summary.size_bytes() == sum(v for k, v in weights.items() if k != "total")
    assert summary_bytes(summary, "int8")["total"] < summary_bytes(summary, "float16")["total"] < weights["total"]
