"""The verb `train`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Assignments, ConfigFile, Device, Quiet, Seed
from seqdistill.config import Regime
from seqdistill.readable import duration

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="The folder of a summary, a named dataset or the path of a log.")
]
Out = Annotated[Path, typer.Option("--out", metavar="MODEL", help="Folder for the model.")]
RegimeOption = Annotated[
    Regime | None,
    typer.Option(
        "--regime",
        help="On a summary: keep its item embedding (shared, the default), or train a new one (fresh).",
    ),
]
LearnerOption = Annotated[
    str | None,
    typer.Option(
        "--learner",
        metavar="NAME",
        help="Architecture: sasrec (the default), gru4rec, narm, bert4rec, or your own as package.module:Class.",
    ),
]


def train(
    source: Source,
    out: Out,
    regime: RegimeOption = None,
    learner: LearnerOption = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    seed: Seed = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a summary, in seconds, or on a whole log.

    On a summary the learning rate and the number of steps are those it recommends, unless train.learning_rate and
    train.steps say otherwise. On a log the settings are the teacher's.

    Example: seqdistill train runs/first/summary --regime fresh --out models/fresh
    """
    from seqdistill.config import load_config

    terminal = Terminal(as_json=as_json, quiet=quiet)
    chosen = [f"train.{key}={value}" for key, value in (("regime", regime), ("learner", learner)) if value]
    config = load_config(config_file, [*(assignments or ()), *chosen], seed=seed)

    from seqdistill import api

    started = time.perf_counter()
    model = api.train(source, out=out, config=config, device=device, progress=terminal.progress, notify=terminal.notify)
    seconds = time.perf_counter() - started
    name = model.architecture.learner
    document = {"model": str(out), "source": source, "learner": name, "seconds": seconds, **model.details}
    how = f", {model.details['regime']}," if "regime" in model.details else ""
    line = f"{name}{how} trained on {source} in {duration(seconds)}; the model is in {out}"
    terminal.show(document, lambda console: print_line(console, line))
