"""A whole comparison: what it is of, its rows, and the document and files made of them."""

import contextlib
import math
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch

from seqdistill import __version__
from seqdistill.config import REGIMES, Config
from seqdistill.data.dataset import Dataset
from seqdistill.disk import writing
from seqdistill.evaluation.agenda import Scale
from seqdistill.evaluation.coresets import RealSequences, mean_embedding
from seqdistill.evaluation.opening import LabOpening
from seqdistill.evaluation.report import render_report
from seqdistill.evaluation.rows import Sizes
from seqdistill.evaluation.scoreboard import FULL, HEADLINE, Scoreboard
from seqdistill.evaluation.store import INPUTS, Store
from seqdistill.evaluation.verdict import verdict
from seqdistill.inspection import describe
from seqdistill.json_values import Json
from seqdistill.progress import SILENT, Progress
from seqdistill.runs import PAPER, SUMMARY
from seqdistill.summary import Summary
from seqdistill.training import epochs_for
from seqdistill.workers import Workers, default_workers

FORMAT, FORMAT_VERSION = "seqdistill/comparison", 1
PARQUET, REPORT = "rows.parquet", "report.html"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is compared, and what is known about it beforehand.

    Attributes:
        dataset: the log.
        config: all settings.
        summary: in question.
        teacher: folder of its teacher.
        teacher_from: where that came from, and whether its item embedding is the summary's item factor.
        paper: a summary distilled as the paper does, if there is one.
        seconds: of teacher and distillation, None where not known.
        protocol: how the figures are obtained.
        command: that makes it again.
        made_by: command that made the summary, None where it does not say.
        allow_code: the class of the user's own that the teacher may import.
    """

    dataset: Dataset
    config: Config
    summary: Summary
    teacher: Path
    teacher_from: Json
    paper: Summary | None
    seconds: dict[str, float | None]
    protocol: Json
    command: str
    made_by: str | None
    allow_code: str | None = None


def run_comparison(given: Comparison, store: Store, device: torch.device, progress: Progress = SILENT) -> Json:
    """Measure what is missing, and write `comparison.json`, `rows.parquet` and `report.html`.

    Args:
        given: what is compared.
        store: its folder, begun.
        device: where to train; a GPU is one process's.
        progress: where to report.
    """
    started = time.perf_counter()
    summary_folder, paper_folder = store.path / INPUTS / SUMMARY, store.path / INPUTS / PAPER
    given.summary.save(summary_folder)
    if given.paper is not None:
        given.paper.save(paper_folder)
    opening = LabOpening.of(
        given.dataset,
        given.config,
        summary=summary_folder,
        teacher=given.teacher,
        paper=paper_folder if given.paper is not None else None,
        device=device,
        allow_code=given.allow_code,
    )
    count = 1 if device.type != "cpu" else given.config.compare.workers or default_workers()
    remedy = "lower compare.workers and ask again: the rows that are done are kept"
    with Workers(opening, count, remedy=remedy) as workers:
        paper = None if given.paper is None else (given.paper.num_sequences, given.paper.size_bytes())
        sizes, scale = sizes_of(given), scale_of(given)
        board = Scoreboard(given.dataset, given.config, paper, sizes, scale, store, workers, progress)
        try:
            board.measure()
        finally:
            store.spend(time.perf_counter() - started, workers.processor_seconds)
        peak = workers.peak_mib
    document = _document(given, board, count, peak)
    write_rows(store.path / PARQUET, document)
    write_report(store.path / REPORT, document, given)
    store.finish(document)
    return document


def sizes_of(given: Comparison) -> Sizes:
    """What the sizes of rows follow from."""
    dataset, summary = given.dataset, given.summary
    real = RealSequences(dataset, summary.length, mean_embedding(summary.item_factor))
    return Sizes(
        summary.num_sequences,
        summary.bytes_by_part(),
        summary.precision,
        len(real),
        real.mean_items,
        summary.length,
        dataset.num_items,
        summary.dim,
        dataset.provenance.log_parquet_bytes,
        dataset.times is not None,
    )


def scale_of(given: Comparison) -> Scale:
    """What the work follows from; soft targets are taken to need the steps that the summary recommends."""
    dataset, config, summary = given.dataset, given.config, given.summary
    return Scale(
        users=len(dataset.held_out_users("test")),
        items=dataset.num_items,
        dim=summary.dim,
        targets=int((dataset.training_ends - dataset.offsets[:-1] - 1).clip(min=0).sum()),
        length=summary.length,
        batch=max(config.compare.batch_sequences, summary.num_sequences),
        epochs=epochs_for(dataset, config.teacher, summary.length),
        steps={regime: summary.schedule(regime).steps for regime in REGIMES},
        candidates=sorted(set(config.evaluate.candidate_steps)),
    )


def write_report(path: Path, document: Json, given: Comparison) -> None:
    """Write `report.html`."""
    page = render_report(document, describe(given.summary, dataset=given.dataset, seed=given.config.seed))
    with writing(path):
        path.write_text(page, encoding="utf-8")


def write_rows(path: Path, document: Json) -> None:
    """Write `rows.parquet`: one line for each row and metric."""
    lines: list[dict[str, Any]] = []
    for row in document["rows"]:
        known = {key: row[key] for key in ("key", "name", "group", "learner", "regime", "targets", "sequences", "size")}
        known |= {"seeds": row["seeds"], "bytes": row["bytes"], "seconds_train": row["seconds_train"]}
        for metric, spread in row["metrics"].items():
            difference = cast("Json", (row["difference"] or {}).get(metric) or {})
            lines.append(
                {
                    **known,
                    "metric": metric,
                    "mean": spread["mean"],
                    "std": spread["std"],
                    "percent_of_full": row["percent_of_full"].get(metric),
                    "difference": difference.get("mean"),
                    "difference_low": difference.get("low"),
                    "difference_high": difference.get("high"),
                }
            )
    pl.DataFrame(lines, infer_schema_length=None).write_parquet(path)


def _document(given: Comparison, board: Scoreboard, workers: int, peak_mib: float) -> Json:
    rows, breakdown = board.rows_json()
    summary, dataset = given.summary, given.dataset
    document: Json = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "command": given.command,
        "versions": {"seqdistill": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": f"{processor()}, {workers} processes of one thread" if workers > 1 else f"{processor()}, one thread",
        "seed": given.config.seed,
        "seeds": given.config.compare.seeds,
        "config": given.config.model_dump(mode="json"),
        "dataset": {
            "name": dataset.name,
            "users": dataset.num_users,
            "items": dataset.num_items,
            "interactions": dataset.num_interactions,
            "log_parquet_bytes": dataset.provenance.log_parquet_bytes,
        },
        "protocol": given.protocol,
        "teacher": given.teacher_from,
        "summary": {
            "num_sequences": summary.num_sequences,
            "length": summary.length,
            "dim": summary.dim,
            "rank": [summary.factors.user.shape[1], summary.factors.time.shape[1]],
            "targets": summary.targets,
            "command": given.made_by,
            "precision": summary.precision,
            "bytes": summary.bytes_by_part(),
        },
        "headline_metric": HEADLINE,
        "metrics": list(rows[0]["metrics"]),
        "rows": rows,
        "contests": board.contests(),
        "equivalent_coresets": board.equivalents_json(),
        "costs": _costs(given, board, peak_mib),
        "breakdown": breakdown,
        "curves": board.curves_json(),
    }
    return {**document, "verdict": verdict(document)}


def _costs(given: Comparison, board: Scoreboard, peak_mib: float) -> Json:
    train_full = board.seconds_of(FULL)
    train_summary = {regime: board.seconds_of(f"distilled/{regime}") for regime in REGIMES}
    return {
        "seconds": {
            **given.seconds,
            "train_full": train_full,
            "train_summary": train_summary,
            "compare": board.store.spent["clock"],
            "compare_processors": board.store.spent["processors"],
        },
        "break_even_trainings": {
            regime: break_even(given.seconds["teacher"], given.seconds["distill"], train_full - saved)
            for regime, saved in train_summary.items()
        },
        "peak_mib": peak_mib,
        "precisions": board.precisions_json(),
    }


def break_even(teacher: float | None, distill: float | None, saved: float) -> int | None:
    """Trainings after which teacher and distillation have paid for themselves.

    Args:
        teacher: seconds, None if not known.
        distill: seconds, None if not known.
        saved: seconds that a training on the summary saves.

    Returns:
        The least whole number; None for never, or where the seconds are not known.
    """
    if teacher is None or distill is None or saved <= 0:
        return None
    return max(1, math.ceil((teacher + distill) / saved))


def processor() -> str:
    """The processor's name and number of cores."""
    name = platform.processor() or platform.machine()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"
