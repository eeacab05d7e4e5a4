"""Reading a folder that anyone may have written."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

import polars as pl

from seqdistill.artifacts.compact import compact_shapes, restored
from seqdistill.artifacts.documents import MAX_DOCUMENT_BYTES
from seqdistill.artifacts.folders import recover
from seqdistill.artifacts.manifest import (
    MANIFEST,
    AnyManifest,
    FileEntry,
    M,
    TensorEntry,
    parse_manifest,
    validated,
)
from seqdistill.artifacts.parquet import read_ids
from seqdistill.artifacts.plain import OpenFolder, file_size, read_bounded
from seqdistill.artifacts.tensors import Header, Shapes, not_finite, read_data, read_header
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json

if TYPE_CHECKING:
    from torch import Tensor

Migrations = Mapping[int, Callable[[Json], Json]]
"""Format version -> what turns a manifest of it into one of the next."""


class Artifact:
    """An open folder with a manifest that is right. Every file is checked when it is asked for.

    Attributes:
        path: the folder.
        manifest: its manifest as JSON values, migrated to the present format.
        files: what it says about the files.
        migrated: whether it was written in an older format.

    Args:
        path: the folder.
        kind: what it must hold.
        version: the present format of that kind.
        migrations: for the older formats that are still read.

    Raises:
        SeqDistillError: if there is no such folder, or its manifest is damaged, of another kind, or of a format that
            this release does not know.
    """

    def __init__(self, path: Path, *, kind: str, version: int, migrations: Migrations | None = None) -> None:
        self.path = path
        self._folder = _open_folder(path, kind)
        try:
            manifest = _read_manifest(self._folder, kind)
            found: int = manifest["format_version"]
            self.manifest = _migrated(manifest, version, migrations or {}, path, kind)
            self.files: dict[str, FileEntry] = validated(AnyManifest, self.manifest, path / MANIFEST).files
            self.migrated = found < version
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._folder.close()

    def content(self, schema: type[M]) -> M:
        """The manifest as its kind has it.

        Raises:
            SeqDistillError: if it is not.
        """
        return validated(schema, self.manifest, self.path / MANIFEST)

    def expect_files(self, required: set[str], optional: set[str] | None = None) -> None:
        """Make sure that the manifest vouches for just these files; others that lie in the folder are never opened.

        Raises:
            SeqDistillError: if it does not.
        """
        names = set(self.files)
        if missing := sorted(required - names):
            raise SeqDistillError(f"{self.path / MANIFEST} does not list {missing[0]}; restore the whole folder")
        if strange := sorted(names - required - (optional or set())):
            raise SeqDistillError(f"{self.path / MANIFEST} lists {strange[0]}, which has no place there")

    def entries(self, stem: str) -> dict[str, TensorEntry]:
        """What is in a safetensors file, by its header; no tensor is read.

        Raises:
            SeqDistillError: if the header is damaged or says something else than the manifest.
        """
        with self.open(f"{stem}.safetensors") as stream:
            return self._header(stem, stream).tensors

    def shapes(self, stem: str) -> Shapes:
        """Name -> shape of the float32 tensors that a safetensors file holds; see `entries` and `compact`.

        Raises:
            SeqDistillError: if the header is damaged, says something else than the manifest, or has other elements.
        """
        return compact_shapes(self.entries(stem), self.path / f"{stem}.safetensors")

    def floats(self, stem: str) -> "dict[str, Tensor]":
        """The float32 tensors of a safetensors file whose `shapes` were asked for.

        Raises:
            SeqDistillError: if it is damaged, says something else than the manifest, or a number is not finite.
        """
        tensors = restored(self.tensors(stem))
        self._expect_finite(stem, tensors)
        return tensors

    def tensors(self, stem: str, *, finite: bool = False) -> "dict[str, Tensor]":
        """The tensors of a safetensors file.

        Args:
            stem: its name without ending.
            finite: whether all numbers must be.

        Raises:
            SeqDistillError: if it is damaged, or says something else than the manifest.
        """
        name = f"{stem}.safetensors"
        with self.open(name) as stream:
            digest = hashlib.sha256()
            tensors = read_data(stream, self._header(stem, stream), digest, self.path / name)
            self._compare(name, digest.hexdigest())
        if finite:
            self._expect_finite(stem, tensors)
        return tensors

    def ids(self, name: str, *, column: str, rows: int) -> pl.Series:
        """The ids of a parquet file, String [rows], distinct.

        Raises:
            SeqDistillError: if it is damaged, or no map of so many ids.
        """
        with self.open(name) as stream:
            data = read_bounded(stream, self.files[name].bytes, self.path / name)
        self._compare(name, hashlib.sha256(data).hexdigest())
        return read_ids(data, column, rows, self.path / name)

    def verify(self, name: str) -> None:
        """Compare a file with its SHA-256.

        Raises:
            SeqDistillError: if it is another.
        """
        with self.open(name) as stream:
            self._compare(name, hashlib.file_digest(stream, "sha256").hexdigest())  # type: ignore[arg-type]

    def open(self, name: str) -> BinaryIO:
        """A file of the manifest, of the right size, its content unchecked.

        Raises:
            SeqDistillError: if there is none.
        """
        if name not in self.files:
            raise SeqDistillError(f"{self.path / MANIFEST} does not list {name}; restore the whole folder")
        stream = self._folder.open(name)
        if file_size(stream) != self.files[name].bytes:
            stream.close()
            self._compare(name, "")
        return stream

    def _header(self, stem: str, stream: BinaryIO) -> Header:
        name = f"{stem}.safetensors"
        header = read_header(stream, self.files[name].bytes, self.path / name)
        expected = self.files[name].tensors
        if expected is None and not self.migrated:
            raise SeqDistillError(f"{self.path / MANIFEST} does not say what is in {name}; restore it")
        if expected is not None and expected != header.tensors:
            raise SeqDistillError(f"{self.path / name} holds other tensors than {MANIFEST} says; restore both")
        return header

    def _expect_finite(self, stem: str, tensors: "Mapping[str, Tensor]") -> None:
        if wild := not_finite(tensors):
            file = self.path / f"{stem}.safetensors"
            raise SeqDistillError(f"{file}: tensor {wild[:80]!r} holds numbers that are not finite")

    def _compare(self, name: str, digest: str) -> None:
        if digest != self.files[name].sha256:
            raise SeqDistillError(
                f"{self.path / name} does not match its SHA-256 in {MANIFEST}: corrupt or altered; restore it"
            )


def open_artifact(path: Path, *, kind: str, version: int, migrations: Migrations | None = None) -> Artifact:
    """Open a folder written by `write_artifact`; see `Artifact`."""
    return Artifact(path, kind=kind, version=version, migrations=migrations)


def read_artifact(path: Path, *, kind: str, version: int) -> "tuple[Json, dict[str, dict[str, Tensor]]]":
    """Read and verify all files of a folder written by `write_artifact`.

    Returns:
        The manifest, and file name without ending -> tensor name -> tensor.

    Raises:
        SeqDistillError: naming the file that is missing, changed or of another kind or version.
    """
    with open_artifact(path, kind=kind, version=version) as artifact:
        tensors: dict[str, dict[str, Tensor]] = {}
        for name in artifact.files:
            if name.endswith(".safetensors"):
                stem = name.removesuffix(".safetensors")
                tensors[stem] = artifact.tensors(stem)
            else:
                artifact.verify(name)
        return artifact.manifest, tensors


def read_manifest(path: Path, kind: str) -> Json:
    """The manifest of a folder, checked against its own digest but not against the files.

    Raises:
        SeqDistillError: if there is none, it is damaged, or it is of another kind.
    """
    with _open_folder(path, kind) as folder:
        return _read_manifest(folder, kind)


def _open_folder(path: Path, kind: str) -> OpenFolder:
    recover(path)
    if not path.exists():
        raise SeqDistillError(f"{path} does not exist; give the folder of a {kind}")
    if not path.is_dir():
        raise SeqDistillError(f"{path} is no folder; give the folder of a {kind}")
    return OpenFolder(path)


def _read_manifest(folder: OpenFolder, kind: str) -> Json:
    file = folder.path / MANIFEST
    if not folder.holds(MANIFEST):
        raise SeqDistillError(f"{folder.path} holds no {MANIFEST}; give the folder of a {kind}")
    with folder.open(MANIFEST) as stream:
        return parse_manifest(read_bounded(stream, MAX_DOCUMENT_BYTES, file), file, kind)


def _migrated(manifest: Json, version: int, migrations: Migrations, path: Path, kind: str) -> Json:
    found = cast("int", manifest["format_version"])
    if found > version:
        raise SeqDistillError(
            f"{path / MANIFEST} has {kind} format {found}, and this release reads up to {version}; update seqdistill"
        )
    for step in range(found, version):
        if step not in migrations:
            raise SeqDistillError(
                f"{path / MANIFEST} has {kind} format {found}, which this release (format {version}) no longer reads;"
                " make the folder anew, or use the release that wrote it"
            )
        manifest = {**migrations[step](manifest), "format_version": step + 1}
    return manifest
