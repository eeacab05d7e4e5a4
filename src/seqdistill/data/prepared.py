"""A prepared folder, opened: arrays stay on disk and are mapped, ids are read when they are asked for."""

import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from seqdistill.artifacts import MANIFEST, Artifact, open_artifact, read_manifest
from seqdistill.data.blocks import BLOCK_ROWS, Ints
from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.layout import (
    FORMAT_VERSION,
    IDS,
    ITEM_IDS,
    ITEMS,
    KIND,
    OFFSETS,
    REQUIRED,
    TEST,
    TIMES,
    TRAINING_ENDS,
    USER_IDS,
    VALIDATION,
    DatasetManifest,
)
from seqdistill.data.splits import Split
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json

_ID_FILES = {"item_ids": ITEM_IDS, "user_ids": USER_IDS}
_COUNTED = {"item_ids": "items", "user_ids": "users"}
NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<size>..)(?P<text>\{'descr': '(?P<dtype><[if]8)', 'fortran_order': False,"
    rb" 'shape': \((?P<rows>[0-9]{1,18}),\), \} *\n)",
    re.DOTALL,
)
"""The header of an array of one dimension as numpy writes it, and as only we read it: nothing in it is evaluated."""
MAX_HEADER_BYTES = 1024

_FACTS = ("has_repeats", "fingerprint")


class PreparedDataset(Dataset):
    """A `Dataset` over a prepared folder.

    Attributes:
        folder: the folder.
        manifest: its manifest.

    Args:
        folder: the folder, whose files must stay while the dataset is used.
        manifest: of the folder.
        arrays: file name -> array, for those that are there.
        source: what the user gave.
    """

    folder: Path
    manifest: Json

    def __init__(self, folder: Path, manifest: Json, arrays: dict[str, Any], source: str) -> None:
        details = dict(cast("Json", manifest["split"]))
        split = Split(details.pop("name"), arrays[TRAINING_ENDS], arrays[VALIDATION], arrays[TEST], details)
        log = manifest["log"]
        provenance = Provenance(
            source, log["sha256"], log["parquet_bytes"], tuple(manifest["notes"]), manifest["settings"]
        )
        values = {
            "name": manifest["name"],
            "items": arrays[ITEMS],
            "offsets": arrays[OFFSETS],
            "times": arrays.get(TIMES),
            "provenance": provenance,
            "given_split": split,
            "folder": folder,
            "manifest": manifest,
            # What was worked out once need not be again.
            **{fact: manifest[fact] for fact in _FACTS},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> pl.Series:
        """The ids, read on first use: they are no arrays that could be mapped."""
        if name not in _ID_FILES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        folder: Path = self.__dict__["folder"]
        with open_artifact(folder, kind=KIND, version=FORMAT_VERSION) as artifact:
            if artifact.manifest["fingerprint"] != self.__dict__["manifest"]["fingerprint"]:
                raise SeqDistillError(f"{folder} was replaced since it was opened; load it again")
            counts: dict[str, int] = artifact.manifest["counts"]
            ids = artifact.ids(_ID_FILES[name], column=IDS, rows=counts[_COUNTED[name]])
        object.__setattr__(self, name, ids)
        return ids

    @property
    def num_items(self) -> int:
        """Size of the catalogue, |V|."""
        return self.__dict__["manifest"]["counts"]["items"]


def is_prepared(path: Path) -> bool:
    """Whether a folder is a prepared one, by its manifest."""
    if not (path / MANIFEST).is_file():
        return False
    try:
        read_manifest(path, KIND)
    except SeqDistillError:
        return False
    return True


def open_prepared(path: Path, *, source: str | None = None, verify: bool = False) -> PreparedDataset:
    """Open a prepared folder, in milliseconds whatever its size.

    Args:
        path: the folder.
        source: what the user gave; by default the path.
        verify: read all files, compare their SHA-256 and make sure that what they hold fits together. Without, only
            the manifest's own is compared, with the size and the header of every file; ids are verified when they are
            read.

    Raises:
        SeqDistillError: it is no prepared folder, of another version, incomplete or altered.
    """
    with open_artifact(path, kind=KIND, version=FORMAT_VERSION) as artifact:
        content = artifact.content(DatasetManifest)
        artifact.expect_files(REQUIRED, {TIMES})
        lengths = {name: length for name, length in content.counts.lengths.items() if name in artifact.files}
        arrays = {name: _mapped(artifact, name, length) for name, length in lengths.items()}
        for name in _ID_FILES.values():
            artifact.open(name).close()
        dataset = PreparedDataset(path, artifact.manifest, arrays, source or str(path))
        if verify:
            for name in artifact.files:
                artifact.verify(name)
            _refuse_misfits(dataset)
    return dataset


def _mapped(artifact: Artifact, name: str, length: int) -> Ints:
    """An array of one dimension, which must be as long as the manifest says."""
    file = artifact.path / name
    with artifact.open(name) as stream:
        found = NPY_HEADER.match(stream.read(MAX_HEADER_BYTES))
        if found is None or int.from_bytes(found["size"], "little") != found.end() - found.start("text"):
            raise SeqDistillError(f"{file} is no array of a prepared log; prepare the log again")
        dtype, rows = found["dtype"].decode(), int(found["rows"])
        types = ("<i8", "<f8") if name == TIMES else ("<i8",)
        if dtype not in types or rows != length or artifact.files[name].bytes != found.end() + 8 * rows:
            raise SeqDistillError(f"{file} is no array of {length:,} numbers, as it must be; prepare the log again")
        if rows == 0:  # nothing to map
            return np.empty(0, dtype=dtype)
        # Copy-on-write: torch wants arrays it might write to, and the file stays as it is.
        return np.memmap(stream, dtype=dtype, mode="c", offset=found.end(), shape=(rows,))


def _refuse_misfits(dataset: PreparedDataset) -> None:
    """Make sure that no array points outside another.

    Raises:
        SeqDistillError: naming the file that does.
    """
    offsets, ends, total = dataset.offsets, dataset.split.training_ends, dataset.num_interactions
    blocks = (dataset.items[begin : begin + BLOCK_ROWS] for begin in range(0, total, BLOCK_ROWS))
    sound = {
        OFFSETS: offsets[0] == 0 and offsets[-1] == total and bool((np.diff(offsets) >= 0).all()),
        TRAINING_ENDS: bool(((ends >= offsets[:-1]) & (ends <= offsets[1:])).all()),
        VALIDATION: _ascend_within(dataset.split.validation, total),
        TEST: _ascend_within(dataset.split.test, total),
        ITEMS: all(block.min() >= 1 and block.max() <= dataset.num_items for block in blocks),
    }
    for name, fits in sound.items():
        if not fits:
            raise SeqDistillError(f"{dataset.folder / name} points outside the other files; prepare the log again")


def _ascend_within(places: Ints, total: int) -> bool:
    return len(places) == 0 or bool(places[0] >= 0 and places[-1] < total and (np.diff(places) > 0).all())


def sendable(dataset: Dataset) -> Dataset | Path:
    """What another process needs to have a dataset too: itself, or the folder it is prepared in."""
    return dataset.folder if isinstance(dataset, PreparedDataset) else dataset


def opened(sent: Dataset | Path) -> Dataset:
    """The dataset that `sendable` told."""
    return open_prepared(sent) if isinstance(sent, Path) else sent
