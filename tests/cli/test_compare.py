import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Invoke = Callable[..., Result]

FEW = [
    f"--set={setting}"
    for setting in (
        "compare.seeds=2",
        'compare.hard=["random"]',
        'compare.soft=["random"]',
        "compare.hard_sizes=[1]",
        "compare.soft_sizes=[1]",
        "compare.resamples=100",
        "compare.workers=1",
    )
]


@pytest.fixture(scope="module")
def compared(
    invoke: Invoke, log: Path, finished: tuple[Path, Result], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("comparisons") / "films"
    result = invoke("compare", finished[0], log, "--out", out, *FEW)
    assert result.exit_code == 0, result.output
    return out, result


def test_the_table_and_the_verdict_are_shown(compared: tuple[Path, Result]) -> None:
    out, result = compared
    document = json.loads((out / "comparison.json").read_text())
    for row in document["rows"]:
        if row["size"] in (None, "n"):
            assert row["name"] in result.stdout
    assert "difference" in result.stdout
    for sentence in document["verdict"]:
        assert sentence in result.stdout
    assert str(out) in result.stdout
    assert "comparing: done in" in result.stderr


def test_settings_are_those_of_the_summary_unless_given(compared: tuple[Path, Result]) -> None:
    document = json.loads((compared[0] / "comparison.json").read_text())
    assert document["config"]["teacher"]["epochs"] == 3
    assert document["config"]["evaluate"]["candidate_steps"] == [5]
    assert document["config"]["compare"]["hard"] == ["random"]
    assert "compare.hard_sizes=[1]" in document["command"]
    assert "teacher" not in document["command"]
    assert "teacher.epochs=3" in document["summary"]["command"]


def test_the_same_again_is_read_and_json_is_one_document(
    invoke: Invoke, log: Path, finished: tuple[Path, Result], compared: tuple[Path, Result]
) -> None:
    result = invoke("compare", finished[0], log, "--out", compared[0], *FEW, "--json")
    assert json.loads(result.stdout) == json.loads((compared[0] / "comparison.json").read_text())
    assert "comparing" not in result.stderr


def test_wrong_inputs_are_one_line(
    invoke: Invoke, log: Path, finished: tuple[Path, Result], compared: tuple[Path, Result], tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(log.read_text().replace("film ", "book "))
    settings = ("--set=teacher.epochs=1",)
    for arguments, part in (
        ((finished[0], other, "--out", tmp_path / "out"), "not the same"),
        ((finished[0] / "teacher", log, "--out", tmp_path / "out"), "not a summary"),
        ((finished[0], log, "--out", compared[0], "--seed", 5), "another comparison"),
        ((finished[0], log, "--out", tmp_path / "out", "--set=compare.hard=[]"), "compare.hard"),
    ):
        result = invoke("compare", *arguments, *settings)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert part in result.stderr
    assert not (tmp_path / "out").exists()
