"""The verb `inspect`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Quiet, UnusedDevice, UnusedSeed
from seqdistill.cli.table import simple_table
from seqdistill.cli.text import count, fraction, size, visible

ROLES = ("inputs", "targets")

MAX_POSITIONS = 10
"""Positions whose sharpness is printed; the JSON document has all."""

SummaryFolder = Annotated[Path, typer.Argument(metavar="SUMMARY", help="The folder of a summary.")]
NumSequences = Annotated[int, typer.Option("--sequences", min=0, metavar="N", help="Sequences to spell out.")]
Top = Annotated[int, typer.Option("--top", min=1, metavar="K", help="Items to name at each position.")]


def inspect(
    summary: SummaryFolder,
    sequences: NumSequences = 3,
    top: Top = 3,
    as_json: AsJson = False,
    quiet: Quiet = False,
    seed: UnusedSeed = None,
    device: UnusedDevice = "auto",
) -> None:
    """Show what a summary weighs, how sharp it is, and what its first sequences look like.

    Each position is a distribution over the items, with a probability mass for each: one to be read and one to be
    predicted. Its effective number of items is exp(entropy): 1 for a single item, the size of the catalogue for no
    preference at all.

    Example: seqdistill inspect runs/first/summary --sequences 1 --top 5
    """
    from seqdistill.inspection import describe
    from seqdistill.summary import Summary

    del seed, device
    terminal = Terminal(as_json=as_json, quiet=quiet)
    document = describe(Summary.load(summary), sequences=sequences, top=top)
    terminal.show(document, lambda console: _print(console, document))


def _print(console: Console, document: dict[str, Any]) -> None:
    dataset: dict[str, Any] | None = document["dataset"]
    of = f" of {visible(dataset['name'])}" if dataset else ""
    shape = f"{count(document['num_sequences'], 'sequence')} of {document['length']} positions"
    print_line(
        console,
        f"summary{of}: {shape} over {count(document['num_items'], 'item')}, {document['target_mode']} targets",
    )
    for regime, schedule in document["schedules"].items():
        print_line(console, f"train {regime}: {schedule['steps']} steps at rate {schedule['learning_rate']:g}")
    console.print()
    _print_sizes(console, document)
    console.print()
    _print_sharpness(console, document)
    console.print()
    _print_positions(console, document)
    for number, positions in enumerate(document["examples"], start=1):
        console.print()
        table = simple_table(f"sequence {number}", "reads", "predicts", text_columns=3)
        for position, roles in enumerate(positions, start=1):
            table.add_row(str(position), *(_items(roles[role]) for role in ("reads", "predicts")))
        console.print(table)


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


def _items(items: list[dict[str, Any]]) -> str:
    return "  ".join(f"{visible(item['item'])} {fraction(item['mass'], 2)}" for item in items)
