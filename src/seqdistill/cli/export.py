"""The verb `export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Quiet, Seed, SummaryFolder, UnusedDevice
from seqdistill.readable import count

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE|FOLDER",
        help="A file ending in .inter, .csv, .tsv, .parquet, .jsonl or .txt, or a folder for FOLDER/FOLDER.inter.",
    ),
]
Format = Annotated[
    Literal["inter", "csv", "tsv", "parquet", "jsonl", "lines"] | None,
    typer.Option(
        "--format", help="Where the name does not say it: RecBole's .inter, ... or `user item item ...` lines."
    ),
]
Sample = Annotated[
    int | None,
    typer.Option(
        "--sample",
        min=1,
        metavar="K",
        help="Draw K users from each sequence's distributions; without, the likeliest item of each position.",
    ),
]
Targets = Annotated[
    int | None,
    typer.Option(
        "--targets",
        min=1,
        metavar="K",
        help="Also write the K likeliest items to be predicted after each position, with their mass, as parquet.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]


def export(
    summary: SummaryFolder,
    out: Out,
    format: Format = None,  # noqa: A002 - the option's name
    sample: Sample = None,
    targets: Targets = None,
    overwrite: Overwrite = False,
    seed: Seed = None,
    device: UnusedDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a summary's sequences as a log of hard items, for other libraries.

    Users are called synthetic-1, synthetic-2, ...; times count along each sequence. Hard items keep less than the
    summary says: its soft targets go along with --targets.

    Example: seqdistill export runs/first/summary --out synthetic.inter
    """
    from seqdistill import api

    del device
    terminal = Terminal(as_json=as_json, quiet=quiet)
    document = api.export(
        summary, out, format=format, sample=sample, targets=targets, seed=seed or 0, overwrite=overwrite
    )

    def render(console: Console) -> None:
        shape = f"{count(document['users'], 'user')} of {count(document['length'], 'item')}"
        distinct = f"{document['distinct_items']:,} distinct items"
        print_line(console, f"{shape} in {document['out']}, {distinct}; read it with data.min_count = 1")
        if document["targets_out"] is not None:
            print_line(console, f"soft targets in {document['targets_out']}")

    terminal.show(document, render)
