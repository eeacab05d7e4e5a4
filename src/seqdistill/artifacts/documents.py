"""JSON documents: written whole or not at all, and read within bounds."""

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any, cast

from seqdistill.artifacts.plain import reach_disk, read_bounded
from seqdistill.errors import SeqDistillError

Json = dict[str, Any]

MAX_DOCUMENT_BYTES = 2 << 20
"""A manifest takes a few kB, and about 130 bytes more for each tensor it declares."""

MAX_DEPTH = 32
"""Brackets within brackets; ours have seven."""


def parse_json(data: bytes, file: Path) -> Any:  # noqa: ANN401 - whatever JSON there is
    """The value of a JSON document that another program, or a stranger, may have written.

    Names must be unique in their object and numbers finite, so that two readers cannot understand two different things.

    Args:
        data: the document, no longer than the caller allows.
        file: named in messages.

    Raises:
        SeqDistillError: if it is no such document.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite_float, parse_constant=_finite_float
        )
    except RecursionError as error:
        raise SeqDistillError(f"{file} is nested more than {MAX_DEPTH} deep; it is damaged or was altered") from error
    except ValueError as error:
        raise SeqDistillError(f"{file} is damaged: {_one_line(error)}; restore it") from error
    if _deeper_than(value, MAX_DEPTH):
        raise SeqDistillError(f"{file} is nested more than {MAX_DEPTH} deep; it is damaged or was altered")
    return value


def read_json(file: Path, *, limit: int = MAX_DOCUMENT_BYTES) -> Any:  # noqa: ANN401 - whatever JSON there is
    """The value of a JSON file, within bounds; see `parse_json`.

    Raises:
        SeqDistillError: if the file cannot be read, is longer than the limit, or is damaged.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SeqDistillError(f"cannot read {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        return parse_json(read_bounded(stream, limit, file), file)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, with a final newline."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        reach_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise SeqDistillError(f"cannot write {path}: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise SeqDistillError(f"cannot write {path}: {error.object[:80]!r} is no valid text; rename it") from error
    finally:
        temporary.unlink(missing_ok=True)


def finite(value: object) -> object:
    """JSON values with null where a number is not finite: JSON has no other way to say it."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in cast("dict[Any, object]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice[:80]!r} stands twice in one object")
    return found


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:80]} is no number of JSON")
    return value


def _deeper_than(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    """The containers in a container."""
    if isinstance(value, dict):
        values = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        values = cast("list[object]", value)
    else:
        return []
    return [inner for inner in values if isinstance(inner, dict | list)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
