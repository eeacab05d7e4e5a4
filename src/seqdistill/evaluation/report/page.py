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
from typing import Any, cast

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from seqdistill.evaluation.report import charts, scoreboard, tables
from seqdistill.evaluation.report.charts import Figure
from seqdistill.evaluation.report.document import Comparison, Row, read_comparison
from seqdistill.evaluation.report.tables import Cell, Column, Line, Table, plain_table
from seqdistill.readable import count, fraction, metric_title, printable, size

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


@dataclass(frozen=True)
class Sequence:
    """One synthetic sequence, decoded.

    Attributes:
        title: its name.
        resembles: a sentence about the nearest real history; empty without a log.
        table: its positions.
    """

    title: str
    resembles: str
    table: Table


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
            more_tables=_there(scoreboard.all_metrics(held), scoreboard.schedules(held)),
            percent=_figures(charts.percent_of_full(held)),
            equivalents=scoreboard.equivalents(held),
            coresets=_figures(*(charts.equivalent_coreset(held, regime) for regime in REGIMES)),
            time=_figures(charts.time_to_quality(held)),
            breakdown=_figures(*(charts.by_bucket(held, kind) for kind in ("history_length", "popularity"))),
            coverage=scoreboard.coverage(held),
            sizes=_figures(charts.quality_per_byte(held)),
            cost_tables=_there(scoreboard.costs(held), scoreboard.parts_table(held), scoreboard.precisions(held)),
            inspection=inspection,
            levels=None if inspection is None else _levels(inspection),
            copies=[] if inspection is None else _copies(inspection),
            sequences=[] if inspection is None else _sequences(inspection),
            protocol=_protocol(held),
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
    figures: list[KeyFigure] = []
    for targets, what in (("hard", "as they are"), ("soft", "with the teacher's soft targets")):
        of_targets = [found for found in held.equivalent_coresets if found.targets == targets]
        found = next(iter(sorted(of_targets, key=lambda one: one.regime != "shared")), None)
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
    return charts.inline_mark(charts.group_mark(row, 7, 7, 4.5))


def _levels(inspection: dict[str, Any]) -> Table | None:
    found: dict[str, Any] | None = inspection.get("resemblance")
    if not found:
        return None
    names = {
        "summary": "the summary",
        "real users": "real users, against others",
        "chance": "items drawn by popularity",
    }
    columns = [
        Column("Sequences", numeric=False),
        Column("Share of items in one history"),
        Column("Longest run in a row", detail="mean"),
        Column("Longest of all"),
        Column("Copies", detail=f"{found['copy_length']} or more in a row"),
    ]
    lines = [
        Line(
            [
                Cell(names.get(str(what), str(what))),
                Cell(f"{level['share']:.1%}", sort=level["share"]),
                Cell(f"{level['run']:.1f}", sort=level["run"]),
                tables.number(level["longest_run"]),
                tables.number(level["copies"]),
            ],
            strong=what == "summary",
        )
        for what, level in found["levels"].items()
    ]
    note = (
        "The likeliest item of each position, compared with every history of the log. The share is of a sequence's"
        " distinct items, in the one history that holds most of them; a run is in a row, in any history. Real users are"
        " compared with everybody but themselves."
    )
    return plain_table("resemblance", "Whether the sequences copy anyone", columns, lines, note)


def _copies(inspection: dict[str, Any]) -> list[str]:
    found: dict[str, Any] = inspection.get("resemblance") or {"copies": []}
    said: list[str] = []
    for index in found["copies"]:
        copied: dict[str, Any] = found["sequences"][index]["copied"]
        items = ", ".join(_item(item) for item in copied["items"])
        length = len(copied["items"])
        said.append(f"Sequence {index + 1} copies {length} items in a row, from position {copied['position']}: {items}")
    return said


def _sequences(inspection: dict[str, Any]) -> list[Sequence]:
    found = inspection.get("resemblance")
    columns = [Column("Position", numeric=False), Column("Reads", numeric=False), Column("Effective items")]
    columns += [Column("Predicts", numeric=False), Column("Effective items")]
    sequences: list[Sequence] = []
    for index, positions in enumerate(cast("list[list[dict[str, Any]]]", inspection["examples"])):
        lines: list[Line] = []
        for place, roles in enumerate(positions, start=1):
            cells = [Cell(str(place), sort=place)]
            for role in ("reads", "predicts"):
                effective = roles["effective_items"][role]
                cells += [_items(roles[role]), tables.number(effective, f"{effective:,.1f}")]
            lines.append(Line(cells))
        title = f"Sequence {index + 1}"
        table = plain_table(f"sequence-{index + 1}", f"{title}: likeliest items of each position", columns, lines)
        sequences.append(Sequence(title, _resembles(found["sequences"][index]) if found else "", table))
    return sequences


def _items(items: list[dict[str, Any]]) -> Cell:
    """The likeliest with its mass, and the others in smaller type."""
    named = [f"{_item(item)} {fraction(item['mass'], 2)}" for item in items]
    return Cell(named[0] if named else "", ", ".join(named[1:]))


def _item(item: dict[str, Any]) -> str:
    return str(item.get("title", item["item"]))


def _resembles(found: dict[str, Any]) -> str:
    """Without the user's id: a report is made to be passed on."""
    nearest = found["nearest"]
    if nearest is None:
        return "No history has any of its items."
    distinct = count(found["distinct_items"], "item")
    return (
        f"{nearest['shared']} of its {distinct} ({nearest['share']:.0%}) are in the nearest real history, of"
        f" {count(nearest['history'], 'item')}; longest run in any history: {found['run']}."
    )


def _protocol(held: Comparison) -> list[tuple[str, str]]:
    """How the figures came about, as (word, sentence)."""
    protocol = held.protocol
    masked = protocol.get("mask_seen")
    seen = "not said." if masked is None else _MASKED if masked else _NOT_MASKED
    notes = [
        ("Split", f"{protocol.get('split', 'not said')}; figures are of the {protocol.get('part', 'test')} items."),
        ("Ranking", f"Every target is ranked among the {protocol.get('ranking', 'full catalogue')}, none sampled."),
        ("Ties", _TIES.get(str(protocol.get("ties")), f"{protocol.get('ties', 'not said')}.")),
        ("Seen items", seen),
        ("Histories", f"A learner reads the most recent {protocol.get('length', 'few')} items."),
        ("Selection", _SELECTION),
        ("Seeds", f"{_seeds(held)} {_SPREAD}"),
        ("Regimes", _REGIMES),
        ("Sizes", _SIZES),
        ("Bytes", "Item factor and item ids are counted wherever a learner needs them."),
    ]
    told = {"split", "part", "ranking", "ties", "mask_seen", "length"}
    facts = [
        f"{key.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
        for key, value in protocol.items()
        if key not in told
    ]
    return [*notes, *([("Log", ", ".join(facts))] if facts else [])]


_TIES = {
    "pessimistic": "Pessimistic: an item with the target's score counts as ranked before it.",
    "expected": "Expected: among items of the target's score, every order is as likely.",
}
_MASKED = "Items of the user's history are left out of the ranking."
_NOT_MASKED = "Items of the user's history stay in the ranking."
_SELECTION = (
    "Each row has the same search for its own learning rate and number of steps, on the validation items. Test items"
    " are looked at once a learner."
)
_SPREAD = (
    "Standard deviations are over learners. Intervals are over users: a paired bootstrap of the difference from full"
    " data."
)
_REGIMES = (
    "Shared learners take the item factor as their frozen embedding; fresh ones start from a random embedding and see"
    " only the sequences."
)
_SIZES = "n is the summary's number of sequences; equal bytes is the number that weighs as much as the summary."


def _seeds(held: Comparison) -> str:
    if held.seeds is None:
        return "Learners are newly initialised."
    return f"{count(held.seeds, 'newly initialised learner')} a row where anything in it is random."
