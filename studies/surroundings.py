"""What studies are measured with: folders, device, and where to report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from seqdistill.api.given import resolve_device
from seqdistill.config import DataConfig
from seqdistill.data import Dataset
from seqdistill.interruption import Interruption
from seqdistill.json_values import Json
from seqdistill.progress import SILENT, Progress
from studies.keeping import RESULTS
from studies.logs import open_log
from studies.study import Studies, Study, digest


def _nothing(_line: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a study needs beside itself.

    Attributes:
        studies: all of them, by name.
        work: folder for runs and comparisons under way; what is finished there is not done again.
        results: folder of what is kept.
        logs: folder of the logs that the user brings, if there is one.
        workers: processes of a comparison; None for one a core.
        device: where to train, by name.
        progress: where to report.
        tell: gets lines a user should see.
        interruption: says when to stop.
    """

    studies: Studies
    work: Path
    results: Path = RESULTS
    logs: Path | None = None
    workers: int | None = None
    device: str = "auto"
    progress: Progress = SILENT
    tell: Callable[[str], None] = _nothing
    interruption: Interruption | None = None

    @property
    def target(self) -> torch.device:
        """Where to train."""
        return resolve_device(self.device)

    def folder(self, study: Study) -> Path:
        """Where a study of these settings works; other settings have another folder."""
        return self.work / f"{study.name}-{digest(study, self.studies)[:8]}"

    def log(self, name: str, config: DataConfig) -> Dataset:
        """A log by name; see `open_log`."""
        return open_log(name, self.logs, config, self.progress)


def describe_log(dataset: Dataset) -> Json:
    """What a result says of its log."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "users": dataset.num_users,
        "items": dataset.num_items,
        "interactions": dataset.num_interactions,
    }
