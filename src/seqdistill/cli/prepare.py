"""The verb `prepare`."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Assignments, ConfigFile, Quiet, UnusedDevice, UnusedSeed
from seqdistill.readable import count, duration, size

LogSource = Annotated[
    str,
    typer.Argument(
        metavar="LOG",
        help="A log in any common format, a folder of parquet files, a pattern in quotes, or a named dataset.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the prepared dataset.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="auto, inter, csv, jsonl, lines, sessions, parquet or arrow; auto by default."),
]
ColumnNames = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,...", help="Names of the columns, in order, of a file without a header."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="leave-one-out (the default), time, or user (also for sessions).")
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="What preparing may hold, such as 4GB; the rest goes to disk."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the prepared dataset that DIR holds.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Instead: check all files of LOG, a prepared dataset, by their SHA-256.")
]


def prepare(
    log: LogSource,
    out: Out = None,
    format_name: Format = None,
    columns: ColumnNames = None,
    split: SplitOption = None,
    memory: Memory = None,
    overwrite: Overwrite = False,
    verify: Verify = False,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    seed: UnusedSeed = None,
    device: UnusedDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read, filter and split a log once, into a folder that every verb opens in milliseconds.

    The format is recognised and the columns are guessed; what was decided and removed is said line by line. Everything
    can be set in the section data: see docs/data.md.

    Example: seqdistill prepare interactions.csv.gz --out data/mine
    """
    from seqdistill.config import load_config

    del seed, device
    if (out is None) != verify:
        raise typer.BadParameter("give either --out DIR or --verify", param_hint="'--out'")
    terminal = Terminal(as_json=as_json, quiet=quiet)
    options = {"format": format_name, "columns": columns, "split": split, "memory": memory}
    chosen = [f"data.{key}={value}" for key, value in options.items() if value is not None]
    config = load_config(config_file, [*(assignments or ()), *chosen]).data

    from seqdistill import data

    started = time.perf_counter()
    if out is None:
        dataset = data.open_prepared(Path(log), verify=True)
    else:
        dataset = data.prepare(
            log, out, config=config, overwrite=overwrite, progress=terminal.progress, notify=terminal.notify
        )
        for note in dataset.provenance.notes:
            terminal.notify(f"{dataset.name}: {note}")
    document = {
        "path": str(dataset.folder),
        "seconds": time.perf_counter() - started,
        "bytes": sum(entry["bytes"] for entry in dataset.manifest["files"].values()),
        **{key: value for key, value in dataset.manifest.items() if key != "files"},
    }
    terminal.show(document, lambda console: _print(console, document, verified=verify))


def _print(console: Console, document: dict[str, Any], *, verified: bool) -> None:
    counts = document["counts"]
    whats = {"interaction": "interactions", "user": "users", "item": "items"}
    sizes = ", ".join(count(counts[key], noun) for noun, key in whats.items())
    where = f"{document['path']} ({size(document['bytes'])}, {duration(document['seconds'])})"
    if verified:
        print_line(console, f"{document['name']}: every file is as it was written; {sizes} in {where}")
        return
    print_line(console, f"{document['name']}: {sizes} in {where}")
    print_line(console, f"next: seqdistill distill {document['path']} --out RUN")
