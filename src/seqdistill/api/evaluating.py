"""The verbs `evaluate` and `compare`: how a model ranks, and a summary beside all it has to beat."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from seqdistill import __version__
from seqdistill.api.given import Notify, described, protocol, resolve_device, tell_notes, usable_log
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.adopted import adopt_full_data
from seqdistill.evaluation.compare import run_comparison
from seqdistill.evaluation.compared import Compared
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.evaluation.store import Store
from seqdistill.learners import check_architecture
from seqdistill.locks import locked
from seqdistill.models import TrainedModel
from seqdistill.progress import SILENT, Progress
from seqdistill.summary import Summary


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
    dataset = usable_log(data, config, notify)
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
    full_data_from: Iterable[str | Path] = (),
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
        full_data_from: folders of other comparisons; the rows of full data are taken over from those of the same log
            and the same settings of `teacher`, `train` and `evaluate`, and not measured again.
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
    dataset = usable_log(data, config, notify, progress)
    found.check(dataset)
    request = {
        "seqdistill": __version__,
        "dataset": described(dataset),
        **found.request(),
        "config": config.model_dump(mode="json", exclude={"run": True, "compare": {"workers"}}),
    }
    with locked(store.path, notify):
        same = store.begin(request, overwrite=overwrite)
        if same and (result := store.result) is not None:
            return result
        tell_notes(dataset, notify)
        adopt_full_data(store, map(Path, full_data_from), request, found.summary)
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
