"""What the report says about the sequences of a summary: decoded, and whom they resemble.

Users are not named: a report is made to be passed on.
"""

from dataclasses import dataclass
from typing import Any, cast

from seqdistill.evaluation.report import tables
from seqdistill.evaluation.report.tables import Cell, Column, Line, Table, plain_table
from seqdistill.readable import count, fraction


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


def levels(inspection: dict[str, Any]) -> Table | None:
    """The share and the runs of the summary, beside those of real users and of chance."""
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


def copies(inspection: dict[str, Any]) -> list[str]:
    """A sentence for each sequence that copies somebody."""
    found: dict[str, Any] = inspection.get("resemblance") or {"copies": []}
    said: list[str] = []
    for index in found["copies"]:
        copied: dict[str, Any] = found["sequences"][index]["copied"]
        items = ", ".join(_item(item) for item in copied["items"])
        length = len(copied["items"])
        said.append(f"Sequence {index + 1} copies {length} items in a row, from position {copied['position']}: {items}")
    return said


def sequences(inspection: dict[str, Any]) -> list[Sequence]:
    """The sequences that were spelled out."""
    spoken: list[Sequence] = []
    found = inspection.get("resemblance")
    columns = [Column("Position", numeric=False), Column("Reads", numeric=False), Column("Effective items")]
    columns += [Column("Predicts", numeric=False), Column("Effective items")]
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
        spoken.append(Sequence(title, _resembles(found["sequences"][index]) if found else "", table))
    return spoken


def _items(items: list[dict[str, Any]]) -> Cell:
    """The likeliest with its mass, and the others in smaller type."""
    named = [f"{_item(item)} {fraction(item['mass'], 2)}" for item in items]
    return Cell(named[0] if named else "", ", ".join(named[1:]))


def _item(item: dict[str, Any]) -> str:
    return str(item.get("title", item["item"]))


def _resembles(found: dict[str, Any]) -> str:
    nearest = found["nearest"]
    if nearest is None:
        return "No history has any of its items."
    distinct = count(found["distinct_items"], "item")
    return (
        f"{nearest['shared']} of its {distinct} ({nearest['share']:.0%}) are in the nearest real history, of"
        f" {count(nearest['history'], 'item')}; longest run in any history: {found['run']}."
    )
