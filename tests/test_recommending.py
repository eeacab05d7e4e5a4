import json
from pathlib import Path

import polars as pl
import pytest
import torch

from seqdistill.config import LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners import LEARNERS, Recommender, build_learner
from seqdistill.models import TrainedModel
from seqdistill.recommending import HISTORY, read_histories, recommend_one, recommend_table, write_table

NUM_ITEMS, LENGTH = 30, 5
HISTORIES = [["i3", "i9"], [], ["i4", "?", "i8", "i4", "i1", "i7", "i2", "i12"], ["?", "!"], ["i30"] * 9]


def make_model(name: str = "sasrec") -> TrainedModel:
    torch.manual_seed(0)
    config = LearnerConfig(learner=name)
    recommender = Recommender(build_learner(config, dim=8, length=LENGTH), torch.randn(NUM_ITEMS, 8)).eval()
    return TrainedModel(recommender, config, LENGTH, pl.Series([f"i{v}" for v in range(1, NUM_ITEMS + 1)]))


def table_of(histories: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame({HISTORY: histories}, schema={HISTORY: pl.List(pl.String)})


def by_hand(model: TrainedModel, history: list[str], k: int, *, exclude_seen: bool) -> list[str]:
    """One history at a time, without padding."""
    ids = model.item_ids.to_list()
    known = [ids.index(item) + 1 for item in history if item in ids]
    if not known:
        return []
    with torch.no_grad():
        items = torch.tensor([known[-LENGTH:]])
        scores = model.recommender.scores(model.recommender.last_states(items))[0]
    order = scores.argsort(descending=True).tolist()
    return [ids[v] for v in order if not exclude_seen or v + 1 not in known][:k]


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_table_gives_what_one_history_at_a_time_gives(name: str, exclude_seen: bool, batch: int | None) -> None:
    model = make_model(name)
    found = recommend_table(model, table_of(HISTORIES), k=4, exclude_seen=exclude_seen, batch=batch)
    expected = [by_hand(model, history, 4, exclude_seen=exclude_seen) for history in HISTORIES]
    assert found.table["items"].to_list() == expected
    assert [len(row) for row in found.table["scores"]] == [4, 0, 4, 0, 4]
    assert all(row.to_list() == sorted(row, reverse=True) for row in found.table["scores"])
    assert (found.cold, found.unknown) == ({"?": 2, "!": 1}, 2)


def test_one_history_names_its_cold_ids_and_what_is_left_may_be_less_than_k() -> None:
    model = make_model()
    found = recommend_one(model, ["i3", "new", "i9"], k=99)
    assert found.cold == ["new"]
    assert [item.item_id for item in found.items] == by_hand(model, ["i3", "i9"], 99, exclude_seen=True)
    assert len(found.items) == NUM_ITEMS - 2


def test_a_history_of_cold_ids_only_is_refused_with_the_nearest() -> None:
    with pytest.raises(SeqDistillError, match=r"no item of the history i31x, z; nearest: i31?") as raised:
        recommend_one(make_model(), ["i31x", "z"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_files_keep_their_other_columns_and_their_order(ending: str, tmp_path: Path) -> None:
    source = table_of(HISTORIES).with_columns(user=pl.Series(["e", "d", "c", "b", "a"]))
    file = tmp_path / f"histories.{ending}"
    write_table(source, file)
    table = read_histories(file)
    assert table["user"].to_list() == ["e", "d", "c", "b", "a"]
    found = recommend_table(make_model(), table, k=3).table
    write_table(found, tmp_path / f"out.{ending}")
    read = pl.read_parquet if ending == "parquet" else pl.read_ndjson
    again = read(tmp_path / f"out.{ending}")
    assert again.columns == ["history", "user", "items", "scores"]
    assert again["items"].to_list() == found["items"].to_list()


def test_ids_that_are_numbers_in_the_file_are_read_as_the_logs_ids(tmp_path: Path) -> None:
    file = tmp_path / "histories.jsonl"
    file.write_text("\n".join(json.dumps({"history": row}) for row in ([1, 2], [])))
    assert read_histories(file)["history"].to_list() == [["1", "2"], []]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("h.csv", "history\na", r"h\.csv: histories and recommendations are \.parquet, \.jsonl, \.ndjson files"),
        ("h.jsonl", '{"items": ["a"]}', r"has no column 'history', only items"),
        ("h.jsonl", '{"history": "a"}', r"holds String instead of lists"),
        ("h.jsonl", "not json", r"h\.jsonl cannot be read"),
        ("h.parquet", "not parquet", r"h\.parquet cannot be read"),
    ],
)
def test_files_that_hold_no_histories_are_named(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SeqDistillError, match=said):
        read_histories(tmp_path / name)
    with pytest.raises(SeqDistillError, match=r"cannot read .*nowhere\.jsonl"):
        read_histories(tmp_path / "nowhere.jsonl")
