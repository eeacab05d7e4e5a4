"""A log distilled, and its summary held against everything it has to beat."""

from dataclasses import replace
from pathlib import Path

import torch

from seqdistill import api
from seqdistill.api.given import described
from seqdistill.artifacts import MANIFEST, read_json
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.evaluation.store import REQUEST
from seqdistill.evaluation.verdict import verdict
from seqdistill.json_values import Json
from seqdistill.models import TrainedModel
from seqdistill.runs import RESULT
from seqdistill.stages import TEACHER, Stages
from seqdistill.teacher_of import same_teacher
from seqdistill.training import FittedToLog
from studies.keeping import shortened
from studies.study import ScoreboardStudy
from studies.surroundings import Surroundings


def measure(study: ScoreboardStudy, around: Surroundings) -> Json:
    """The comparison, as `compare` gives it, in six digits."""
    dataset, run = distilled(study, around)
    document = compared(study, around, dataset, run, study.distillation, comparison_of(study, around))
    kept: Json = shortened(document)
    return {**kept, "verdict": verdict(kept)}


def comparison_of(study: ScoreboardStudy, around: Surroundings) -> Path:
    """Folder of the comparison, finished or not."""
    return around.folder(study) / "comparison"


def distilled(study: ScoreboardStudy, around: Surroundings) -> tuple[Dataset, Path]:
    """The log, and the folder of the run of `distill`, begun, gone on with or read."""
    config = study.distillation
    dataset = around.log(study.data, config.data)
    run = around.folder(study) / "run"
    wanted = {"dataset": described(dataset), "config": config.model_dump(mode="json")}
    others = (folder for folder in sorted(around.work.glob("*/run")) if folder != run and same_teacher(folder, wanted))
    api.distill(
        dataset,
        out=run,
        config=config,
        evaluation=False,
        teacher_of=next(others, None),
        resume=True,
        device=around.device,
        progress=around.progress,
        notify=around.tell,
        interruption=around.interruption,
    )
    return dataset, run


def compared(
    study: ScoreboardStudy, around: Surroundings, dataset: Dataset, run: Path, config: Config, out: Path
) -> Json:
    """The comparison of a run by some settings, its commands without the folders of this machine."""
    workers = config.compare.model_copy(update={"workers": around.workers})
    document = api.compare(
        run,
        dataset,
        out=out,
        config=config.model_copy(update={"compare": workers}),
        paper=_papers(study, around, dataset, run) if config.compare.rows == "all" else None,
        full_data_from=sorted(request.parent for request in around.work.glob(f"*/*/{REQUEST}")),
        device=around.device,
        progress=around.progress,
        notify=around.tell,
    )
    command = document["command"]
    for folder in (run.parent, out.parent):
        command = command.replace(f"{folder}/", f"runs/{study.name}/")
    return {**document, "command": command}


def fitted(folder: Path, told: Json, device: torch.device) -> FittedToLog:
    """A teacher from its folder, and what was told of its training: best epoch, validation and seconds."""
    model = TrainedModel.load(folder)
    return FittedToLog(
        model.recommender.to(device), told["best_epoch"], told["validation"], float(told["seconds"]), model.checkpoints
    )


def _papers(study: ScoreboardStudy, around: Surroundings, dataset: Dataset, run: Path) -> Path | None:
    """The folder of a summary made as TD3 does at its own size, from the teacher of the run."""
    config = study.papers
    if config is None:
        return None
    folder = around.folder(study) / "paper"
    if not (folder / MANIFEST).is_file():
        result = read_json(run / RESULT)
        teacher = fitted(run / TEACHER, {**result["teacher"], "seconds": result["seconds"]["teacher"]}, around.target)
        stages = Stages(dataset, config, around.target, around.progress, {}, None)
        papers = stages.summary(teacher, config.distill, "distilling as the paper")
        replace(papers.summary, details={"config": config.model_dump(mode="json")}).save(folder)
    return folder
