"""The prepared folder: whole or not there, the same whatever the memory, and opened without being read."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from logs import refusal, sequences, write_csv
from seqdistill.config import DataConfig
from seqdistill.data import load_dataset, open_prepared, ordering, prepare
from seqdistill.errors import SeqDistillError


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 rows of 100 users, many of equal times, and ids that are no numbers."""
    rng = np.random.default_rng(0)
    rows = [f"user {u},i{i},{t}" for u, i, t in rng.integers(0, (100, 40, 300), (2000, 3))]
    return write_csv(tmp_path_factory.mktemp("log") / "log.csv", *rows)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("split", ["leave-one-out", "time", "user"])
def test_a_folder_is_the_dataset_that_the_log_is(log: Path, tmp_path: Path, split: str) -> None:
    loaded = load_dataset(log, split=split)
    prepared = prepare(log, tmp_path / "out", split=split)
    assert sequences(prepared) == sequences(loaded)
    assert prepared.fingerprint == loaded.fingerprint
    assert prepared.has_repeats == loaded.has_repeats
    assert prepared.provenance.notes == loaded.provenance.notes
    assert prepared.provenance.settings == ({} if split == "leave-one-out" else {"split": split})
    again = load_dataset(str(tmp_path / "out"))
    assert again.provenance.source == str(tmp_path / "out")
    assert isinstance(again.items, np.memmap)
    assert again.times is not None
    for part in ("validation", "test"):
        for one, other in zip(loaded.held_out(part, 5), again.held_out(part, 5), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(loaded.training_windows(7), again.training_windows(7))
    # What the manifest vouches for is what the arrays say.
    fresh = open_prepared(tmp_path / "out")
    for fact in ("fingerprint", "has_repeats"):
        object.__delattr__(fresh, fact)
        assert getattr(fresh, fact) == getattr(loaded, fact)
    assert fresh.num_items == len(fresh.item_ids)


def test_the_folder_does_not_depend_on_the_memory(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"filter": "core", "drop_repeats": True}
    whole = contents(prepare(log, tmp_path / "whole", **settings).folder)
    assert whole == contents(prepare(log, tmp_path / "again", **settings, memory="64MiB").folder)
    for name in ("blocks", "ordering", "filters", "holdout", "weigh", "intake"):
        monkeypatch.setattr(f"seqdistill.data.{name}.BLOCK_ROWS", 64, raising=False)
    monkeypatch.setattr("seqdistill.data.blocks.user_blocks.__defaults__", (64,))
    monkeypatch.setattr(ordering, "SORT_BYTES_PER_ROW", (64 << 20) // 4 // 100)
    parts = contents(prepare(log, tmp_path / "parts", **settings, memory="64MiB").folder)
    # Weighed in parts, a log weighs a little more.
    manifests = [json.loads(files.pop("manifest.json")) for files in (whole, parts)]
    assert whole == parts
    for manifest in manifests:
        manifest["log"].pop("parquet_bytes")
        manifest.pop("manifest_sha256")
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("ids", ["text", "whole"])
def test_ids_on_disk_give_the_same_folder(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: str) -> None:
    source = log
    if ids == "whole":
        digits = "\n".join(re.sub(r"user |i", "", line) for line in log.read_text().splitlines()[1:])
        source = write_csv(tmp_path / "log.csv", *digits.splitlines())
    monkeypatch.setattr("seqdistill.data.text.cut_blocks.__defaults__", (4_000,))
    whole = contents(prepare(source, tmp_path / "whole", min_count=3).folder)
    monkeypatch.setattr("seqdistill.data.ids.BYTES_PER_ID", 1 << 20)
    assert contents(prepare(source, tmp_path / "disk", min_count=3, memory="100MB").folder) == whole
    left = {path.name for path in tmp_path.iterdir()} - {"log.csv"}
    assert left == {"disk", "whole"}


def test_without_duckdb_the_message_says_what_to_do(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdistill.data.ids.BYTES_PER_ID", 1 << 20)
    monkeypatch.setattr("seqdistill.data.duck.find_spec", lambda _: None)
    with pytest.raises(SeqDistillError, match=r"raise --memory .* pip install 'seqdistill\[duckdb\]'"):
        prepare(log, tmp_path / "out", memory="100MB")
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_tells_how_the_folder_came_about(log: Path, tmp_path: Path) -> None:
    prepare(log, tmp_path / "out", min_count=3, columns=None, memory="1GB", order="file")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["format"] == "seqdistill/dataset"
    assert manifest["settings"] == {"min_count": 3, "order": "file"}
    assert manifest["command"] == ("seqdistill prepare log.csv --out DIR --set data.order=file --set data.min_count=3")
    assert manifest["log"]["rows"] == 2000
    assert str(tmp_path) not in json.dumps(manifest)
    assert "times.npy" not in manifest["files"]


def test_opening_reads_no_ids_and_no_rows(log: Path, tmp_path: Path) -> None:
    folder = prepare(log, tmp_path / "out").folder
    for name in ("users.parquet", "items.parquet"):
        size = (folder / name).stat().st_size
        (folder / name).write_bytes(b"x" * size)
    dataset = open_prepared(folder)
    assert (dataset.num_users, dataset.num_items) == (100, 40)
    assert len(dataset.training_windows(5)) > 0
    with pytest.raises(SeqDistillError, match=r"users\.parquet does not match its SHA-256"):
        _ = dataset.user_ids
    with pytest.raises(AttributeError, match="no attribute 'usr_ids'"):
        _ = dataset.usr_ids
    with pytest.raises(SeqDistillError, match=r"items\.parquet does not match"):
        open_prepared(folder, verify=True)


def test_a_folder_that_was_altered_is_refused(log: Path, tmp_path: Path) -> None:
    folder = prepare(log, tmp_path / "out").folder
    with (folder / "items.npy").open("ab") as file:
        file.write(b"\0" * 8)
    assert "items.npy does not match" in refusal(folder)
    (folder / "items.npy").unlink()
    assert "items.npy is missing" in refusal(folder)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"users": 100', '"users": 101'))
    assert "manifest.json does not match its own SHA-256" in refusal(folder)


def test_settings_that_come_too_late_are_refused(log: Path, tmp_path: Path) -> None:
    folder = prepare(log, tmp_path / "out", min_count=3).folder
    assert load_dataset(folder, min_count=3, memory="1GB").num_users == 100
    with pytest.raises(SeqDistillError, match=r"prepared with data\.min_count = 3, and 4 is asked for"):
        load_dataset(folder, config=DataConfig(min_count=4))
    assert load_dataset(folder, config=DataConfig()).num_users == 100


def test_a_taken_name_is_left_alone(log: Path, tmp_path: Path) -> None:
    folder = prepare(log, tmp_path / "out").folder
    before = contents(folder)
    with pytest.raises(SeqDistillError, match="--overwrite"):
        prepare(log, folder, min_count=2)
    assert contents(folder) == before
    assert prepare(log, folder, min_count=2, overwrite=True).provenance.settings == {"min_count": 2}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(SeqDistillError, match="is not a dataset"):
        prepare(log, tmp_path / "mine", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(SeqDistillError, match=str(tmp_path / "file")):
        prepare(log, tmp_path / "file" / "out")


def test_a_log_that_fails_leaves_nothing(log: Path, tmp_path: Path) -> None:
    bad = write_csv(tmp_path / "bad.csv", *log.read_text().splitlines()[1:], "u,i,soon")
    with pytest.raises(SeqDistillError, match="line 2002"):
        prepare(bad, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_a_dataset_without_a_folder_of_its_own_cleans_up(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dataset = load_dataset(log)
    assert len(list(tmp_path.iterdir())) == 1
    del dataset
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """SIGINT in the middle of reading."""
    big = tmp_path / "big.csv"
    table = pl.DataFrame({"user": np.arange(3_000_000) // 10, "item": np.arange(3_000_000) % 1000})
    table.write_csv(big)
    out = tmp_path / "folder" / "out"
    command = [sys.executable, "-c", "from seqdistill.cli import main; main()", "prepare", str(big), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("folder/.out.*/raw/memory/users.codes")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1] == "interrupted"
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_full_disk_is_said(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("seqdistill.data.spill.Column.append", full)
    with pytest.raises(SeqDistillError, match="No space left on device"):
        prepare(log, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
