"""What a stranger may put into a folder is refused before it costs anything, and runs nothing."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqdistill.artifacts import MANIFEST
from seqdistill.artifacts.manifest import DIGEST
from seqdistill.errors import SeqDistillError
from seqdistill.models import TrainedModel
from tools.hostile import CASES, MEMORY_MIB, MODEL, vouch

ROOT = Path(__file__).resolve().parents[2]


def test_everything_made_to_do_harm_is_refused_within_the_memory(tmp_path: Path) -> None:
    """In a process of its own, where memory beyond the limit is no line but a crash."""
    command = [sys.executable, "-m", "tools.hostile", "--out", tmp_path / "hostile.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    found = json.loads((tmp_path / "hostile.json").read_text())
    assert found["memory_limit_mib"] == MEMORY_MIB == 200
    assert len(found["cases"]) == len(CASES)
    wrong = {name: case for name, case in found["cases"].items() if case["outcome"] != "refused"}
    assert not wrong, done.stderr
    for name, case in found["cases"].items():
        # A line that names the artifact, or the file in it.
        assert case["said"].split("/")[0].split()[0].rstrip(":") in {"summary", "model", "dataset"}, (name, case)
        assert case["said"].isprintable(), (name, case)


def test_a_pickle_is_called_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    CASES["pickle of torch.save"][1](folder)
    with pytest.raises(SeqDistillError, match=r"model\.safetensors is a pickle, .* reading one may run code"):
        TrainedModel.load(folder)


PIPES = {"self._stdout", "sys.stdin.buffer"}
"""Between a process and those it started, whose words to each other are pickles: nobody else can write there."""


def test_no_module_of_ours_reads_a_pickle_from_a_file() -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for file in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            among_processes = {"pickle"} if file.name == "workers.py" else set[str]()
            assert not (forbidden - among_processes) & {name.split(".")[0] for name in names}, file
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in {"pickle.load", "pickle.loads", "pickle.Unpickler"}:
                assert ast.unparse(node.args[0]) in PIPES, (file, called)
            assert called not in {"torch.load", "torch.jit.load", "pl.read_ipc_pickle", "eval", "exec"}, (file, called)
            if called == "np.load":
                # Without the keyword numpy refuses pickles too, since 1.16.3.
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("allow_pickle", "False") == "False", file


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose architecture is a module that leaves a mark when it is imported."""
    (tmp_path / "modules").mkdir()
    mark = tmp_path / "mark"
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nfrom seqdistill.learners import SASRec as Class\n"
    (tmp_path / "modules" / "trapped_module.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    vouch(folder, lambda manifest: manifest.update(architecture={"learner": "trapped_module:Class"}))
    return folder


def test_a_class_of_ones_own_is_imported_only_by_its_name(trap: Path, tmp_path: Path) -> None:
    for allowed in (None, "other:Class", "trapped_module", ""):
        with pytest.raises(SeqDistillError, match=r"model needs the class trapped_module:Class.*--allow-code"):
            TrainedModel.load(trap, allow_code=allowed)
    assert not (tmp_path / "mark").exists()
    assert "trapped_module" not in sys.modules
    assert TrainedModel.load(trap, allow_code="trapped_module:Class").architecture.learner == "trapped_module:Class"
    assert (tmp_path / "mark").exists()


def test_what_the_manifest_does_not_list_is_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "README.md").write_text("by hand")
    (folder / "model.pkl").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    assert TrainedModel.load(folder).length == TrainedModel.load(MODEL).length


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(MODEL, target_is_directory=True)
    assert TrainedModel.load(tmp_path / "link").length == TrainedModel.load(MODEL).length


def test_the_digest_depends_on_every_entry() -> None:
    manifest = json.loads((MODEL / MANIFEST).read_text())
    assert list(manifest)[-1] == DIGEST
