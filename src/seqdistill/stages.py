"""The stages of a distillation, each kept in the run directory so that none is lost: teacher, summaries, evaluation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqdistill.artifacts import MANIFEST, file_sha256
from seqdistill.config import Config, DistillConfig
from seqdistill.data.dataset import Dataset
from seqdistill.distillation.loop import Distilled, OuterStep, distill_summary
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.short import ShortTable, only_schedules, short_evaluation
from seqdistill.json_values import Json
from seqdistill.models import TrainedModel
from seqdistill.progress import Progress
from seqdistill.resuming import KEEP_NOTHING, Keeper, Snapshot, fitting
from seqdistill.runs import TEACHER, RunDirectory
from seqdistill.seeding import derive_seed
from seqdistill.shortage import explained
from seqdistill.teacher_of import teacher_of
from seqdistill.teaching import fit_teacher
from seqdistill.training import FittedToLog


@dataclass(frozen=True, eq=False)
class Stages:
    """What the stages of one distillation have in common.

    Attributes:
        dataset: the log.
        config: all settings.
        device: where to train.
        progress: where to report.
        details: for the manifest of the teacher.
        run: where they are kept; None for a distillation that leaves nothing.
        teacher_of: a finished run whose teacher is taken over instead of training the same one again.
    """

    dataset: Dataset
    config: Config
    device: torch.device
    progress: Progress
    details: dict[str, Any]
    run: RunDirectory | None
    teacher_of: Path | None = None

    def teacher(self) -> FittedToLog:
        """Train the teacher, or read the one that this run, or another one, has trained.

        Raises:
            SeqDistillError: if its folder is not the one that this run wrote, or the other run's is of another request.
        """
        config, keeper = self.config, self._keeper(TEACHER)
        kept = keeper.kept()
        if self.run is not None and kept is not None and "folder" in kept.values:
            return _read_teacher(self.run.path / TEACHER, config.teacher.learner, kept, self.device)
        if self.teacher_of is not None:
            fitted = teacher_of(self.teacher_of, self.details, self.device)
        else:
            with explained("teacher", config, self.dataset.num_items, self.device):
                fitted = fit_teacher(
                    self.dataset,
                    config.teacher,
                    length=config.distill.length,
                    seed=derive_seed(config.seed, "teacher"),
                    device=self.device,
                    progress=self.progress,
                    keeper=keeper,
                )
        if self.run is not None:
            folder = self.run.path / TEACHER
            length, item_ids = config.distill.length, self.dataset.item_ids
            TrainedModel.from_log(fitted, config.teacher, length, item_ids, self.details).save(folder)
            # From now on checkpoints need not hold the model, which may be large.
            keeper.finish(
                Snapshot(
                    values={
                        "folder": file_sha256(folder / MANIFEST),
                        "best_epoch": fitted.best_epoch,
                        "validation": fitted.validation,
                        "seconds": fitted.seconds,
                    },
                    where="done",
                )
            )
        return fitted

    def summary(self, teacher: FittedToLog, settings: DistillConfig, title: str) -> Distilled:
        """Distil the log, or read what this run has distilled.

        Args:
            teacher: of the log.
            settings: of the summary.
            title: of the stage.
        """
        run = self.run

        def record(step: OuterStep) -> None:
            if run is not None:
                run.log({"phase": title, **step._asdict()})

        with explained("distill", self.config, self.dataset.num_items, self.device):
            return distill_summary(
                self.dataset,
                teacher,
                settings,
                self.config.distilling(),
                seed=derive_seed(self.config.seed, title),
                progress=self.progress,
                title=title,
                record=record,
                keeper=self._keeper(title),
            )

    def schedules(self, distilled: Distilled) -> ShortTable:
        """No row, but how learners are to be trained on the summary."""
        with explained("evaluate", self.config, self.dataset.num_items, self.device):
            return only_schedules(
                self.dataset,
                self.config,
                distilled,
                device=self.device,
                progress=self.progress,
                keeper=self._keeper("evaluation"),
            )

    def table(self, distilled: Distilled, papers: Distilled | None) -> ShortTable:
        """The short evaluation, of which this run may have some rows."""
        with explained("evaluate", self.config, self.dataset.num_items, self.device):
            return short_evaluation(
                self.dataset,
                self.config,
                distilled,
                papers,
                device=self.device,
                progress=self.progress,
                keeper=self._keeper("evaluation"),
            )

    def _keeper(self, stage: str) -> Keeper:
        return KEEP_NOTHING if self.run is None else self.run.stage(stage)


def environment(device: torch.device) -> Json:
    """What the bits of an outcome depend on beside the request."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": device.type}


def _read_teacher(folder: Path, learner: str, kept: Snapshot, device: torch.device) -> FittedToLog:
    # The class that the settings name is the user's word that it may be imported.
    model = TrainedModel.load(folder, allow_code=learner)
    if file_sha256(folder / MANIFEST) != kept.values["folder"]:
        raise SeqDistillError(
            f"{folder} is not the teacher this run trained; restore it, or start over with --overwrite"
        )
    with fitting():
        values = kept.values
        return FittedToLog(
            model.recommender.to(device),
            values["best_epoch"],
            values["validation"],
            values["seconds"],
            model.checkpoints,
        )
