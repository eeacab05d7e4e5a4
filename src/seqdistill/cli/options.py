"""The options that verbs share, each described once."""

import re
from pathlib import Path
from typing import Annotated

import typer


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise typer.BadParameter(f"{value!r} is not auto, cpu, cuda or cuda:N")
    return value


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; everything else goes to stderr.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr, only errors.")]

_SEED_HELP = "Decides everything random: the same seed on the same machine gives the same bytes. 0 by default."
Seed = Annotated[int | None, typer.Option("--seed", min=0, help=_SEED_HELP, metavar="N")]

_DEVICE_HELP = "auto, cpu, cuda or cuda:N; auto takes a GPU if there is one."
Device = Annotated[str, typer.Option("--device", callback=_device, help=_DEVICE_HELP, metavar="DEVICE")]

# Every verb takes every common option, so that a script can pass one set to all; where one changes nothing, --help
# does not pretend otherwise.
UnusedSeed = Annotated[int | None, typer.Option("--seed", min=0, hidden=True)]
UnusedDevice = Annotated[str, typer.Option("--device", callback=_device, hidden=True)]

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        help="Settings as TOML, in the sections data, teacher, distill, train, evaluate, compare and run.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="One setting, over the file's and the defaults; may be given many times.",
    ),
]

AllowCode = Annotated[
    str | None,
    typer.Option(
        "--allow-code",
        metavar="CLASS",
        help="package.module:Class that the model may import, if its architecture is a class of your own.",
    ),
]

Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A named dataset (see `seqdistill datasets`), a log or a prepared folder."),
]
SummaryFolder = Annotated[
    Path, typer.Argument(metavar="SUMMARY", help="The folder of a summary, or the run directory it is in.")
]
