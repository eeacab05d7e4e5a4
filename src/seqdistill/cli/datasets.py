"""The verb `datasets`."""

from typing import Any

from rich.console import Console

from seqdistill.cli.console import Terminal, print_line
from seqdistill.cli.options import AsJson, Quiet, UnusedDevice, UnusedSeed
from seqdistill.cli.table import simple_table


def datasets(
    as_json: AsJson = False, quiet: Quiet = False, seed: UnusedSeed = None, device: UnusedDevice = "auto"
) -> None:
    """List the datasets known by name, with their size and their owners' terms, and which are here.

    One that is not here is fetched by the first verb that needs it, verified by its SHA-256, and kept in the cache
    folder: $SEQDISTILL_CACHE, else $XDG_CACHE_HOME/seqdistill, else ~/.cache/seqdistill.

    Example: seqdistill datasets --json
    """
    from seqdistill.data import NAMED_DATASETS
    from seqdistill.data.named import cached

    del seed, device
    terminal = Terminal(as_json=as_json, quiet=quiet)
    document: list[dict[str, Any]] = []
    for known in NAMED_DATASETS.values():
        path = cached(known)
        document.append(
            {
                "name": known.name,
                "title": known.title,
                "users": known.users,
                "items": known.items,
                "interactions": known.interactions,
                "licence": known.licence,
                "address": known.address,
                "path": None if path is None else str(path),
            }
        )
    terminal.show({"datasets": document}, lambda console: _print(console, document))


def _print(console: Console, document: list[dict[str, Any]]) -> None:
    table = simple_table("name", "title", "users", "items", "interactions", "here", text_columns=2)
    for known in document:
        sizes = (f"{known[key]:,}" for key in ("users", "items", "interactions"))
        table.add_row(known["name"], known["title"], *sizes, "yes" if known["path"] else "no")
    console.print(table)
    for known in document:
        console.print()
        console.print(f"{known['name']}: {known['licence']}")
        print_line(console, f"  {known['path'] or known['address']}")
