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

    One that is not here is fetched by the first verb that needs it, verified by its SHA-256 where that is known, and
    kept in the cache folder: $SEQDISTILL_CACHE, else $XDG_CACHE_HOME/seqdistill, else ~/.cache/seqdistill. Where the
    owner wants to be asked first, that verb names the file to bring.

    Example: seqdistill datasets --json
    """
    from seqdistill.data import NAMED_DATASETS
    from seqdistill.data.fetch import cached

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
                "fetched": bool(known.sources),
                "owner_file": known.owner_file,
                "family": known.family or None,
                "path": None if path is None else str(path),
            }
        )
    terminal.show({"datasets": document}, lambda console: _print(console, document))


def _print(console: Console, document: list[dict[str, Any]]) -> None:
    table = simple_table("name", "title", "users", "items", "interactions", "here", text_columns=2)
    groups: dict[str, list[dict[str, Any]]] = {}
    for known in document:
        groups.setdefault(known["family"] or known["name"], []).append(known)
    for name, members in groups.items():
        first, here = members[0], sum(known["path"] is not None for known in members)
        if len(members) == 1:
            sizes = ("" if first[key] is None else f"{first[key]:,}" for key in ("users", "items", "interactions"))
            table.add_row(name, first["title"], *sizes, "yes" if here else "no")
        else:
            title = f"{first['title'].partition(',')[0]}, {len(members)} categories"
            table.add_row(name, title, "", "", "", f"{here}" if here else "no")
    console.print(table)
    for name, members in groups.items():
        known = members[0]
        console.print()
        print_line(console, f"{name}: {known['licence']}")
        where = known["address"] if known["fetched"] else f"{known['owner_file']} from {known['address']}"
        print_line(console, f"  {(known['path'] if len(members) == 1 else None) or where}")
