"""In what two nested requests differ, in words."""

from typing import cast

from seqdistill.json_values import Json

MOST_NAMED = 4


def differences(found: Json, wanted: Json, prefix: str = "") -> list[str]:
    """Dotted names of the entries in which two nested requests differ, in alphabetical order."""
    names: list[str] = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            names += differences(cast("Json", old), cast("Json", new), f"{prefix}{key}.")
        elif old != new:
            names.append(f"{prefix}{key}")
    return names


def some_of(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
