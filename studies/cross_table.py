"""The tables of architectures trained on one summary."""

from seqdistill.artifacts import Json
from seqdistill.readable import duration, metric_value
from studies.book import METRIC, Book
from studies.demands import NOT_MEASURED
from studies.markdown import table
from studies.study import CrossStudy, base_of

TITLES = {"sasrec": "SASRec", "gru4rec": "GRU4Rec", "narm": "NARM", "bert4rec": "BERT4Rec"}
QUALITY = 0.95
"""Of full data, whose time of training is compared."""


def cross_tables(book: Book) -> str:
    """A table for each study that is kept, and the names of the others."""
    studies = sorted(book.crosses(), key=lambda study: book.logs.index(base_of(study, book.studies).data))
    held = [_table(study, book.kept[study.name]) for study in studies if study.name in book.kept]
    absent = [study.name for study in studies if study.name not in book.kept]
    return "\n\n".join([*held, *([f"{NOT_MEASURED.capitalize()}: {', '.join(absent)}."] if absent else [])])


def _table(study: CrossStudy, kept: Json) -> str:
    header = ["learner", "full data, NDCG@10", "its training", "distilled, shared", "distilled, fresh"]
    header += ["best soft targets at n, shared", "fresh", "item factor, untrained", f"to {QUALITY:.0%} of full data"]
    lines = [_line(learner, found) for learner, found in kept["learners"].items()]
    seconds = kept["learners"][next(iter(kept["learners"]))]["costs"]["seconds"]
    spent = ", ".join(f"{name} {duration(seconds[name])}" for name in ("teacher", "distill") if seconds[name])
    versions = kept["versions"]
    source = (
        f"In % of the same learner's full data, NDCG@10; {kept['seeds']} seeds a row; {spent}.  \n"
        f"`{kept['study']['command']}` on {kept['machine']}; torch {versions['torch']}, seqdistill "
        f"{versions['seqdistill']}; seed {kept['seed']}; "
        f"[results/cross/{study.name}.json](../results/cross/{study.name}.json)"
    )
    parts = [f"### {study.name}", study.about, table(header, lines).rstrip(), study.conclusion, source]
    return "\n\n".join(part for part in parts if part)


def _line(learner: str, found: Json) -> list[str]:
    rows = {row["key"]: row for row in found["rows"]}
    full = rows["full/fresh"]
    return [
        TITLES.get(learner, learner),
        _figure(full),
        duration(full["seconds_train"]),
        *(_percent(rows[f"distilled/{regime}"]) for regime in ("shared", "fresh")),
        *(_best_soft(found["rows"], regime) for regime in ("shared", "fresh")),
        _percent(rows["untrained/shared"]),
        _fastest(found, full),
    ]


def _figure(row: Json) -> str:
    spread = row["metrics"][METRIC]
    return f"{metric_value(METRIC, spread['mean'])} ± {metric_value(METRIC, spread['std'])}"


def _percent(row: Json) -> str:
    share = row["percent_of_full"].get(METRIC)
    return "" if share is None else f"{share:.1f}"


def _best_soft(rows: list[Json], regime: str) -> str:
    soft = [row for row in rows if (row["group"], row["size"], row["regime"]) == ("soft", "n", regime)]
    return _percent(max(soft, key=lambda row: row["metrics"][METRIC]["mean"])) if soft else ""


def _fastest(found: Json, full: Json) -> str:
    """The least time in which a learner on the summary reached the share of full data, in the better regime."""
    level = QUALITY * full["metrics"][METRIC]["mean"]
    reached = [
        (point["seconds"], curve["key"].rpartition("/")[2])
        for curve in found["curves"]
        if curve["key"].startswith("distilled/")
        for point in curve["points"]
        if point[METRIC] >= level and point["seconds"] > 0
    ]
    if not reached:
        return "not reached"
    seconds, regime = min(reached)
    return f"{duration(seconds)} ({regime}), {full['seconds_train'] / seconds:,.0f}x faster"
