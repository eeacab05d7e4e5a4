"""The verb `check`."""

from typing import Annotated

import typer

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Quiet, UnusedDevice, UnusedSeed

LearnerName = Annotated[str, typer.Argument(metavar="LEARNER", help="Your module, as package.module:Class.")]
Dim = Annotated[int, typer.Option("--dim", min=1, help="Width to construct it with.")]
Length = Annotated[int, typer.Option("--length", min=1, help="Positions to construct it with.")]


def check(
    learner: LearnerName,
    dim: Dim = 16,
    length: Length = 12,
    seed: UnusedSeed = None,
    device: UnusedDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Test whether a module of your own can be a learner.

    Shapes, padding, what a state depends on, and second derivatives, each on random numbers. What is broken is named,
    with the layer where it is one, and the status is 1.

    Example: seqdistill check my_package.models:Decoder
    """
    del seed, device
    terminal = Terminal(as_json=as_json, quiet=quiet)

    from seqdistill.learners.check import check_learner

    report = check_learner(learner, dim=dim, length=length)
    findings = [finding._asdict() for finding in report.findings]
    document = {"learner": learner, "view": report.view, "ok": report.ok, "findings": findings}
    terminal.show(document, lambda console: print_line(console, str(report)))
    report.raise_if_broken()
