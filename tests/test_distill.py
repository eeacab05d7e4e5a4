"""What a whole, small distillation promises."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seqdistill.api import Run, distill, evaluate, train
from seqdistill.artifacts import read_json
from seqdistill.config import Config, Layers, load_config, parse_config
from seqdistill.data import Dataset
from seqdistill.distillation.start import random_factors
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import SELECTION
from seqdistill.models import TrainedModel
from seqdistill.summary import Schedule, Summary

Planted = tuple[Dataset, np.ndarray]
METRICS = {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (10, 20)} | {"ndcg@100", "mrr", "log_likelihood"}


def share_of_successors_found(model: TrainedModel, successor: np.ndarray) -> float:
    """How often the top item after one item is its planted successor."""
    histories = torch.arange(1, len(successor))[:, None]
    with torch.no_grad():
        top = model.recommender.scores(model.recommender.last_states(histories)).argmax(1) + 1
    return float((top.numpy() == successor[1:]).mean())


@pytest.mark.parametrize("regime", ["shared", "fresh"])
def test_a_learner_finds_the_planted_successors_and_noise_does_not_teach_them(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config, regime: str
) -> None:
    summary = planted_run[0].summary
    config = load_config(None, [f"train.regime={regime}", "train.learning_rate=0.01", "train.steps=150"])
    found = share_of_successors_found(train(summary, config=config), planted[1])

    settings, width = small_config.distill, summary.factors.core.shape[2]
    noise = random_factors(
        settings.n,
        settings.length,
        width,
        settings.ranks,
        summary.item_factor,
        torch.Generator().manual_seed(0),
    )
    untrained = Summary(noise, summary.item_factor, summary.item_ids, summary.targets)
    missed = share_of_successors_found(train(untrained, config=config), planted[1])
    assert found >= 0.8
    assert missed <= 0.3


def files_of(folder: str) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in Path(folder, "summary").iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config, tmp_path: Path
) -> None:
    distill(planted[0], out=tmp_path / "again", config=small_config)
    assert files_of(str(tmp_path / "again")) == files_of(planted_run[1])
    other = distill(planted[0], config=small_config.model_copy(update={"seed": 1})).summary
    assert not torch.equal(other.factors.core, planted_run[0].summary.factors.core)


def test_the_callers_random_state_is_left_alone(planted_run: tuple[Run, str]) -> None:
    torch.manual_seed(0)
    train(planted_run[0].summary, config=load_config(None, ["train.steps=2"]))
    after = torch.rand(3)
    torch.manual_seed(0)
    torch.testing.assert_close(after, torch.rand(3), rtol=0, atol=0)


def test_the_run_directory_holds_what_was_asked_and_what_came_out(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config
) -> None:
    run, folder = planted_run
    resolved = small_config.for_log(planted[0].num_interactions, planted[0].num_items)
    path = Path(folder)
    assert read_json(path / "result.json") == json.loads(json.dumps(run.result))
    assert json.loads((path / "config.json").read_text())["config"] == resolved.model_dump(mode="json", exclude={"run"})
    steps = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    count = small_config.distill.steps
    assert [s["step"] for s in steps] == 2 * list(range(1, count + 1))
    assert [{s["regime"] for s in part} for part in (steps[:count], steps[count:])] == [{"shared", "fresh"}, {"shared"}]
    assert all(s["norm"] >= s["clipped_to"] > 0 for s in steps)
    assert TrainedModel.load(path / "teacher").checkpoints.keys() >= {1, 2, 4}
    assert torch.equal(Summary.load(path / "summary").factors.core, run.summary.factors.core)


def test_the_table_has_the_summary_beside_its_controls(planted_run: tuple[Run, str]) -> None:
    rows = planted_run[0].result["rows"]
    assert [(row["name"], row["regime"]) for row in rows] == [
        ("full data", None),
        ("item factor only", "shared"),
        ("random sequences", "shared"),
        ("start, soft targets", "shared"),
        ("start, soft targets", "fresh"),
        ("distilled", "shared"),
        ("distilled", "fresh"),
        ("distilled, paper", "shared"),
        ("distilled, paper", "fresh"),
    ]
    for row in rows:
        assert row["metrics"].keys() == METRICS
        assert row["seeds"] == 2
        assert row["bytes"] > 0
        ratio = row["metrics"]["ndcg@10"]["mean"] / rows[0]["metrics"]["ndcg@10"]["mean"]
        assert row["percent_of_full"]["ndcg@10"] == pytest.approx(100 * ratio)


def test_the_summary_recommends_the_schedules_of_its_rows(planted_run: tuple[Run, str]) -> None:
    rows = [row for row in planted_run[0].result["rows"] if row["name"] == "distilled"]
    assert planted_run[0].summary.schedules == {row["regime"]: Schedule(**row["schedule"]) for row in rows}


def test_training_takes_the_recommended_optimiser_or_the_one_that_is_set(planted_run: tuple[Run, str]) -> None:
    summary = replace(planted_run[0].summary, schedules={"shared": Schedule(0.01, 2, "soap")})
    recommended, *others = (
        train(summary, config=load_config(None, given))
        for given in ([], ["train.optimiser=soap"], ["train.optimiser=adam"])
    )
    taken = [model.details["optimiser"] for model in (recommended, *others)]
    assert taken == ["soap", "soap", "adam"]
    first, same, other = (model.recommender.learner.state_dict() for model in (recommended, *others))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_finished_run_is_reused_and_one_of_other_settings_is_not_touched(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config
) -> None:
    before = files_of(planted_run[1])
    again = distill(planted[0], out=planted_run[1], config=small_config, paper=True)
    assert again.reused
    assert again.result == json.loads(json.dumps(planted_run[0].result))
    other = small_config.model_copy(update={"seed": 7})
    with pytest.raises(SeqDistillError, match=r"other settings \(config\.seed\)"):
        distill(planted[0], out=planted_run[1], config=other, paper=True)
    assert files_of(planted_run[1]) == before


@pytest.mark.parametrize(
    "settings",
    [
        ["distill.start=real", "distill.learner_pool=0", "distill.cuts=2", "distill.inner_batch_size=2"],
        ["distill.start=random", "distill.targets=tied", "distill.cuts=1", "distill.rank=[2, 3]"],
        ["distill.learner_start=teacher", "distill.rank=[3, 4]"],
        ["distill.outer_targets=log", "distill.alignment_weight=1"],
    ],
)
def test_under_every_option_the_summary_kept_is_the_best_validated(
    planted: Planted, small_config: Config, settings: list[str], tmp_path: Path
) -> None:
    layers = [*settings, "distill.steps=6", "evaluate.seeds=1", "teacher.epochs=6"]
    config = load_config(None, layers)
    merged = small_config.model_dump(mode="json")
    for assignment in layers:
        section, _, rest = assignment.partition(".")
        key = rest.split("=")[0]
        merged[section][key] = config.model_dump(mode="json")[section][key]
    run = distill(planted[0], out=tmp_path / "run", config=Config.model_validate(merged))
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    validated = [s["validation"][SELECTION] for s in steps if s["validation"]]
    assert run.result["distillation"]["validation"][SELECTION] >= max(validated)
    if config.distill.rank is not None:
        assert run.summary.factors.core.shape[:2] == config.distill.rank


def test_outer_steps_end_when_none_has_bettered_the_summary_for_long(
    planted: Planted, small_config: Config, tmp_path: Path
) -> None:
    endless = {"steps": 1000, "validate_every": 2, "patience": 3}
    config = small_config.model_copy(update={"distill": small_config.distill.model_copy(update=endless)})
    run = distill(planted[0], out=tmp_path / "run", config=config, evaluation=False)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == run.result["distillation"]["best_step"] + 2 * 3


def test_train_and_evaluate_round_trip(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config, tmp_path: Path
) -> None:
    model = train(Path(planted_run[1]) / "summary", out=tmp_path / "model", config=small_config)
    loaded = evaluate(tmp_path / "model", planted[0])
    assert loaded["metrics"] == evaluate(model, planted[0])["metrics"]
    assert loaded["model"] == {"learner": "sasrec", "length": 10, "trained_on": "summary"}
    on_log = train(planted[0], config=small_config)
    assert evaluate(on_log, planted[0])["model"]["trained_on"] == "log"


def test_a_model_is_refused_on_another_catalogue(planted: Planted, planted_run: tuple[Run, str]) -> None:
    model = train(planted_run[0].summary, config=load_config(None, ["train.steps=1"]))
    other = planted[0]
    smaller = Dataset("other", other.items, other.offsets, other.item_ids.reverse(), other.user_ids, other.provenance)
    with pytest.raises(SeqDistillError, match="not the same"):
        evaluate(model, smaller)


def test_a_run_folder_stands_for_its_summary(planted_run: tuple[Run, str]) -> None:
    one_step = load_config(None, ["train.steps=1"])
    from_run = train(planted_run[1], config=one_step)
    from_summary = train(Path(planted_run[1]) / "summary", config=one_step)
    for name, tensor in from_run.recommender.state_dict().items():
        assert torch.equal(tensor, from_summary.recommender.state_dict()[name])


def test_a_damaged_manifest_is_named_when_training_on_it(planted_run: tuple[Run, str], tmp_path: Path) -> None:
    planted_run[0].summary.save(tmp_path / "summary")
    (tmp_path / "summary" / "manifest.json").write_text("{}")
    with pytest.raises(SeqDistillError, match=r"manifest\.json"):
        train(tmp_path / "summary")


def test_folders_that_are_not_ours_are_left_alone(planted: Planted, small_config: Config, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model": "of somebody else"}')
    for overwrite in (False, True):
        with pytest.raises(SeqDistillError, match="holds no run"):
            distill(planted[0], out=tmp_path, config=small_config, overwrite=overwrite)
    with pytest.raises(SeqDistillError, match="is not a model"):
        train(planted[0], out=tmp_path, config=small_config)
    assert [f.name for f in tmp_path.iterdir()] == ["config.json"]


def test_architectures_take_turns_whatever_their_view(planted: Planted, small_config: Config, tmp_path: Path) -> None:
    few = {"learners": ("sasrec", "bert4rec", "gru4rec"), "steps": 8, "window": 2, "inner_steps": 4}
    settings = small_config.distill.model_copy(update=few)
    distill(planted[0], out=tmp_path, config=small_config.model_copy(update={"distill": settings}))
    steps = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {step["learner"] for step in steps} == {"sasrec", "bert4rec", "gru4rec"}
    assert all(step["norm"] > 0 for step in steps)


def test_what_cannot_work_is_refused_before_any_work_and_leaves_nothing(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(SeqDistillError, match="5 attention heads do not divide a width of 32"):
        distill(planted[0], out=out, config=load_config(None, ["train.heads=5"]))
    dataset = planted[0]
    threes = np.arange(len(dataset.items)) % 12 < 3
    short = Dataset(
        "short",
        dataset.items[threes],
        np.arange(151) * 3,
        dataset.item_ids,
        dataset.user_ids,
        dataset.provenance,
    )
    with pytest.raises(SeqDistillError, match="no user has two interactions left to train on"):
        distill(short, out=out)
    assert not out.exists()


def test_another_runs_teacher_gives_the_same_summary_without_being_trained_again(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config, tmp_path: Path
) -> None:
    run, folder = planted_run
    again = distill(planted[0], out=tmp_path / "run", config=small_config, evaluation=False, teacher_of=folder)
    assert all(torch.equal(a, b) for a, b in zip(again.summary.factors, run.summary.factors, strict=True))
    assert again.result["rows"] == []
    assert again.result["seconds"]["teacher"] == run.result["seconds"]["teacher"]
    assert again.summary.schedules == run.summary.schedules
    theirs, ours = (Path(place, "teacher", "model.safetensors").read_bytes() for place in (folder, tmp_path / "run"))
    assert ours == theirs


@pytest.mark.parametrize("changed", [{"seed": 1}, {"teacher": {"learning_rate": 0.02}}])
def test_a_teacher_that_would_be_another_is_refused(
    planted: Planted, planted_run: tuple[Run, str], small_config: Config, changed: Layers
) -> None:
    values = small_config.model_dump(mode="json")
    other = parse_config({**values, **changed, "teacher": {**values["teacher"], **changed.get("teacher", {})}})
    named = "seed" if "seed" in changed else "teacher.learning_rate"
    with pytest.raises(SeqDistillError, match=named):
        distill(planted[0], config=other, teacher_of=planted_run[1])


def test_a_teacher_is_taken_over_from_a_finished_run_only(
    planted: Planted, small_config: Config, tmp_path: Path
) -> None:
    with pytest.raises(SeqDistillError, match="no finished run"):
        distill(planted[0], config=small_config, teacher_of=tmp_path)
