"""What a user reads when a folder is not what it should be: one line, the name of the file, and status 1."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

from seqdistill.summary import Summary
from tools.hostile import DATASET, MODEL, SUMMARY, vouch

Invoke = Callable[..., Result]


def spoilt(source: Path, target: Path, name: str) -> Path:
    """A copy in which one file is cut short."""
    shutil.copytree(source, target)
    (target / name).write_bytes((target / name).read_bytes()[:150])
    return target


@pytest.mark.parametrize(
    ("source", "name", "verbs"),
    [
        (SUMMARY, "item_factor.safetensors", [["inspect", "{}"], ["train", "{}", "--out", "{out}"]]),
        (SUMMARY, "manifest.json", [["inspect", "{}"], ["train", "{}", "--out", "{out}"]]),
        (MODEL, "item_ids.parquet", [["recommend", "{}", "--history", "film 1"], ["evaluate", "{}", str(DATASET)]]),
        (MODEL, "checkpoints.safetensors", [["recommend", "{}", "--history", "film 1", "--json"]]),
        (DATASET, "items.npy", [["evaluate", str(MODEL), "{}"], ["train", "{}", "--out", "{out}", "--json"]]),
        (DATASET, "manifest.json", [["train", "{}", "--out", "{out}"], ["distill", "{}", "--out", "{out}"]]),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_a_damaged_file_is_named_in_one_line(
    invoke: Invoke, tmp_path: Path, source: Path, name: str, verbs: list[list[str]]
) -> None:
    folder = spoilt(source, tmp_path / source.name, name)
    for words in verbs:
        result = invoke(*(word.format(folder, out=tmp_path / "out") for word in words))
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith(f"error: {folder / name} ")
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_verbs_verify_a_prepared_log_that_opening_does_not(invoke: Invoke, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATASET, tmp_path / "dataset"))
    data = bytearray((folder / "items.npy").read_bytes())
    data[-8] ^= 1
    (folder / "items.npy").write_bytes(data)
    for words in (["evaluate", str(MODEL), folder], ["train", folder, "--out", tmp_path / "out"]):
        result = invoke(*words)
        assert result.exit_code == 1
        assert "items.npy does not match its SHA-256" in result.stderr


def test_a_class_of_ones_own_has_to_be_allowed(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sas_again.py").write_text("from seqdistill.learners import SASRec as Class\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = Path(shutil.copytree(MODEL, tmp_path / "model"))
    vouch(folder, lambda manifest: manifest.update(architecture={"learner": "sas_again:Class"}))
    for words in (["recommend", folder, "--history", "film 1"], ["evaluate", folder, DATASET]):
        refused = invoke(*words)
        assert refused.exit_code == 1
        assert "--allow-code sas_again:Class" in refused.stderr
        allowed = invoke(*words, "--allow-code", "sas_again:Class")
        assert allowed.exit_code == 0, allowed.output


def test_ids_cannot_command_a_terminal(invoke: Invoke, tmp_path: Path) -> None:
    summary = Summary.load(SUMMARY)
    ids = pl.Series([f"\x1b]0;title\x07{number}\x9b" for number in range(summary.num_items)])
    object.__setattr__(summary, "item_ids", ids)
    summary.save(tmp_path / "summary")
    shown = invoke("inspect", tmp_path / "summary")
    assert shown.exit_code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(shown.stdout)
    assert "]0;title" in shown.stdout
