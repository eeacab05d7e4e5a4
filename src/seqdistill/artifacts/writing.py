"""Writing a folder: its files, then the manifest that vouches for them, then its name."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqdistill.artifacts.documents import write_json
from seqdistill.artifacts.folders import check_writable, new_folder, put_in_place
from seqdistill.artifacts.manifest import MANIFEST, check_size, seal
from seqdistill.artifacts.plain import file_sha256, reach_disk
from seqdistill.artifacts.tensors import declared, write_tensors
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json, finite

if TYPE_CHECKING:
    from torch import Tensor


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

    At every moment there is a complete artifact under the name, the old one or the new one, whatever ends the process.

    Args:
        path: final folder; its parent is created.
        kind: what it holds, such as "summary".
        version: format version of this kind.
        tensors: file name without ending -> tensor name -> tensor; written as safetensors, contiguous and on the CPU.
        manifest: further entries of the manifest, as JSON values; a number that is not finite becomes null.
        extra_files: file name -> function that writes the file at the given path.

    Raises:
        SeqDistillError: if `path` exists and holds something else, or cannot be written.
    """
    path = path.resolve() if path.is_symlink() else path
    check_writable(path, kind)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(path) as folder:
            entries: dict[str, Json] = {}
            for stem, group in tensors.items():
                name = f"{stem}.safetensors"
                write_tensors(group, folder / name)
                entries[name] = {**_entry(folder / name), "tensors": declared(group)}
            for name, write in (extra_files or {}).items():
                write(folder / name)
                entries[name] = _entry(folder / name)
            body: dict[str, Any] = {"format": f"seqdistill/{kind}", "format_version": version, **manifest}
            body["files"] = dict(sorted(entries.items()))
            _write_manifest(finite(body), folder, path)
            folder.chmod(0o755)
            put_in_place(folder, path)


def _entry(file: Path) -> Json:
    file.chmod(0o644)  # some writers keep others from reading what they write
    reach_disk(file)
    return {"bytes": file.stat().st_size, "sha256": file_sha256(file)}


def _write_manifest(body: Any, folder: Path, path: Path) -> None:  # noqa: ANN401 - JSON
    try:
        sealed = seal(body)
    except UnicodeEncodeError as error:
        raise SeqDistillError(f"cannot write {path}: {error.object[:80]!r} is no valid text; rename it") from error
    check_size(len(json.dumps(sealed, indent=2, ensure_ascii=False).encode()), path / MANIFEST)
    write_json(folder / MANIFEST, sealed)
