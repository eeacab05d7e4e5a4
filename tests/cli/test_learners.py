"""The verbs that concern architectures and the models made of them."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]
Finished = tuple[Path, Result]

LEARNERS = ["sasrec", "gru4rec", "narm", "bert4rec"]


@pytest.fixture(scope="module")
def model(invoke: Invoke, finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model"
    assert invoke("train", finished[0] / "summary", "--out", path, "--set=train.steps=3").exit_code == 0
    return path


@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize("name", LEARNERS)
def test_every_architecture_is_trained_evaluated_and_recommends(
    invoke: Invoke, log: Path, finished: Finished, tmp_path: Path, name: str, regime: str
) -> None:
    path = tmp_path / "model"
    arguments = ("--learner", name, "--regime", regime, "--set=train.steps=3", "--set=train.dim=4", "--json")
    trained = invoke("train", finished[0] / "summary", "--out", path, *arguments)
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["learner"] == name
    tested = json.loads(invoke("evaluate", path, log, "--json").stdout)
    assert tested["model"]["learner"] == name
    found = json.loads(invoke("recommend", path, "--history", "film 3,film 4", "-k", 2, "--json").stdout)
    assert len(found["items"]) == 2


def test_a_log_trains_another_architecture(invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]) -> None:
    result = invoke("train", log, "--out", tmp_path / "model", "--learner", "gru4rec", *tiny)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("gru4rec")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--learner", "gru4rc"], "did you mean gru4rec?"),
        (["--learner", "gru4rec", "--set=train.heads=2"], "heads = 2 means nothing to gru4rec"),
        (["--learner", "nowhere:Class"], "cannot import nowhere"),
    ],
)
def test_learners_that_cannot_be_are_named_in_one_line(
    invoke: Invoke, finished: Finished, tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = invoke("train", finished[0] / "summary", "--out", tmp_path / "model", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_recommend_prints_ranked_ids_and_names_what_it_skips(invoke: Invoke, model: Path) -> None:
    result = invoke("recommend", model, "--history", "film 3, nonsense,film 4", "-k", 3)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "film"], ["2", "film"], ["3", "film"]]
    assert "skipped: nonsense" in result.stderr
    assert not any("film 3 " in line or "film 4 " in line for line in lines)
    quiet = invoke("recommend", model, "--history", "film 3,nonsense,film 4", "-k", 3, "--quiet")
    assert (quiet.stdout, quiet.stderr) == (result.stdout, "")


def test_seen_items_can_be_kept(invoke: Invoke, model: Path) -> None:
    every = [f"film {film}" for film in range(29)]
    arguments = ("recommend", model, "--history", ",".join(every), "-k", 30, "--json")
    left = json.loads(invoke(*arguments).stdout)["items"]
    assert [item["item_id"] for item in left] == ["film 29"]
    assert len(json.loads(invoke(*arguments, "--include-seen").stdout)["items"]) == 30


def test_a_history_of_unknown_ids_is_an_error(invoke: Invoke, model: Path) -> None:
    result = invoke("recommend", model, "--history", "flm 3,x")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no item of the history flm 3, x; nearest: film 3" in result.stderr


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_file_of_histories(invoke: Invoke, model: Path, tmp_path: Path, ending: str) -> None:
    histories, out = tmp_path / f"in.{ending}", tmp_path / "made" / f"out.{ending}"
    table = pl.DataFrame({"user": ["a", "b"], "history": [["film 3", "film 4"], ["nonsense"]]})
    table.write_parquet(histories) if ending == "parquet" else table.write_ndjson(histories)
    result = invoke("recommend", model, "--histories", histories, "--out", out, "-k", 2, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["histories"], document["unknown_histories"], document["cold"]) == (2, 1, {"nonsense": 1})
    assert "skipped: nonsense" in result.stderr
    assert "nothing recommended after 1 of 2 histories" in result.stderr
    found = pl.read_parquet(out) if ending == "parquet" else pl.read_ndjson(out)
    assert found["user"].to_list() == ["a", "b"]
    single = json.loads(invoke("recommend", model, "--history", "film 3,film 4", "-k", 2, "--json").stdout)
    assert found["items"].to_list() == [[item["item_id"] for item in single["items"]], []]


@pytest.mark.parametrize("arguments", [[], ["--history", "a", "--histories", "b.jsonl"], ["--histories", "b.jsonl"]])
def test_recommend_needs_one_source(invoke: Invoke, model: Path, arguments: list[str]) -> None:
    assert invoke("recommend", model, *arguments).exit_code == 2


def test_check_says_what_is_kept_and_what_is_broken(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "learners"))
    sound = invoke("check", "own_learners:Sound")
    assert sound.exit_code == 0, sound.output
    assert "second derivatives" in sound.stdout
    broken = invoke("check", "own_learners:LooksAhead", "--json")
    assert broken.exit_code == 1
    assert not json.loads(broken.stdout)["ok"]
    assert "LooksAhead cannot be a learner: view:" in broken.stderr
    assert list(tmp_path.iterdir()) == []
