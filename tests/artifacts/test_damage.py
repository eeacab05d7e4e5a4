"""Every file cut short and with bits flipped: refused by name, or as good as it was. Never something in between."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seqdistill.artifacts import read_json
from seqdistill.data import open_prepared
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary
from tools.stored_artifacts import make

CUTS, FLIPS = 10, 14


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run, with the folder it was made of."""
    folder = tmp_path_factory.mktemp("made")
    make(folder)
    return {"run": folder / "run", "dataset": folder / "dataset"}


def content_of_summary(folder: Path) -> object:
    summary = Summary.load(folder)
    return summary.fingerprint, summary.schedules, summary.details


def content_of_model(folder: Path) -> object:
    model = TrainedModel.load(folder)
    states = {0: model.recommender.state_dict(), **model.checkpoints}
    numbers = {f"{epoch}/{name}": tensor.tolist() for epoch, state in states.items() for name, tensor in state.items()}
    return numbers, model.architecture, model.length, model.item_ids.to_list(), model.details


def content_of_dataset(folder: Path) -> object:
    dataset = open_prepared(folder, verify=True)
    arrays = (dataset.items, dataset.offsets, dataset.times, dataset.training_ends, dataset.split.validation)
    texts = (dataset.user_ids.to_list(), dataset.item_ids.to_list(), dataset.manifest)
    return [None if array is None else array.tolist() for array in arrays], dataset.split.test.tolist(), texts


def damages(whole: bytes, rng: random.Random) -> list[bytes]:
    """Cut at random points, the first and the last byte among them, and with one to three bits flipped."""
    cuts = [0, 1, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(CUTS - 3))]
    damaged = [whole[:cut] for cut in cuts]
    for _ in range(FLIPS):
        flipped = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(flipped))
    return damaged


def outcomes(file: Path, load: Callable[[Path], object], folder: Path, seed: int) -> tuple[int, int]:
    """How many damages of a file were refused, and how many made no difference; anything else fails."""
    whole, good = file.read_bytes(), load(folder)
    refused = same = 0
    for damaged in damages(whole, random.Random(seed)):
        file.write_bytes(damaged)
        said = ""
        try:
            assert load(folder) == good
        except SeqDistillError as error:
            said = str(error)
        assert not said or (file.name in said and "\n" not in said)
        refused, same = refused + bool(said), same + (not said)
    file.write_bytes(whole)
    assert load(folder) == good
    return refused, same


@pytest.mark.parametrize(
    ("source", "name", "load"),
    [
        ("run", "summary", content_of_summary),
        ("run", "teacher", content_of_model),
        ("dataset", "", content_of_dataset),
    ],
)
def test_no_damage_to_an_artifact_goes_unnoticed(
    made: dict[str, Path], tmp_path: Path, source: str, name: str, load: Callable[[Path], object]
) -> None:
    folder = Path(shutil.copytree(made[source] / name, tmp_path / "artifact"))
    files = sorted(folder.iterdir())
    counts = [outcomes(file, load, folder, seed) for seed, file in enumerate(files)]
    assert sum(refused + same for refused, same in counts) == (CUTS + FLIPS) * len(files)
    # Only white space of the manifest, or a digit and its next one back again, could make no difference.
    assert sum(same for _, same in counts) <= 3


@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_no_damage_to_a_sealed_document_goes_unnoticed(made: dict[str, Path], tmp_path: Path, name: str) -> None:
    shutil.copy(made["run"] / name, tmp_path)
    assert read_json(tmp_path / name)["config"]
    refused, same = outcomes(tmp_path / name, lambda folder: read_json(folder / name), tmp_path, seed=5)
    assert refused + same == CUTS + FLIPS
    assert same <= 3


def test_numbers_that_are_swapped_for_others_are_noticed_one_by_one(made: dict[str, Path], tmp_path: Path) -> None:
    """Every byte of the file that decides most, each with one of its bits flipped."""
    folder = Path(shutil.copytree(made["run"] / "summary", tmp_path / "summary"))
    file = folder / "factors.safetensors"
    whole = file.read_bytes()
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        file.write_bytes(altered)
        with pytest.raises(SeqDistillError, match=r"factors\.safetensors"):
            Summary.load(folder)
    file.write_bytes(whole)
    assert torch.isfinite(Summary.load(folder).factors.core).all()
