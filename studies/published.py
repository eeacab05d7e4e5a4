"""Learners trained on a whole log as papers do, beside what is published: whether full data is a fair opponent."""

import json
import time
from typing import cast

import torch

from seqdistill import api
from seqdistill.artifacts import write_json
from seqdistill.data import Dataset
from seqdistill.evaluation.compare import processor
from seqdistill.json_values import Json
from seqdistill.locks import locked
from seqdistill.readable import duration, metric_value
from studies.book import METRIC, Book
from studies.keeping import versions
from studies.markdown import table
from studies.study import PublishedStudy, title_of
from studies.surroundings import Surroundings, describe_log
from studies.tables import kept_and_missing, source


def measure(study: PublishedStudy, around: Surroundings) -> Json:
    """One training of each architecture, tested once; what was trained before by the same settings is read."""
    config = study.settings()
    dataset = around.log(study.data, config.data)
    folder = around.folder(study)
    with locked(folder, around.tell):
        learners = {learner: _learner(study, learner, dataset, around) for learner in study.learners}
    on = "" if around.target.type == "cpu" else f", {torch.cuda.get_device_name(around.target)}"
    return {
        "format": "seqdistill/published",
        "versions": versions(),
        "machine": f"{processor()}, {torch.get_num_threads()} threads{on}",
        "seed": config.seed,
        "dataset": describe_log(dataset),
        "learners": learners,
    }


def _learner(study: PublishedStudy, learner: str, dataset: Dataset, around: Surroundings) -> Json:
    kept = around.folder(study) / f"{learner}.json"
    if kept.is_file():
        return cast("Json", json.loads(kept.read_text(encoding="utf-8")))
    config, mark = study.trained(learner), study.learners[learner]
    around.tell(f"{study.name}: {learner}")
    started = time.perf_counter()
    model = api.train(dataset, config=config, device=around.device, progress=around.progress)
    seconds = time.perf_counter() - started
    tested = api.evaluate(model, dataset, config=config, device=around.device)
    found: Json = {
        "least": mark.least,
        "published": mark.published,
        "metrics": tested["metrics"],
        "protocol": tested["protocol"],
        "validation": model.details["validation"],
        "best_epoch": model.details["best_epoch"],
        "seconds": seconds,
        "config": config.model_dump(mode="json"),
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_json(kept, found)
    return found


def published_tables(book: Book) -> str:
    """A table for each study that is kept, and the names of the others."""
    studies = [study for study in book.studies.values() if isinstance(study, PublishedStudy)]
    return kept_and_missing(book, studies, _table)


def _table(study: PublishedStudy, kept: Json) -> str:
    header = ["learner", "NDCG@10", "demanded", "published", "HR@10", "best epoch", "training"]
    lines = [_line(learner, found) for learner, found in kept["learners"].items()]
    parts = [f"### {study.name}", study.about, table(header, lines).rstrip(), study.conclusion, source(study, kept)]
    return "\n\n".join(part for part in parts if part)


def _line(learner: str, found: Json) -> list[str]:
    metrics, least, published = found["metrics"], found["least"], found["published"]
    own = metric_value(METRIC, metrics[METRIC])
    return [
        title_of(learner),
        f"**{own}**, met" if metrics[METRIC] >= least else f"{own}, not met",
        metric_value(METRIC, least),
        "" if published is None else metric_value(METRIC, published),
        metric_value("hr@10", metrics["hr@10"]),
        str(found["best_epoch"]),
        duration(found["seconds"]),
    ]
