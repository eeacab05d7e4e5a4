"""The library's front door: what the command line does, as functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from seqdistill import __version__
from seqdistill.artifacts import MANIFEST, check_writable
from seqdistill.config import Config, DistillConfig, Regime, parse_config
from seqdistill.data import Dataset, load_dataset, prepare
from seqdistill.data.dataset import HeldOut
from seqdistill.data.prepared import is_prepared
from seqdistill.data.tables import holds_tables
from seqdistill.errors import SeqDistillError
from seqdistill.estimating import Estimate, estimate_run
from seqdistill.evaluation.compare import run_comparison
from seqdistill.evaluation.compared import Compared
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.evaluation.store import Store
from seqdistill.exporting import (
    ITEM,
    ExportFormat,
    choose_target,
    hard_sequences,
    interactions,
    soft_targets,
    write_interactions,
    write_targets,
)
from seqdistill.inspection import describe
from seqdistill.interruption import Interruption
from seqdistill.learners import check_architecture
from seqdistill.learners.check import check_distillable
from seqdistill.locks import locked
from seqdistill.models import TrainedModel
from seqdistill.progress import SILENT, Progress
from seqdistill.recommending import (
    Recommendations,
    Recommended,
    check_table_file,
    read_histories,
    recommend_one,
    recommend_table,
    write_table,
)
from seqdistill.runs import PAPER, SUMMARY, RunDirectory, summary_folder
from seqdistill.seeding import derive_seed
from seqdistill.stages import Stages, environment
from seqdistill.summary import Summary
from seqdistill.titles import ItemTable, read_titles
from seqdistill.training import fit_to_log, fit_to_sequences

Notify = Callable[[str], None]


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


def distill(
    data: str | Path | Dataset,
    *,
    out: str | Path | None = None,
    config: Config | None = None,
    paper: bool = False,
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
    request = _request(dataset, config, paper=paper)
    tell = notify or _ignore
    if out is None:
        _tell(dataset, notify)
        return _distill(Stages(dataset, config, target, progress, _details(request), None), request, paper=paper)
    run = RunDirectory(Path(out), config.run, interruption)
    if not overwrite and (result := run.finished_result(request)) is not None:
        return Run(Summary.load(run.path / SUMMARY), result, reused=True)
    with run.opened(request, environment(target), resume=resume, overwrite=overwrite, notify=tell):
        _tell(dataset, notify)
        return _distill(Stages(dataset, config, target, progress, _details(request), run), request, paper=paper)


def _distillable(data: str | Path | Dataset, config: Config, notify: Notify | None, progress: Progress) -> Dataset:
    """The log, once it is clear that the settings work."""
    for architecture in (config.train, config.teacher):
        check_architecture(architecture, dim=config.teacher.dim, length=config.distill.length)
    for architecture in config.distilling():
        check_distillable(architecture, dim=config.teacher.dim, length=config.distill.length)
    return _as_dataset(data, config, notify, progress)


def _distill(stages: Stages, request: dict[str, Any], *, paper: bool) -> Run:
    """All stages, or those that are left of them."""
    dataset, config, run = stages.dataset, stages.config, stages.run
    teacher = stages.teacher()
    distilled = stages.summary(teacher, config.distill, "distilling")
    papers = stages.summary(teacher, paper_settings(config.distill), "distilling as the paper") if paper else None
    table = stages.table(distilled, papers)
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


def _details(request: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of its making."""
    return {"dataset": request["dataset"], "config": request["config"]}


def _ignore(_line: str) -> None:
    pass


def estimate(
    data: str | Path | Dataset,
    *,
    config: Config | None = None,
    paper: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
    notify: Notify | None = None,
) -> Estimate:
    """Tell what `distill` would take, from a few steps of everything on the real log; nothing is written.

    Args:
        data: as for `distill`.
        config: as for `distill`.
        paper: as for `distill`.
        device: as for `distill`.
        progress: where to report.
        notify: gets lines a user should see once.

    Raises:
        SeqDistillError: bad data or settings.
    """
    config = config or Config()
    target = resolve_device(device)
    dataset = _distillable(data, config, notify, progress)
    _tell(dataset, notify)
    papers = paper_settings(config.distill) if paper else None
    return estimate_run(dataset, config, papers, device=target, progress=progress)


def paper_settings(config: DistillConfig) -> DistillConfig:
    """The same size and number of outer steps, optimised as in TD3 with its settings for ML-100K (arXiv 2502.02854)."""
    return config.model_copy(
        update={
            "rank": (min(8, config.num_sequences), min(8, config.length)),
            "targets": "tied",
            "start": "random",
            "learning_rate": 0.03,
            "weight_decay": 1e-4,
            "inner_steps": 200,
            "window": 40,
            "inner_learning_rate": 0.005,
            "inner_weight_decay": 5e-5,
            "inner_batch_size": min(15, config.num_sequences),
            "cuts": 1,
            "learner_start": "random",
            "learner_pool": 0,
            "alignment_weight": 1.0,
        }
    )


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
        dataset = _as_dataset(source, config, notify, progress)
        _tell(dataset, notify)
        model = _train_on_log(dataset, config, target, progress)
    if out is not None:
        model.save(out)
    return model


def evaluate(
    model: str | Path | TrainedModel,
    data: str | Path | Dataset,
    *,
    config: Config | None = None,
    part: Literal["validation", "test"] = "test",
    device: str = "auto",
    notify: Notify | None = None,
    allow_code: str | None = None,
) -> dict[str, Any]:
    """Rank the held-out items of a log by a trained model.

    Args:
        model: a model or its folder.
        data: a named dataset, a log, a prepared folder, or a loaded dataset.
        config: all settings.
        part: which held-out item of each user to rank.
        device: "auto", "cpu" or "cuda[:N]".
        notify: gets lines a user should see once.
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Returns:
        {"dataset", "protocol", "model": {"learner", "length", "trained_on"}, "metrics": {name: mean over users}}.

    Raises:
        SeqDistillError: a damaged model, bad data, or a model of another catalogue.
    """
    config = config or Config()
    trained = model if isinstance(model, TrainedModel) else TrainedModel.load(model, allow_code=allow_code)
    dataset = _as_dataset(data, config, notify)
    if not trained.item_ids.equals(dataset.item_ids):
        raise SeqDistillError(
            f"the model knows {len(trained.item_ids)} items and {dataset.name} has {dataset.num_items}, "
            "and they are not the same; evaluate on the log it was made from, with the same data settings"
        )
    scores = rank_held_out(
        trained.recommender.to(resolve_device(device)),
        dataset,
        part,
        length=trained.length,
        mask_seen=config.evaluate.mask_seen,
    )
    return {
        "dataset": dataset.name,
        "protocol": {**protocol(dataset, config, part), "length": trained.length},
        "model": {
            "learner": trained.architecture.learner,
            "length": trained.length,
            "trained_on": trained.details.get("trained_on"),
        },
        "metrics": summarise(scores, config.evaluate.cutoffs),
    }


def compare(  # noqa: PLR0913 - most have a default
    summary: str | Path | Summary,
    data: str | Path | Dataset,
    *,
    out: str | Path,
    config: Config | None = None,
    teacher: str | Path | None = None,
    paper: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
    notify: Notify | None = None,
    allow_code: str | None = None,
) -> dict[str, Any]:
    """Hold a summary against everything it has to beat, on the log it was made from; see docs/scoreboard.md.

    Learners train in processes of their own: a script calls this under `if __name__ == "__main__":`.

    Args:
        summary: a summary, its folder, or a run, whose teacher and times are then taken too.
        data: the log: a named dataset, a log, a prepared folder, or a loaded dataset.
        out: folder for `comparison.json`, `rows.parquet`, `report.html` and the rows as they come; asked again with the
            same settings, an interrupted comparison goes on there, and a finished one is read.
        config: all settings; by default those that the summary was made with. Positions and sequences are the
            summary's.
        teacher: folder of the summary's teacher, where it is not in the run; without one, it is trained again.
        paper: folder of a summary distilled as the paper does, for rows to compare with; by default that of the run.
        overwrite: replace another comparison in `out`.
        device: "auto", "cpu" or "cuda[:N]".
        progress: where to report.
        notify: gets lines a user should see once.
        allow_code: the class of the user's own that the summary's settings and its teacher may import; see
            `TrainedModel.load`.

    Returns:
        The content of `comparison.json`.

    Raises:
        SeqDistillError: bad data or settings, a summary of another log, or an occupied `out`.
    """
    target = resolve_device(device)
    store = Store(Path(out))
    store.check_free()
    found = Compared.find(summary, teacher=teacher, paper=paper, allow_code=allow_code)
    config = found.settings(config)
    check_architecture(config.train, dim=found.summary.dim, length=found.summary.length)
    dataset = _as_dataset(data, config, notify, progress)
    found.check(dataset)
    request = {
        "seqdistill": __version__,
        "dataset": _describe(dataset),
        **found.request(),
        "config": config.model_dump(mode="json", exclude={"run": True, "compare": {"workers"}}),
    }
    with locked(store.path, notify):
        same = store.begin(request, overwrite=overwrite)
        if same and (result := store.result) is not None:
            return result
        _tell(dataset, notify)
        given = found.comparison(
            dataset,
            config,
            store.path,
            protocol=protocol(dataset, config, "test"),
            command=found.command(data, store.path, config),
            device=target,
            progress=progress,
            notify=notify,
        )
        return run_comparison(given, store, target, progress)


def recommend(
    model: str | Path | TrainedModel,
    history: Sequence[str],
    *,
    k: int = 10,
    exclude_seen: bool = True,
    device: str = "auto",
    allow_code: str | None = None,
) -> Recommendations:
    """What a trained model recommends after a history.

    Args:
        model: a model or its folder.
        history: item ids of the log, oldest first; those the model does not know are skipped and named in the result.
        k: items recommended.
        exclude_seen: leave the items of the history out.
        device: "auto", "cpu" or "cuda[:N]".
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Raises:
        SeqDistillError: a damaged model, or a history of which it knows no item.
    """
    return recommend_one(_on_device(model, device, allow_code), history, k=k, exclude_seen=exclude_seen)


def recommend_file(
    model: str | Path | TrainedModel,
    histories: str | Path,
    out: str | Path,
    *,
    k: int = 10,
    exclude_seen: bool = True,
    device: str = "auto",
    allow_code: str | None = None,
) -> Recommended:
    """Recommendations for a file of histories.

    Args:
        model: a model or its folder.
        histories: parquet or JSON lines with a column `history`, lists of item ids, oldest first.
        out: the same table with the columns `items` and `scores`, as parquet or JSON lines.
        k: items recommended after each history.
        exclude_seen: leave the items of a history out.
        device: "auto", "cpu" or "cuda[:N]".
        allow_code: the class of the user's own that a model may import; see `TrainedModel.load`.

    Raises:
        SeqDistillError: a damaged model, a file that holds no histories, or `out` cannot be written.
    """
    check_table_file(Path(out))
    table = read_histories(Path(histories))
    found = recommend_table(_on_device(model, device, allow_code), table, k=k, exclude_seen=exclude_seen)
    write_table(found.table, Path(out))
    return found


def _on_device(model: str | Path | TrainedModel, device: str, allow_code: str | None) -> TrainedModel:
    trained = model if isinstance(model, TrainedModel) else TrainedModel.load(model, allow_code=allow_code)
    trained.recommender.to(resolve_device(device))
    return trained


def inspect(
    summary: str | Path | Summary,
    *,
    data: str | Path | Dataset | None = None,
    items: str | Path | ItemTable | None = None,
    sequences: int = 3,
    top: int = 3,
    config: Config | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    notify: Notify | None = None,
) -> dict[str, Any]:
    """What a summary holds, weighs and says, and whether it copies anyone; see `seqdistill.inspection.describe`.

    Args:
        summary: a summary, its folder, or the run directory it is in.
        data: the log it was made from, to compare its sequences with real histories.
        items: a table with titles of the items; see `seqdistill.titles.ItemTable`.
        sequences: how many of the first sequences to spell out.
        top: items named at each of their positions.
        config: how to read the log; by default with the settings the summary was made with.
        seed: draws the real and the random sequences that the summary's are set beside.
        progress: where to report.
        notify: gets lines a user should see once.

    Raises:
        SeqDistillError: a damaged summary, a table without titles of its items, or a log without its items.
    """
    held = _as_summary(summary)
    titles = None
    if items is not None:
        titles = read_titles(items if isinstance(items, ItemTable) else ItemTable(Path(items)), held.item_ids)
    if data is not None and not isinstance(data, Dataset):
        made_with: dict[str, Any] = held.details.get("config") or {}
        settings = config or parse_config({"data": made_with.get("data") or {}})
        data = load_dataset(data, config=settings.data, progress=progress, notify=notify)
    return describe(held, sequences=sequences, top=top, titles=titles, dataset=data, seed=seed)


def export(
    summary: str | Path | Summary,
    out: str | Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - what it is called everywhere
    sample: int | None = None,
    targets: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the sequences of a summary as a log of hard items, for other libraries.

    Args:
        summary: a summary, its folder, or the run directory it is in.
        out: a file, whose ending says the format, or a folder, see `seqdistill.exporting.choose_target`.
        format: inter (RecBole), csv, tsv, parquet, jsonl, or lines (`user item item ...`).
        sample: draw so many users from each sequence's distributions; None takes the likeliest items.
        targets: also write this many of the likeliest items to be predicted after each position, with their mass.
        seed: decides what is drawn.
        overwrite: replace files that are there.

    Returns:
        {"out", "format", "targets_out", "sequences", "users", "length", "interactions", "distinct_items"}.

    Raises:
        SeqDistillError: a damaged summary, a file that is there or cannot be written, an unknown format, or an id that
            the format cannot hold.
    """
    if sample is not None and sample < 1:
        raise SeqDistillError(f"sample = {sample}: draw at least one user from each sequence")
    if targets is not None and targets < 1:
        raise SeqDistillError(f"targets = {targets}: write at least one item for each position")
    target = choose_target(Path(out), format)
    files = [target.sequences, *([target.targets] if targets is not None else [])]
    for file in files:
        if file.exists() and not overwrite:
            raise SeqDistillError(f"{file} exists; choose another name, or replace it with --overwrite")
    held = _as_summary(summary)
    items = hard_sequences(held, draws=sample, seed=seed)
    table = interactions(items, held.item_ids)
    write_interactions(table, target)
    if targets is not None:
        write_targets(soft_targets(held, targets, draws=sample or 1), target)
    return {
        "out": str(target.sequences),
        "format": target.format,
        "targets_out": str(target.targets) if targets is not None else None,
        "sequences": held.num_sequences,
        "users": len(items),
        "length": held.length,
        "interactions": len(table),
        "distinct_items": table[ITEM].n_unique(),
    }


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one.

    Raises:
        SeqDistillError: if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SeqDistillError(f"--device {name}: unknown; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SeqDistillError(f"--device {name}: not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SeqDistillError(f"--device {name}: {torch.cuda.device_count()} CUDA devices here; use auto or cpu")
    return device


def protocol(dataset: Dataset, config: Config, part: HeldOut) -> dict[str, Any]:
    """How the figures beside it were obtained."""
    return {
        "split": dataset.split.name,
        "part": part,
        "ranking": "full catalogue",
        "mask_seen": config.evaluate.mask_seen,
        "ties": "pessimistic",
        "length": config.distill.length,
        "min_count": dataset.provenance.settings.get("min_count", config.data.min_count),
        "users": len(dataset.held_out_users(part)),
        "items": dataset.num_items,
        "interactions": dataset.num_interactions,
    }


def _may_be_summary(folder: Path) -> bool:
    """Whether to look for a summary in a folder: not in a prepared dataset, nor in a log that is a folder."""
    if not folder.is_dir() or is_prepared(folder):
        return False
    ours = [*folder.glob(MANIFEST), *folder.glob("*.safetensors"), *folder.glob(SUMMARY)]
    return bool(ours) or not holds_tables(folder)


def _as_summary(summary: str | Path | Summary) -> Summary:
    return summary if isinstance(summary, Summary) else Summary.load(summary_folder(Path(summary)))


def _train_on_summary(summary: Summary, config: Config, device: torch.device, progress: Progress) -> TrainedModel:
    regime: Regime = config.train.regime
    recommended = summary.schedule(regime)
    schedule = type(recommended)(
        config.train.learning_rate or recommended.learning_rate, config.train.steps or recommended.steps
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
        "learning_rate": schedule.learning_rate,
        "steps": schedule.steps,
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
    details = {"trained_on": "log", "dataset": _describe(dataset), "seed": config.seed}
    return TrainedModel.from_log(fitted, config.train, length, dataset.item_ids, details)


def _as_dataset(
    data: str | Path | Dataset, config: Config, notify: Notify | None, progress: Progress = SILENT
) -> Dataset:
    if not isinstance(data, Dataset):
        data = load_dataset(data, config=config.data, notify=notify, progress=progress, verify=True)
    for part in ("validation", "test"):
        if len(data.held_out_users(part)) > 0:
            continue
        if data.split.name == "leave-one-out":
            raise SeqDistillError(
                f"{data.name}: no user has 3 interactions left to split into training, validation and test; "
                "lower data.min_count or bring a longer log"
            )
        raise SeqDistillError(
            f"{data.name}: the split by {data.split.name} holds out no item to rank in the {part}; give that part more "
            f"with data.{part}_share or other cuts, or bring a longer log"
        )
    if (data.training_ends - data.offsets[:-1] < 2).all():
        raise SeqDistillError(
            f"{data.name}: no user has two interactions left to train on once the last two are held out; "
            "lower data.min_count or bring a longer log"
        )
    return data


def _tell(dataset: Dataset, notify: Notify | None) -> None:
    """What reading and filtering did, once it is clear that the work goes ahead."""
    if notify is not None:
        for note in dataset.provenance.notes:
            notify(f"{dataset.name}: {note}")


def _request(dataset: Dataset, config: Config, *, paper: bool) -> dict[str, Any]:
    """What identifies a run: it is the same work exactly if these are equal."""
    return {
        "seqdistill": __version__,
        "dataset": _describe(dataset),
        "paper": paper,
        "config": config.model_dump(mode="json", exclude={"run"}),
    }


def _describe(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "users": dataset.num_users,
        "items": dataset.num_items,
        "interactions": dataset.num_interactions,
    }


__all__ = [
    "Estimate",
    "Run",
    "compare",
    "distill",
    "estimate",
    "evaluate",
    "export",
    "inspect",
    "load_dataset",
    "prepare",
    "recommend",
    "recommend_file",
    "train",
]
