"""The verb `train`."""

from dataclasses import asdict
from pathlib import Path

import torch

from seqdistill.api.given import Notify, described, resolve_device, tell_notes, usable_log
from seqdistill.artifacts import MANIFEST, check_writable
from seqdistill.config import Config, Regime
from seqdistill.data import Dataset
from seqdistill.data.prepared import is_prepared
from seqdistill.data.tables import holds_tables
from seqdistill.learners import check_architecture
from seqdistill.models import TrainedModel
from seqdistill.progress import SILENT, Progress
from seqdistill.runs import SUMMARY, summary_folder
from seqdistill.seeding import derive_seed
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.summary import Schedule, Summary
from seqdistill.training import fit_to_log


def train(
    source: str | Path | Summary | Dataset,
    *,
    out: str | Path | None = None,
    config: Config | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
    notify: Notify | None = None,
) -> TrainedModel:
    """Train a new model on a summary or on a log.

    On a summary, the regime is `config.train.regime`, and steps and learning rate are those the summary recommends
    unless they are set. On a log, the teacher's optimiser settings and width apply, with early stopping.

    Args:
        source: a summary or its folder, a named dataset, a log, a prepared folder, or a loaded dataset.
        out: folder to save the model in.
        config: all settings.
        device: "auto", "cpu" or "cuda[:N]".
        progress: where to report.
        notify: gets lines a user should see once.

    Raises:
        SeqDistillError: bad source or settings, or `out` cannot be written.
    """
    config = config or Config()
    target = resolve_device(device)
    if out is not None:
        check_writable(Path(out), "model")
    if isinstance(source, (str, Path)) and _may_be_summary(Path(source)):
        source = Summary.load(summary_folder(Path(source)))
    dim = config.train.dim or (source.dim if isinstance(source, Summary) else config.teacher.dim)
    length = source.length if isinstance(source, Summary) else config.distill.length
    check_architecture(config.train, dim=dim, length=length)
    if isinstance(source, Summary):
        model = _train_on_summary(source, config, target, progress)
    else:
        if config.train.regime != "shared" and notify is not None:
            notify("train.regime concerns summaries; on a log the embedding is always trained")
        dataset = usable_log(source, config, notify, progress)
        tell_notes(dataset, notify)
        model = _train_on_log(dataset, config, target, progress)
    if out is not None:
        model.save(out)
    return model


def _may_be_summary(folder: Path) -> bool:
    """Whether to look for a summary in a folder: not in a prepared dataset, nor in a log that is a folder."""
    if not folder.is_dir() or is_prepared(folder):
        return False
    ours = [*folder.glob(MANIFEST), *folder.glob("*.safetensors"), *folder.glob(SUMMARY)]
    return bool(ours) or not holds_tables(folder)


def _train_on_summary(summary: Summary, config: Config, device: torch.device, progress: Progress) -> TrainedModel:
    regime: Regime = config.train.regime
    recommended = summary.schedule(regime)
    schedule = Schedule(
        config.train.learning_rate or recommended.learning_rate,
        config.train.steps or recommended.steps,
        config.train.optimiser or recommended.optimiser,
    )
    with progress.task(f"training on the summary, {regime}", schedule.steps) as task:
        recommender = fit_to_sequences(
            summary.sequences(),
            config.train,
            regime,
            schedule,
            seed=derive_seed(config.seed, "train"),
            length=summary.length,
            dim=config.train.dim,
            dropout=config.train.dropout,
            device=device,
            on_step=lambda step, _model: task.advance() if step > 0 else None,
        )
    details = {
        "trained_on": "summary",
        "regime": regime,
        **asdict(schedule),
        "seed": config.seed,
        "summary": {"fingerprint": summary.fingerprint, "sequences": summary.num_sequences, "length": summary.length},
        "dataset": summary.details.get("dataset"),
    }
    return TrainedModel(recommender, config.train, summary.length, summary.item_ids, details)


def _train_on_log(dataset: Dataset, config: Config, device: torch.device, progress: Progress) -> TrainedModel:
    length = config.distill.length
    fitted = fit_to_log(
        dataset,
        config.teacher,
        length=length,
        seed=derive_seed(config.seed, "train"),
        architecture=config.train,
        dim=config.train.dim,
        device=device,
        progress=progress,
        title=f"training on {dataset.name}",
    )
    details = {"trained_on": "log", "dataset": described(dataset), "seed": config.seed}
    return TrainedModel.from_log(fitted, config.train, length, dataset.item_ids, details)
