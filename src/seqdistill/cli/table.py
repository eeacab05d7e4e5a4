"""Tables for people: the rows of a result, in as many columns as there is room for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqdistill.cli.console import PIPED_WIDTH
from seqdistill.readable import count, describe_protocol, duration, metric_title, metric_value, size

Row = dict[str, Any]


@dataclass(frozen=True)
class ResultColumn:
    """A column of the result table.

    Attributes:
        header: at most two short lines.
        cell: text for a row, empty where the row has no such figure.
        keep: the higher, the later it gives way on a narrow terminal.
        text: whether it holds words, which stand to the left.
    """

    header: str
    cell: Callable[[Row], str]
    keep: int
    text: bool = False


def _metric(name: str, *, spread: bool = False) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        metrics: dict[str, dict[str, float]] = row["metrics"]
        value = metrics.get(name)
        if value is None:
            return ""
        mean = metric_value(name, value["mean"])
        return f"{mean} ± {metric_value(name, value['std'])}" if spread and row["seeds"] > 1 else mean

    return cell


def _percent(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        percents: dict[str, float | None] = row.get("percent_of_full") or {}
        value = percents.get(name)
        return "" if value is None else f"{value:.1f}"

    return cell


def _difference(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        differences: dict[str, dict[str, float]] = row["difference"] or {}
        interval = differences.get(name)
        return "" if interval is None else f"{interval['low']:+.4f} {interval['high']:+.4f}"

    return cell


RESULT_COLUMNS = (
    ResultColumn("learners trained on", lambda row: row["name"], 10, text=True),
    ResultColumn("regime", lambda row: row["regime"] or "", 9, text=True),
    ResultColumn("NDCG@10", _metric("ndcg@10", spread=True), 8),
    ResultColumn("HR@10", _metric("hr@10", spread=True), 7),
    ResultColumn("% full\nNDCG@10", _percent("ndcg@10"), 6),
    ResultColumn("% full\nHR@10", _percent("hr@10"), 5),
    ResultColumn("NDCG@100", _metric("ndcg@100"), 1),
    ResultColumn("MRR", _metric("mrr"), 0),
    ResultColumn("log-\nlikelihood", _metric("log_likelihood"), 4),
    ResultColumn("train", lambda row: duration(row["seconds_train"]), 2),
    ResultColumn("size", lambda row: size(row["bytes"]), 3),
)

COMPARISON_COLUMNS = (
    RESULT_COLUMNS[0],
    ResultColumn("targets", lambda row: row["targets"] or "", 9, text=True),
    *RESULT_COLUMNS[1:5],
    ResultColumn("difference\nNDCG@10, 95%", _difference("ndcg@10"), 6),
    *RESULT_COLUMNS[5:],
)


def print_comparison(console: Console, comparison: dict[str, Any]) -> None:
    """Print a comparison's rows of the summary's own size, and what they come down to."""
    rows = [row for row in comparison["rows"] if row["size"] in (None, "n")]
    print_result(console, {**comparison, "dataset": comparison["dataset"]["name"], "rows": rows}, COMPARISON_COLUMNS)
    console.print()
    for sentence in comparison["verdict"]:
        console.print(Text(sentence))


def print_result(console: Console, result: dict[str, Any], choice: Sequence[ResultColumn] = RESULT_COLUMNS) -> None:
    """Print a result's table, what it was measured on, and which columns had to give way."""
    rows: list[Row] = result["rows"]
    columns = [column for column in choice if any(column.cell(row) for row in rows)]
    left_out: list[ResultColumn] = []
    while len(columns) > 2 and _natural_width(console, _table(columns, rows)) > console.width:
        left_out.append(min(columns, key=lambda column: column.keep))
        columns.remove(left_out[-1])
    console.print(_table(columns, rows))
    console.print(_caption(result))
    if left_out:
        names = ", ".join(column.header.replace("\n", "").replace("%", "% of ") for column in reversed(left_out))
        console.print(Text(f"no room for {names}: in a wider terminal, or with --json", "dim"))


def simple_table(*headers: str, text_columns: int = 1) -> Table:
    """An empty table in the house style: a rule under the header, figures to the right of the first columns."""
    table = _house_style()
    for index, header in enumerate(headers):
        # Folding shows the whole of an id that is wider than the terminal.
        table.add_column(header, justify="left" if index < text_columns else "right", overflow="fold")
    return table


def print_metrics(console: Console, document: dict[str, Any]) -> None:
    """Print the metrics of one model."""
    table = simple_table("metric", "value")
    for name, value in document["metrics"].items():
        table.add_row(metric_title(name), "" if value is None else metric_value(name, value))
    console.print(table)
    parts = (str(document["model"]["learner"]), document["dataset"], *describe_protocol(document["protocol"]))
    console.print(Text(" · ".join(parts), "dim"))


def _table(columns: list[ResultColumn], rows: list[Row]) -> Table:
    table = _house_style()
    for column in columns:
        table.add_column(column.header, justify="left" if column.text else "right", no_wrap=True, vertical="bottom")
    for row in rows:
        ours = str(row["name"]).startswith("distilled")
        table.add_row(*(column.cell(row) for column in columns), style="bold" if ours else "")
    return table


def _house_style() -> Table:
    """A rule under the header, two spaces between columns, no frame."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _natural_width(console: Console, table: Table) -> int:
    """Columns of the terminal that a table takes where nothing is cut."""
    return console.measure(table, options=console.options.update(width=PIPED_WIDTH)).maximum


def _caption(result: dict[str, Any]) -> Text:
    rows: list[Row] = result["rows"]
    learning = [row for row in rows if row["learner"] is not None]
    learners = sorted({str(row["learner"]) for row in learning})
    seeds = sorted({int(row["seeds"]) for row in learning})
    spread = count(seeds[-1], "learner") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} learners"
    learned = f"{', '.join(learners)}, {spread} a row" + (" (± standard deviation)" if seeds[-1] > 1 else "")
    parts = (result["dataset"], *describe_protocol(result["protocol"]), learned)
    return Text(" · ".join(parts), "dim")
