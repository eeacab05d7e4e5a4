"""The command `seqdistill`: one verb a file, and here what they have in common.

Importing this package imports neither torch nor polars, so that `--help` and usage errors answer at once; a verb
imports what it needs when it runs, after its settings have been read.
"""

import functools
from collections.abc import Callable
from inspect import getdoc
from typing import Annotated, ParamSpec

import typer

from seqdistill import __version__
from seqdistill.cli.check import check
from seqdistill.cli.compare import compare
from seqdistill.cli.console import print_error, print_line, stderr_console
from seqdistill.cli.datasets import datasets
from seqdistill.cli.distill import distill
from seqdistill.cli.evaluate import evaluate
from seqdistill.cli.export import export
from seqdistill.cli.inspect import inspect
from seqdistill.cli.prepare import prepare
from seqdistill.cli.recommend import recommend
from seqdistill.cli.train import train
from seqdistill.errors import SeqDistillError
from seqdistill.interruption import INTERRUPTION, Interrupted

ERROR_STATUS = 1
P = ParamSpec("P")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="seqdistill")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqdistill {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Distil an interaction log into a summary that a sequential recommender trains on in seconds.

    To begin: seqdistill distill ml-100k --out runs/first
    """
    del version


def _ending_well(verb: Callable[P, None]) -> Callable[P, None]:
    """A verb that ends with one line and a status where the user can mend the error, or has had enough."""

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with INTERRUPTION.listening():
                verb(*args, **kwargs)
        except SeqDistillError as error:
            print_error(str(error))
            raise typer.Exit(ERROR_STATUS) from None
        except Interrupted as stop:
            print_line(stderr_console(), str(stop))
            raise typer.Exit(stop.status) from None

    return run


def _add(verb: Callable[P, None]) -> None:
    # Lines of a docstring are no lines of the help: paragraphs are, and flow in the terminal's width.
    paragraphs = (getdoc(verb) or "").split("\n\n")
    app.command(help="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs))(_ending_well(verb))


_add(prepare)
_add(distill)
_add(train)
_add(evaluate)
_add(compare)
_add(recommend)
_add(datasets)
_add(inspect)
_add(export)
_add(check)
