"""The verb `distill`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Assignments, ConfigFile, Data, Device, Quiet, Seed
from seqdistill.cli.table import print_result, simple_table
from seqdistill.interruption import INTERRUPTION
from seqdistill.readable import duration, size

Out = Annotated[
    Path, typer.Option("--out", metavar="RUN", help="Folder for the summary, the teacher, the result and the log.")
]
Paper = Annotated[
    bool, typer.Option("--paper", help="Distil a second time as the TD3 paper does, for a row to compare with.")
]
NoEvaluation = Annotated[
    bool,
    typer.Option(
        "--no-evaluation", help="Only distil: train no learners to compare; most of the time on a large log is theirs."
    ),
]
TeacherOf = Annotated[
    Path | None,
    typer.Option(
        "--teacher",
        metavar="RUN",
        help="Take over the teacher of a finished run of the same log, seed, length and teacher settings.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="What the inner loop may hold, such as 4GB; states of a window that do not fit go to disk.",
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
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin anew whatever run RUN holds.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with the unfinished run in RUN; what comes out is as if it had never stopped."
    ),
]
OnNonfinite = Annotated[
    Literal["stop", "skip"] | None,
    typer.Option(
        "--on-nonfinite",
        help="At an outer step whose hypergradient is not finite: stop (the default), or skip it, at most "
        "distill.max_skips times.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Try a little of everything, tell how long it would take, and write nothing.")
]


def distill(
    data: Data,
    out: Out,
    learner: Learners = None,
    paper: Paper = False,
    no_evaluation: NoEvaluation = False,
    teacher_of: TeacherOf = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    on_nonfinite: OnNonfinite = None,
    dry_run: DryRun = False,
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
    Ctrl-C or SIGTERM ends it with a checkpoint, and --resume goes on from the last one, however it ended.

    Example: seqdistill distill ml-100k --out runs/first
    """
    from seqdistill.config import load_config

    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with a run and --overwrite removes it; give one of them")
    terminal = Terminal(as_json=as_json, quiet=quiet)
    settings = list(assignments or ())
    if memory is not None:
        settings.append(f"distill.memory={memory}")
    if learner is not None:
        settings += [f"distill.learners={learner}", f"train.learner={learner.split(',')[0].strip()}"]
    if on_nonfinite is not None:
        settings.append(f"distill.on_nonfinite={on_nonfinite}")
    config = load_config(config_file, settings, seed=seed)

    from seqdistill import api

    if dry_run:
        found = api.estimate(
            data,
            config=config,
            paper=paper,
            evaluation=not no_evaluation,
            teacher_of=teacher_of,
            device=device,
            progress=terminal.progress,
            notify=terminal.notify,
        )
        terminal.show(found.as_json(), lambda console: print_estimate(console, found.as_json()))
        return
    run = api.distill(
        data,
        out=out,
        config=config,
        paper=paper,
        evaluation=not no_evaluation,
        teacher_of=teacher_of,
        resume=resume,
        overwrite=overwrite,
        device=device,
        progress=terminal.progress,
        notify=terminal.notify,
        interruption=INTERRUPTION,
    )
    if run.reused:
        terminal.notify(f"{out} holds the finished run of these settings; nothing was computed anew")

    def render(console: Console) -> None:
        if run.result["rows"]:
            print_result(console, run.result)
            console.print()
        seconds = run.result["seconds"]
        print_line(console, f"teacher {duration(seconds['teacher'])}, distillation {duration(seconds['distill'])}")
        print_line(console, f"next: seqdistill train {out / 'summary'} --out MODEL")

    terminal.show(run.result, render)


def print_estimate(console: Console, estimate: dict[str, Any]) -> None:
    """What a run would take, by part."""
    table = simple_table("part", "expected", "at most")
    costs: list[dict[str, Any]] = estimate["costs"]
    whole: dict[str, Any] = {"part": "in all", "seconds": estimate["seconds"], "at_most": estimate["at_most"]}
    for cost in (*costs, whole):
        table.add_row(cost["part"], duration(cost["seconds"]), duration(cost["at_most"]))
    console.print(table)
    held, free = estimate["memory_bytes"], estimate["free_bytes"]
    print_line(console, f"memory: {size(held)}, of {size(free)} that this process could get")
    print_line(console, f"trainings on the log take {estimate['epochs']} epochs at most; nothing was written")
    if held > free:
        print_line(console, "that is too much: lower teacher.batch_size, distill.outer_batch_size or --memory")
