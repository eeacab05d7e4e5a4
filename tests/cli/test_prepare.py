"""The verb `prepare`, and prepared folders in the other verbs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]


def error_line(result: Result) -> str:
    """The message of a failed command, which must be its whole output."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def prepared(invoke: Invoke, log: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("prepared") / "films"
    result = invoke("prepare", log, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result


def test_what_was_decided_is_said_and_the_next_step_too(prepared: tuple[Path, Result]) -> None:
    folder, result = prepared
    for text in (
        "read as CSV: user = user_id, item = item_id, time = timestamp",
        "times are plain numbers",
        "read 720 rows, 60 users, 30 items",
        "0 of 720 rows have the time",
        "fewer than 5 rows, in one pass: 0 of 720 rows",
        "60 validation and 60 test items held out",
    ):
        assert text in result.stderr
    assert "films: 720 interactions, 60 users, 30 items in" in result.stdout
    assert f"next: seqdistill distill {folder} --out RUN" in result.stdout


def test_json_has_the_manifest(invoke: Invoke, log: Path, tmp_path: Path) -> None:
    result = invoke("prepare", log, "--out", tmp_path / "out", "--json", "--quiet", "--set=data.min_count=2")
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["path"] == str(tmp_path / "out")
    assert document["counts"] == {"interactions": 720, "users": 60, "items": 30, "validation": 60, "test": 60}
    assert document["settings"] == {"min_count": 2}
    assert document["split"]["name"] == "leave-one-out"
    assert document["bytes"] > 0


def test_every_verb_takes_a_prepared_folder_as_it_takes_the_log(
    invoke: Invoke,
    log: Path,
    prepared: tuple[Path, Result],
    finished: tuple[Path, Result],
    tmp_path: Path,
    tiny: list[str],
) -> None:
    folder, _ = prepared
    run, model = tmp_path / "run", tmp_path / "model"
    result = invoke("distill", folder, "--out", run, *tiny, "--json")
    assert result.exit_code == 0, result.output
    other = json.loads((finished[0] / "result.json").read_text())
    metrics = [[row["metrics"] for row in document["rows"]] for document in (json.loads(result.stdout), other)]
    assert metrics[0] == metrics[1]
    assert invoke("train", folder, "--out", model, *tiny).exit_code == 0
    documents = [json.loads(invoke("evaluate", model, data, "--json").stdout) for data in (folder, log)]
    assert documents[0] == documents[1]
    # The same work: a run of the log is a run of the folder.
    again = invoke("distill", log, "--out", run, *tiny)
    assert "nothing was computed anew" in again.stderr


def test_a_split_by_time_and_by_user_can_be_distilled(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]
) -> None:
    for split in ("time", "user"):
        folder, run = tmp_path / split, tmp_path / f"run-{split}"
        assert invoke("prepare", log, "--out", folder, "--split", split).exit_code == 0
        result = invoke("distill", folder, "--out", run, *tiny)
        assert result.exit_code == 0, result.output
        assert f"{split}, test items of" in result.stdout


def test_a_folder_of_parquet_files_is_a_log_in_every_verb(
    invoke: Invoke, log: Path, tmp_path: Path, tiny: list[str]
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    pl.read_csv(log).write_parquet(folder / "0.parquet")
    assert invoke("train", folder, "--out", tmp_path / "model", *tiny).exit_code == 0


def test_verify(invoke: Invoke, prepared: tuple[Path, Result], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(prepared[0], folder)
    result = invoke("prepare", folder, "--verify")
    assert result.exit_code == 0, result.output
    assert "every file is as it was written" in result.stdout
    content = bytearray((folder / "items.npy").read_bytes())
    content[-8] ^= 1
    (folder / "items.npy").write_bytes(content)
    assert "items.npy does not match" in error_line(invoke("prepare", folder, "--verify"))


def test_options_are_settings(invoke: Invoke, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("1 2 1\n1 3 4\n5 6 5\n")
    assert "data.format=sessions" in error_line(invoke("prepare", log, "--out", tmp_path / "out"))
    options = ("--format", "sessions", "--memory", "1GB", "--set=data.min_count=1")
    document = json.loads(invoke("prepare", log, "--out", tmp_path / "out", *options, "--json").stdout)
    assert document["settings"] == {"format": "sessions", "min_count": 1}
    log.write_text("".join(f"{item},u,{item}\n" for item in range(9)))
    options = ("--columns", "item,user,time", "--set=data.min_count=1", "--overwrite", "--json")
    document = json.loads(invoke("prepare", log, "--out", tmp_path / "out", *options).stdout)
    assert document["counts"]["items"] == 9


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--format", "excel"), "data.format"),
        (("--memory", "lots"), "data.memory"),
        (("--memory", "1MB"), "data.memory"),
        (("--split", "half"), "data.split"),
        (("--set=data.min_cuont=3",), "data.min_count"),
    ],
)
def test_settings_that_cannot_be_are_named(
    invoke: Invoke, log: Path, tmp_path: Path, options: tuple[str, ...], part: str
) -> None:
    assert part in error_line(invoke("prepare", log, "--out", tmp_path / "out", *options))
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage(invoke: Invoke, log: Path, tmp_path: Path) -> None:
    for arguments in (("prepare",), ("prepare", log), ("prepare", log, "--verify", "--out", tmp_path / "out")):
        assert invoke(*arguments).exit_code == 2
    assert "Example: seqdistill prepare" in invoke("prepare", "--help").output


def test_a_summary_is_no_dataset_and_a_dataset_no_summary(
    invoke: Invoke, prepared: tuple[Path, Result], finished: tuple[Path, Result], tmp_path: Path
) -> None:
    assert "seqdistill/summary, not a dataset" in error_line(
        invoke("distill", finished[0] / "summary", "--out", tmp_path / "run")
    )
    assert "not a summary" in error_line(invoke("inspect", prepared[0]))
    assert "--overwrite" in error_line(invoke("prepare", prepared[0], "--out", prepared[0]))


def test_preparing_does_not_wait_for_torch(log: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from seqdistill.cli import app;"
        f"result = CliRunner().invoke(app, ['prepare', {str(log)!r}, '--out', {str(tmp_path / 'out')!r}]);"
        "assert result.exit_code == 0, result.output; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_large_log_reports_its_bytes(
    invoke: Invoke, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqdistill.data.report.QUIET_BYTES", 1)
    result = invoke("prepare", log, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "reading films: done in" in result.stderr
    assert "(100/100)" in result.stderr
    assert "preparing films: done in" in result.stderr
    assert "(5/5)" in result.stderr


def test_datasets_are_listed_by_family(invoke: Invoke) -> None:
    text = invoke("datasets").stdout
    assert "amazon-2018-CATEGORY" in text
    assert "29 categories" in text
    assert "amazon-2018-magazine-subscriptions" not in text
    assert "events.csv from https://" in text
    document = json.loads(invoke("datasets", "--json").stdout)
    entries = {entry["name"]: entry for entry in document["datasets"]}
    assert entries["amazon-2018-magazine-subscriptions"]["interactions"] == 89_689
    assert entries["yelp"]["fetched"] is False
