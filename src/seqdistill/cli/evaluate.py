"""The verb `evaluate`."""

from typing import Annotated, Literal

import typer

from seqdistill.cli.console import Terminal
from seqdistill.cli.options import AllowCode, AsJson, Assignments, ConfigFile, Data, Device, Quiet, Seed
from seqdistill.cli.table import print_metrics

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The folder of a model.")]
Part = Annotated[
    Literal["test", "validation"],
    typer.Option("--part", help="Which held-out item of each user to rank: the last, or the one before."),
]


def evaluate(
    model: Model,
    data: Data,
    part: Part = "test",
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the held-out items of a log with a model.

    Every held-out item is ranked among all items of the catalogue; evaluate.mask_seen=true leaves out those that the
    model has just read in the history.

    Example: seqdistill evaluate models/fresh ml-100k --set evaluate.cutoffs=[5,10]
    """
    from seqdistill.config import load_config

    terminal = Terminal(as_json=as_json, quiet=quiet)
    config = load_config(config_file, assignments or (), seed=seed)

    from seqdistill import api

    document = api.evaluate(
        model, data, config=config, part=part, device=device, notify=terminal.notify, allow_code=allow_code
    )
    terminal.show(document, lambda console: print_metrics(console, document))
