"""Artifacts of every format that was ever written are read by this release, and hold what they held."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from seqdistill import models, recommend, summary
from seqdistill.artifacts import MANIFEST
from seqdistill.artifacts.manifest import DIGEST, seal
from seqdistill.data import load_dataset
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary
from tools.stored_artifacts import HISTORY, ITEMS, VERSIONS

HERE = Path(__file__).parent
STORED = sorted(path for path in HERE.glob("v*/*") if path.is_dir())


def expected(folder: Path) -> dict[str, Any]:
    return json.loads((folder.parent / "expected.json").read_text())[folder.name]


def rewritten(source: Path, target: Path, **entries: object) -> Path:
    """A copy whose manifest says something else, and vouches for it."""
    shutil.copytree(source, target)
    manifest = json.loads((target / MANIFEST).read_text())
    del manifest[DIGEST]
    (target / MANIFEST).write_text(json.dumps(seal({**manifest, **entries})))
    return target


def load(folder: Path) -> object:
    if folder.name == "summary":
        return Summary.load(folder)
    return TrainedModel.load(folder) if folder.name == "model" else load_dataset(folder, verify=True)


def test_every_format_of_every_kind_is_kept() -> None:
    kept = {(path.parent.name, path.name) for path in STORED}
    assert kept == {(f"v{v}", kind) for kind, newest in VERSIONS.items() for v in range(1, newest + 1)}


@pytest.mark.parametrize("folder", [path for path in STORED if path.name == "summary"], ids=lambda p: p.parent.name)
def test_a_summary_of_any_format_is_what_it_was(folder: Path, tmp_path: Path) -> None:
    loaded = Summary.load(folder)
    assert loaded.fingerprint == expected(folder)["fingerprint"]
    assert loaded.item_ids.to_list() == expected(folder)["item_ids"]
    loaded.save(tmp_path / "summary")
    again = Summary.load(tmp_path / "summary")
    assert again.fingerprint == loaded.fingerprint
    assert (again.schedules, again.details) == (loaded.schedules, loaded.details)
    assert json.loads((tmp_path / "summary" / MANIFEST).read_text())["format_version"] == summary.FORMAT_VERSION


@pytest.mark.parametrize("folder", [path for path in STORED if path.name == "model"], ids=lambda p: p.parent.name)
def test_a_model_of_any_format_recommends_what_it_did(folder: Path, tmp_path: Path) -> None:
    loaded = TrainedModel.load(folder)
    loaded.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / MANIFEST).read_text())["format_version"] == models.FORMAT_VERSION
    for path in (folder, tmp_path / "model"):
        found = recommend(path, HISTORY, k=ITEMS).items
        assert [item.item_id for item in found] == [item["item_id"] for item in expected(folder)["recommended"]]
        wanted = [item["score"] for item in expected(folder)["recommended"]]
        assert [item.score for item in found] == pytest.approx(wanted, abs=1e-5)
    assert list(loaded.checkpoints) == [1, 2]


@pytest.mark.parametrize("folder", [path for path in STORED if path.name == "dataset"], ids=lambda p: p.parent.name)
def test_a_prepared_folder_of_any_format_is_the_same_data(folder: Path) -> None:
    dataset = load_dataset(folder, verify=True)
    assert dataset.fingerprint == expected(folder)["fingerprint"]
    ids, items = dataset.item_ids.to_list(), dataset.items.tolist()
    bounds = zip(dataset.user_ids, dataset.offsets[:-1], dataset.offsets[1:], strict=True)
    sequences = {user: [ids[item - 1] for item in items[begin:end]] for user, begin, end in bounds}
    assert sequences == expected(folder)["sequences"]


@pytest.mark.parametrize("folder", STORED, ids=lambda p: f"{p.name}-{p.parent.name}")
@pytest.mark.parametrize(
    ("version", "said"), [(7, "format 7, and this release reads up to"), (0, "is not valid"), ("2", "is not valid")]
)
def test_a_format_nobody_knows_is_refused(folder: Path, tmp_path: Path, version: object, said: str) -> None:
    other = rewritten(folder, tmp_path / folder.name, format_version=version)
    with pytest.raises(SeqDistillError, match=rf"manifest\.json .*{said}"):
        load(other)


@pytest.mark.parametrize("folder", STORED, ids=lambda p: f"{p.name}-{p.parent.name}")
def test_one_kind_is_not_taken_for_another(folder: Path, tmp_path: Path) -> None:
    other = rewritten(folder, tmp_path / folder.name, format="seqdistill/other")
    with pytest.raises(SeqDistillError, match="is a seqdistill/other, not a"):
        load(other)
