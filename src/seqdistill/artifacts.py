"""Folders of tensors that can be trusted: safetensors files and a `manifest.json` that vouches for them.

A folder is written under a temporary name and renamed when complete, so a folder under its final name is whole. The
manifest names a SHA-256 for every file and one for itself; loading checks them all before anything is used. No
pickle anywhere.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"
Json = dict[str, Any]


def write_artifact(
    path: Path,
    *,
    kind: str,
    version: int,
    tensors: Mapping[str, Mapping[str, "Tensor"]],
    manifest: Json,
    extra_files: Mapping[str, Callable[[Path], object]] | None = None,
) -> None:
    """Write a folder, replacing an artifact of the same kind under that name.

    Args:
        path: final folder; its parent is created.
        kind: what it holds, such as "summary".
        version: format version of this kind.
        tensors: file name without ending -> tensor name -> tensor; written as safetensors, contiguous and on the CPU.
        manifest: further entries of the manifest, as JSON values.
        extra_files: file name -> function that writes the file at the given path.

    Raises:
        SeqDistillError: if `path` exists and holds something else, or cannot be written.
    """
    check_writable(path, kind)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with writing(path):
            for name, group in tensors.items():
                _write_tensors(group, temporary / f"{name}.safetensors")
            for name, write in (extra_files or {}).items():
                write(temporary / name)
            files = {f.name: {"bytes": f.stat().st_size, "sha256": file_sha256(f)} for f in sorted(temporary.iterdir())}
            body = {"format": f"seqdistill/{kind}", "format_version": version, **manifest, "files": files}
            write_json(temporary / MANIFEST, {**body, "manifest_sha256": _digest(body)})
            for file in temporary.iterdir():
                _reach_disk(file)
            temporary.chmod(0o755)
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
            _reach_disk(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_artifact(path: Path, *, kind: str, version: int) -> tuple[Json, dict[str, dict[str, "Tensor"]]]:
    """Read and verify a folder written by `write_artifact`.

    Returns:
        The manifest, and file name without ending -> tensor name -> tensor.

    Raises:
        SeqDistillError: naming the file that is missing, changed or of another kind or version.
    """
    manifest = read_manifest(path, kind)
    if manifest["format_version"] != version:
        raise SeqDistillError(
            f"{path / MANIFEST} has {kind} format {manifest['format_version']}, this release reads {version}; "
            "use the release that wrote it or write it anew"
        )
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, entry in manifest["files"].items():
        file = path / name
        if Path(name).name != name or file.is_symlink():
            raise SeqDistillError(f"{path / MANIFEST} names a file outside its folder: {name!r}")
        if not file.is_file():
            raise SeqDistillError(f"{file} is missing; restore the whole folder {path}")
        if file.stat().st_size != entry["bytes"] or file_sha256(file) != entry["sha256"]:
            raise SeqDistillError(f"{file} does not match its SHA-256 in {MANIFEST}: corrupt or altered; restore it")
        if file.suffix == ".safetensors":
            tensors[file.stem] = _read_tensors(file)
    return manifest, tensors


def read_manifest(path: Path, kind: str) -> Json:
    """The manifest of a folder, checked against its own digest but not against the files.

    Raises:
        SeqDistillError: if there is none, it is damaged, or it is of another kind.
    """
    file = path / MANIFEST
    if not path.exists():
        raise SeqDistillError(f"{path} does not exist; give the folder of a {kind}")
    if not file.is_file():
        raise SeqDistillError(f"{path} holds no {MANIFEST}; give the folder of a {kind}")
    try:
        manifest: Json = json.loads(file.read_text(encoding="utf-8"))
        found = manifest.pop("manifest_sha256")
        intact = found == _digest(manifest) and isinstance(manifest["files"], dict)
        written_kind, _ = manifest["format"], manifest["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SeqDistillError(f"{file} is not a valid manifest; restore it") from error
    if not intact:
        raise SeqDistillError(f"{file} does not match its own SHA-256: corrupt or altered; restore it")
    if written_kind != f"seqdistill/{kind}":
        raise SeqDistillError(f"{path} is a {written_kind}, not a {kind}")
    return manifest


def check_writable(path: Path, kind: str) -> None:
    """Make sure that an artifact may be written under a name, before the work that makes it.

    Raises:
        SeqDistillError: if the name is taken by anything but an artifact of the same kind or an empty folder.
    """
    if path.exists() and not _holds(path, kind):
        raise SeqDistillError(f"{path} exists and is not a {kind}; choose another folder or remove it")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, with a final newline."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SeqDistillError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_tensors(tensors: "Mapping[str, Tensor]", file: Path) -> None:
    # Not at the top: a folder of other files, such as a prepared log, is written without waiting for torch.
    import safetensors.torch  # noqa: PLC0415

    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    safetensors.torch.save_file(plain, file)


def _read_tensors(file: Path) -> "dict[str, Tensor]":
    import safetensors.torch  # noqa: PLC0415

    try:
        return safetensors.torch.load_file(file)
    except safetensors.SafetensorError as error:
        raise SeqDistillError(f"{file} is not a safetensors file: {error}") from error


def _reach_disk(path: Path) -> None:
    """Wait until a file, or what a folder lists, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(body: Json) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _holds(path: Path, kind: str) -> bool:
    if path.is_dir() and not any(path.iterdir()):
        return True
    try:
        return json.loads((path / MANIFEST).read_text(encoding="utf-8"))["format"] == f"seqdistill/{kind}"
    except (OSError, ValueError, KeyError, TypeError):
        return False
