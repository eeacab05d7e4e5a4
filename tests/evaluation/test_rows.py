from dataclasses import replace
from typing import Literal

import pytest
import torch

from seqdistill.config import REGIMES, CompareConfig
from seqdistill.evaluation.precision import PRECISIONS, rounded, row_bytes
from seqdistill.evaluation.rows import RowSpec, Sizes, item_bytes, planned_rows, sequence_row

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
    precision="float32",
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
    # Hard and shared: item factor, ids, and 2 bytes an item; hard and fresh: no item factor.
    assert SIZES.weight(20, "shared", "hard") == 40_000 + 5_000 + 20 * 40 * 2
    assert SIZES.weight(20, "fresh", "hard") == 5_000 + 20 * 40 * 2
    # A soft target is a state of 32 numbers; the last item of a window is read by nobody.
    assert SIZES.weight(20, "fresh", "soft") == 40_000 + 5_000 + 20 * 39 * (2 + 32 * 4)
    assert SIZES.weight(20, "shared", "soft", generated=True) == 40_000 + 5_000 + 20 * 50 * (2 + 32 * 4)
    assert SIZES.of_equal_bytes("fresh", "hard") == (312_600 - 5_000) // 80
    # Beside a summary in bytes, states are in bytes too, with the power of two that each shares.
    assert replace(SIZES, precision="int8").weight(20, "fresh", "soft") == 45_000 + 20 * 39 * (2 + 33)


@pytest.mark.parametrize(("num_items", "size"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32, 8)])
def test_an_item_takes_the_bytes_that_tell_all_items_and_padding_apart(num_items: int, size: int) -> None:
    assert item_bytes(num_items) == size


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
    assert [row_bytes(16, precision) for precision in PRECISIONS] == [64, 32, 17]
    assert torch.equal(rounded(factor, "float32"), factor)
    largest = factor.abs().amax(1, keepdim=True)
    assert ((rounded(factor, "float16") - factor).abs() <= largest / 1024).all()
    assert ((rounded(factor, "int8") - factor).abs() <= largest / 64).all()
    assert torch.equal(rounded(torch.zeros(2, 3), "int8"), torch.zeros(2, 3))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_other_precisions_than_the_summarys_have_rows_of_their_own(precision: Literal["float32", "int8"]) -> None:
    rows = by_key(replace(SIZES, precision=precision)).values()
    others = {row.precision for row in rows if row.group == "precision"}
    assert others == set(PRECISIONS) - {precision}
    assert all(row.precision is None for row in rows if row.group != "precision")
