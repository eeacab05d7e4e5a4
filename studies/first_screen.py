"""The first screen of the README: a sentence, and a table of all logs."""

from collections.abc import Mapping

from seqdistill.config import REGIMES
from seqdistill.readable import metric_value, size
from studies.book import METRIC, Book, Scoreboard
from studies.demands import best_soft_percent
from studies.markdown import table

WHERE_NOT = (
    "It does not pay for one training, since a teacher and the distillation come first (the last column says from "
    "how many trainings on it does, `shared` and `fresh`), nor on a log so small that it weighs little more "
    "than the summary."
)
"""What is true of every log, whatever its figures."""


def first_screen(book: Book) -> str:
    """What summaries of the default recipe are worth, as far as it was measured."""
    held = [found for log in book.logs if (found := book.scoreboard(log)) is not None]
    if not held:
        return "Nothing is measured yet."
    header = ["log", "full data, NDCG@10", "sequences", "distilled, `shared`", "distilled, `fresh`"]
    header += ["as many with soft targets", "the teacher itself", "summary", "log, zstd parquet", "pays from"]
    return f"{_sentence(held)}\n\n{table(header, [_line(one) for one in held])}\n{WHERE_NOT}{_earlier(book, held)}"


def _earlier(book: Book, held: list[Scoreboard]) -> str:
    """Which figures the present defaults would not give, as a sentence."""
    names = [one.study.name for one in held if one.study.name in book.outdated]
    return f" Measured with defaults that have changed since: {', '.join(names)}." if names else ""


def _sentence(held: list[Scoreboard]) -> str:
    where = f"the log {held[0].study.name}" if len(held) == 1 else f"{len(held)} logs"
    numbers = sorted({round(one.comparison.summary.num_sequences or 0) for one in held})
    sequences = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
    shared, fresh = ([one.percent(f"distilled/{regime}") for one in held] for regime in ("shared", "fresh"))
    soft = _range([best_soft_percent(one) for one in held])
    return (
        f"On {where}, recommenders trained on {sequences} synthetic sequences reach {_range(shared)} of the NDCG@10 "
        f"that training on all of the log gives, with the summary's item embedding (`shared`), and {_range(fresh)} "
        f"from the sequences alone (`fresh`); as many plain sequences with a teacher's soft targets, what distillation "
        f"has to beat, reach {soft} at best."
    )


def _range(values: list[float | None]) -> str:
    known = sorted(round(value) for value in values if value is not None)
    if not known:
        return "what was not measured"
    return f"{known[0]}%" if known[0] == known[-1] else f"{known[0]} to {known[-1]}%"


def _line(held: Scoreboard) -> list[str]:
    comparison, full = held.comparison, held.row("full/fresh")
    shares = [held.percent("distilled/shared"), held.percent("distilled/fresh"), best_soft_percent(held)]
    shares += [held.percent("teacher")]
    weighs = [comparison.summary.bytes.get("total"), comparison.dataset.log_parquet_bytes]
    mean = None if full is None else full.mean(METRIC)
    return [
        held.study.name,
        "" if mean is None else metric_value(METRIC, mean),
        f"{comparison.summary.num_sequences or 0:.0f} x {comparison.summary.length or 0:.0f}",
        *("" if share is None else f"{share:.1f}%" for share in shares),
        *("" if weight is None else size(weight) for weight in weighs),
        _pays(comparison.costs.break_even_trainings or {}),
    ]


def _pays(trainings: Mapping[str, float | None]) -> str:
    numbers = ["never" if (number := trainings.get(regime)) is None else f"{number:,.0f}" for regime in REGIMES]
    return f"{' and '.join(numbers)} trainings"
