"""The plots of rows: how good, how fast, for whom, and at how many bytes."""

from markupsafe import Markup

from seqdistill.evaluation.report import tables
from seqdistill.evaluation.report.document import Bucket, Comparison, Row, headings
from seqdistill.evaluation.report.figure import (
    HALF,
    NARROW,
    WIDE,
    Drawing,
    Figure,
    cut,
    duration_ticks,
    figure_of,
    fraction_ticks,
    frame,
    group_class,
    group_legend,
    group_mark,
    series_legend,
    series_of,
    size_ticks,
)
from seqdistill.evaluation.report.svg import Scale, line, scale_over, text
from seqdistill.evaluation.report.tables import Cell, Column, Line, plain_table
from seqdistill.readable import count, duration, metric_title, metric_value, size


def percent_of_full(comparison: Comparison) -> Figure | None:
    """Every row's percentage of full data with its interval."""
    metric = comparison.headline_metric
    shown = [(row, *comparison.percent(row, metric)) for row in comparison.rows]
    points = [(row, value, low, high) for row, value, low, high in shown if value is not None]
    groups = [
        (title, [point for point in points if point[0].group == group])
        for group, title in headings(row for row, *_ in points).items()
    ]
    bounds = [bound for point in points for bound in point[1:] if bound is not None]
    if len(points) < 2:
        return None

    def draw(width: int) -> Drawing:
        narrow = width == NARROW
        left, right, step = (10, 52, 34) if narrow else (350, 64, 21)
        x = scale_over([*bounds, 100], left, width - right, room=0.03)
        if x is None:
            return 0, []
        height = 30 + sum(34 + step * len(inside) for _, inside in groups) + 30
        parts: list[Markup] = []
        for tick in x.ticks(4 if narrow else 8):
            parts.append(line(x(tick), 24, x(tick), height - 26, "grid"))
            parts += [text(x(tick), y, f"{tick:g}%", anchor="middle", class_="tick") for y in (16, height - 10)]
        parts.append(line(x(100), 24, x(100), height - 26, "whole"))
        y = 30.0
        for title, inside in groups:
            parts.append(text(10, y + 20, title, class_="heading"))
            y += 34
            for row, value, low, high in inside:
                middle = y + (22 if narrow else step / 2)
                label_y = y + 11 if narrow else middle + 4
                parts.append(text(10, label_y, cut(row.title, 50), class_="strong" if _ours(row) else "label"))
                said = f"{row.title}: {value:.1f}%"
                if low is not None and high is not None:
                    parts.append(line(x(low), middle, x(high), middle, f"interval {group_class(row)}"))
                    said += f" ({tables.interval(low, high)})"
                parts.append(group_mark(row, x(value), middle, 5 if _ours(row) else 4, said))
                value_class = "value strong" if _ours(row) else "value"
                parts.append(text(width - 6, middle + 4, f"{value:.1f}", anchor="end", class_=value_class))
                y += step
        return height, parts

    name = metric_title(metric)
    best = [point for point in points if _ours(point[0])]
    said = "; ".join(f"{row.title} {value:.1f}%" for row, value, _, _ in best)
    lines = [
        Line([Cell(row.title), Cell(row.group), tables.percent(value, low, high)], strong=_ours(row))
        for row, value, low, high in points
    ]
    columns = [Column("learners trained on", numeric=False), Column("group", numeric=False), tables.percent_column()]
    return figure_of(
        "percent",
        f"{name} as a percentage of full data",
        f"One mark for each row of the scoreboard, with its 95% interval over users. {said or 'No row is distilled.'}",
        draw,
        WIDE,
        plain_table("percent-data", f"{name} as a percentage of full data, with 95% intervals", columns, lines),
        legend=group_legend([row for row, *_ in points]),
    )


def time_to_quality(comparison: Comparison) -> Figure | None:
    """Test metric against training seconds."""
    metric = comparison.headline_metric
    if not any(point.get(metric) is not None for curve in comparison.curves for point in curve.points):
        metric = next(
            (name for curve in comparison.curves for point in curve.points for name in point if _is_metric(name)), ""
        )
    curves: list[tuple[str, list[tuple[float, float]]]] = []
    keys: list[str] = []
    for curve in comparison.curves:
        found = [(point.get("seconds"), point.get(metric)) for point in curve.points]
        points = sorted((s, value) for s, value in found if s is not None and value is not None and s > 0)
        if points:
            curves.append((curve.label or curve.key, points))
            keys.append(curve.key)
    if not curves:
        return None
    series = series_of(comparison, [(key, label) for key, (label, _) in zip(keys, curves, strict=True)])

    def draw(width: int) -> Drawing:
        height = 380 if width != NARROW else 300
        x = scale_over([s for _, points in curves for s, _ in points], 52, width - 18, log=True, room=0.03)
        y = scale_over([value for _, points in curves for _, value in points], height - 46, 16)
        if x is None or y is None:
            return 0, []
        parts = frame(x, y, duration_ticks(x), fraction_ticks(y), "seconds of training (log scale)")
        for one, (label, points) in zip(series, curves, strict=False):
            parts.append(one.line([(x(s), y(value)) for s, value in points]))
            for s, value in points:
                said = f"{label} after {duration(s)}: {metric_value(metric, value)}"
                parts.append(one.mark(x(s), y(value), said))
        return height, parts

    lines = [
        Line([Cell(label), tables.seconds(s), tables.metric(metric, value)])
        for label, points in curves
        for s, value in points
    ]
    ends = "; ".join(
        f"{label} ends at {metric_value(metric, points[-1][1])} after {duration(points[-1][0])}"
        for label, points in curves
    )
    columns = [Column("learners trained on", numeric=False), Column("training"), tables.metric_column(metric)]
    return figure_of(
        "time",
        f"{metric_title(metric)} against training time",
        f"One line for each row, time on a logarithmic axis. {ends}.",
        draw,
        WIDE,
        plain_table("time-data", f"{metric_title(metric)} against training time", columns, lines),
        legend=series_legend(series, len(curves)),
    )


def by_bucket(comparison: Comparison, kind: str) -> Figure | None:
    """How rows rank for parts of the test users."""
    buckets: list[Bucket] = getattr(comparison.breakdown, kind)
    metric = comparison.headline_metric
    titles = comparison.titles
    keys = comparison.telling(key for bucket in buckets for key in bucket.metrics)
    values_of = {key: [bucket.metrics.get(key, {}).get(metric) for bucket in buckets] for key in keys}
    keys = [key for key in keys if any(value is not None for value in values_of[key])]
    if not keys:
        return None
    series = series_of(comparison, [(key, titles.get(key, key)) for key in keys])
    shown = keys[: len(series)]

    def draw(width: int) -> Drawing:
        height = 320 if width != NARROW else 290
        y = scale_over(
            [0.0, *(v for key in shown for v in values_of[key] if v is not None)], height - 58, 16, room=0.04
        )
        if y is None:
            return 0, []
        x = Scale(-0.5, len(buckets) - 0.5, 52, width - 10)
        parts = frame(x, y, [], fraction_ticks(y), "")
        room = int((width - 62) / len(buckets) / 6)
        for place, bucket in enumerate(buckets):
            parts.append(text(x(place), height - 38, cut(bucket.label, room), anchor="middle", class_="label"))
            if bucket.users is not None:
                users = f"{bucket.users:,.0f} users" if room > 9 else f"{bucket.users:,.0f}"
                parts.append(text(x(place), height - 22, users, anchor="middle", class_="tick"))
        for index, (key, one) in enumerate(zip(shown, series, strict=True)):
            shift = (index - (len(shown) - 1) / 2) * min(0.1, 0.7 / len(shown))
            points = [(place, value) for place, value in enumerate(values_of[key]) if value is not None]
            parts.append(one.line([(x(place + shift), y(value)) for place, value in points], "curve thin"))
            for place, value in points:
                said = f"{one.label}, {buckets[place].label}: {metric_value(metric, value)}"
                parts.append(one.mark(x(place + shift), y(value), said))
        return height, parts

    by = {"history_length": "length of the user's history", "popularity": "popularity of the item to be found"}[kind]
    slug = kind.replace("_", "-")
    columns = [
        Column("learners trained on", numeric=False),
        *(
            Column(bucket.label, detail="" if bucket.users is None else f"{bucket.users:,.0f} users")
            for bucket in buckets
        ),
    ]
    lines = [
        Line([Cell(titles.get(key, key)), *(tables.metric(metric, value) for value in values_of[key])]) for key in keys
    ]
    return figure_of(
        slug,
        f"{metric_title(metric)} by {by}",
        f"One series for each row over {count(len(buckets), 'part')} of the test users, by {by}.",
        draw,
        HALF,
        plain_table(f"{slug}-data", f"{metric_title(metric)} by {by}", columns, lines),
        legend=series_legend(series, len(keys)),
    )


def quality_per_byte(comparison: Comparison) -> Figure | None:
    """Percent of full data against the bytes of what learners were trained on."""
    metric = comparison.headline_metric
    found = [(row, row.bytes, row.percent_of_full.get(metric)) for row in comparison.rows]
    points = [(row, held, value) for row, held, value in found if held and held > 0 and value is not None]
    if len(points) < 2:
        return None

    def draw(width: int) -> Drawing:
        height = 400 if width != NARROW else 320
        x = scale_over([held for _, held, _ in points], 52, width - 18, log=True, room=0.05)
        y = scale_over([*(value for _, _, value in points), 100], height - 46, 16)
        if x is None or y is None:
            return 0, []
        percents = [(tick, f"{tick:g}%") for tick in y.ticks(6)]
        parts = frame(x, y, size_ticks(x, width), percents, "bytes of what was trained on (log scale)")
        parts.append(line(x.start, y(100), x.end, y(100), "whole"))
        for row, held, value in sorted(points, key=lambda point: _ours(point[0])):
            said = f"{row.title}: {value:.1f}% from {size(held)}"
            parts.append(group_mark(row, x(held), y(value), 5.5 if _ours(row) else 4, said))
        return height, parts

    columns = [Column("learners trained on", numeric=False), Column("group", numeric=False)]
    columns += [Column("bytes"), Column("% of full data")]
    lines = [
        Line([Cell(row.title), Cell(row.group), tables.num_bytes(held), tables.percent(value)], strong=_ours(row))
        for row, held, value in points
    ]
    ours = "; ".join(f"{row.title} {value:.1f}% from {size(held)}" for row, held, value in points if _ours(row))
    return figure_of(
        "bytes",
        f"{metric_title(metric)} as a percentage of full data, against bytes",
        f"One mark for each row, bytes on a logarithmic axis. {ours or 'No row is distilled.'}",
        draw,
        WIDE,
        plain_table("bytes-data", "Quality against the bytes of what was trained on", columns, lines),
        legend=group_legend([row for row, *_ in points]),
    )


def _ours(row: Row) -> bool:
    return row.group == "distilled"


def _is_metric(name: str) -> bool:
    return name not in ("seconds", "steps")
