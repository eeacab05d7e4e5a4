"""The plot of the equivalent coreset: where the curve of real sequences reaches what the summary gives."""

from markupsafe import Markup

from seqdistill.evaluation.report import tables
from seqdistill.evaluation.report.document import Comparison, EquivalentCoreset
from seqdistill.evaluation.report.figure import (
    HALF,
    NARROW,
    Drawing,
    Entry,
    Figure,
    count_ticks,
    figure_of,
    fraction_ticks,
    frame,
    inline_mark,
)
from seqdistill.evaluation.report.svg import Scale, element, line, marker, polyline, scale_over
from seqdistill.evaluation.report.tables import Cell, Column, Line, plain_table
from seqdistill.readable import count, metric_title, metric_value


def equivalent_coreset(comparison: Comparison, regime: str) -> Figure | None:
    """Quality against the number of random real sequences, with hard and soft targets, and where the summary stands."""
    curves = [(found, _measured(found)) for found in comparison.equivalents(regime)]
    curves = [(found, points) for found, points in curves if points]
    if not curves:
        return None
    metric = curves[0][0].metric or comparison.headline_metric
    summary = next((found.summary for found, _ in curves if found.summary and found.summary.mean is not None), None)
    level = summary.mean if summary is not None else None
    spread = (summary.std if summary is not None else None) or 0.0
    counts = [point[0] for _, points in curves for point in points]
    counts += [value for found, _ in curves for value in (found.sequences, found.low, found.high) if value]
    values = [value + sign * std for _, points in curves for _, value, std in points for sign in (-1, 1)]
    values += [] if level is None else [level - spread, level + spread]

    def draw(width: int) -> Drawing:
        height = 330 if width != NARROW else 290
        x = scale_over(counts, 52, width - 14, log=True)
        y = scale_over(values, height - 46, 16)
        if x is None or y is None:
            return 0, []
        parts = frame(x, y, count_ticks(x, width), fraction_ticks(y), "random real sequences (log scale)")
        if level is not None:
            band = {"x": x.start, "y": y(level + spread), "width": x.end - x.start}
            parts.append(element("rect", **band, height=max(y(level - spread) - y(level + spread), 0.5), class_="band"))
            parts.append(line(x.start, y(level), x.end, y(level), "level g-distilled"))
        for found, points in curves:
            style, shape = _coreset_style(found)
            parts.append(polyline([(x(number), y(value)) for number, value, _ in points], f"curve {style}"))
            for number, value, std in points:
                said = f"{number:,.0f} sequences, {found.targets} targets: {metric_value(metric, value)}"
                parts.append(line(x(number), y(value - std), x(number), y(value + std), f"interval {style}"))
                parts.append(marker(x(number), y(value), shape, style, title=said))
            if level is not None and found.sequences:
                parts += _crossing(found, x, y(level), style)
        return height, parts

    columns = [Column("sequences"), Column("targets", numeric=False), tables.metric_column(metric)]
    lines = [
        Line([tables.number(number), Cell(found.targets), tables.metric(metric, value, std)])
        for found, points in curves
        for number, value, std in points
    ]
    said = " ".join(f"With {found.targets} targets: {equivalent_in_words(found)}." for found, _ in curves)
    legend = [
        Entry(inline_mark(marker(7, 7, _coreset_style(found)[1], _coreset_style(found)[0])), f"{found.targets} targets")
        for found, _ in curves
    ]
    if level is not None:
        said_level = f"the summary, {metric_value(metric, level)} ± one standard deviation"
        legend.append(Entry(inline_mark(line(0, 7, 14, 7, "level g-distilled")), said_level))
    return figure_of(
        f"coreset-{'fresh' if regime == 'fresh' else 'shared'}",
        f"{metric_title(metric)} of {regime} learners against the number of random real sequences",
        f"The summary gives what so many random real sequences give. {said}",
        draw,
        HALF,
        plain_table(
            f"coreset-{'fresh' if regime == 'fresh' else 'shared'}-data",
            f"{metric_title(metric)} of {regime} learners trained on random real sequences",
            columns,
            lines,
        ),
        legend=legend,
    )


def equivalent_in_words(found: EquivalentCoreset) -> str:
    """`more than 1,200 random real sequences`."""
    if found.sequences is None:
        return "not measured"
    relation = "" if found.relation == "equal" else f"{found.relation} "
    return f"{relation}{count(round(found.sequences), 'random real sequence')}"


def _crossing(found: EquivalentCoreset, x: Scale, y: float, style: str) -> list[Markup]:
    """Where the curve reaches the summary, with its interval."""
    number = found.sequences or 0.0
    low, high = found.low or number, found.high or (x.high if found.relation == "more than" else number)
    mark = marker(x(number), y, "diamond", f"{style} crossing", radius=5, title=equivalent_in_words(found))
    return [line(x(low), y, x(high), y, f"span {style}"), mark]


def _measured(found: EquivalentCoreset) -> list[tuple[float, float, float]]:
    points = [(point.sequences, point.mean, point.std or 0.0) for point in found.measured]
    return sorted((n, mean, std) for n, mean, std in points if n is not None and n > 0 and mean is not None)


def _coreset_style(found: EquivalentCoreset) -> tuple[str, str]:
    return ("g-soft", "triangle") if found.targets == "soft" else ("g-hard", "square")
