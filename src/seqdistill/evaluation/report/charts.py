"""The plots of the report, each drawn twice: for a wide page and for a phone, so that text keeps its size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup

from seqdistill.evaluation.report import tables
from seqdistill.evaluation.report.document import Bucket, Comparison, EquivalentCoreset, Row, headings
from seqdistill.evaluation.report.svg import (
    SHAPES,
    Scale,
    element,
    line,
    marker,
    polyline,
    scale_over,
    text,
)
from seqdistill.evaluation.report.tables import Cell, Column, Line, Table, plain_table
from seqdistill.readable import count, duration, metric_title, metric_value, size

NARROW, HALF, WIDE = 344, 540, 1080
"""Widths in pixels: of a phone, of one of two plots beside each other, of the page."""

MAX_SERIES = 8
"""Rows that a plot of lines shows; its table has all."""

GROUP_SHAPES = {
    "reference": "diamond",
    "control": "down",
    "hard": "square",
    "soft": "triangle",
    "distilled": "circle",
}
_ROUND_SECONDS = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)

Drawing = tuple[float, list[Markup]]
"""Height and content."""


class Entry(NamedTuple):
    """One line of a legend."""

    mark: Markup
    label: str


@dataclass(frozen=True)
class Figure:
    """A plot and what stands for it where it is not seen.

    Attributes:
        key: its id in the page; our own word.
        title: says what it shows.
        description: what there is to see, in words.
        drawings: for wide and for narrow pages.
        table: the figures in it.
        legend: marks and what they mean.
        half: whether two of its kind fit beside each other.
    """

    key: str
    title: str
    description: str
    drawings: Sequence[Markup]
    table: Table
    legend: Sequence[Entry] = field(default_factory=list[Entry])
    half: bool = False


def group_mark(row: Row, x: float, y: float, radius: float = 4, title: str = "") -> Markup:
    """The mark of a row: shape and colour say the group, hollow says `fresh`."""
    group = row.group if row.group in GROUP_SHAPES else "reference"
    hollow = " hollow" if row.regime == "fresh" else ""
    return marker(x, y, GROUP_SHAPES[group], f"g-{group}{hollow}", radius=radius, title=title)


def inline_mark(drawing: Markup) -> Markup:
    """A mark centred at (7, 7) that stands in a line of text; what it means is said beside it."""
    return element("svg", drawing, viewBox="0 0 14 14", width=14, height=14, class_="key", aria_hidden="true")


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
                parts.append(text(10, label_y, _cut(row.title, 50), class_="strong" if _ours(row) else "label"))
                said = f"{row.title}: {value:.1f}%"
                if low is not None and high is not None:
                    parts.append(line(x(low), middle, x(high), middle, f"interval {_group_class(row)}"))
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
    return _figure(
        "percent",
        f"{name} as a percentage of full data",
        f"One mark for each row of the scoreboard, with its 95% interval over users. {said or 'No row is distilled.'}",
        draw,
        WIDE,
        plain_table("percent-data", f"{name} as a percentage of full data, with 95% intervals", columns, lines),
        legend=_group_legend([row for row, *_ in points]),
    )


def equivalent_coreset(comparison: Comparison, regime: str) -> Figure | None:
    """Quality against the number of random real sequences, with hard and soft targets, and where the summary stands."""
    series = [found for found in comparison.equivalent_coresets if found.regime == regime]
    curves = [(found, _measured(found)) for found in series]
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
        parts = _frame(x, y, _counts(x, width), _fractions(y), "random real sequences (log scale)")
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
    return _figure(
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
    series = _series(comparison, [(key, label) for key, (label, _) in zip(keys, curves, strict=True)])

    def draw(width: int) -> Drawing:
        height = 380 if width != NARROW else 300
        x = scale_over([s for _, points in curves for s, _ in points], 52, width - 18, log=True, room=0.03)
        y = scale_over([value for _, points in curves for _, value in points], height - 46, 16)
        if x is None or y is None:
            return 0, []
        parts = _frame(x, y, _durations(x), _fractions(y), "seconds of training (log scale)")
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
    return _figure(
        "time",
        f"{metric_title(metric)} against training time",
        f"One line for each row, time on a logarithmic axis. {ends}.",
        draw,
        WIDE,
        plain_table("time-data", f"{metric_title(metric)} against training time", columns, lines),
        legend=_series_legend(series, len(curves)),
    )


def by_bucket(comparison: Comparison, kind: str) -> Figure | None:
    """How rows rank for parts of the test users."""
    buckets: list[Bucket] = getattr(comparison.breakdown, kind)
    metric = comparison.headline_metric
    titles = {row.key: row.title for row in comparison.rows}
    keys = list(dict.fromkeys(key for bucket in buckets for key in bucket.metrics))
    values_of = {key: [bucket.metrics.get(key, {}).get(metric) for bucket in buckets] for key in keys}
    keys = [key for key in keys if any(value is not None for value in values_of[key])]
    if not keys:
        return None
    series = _series(comparison, [(key, titles.get(key, key)) for key in keys])
    shown = keys[: len(series)]

    def draw(width: int) -> Drawing:
        height = 320 if width != NARROW else 290
        y = scale_over(
            [0.0, *(v for key in shown for v in values_of[key] if v is not None)], height - 58, 16, room=0.04
        )
        if y is None:
            return 0, []
        x = Scale(-0.5, len(buckets) - 0.5, 52, width - 10)
        parts = _frame(x, y, [], _fractions(y), "")
        room = int((width - 62) / len(buckets) / 6)
        for place, bucket in enumerate(buckets):
            parts.append(text(x(place), height - 38, _cut(bucket.label, room), anchor="middle", class_="label"))
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
    return _figure(
        slug,
        f"{metric_title(metric)} by {by}",
        f"One series for each row over {count(len(buckets), 'part')} of the test users, by {by}.",
        draw,
        HALF,
        plain_table(f"{slug}-data", f"{metric_title(metric)} by {by}", columns, lines),
        legend=_series_legend(series, len(keys)),
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
        parts = _frame(x, y, _sizes(x, width), percents, "bytes of what was trained on (log scale)")
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
    return _figure(
        "bytes",
        f"{metric_title(metric)} as a percentage of full data, against bytes",
        f"One mark for each row, bytes on a logarithmic axis. {ours or 'No row is distilled.'}",
        draw,
        WIDE,
        plain_table("bytes-data", "Quality against the bytes of what was trained on", columns, lines),
        legend=_group_legend([row for row, *_ in points]),
    )


def _figure(
    key: str,
    title: str,
    description: str,
    draw: Callable[[int], Drawing],
    wide: int,
    table: Table,
    legend: Sequence[Entry] = (),
) -> Figure:
    drawings: list[Markup] = []
    for name, width in (("wide", wide), ("narrow", NARROW)):
        height, parts = draw(width)
        known = [
            element("title", title, id=f"{key}-{name}-title"),
            element("desc", description, id=f"{key}-{name}-desc"),
        ]
        drawings.append(
            element(
                "svg",
                *known,
                *parts,
                viewBox=f"0 0 {width} {height:.0f}",
                width=width,
                height=f"{height:.0f}",
                class_=name,
                role="img",
                aria_labelledby=f"{key}-{name}-title",
                aria_describedby=f"{key}-{name}-desc",
            )
        )
    return Figure(key, title, description, drawings, table, legend, half=wide == HALF)


def _frame(
    x: Scale, y: Scale, x_ticks: list[tuple[float, str]], y_ticks: list[tuple[float, str]], x_title: str
) -> list[Markup]:
    parts = [line(x.start, y.start, x.end, y.start, "axis")]
    for value, label in y_ticks:
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(text(x.start - 7, y(value) + 4, label, anchor="end", class_="tick"))
    for value, label in x_ticks:
        parts.append(line(x(value), y.start, x(value), y.start + 4, "axis"))
        parts.append(text(x(value), y.start + 18, label, anchor="middle", class_="tick"))
    if x_title:
        parts.append(text((x.start + x.end) / 2, y.start + 38, x_title, anchor="middle", class_="tick"))
    return parts


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


class Series(NamedTuple):
    """A line of a plot: what it is called and how it looks."""

    label: str
    shape: str
    colour: str
    fresh: bool

    def mark(self, x: float, y: float, title: str = "") -> Markup:
        """One of its points."""
        return marker(x, y, self.shape, self.colour + (" hollow" if self.fresh else ""), radius=3.5, title=title)

    def line(self, points: Sequence[tuple[float, float]], class_: str = "curve") -> Markup:
        """The line through its points."""
        return polyline(points, f"{class_} {self.colour}" + (" dashed" if self.fresh else ""))


def _series(comparison: Comparison, labels: Sequence[tuple[str, str]]) -> list[Series]:
    """The looks of rows given as (key, label): those of their group, until two would look alike."""
    rows = {row.key: row for row in comparison.rows}
    series: list[Series] = []
    for index, (key, label) in enumerate(labels[:MAX_SERIES]):
        row = rows.get(key)
        look = (GROUP_SHAPES.get(row.group, ""), _group_class(row), row.regime == "fresh") if row else ("", "", False)
        if not look[0] or look in [one[1:] for one in series]:
            look = (SHAPES[index % len(SHAPES)], f"s{index}", False)
        series.append(Series(label, *look))
    return series


def _series_legend(series: Sequence[Series], count_all: int) -> list[Entry]:
    shown = [Entry(inline_mark(one.mark(7, 7)), one.label) for one in series]
    more = count_all - len(series)
    return [*shown, Entry(Markup(""), f"and {more} more in the table")] if more > 0 else shown


def _group_legend(rows: Sequence[Row]) -> list[Entry]:
    """The marks of the groups that are there, and what hollow means."""
    entries = [
        Entry(inline_mark(marker(7, 7, GROUP_SHAPES[group], f"g-{group}")), title)
        for group, title in headings(rows).items()
        if group in GROUP_SHAPES
    ]
    if any(row.regime == "fresh" for row in rows):
        entries.append(Entry(inline_mark(marker(7, 7, "circle", "g-reference hollow")), "hollow: fresh learners"))
    return entries


def _group_class(row: Row) -> str:
    return f"g-{row.group}" if row.group in GROUP_SHAPES else "g-reference"


def _ours(row: Row) -> bool:
    return row.group == "distilled"


def _is_metric(name: str) -> bool:
    return name not in ("seconds", "steps")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def _fractions(y: Scale) -> list[tuple[float, str]]:
    ticks = y.ticks(6)
    digits = max((len(f"{tick:.6g}".partition(".")[2]) for tick in ticks), default=0)
    return [
        (tick, f"{tick:.{digits}f}".replace("0.", ".", 1) if abs(tick) < 1 else f"{tick:.{digits}f}") for tick in ticks
    ]


def _counts(x: Scale, width: int) -> list[tuple[float, str]]:
    return [(tick, f"{tick:,.0f}" if tick >= 1 else f"{tick:g}") for tick in x.ticks(4 if width == NARROW else 7)]


def _durations(x: Scale) -> list[tuple[float, str]]:
    return [
        (s, duration(s).replace(".0 s", " s").replace(" 00 s", "").replace(" 00 min", ""))
        for s in _ROUND_SECONDS
        if x.low <= s <= x.high
    ]


def _sizes(x: Scale, width: int) -> list[tuple[float, str]]:
    ticks = x.ticks(3 if width == NARROW else 8)
    return [(tick, size(tick).replace(".00 ", " ").replace(".0 ", " ")) for tick in ticks]
