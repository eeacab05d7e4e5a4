# pyright: basic
"""Fuzz the loaders: whatever a file holds, it is loaded or refused with a line; nothing else may come out.

python -m tools.fuzz --loader manifest|safetensors|config|parquet|array --executions 100000 --seed 0

Mutants of stored artifacts (`tests/artifacts`) go to the functions that load artifacts; where a digest would turn
every one away at the door, it is made to fit, as a stranger would. What is counted is written to
results/reliability/fuzz.json.
"""

import argparse
import hashlib
import io
import json
import platform
import random
import re
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars
import pydantic
import torch

from seqdistill import __version__, memory
from seqdistill.artifacts import MANIFEST
from seqdistill.artifacts.documents import digest_of
from seqdistill.artifacts.manifest import DIGEST
from seqdistill.artifacts.parquet import read_ids
from seqdistill.artifacts.tensors import not_finite, read_data, read_header
from seqdistill.config import Config, load_config, parse_config, parse_toml
from seqdistill.data import open_prepared
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import finite
from tools.hostile import LOAD
from tools.mutate import mutate_bytes, mutate_json, splice

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "artifacts"
RESULT = ROOT / "results" / "reliability" / "fuzz.json"

SLOW_SECONDS = 2.0
"""An execution that takes longer counts as a crash."""

SETTINGS = """seed = 3
[data]
user = "uid"
columns = ["a", "b"]
time_from = 2020-01-01
min_rating = 3.5
memory = "2GB"
[teacher]
learner = "gru4rec"
hidden = 12
keep_epochs = [1, 2]
[distill]
rank = [3, 4]
cuts = "all"
learners = "sasrec,gru4rec"
inner_batch_size = 4
[train]
learner = "package.module:Class"
options = {width = 3, names = ["a"]}
[evaluate]
candidate_rates = [0.01]
"""
ASSIGNMENTS = ["distill.rank=[3, 4]", "train.options={a=1}", "data.columns=a,b", "teacher.heads=none", "x.y=z"]

Target = Callable[[bytes], None]


@dataclass
class Loader:
    """A loader under test: what it does with some bytes, and files to begin from."""

    target: Target
    seeds: list[bytes]
    mutate: Callable[[bytes, random.Random], bytes] = mutate_bytes


@dataclass
class Tally:
    """What happened."""

    executions: int = 0
    loaded: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    crashes: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    slowest: float = 0.0

    def execute(self, target: Target, data: bytes) -> None:
        """One execution."""
        started = time.perf_counter()
        try:
            target(data)
            self.loaded += 1
        except SeqDistillError as error:
            text = str(error)
            self.refused[re.sub(r"[0-9][0-9,.]*|'.*?'|\"[^\"]*\"|/\S+", "_", text)[:60]] += 1
            if "\n" in text or len(text) > 4000:
                self._crash("a message that is no line", data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a panic of a Rust library is no Exception
            self._crash("".join(traceback.format_exception(error)[-3:]), data)
        seconds = time.perf_counter() - started
        if seconds > SLOW_SECONDS:
            self._crash(f"took {seconds:.1f} s", data)
        self.slowest = max(self.slowest, seconds)
        self.executions += 1

    def _crash(self, what: str, data: bytes) -> None:
        if len(self.crashes) < 20:
            self.crashes.append({"what": what, "data": data[:4000].hex()})


def make_loader(name: str, folder: Path) -> Loader:
    """The loader of that name, with an empty folder to work in."""
    return {
        "manifest": _manifest_loader,
        "array": _array_loader,
        "safetensors": lambda _: Loader(_load_tensors, [p.read_bytes() for p in STORED.glob("v*/*/*.safetensors")]),
        "parquet": lambda _: Loader(_load_ids, [p.read_bytes() for p in STORED.glob("v*/*/*.parquet")]),
        "config": lambda _: Loader(_load_settings, [SETTINGS.encode(), *(b"\x01" + a.encode() for a in ASSIGNMENTS)]),
    }[name](folder)


LOADERS = ("manifest", "safetensors", "config", "parquet", "array")


def fuzz(name: str, executions: int, seed: int) -> Tally:
    """Mutants of the loader's files, drawn by a seed."""
    rng = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        loader = make_loader(name, Path(folder))
        for data in loader.seeds:
            tally.execute(loader.target, data)
        while tally.executions < executions:
            base = splice(loader.seeds, rng) if rng.random() < 0.05 else rng.choice(loader.seeds)
            tally.execute(loader.target, loader.mutate(base, rng))
    return tally


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description="Fuzz the loaders.")
    parser.add_argument("--loader", choices=LOADERS, required=True)
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    before = memory.peak()
    started = time.perf_counter()
    tally = fuzz(arguments.loader, arguments.executions, arguments.seed)
    document = {
        "command": f"python -m tools.fuzz --loader {arguments.loader} --executions {arguments.executions}"
        f" --seed {arguments.seed}",
        "versions": {
            "seqdistill": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "polars": polars.__version__,
            "pydantic": pydantic.VERSION,
        },
        "seed": arguments.seed,
        "executions": tally.executions,
        "loaded": tally.loaded,
        "refused": tally.refused.total(),
        "distinct_errors": len(tally.refused),
        "most_frequent": dict(tally.refused.most_common(12)),
        "crashes": len(tally.crashes),
        "first_crashes": tally.crashes[:3],
        "slowest_ms": round(1000 * tally.slowest, 1),
        "peak_mib_above_start": (memory.peak() - before) >> 20,
        "seconds": round(time.perf_counter() - started, 1),
    }
    known = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    known = dict(sorted({**known, arguments.loader: document}.items()))
    arguments.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))
    raise SystemExit(bool(tally.crashes))


def _manifest_loader(folder: Path) -> Loader:
    """The first byte says which stored folder gets the manifest, and whether its digest is made to fit."""
    stored = sorted(path for path in STORED.glob("v*/*") if path.is_dir())
    copies = [Path(shutil.copytree(path, folder / path.parent.name / path.name)) for path in stored]

    def target(data: bytes) -> None:
        copy = copies[data[0] % len(copies)] if data else copies[0]
        body = data[1:]
        if data and data[0] >= 128:
            body = _resealed(body)
        (copy / MANIFEST).write_bytes(body)
        LOAD[copy.name](copy)

    def mutate(data: bytes, rng: random.Random) -> bytes:
        head, body = data[:1], data[1:]
        try:
            return head + (mutate_json(body, rng) if rng.random() < 0.7 else mutate_bytes(body, rng))
        except ValueError:
            return head + mutate_bytes(body, rng)

    seeds = [
        bytes([number + bit]) + (path / MANIFEST).read_bytes() for number, path in enumerate(stored) for bit in (0, 140)
    ]
    return Loader(target, seeds, mutate)


def _resealed(body: bytes) -> bytes:
    try:
        content: Any = json.loads(body)
        if not isinstance(content, dict):
            return body
        content.pop(DIGEST, None)
        return json.dumps({**content, DIGEST: digest_of(content)}).encode()
    except (ValueError, RecursionError):
        return body


def _array_loader(folder: Path) -> Loader:
    """The arrays of a prepared folder; the manifest is made to vouch for them."""
    copy = Path(shutil.copytree(STORED / "v1" / "dataset", folder / "dataset"))
    manifest: dict[str, Any] = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    del manifest[DIGEST]
    names = sorted(name for name in manifest["files"] if name.endswith(".npy"))
    originals = {name: (copy / name).read_bytes() for name in names}
    entries = dict(manifest["files"])

    def target(data: bytes) -> None:
        name, body = names[(data or b"\0")[0] % len(names)], data[1:]
        manifest["files"] = {**entries, name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}}
        (copy / MANIFEST).write_text(json.dumps({**manifest, DIGEST: digest_of(manifest)}), encoding="utf-8")
        (copy / name).write_bytes(body)
        try:
            open_prepared(copy, verify=True)
        finally:
            (copy / name).write_bytes(originals[name])

    return Loader(target, [bytes([number]) + originals[name] for number, name in enumerate(names)])


def _load_tensors(data: bytes) -> None:
    stream, file = io.BytesIO(data), Path("fuzzed.safetensors")
    header = read_header(stream, len(data), file)
    tensors = read_data(stream, header, hashlib.sha256(), file)
    not_finite(tensors)


def _load_ids(data: bytes) -> None:
    file, column = Path("fuzzed.parquet"), "item_id" if b"item_id" in data else "id"
    try:
        read_ids(data, column, 12, file)
    except SeqDistillError as error:
        # The number of rows is the manifest's; here it is the file's own, so that what follows is reached.
        if (rows := re.search(r"holds ([0-9,]+) ids", str(error))) is None:
            raise
        read_ids(data, column, int(rows[1].replace(",", "")), file)


def _load_settings(data: bytes) -> None:
    """Settings that are taken must come back from JSON as they are."""
    if data[:1] == b"\x01":
        config = load_config(None, [data[1:].decode("utf-8", errors="replace")])
    else:
        config: Config = parse_config(parse_toml(data, Path("fuzzed.toml")))
    stored = json.loads(json.dumps(config.model_dump(mode="json"), allow_nan=False))
    assert parse_config(stored) == config or finite(stored) != stored


if __name__ == "__main__":
    main()
