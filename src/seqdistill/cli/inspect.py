"""The verb `inspect`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Assignments, Quiet, Seed, SummaryFolder, UnusedDevice
from seqdistill.cli.table import simple_table
from seqdistill.readable import count, fraction, printable, schedule_line, size

ROLES = ("inputs", "targets")
SPOKEN = ("reads", "predicts")
LEVELS = {"summary": "of the summary", "real users": "of real users, against others", "chance": "drawn by popularity"}
MAX_COPIES = 10
"""Copies that are named one by one; the JSON document has all."""

MAX_POSITIONS = 10
"""Positions whose sharpness is printed; the JSON document has all."""

NumSequences = Annotated[int, typer.Option("--sequences", min=0, metavar="N", help="Sequences to spell out.")]
Top = Annotated[int, typer.Option("--top", min=1, metavar="K", help="Items to name at each position.")]
DataToCompare = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="The log it was made from (a name, a log or a prepared folder): tells whom the sequences resemble.",
    ),
]
Items = Annotated[
    Path | None,
    typer.Option("--items", metavar="TABLE", help="Titles of the items: CSV, TSV, .item, parquet or JSON lines."),
]
ItemColumn = Annotated[
    str | None, typer.Option("--item-column", metavar="NAME", help="Its column with the ids; guessed by default.")
]
TitleColumn = Annotated[
    str | None, typer.Option("--title-column", metavar="NAME", help="Its column with the titles; guessed by default.")
]


def inspect(
    summary: SummaryFolder,
    sequences: NumSequences = 3,
    top: Top = 3,
    data: DataToCompare = None,
    items: Items = None,
    item_column: ItemColumn = None,
    title_column: TitleColumn = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    seed: Seed = None,
    device: UnusedDevice = "auto",
) -> None:
    """Show what a summary weighs, how sharp it is, what its first sequences say, and whether they copy anyone.

    Each position is a distribution over the items, with a probability mass for each: one to be read and one to be
    predicted. Its effective number of items is exp(entropy): 1 for a single item, the size of the catalogue for no
    preference at all.

    With --data, the likeliest items of all sequences are compared with every real history, beside those of real users
    and of random items. The log is read as the summary's was, unless --set says otherwise.

    Example: seqdistill inspect runs/first/summary --sequences 1 --top 5 --data ml-100k
    """
    from seqdistill.config import load_config

    del device
    if items is None and (item_column is not None or title_column is not None):
        raise typer.BadParameter("--item-column and --title-column name columns of --items TABLE")
    terminal = Terminal(as_json=as_json, quiet=quiet)
    config = load_config(None, assignments) if assignments else None

    from seqdistill import api
    from seqdistill.titles import ItemTable

    document = api.inspect(
        summary,
        data=data,
        items=None if items is None else ItemTable(items, item_column, title_column),
        sequences=sequences,
        top=top,
        config=config,
        seed=seed or 0,
        progress=terminal.progress,
        notify=terminal.notify,
    )
    terminal.show(document, lambda console: print_inspection(console, document))


def print_inspection(console: Console, document: dict[str, Any]) -> None:
    """Print what `seqdistill.inspection.describe` says, in as many columns as the console has."""
    dataset: dict[str, Any] | None = document["dataset"]
    of = f" of {printable(dataset['name'])}" if dataset else ""
    shape = f"{count(document['num_sequences'], 'sequence')} of {document['length']} positions"
    print_line(
        console,
        f"summary{of}: {shape} over {count(document['num_items'], 'item')}, {document['target_mode']} targets",
    )
    for regime, schedule in document["schedules"].items():
        print_line(console, f"train {regime}: {schedule_line(**schedule)}")
    console.print()
    _print_sizes(console, document)
    console.print()
    _print_sharpness(console, document)
    console.print()
    _print_positions(console, document)
    resemblance: dict[str, Any] | None = document["resemblance"]
    if resemblance is not None:
        console.print()
        _print_resemblance(console, resemblance)
    for index, positions in enumerate(document["examples"]):
        console.print()
        _print_sequence(console, index, positions)
        if resemblance is not None:
            print_line(console, _resembles(resemblance["sequences"][index]))


def _print_sizes(console: Console, document: dict[str, Any]) -> None:
    table = simple_table("part", "shape", "size")
    for name, num_bytes in document["bytes"].items():
        shape = " x ".join(f"{extent:,}" for extent in document["shapes"].get(name, ()))
        table.add_row(name.replace("_", " "), shape, size(num_bytes))
    console.print(table)


def _print_sharpness(console: Console, document: dict[str, Any]) -> None:
    table = simple_table("mean", "entropy, nats", "effective items", "top-1 mass", "distinct top items")
    for role in ROLES:
        figures = document[role]
        coverage = f"{figures['distinct_top_items']:,} ({figures['catalogue_coverage']:.1%} of all)"
        effective = f"{figures['effective_items']:,.1f}"
        table.add_row(role, f"{figures['entropy']:.2f}", effective, fraction(figures["top_mass"], 3), coverage)
    console.print(table)


def _print_positions(console: Console, document: dict[str, Any]) -> None:
    figures = {role: document[role]["by_position"] for role in ROLES}
    last = len(figures["inputs"]["entropy"]) - 1
    shown = sorted({round(last * step / (MAX_POSITIONS - 1)) for step in range(MAX_POSITIONS)})
    headers = (f"{role}:\n{what}" for role in ROLES for what in ("entropy", "eff. items", "top-1 mass"))
    table = simple_table("position", *headers)
    for position in shown:
        cells: list[str] = []
        for role in ROLES:
            entropy, effective, mass = (
                figures[role][key][position] for key in ("entropy", "effective_items", "top_mass")
            )
            cells += [f"{entropy:.2f}", f"{effective:,.1f}", fraction(mass, 3)]
        table.add_row(str(position + 1), *cells)
    console.print(table)


def _print_sequence(console: Console, index: int, positions: list[dict[str, Any]]) -> None:
    titled = any("title" in item for roles in positions for role in SPOKEN for item in roles[role])
    table = simple_table(f"sequence {index + 1}", "reads", "eff.\nitems", "predicts", "eff.\nitems", text_columns=5)
    for position, roles in enumerate(positions, start=1):
        cells: list[str] = []
        for role in SPOKEN:
            # Ids are short, and go beside each other; a title has a line of its own.
            named = (f"{_name(item)} {fraction(item['mass'], 2)}" for item in roles[role])
            cells += [("\n" if titled else "  ").join(named), f"{roles['effective_items'][role]:,.1f}"]
        table.add_row(str(position), *cells)
    console.print(table)


def _name(item: dict[str, Any]) -> str:
    return printable(item.get("title", item["item"]))


def _print_resemblance(console: Console, found: dict[str, Any]) -> None:
    name, users = printable(found["dataset"]["name"]), count(found["dataset"]["users"], "user")
    print_line(console, f"against {name}, {users}: likeliest items of each sequence and the history nearest to it")
    table = simple_table("sequences", "share of items\nin one history", "longest run\nin a row", "most", "copies")
    for what, level in found["levels"].items():
        figures = (f"{level['share']:.1%}", f"{level['run']:.1f}", str(level["longest_run"]), str(level["copies"]))
        table.add_row(LEVELS[what], *figures)
    console.print(table)
    if found["items_not_in_log"]:
        print_line(console, f"{count(found['items_not_in_log'], 'item')} of the sequences the log does not have")
    for index in found["copies"][:MAX_COPIES]:
        copied = found["sequences"][index]["copied"]
        items = ", ".join(_name(item) for item in copied["items"])
        print_line(
            console,
            f"warning: sequence {index + 1} copies {len(copied['items'])} items in a row, from position"
            f" {copied['position']}, of user {printable(copied['user'])}: {items}",
        )
    more = len(found["copies"]) - MAX_COPIES
    if more > 0:
        print_line(console, f"warning: so do {more} more sequences; see --json")


def _resembles(found: dict[str, Any]) -> str:
    if found["nearest"] is None:
        return "no history has any of its items"
    nearest = found["nearest"]
    where = f"the {count(nearest['history'], 'item')} of user {printable(nearest['user'])}"
    shared = f"{nearest['shared']} of its {count(found['distinct_items'], 'item')} ({nearest['share']:.0%}) are among"
    return f"{shared} {where}; longest run in anybody's history: {found['run']}"
