"""The tables of ablations, each with its conclusion."""

from seqdistill.json_values import Json
from seqdistill.readable import duration, metric_value, size
from studies.book import Book
from studies.markdown import table
from studies.study import AblationStudy
from studies.tables import kept_and_missing, source


def ablation_tables(book: Book) -> str:
    """A table for each study that is kept, and the names of the others."""
    return kept_and_missing(book, book.ablations(), _table)


def _table(study: AblationStudy, kept: Json) -> str:
    header = [
        "variant",
        "regime",
        "NDCG@10",
        "HR@10",
        "NDCG@100",
        "log-likelihood",
        "rate, steps",
        "bytes",
        "distilling",
    ]
    facts = f"{kept['dataset']['name']}, validation items, {kept['seeds']} learners a row.  \n{source(study, kept)}"
    conclusion = study.conclusion or "No conclusion is drawn yet."
    lines = [_line(row) for row in kept["rows"]]
    return "\n\n".join([f"### {study.name}", study.about, table(header, lines).rstrip(), conclusion, facts])


def _line(row: Json) -> list[str]:
    schedule = row["schedule"]
    metrics = [
        f"{metric_value(name, row['metrics'][name]['mean'])} ± {metric_value(name, row['metrics'][name]['std'])}"
        for name in ("ndcg@10", "hr@10", "ndcg@100", "log_likelihood")
    ]
    chosen = f"{schedule['learning_rate']:g}, {schedule['steps']}"
    return [row["variant"], row["regime"], *metrics, chosen, size(row["bytes"]), duration(row["seconds_distill"])]
