"""The scoreboard and the other tables that are made from a comparison."""

from collections.abc import Callable, Sequence

from seqdistill.evaluation.report import tables
from seqdistill.evaluation.report.document import LOG_LIKELIHOOD, Comparison, Contest, Row, headings
from seqdistill.evaluation.report.figure import group_mark, inline_mark
from seqdistill.evaluation.report.tables import Cell, Column, Line, Table, plain_table
from seqdistill.readable import count, metric_title, metric_value, optimiser_name, size

MAX_METRICS = 3
"""Metrics of the scoreboard; the table of all metrics has the rest."""


def metrics_of(comparison: Comparison) -> list[str]:
    """The metrics, the headline first, and of those only what some row has."""
    named = [
        comparison.headline_metric,
        *comparison.metrics,
        *(name for row in comparison.rows for name in row.metrics),
    ]
    return [name for name in dict.fromkeys(named) if any(row.mean(name) is not None for row in comparison.rows)]


def scoreboard(comparison: Comparison) -> Table | None:
    """All rows with the headline metric, its percentage of full data, a few other metrics, time and bytes."""
    if not comparison.rows:
        return None
    headline = comparison.headline_metric
    others = _others(comparison)
    columns = [
        Column("Learners trained on", numeric=False),
        Column("Regime", numeric=False, wide_only=True),
        Column("Sequences", room="long", wide_only=True),
        Column(metric_title(headline), detail="± sd over seeds", room="short"),
        tables.percent_column("% of full"),
        *(Column(metric_title(name)) for name in others),
        Column("Training"),
        Column("Bytes"),
    ]

    def line(row: Row) -> Line:
        named = Cell(row.name, mark=inline_mark(group_mark(row, 7, 7, 4.5)), narrow=row.particulars)
        sequences = tables.number(row.sequences, detail=row.size or "")
        cells = [named, Cell(row.regime or ""), sequences, _metric(row, headline)]
        cells += [
            tables.percent(*comparison.percent(row, headline)),
            *(_metric(row, name, bare=True) for name in others),
        ]
        # Where nothing is trained there is no time to tell.
        training = tables.seconds(None if row.learner is None else row.seconds_train)
        return Line([*cells, training, tables.num_bytes(row.bytes)], row.group == "distilled")

    seeds = sorted({row.seeds for row in comparison.rows if row.seeds is not None})
    few = [row.name for row in comparison.rows if row.seeds == 1 and seeds[-1] > 1]
    note = f"{_learners(seeds)}. Hollow marks: learners with a fresh embedding. Intervals: paired bootstrap over users."
    if few:
        note += f" Ranked once, as nothing in it is drawn anew: {', '.join(dict.fromkeys(few))}."
    return Table("scoreboard", "Every row on the test items", columns, _grouped(comparison.rows, line), note)


def contests(comparison: Comparison) -> Table | None:
    """The summary minus what it has to beat."""
    if not comparison.contests:
        return None
    titles = comparison.titles
    columns = [Column("The summary", numeric=False), Column("minus", numeric=False)]
    columns += [
        Column("Metric", numeric=False, wide_only=True),
        Column("Difference", detail="95% interval", room="long"),
    ]
    columns.append(Column("Outcome", numeric=False))
    lines = [
        Line(
            [
                Cell(titles.get(held.key, held.key)),
                Cell(titles.get(held.against, held.against)),
                Cell(metric_title(held.metric)),
                _difference(held),
                Cell(_outcome(held)),
            ]
        )
        for held in comparison.contests
    ]
    return plain_table("contests", "The summary against what it has to beat", columns, lines)


def _difference(held: Contest) -> Cell:
    if held.mean is None:
        return Cell()
    ends = [end for end in (held.low, held.high) if end is not None]
    said = " to ".join(_signed(held.metric, end) for end in ends) if len(ends) == 2 else ""
    return Cell(_signed(held.metric, held.mean), said, held.mean)


def _signed(metric: str, value: float) -> str:
    return ("+" if value >= 0 else "") + metric_value(metric, value)


def _outcome(held: Contest) -> str:
    if held.low is None or held.high is None:
        return ""
    return "better" if held.low > 0 else "worse" if held.high < 0 else "no difference shown"


def all_metrics(comparison: Comparison) -> Table | None:
    """Mean and standard deviation of every metric, its percentage of full data and the interval of the difference."""
    names = metrics_of(comparison)
    if not comparison.rows or not names:
        return None
    columns = [Column("Learners trained on", numeric=False)]
    for name in names:
        columns.append(Column(metric_title(name), detail="± sd", room="short"))
        if name != LOG_LIKELIHOOD:
            columns.append(tables.percent_column("% of full"))

    def line(row: Row) -> Line:
        cells = [Cell(row.title)]
        for name in names:
            cells.append(_metric(row, name))
            if name != LOG_LIKELIHOOD:
                cells.append(tables.percent(*comparison.percent(row, name)))
        return Line(cells, row.group == "distilled")

    return Table("metrics", "Every metric of every row", columns, _grouped(comparison.rows, line))


def schedules(comparison: Comparison) -> Table | None:
    """What the search on the validation items chose for each row."""
    chosen = [(row, row.schedule) for row in comparison.rows if row.schedule is not None]
    if not chosen:
        return None
    columns = [Column("Learners trained on", numeric=False), Column("Learner", numeric=False), Column("Learners")]
    columns += [Column("Optimiser", numeric=False), Column("Learning rate"), Column("Steps"), Column("Training")]
    lines = [
        Line(
            [
                Cell(row.title),
                Cell(row.learner or ""),
                tables.number(row.seeds),
                Cell(optimiser_name(schedule.optimiser or "")),
                tables.number(schedule.learning_rate, f"{schedule.learning_rate or 0:g}"),
                tables.number(schedule.steps),
                tables.seconds(row.seconds_train),
            ]
        )
        for row, schedule in chosen
    ]
    return plain_table("schedules", "The schedule chosen for each row on the validation items", columns, lines)


def equivalents(comparison: Comparison) -> Table | None:
    """How many random real sequences give what the summary gives."""
    if not comparison.equivalent_coresets:
        return None
    columns = [
        Column("Learners", numeric=False),
        Column("Targets of the real sequences", numeric=False),
        Column("Metric", numeric=False),
        Column("Equivalent sequences", detail="95% interval", room="long"),
        Column("Times n"),
    ]
    lines: list[Line] = []
    for found in comparison.equivalent_coresets:
        number = Cell("not measured")
        if found.sequences is not None:
            relation = "" if found.relation == "equal" else f"{found.relation} "
            number = Cell(f"{relation}{found.sequences:,.0f}", span(found.low, found.high), found.sequences)
        times = tables.number(found.times_n, f"{found.times_n or 0:,.1f}")
        lines.append(Line([Cell(found.regime), Cell(found.targets), Cell(metric_title(found.metric)), number, times]))
    note = "Interpolated between the measured sizes; more or less than the largest or smallest where it lies outside."
    return plain_table("equivalents", "Random real sequences that give what the summary gives", columns, lines, note)


def costs(comparison: Comparison) -> Table:
    """Seconds, break-even and memory."""
    held = comparison.costs
    spent = held.seconds
    rows = [
        ("teacher", tables.seconds(spent.teacher)),
        ("distillation", tables.seconds(spent.distill)),
        ("one training on the full data", tables.seconds(spent.train_full)),
        *(
            (f"one training on the summary, {regime}", tables.seconds(value))
            for regime, value in spent.train_summary.items()
        ),
        *((f"trainings to break even, {regime}", break_even(value)) for regime, value in _break_even(comparison)),
        ("peak memory", Cell() if held.peak_mib is None else Cell(size(held.peak_mib * 2**20), sort=held.peak_mib)),
    ]
    lines = [Line([Cell(name), cell if cell.text else Cell("not measured")]) for name, cell in rows]
    note = (
        "Break-even counts the teacher and the distillation: from that many trainings on, the summary has taken less"
        " time than training on the log each time. Never: a training on the summary is not faster."
    )
    columns = [Column("What", numeric=False), Column("Cost")]
    return Table("costs-table", "Time and memory", columns, [("", lines)], note, sortable=False)


def parts_table(comparison: Comparison) -> Table | None:
    """Bytes of the summary's parts, against the log."""
    held = comparison.summary.bytes
    if not held:
        return None
    log = comparison.dataset.log_parquet_bytes

    def line(name: str, value: float | None) -> Line:
        share = Cell() if value is None or not log else Cell(f"{100 * value / log:.1f}%", sort=value / log)
        return Line([Cell(name.replace("_", " ")), tables.num_bytes(value), share], strong=name == "total")

    lines = [line(name, value) for name, value in held.items()]
    lines.append(line("the log, as zstd parquet", log))
    columns = [Column("Part", numeric=False), Column("Bytes"), Column("of the log")]
    return plain_table("parts", "Bytes of the summary", columns, lines)


def precisions(comparison: Comparison) -> Table | None:
    """What an item factor of more or fewer bits keeps."""
    if not comparison.costs.precisions:
        return None
    names = [comparison.headline_metric, *_others(comparison)]
    columns = [Column("Item factor", numeric=False), Column("Regime", numeric=False), Column("Bytes of all")]
    columns += [tables.metric_column(name) for name in names]
    lines: list[Line] = []
    for found in comparison.costs.precisions:
        cells = [Cell(found.item_factor), Cell(found.regime), tables.num_bytes(found.bytes)]
        for name in names:
            spread = found.metrics.get(name)
            cells.append(Cell() if spread is None else tables.metric(name, spread.mean, spread.std))
        lines.append(Line(cells))
    return plain_table("precisions", "Quality by the bits of the item factor", columns, lines)


def coverage(comparison: Comparison) -> Table | None:
    """Share of the catalogue that is recommended to anyone."""
    held = {key: share for key, share in comparison.breakdown.coverage.items() if share is not None}
    if not held:
        return None
    titles = comparison.titles
    lines = [Line([Cell(titles.get(key, key)), Cell(f"{share:.1%}", sort=share)]) for key, share in held.items()]
    columns = [Column("Learners trained on", numeric=False), Column("Share of the catalogue")]
    return plain_table("coverage", "Share of the catalogue in anyone's top 10", columns, lines)


def break_even(value: float | None) -> Cell:
    """A number of trainings, or never."""
    return (
        Cell("never", sort=float("1e300")) if value is None else tables.number(value, count(round(value), "training"))
    )


def _break_even(comparison: Comparison) -> list[tuple[str, float | None]]:
    return list((comparison.costs.break_even_trainings or {}).items())


def _others(comparison: Comparison) -> list[str]:
    """Metrics of the scoreboard beside the headline: the hit rate at its cutoff and the log-likelihood come first."""
    hits = f"hr@{comparison.headline_metric.partition('@')[2]}"
    names = [name for name in metrics_of(comparison) if name != comparison.headline_metric]
    return sorted(names, key=lambda name: (name != hits, name != LOG_LIKELIHOOD))[: MAX_METRICS - 1]


def _metric(row: Row, name: str, *, bare: bool = False) -> Cell:
    spread = row.metrics.get(name)
    if spread is None or spread.mean is None:
        return Cell()
    if bare or row.seeds == 1:
        return Cell(metric_value(name, spread.mean), sort=spread.mean)
    return tables.metric(name, spread.mean, spread.std)


def _grouped(rows: Sequence[Row], line: Callable[[Row], Line]) -> list[tuple[str, Sequence[Line]]]:
    """Rows under the headings of their groups."""
    return [(title, [line(row) for row in rows if row.group == group]) for group, title in headings(rows).items()]


def span(low: float | None, high: float | None) -> str:
    """`250 to 900`, `250 or more`; nothing where neither end is known."""
    if low is None and high is None:
        return ""
    if high is None:
        return f"{low:,.0f} or more"
    return f"{low:,.0f} to {high:,.0f}" if low is not None else f"up to {high:,.0f}"


def _learners(seeds: Sequence[int]) -> str:
    if not seeds:
        return "Newly initialised learners"
    return f"{count(seeds[-1], 'newly initialised learner')} a row"
