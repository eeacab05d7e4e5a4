"""The verb `compare`: a summary beside all it has to beat."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqdistill import __version__
from seqdistill.api.given import Notify, described, protocol, resolve_device, tell_notes, usable_log
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.evaluation.adopted import adopt_full_data
from seqdistill.evaluation.compare import run_comparison
from seqdistill.evaluation.compared import Compared
from seqdistill.evaluation.store import Store
from seqdistill.learners import check_architecture
from seqdistill.locks import locked
from seqdistill.progress import SILENT, Progress
from seqdistill.summary import Summary


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
    config = config.for_log(dataset.num_interactions, dataset.num_items)
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
