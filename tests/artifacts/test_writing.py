"""A folder is replaced by a whole one or stays what it was, whatever ends the writer."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqdistill.artifacts import folders, read_artifact, write_artifact
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary
from tools.hostile import MODEL, SUMMARY

KIND = "parcel"


def write(path: Path, content: bytes) -> None:
    write_artifact(
        path,
        kind=KIND,
        version=1,
        tensors={},
        manifest={"content": content.decode()},
        extra_files={f"part{part}.bin": lambda file: file.write_bytes(content * 1000) for part in range(3)},
    )


def read(path: Path) -> str:
    return read_artifact(path, kind=KIND, version=1)[0]["content"]


REPLACING = """
import sys
from pathlib import Path
from seqdistill.artifacts import write_artifact
number = 0
while True:
    content = b"new" if number % 2 else b"old"
    write_artifact(
        Path(sys.argv[1]), kind="parcel", version=1, tensors={}, manifest={"content": content.decode()},
        extra_files={f"part{part}.bin": lambda file: file.write_bytes(content * 1000) for part in range(3)},
    )
    number += 1
    if number == 2:
        print("ready", flush=True)
"""


def test_killed_at_any_moment_a_whole_folder_is_there(tmp_path: Path) -> None:
    rng = random.Random(0)
    path = tmp_path / "parcel"
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", REPLACING, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        assert read(path) in ("old", "new")
    write(path, b"last")
    assert read(path) == "last"
    # What the killed writers left is gone.
    assert [entry.name for entry in tmp_path.iterdir()] == ["parcel"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_writer_that_dies_between_two_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    path = tmp_path / "parcel"
    write(path, b"old")
    if not exchanges:
        monkeypatch.setattr(folders, "exchange", lambda *_: False)
    with monkeypatch.context() as patch:
        rename = Path.rename

        def dying(self: Path, target: Path) -> Path:
            if Path(target) == path:
                raise Killed
            return rename(self, target)

        patch.setattr(Path, "rename", dying)
        if exchanges:
            write(path, b"new")
        else:
            with pytest.raises(Killed):
                write(path, b"new")
            assert not path.exists()
    assert read(path) == ("new" if exchanges else "old")
    write(path, b"newer")
    assert read(path) == "newer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["parcel"]


def test_a_folder_that_cannot_take_the_name_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "parcel"
    write(path, b"old")
    monkeypatch.setattr(folders, "exchange", lambda *_: False)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise OSError(28, os.strerror(28))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(SeqDistillError, match=r"cannot write .*parcel: No space left on device"):
        write(path, b"new")
    assert read(path) == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["parcel"]


def test_a_writer_that_is_alive_keeps_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "parcel"
    with folders.new_folder(path) as folder:
        write(path, b"other")
        assert folder.exists()
    assert not folder.exists()
    assert read(path) == "other"


FILLING = """
import json, resource, sys
from pathlib import Path
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary
path, load = Path(sys.argv[1]), {"summary": Summary.load, "model": TrainedModel.load}[sys.argv[2]]
artifact = load(path)
largest = max(file.stat().st_size for file in path.iterdir())
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
said = []
for limit in range(0, largest, max(1, largest // 12)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        artifact.save(path)
        said.append("")
    except SeqDistillError as error:
        said.append(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    load(path)
print(json.dumps(said))
"""


@pytest.mark.parametrize("source", [SUMMARY, MODEL], ids=["summary", "model"])
def test_a_full_disk_at_any_byte_leaves_the_old_folder_good(source: Path, tmp_path: Path) -> None:
    """Files are allowed ever more bytes, none of which are enough for the largest one."""
    path = Path(shutil.copytree(source, tmp_path / source.name))
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    command = [sys.executable, "-c", FILLING, str(path), source.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert len(said) >= 12
    for line in said:
        assert line.startswith(f"cannot write {tmp_path}")
        assert "\n" not in line
        assert "File too large" in line
    assert done.stderr == ""
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == [source.name]


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path) -> None:
    summary = Summary.load(SUMMARY)
    object.__setattr__(summary, "item_ids", summary.item_ids.replace("film 1", "film 2"))
    with pytest.raises(SeqDistillError, match="not distinct"):
        summary.save(tmp_path / "summary")
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_is_not_finite_is_stored_as_nothing(tmp_path: Path) -> None:
    model = TrainedModel.load(MODEL)
    model.details["validation"] = {"ndcg@10": float("nan"), "rest": [float("inf"), 1.5]}
    model.save(tmp_path / "model")
    assert TrainedModel.load(tmp_path / "model").details["validation"] == {"ndcg@10": None, "rest": [None, 1.5]}
