from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from seqdistill.artifacts import MANIFEST
from seqdistill.block_floats import rounded
from seqdistill.config import Targets
from seqdistill.distillation.start import decompose, sharp_queries
from seqdistill.errors import SeqDistillError
from seqdistill.summary import Factors, Schedule, Summary

N, LENGTH, DIM, ITEMS = 4, 5, 3, 11


def make(targets: str = "separate") -> Summary:
    rng = torch.Generator().manual_seed(0)
    width = DIM * (2 if targets == "separate" else 1)
    factors = Factors(
        torch.randn(N, 2, generator=rng), torch.randn(LENGTH, 3, generator=rng), torch.randn(2, 3, width, generator=rng)
    )
    ids = pl.Series([f"id {v}" for v in range(ITEMS)])
    item_factor = torch.randn(ITEMS, DIM, generator=rng)
    return Summary(factors, item_factor, ids, targets, {"fresh": Schedule(0.01, 7)}, {"a": 1})  # type: ignore[arg-type]


def test_composition_is_the_tucker_product_summed_out() -> None:
    user, time, core = make().factors
    queries = make().factors.compose()
    for i in range(N):
        for t in range(LENGTH):
            expected = sum(user[i, a] * time[t, b] * core[a, b] for a in range(2) for b in range(3))
            torch.testing.assert_close(queries[i, t], expected)


def test_tied_targets_are_the_next_inputs() -> None:
    sequences = make("tied").sequences()
    assert sequences.mask.shape == (N, LENGTH - 1)
    torch.testing.assert_close(sequences.predict[:, :-1], sequences.read[:, 1:])


def test_distributions_sum_to_one_over_the_catalogue() -> None:
    distributions = make().distributions()
    assert distributions.shape == (N, LENGTH, ITEMS)
    torch.testing.assert_close(distributions.sum(-1), torch.ones(N, LENGTH))


def test_decomposition_is_exact_at_full_ranks_and_at_the_ranks_of_the_tensor() -> None:
    queries = make().factors.compose()
    torch.testing.assert_close(decompose(queries, (N, LENGTH)).compose(), queries)
    torch.testing.assert_close(decompose(queries, (2, 3)).compose(), queries, rtol=1e-4, atol=1e-5)


def test_decomposition_below_them_is_no_worse_than_truncating_each_side() -> None:
    queries = torch.randn(8, 9, 6, generator=torch.Generator().manual_seed(1))
    left = torch.linalg.svd(queries.reshape(8, -1)).U[:, :3]
    right = torch.linalg.svd(queries.transpose(0, 1).reshape(9, -1)).U[:, :4]
    truncated = torch.einsum("na,ma,lb,kb,mkc->nlc", left, left, right, right, queries)
    ours = decompose(queries, (3, 4)).compose()
    assert float((ours - queries).norm()) <= float((truncated - queries).norm()) * (1 + 1e-5)


def test_sharp_queries_sit_on_their_items() -> None:
    factor = torch.randn(200, 16, generator=torch.Generator().manual_seed(2))
    items = torch.randint(1, 201, (3, 10), generator=torch.Generator().manual_seed(3))
    mass = (sharp_queries(items, factor, 0.9) @ factor.T).softmax(-1)
    assert torch.equal(mass.argmax(-1) + 1, items)
    assert 0.9 <= float(mass.max(-1).values.mean()) < 0.97


@pytest.mark.parametrize("targets", ["tied", "separate"])
def test_saved_and_loaded_is_the_same(targets: str, tmp_path: Path) -> None:
    summary = make(targets)
    summary.save(tmp_path / "summary")
    loaded = Summary.load(tmp_path / "summary")
    for one, other in zip(loaded.factors, summary.factors, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(loaded.item_factor, summary.item_factor)
    assert loaded.item_ids.to_list() == summary.item_ids.to_list()
    assert (loaded.targets, loaded.schedules, loaded.details) == (targets, summary.schedules, summary.details)


@pytest.mark.parametrize("targets", ["tied", "separate"])
def test_in_bytes_it_weighs_a_quarter_and_is_the_same_again(targets: Targets, tmp_path: Path) -> None:
    whole = make(targets)
    summary = replace(whole, factors=whole.factors.rounded(targets), item_factor=rounded(whole.item_factor))
    summary.save(tmp_path / "summary")
    assert Summary.load(tmp_path / "summary").fingerprint == summary.fingerprint != whole.fingerprint
    assert (summary.precision, whole.precision) == ("int8", "float32")
    blocks = 2 if targets == "separate" else 1
    # A byte for each number, and one for each row; of the core, for each row of inputs and of targets.
    by_hand = {
        "user": N * (2 + 1),
        "time": LENGTH * (3 + 1),
        "core": 2 * 3 * blocks * (DIM + 1),
        "item_factor": ITEMS * (DIM + 1),
        "item_ids": sum(len(f"id {v}") for v in range(ITEMS)),
    }
    total = sum(by_hand.values())
    assert summary.bytes_by_part() == {**by_hand, "total": total}
    assert summary.size_bytes() == total
    assert summary.size_bytes(factors=False) == by_hand["item_factor"] + by_hand["item_ids"]
    floats = {name: 4 * t.numel() for name, t in (*whole.factors._asdict().items(), ("item_factor", whole.item_factor))}
    ids = by_hand["item_ids"]
    assert whole.bytes_by_part() == {**floats, "item_ids": ids, "total": sum(floats.values()) + ids}
    # What is stored is what is counted.
    files = (tmp_path / "summary" / f"{stem}.safetensors" for stem in ("factors", "item_factor"))
    stored = sum(tensor.nbytes for file in files for tensor in load_file(file).values())
    assert stored == summary.size_bytes() - by_hand["item_ids"]


def test_inputs_and_targets_are_rounded_at_scales_of_their_own() -> None:
    whole = make()
    loud = whole.factors._replace(core=whole.factors.core * torch.tensor([1000.0] * DIM + [0.001] * DIM))
    read, predict = loud.rounded("separate").core.chunk(2, dim=-1)
    for part, held in zip((read, predict), loud.core.chunk(2, dim=-1), strict=True):
        torch.testing.assert_close(part, held, rtol=0, atol=float(held.abs().max()) / 64)


def test_one_factor_that_bytes_cannot_hold_stays_as_it_is(tmp_path: Path) -> None:
    whole = make()
    summary = replace(whole, item_factor=rounded(whole.item_factor))
    summary.save(tmp_path / "summary")
    assert Summary.load(tmp_path / "summary").fingerprint == summary.fingerprint
    assert summary.precision == "float32"


def test_saving_again_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    make().save(tmp_path / "summary")
    make("tied").save(tmp_path / "summary")
    assert Summary.load(tmp_path / "summary").targets == "tied"
    assert [p.name for p in tmp_path.iterdir()] == ["summary"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SeqDistillError, match="not a summary"):
        make().save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["factors.safetensors", "item_factor.safetensors", "item_ids.parquet", MANIFEST])
def test_every_altered_byte_is_noticed_and_the_file_named(name: str, tmp_path: Path) -> None:
    make().save(tmp_path / "summary")
    file = tmp_path / "summary" / name
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 25)):
        altered = bytearray(whole)
        altered[position] ^= 1
        file.write_bytes(altered)
        with pytest.raises(SeqDistillError, match=name):
            Summary.load(tmp_path / "summary")
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SeqDistillError, match=name):
        Summary.load(tmp_path / "summary")
    file.unlink()
    with pytest.raises(SeqDistillError, match=name):
        Summary.load(tmp_path / "summary")


def test_a_folder_that_is_no_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeqDistillError, match="does not exist"):
        Summary.load(tmp_path / "nowhere")
    with pytest.raises(SeqDistillError, match=f"holds no {MANIFEST}"):
        Summary.load(tmp_path)
