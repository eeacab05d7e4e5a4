"""Hard sequences as files: read back by our own loader, with whatever ids a log may have."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from typer.testing import Result

from logs import load_all, sequences
from seqdistill.api import export
from seqdistill.errors import SeqDistillError
from seqdistill.summary import Factors, Summary

AWKWARD = ['say "hi"', "tab\there", "line\nend", "comma, semicolon;", "emoji \N{PILE OF POO}", "007", "'"]
N, LENGTH = 3, 5


def summary_of(ids: list[str], *, targets: str = "separate", scale: float = 1.0) -> Summary:
    rng = torch.Generator().manual_seed(0)
    width = 6 * (2 if targets == "separate" else 1)
    factors = Factors(
        torch.randn(N, 2, generator=rng),
        torch.randn(LENGTH, 3, generator=rng),
        scale * torch.randn(2, 3, width, generator=rng),
    )
    item_factor = torch.randn(len(ids), 6, generator=rng)
    return Summary(factors, item_factor, pl.Series(ids), targets)  # type: ignore[arg-type]


def likeliest(summary: Summary) -> dict[str, list[str]]:
    rows = summary.distributions().argmax(-1).tolist()
    return {f"synthetic-{n}": [summary.item_ids[v] for v in row] for n, row in enumerate(rows, start=1)}


@pytest.mark.parametrize("name", ["s.inter", "s.csv", "s.tsv", "s.parquet", "s.jsonl", "s.txt"])
@pytest.mark.parametrize("targets", ["separate", "tied"])
def test_what_is_exported_is_what_our_loader_reads(tmp_path: Path, name: str, targets: str) -> None:
    summary = summary_of([f"i{v}" for v in range(9)], targets=targets)
    document = export(summary, tmp_path / "new" / name)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    dataset = load_all(tmp_path / "new" / name)
    assert sequences(dataset) == likeliest(summary)
    assert document["users"] == dataset.num_users == N
    assert document["interactions"] == dataset.num_interactions == N * LENGTH
    assert document["distinct_items"] == dataset.num_items
    if name != "s.txt":
        assert dataset.times is not None
        assert dataset.times.reshape(N, LENGTH).tolist() == [[1, 2, 3, 4, 5]] * N


@pytest.mark.parametrize("name", ["s.inter", "s.csv", "s.tsv", "s.parquet", "s.jsonl", "s.txt"])
@pytest.mark.parametrize("awkward", AWKWARD)
def test_an_awkward_id_survives_or_is_refused_by_name(tmp_path: Path, name: str, awkward: str) -> None:
    summary = summary_of([awkward, f"{awkward} too"])
    refused = (name == "s.inter" and bool(set("\t\n") & set(awkward))) or (name == "s.txt")
    if refused:
        with pytest.raises(SeqDistillError, match="cannot hold; use parquet") as caught:
            export(summary, tmp_path / name)
        assert any(repr(item) in str(caught.value) for item in summary.item_ids)
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []
    else:
        export(summary, tmp_path / name)
        assert sequences(load_all(tmp_path / name)) == likeliest(summary)


def test_a_quote_at_the_start_is_refused_where_recbole_would_drop_it(tmp_path: Path) -> None:
    with pytest.raises(SeqDistillError, match="a quote at its start"):
        export(summary_of(['"quoted"', '"also"']), tmp_path / "s.inter")


def test_recboles_header_and_folder(tmp_path: Path) -> None:
    document = export(summary_of(["a", "b"]), tmp_path / "synthetic", targets=1)
    assert document["out"] == str(tmp_path / "synthetic" / "synthetic.inter")
    assert Path(document["targets_out"]).name == "synthetic.targets.parquet"
    header, first, *_ = Path(document["out"]).read_text().splitlines()
    assert header == "user_id:token\titem_id:token\ttimestamp:float"
    assert first.split("\t")[0::2] == ["synthetic-1", "1"]


def test_draws_follow_the_distributions_and_the_seed(tmp_path: Path) -> None:
    summary = summary_of(["a", "b", "c"], scale=0.7)
    draws = 4000
    files = [tmp_path / f"{name}.parquet" for name in "abc"]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        assert export(summary, file, sample=draws, seed=seed)["users"] == N * draws
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()
    table = pl.read_parquet(files[0])
    assert table["user_id"].n_unique() == N * draws
    codes = torch.tensor(table["item_id"].replace_strict({"a": 0, "b": 1, "c": 2}).to_list()).view(N, draws, LENGTH)
    shares = torch.stack([(codes == item).double().mean(1) for item in range(3)], -1)
    # Four standard deviations of a share of 4,000 draws.
    torch.testing.assert_close(shares, summary.distributions().double(), rtol=0, atol=4 * 0.5 / draws**0.5)


@pytest.mark.parametrize("targets", ["separate", "tied"])
@pytest.mark.parametrize("sample", [None, 2])
def test_soft_targets_join_the_rows_they_follow(tmp_path: Path, targets: str, sample: int | None) -> None:
    summary = summary_of(["a", "b", "c", "d"], targets=targets)
    document = export(summary, tmp_path / "s.parquet", targets=3, sample=sample)
    table = pl.read_parquet(document["targets_out"])
    positions = LENGTH if targets == "separate" else LENGTH - 1
    users = N * (sample or 1)
    assert len(table) == users * positions
    _, predict = summary.factors.query_pairs(summary.targets)
    expected = (predict @ summary.item_factor.T).softmax(-1).topk(3)
    for user, at in ((0, 0), (users - 1, positions - 1)):
        row = table.filter(user_id=f"synthetic-{user + 1}", timestamp=at + 1).row(0, named=True)
        of = user // (sample or 1), at
        assert row["items"] == [summary.item_ids[v] for v in expected.indices[of].tolist()]
        assert row["masses"] == pytest.approx(expected.values[of].tolist(), rel=1e-5)
    joined = pl.read_parquet(document["out"]).join(table, on=["user_id", "timestamp"], how="inner")
    assert len(joined) == len(table)


def test_a_file_that_is_there_is_kept_unless_asked_otherwise(tmp_path: Path) -> None:
    mine = tmp_path / "interactions.csv"
    mine.write_text("mine")
    with pytest.raises(SeqDistillError, match="--overwrite"):
        export(summary_of(["a", "b"]), mine)
    assert mine.read_text() == "mine"
    export(summary_of(["a", "b"]), mine, overwrite=True)
    assert load_all(mine).num_users == N


def test_a_refused_export_leaves_what_was_there(tmp_path: Path) -> None:
    export(summary_of(["a", "b"]), tmp_path / "s.inter")
    before = (tmp_path / "s.inter").read_bytes()
    with pytest.raises(SeqDistillError, match="cannot hold"):
        export(summary_of(["a\tb", "c\td"]), tmp_path / "s.inter", overwrite=True)
    assert (tmp_path / "s.inter").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.inter"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("s.xlsx", {}, "cannot tell the format"),
        ("s.csv", {"format": "parquet"}, "make them agree"),
        ("s.csv", {"sample": 0}, "at least one"),
        ("s.csv", {"targets": 0}, "at least one"),
        ("s.csv", {"format": "xml"}, "use one of"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    tmp_path: Path, name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(SeqDistillError, match=said):
        export(summary_of(["a", "b"]), tmp_path / name, **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_verb_exports_and_says_what(
    invoke: Callable[..., Result], finished: tuple[Path, Result], tmp_path: Path
) -> None:
    result = invoke("export", finished[0], "--out", tmp_path / "syn", "--format", "csv", "--targets", 2, "--sample", 3)
    assert result.exit_code == 0, result.output
    assert "12 users of 8 items" in result.stdout
    assert load_all(tmp_path / "syn" / "syn.csv").num_users == 12
    document = json.loads(invoke("export", finished[0] / "summary", "--out", tmp_path / "s.jsonl", "--json").stdout)
    assert document["format"] == "jsonl"
    assert document["users"] == 4
    again = invoke("export", finished[0], "--out", tmp_path / "s.jsonl")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert again.stderr.count("\n") == 1


def test_every_format_has_an_ending() -> None:
    from typing import get_args  # noqa: PLC0415

    from seqdistill.exporting import ExportFormat, choose_target  # noqa: PLC0415

    for name in get_args(ExportFormat):
        target = choose_target(Path("out"), name)
        assert choose_target(target.sequences).format == name
