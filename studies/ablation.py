"""A log distilled in several ways, each ranked on the validation items by learners in both regimes.

All ways start from the same teacher where its settings are the same; test items are never looked at.
"""

import json
import time

import torch

from seqdistill.artifacts import MANIFEST, write_json
from seqdistill.artifacts.documents import digest_of
from seqdistill.config import REGIMES, Config, Regime
from seqdistill.data import Dataset
from seqdistill.evaluation.compare import processor
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.table import Evaluator, spread_of
from seqdistill.json_values import Json
from seqdistill.locks import locked
from seqdistill.models import TrainedModel
from seqdistill.stages import Stages
from seqdistill.summary import Summary
from seqdistill.training import FittedToLog
from studies.keeping import versions
from studies.scoreboard import fitted
from studies.study import AblationStudy, Variant
from studies.surroundings import Surroundings, describe_log

METRICS = ("ndcg@10", "hr@10", "ndcg@100", "log_likelihood")
ROWS = "rows.json"


def measure(study: AblationStudy, around: Surroundings) -> Json:
    """The rows of all variants; one that was measured before by the same settings, in whatever study, is read."""
    config = study.settings()
    rows: list[Json] = []
    logs: dict[str, Json] = {}
    with one_thread(), locked(around.folder(study), around.tell):
        for number, variant in enumerate(study.variants, start=1):
            settings = study.varied(variant)
            dataset = around.log(study.data, settings.data)
            logs[dataset.fingerprint] = describe_log(dataset)
            around.tell(f"{study.name}: {variant.name} ({number} of {len(study.variants)})")
            measured = _measured(study, variant, dataset, around)
            rows += [{"variant": variant.name, "overrides": variant.config, **row} for row in measured]
    return {
        "format": "seqdistill/ablation",
        "versions": versions(),
        "machine": f"{processor()}, one thread",
        "seed": config.seed,
        "seeds": study.seeds,
        "part": "validation",
        "dataset": next(iter(logs.values())),
        "config": config.model_dump(mode="json"),
        "rows": rows,
    }


class one_thread:  # noqa: N801 - reads as a statement
    """One thread within the block: sums of floats depend on their number."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *exception: object) -> None:
        torch.set_num_threads(self._before)


def _measured(study: AblationStudy, variant: Variant, dataset: Dataset, around: Surroundings) -> list[Json]:
    """A row for each regime, kept by what decides it: the default stands in most tables, and is the same in all."""
    config = study.varied(variant).for_log(dataset.num_interactions, dataset.num_items)
    request = {
        "data": dataset.fingerprint,
        "seeds": study.seeds,
        "device": around.target.type,
        "config": config.model_dump(mode="json"),
    }
    folder = around.work / "variants" / f"{dataset.name}-{digest_of(request)[:8]}"
    with locked(folder, around.tell):
        if (folder / ROWS).is_file():
            return json.loads((folder / ROWS).read_text(encoding="utf-8"))
        teacher = _teacher(dataset, config, around)
        stages = Stages(dataset, config, around.target, around.progress, {}, None)
        # The title decides the seed: variants differ in their settings and in nothing else.
        distilled = stages.summary(teacher, config.distill, "distilling")
        rows = [
            {
                "regime": regime,
                **_learners(dataset, config, distilled.summary, regime, study.seeds, around),
                "best_step": distilled.best_step,
                "bytes": distilled.summary.size_bytes(),
                "seconds_distill": distilled.seconds,
                "seconds_teacher": teacher.seconds,
            }
            for regime in REGIMES
        ]
        write_json(folder / ROWS, rows)
    return rows


def _learners(
    dataset: Dataset, config: Config, summary: Summary, regime: Regime, seeds: int, around: Surroundings
) -> Json:
    """Validation metrics of learners with the best schedule of the candidates."""
    sequences = summary.sequences()
    evaluator = Evaluator(dataset, config, around.target, around.progress)
    schedule = evaluator.choose_schedule(regime, lambda _seed: sequences)
    found: list[dict[str, float]] = []
    started = time.perf_counter()
    for index in range(seeds):
        model = evaluator.fit(sequences, regime, schedule, evaluator.test_seed(index))
        found.append(summarise(evaluator.rank(model, "validation")))
    return {
        "metrics": {name: spread_of([one[name] for one in found])._asdict() for name in METRICS},
        "schedule": vars(schedule),
        "seconds_train": (time.perf_counter() - started) / seeds,
    }


def _teacher(dataset: Dataset, config: Config, around: Surroundings) -> FittedToLog:
    """The teacher of these settings, trained once for all studies of the same work folder."""
    request = {
        "data": dataset.fingerprint,
        "length": config.distill.length,
        "seed": config.seed,
        "teacher": config.teacher.model_dump(mode="json"),
        "device": around.target.type,
    }
    folder = around.work / "teachers" / f"{dataset.name}-{digest_of(request)[:8]}"
    with locked(folder.with_suffix(".lock"), around.tell):
        if not (folder / MANIFEST).is_file():
            trained = Stages(dataset, config, around.target, around.progress, {}, None).teacher()
            length, told = config.distill.length, {"seconds": trained.seconds}
            TrainedModel.from_log(trained, config.teacher, length, dataset.item_ids, told).save(folder)
        return fitted(folder, TrainedModel.load(folder).details, around.target)
