"""What is kept of a study: one JSON file that names the study, its settings, versions, machine, seed and command."""

import json
import platform
from pathlib import Path
from typing import Any, cast

import torch

from seqdistill import __version__
from seqdistill.artifacts import write_json
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from studies.study import Studies, Study, digest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
STUDIES = "studies"
FOLDERS = {"scoreboard": "compare", "cross": "cross", "ablation": "ablations", "published": "published"}
"""Kind -> folder of what is kept, under `results/`."""

DIGITS = 6


def versions() -> Json:
    """Of what the figures depend on."""
    return {"seqdistill": __version__, "torch": torch.__version__, "python": platform.python_version()}


def kept_file(results: Path, study: Study) -> Path:
    """Where a study's result is kept."""
    return results / FOLDERS[study.kind] / f"{study.name}.json"


def read_kept(results: Path, study: Study) -> Json | None:
    """What is kept of a study, of whatever settings; None where nothing is.

    Raises:
        SeqDistillError: it is damaged.
    """
    file = kept_file(results, study)
    if not file.is_file():
        return None
    try:
        return cast("Json", json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SeqDistillError(f"{file} is damaged; measure again with --again {study.name}") from error


def current(results: Path, study: Study, studies: Studies) -> Json | None:
    """What is kept of a study, if it is of these settings and this release."""
    kept = read_kept(results, study)
    return kept if kept is not None and is_current(kept, study, studies) else None


def is_current(kept: Json, study: Study, studies: Studies) -> bool:
    """Whether a result is of a study's present settings, the defaults among them, and of this release."""
    stamp = cast("Json", kept.get("study") or {})
    return stamp.get("digest") == digest(study, studies)


def keep(results: Path, study: Study, studies: Studies, document: Json) -> Path:
    """Write a study's result, its figures in six digits."""
    stamp = {
        "name": study.name,
        "kind": study.kind,
        "command": f"make results STUDIES={study.name}",
        "digest": digest(study, studies),
    }
    file = kept_file(results, study)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"study": stamp, **shortened(document)})
    return file


def shortened(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same with figures of six digits."""
    if isinstance(value, dict):
        return {key: shortened(entry) for key, entry in cast("Json", value).items()}
    if isinstance(value, list):
        return [shortened(entry) for entry in cast("list[Any]", value)]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
