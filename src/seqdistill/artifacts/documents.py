"""JSON documents: written whole or not at all, and read within bounds."""

import hashlib
import json
import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import numpy as np

from seqdistill.artifacts.plain import reach_disk, read_bounded
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError, one_line
from seqdistill.json_values import Json, finite

MAX_DOCUMENT_BYTES = 2 << 20
"""A manifest takes a few kB, and about 130 bytes more for each tensor it declares."""

MAX_DEPTH = 32
"""Brackets within brackets; ours have seven."""
MAX_BRACKETS = 100_000
"""Two for each tensor; each takes some hundred bytes of memory."""

TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
SEAL = "sha256"
"""The last entry of a sealed document: the digest of all others."""


def parse_json(data: bytes, file: Path) -> Any:  # noqa: ANN401 - whatever JSON there is
    """The value of a JSON document that another program, or a stranger, may have written.

    Names must be unique in their object and numbers finite, so that two readers cannot understand two different things.

    Args:
        data: the document, no longer than the caller allows.
        file: named in messages.

    Raises:
        SeqDistillError: if it is no such document.
    """
    brackets, depth = _brackets(data)
    if depth > MAX_DEPTH:
        raise SeqDistillError(f"{file} is nested {depth:,} deep, more than {MAX_DEPTH}; it is damaged or was altered")
    if brackets > MAX_BRACKETS:
        raise SeqDistillError(f"{file} has {brackets:,} brackets, more than {MAX_BRACKETS:,}; it was altered")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite_float, parse_constant=_finite_float
        )
    except ValueError as error:
        raise SeqDistillError(f"{file} is damaged: {one_line(str(error))}; restore it") from error


def digest_of(body: Json) -> str:
    """Hexadecimal SHA-256 of JSON values, whatever the order of names and the white space of the file."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_json(file: Path, *, limit: int = MAX_DOCUMENT_BYTES) -> Any:  # noqa: ANN401 - whatever JSON there is
    """The value of a JSON file, within bounds; see `parse_json`. A seal is compared and taken off.

    Raises:
        SeqDistillError: if the file cannot be read, is longer than the limit, or is damaged.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SeqDistillError(f"cannot read {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        value = parse_json(read_bounded(stream, limit, file), file)
    if isinstance(value, dict) and SEAL in value:
        document = cast("Json", value)
        found = document.pop(SEAL)
        if found != _digest_or_none(document):
            raise SeqDistillError(f"{file} does not match its own SHA-256: corrupt or altered; restore it")
    return cast("Any", value)


def sealed(document: Json) -> Json:
    """A document with the digest of its entries as the last one, which `read_json` compares."""
    plain = cast("Json", finite(document))
    return {**plain, SEAL: digest_of(plain)}


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, with a final newline."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing(path):
            temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            reach_disk(temporary)
            temporary.replace(path)
    except UnicodeEncodeError as error:
        raise SeqDistillError(f"cannot write {path}: {error.object[:80]!r} is no valid text; rename it") from error
    finally:
        temporary.unlink(missing_ok=True)


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


def _brackets(data: bytes) -> tuple[int, int]:
    """How many there are outside of texts, and how deep they lie: before a parser spends memory on them."""
    outside = np.frombuffer(TEXT.sub(b"", data), dtype=np.uint8)
    opening, closing = (np.isin(outside, np.frombuffer(pair, dtype=np.uint8)) for pair in (b"[{", b"]}"))
    depths = np.cumsum(opening.astype(np.int32) - closing)
    return int(opening.sum()), int(depths.max(initial=0))


def _digest_or_none(document: Json) -> str | None:
    try:
        return digest_of(document)
    except UnicodeEncodeError:
        return None
