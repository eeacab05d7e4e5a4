"""Tables of the report: what stands in a cell, and what the cell is sorted by."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seqdistill.readable import duration, metric_title, metric_value, size


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what is read first; empty where there is nothing to say.
        detail: in smaller type after it.
        sort: number to sort by; None sorts by the text.
        mark: a drawing before it.
        narrow: stands below where the page is too narrow for `Column.wide_only`.
    """

    text: str = ""
    detail: str = ""
    sort: float | None = None
    mark: Markup | None = None
    narrow: str = ""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its header.
        numeric: aligned to the right, sorted from the largest.
        detail: a second line of the header.
        room: "short" or "long": kept for the details of all its cells, so that the numbers before them line up.
        wide_only: left out on a phone, where the row's header says the same.
    """

    title: str
    numeric: bool = True
    detail: str = ""
    room: str = ""
    wide_only: bool = False

    @property
    def classes(self) -> str:
        """As the style sheet knows it."""
        kinds = ("number" if self.numeric else "words", self.room, "wide-only" if self.wide_only else "")
        return " ".join(kind for kind in kinds if kind)


@dataclass(frozen=True)
class Line:
    """One row; its first cell is its header.

    Attributes:
        cells: as many as columns.
        strong: stands out.
    """

    cells: Sequence[Cell]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: its id in the page; our own word.
        caption: says what it shows.
        columns: the first is that of the row headers.
        groups: (heading or nothing, rows).
        note: below it.
        sortable: whether its rows are of one kind.
    """

    key: str
    caption: str
    columns: Sequence[Column]
    groups: Sequence[tuple[str, Sequence[Line]]]
    note: str = ""
    sortable: bool = True


def plain_table(key: str, caption: str, columns: Sequence[Column], lines: Sequence[Line], note: str = "") -> Table:
    """A table without headings inside."""
    return Table(key, caption, columns, [("", lines)], note)


def number(value: float | None, text: str = "", detail: str = "") -> Cell:
    """A number's cell; empty without one."""
    return Cell() if value is None else Cell(text or f"{value:,.0f}", detail, value)


def percent(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    """`97.1%` with its interval."""
    return number(value, f"{value:.1f}%" if value is not None else "", interval(low, high))


def interval(low: float | None, high: float | None) -> str:
    """`93.0 to 101.2`, or nothing."""
    return "" if low is None or high is None else f"{low:.1f} to {high:.1f}"


def metric(name: str, mean: float | None, std: float | None = None) -> Cell:
    """`.0583 ± .0007`."""
    if mean is None:
        return Cell()
    return Cell(metric_value(name, mean), "" if std is None else f"± {metric_value(name, std)}", mean)


def seconds(value: float | None) -> Cell:
    """`1 min 05 s`."""
    return Cell() if value is None else Cell(duration(value), sort=value)


def num_bytes(value: float | None) -> Cell:
    """`445 kB`."""
    return Cell() if value is None else Cell(size(value), sort=value)


def metric_column(name: str) -> Column:
    """The column of a metric with its standard deviation."""
    return Column(metric_title(name), room="short")


def percent_column(title: str = "% of full data") -> Column:
    """The column of percentages with their intervals."""
    return Column(title, detail="95% interval", room="long")
