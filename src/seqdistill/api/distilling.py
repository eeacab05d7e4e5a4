"""The verb `distill`, and what it would take."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seqdistill import __version__
from seqdistill.api.given import Notify, described, protocol, resolve_device, tell_notes, usable_log
from seqdistill.config import Config, DistillConfig
from seqdistill.data import Dataset
from seqdistill.estimating import Estimate, estimate_run
from seqdistill.interruption import Interruption
from seqdistill.learners import check_architecture
from seqdistill.learners.check import check_distillable
from seqdistill.progress import SILENT, Progress
from seqdistill.runs import PAPER, SUMMARY, RunDirectory
from seqdistill.stages import Stages, environment
from seqdistill.summary import Summary


@dataclass(frozen=True, eq=False)
class Run:
    """What `distill` gives back.

    Attributes:
        summary: the distilled summary.
        result: the table of the short evaluation and the times, as in `result.json`.
        reused: whether the run directory already held this result and nothing was computed.
    """

    summary: Summary
    result: dict[str, Any]
    reused: bool = False


def distill(  # noqa: PLR0913 - most have a default
    data: str | Path | Dataset,
    *,
    out: str | Path | None = None,
    config: Config | None = None,
    paper: bool = False,
    evaluation: bool = True,
    teacher_of: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
    notify: Notify | None = None,
    interruption: Interruption | None = None,
) -> Run:
    """Train a teacher on a log, distil the log, and evaluate what was distilled against its controls.

    Args:
        data: a named dataset, a log, a prepared folder, or a loaded dataset.
        out: run directory: `config.json`, `metrics.jsonl`, `teacher/`, `summary/` and `result.json` are left there and,
            until it is finished, `checkpoints/`.
        config: all settings.
        paper: distil a second time as the paper does (targets tied, random start, last position and one cut, a new
            learner every outer step) and add that row.
        evaluation: train and test learners on the summary and on what it has to beat; without it, only the schedules
            that the summary recommends are chosen.
        teacher_of: a finished run of the same log, seed, length and teacher settings, whose teacher is taken over; it
            changes no figure.
        resume: go on with the unfinished run of these settings in `out`; what comes out is what would have come out of
            it uninterrupted, bit for bit on a CPU.
        overwrite: replace whatever run `out` holds.
        device: "auto", "cpu" or "cuda[:N]".
        progress: where to report.
        notify: gets lines a user should see once, such as a licence note.
        interruption: says when to stop; the run is then kept where it is.

    Raises:
        SeqDistillError: bad data or settings, an occupied `out`, an optimisation that diverged, or too little memory or
            disk.
        Interrupted: once the run is kept, if `interruption` asks for it.
    """
    config = config or Config()
    target = resolve_device(device)
    dataset = _distillable(data, config, notify, progress)
    config = config.for_log(dataset.num_interactions, dataset.num_items)
    request = _request(dataset, config, paper=paper, evaluation=evaluation)
    other = None if teacher_of is None else Path(teacher_of)
    tell = notify or _ignore
    if out is None:
        tell_notes(dataset, notify)
        return _distill(Stages(dataset, config, target, progress, _details(request), None, other), request)
    run = RunDirectory(Path(out), config.run, interruption)
    if not overwrite and (result := run.finished_result(request)) is not None:
        return Run(Summary.load(run.path / SUMMARY), result, reused=True)
    with run.opened(request, environment(target), resume=resume, overwrite=overwrite, notify=tell):
        tell_notes(dataset, notify)
        return _distill(Stages(dataset, config, target, progress, _details(request), run, other), request)


def estimate(
    data: str | Path | Dataset,
    *,
    config: Config | None = None,
    paper: bool = False,
    evaluation: bool = True,
    teacher_of: str | Path | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
    notify: Notify | None = None,
) -> Estimate:
    """Tell what `distill` would take, from a few steps of everything on the real log; nothing is written.

    Args:
        data: as for `distill`.
        config: as for `distill`.
        paper: as for `distill`.
        evaluation: as for `distill`.
        teacher_of: as for `distill`.
        device: as for `distill`.
        progress: where to report.
        notify: gets lines a user should see once.

    Raises:
        SeqDistillError: bad data or settings.
    """
    config = config or Config()
    target = resolve_device(device)
    dataset = _distillable(data, config, notify, progress)
    config = config.for_log(dataset.num_interactions, dataset.num_items)
    tell_notes(dataset, notify)
    papers = paper_settings(config.distill) if paper else None
    return estimate_run(
        dataset,
        config,
        papers,
        teacher=teacher_of is None,
        evaluation=evaluation,
        device=target,
        progress=progress,
    )


def paper_settings(config: DistillConfig) -> DistillConfig:
    """The same size and number of outer steps, optimised as in TD3 with its settings for ML-100K (arXiv 2502.02854)."""
    return config.model_copy(
        update={
            "rank": (min(8, config.n), min(8, config.length)),
            "targets": "tied",
            "start": "random",
            "learning_rate": 0.03,
            "weight_decay": 1e-4,
            "inner_steps": 200,
            "window": 40,
            "inner_learning_rate": 0.005,
            "inner_weight_decay": 5e-5,
            "inner_batch_size": min(15, config.n),
            "cuts": 1,
            "learner_start": "random",
            "inner_regime": "shared",
            "learner_pool": 0,
            "patience": max(1, config.steps),
            "outer_targets": "log",
            "alignment_weight": 1.0,
            "precision": "float32",
        }
    )


def _distillable(data: str | Path | Dataset, config: Config, notify: Notify | None, progress: Progress) -> Dataset:
    """The log, once it is clear that the settings work."""
    for architecture in (config.train, config.teacher):
        check_architecture(architecture, dim=config.teacher.dim, length=config.distill.length)
    for architecture in config.distilling():
        check_distillable(architecture, dim=config.teacher.dim, length=config.distill.length)
    return usable_log(data, config, notify, progress)


def _distill(stages: Stages, request: dict[str, Any]) -> Run:
    """All stages that are asked for, or those that are left of them."""
    dataset, config, run = stages.dataset, stages.config, stages.run
    teacher = stages.teacher()
    distilled = stages.summary(teacher, config.distill, "distilling")
    settings = paper_settings(config.distill)
    papers = stages.summary(teacher, settings, "distilling as the paper") if request["paper"] else None
    table = stages.schedules(distilled) if "evaluation" in request else stages.table(distilled, papers)
    summary = Summary(
        distilled.summary.factors,
        distilled.summary.item_factor,
        distilled.summary.item_ids,
        distilled.summary.targets,
        table.schedules,
        {**stages.details, "best_step": distilled.best_step},
    )
    result = {
        "dataset": dataset.name,
        "protocol": protocol(dataset, config, "test"),
        "rows": table.rows,
        "seconds": {
            "teacher": teacher.seconds,
            "distill": distilled.seconds,
            "checkpoints": 0.0 if run is None else run.checkpoints.seconds,
        },
        "distillation": {
            "best_step": distilled.best_step,
            "validation": distilled.validation,
            "skipped_steps": distilled.skips,
        },
        "teacher": {"best_epoch": teacher.best_epoch, "validation": teacher.validation},
        "versions": {"seqdistill": __version__, "torch": torch.__version__},
        "config": request["config"],
    }
    if run is not None:
        summary.save(run.path / SUMMARY)
        if papers is not None:
            replace(papers.summary, details=stages.details).save(run.path / PAPER)
        run.finish(result)
    return Run(summary, result)


def _request(dataset: Dataset, config: Config, *, paper: bool, evaluation: bool) -> dict[str, Any]:
    """What identifies a run: it is the same work exactly if these are equal."""
    return {
        **({} if evaluation else {"evaluation": False}),
        "seqdistill": __version__,
        "dataset": described(dataset),
        "paper": paper,
        "config": config.model_dump(mode="json", exclude={"run"}),
    }


def _details(request: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of its making."""
    return {"dataset": request["dataset"], "config": request["config"]}


def _ignore(_line: str) -> None:
    pass
