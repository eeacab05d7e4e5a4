"""What the plots of the report are made of: a frame, marks, legends, and what stands for a plot that is not seen.

Each is drawn twice, for a wide page and for a phone, so that its text keeps its size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup

from seqdistill.evaluation.report.document import Comparison, Row, headings
from seqdistill.evaluation.report.svg import (
    SHAPES,
    Scale,
    element,
    line,
    marker,
    polyline,
    text,
)
from seqdistill.evaluation.report.tables import Table
from seqdistill.readable import duration, size

NARROW, HALF, WIDE = 344, 540, 1080
"""Widths in pixels: of a phone, of one of two plots beside each other, of the page."""

MAX_SERIES = 7
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


def figure_of(
    key: str,
    title: str,
    description: str,
    draw: Callable[[int], Drawing],
    wide: int,
    table: Table,
    legend: Sequence[Entry] = (),
) -> Figure:
    """A figure, drawn for wide and for narrow pages.

    Args:
        key: its id; our own word.
        title: says what it shows.
        description: what there is to see.
        draw: width -> height and content.
        wide: `WIDE` or `HALF`.
        table: its figures.
        legend: marks and what they mean.
    """
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


def frame(
    x: Scale, y: Scale, x_ticks: list[tuple[float, str]], y_ticks: list[tuple[float, str]], x_title: str
) -> list[Markup]:
    """Axes, grid and the words along them.

    Args:
        x: its scale.
        y: its scale; grows upwards.
        x_ticks: (value, what stands at it).
        y_ticks: the same.
        x_title: what the x axis is.
    """
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


def series_of(comparison: Comparison, labels: Sequence[tuple[str, str]]) -> list[Series]:
    """The looks of rows given as (key, label): those of their group, with another shape for a second of a kind."""
    rows = {row.key: row for row in comparison.rows}
    series: list[Series] = []
    for index, (key, label) in enumerate(labels[:MAX_SERIES]):
        row = rows.get(key)
        colour, fresh = (f"s{index}", False) if row is None else (group_class(row), row.regime == "fresh")
        taken = {one.shape for one in series if (one.colour, one.fresh) == (colour, fresh)}
        own = GROUP_SHAPES.get(row.group, "circle") if row is not None else "circle"
        free = [shape for shape in (own, *SHAPES) if shape not in taken]
        series.append(Series(label, free[0] if free else own, colour, fresh))
    return series


def series_legend(series: Sequence[Series], count_all: int) -> list[Entry]:
    """The marks of the series that are shown, and how many are not."""
    shown = [Entry(inline_mark(one.mark(7, 7)), one.label) for one in series]
    more = count_all - len(series)
    return [*shown, Entry(Markup(""), f"and {more} more in the table")] if more > 0 else shown


def group_legend(rows: Sequence[Row]) -> list[Entry]:
    """The marks of the groups that are there, and what hollow means."""
    entries = [
        Entry(inline_mark(marker(7, 7, GROUP_SHAPES[group], f"g-{group}")), title)
        for group, title in headings(rows).items()
        if group in GROUP_SHAPES
    ]
    if any(row.regime == "fresh" for row in rows):
        entries.append(Entry(inline_mark(marker(7, 7, "circle", "g-reference hollow")), "hollow: fresh learners"))
    return entries


def group_class(row: Row) -> str:
    """The class that gives a row the colour of its group."""
    return f"g-{row.group}" if row.group in GROUP_SHAPES else "g-reference"


def cut(words: str, most: int) -> str:
    """Words that end in an ellipsis where they are longer than there is room for."""
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def fraction_ticks(y: Scale) -> list[tuple[float, str]]:
    """Ticks of a metric, in as many digits as tell them apart."""
    ticks = y.ticks(6)
    digits = max((len(f"{tick:.6g}".partition(".")[2]) for tick in ticks), default=0)
    return [
        (tick, f"{tick:.{digits}f}".replace("0.", ".", 1) if abs(tick) < 1 else f"{tick:.{digits}f}") for tick in ticks
    ]


def count_ticks(x: Scale, width: int) -> list[tuple[float, str]]:
    """Ticks of numbers of things."""
    return [(tick, f"{tick:,.0f}" if tick >= 1 else f"{tick:g}") for tick in x.ticks(4 if width == NARROW else 7)]


def duration_ticks(x: Scale) -> list[tuple[float, str]]:
    """Ticks at round seconds, minutes and hours."""
    return [
        (s, duration(s).replace(".0 s", " s").replace(" 00 s", "").replace(" 00 min", ""))
        for s in _ROUND_SECONDS
        if x.low <= s <= x.high
    ]


def size_ticks(x: Scale, width: int) -> list[tuple[float, str]]:
    """Ticks of bytes."""
    ticks = x.ticks(3 if width == NARROW else 8)
    return [(tick, size(tick).replace(".00 ", " ").replace(".0 ", " ")) for tick in ticks]
