"""What format a log has: by its first bytes, by its name, and, where neither tells, by what its lines look like."""

import ast
import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from seqdistill.config import DataConfig
from seqdistill.data.columns import looks_like_header
from seqdistill.data.files import UnreadableError, quoted

Kind = Literal["inter", "csv", "jsonl", "lines", "sessions", "parquet", "arrow"]

DELIMITERS = (",", "\t", ";", "|", "::", "^", " ")
HEAD_BYTES = 1 << 18
"""Bytes, decompressed, that a format is told by."""

_BY_SUFFIX: dict[str, Kind] = {
    ".inter": "inter",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_ANY_TEXT = ("", ".txt", ".dat", ".data", ".log", ".seq")
_NAME_THEM = (
    "name the columns in their order, such as --set data.columns=user,item,rating,time, or, if each line is a user and"
    " items, say --set data.format=lines"
)


@dataclass(frozen=True)
class Layout:
    """How a log is laid out.

    Attributes:
        kind: the format.
        delimiter: between fields, of `inter` and `csv`.
        quote: around fields, if any.
        columns: names in order, where the file has no header.
    """

    kind: Kind
    delimiter: str = ""
    quote: str | None = None
    columns: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        """A few words for messages."""
        if self.kind == "csv":
            named = {",": "CSV", "\t": "TSV"}.get(self.delimiter, f"text with {self.delimiter!r} between fields")
            return f"{named} without a header" if self.columns else named
        return {
            "inter": "RecBole .inter",
            "jsonl": "JSON lines",
            "lines": "`user item item ...` lines",
            "sessions": "sessions, one a line",
            "parquet": "parquet",
            "arrow": "Arrow",
        }[self.kind]


def recognise(head: bytes, suffix: str, config: DataConfig) -> Layout:
    """The layout of a log.

    Args:
        head: the first bytes of it, decompressed; `HEAD_BYTES` or all.
        suffix: of its name, in lower case, without that of the compression.
        config: what the user said about it.

    Raises:
        UnreadableError: it cannot be told, or what was said does not fit together.
    """
    kind: Kind | None = config.format if config.format != "auto" else _by_content(head)
    if kind in ("parquet", "arrow"):
        return Layout(kind)
    lines = _text_lines(head)
    if not lines:
        raise UnreadableError("has no rows; give a log with at least one interaction")
    if kind is None and config.columns is not None:
        kind = "csv"
    if kind is None:
        kind = _BY_SUFFIX.get(suffix) or _by_lines(lines, suffix, config)
    if kind in ("parquet", "arrow"):
        raise UnreadableError(f"is no {kind} file, as its name says; write or fetch it again")
    if kind == "inter":
        return Layout(kind, "\t")
    if kind == "csv":
        return Layout(kind, config.delimiter or _delimiter(lines, suffix, config), config.quote, config.columns)
    if kind == "lines" and config.format == "auto":
        _refuse_other_tables(lines)
    return Layout(kind)


def _by_content(head: bytes) -> Kind | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    return None


def _text_lines(head: bytes) -> list[str]:
    """The whole lines of the head that are not blank."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("line 1 is not UTF-8 text but UTF-16; save the file as UTF-8")
    text = head.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    lines = text.split("\n")
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        lines.pop()
    return [line.rstrip("\r") for line in lines if line.strip()]


def _by_lines(lines: list[str], suffix: str, config: DataConfig) -> Kind:
    first = lines[0]
    if first.lstrip().startswith("{"):
        return "jsonl"
    for delimiter in DELIMITERS:
        fields = first.split(delimiter)
        if looks_like_header(fields):
            typed = delimiter == "\t" and all(re.fullmatch(r"\w+:\w+", field) for field in fields)
            return "inter" if typed else "csv"
    if config.user is not None or config.item is not None or config.delimiter is not None:
        return "csv"  # columns were named, so the log has some
    if suffix not in _ANY_TEXT:
        known = ", ".join([*_BY_SUFFIX, ".txt"])
        raise UnreadableError(
            f"cannot tell the format from the name or the first lines; say it with --set data.format=csv (or jsonl,"
            f" lines, sessions), or rename the file to end in one of {known} (.gz or .zst may follow)"
        )
    return "lines"


def _delimiter(lines: list[str], suffix: str, config: DataConfig) -> str:
    """The delimiter under which the first line is a header, else the one that most lines agree on."""
    given = {name for name in (config.user, config.item) if name is not None}
    for delimiter in DELIMITERS:
        names = _fields(lines[0], delimiter, config.quote)
        if config.columns is None and (looks_like_header(names) or (given and given <= set(names))):
            return delimiter
    by_width: list[tuple[bool, int, int, str]] = []
    for rank, delimiter in enumerate(DELIMITERS):
        widths = Counter(len(_fields(line, delimiter, config.quote)) for line in lines[:100])
        width, often = widths.most_common(1)[0]
        if width > 1:
            fits = config.columns is None or width == len(config.columns)
            by_width.append((fits, often, -rank, delimiter))
    if not by_width:
        return "\t" if suffix == ".tsv" else ","
    return max(by_width)[3]


def _fields(line: str, delimiter: str, quote: str | None) -> list[str]:
    if len(delimiter) > 1 or quote is None:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote))
    except (csv.Error, StopIteration):
        return line.split(delimiter)


def _refuse_other_tables(lines: list[str]) -> None:
    """Lines of words are taken for `user item item ...` only if nothing speaks against it.

    Raises:
        UnreadableError: they are sessions, or a table without a header.
    """
    for delimiter in DELIMITERS:
        fields = {line.count(delimiter) + 1 for line in lines}
        if not delimiter.isspace() and len(fields) == 1 and max(fields) > 1:
            raise UnreadableError(f"every line has {max(fields)} fields, with {delimiter!r} between them; {_NAME_THEM}")
    words = [line.split() for line in lines]
    widths = {len(line) for line in words}
    if len(widths) == 1 and 3 <= max(widths) <= 12:
        for column in zip_longest(*words[:1000]):
            if all(re.fullmatch(r"\d{9,}|\d+\.\d+|\d{4}-\d\d-\d\d\S*", word) for word in column):
                raise UnreadableError(
                    f"every line has {max(widths)} fields, and {quoted(column[0])} looks like a time or a rating;"
                    f" {_NAME_THEM}"
                )
    if widths == {2}:
        return
    seen: dict[str, int] = {}
    for number, line in enumerate(words, start=1):
        if line[0] in seen:
            raise UnreadableError(
                again(f"line {number} starts with the same word as line {seen[line[0]]} ({quoted(line[0])})")
            )
        seen[line[0]] = number


def again(what: str) -> str:
    """The message about a user who has two lines."""
    return (
        f"{what}, so this is no line for each user; if each line is a session, of items alone, say --set"
        " data.format=sessions; if its first word is a user all the same, say --set data.format=lines"
    )


def json_names(head: bytes) -> list[str]:
    """The names of all fields of the first JSON lines, in the order they first come.

    Raises:
        UnreadableError: a line is no JSON object.
    """
    names: dict[str, None] = {}
    for number, line in enumerate(_text_lines(head)[:1000], start=1):
        names.update(dict.fromkeys(json_object(line, number)))
    return list(names)


def is_literal(content: bytes) -> bool:
    """Whether lines that look like JSON were printed by Python, with its quotes, as some published logs are."""
    return re.match(rb"\s*\{\s*u?'", content) is not None


def json_object(line: str, number: int) -> dict[str, object]:
    """A line as a JSON object.

    Raises:
        UnreadableError: it is none.
    """
    try:
        value: object = ast.literal_eval(line) if is_literal(line.encode()) else json.loads(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType] - of JSON values
    hint = "; this is a JSON array: write one object a line" if number == 1 and line.lstrip().startswith("[") else ""
    raise UnreadableError(f"line {number} is no JSON object ({quoted(line.strip())}){hint or '; mend or remove it'}")
