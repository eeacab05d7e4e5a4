# pyright: basic
"""Artifacts made to do harm, and whether each is refused with a line before it costs time or memory.

python -m tools.hostile    tries them all under a limit of memory; writes results/reliability/hostile.json

Each begins as a good artifact (`tests/artifacts`), is altered, and vouches for itself again: its SHA-256 are right, as
a stranger would see to.
"""

import argparse
import hashlib
import io
import json
import os
import pickle
import platform
import resource
import shutil
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from seqdistill import __version__
from seqdistill.artifacts import MANIFEST
from seqdistill.artifacts.documents import digest_of
from seqdistill.artifacts.manifest import DIGEST
from seqdistill.data import open_prepared
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "artifacts"
RESULT = ROOT / "results" / "reliability" / "hostile.json"

MEMORY_MIB = 200
"""What a refusal may take."""

SUMMARY, MODEL, DATASET = STORED / "v2" / "summary", STORED / "v2" / "model", STORED / "v1" / "dataset"
IN_BYTES = STORED / "v3" / "summary"
LOAD: dict[str, Callable[[Path], object]] = {
    "summary": Summary.load,
    "model": TrainedModel.load,
    "dataset": lambda path: open_prepared(path, verify=True),
}

Alter = Callable[[Path], None]


def vouch(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Make a folder's manifest right about its files, once it has been changed."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest[DIGEST]
    for name, entry in manifest["files"].items():
        if (folder / name).is_file():
            data = (folder / name).read_bytes()
            entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change(manifest)
    body = json.dumps({**manifest, DIGEST: digest_of(manifest)})
    (folder / MANIFEST).write_text(body, encoding="utf-8")


def replace(name: str, data: bytes) -> Alter:
    """Another content under a name."""

    def alter(folder: Path) -> None:
        (folder / name).write_bytes(data)
        vouch(folder)

    return alter


def tensors(name: str, change: Callable[[dict[str, Any]], None], *, data: bytes | None = None) -> Alter:
    """A safetensors file with another header, which the manifest repeats."""

    def alter(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + length])
        change(header)
        raw = json.dumps(header).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(raw)) + raw + (whole[8 + length :] if data is None else data))

        def declare(manifest: dict[str, Any]) -> None:
            manifest["files"][name]["tensors"] = {
                key: {"dtype": entry["dtype"], "shape": entry["shape"]}
                for key, entry in header.items()
                if key != "__metadata__"
            }

        vouch(folder, declare)

    return alter


def manifest(change: Callable[[dict[str, Any]], None]) -> Alter:
    """A manifest that says something else."""
    return lambda folder: vouch(folder, change)


def raw_manifest(make: Callable[[str], str]) -> Alter:
    """A manifest with other text."""

    def alter(folder: Path) -> None:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        (folder / MANIFEST).write_text(make(text), encoding="utf-8")

    return alter


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    """The manifest lists a file under another name."""
    return lambda content: content["files"].update({new: content["files"].pop(old)})


def special(name: str, make: Callable[[Path], object]) -> Alter:
    """Something that is no plain file under a name."""

    def alter(folder: Path) -> None:
        (folder / name).rename(folder.parent / "moved")
        make(folder / name)

    return alter


def sparse(name: str, size: int) -> Alter:
    """A file of a size it has no content for."""

    def alter(folder: Path) -> None:
        with (folder / name).open("r+b") as stream:
            stream.truncate(size)

    return alter


def parquet(ids: list[str], *, column: str = "item_id") -> bytes:
    """An id map, honest but for what is in it."""
    buffer = io.BytesIO()
    pl.DataFrame({column: ids}).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def many_rows(ids: bytes | None) -> Alter:
    """A million items, and an id map of some hundred bytes; by default one whose footer says so and no page does."""

    def alter(folder: Path) -> None:
        data = ids or (folder / "item_ids.parquet").read_bytes()
        if ids is None:
            # The number of rows is a field of 64 bits; 12 is 24 in zigzag.
            claim = b"\x16" + _varint(2 * 1_000_000)
            data = _footer(data, lambda footer: footer.replace(b"\x16\x18", claim))
        (folder / "item_ids.parquet").write_bytes(data)
        entry: dict[str, Any] = {"dtype": "F32", "shape": [1_000_000, 6]}
        head = json.dumps({"item": {**entry, "data_offsets": [0, 24_000_000]}}).encode()
        with (folder / "item_factor.safetensors").open("wb") as stream:
            stream.write(struct.pack("<Q", len(head)) + head)
            stream.truncate(8 + len(head) + 24_000_000)
        vouch(folder, lambda content: content["files"]["item_factor.safetensors"].update(tensors={"item": entry}))

    return alter


def npy(array: np.ndarray) -> bytes:
    """An array as numpy saves it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def torch_save() -> bytes:
    """What torch.save makes."""
    buffer = io.BytesIO()
    torch.save({"user": torch.zeros(3)}, buffer)
    return buffer.getvalue()


class Harm:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/seqdistill-was-harmed",)


def archive() -> bytes:
    """A zip archive of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("data.pkl", bytes(10_000_000))
    return buffer.getvalue()


def set_in(*keys: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Another value somewhere in a document."""

    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


F = "factors.safetensors"
NAN = struct.pack("<f", float("nan"))
INF = struct.pack("<f", float("inf"))


def in_data(number: bytes) -> Alter:
    """A number among those of the factors."""

    def alter(folder: Path) -> None:
        data = bytearray((folder / F).read_bytes())
        data[-4:] = number
        replace(F, bytes(data))(folder)

    return alter


def loudest(name: str) -> Alter:
    """The largest codes with the largest exponents: 127 x 2^127 is beyond float32."""

    def alter(folder: Path) -> None:
        whole = bytearray((folder / F).read_bytes())
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + length])
        for part in (name, f"{name}.exponents"):
            begin, end = (8 + length + offset for offset in header[part]["data_offsets"])
            whole[begin:end] = bytes([127]) * (end - begin)
        replace(F, bytes(whole))(folder)

    return alter


CASES: dict[str, tuple[Path, Alter]] = {
    "shape of 10^18 numbers": (SUMMARY, tensors(F, set_in("core", "shape", value=[10**6, 10**6, 10**6]))),
    "shape that overflows": (SUMMARY, tensors(F, set_in("core", "shape", value=[2**32, 2**32, 1]))),
    "negative size": (SUMMARY, tensors(F, set_in("core", "shape", value=[-1, 4, 12]))),
    "rank of 100": (SUMMARY, tensors(F, set_in("core", "shape", value=[1] * 100))),
    "negative offset": (SUMMARY, tensors(F, set_in("core", "data_offsets", value=[-384, 0]))),
    "overlapping offsets": (SUMMARY, tensors(F, set_in("time", "data_offsets", value=[0, 80]))),
    "offsets beyond the file": (SUMMARY, tensors(F, set_in("core", "data_offsets", value=[0, 2**50]))),
    "unknown element type": (SUMMARY, tensors(F, set_in("core", "dtype", value="C128"))),
    "bytes nobody accounts for": (SUMMARY, tensors(F, lambda _: None, data=bytes(100_000))),
    "header of 2^63 bytes": (SUMMARY, replace(F, struct.pack("<Q", 2**63) + b"{}")),
    "header of 10 MB of spaces": (SUMMARY, replace(F, struct.pack("<Q", 10**7) + b" " * 10**7)),
    "header nested 100,000 deep": (SUMMARY, replace(F, struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000)),
    "header with a tensor twice": (
        SUMMARY,
        replace(
            F,
            struct.pack("<Q", 128)
            + b'{"user":{"dtype":"F32","shape":[],"data_offsets":[0,4]},'.ljust(64)
            + b'"user":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'.ljust(64)
            + bytes(4),
        ),
    ),
    "pickle that runs a command": (SUMMARY, replace(F, pickle.dumps(Harm()))),
    "pickle of torch.save": (MODEL, replace("model.safetensors", torch_save())),
    "zip archive": (SUMMARY, replace(F, archive())),
    "NaN among the factors": (SUMMARY, in_data(NAN)),
    "infinity among the factors": (SUMMARY, in_data(INF)),
    "small factors of a huge tensor": (
        SUMMARY,
        tensors(
            F,
            lambda header: header.update(
                user={"dtype": "F32", "shape": [200_000, 1], "data_offsets": [0, 800_000]},
                time={"dtype": "F32", "shape": [8_000, 1], "data_offsets": [800_000, 832_000]},
                core={"dtype": "F32", "shape": [1, 1, 12], "data_offsets": [832_000, 832_048]},
            ),
            data=bytes(832_048),
        ),
    ),
    "exponents of other rows than there are": (
        IN_BYTES,
        tensors(F, set_in("core.exponents", "shape", value=[2, 2, 4])),
    ),
    "infinity of a byte and an exponent": (IN_BYTES, loudest("core")),
    "exponents of another type": (IN_BYTES, tensors(F, set_in("core.exponents", "dtype", value="BOOL"))),
    "bytes without exponents": (
        IN_BYTES,
        tensors(F, lambda header: header.update({"cores.exponents": header.pop("core.exponents")})),
    ),
    "exponents of nothing": (
        SUMMARY,
        tensors(F, lambda header: header.update({"users.exponents": header.pop("user")})),
    ),
    "a million rows in a kilobyte, by its footer": (SUMMARY, many_rows(None)),
    "a million rows in a kilobyte, by its pages": (SUMMARY, many_rows(parquet(["film"] * 1_000_000))),
    "id map that unpacks to 400 MB": (
        SUMMARY,
        replace("item_ids.parquet", parquet([c * 33_000_000 for c in "abcdefghijkl"])),
    ),
    "id map of one id, again and again": (SUMMARY, replace("item_ids.parquet", parquet(["film"] * 12))),
    "id map with a row missing": (SUMMARY, replace("item_ids.parquet", parquet([f"film {i}" for i in range(11)]))),
    "id map of two columns": (SUMMARY, replace("item_ids.parquet", b"PAR1" + bytes(100) + b"PAR1")),
    "path traversal": (SUMMARY, manifest(renamed(F, "../" + F))),
    "absolute path": (SUMMARY, manifest(renamed(F, "/etc/hostname"))),
    "NUL in a name": (SUMMARY, manifest(renamed(F, "factors\0.safetensors"))),
    "manifest that lists itself": (SUMMARY, manifest(renamed(F, MANIFEST))),
    "100,000 files": (
        SUMMARY,
        manifest(lambda m: m["files"].update({f"f{i}": {"bytes": 0, "sha256": "0" * 64} for i in range(20_000)})),
    ),
    "file of 2^62 bytes": (SUMMARY, manifest(set_in("files", F, "bytes", value=2**62))),
    "file of negative size": (SUMMARY, manifest(set_in("files", F, "bytes", value=-1))),
    "symbolic link to a file": (SUMMARY, special(F, lambda path: path.symlink_to(path.parent.parent / "moved"))),
    "symbolic link to /dev/zero": (SUMMARY, special(F, lambda path: path.symlink_to("/dev/zero"))),
    "pipe for a file": (SUMMARY, special(F, os.mkfifo)),
    "folder for a file": (SUMMARY, special(F, Path.mkdir)),
    "pipe for the manifest": (SUMMARY, special(MANIFEST, os.mkfifo)),
    "symbolic link for the manifest": (SUMMARY, special(MANIFEST, lambda path: path.symlink_to("/dev/zero"))),
    "manifest of 1 GB": (SUMMARY, sparse(MANIFEST, 1 << 30)),
    "tensors of 1 TB": (SUMMARY, sparse(F, 1 << 40)),
    "manifest nested 100,000 deep": (SUMMARY, raw_manifest(lambda _: "[" * 100_000 + "]" * 100_000)),
    "manifest nested in objects": (SUMMARY, raw_manifest(lambda _: '{"a":' * 100_000 + "1" + "}" * 100_000)),
    "manifest with a name twice": (SUMMARY, raw_manifest(lambda text: text.replace("{", '{"format": "x",', 1))),
    "manifest of 400,000 empty lists": (SUMMARY, raw_manifest(lambda _: "[" + "[]," * 600_000 + "[]]")),
    "manifest with NaN": (SUMMARY, raw_manifest(lambda text: text.replace("{", '{"x": NaN,', 1))),
    "number of a million digits": (
        SUMMARY,
        raw_manifest(lambda text: text.replace("{", '{"x": ' + "9" * 10**6 + ",", 1)),
    ),
    "schedule of infinite steps": (SUMMARY, manifest(set_in("schedules", "shared", "steps", value=10**18))),
    "architecture of 10^12 numbers": (
        MODEL,
        manifest(set_in("architecture", value={"learner": "gru4rec", "layers": 1, "hidden": 10**6})),
    ),
    "history of 10^12 positions": (MODEL, manifest(set_in("length", value=10**12))),
    "class that runs code": (
        MODEL,
        manifest(set_in("architecture", value={"learner": "antigravity:Class", "options": {}})),
    ),
    "epoch that is no number": (
        MODEL,
        tensors("checkpoints.safetensors", lambda header: header.update({"x/y": header.pop(min(header))})),
    ),
    "array of 2^60 numbers": (
        DATASET,
        replace(
            "items.npy",
            b"\x93NUMPY\x01\x00\x76\x00"
            + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1152921504606846976,), }".ljust(117)
            + b"\n",
        ),
    ),
    "array of objects": (DATASET, replace("items.npy", npy(np.array([{}], dtype=object)))),
    "items outside the catalogue": (DATASET, replace("items.npy", npy(np.full(360, 2**40)))),
    "offsets outside the log": (DATASET, replace("offsets.npy", npy(np.arange(41) * 10**9))),
    "counts of 2^50 users": (DATASET, manifest(set_in("counts", "users", value=2**50))),
}


def attempt(name: str, folder: Path) -> dict[str, Any]:
    """Load one of them, and tell what became of it."""
    good, alter = CASES[name]
    copy = Path(shutil.copytree(good, folder / "artifact"))
    alter(copy)
    hidden = folder / good.name
    copy.rename(hidden)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    # Beyond this, memory is refused, and that is no SeqDistillError.
    resource.setrlimit(resource.RLIMIT_AS, (now + (MEMORY_MIB << 20), limit[1]))
    started = time.perf_counter()
    try:
        LOAD[good.name](hidden)
        outcome, said = "LOADED", ""
    except SeqDistillError as error:
        outcome, said = "refused", str(error).replace(str(hidden), good.name)
    except BaseException as error:  # a test must see whatever it was
        outcome, said = f"CRASHED: {type(error).__name__}", str(error)[:200]
    finally:
        seconds = time.perf_counter() - started
        resource.setrlimit(resource.RLIMIT_AS, limit)
    return {"outcome": outcome, "said": said[:300], "seconds": round(seconds, 3)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.hostile", description="Load artifacts made to do harm.")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    for kind, load in LOAD.items():  # whatever is imported on first use
        load({"summary": SUMMARY, "model": MODEL, "dataset": DATASET}[kind])
    cases = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            cases[name] = attempt(name, Path(folder))
    document = {
        "command": "python -m tools.hostile",
        "versions": {"seqdistill": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "seed": None,
        "memory_limit_mib": MEMORY_MIB,
        "refused": sum(case["outcome"] == "refused" for case in cases.values()),
        "of": len(cases),
        "slowest_seconds": max(case["seconds"] for case in cases.values()),
        "cases": cases,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))
    raise SystemExit(document["refused"] < document["of"])


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _footer(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    length = int.from_bytes(data[-8:-4], "little")
    footer = change(data[-8 - length : -8])
    return data[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


if __name__ == "__main__":
    main()
