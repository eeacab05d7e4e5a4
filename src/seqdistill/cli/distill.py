"""The verb `distill`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Assignments, ConfigFile, Data, Device, Quiet, Seed
from seqdistill.cli.table import print_result
from seqdistill.readable import duration

Out = Annotated[
    Path, typer.Option("--out", metavar="RUN", help="Folder for the summary, the teacher, the result and the log.")
]
Paper = Annotated[
    bool, typer.Option("--paper", help="Distil a second time as the TD3 paper does, for a row to compare with.")
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="What the inner loop may hold, such as 4GB; states beyond half of it go to disk.",
    ),
]
Learners = Annotated[
    str | None,
    typer.Option(
        "--learner",
        metavar="NAME[,NAME...]",
        help="Architectures that distil, one drawn every step; the first is also the one evaluated.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a run with other settings that RUN holds.")]


def distill(
    data: Data,
    out: Out,
    learner: Learners = None,
    paper: Paper = False,
    overwrite: Overwrite = False,
    memory: Memory = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Distil a log into a summary, and show how learners trained on it rank.

    Trains a teacher on DATA, distils a summary, then trains new learners on the summary and on what it has to beat,
    and tests each once. All of it is kept in RUN; asked again with the same settings, the result is read from there.

    Example: seqdistill distill ml-100k --out runs/first
    """
    from seqdistill.config import load_config

    terminal = Terminal(as_json=as_json, quiet=quiet)
    settings = list(assignments or ())
    if memory is not None:
        settings.append(f"distill.memory={memory}")
    if learner is not None:
        settings += [f"distill.learners={learner}", f"train.learner={learner.split(',')[0].strip()}"]
    config = load_config(config_file, settings, seed=seed)

    from seqdistill import api

    run = api.distill(
        data,
        out=out,
        config=config,
        paper=paper,
        overwrite=overwrite,
        device=device,
        progress=terminal.progress,
        notify=terminal.notify,
    )
    if run.reused:
        terminal.notify(f"{out} holds the finished run of these settings; nothing was computed anew")

    def render(console: Console) -> None:
        print_result(console, run.result)
        seconds = run.result["seconds"]
        console.print()
        print_line(console, f"teacher {duration(seconds['teacher'])}, distillation {duration(seconds['distill'])}")
        print_line(console, f"next: seqdistill train {out / 'summary'} --out MODEL")

    terminal.show(run.result, render)
