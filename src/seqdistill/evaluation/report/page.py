"""From a comparison to the page: what stands on it, and its rendering.

The file is whole: style, script and drawings are inside, and its content security policy names them by their hashes and
allows nothing else, not even an image. Whatever comes from a log is escaped where it is put in, by Jinja and by
`svg.element`, after `printable` has taken out what could steer a reader or a parser.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from seqdistill.evaluation.report import charts, coreset_chart, scoreboard, sequences, tables
from seqdistill.evaluation.report.document import Comparison, Row, read_comparison
from seqdistill.evaluation.report.figure import Figure, group_mark, inline_mark
from seqdistill.evaluation.report.protocol import protocol_notes
from seqdistill.evaluation.report.tables import Table
from seqdistill.readable import count, metric_title, printable, size

REGIMES = ("shared", "fresh")
NOT_MEASURED = "n/a"


@dataclass(frozen=True)
class KeyFigure:
    """One of the first figures of the page.

    Attributes:
        label: what it is.
        value: in large type.
        detail: below it.
        mark: its row's, if it has one.
    """

    label: str
    value: str
    detail: str = ""
    mark: Markup | None = None


def render_report(comparison: dict[str, Any], inspection: dict[str, Any] | None = None) -> str:
    """The report as one HTML file.

    Args:
        comparison: as in `comparison.json`.
        inspection: as `seqdistill.inspection.describe` gives it, or None to leave the sequences out.

    Raises:
        SeqDistillError: the comparison cannot be read.
    """
    held = read_comparison(comparison)
    style, script = _asset("report.css"), _asset("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=f"{held.dataset.name or 'a log'}, distilled",
            policy=Markup(policy),
            style=Markup(style),
            script=Markup(script),
            comparison=held,
            facts=_facts(held),
            verdict=held.verdict or [_plain_verdict(held)],
            key_figures=_key_figures(held),
            scoreboard=scoreboard.scoreboard(held),
            contests=scoreboard.contests(held),
            more_tables=_there(scoreboard.all_metrics(held), scoreboard.schedules(held)),
            percent=_figures(charts.percent_of_full(held)),
            equivalents=scoreboard.equivalents(held),
            coresets=_figures(*(coreset_chart.equivalent_coreset(held, regime) for regime in REGIMES)),
            time=_figures(charts.time_to_quality(held)),
            breakdown=_figures(*(charts.by_bucket(held, kind) for kind in ("history_length", "popularity"))),
            coverage=scoreboard.coverage(held),
            sizes=_figures(charts.quality_per_byte(held)),
            cost_tables=_there(scoreboard.costs(held), scoreboard.parts_table(held), scoreboard.precisions(held)),
            inspection=inspection,
            levels=None if inspection is None else sequences.levels(inspection),
            copies=[] if inspection is None else sequences.copies(inspection),
            sequences=[] if inspection is None else sequences.sequences(inspection),
            protocol=protocol_notes(held),
            config=json.dumps(held.config, indent=2, ensure_ascii=False, default=str).split("\n"),
            versions=", ".join(f"{name} {version}" for name, version in held.versions.items()),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )


def _asset(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """As a content security policy names what it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _clean(value: object) -> object:
    """Every expression of the template passes here before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _there(*found: Table | None) -> list[Table]:
    return [table for table in found if table is not None]


def _figures(*found: Figure | None) -> list[Figure]:
    return [figure for figure in found if figure is not None]


def _facts(held: Comparison) -> list[str]:
    """What was distilled into what, in a few words each."""
    data, summary = held.dataset, held.summary
    named = ((data.users, "user"), (data.items, "item"), (data.interactions, "interaction"))
    facts = [count(round(number), noun) for number, noun in named if number is not None]
    if summary.num_sequences is not None:
        shape = count(round(summary.num_sequences), "synthetic sequence")
        facts.append(shape if summary.length is None else f"{shape} of {count(round(summary.length), 'position')}")
    if held.seeds is not None:
        facts.append(count(held.seeds, "seed"))
    return facts


def _plain_verdict(held: Comparison) -> str:
    """What can be said where the comparison drew no conclusion."""
    metric = metric_title(held.headline_metric)
    said = [(regime, held.distilled(regime)) for regime in REGIMES]
    percents = [
        f"{value:.1f}% with {regime} learners"
        for regime, row in said
        if row is not None and (value := row.percent_of_full.get(held.headline_metric)) is not None
    ]
    if not percents:
        return "The comparison draws no conclusion; its figures are below."
    return f"The summary reaches {' and '.join(percents)} of what full data reaches in {metric}."


def _key_figures(held: Comparison) -> list[KeyFigure]:
    return [*(_percent_figure(held, regime) for regime in REGIMES), *_coreset_figures(held), *_cost_figures(held)]


def _percent_figure(held: Comparison, regime: str) -> KeyFigure:
    row = held.distilled(regime)
    label = f"of full data's {metric_title(held.headline_metric)}, {regime} learners"
    value, low, high = (None, None, None) if row is None else held.percent(row, held.headline_metric)
    if row is None or value is None:
        return KeyFigure(label, NOT_MEASURED)
    detail = f"95% interval {tables.interval(low, high)}" if low is not None else "no interval"
    return KeyFigure(label, f"{value:.1f}%", detail, _mark(row))


def _coreset_figures(held: Comparison) -> list[KeyFigure]:
    """The equivalent coreset, `shared` where it was measured."""
    measured = held.equivalents("shared") or held.equivalents("fresh")
    figures: list[KeyFigure] = []
    for targets, what in (("hard", "as they are"), ("soft", "with the teacher's soft targets")):
        found = next((one for one in measured if one.targets == targets), None)
        label = f"random real sequences {what} do as well"
        if found is None or found.sequences is None:
            figures.append(KeyFigure(label, NOT_MEASURED))
            continue
        sign = {"more than": "> ", "less than": "< "}.get(found.relation, "")
        times = "" if found.times_n is None else f"{sign}{found.times_n:,.1f} times its own number"
        span = scoreboard.span(found.low, found.high)
        details = ", ".join(part for part in (f"{found.regime} learners", span and f"interval {span}", times) if part)
        figures.append(KeyFigure(label, f"{sign}{found.sequences:,.0f}", details))
    return figures


def _cost_figures(held: Comparison) -> list[KeyFigure]:
    total, log = held.summary.bytes.get("total"), held.dataset.log_parquet_bytes
    share = "" if total is None or not log else f"{100 * total / log:.1f}% of the log's {size(log)} as zstd parquet"
    figures = [KeyFigure("the summary, item factor and ids", NOT_MEASURED if total is None else size(total), share)]
    found = held.costs.break_even_trainings or {}
    known = [(regime, found[regime]) for regime in REGIMES if regime in found]
    if not known:
        return [*figures, KeyFigure("trainings to break even", NOT_MEASURED)]
    (first, value), *rest = known
    details = [f"{first} learners", *(f"{regime}: {scoreboard.break_even(other).text}" for regime, other in rest)]
    shown = "never" if value is None else f"{value:,.0f}"
    return [*figures, KeyFigure("trainings to break even", shown, "; ".join(details))]


def _mark(row: Row) -> Markup:
    return inline_mark(group_mark(row, 7, 7, 4.5))
