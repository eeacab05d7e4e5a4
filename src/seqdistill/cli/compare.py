"""The verb `compare`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AllowCode, AsJson, Assignments, ConfigFile, Data, Device, Quiet, Seed

Source = Annotated[Path, typer.Argument(metavar="SUMMARY", help="A run of `distill`, or the folder of a summary.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results and the rows as they come.")]
Teacher = Annotated[
    Path | None,
    typer.Option("--teacher", metavar="MODEL", help="The summary's teacher, if not in the run; else trained again."),
]
Paper = Annotated[
    Path | None,
    typer.Option("--paper", metavar="SUMMARY", help="A summary distilled as the paper does; by default the run's."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace another comparison that DIR holds.")]


def compare(
    summary: Source,
    data: Data,
    out: Out,
    teacher: Teacher = None,
    paper: Paper = None,
    overwrite: Overwrite = False,
    allow_code: AllowCode = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Hold a summary against everything it has to beat, on the log it was made from.

    Trains new learners on the log, on the summary, and on real and generated sequences of several numbers, each row
    with its own best schedule, and writes comparison.json, rows.parquet and report.html to DIR. Interrupted, it goes on
    where it was. Settings are those of the summary unless they are given.

    Example: seqdistill compare runs/first ml-100k --out comparisons/first
    """
    from seqdistill.config import load_config
    from seqdistill.evaluation.compared import stored_settings

    terminal = Terminal(as_json=as_json, quiet=quiet)
    config = load_config(config_file, assignments or (), seed=seed, base=stored_settings(summary))

    from seqdistill import api
    from seqdistill.cli.table import print_comparison

    document = api.compare(
        summary,
        data,
        out=out,
        config=config,
        teacher=teacher,
        paper=paper,
        overwrite=overwrite,
        device=device,
        progress=terminal.progress,
        notify=terminal.notify,
        allow_code=allow_code,
    )

    def render(console: Console) -> None:
        print_comparison(console, document)
        console.print()
        print_line(console, f"all rows, sizes, breakdowns and curves are in {out}")

    terminal.show(document, render)
