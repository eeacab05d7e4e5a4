"""The verb `recommend`."""

import csv
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AllowCode, AsJson, Device, Quiet, UnusedSeed
from seqdistill.errors import SeqDistillError
from seqdistill.readable import count, duration, printable

MOST_COLD_NAMED = 10

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The folder of a model.")]
History = Annotated[
    str | None,
    typer.Option("--history", metavar="A,B,C", help="Item ids of one history, oldest first; quote ids with commas."),
]
Histories = Annotated[
    Path | None,
    typer.Option(
        "--histories",
        metavar="FILE",
        help="Many histories: parquet or JSON lines with a column `history`, lists of ids.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="For --histories: the same table with the columns `items` and `scores`, as parquet or JSON lines.",
    ),
]
Top = Annotated[int, typer.Option("-k", "--top", min=1, help="Items recommended after each history.")]
ExcludeSeen = Annotated[
    bool, typer.Option("--exclude-seen/--include-seen", help="Whether items of the history are left out.")
]


def recommend(
    model: Model,
    history: History = None,
    histories: Histories = None,
    out: Out = None,
    k: Top = 10,
    exclude_seen: ExcludeSeen = True,
    seed: UnusedSeed = None,
    device: Device = "auto",
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Recommend what follows a history, or each history of a file, in the log's own ids.

    Ids that the model does not know are named and skipped. A history it knows nothing of is an error; in a file it gets
    an empty list.

    Example: seqdistill recommend models/fresh --history 50,181,258 -k 5
    """
    del seed
    if (history is None) == (histories is None):
        raise typer.BadParameter("give either --history or --histories")
    if (histories is None) != (out is None):
        raise typer.BadParameter("--histories and --out go together")
    terminal = Terminal(as_json=as_json, quiet=quiet)
    if history is not None:
        _one(terminal, model, _ids(history), k, device, exclude_seen=exclude_seen, allow_code=allow_code)
    elif histories is not None and out is not None:
        _file(terminal, model, histories, out, k, device, exclude_seen=exclude_seen, allow_code=allow_code)


def _one(
    terminal: Terminal,
    model: str,
    history: list[str],
    k: int,
    device: str,
    *,
    exclude_seen: bool,
    allow_code: str | None,
) -> None:
    from seqdistill import api

    items, cold = api.recommend(model, history, k=k, exclude_seen=exclude_seen, device=device, allow_code=allow_code)
    _tell_cold(terminal, dict.fromkeys(cold, 1))
    document = {"history": history, "cold": cold, "items": [item._asdict() for item in items]}

    def render(console: Any) -> None:  # noqa: ANN401 - rich is not imported for the sake of a name
        ids = [printable(item.item_id) for item in items]
        width = max((len(item_id) for item_id in ids), default=0)
        for rank, (item_id, item) in enumerate(zip(ids, items, strict=True), 1):
            print_line(console, f"{rank:>{len(str(k))}}  {item_id:<{width}}  {item.score:.3f}")

    terminal.show(document, render)


def _file(
    terminal: Terminal,
    model: str,
    histories: Path,
    out: Path,
    k: int,
    device: str,
    *,
    exclude_seen: bool,
    allow_code: str | None,
) -> None:
    from seqdistill import api

    started = time.perf_counter()
    found = api.recommend_file(
        model, histories, out, k=k, exclude_seen=exclude_seen, device=device, allow_code=allow_code
    )
    seconds = time.perf_counter() - started
    _tell_cold(terminal, found.cold)
    if found.unknown:
        terminal.notify(
            f"nothing recommended after {found.unknown:,} of {len(found.table):,} histories: no item of them is known"
        )
    document = {
        "out": str(out),
        "histories": len(found.table),
        "unknown_histories": found.unknown,
        "cold": found.cold,
        "seconds": seconds,
    }
    line = f"{len(found.table):,} histories in {duration(seconds)}; the recommendations are in {out}"
    terminal.show(document, lambda console: print_line(console, line))


def _tell_cold(terminal: Terminal, cold: dict[str, int]) -> None:
    if cold:
        named = ", ".join(list(cold)[:MOST_COLD_NAMED])
        more = f" and {len(cold) - MOST_COLD_NAMED:,} more" if len(cold) > MOST_COLD_NAMED else ""
        terminal.notify(f"{count(len(cold), 'id')} the model does not know, skipped: {named}{more}")


def _ids(text: str) -> list[str]:
    ids = [field.strip() for field in next(csv.reader([text], skipinitialspace=True), list[str]())]
    if not any(ids):
        raise SeqDistillError("--history is empty; give item ids, such as --history a,b,c")
    return [item for item in ids if item]
