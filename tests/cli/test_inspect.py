"""What sequences share with histories, against the same said naively, and against copies that were planted."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import Result

from logs import load_all, write_csv
from seqdistill import resemblance as module
from seqdistill.cli.inspect import print_inspection
from seqdistill.data import Dataset, Provenance
from seqdistill.errors import SeqDistillError
from seqdistill.inspection import compare_with_log, describe
from seqdistill.resemblance import NOBODY, resemblance
from seqdistill.summary import Factors, Summary

Histories = list[list[int]]


def dataset_of(histories: Histories, num_items: int) -> Dataset:
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])])
    items = np.array([item for history in histories for item in history], dtype=np.int64)
    ids = pl.Series([f"item {item}" for item in range(1, num_items + 1)], dtype=pl.String)
    users = pl.Series([f"user {user}" for user in range(len(histories))], dtype=pl.String)
    return Dataset("made up", items, offsets, ids, users, Provenance("made up"))


def summary_saying(sequences: Histories, num_items: int) -> Summary:
    """A summary whose likeliest items are these."""
    n, length = len(sequences), len(sequences[0])
    rows = torch.tensor(sequences) - 1
    core = 30 * torch.nn.functional.one_hot(rows, num_items).float()
    ids = pl.Series([f"item {item}" for item in range(1, num_items + 1)])
    return Summary(Factors(torch.eye(n), torch.eye(length), core), torch.eye(num_items), ids, "tied")


def naive_run(sequence: list[int], history: list[int]) -> int:
    joined = "," + ",".join(map(str, history)) + ","
    pieces = (sequence[start:end] for start in range(len(sequence)) for end in range(start + 1, len(sequence) + 1))
    return max((len(piece) for piece in pieces if "," + ",".join(map(str, piece)) + "," in joined), default=0)


ITEMS = st.integers(1, 4)


@settings(deadline=None)
@given(
    histories=st.lists(st.lists(ITEMS, min_size=1, max_size=9), min_size=1, max_size=6),
    sequences=st.lists(st.lists(st.integers(1, 5), min_size=6, max_size=6), min_size=1, max_size=3),
    besides=st.integers(-1, 5),
    rows=st.sampled_from([1, 7, 1 << 22]),
)
def test_it_is_what_comparing_one_by_one_gives(
    histories: Histories, sequences: Histories, besides: int, rows: int
) -> None:
    """Item 5 is one that the log does not have; blocks of any size change nothing."""
    before, module.MAX_COUNTS = module.MAX_COUNTS, rows
    try:
        found = resemblance(np.array(sequences), dataset_of(histories, num_items=4), np.full(len(sequences), besides))
    finally:
        module.MAX_COUNTS = before
    for row, sequence in enumerate(sequences):
        shared = [0 if user == besides else len(set(sequence) & set(h)) for user, h in enumerate(histories)]
        runs = [0 if user == besides else naive_run(sequence, h) for user, h in enumerate(histories)]
        assert found.distinct[row] == len(set(sequence))
        assert found.shared[row] == max(shared)
        assert found.nearest[row] == (shared.index(max(shared)) if max(shared) else NOBODY)
        assert found.run[row] == max(runs)
        if max(runs) >= 2:
            assert found.run_user[row] == runs.index(max(runs))
            start = int(found.run_start[row])
            assert naive_run(sequence[start : start + max(runs)], histories[runs.index(max(runs))]) == max(runs)
        else:
            assert found.run_user[row] == NOBODY


def test_shorter_sequences_are_padded_with_zeros() -> None:
    found = resemblance(np.array([[1, 2, 0, 0], [3, 0, 0, 0]]), dataset_of([[1, 2, 3]], 3))
    assert found.distinct.tolist() == [2, 1]
    assert found.run.tolist() == [2, 1]
    assert found.share.tolist() == [1.0, 1.0]


def random_histories(count: int, num_items: int, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.arange(1, num_items + 1))[:12].tolist() for _ in range(count)]


def test_a_copy_is_named_and_what_is_no_copy_is_not() -> None:
    histories = random_histories(80, 60)
    copied, other = histories[33][3:9], random_histories(1, 60, seed=1)[0]
    summary = summary_saying([[*other[:2], *copied], other[:8]], 60)
    found = compare_with_log(summary, dataset_of(histories, 60), titles={f"item {copied[0]}": "A title"})
    assert found["copies"] == [0]
    assert found["sequences"][0]["run"] >= 6
    said = found["sequences"][0]["copied"]
    assert said["user"] == "user 33"
    assert said["position"] in (1, 2, 3)
    assert [item["item"] for item in said["items"]][-6:] == [f"item {item}" for item in copied]
    assert {"item": f"item {copied[0]}", "title": "A title"} in said["items"]
    assert found["sequences"][1]["run"] < 5
    assert found["levels"]["summary"]["copies"] == 1
    # Of real users, nobody is compared with himself; all would be whole copies otherwise.
    assert found["levels"]["real users"]["copies"] == 0
    assert found["levels"]["real users"]["share"] < 1


def test_a_summary_of_real_histories_is_found_out_whole() -> None:
    histories = random_histories(50, 40)
    found = compare_with_log(summary_saying([h[:8] for h in histories[:5]], 40), dataset_of(histories, 40))
    assert [one["nearest"]["user"] for one in found["sequences"]] == [f"user {user}" for user in range(5)]
    assert [one["run"] for one in found["sequences"]] == [8] * 5
    assert found["levels"]["summary"]["share"] == 1
    assert found["levels"]["real users"]["share"] < 0.8


def test_the_log_may_number_its_items_otherwise_and_lack_some() -> None:
    dataset = dataset_of([[1, 2, 3, 4, 5, 6]], 6)
    reordered = Dataset(
        dataset.name,
        7 - dataset.items,
        dataset.offsets,
        dataset.item_ids.reverse(),
        dataset.user_ids,
        dataset.provenance,
    )
    found = compare_with_log(summary_saying([[1, 2, 3, 4, 5, 8]], 8), reordered)
    assert found["items_not_in_log"] == 1
    assert found["sequences"][0]["run"] == 5
    assert found["sequences"][0]["nearest"]["share"] == pytest.approx(5 / 6)


def test_a_log_without_the_summarys_items_is_refused() -> None:
    strange = dataset_of([[1, 2, 3]], 3)
    strange = replace(strange, item_ids=pl.Series(["a", "b", "c"]))
    with pytest.raises(SeqDistillError, match="no item of the summary"):
        compare_with_log(summary_saying([[1, 2]], 3), strange)


def test_the_seed_decides_what_it_is_set_beside() -> None:
    dataset, summary = dataset_of(random_histories(60, 40), 40), summary_saying(random_histories(4, 40, seed=9), 40)
    levels = [compare_with_log(summary, dataset, seed=seed)["levels"] for seed in (0, 0, 1)]
    assert levels[0] == levels[1]
    assert levels[0]["summary"] == levels[2]["summary"]
    assert levels[0]["chance"] != levels[2]["chance"]


def test_each_position_says_how_sharp_it_is_and_titles_go_along() -> None:
    summary = summary_saying([[1, 2, 3]], 4)
    document = describe(summary, top=2, titles={"item 2": "Two"})
    place = document["examples"][0][1]
    assert place["reads"][0]["title"] == "Two"
    assert "title" not in place["reads"][1]
    assert place["effective_items"]["reads"] == pytest.approx(1, abs=1e-4)
    assert document["resemblance"] is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'item_id,title\nfilm 1,"One, the first"\nfilm 2,Two\nnobody\'s,Three\n'),
        ("t.tsv", "item\tname\nfilm 1\tOne, the first\nfilm 2\tTwo\n"),
        ("t.csv", "id;label\nfilm 1;One, the first\nfilm 2;Two\n"),
        ("t.item", "item_id:token\tmovie_title:token_seq\nfilm 1\tOne, the first\nfilm 2\tTwo\n"),
        ("t.jsonl", '{"item_id": "film 1", "title": "One, the first"}\n{"item_id": "film 2", "title": "Two"}\n'),
        ("t.parquet", ""),
    ],
)
def test_titles_come_from_any_table(
    invoke: Callable[..., Result], finished: tuple[Path, Result], tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pl.DataFrame({"iid": ["film 1", "film 2"], "title": ["One, the first", "Two"]}).write_parquet(path)
    else:
        path.write_text(content)
    result = invoke("inspect", finished[0] / "summary", "--items", path, "--top", 30, "--json")
    document = json.loads(result.stdout)
    assert document["titles"] == 2
    items = {item["item"]: item.get("title") for item in document["examples"][0][0]["reads"]}
    assert items["film 1"] == "One, the first"
    assert items["film 3"] is None
    assert "One, the first" in invoke("inspect", finished[0] / "summary", "--items", path, "--top", 30).stdout


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("item_id,price\nfilm 1,3\n", (), "no column looks like titles"),
        ("sku_no,title\nfilm 1,One\n", (), "no column looks like item ids"),
        ("item_id,title\nfilm 1,One\n", ("--title-column", "nom"), "no column 'nom'"),
        ("item_id,title\nother,One\n", (), "names no item of the summary"),
        ("item_id,title\n", (), "names no item of the summary"),
    ],
)
def test_a_table_without_titles_is_refused_in_one_line(
    invoke: Callable[..., Result],
    finished: tuple[Path, Result],
    tmp_path: Path,
    content: str,
    options: tuple[str, ...],
    said: str,
) -> None:
    path = tmp_path / "items.csv"
    path.write_text(content)
    result = invoke("inspect", finished[0] / "summary", "--items", path, *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1


def test_inspect_with_the_log_tells_of_every_sequence(
    invoke: Callable[..., Result], finished: tuple[Path, Result], log: Path
) -> None:
    result = invoke("inspect", finished[0], "--data", log, "--json", "--quiet")
    found = json.loads(result.stdout)["resemblance"]
    assert result.stderr == ""
    assert len(found["sequences"]) == 4
    assert found["dataset"]["users"] == 60
    text = invoke("inspect", finished[0], "--data", log, "--quiet").stdout
    assert "against films, 60 users" in text
    assert "drawn by popularity" in text
    copies = [line for line in text.splitlines() if line.startswith("warning: sequence")]
    assert len(copies) == len(found["copies"])
    # It is the log with the summary's own settings: with others, it may have lost the items.
    assert (
        json.loads(invoke("inspect", finished[0], "--data", log, "--set", "data.min_count=1", "--json").stdout)[
            "resemblance"
        ]["dataset"]["users"]
        == 60
    )


def test_long_titles_fold_in_a_narrow_terminal_and_lose_nothing() -> None:
    title = "A title that has rather many words in it and would not fit beside another one"
    summary = summary_saying([[1, 2, 3]], 4)
    document = describe(
        summary, titles={f"item {item}": title for item in range(1, 5)}, dataset=dataset_of([[1, 2]], 4)
    )
    page = io.StringIO()
    print_inspection(Console(file=page, width=80), document)
    table = page.getvalue().partition("\nsequence 1")[2].partition("items (")[0].splitlines()[1:-1]
    assert len(table) > 20
    assert max(map(len, table)) <= 80
    # Of the two columns of titles the first: two positions, three items each.
    words = " ".join(line[12:39].strip() for line in table).split()
    assert words.count("another") == 6


def test_ids_that_would_steer_a_terminal_are_shown_harmless(invoke: Callable[..., Result], tmp_path: Path) -> None:
    summary = summary_saying([[1, 2, 3]], 3)
    ids = pl.Series(["\x1b[31mred", "turned\u202e", "plain"])
    Summary(summary.factors, summary.item_factor, ids, "tied").save(tmp_path / "summary")
    log = write_csv(tmp_path / "log.csv", *(f"\x1b[2J,{item},{time}" for time, item in enumerate(ids)))
    assert load_all(log).num_items == 3
    text = invoke("inspect", tmp_path / "summary", "--data", log, "--set", "data.min_count=1").stdout
    assert "red" in text
    assert "plain" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
