"""A prepared folder, opened: arrays stay on disk and are mapped, ids are read when they are asked for."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from seqdistill.artifacts import MANIFEST, Json, file_sha256, read_manifest
from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset, Provenance
from seqdistill.data.layout import (
    FORMAT_VERSION,
    IDS,
    ITEM_IDS,
    ITEMS,
    KIND,
    OFFSETS,
    TEST,
    TIMES,
    TRAINING_ENDS,
    USER_IDS,
    VALIDATION,
)
from seqdistill.data.splits import Split
from seqdistill.errors import SeqDistillError

_ID_FILES = {"item_ids": ITEM_IDS, "user_ids": USER_IDS}
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
        path: Path = self.__dict__["folder"] / _ID_FILES[name]
        try:
            ids = pl.read_parquet(path)[IDS]
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SeqDistillError(f"{path} cannot be read; prepare the log again") from error
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
        verify: read all files and compare their SHA-256; without, only the manifest's is, and the files' sizes are.

    Raises:
        SeqDistillError: it is no prepared folder, of another version, incomplete or altered.
    """
    manifest = read_manifest(path, KIND)
    if manifest["format_version"] != FORMAT_VERSION:
        raise SeqDistillError(
            f"{path} was prepared in format {manifest['format_version']}, this release reads {FORMAT_VERSION};"
            " prepare the log again"
        )
    arrays: dict[str, Ints] = {}
    for name, entry in manifest["files"].items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise SeqDistillError(f"{file} is missing; restore the whole folder, or prepare the log again")
        altered = file.stat().st_size != entry["bytes"] or (verify and file_sha256(file) != entry["sha256"])
        if altered:
            raise SeqDistillError(f"{file} does not match {MANIFEST}: corrupt or altered; prepare the log again")
        if file.suffix == ".npy":
            arrays[name] = _mapped(file)
    try:
        return PreparedDataset(path, manifest, arrays, source or str(path))
    except (KeyError, TypeError) as error:
        raise SeqDistillError(f"{path} is no complete prepared folder ({error}); prepare the log again") from error


def _mapped(file: Path) -> Ints:
    try:
        # Copy-on-write: torch wants arrays it might write to, and the file stays as it is.
        return np.load(file, mmap_mode="c", allow_pickle=False)
    except ValueError:  # of no rows, so that there is nothing to map, or damaged
        pass
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SeqDistillError(f"{file} is damaged; prepare the log again") from error
