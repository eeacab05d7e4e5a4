"""What a process needs to measure rows of a comparison."""

from dataclasses import dataclass
from pathlib import Path

import torch

from seqdistill.config import Config
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import opened, sendable
from seqdistill.evaluation.lab import Lab
from seqdistill.evaluation.sources import Sources
from seqdistill.item_scale import at_scale_of
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary


@dataclass(frozen=True, eq=False)
class LabOpening:
    """What a process needs to set up a lab.

    Attributes:
        dataset: the log, or its prepared folder, which each process maps for itself.
        config: all settings.
        summary: folder.
        teacher: folder of a model.
        paper: folder of a summary, if there is one.
        device: name.
        allow_code: the class of the user's own that the teacher may import.
    """

    dataset: Dataset | Path
    config: Config
    summary: Path
    teacher: Path
    paper: Path | None
    device: str
    allow_code: str | None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        config: Config,
        *,
        summary: Path,
        teacher: Path,
        paper: Path | None,
        device: torch.device,
        allow_code: str | None = None,
    ) -> "LabOpening":
        """With the folder of a prepared dataset in its place."""
        return cls(sendable(dataset), config, summary, teacher, paper, str(device), allow_code)

    def open(self) -> Lab:
        """Open everything."""
        dataset = opened(self.dataset)
        paper = Summary.load(self.paper) if self.paper else None
        device = torch.device(self.device)
        summary = Summary.load(self.summary)
        teacher = TrainedModel.load(self.teacher, allow_code=self.allow_code).recommender.to(device)
        # So its soft targets are met by learners under the conditions that the summary's are.
        teacher = at_scale_of(summary.item_factor, teacher)
        return Lab(dataset, self.config, Sources(dataset, summary, teacher, paper), device)
