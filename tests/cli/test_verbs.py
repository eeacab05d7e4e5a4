"""The verbs on a tiny log, from the distillation to the evaluation of a model."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from seqdistill import __version__
from seqdistill.artifacts import read_json

Invoke = Callable[..., Result]
Finished = tuple[Path, Result]

METRICS = {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (10, 20)} | {"ndcg@100", "mrr", "log_likelihood"}


def one_error_line(result: Result) -> str:
    """The message of a failed command, which must be its whole output."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").strip()


def test_help_and_version_do_not_wait_for_torch() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from seqdistill.cli import app; r = CliRunner();"
        "texts = [r.invoke(app, a).output for a in (['--help'], ['distill', '--help'], ['--version'])];"
        "assert 'torch' not in sys.modules and 'polars' not in sys.modules; print(*texts)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"seqdistill {__version__}" in output
    assert all(verb in output for verb in ("distill", "train", "evaluate", "datasets", "inspect"))


@pytest.mark.parametrize("verb", ["distill", "train", "evaluate", "datasets", "inspect", "export"])
def test_every_verb_takes_the_common_options_and_shows_an_example(invoke: Invoke, verb: str) -> None:
    text = invoke(verb, "--help").output
    assert "--json" in text
    assert "--quiet" in text
    assert f"Example: seqdistill {verb}" in text


def test_using_a_model_does_not_wait_for_what_trains_one(
    invoke: Invoke, finished: Finished, log: Path, tmp_path: Path
) -> None:
    run, _ = finished
    model = tmp_path / "model"
    assert invoke("train", run / "summary", "--out", model).exit_code == 0
    script = (
        "import sys, seqdistill; model, log = sys.argv[1:];"
        "seqdistill.evaluate(model, log); seqdistill.recommend(model, ['film 3']);"
        "assert 'pytorch_optimizer' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, model, log], check=True)


def test_the_table_names_every_row_and_what_to_do_next(finished: Finished) -> None:
    run, result = finished
    for text in ("full data", "item factor only", "random sequences", "start, soft targets", "distilled"):
        assert text in result.stdout
    assert "60 users" in result.stdout
    assert f"next: seqdistill train {run / 'summary'} --out MODEL" in result.stdout
    assert "distilling: done in" in result.stderr
    assert "error" not in result.stderr


def test_the_same_settings_again_are_not_computed_again(
    invoke: Invoke, log: Path, finished: Finished, tiny: list[str]
) -> None:
    run, _ = finished
    before = (run / "metrics.jsonl").stat().st_mtime_ns
    result = invoke("distill", log, "--out", run, *tiny, "--json")
    assert result.exit_code == 0
    assert "nothing was computed anew" in result.stderr
    document = json.loads(result.stdout)
    assert document == read_json(run / "result.json")
    assert {row["name"] for row in document["rows"]} >= {"full data", "distilled"}
    assert all(row["metrics"].keys() == METRICS for row in document["rows"])
    assert (run / "metrics.jsonl").stat().st_mtime_ns == before


def test_quiet_leaves_stderr_empty(invoke: Invoke, log: Path, finished: Finished, tiny: list[str]) -> None:
    run, first = finished
    result = invoke("distill", log, "--out", run, *tiny, "--quiet")
    assert result.stderr == ""
    assert result.stdout == first.stdout


def test_other_settings_do_not_touch_a_run(invoke: Invoke, log: Path, finished: Finished, tiny: list[str]) -> None:
    run, _ = finished
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    message = one_error_line(invoke("distill", log, "--out", run, *tiny, "--set=distill.steps=4"))
    assert str(run) in message
    assert "distill.steps" in message
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize("regime", ["shared", "fresh"])
def test_a_model_is_trained_on_the_summary_and_evaluated(
    invoke: Invoke, log: Path, finished: Finished, tmp_path: Path, regime: str
) -> None:
    summary, model = finished[0] / "summary", tmp_path / "model"
    trained = invoke("train", summary, "--out", model, "--regime", regime, "--set=train.steps=7", "--json")
    assert trained.exit_code == 0, trained.output
    document = json.loads(trained.stdout)
    assert (document["regime"], document["steps"], document["learner"]) == (regime, 7, "sasrec")

    tested = invoke("evaluate", model, log, "--json")
    metrics = json.loads(tested.stdout)["metrics"]
    assert metrics.keys() == METRICS
    validated = invoke("evaluate", model, log, "--part", "validation", "--json")
    assert json.loads(validated.stdout)["metrics"] != metrics

    table = invoke("evaluate", model, log)
    assert table.exit_code == 0
    assert f"{metrics['ndcg@10']:.4f}".removeprefix("0") in table.stdout


def test_training_on_a_log_says_in_one_line_where_the_model_is(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]
) -> None:
    model = tmp_path / "model"
    result = invoke("train", log, "--out", model, *tiny)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    assert result.stdout.strip().endswith(f"the model is in {model}")
    assert (model / "manifest.json").is_file()


def test_seed_reaches_the_training(invoke: Invoke, finished: Finished, tmp_path: Path) -> None:
    def weights(seed: int, name: str) -> bytes:
        model = tmp_path / name
        arguments = ("train", finished[0] / "summary", "--out", model, "--set=train.steps=2", "--seed", seed)
        assert invoke(*arguments).exit_code == 0
        return (model / "model.safetensors").read_bytes()

    assert weights(1, "a") == weights(1, "b") != weights(2, "c")


def test_inspect_prints_sizes_sharpness_and_sequences(invoke: Invoke, finished: Finished) -> None:
    summary = finished[0] / "summary"
    text = invoke("inspect", summary, "--sequences", 2).stdout
    assert "4 sequences of 8 positions over 30 items" in text
    assert "sequence 2" in text
    assert "sequence 3" not in text
    assert "film " in text
    document = json.loads(invoke("inspect", summary, "--sequences", 2, "--top", 4, "--json").stdout)
    assert len(document["examples"]) == 2
    assert len(document["examples"][0][0]["reads"]) == 4


def test_datasets_tells_what_is_not_here(invoke: Invoke) -> None:
    document = json.loads(invoke("datasets", "--json").stdout)
    (known,) = [entry for entry in document["datasets"] if entry["name"] == "ml-100k"]
    assert (known["users"], known["path"]) == (943, None)
    text = invoke("datasets").stdout
    assert known["licence"] in text
    assert known["address"] in text


def test_unknown_dataset_offers_the_nearest(invoke: Invoke, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert "did you mean ml-100k" in one_error_line(invoke("distill", "ml-10k", "--out", run))
    assert list(tmp_path.iterdir()) == []


def test_missing_log_is_named(invoke: Invoke, tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    assert str(missing) in one_error_line(invoke("distill", missing, "--out", tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("distill.stepz=3", ["distill.stepz", "distill.steps"]),
        ("distill.rank=[99,4]", ["rank", "99"]),
        ("distill.length=1", ["distill.length"]),
        ("distill.steps=many", ["distill.steps", "many"]),
        ("steps", ["--set steps", "section.key=value"]),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_is_written(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str], setting: str, parts: list[str]
) -> None:
    message = one_error_line(invoke("distill", log, "--out", tmp_path / "run", *tiny, "--set", setting))
    assert all(part in message for part in parts), message
    assert list(tmp_path.iterdir()) == []


def test_a_config_file_gives_way_to_set(invoke: Invoke, finished: Finished, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[train]\nsteps = 2\nlearning_rate = 0.5\n")
    arguments = ("train", finished[0] / "summary", "--out", tmp_path / "m", "--config", config, "--set=train.steps=3")
    document = json.loads(invoke(*arguments, "--json").stdout)
    assert (document["steps"], document["learning_rate"]) == (3, 0.5)
    missing = ("--config", tmp_path / "none.toml")
    assert "none.toml" in one_error_line(invoke("train", finished[0] / "summary", "--out", tmp_path / "n", *missing))


@pytest.mark.parametrize(
    "name", ["factors.safetensors", "item_factor.safetensors", "item_ids.parquet", "manifest.json"]
)
@pytest.mark.parametrize("verb", ["train", "inspect"])
def test_a_tampered_summary_is_refused_by_the_name_of_the_file(
    invoke: Invoke, finished: Finished, tmp_path: Path, verb: str, name: str
) -> None:
    summary = tmp_path / "summary"
    shutil.copytree(finished[0] / "summary", summary)
    content = bytearray((summary / name).read_bytes())
    place = content.index(b'"sha256"') + 15 if name == "manifest.json" else len(content) // 2
    content[place] ^= 1
    (summary / name).write_bytes(content)
    out = ("--out", tmp_path / "model") if verb == "train" else ()
    assert str(summary / name) in one_error_line(invoke(verb, summary, *out))
    assert not (tmp_path / "model").exists()


def test_a_model_is_no_summary(invoke: Invoke, finished: Finished) -> None:
    assert "not a summary" in one_error_line(invoke("inspect", finished[0] / "teacher"))


def test_a_device_that_is_not_there_is_an_error_and_one_that_cannot_be_is_usage(
    invoke: Invoke, log: Path, tmp_path: Path
) -> None:
    arguments = ("distill", log, "--out", tmp_path / "run", "--device")
    assert "cuda:99" in one_error_line(invoke(*arguments, "cuda:99"))
    assert invoke(*arguments, "abacus").exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["distil"], ["distill"], ["train", "x"], ["datasets", "--seed", "-1"]])
def test_wrong_usage_exits_with_2(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_ctrl_c_ends_with_one_line(log: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from seqdistill.cli import main; main()"]
    command += ["train", str(log), "--out", str(tmp_path / "model")]
    command += ["--set=teacher.epochs=100000", "--set=teacher.patience=100000", "--set=teacher.dim=4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # Its first report comes after a line or two about the log.
        started = any(line.endswith("0/100000\n") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        stdout, rest = process.communicate(timeout=60)
    assert started
    assert process.returncode == 130
    assert stdout == ""
    assert rest.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
