"""A whole comparison, on a log with a known law."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from planted import planted_dataset
from seqdistill.api import Run, compare, evaluate
from seqdistill.config import Config, load_config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation import lab
from seqdistill.evaluation.adopted import adopt_full_data
from seqdistill.evaluation.compare import break_even
from seqdistill.evaluation.equivalent import Equivalent
from seqdistill.evaluation.metrics import UserScores
from seqdistill.evaluation.random_sequences import next_size
from seqdistill.evaluation.store import Measured, Store
from seqdistill.evaluation.verdict import verdict
from seqdistill.models import TrainedModel
from seqdistill.summary import Schedule, Summary
from seqdistill.training import fit_to_log

FEW = (
    "compare.seeds=2",
    'compare.hard=["random"]',
    'compare.soft=["random", "generated"]',
    "compare.hard_sizes=[1, 4]",
    "compare.soft_sizes=[1]",
    "compare.resamples=200",
    "compare.workers=1",
    "evaluate.candidate_steps=[15, 40]",
    "evaluate.candidate_rates=[0.01]",
    "evaluate.cutoffs=[1, 10]",
    "teacher.epochs=8",
)

Document = dict[str, Any]


def settings(summary: Summary, *more: str) -> Config:
    return load_config(None, (*FEW, *more), base=summary.details["config"])


@pytest.fixture(scope="module")
def compared(
    planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Document, Path]:
    out = tmp_path_factory.mktemp("compared") / "out"
    config = settings(planted_run[0].summary)
    return compare(planted_run[1], planted[0], out=out, config=config), out


CLOCKED = ("seconds", "seconds_train", "peak_mib", "break_even_trainings", "machine", "verdict", "command", "workers")


def timeless(value: object) -> object:
    """Without what a clock or the machine decides."""
    if isinstance(value, dict):
        return {
            key: timeless(entry)
            for key, entry in value.items()
            if key
            not in ("seconds", "seconds_train", "peak_mib", "break_even_trainings", "machine", "verdict", "command")
            and key != "workers"
        }
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


def ndcg(document: Document, key: str, metric: str = "ndcg@10") -> float:
    (row,) = [row for row in document["rows"] if row["key"] == key]
    return row["metrics"][metric]["mean"]


def test_the_law_of_the_log_shows_in_the_rows(compared: tuple[Document, Path]) -> None:
    document, _ = compared
    chain = ndcg(document, "markov")
    assert chain > 0.85
    assert ndcg(document, "popularity") < 0.5
    assert ndcg(document, "full/fresh") > 0.9 * chain
    for regime in ("shared", "fresh"):
        assert ndcg(document, f"distilled/{regime}") > ndcg(document, "popularity")
    assert ndcg(document, "untrained/shared") < ndcg(document, "distilled/shared")


def test_the_teacher_is_a_row_of_its_own(
    compared: tuple[Document, Path], planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str]
) -> None:
    alone = evaluate(Path(planted_run[1]) / "teacher", planted[0], config=settings(planted_run[0].summary))
    assert ndcg(compared[0], "teacher") == pytest.approx(alone["metrics"]["ndcg@10"])


def test_the_document_is_what_was_agreed(compared: tuple[Document, Path]) -> None:
    document, out = compared
    assert document == json.loads((out / "comparison.json").read_text())
    assert (document["format"], document["format_version"]) == ("seqdistill/comparison", 1)
    keys = [row["key"] for row in document["rows"]]
    assert len(keys) == len(set(keys))
    assert {row["group"] for row in document["rows"]} == {"reference", "control", "hard", "soft", "distilled"}
    for row in document["rows"]:
        assert row["metrics"].keys() == set(document["metrics"])
        assert row["percent_of_full"].keys() == set(document["metrics"]) - {"log_likelihood"}
        assert (row["difference"] is None) == (row["key"] == "full/fresh")
        assert row["seeds"] == (2 if row["learner"] else 1)
        for interval in (row["difference"] or {}).values():
            assert interval["low"] <= interval["mean"] <= interval["high"]
    assert {(c["regime"], c["targets"]) for c in document["equivalent_coresets"]} == {
        (regime, targets) for regime in ("shared", "fresh") for targets in ("hard", "soft")
    }
    precisions = document["costs"]["precisions"]
    assert [(p["item_factor"], p["regime"]) for p in precisions] == [
        (p, r) for p in ("float32", "float16", "int8") for r in ("shared", "fresh")
    ]
    for parts in (document["breakdown"]["history_length"], document["breakdown"]["popularity"]):
        assert sum(bucket["users"] for bucket in parts) == document["protocol"]["users"]
        weighted = sum(b["users"] * b["metrics"]["distilled/fresh"]["ndcg@10"] for b in parts)
        assert weighted / document["protocol"]["users"] == pytest.approx(ndcg(document, "distilled/fresh"))
    assert all(0 < share <= 1 for share in document["breakdown"]["coverage"].values())
    assert {"full/fresh", "distilled/shared", "distilled/fresh"} <= {curve["key"] for curve in document["curves"]}
    for curve in document["curves"]:
        seconds = [point["seconds"] for point in curve["points"]]
        assert seconds
        assert seconds == sorted(seconds)
    assert document["verdict"] == verdict(document)
    seconds = document["costs"]["seconds"]
    assert 0 < seconds["train_summary"]["shared"] < seconds["compare"]
    assert seconds["compare_processors"] > 0


def test_essential_rows_are_those_of_a_whole_comparison_with_full_data_taken_over(
    compared: tuple[Document, Path],
    planted: tuple[Dataset, np.ndarray],
    planted_run: tuple[Run, str],
    tmp_path: Path,
) -> None:
    whole, out = compared
    config = settings(planted_run[0].summary, "compare.rows=essential")
    document = compare(planted_run[1], planted[0], out=tmp_path / "few", config=config, full_data_from=[out])
    rows = {row["key"]: row for row in whole["rows"]}
    assert timeless(document["rows"]) == timeless([rows[row["key"]] for row in document["rows"]])
    assert len(document["rows"]) < len(rows)
    # Taken over, and not measured again: not even its seconds are others.
    assert document["rows"][0] == rows["full/fresh"]
    assert document["equivalent_coresets"] == []
    assert document["costs"]["precisions"] == []
    assert {contest["against"].split("/")[1] for contest in document["contests"]} == {"soft"}
    assert (tmp_path / "few" / "report.html").is_file()


def test_full_data_of_other_settings_or_of_another_item_factor_is_not_taken_over(
    compared: tuple[Document, Path], planted_run: tuple[Run, str], tmp_path: Path
) -> None:
    out, summary = compared[1], planted_run[0].summary
    request = json.loads((out / "request.json").read_text())
    trained_less = json.loads(json.dumps(request))
    trained_less["config"]["teacher"]["epochs"] -= 1
    searched_less = json.loads(json.dumps(request))
    searched_less["config"]["evaluate"] |= {"candidate_steps": [1], "candidate_optimisers": ["adam"]}
    other_factor = dataclasses.replace(summary, item_factor=summary.item_factor + 1)
    for name, wanted, of, taken in (
        ("same", request, summary, {"full/fresh", "full/shared"}),
        ("settings", trained_less, summary, set[str]()),
        ("of sequences", searched_less, summary, {"full/fresh", "full/shared"}),
        ("factor", request, other_factor, {"full/fresh"}),
    ):
        store = Store(tmp_path / name)
        store.begin(wanted, overwrite=False)
        adopt_full_data(store, [tmp_path / "nothing", out], wanted, of)
        assert {key for key in ("full/fresh", "full/shared") if store.row(key) is not None} == taken


def test_nothing_of_a_user_or_an_item_leaves_with_the_document(compared: tuple[Document, Path]) -> None:
    text = json.dumps(compared[0])
    assert "user 1" not in text
    assert "item 1" not in text


def test_rows_are_a_line_for_each_row_and_metric(compared: tuple[Document, Path]) -> None:
    document, out = compared
    table = pl.read_parquet(out / "rows.parquet")
    assert len(table) == len(document["rows"]) * len(document["metrics"])
    line = table.filter((pl.col("key") == "distilled/shared") & (pl.col("metric") == "hr@10")).to_dicts()[0]
    assert line["mean"] == ndcg(document, "distilled/shared", "hr@10")
    assert line["difference_low"] <= line["difference"] <= line["difference_high"]


def test_a_finished_comparison_is_read_and_another_is_not_touched(
    compared: tuple[Document, Path], planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str]
) -> None:
    document, out = compared
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert compare(planted_run[1], planted[0], out=out, config=settings(planted_run[0].summary)) == document
    other = settings(planted_run[0].summary, "compare.seeds=3")
    with pytest.raises(SeqDistillError, match=r"another comparison \(config.compare.seeds\)"):
        compare(planted_run[1], planted[0], out=out, config=other)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before


SCRIPT = """
import sys
from planted import planted_dataset
from seqdistill.api import compare
from seqdistill.config import load_config
from seqdistill.summary import Summary
run, out, *few = sys.argv[1:]
stored = Summary.load(run + "/summary").details["config"]
compare(run, planted_dataset()[0], out=out, config=load_config(None, few, base=stored))
"""


def test_a_killed_comparison_goes_on_with_its_rows_and_two_processes_give_the_numbers_of_one(
    compared: tuple[Document, Path], planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    paths = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", SCRIPT, planted_run[1], str(out), *FEW, "compare.workers=2"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}) as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob("rows/*.safetensors"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("rows/*.safetensors")}
    assert len(kept) >= 3
    assert not (out / "comparison.json").exists()
    config = settings(planted_run[0].summary, "compare.workers=2")
    again = compare(planted_run[1], planted[0], out=out, config=config)
    assert timeless(again) == timeless(compared[0])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def refused(message: str, call: Callable[[], object]) -> None:
    with pytest.raises(SeqDistillError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path
) -> None:
    run = planted_run[1]
    summary = planted_run[0].summary
    config = settings(summary)
    out = tmp_path / "out"
    fewer = planted_dataset(seed=7)[0]
    refused("another log or split", lambda: compare(run, fewer, out=out, config=config))
    strange = Dataset("strange", fewer.items, fewer.offsets, fewer.item_ids + "!", fewer.user_ids, fewer.provenance)
    refused("not the same", lambda: compare(run, strange, out=out, config=config))
    refused("does not exist", lambda: compare(tmp_path / "none", planted[0], out=out, config=config))
    assert not out.exists()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    refused("holds no comparison", lambda: compare(run, planted[0], out=foreign, config=config))
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    damaged = tmp_path / "damaged" / "rows"
    damaged.mkdir(parents=True)
    (damaged / "markov.safetensors").write_bytes(b"no tensors")
    refused("markov.safetensors is damaged", lambda: Store(damaged.parent).row("markov"))


@pytest.mark.parametrize("section", ["train", "teacher"])
def test_a_summary_of_a_stranger_imports_nothing_that_is_not_named(
    planted: tuple[Dataset, np.ndarray],
    planted_run: tuple[Run, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    section: str,
) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('the code of a stranger ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    summary = planted_run[0].summary
    stored = json.loads(json.dumps(summary.details["config"]))
    stored[section] = {**stored[section], **dict.fromkeys(("layers", "heads", "feed_forward")), "learner": "trap:Any"}
    strange = dataclasses.replace(summary, details={**summary.details, "config": stored})
    refused("--allow-code trap:Any", lambda: compare(strange, planted[0], out=tmp_path / "out"))
    assert "trap" not in sys.modules
    assert not (tmp_path / "out").exists()


def test_a_bare_summary_gets_its_teacher_trained_again(
    planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path
) -> None:
    few = [
        'compare.soft=["random"]',
        "compare.hard_sizes=[1]",
        "compare.seeds=1",
        "evaluate.candidate_steps=[2]",
        "teacher.epochs=1",
    ]
    config = settings(planted_run[0].summary, *few)
    document = compare(Path(planted_run[1]) / "summary", planted[0], out=tmp_path / "out", config=config)
    assert document["teacher"] == {"from": "trained again", "matches_item_factor": True}
    seconds = document["costs"]["seconds"]
    assert seconds["teacher"] > 0
    assert seconds["distill"] is None
    assert document["costs"]["break_even_trainings"] == {"shared": None, "fresh": None}
    assert any("not known" in sentence for sentence in document["verdict"])
    assert not [row for row in document["rows"] if row["name"].endswith("paper")]


def test_learners_that_start_alike_are_not_taken_for_two() -> None:
    scores = UserScores(np.ones(2, dtype=np.int64), np.zeros(2))
    apart = [lab.Tested(scores, 1.0, frozenset({"a", "b"})), lab.Tested(scores, 1.0, frozenset({"c", "d"}))]
    assert len(Measured.of(apart, None).scores) == 2
    with pytest.raises(RuntimeError, match="same random tensor"):
        Measured.of([apart[0], lab.Tested(scores, 1.0, frozenset({"b", "e"}))], None)


def test_a_row_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = [
        UserScores(
            rng.integers(1, 9, 5), rng.normal(size=5), rng.integers(0, 2, 5), rng.integers(1, 9, 5), rng.random(8) < 0.5
        )
        for _ in range(2)
    ]
    kept = Measured(scores, [1.5, 2.5], Schedule(0.01, 40), [{"seconds": 1.0, "steps": 3}])
    store = Store(tmp_path)
    store.begin({"what": 1}, overwrite=False)
    store.keep("a/b", kept)
    found = store.row("a/b")
    assert found is not None
    assert (found.seconds, found.schedule, found.points) == (kept.seconds, kept.schedule, kept.points)
    for one, other in zip(found.scores, kept.scores, strict=True):
        for name, value in vars(other).items():
            np.testing.assert_array_equal(getattr(one, name), value)


@pytest.mark.parametrize(
    ("teacher", "distill", "saved", "trainings"),
    [(10.0, 20.0, 5.0, 6), (10.0, 21.0, 5.0, 7), (1.0, 1.0, 50.0, 1), (1.0, 1.0, 0.0, None), (None, 1.0, 5.0, None)],
)
def test_break_even(teacher: float | None, distill: float, saved: float, trainings: int | None) -> None:
    assert break_even(teacher, distill, saved) == trainings


def test_sizes_are_added_where_they_tell_more() -> None:
    ladder = [1, 5, 10, 20, 40, 80, 200, 400, 1000]

    def following(relation: str, number: float, *, refine: bool = True) -> int | None:
        return next_size([20, 80, 400], Equivalent(relation, number, None, None), ladder, refine=refine)  # type: ignore[arg-type]

    assert following("more than", 400) == 1000
    assert following("less than", 20) == 10
    assert following("equal", 100) == 200
    assert following("equal", 100, refine=False) is None
    assert following("equal", 30) == 40
    assert next_size([20, 1000], Equivalent("more than", 1000, None, None), ladder, refine=True) is None


def test_a_teacher_of_another_embedding_is_named(
    planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str], tmp_path: Path, small_config: Config
) -> None:
    summary = planted_run[0].summary
    config = settings(summary, 'compare.soft=["random"]', "compare.hard_sizes=[1]", "compare.seeds=1")
    config = config.model_copy(
        update={
            "evaluate": config.evaluate.model_copy(update={"candidate_steps": (2,)}),
            "teacher": small_config.teacher,
        }
    )
    config = config.model_copy(update={"teacher": config.teacher.model_copy(update={"epochs": 1})})
    other = fit_to_log(planted[0], config.teacher, length=summary.length, seed=99)
    model = TrainedModel.from_log(other, config.teacher, summary.length, planted[0].item_ids, {})
    model.save(tmp_path / "other")
    notes: list[str] = []
    document = compare(
        planted_run[1], planted[0], out=tmp_path / "out", config=config, teacher=tmp_path / "other", notify=notes.append
    )
    assert document["teacher"] == {"from": "given", "matches_item_factor": False}
    assert any("not the summary's item factor" in note for note in notes)
    assert torch.get_num_threads() == 1
