"""Attributes of a package that are imported when they are first asked for, so that no command waits for another's."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`.

    Args:
        package: its name.
        homes: attribute -> the module of the package that has it.
    """

    def attribute(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return attribute
