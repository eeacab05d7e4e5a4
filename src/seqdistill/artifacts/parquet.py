"""Id maps: parquet files of one column of distinct strings, whose claims are checked before they are decoded.

A parquet file ends with a footer that says where each column's pages lie and how many rows they hold; a page has a
header with its size before and after compression. All of it is read here, with what it adds up to, before a decoder
gives memory to any of it. (parquet-format: `parquet.thrift`, `README.md`.)
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import polars as pl

from seqdistill.artifacts.thrift import Fields, MalformedError, Reader
from seqdistill.errors import SeqDistillError

MAGIC = b"PAR1"
MAX_FOOTER_BYTES = 4 << 20

MAX_RATIO = 256
SLACK_BYTES = 64 << 10
"""What is compressed may become so many times larger, and this much more; ids that count up reach 60."""

BYTE_ARRAY = 6
CODECS = (0, 6)
"""None, and zstd, which is what we write."""
ENCODINGS = (0, 2, 6, 8)
"""Plain, dictionary (two names of it), and lengths apart from the text: each keeps every byte of a value's text."""
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
REPEATED = 2


class Weight(NamedTuple):
    """What an id map takes once it is decoded: `bytes` of pages, and `rows`."""

    bytes: int
    rows: int


def write_ids(ids: pl.Series, column: str, file: Path) -> None:
    """Write an id map.

    Raises:
        SeqDistillError: the ids are none that can be read again: of no text, or not distinct.
        OSError: if it cannot be written.
    """
    buffer = io.BytesIO()
    ids.rename(column).to_frame().write_parquet(buffer, compression="zstd")
    read_ids(buffer.getvalue(), column, len(ids), file)
    file.write_bytes(buffer.getvalue())


def read_ids(data: bytes, column: str, rows: int, file: Path) -> pl.Series:
    """The ids of a parquet file, String [rows], distinct.

    Args:
        data: the file.
        column: its only column.
        rows: how many ids there must be.
        file: named in messages.

    Raises:
        SeqDistillError: if it is no such file.
    """
    try:
        weight = _weigh(memoryview(data), column)
    except (MalformedError, KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise SeqDistillError(f"{file} is no id map: {error}; restore it") from error
    if weight.rows != rows:
        raise SeqDistillError(f"{file} says that it holds {weight.rows:,} ids, and there must be {rows:,}; restore it")
    allowed = MAX_RATIO * len(data) + SLACK_BYTES
    # An id takes a byte at least, but for an empty one.
    if weight.bytes > allowed or rows > weight.bytes + 1:
        raise SeqDistillError(
            f"{file} would unpack to {weight.bytes:,} bytes of {rows:,} ids, more than {len(data):,} bytes of ids can"
            " hold; it was not unpacked"
        )
    try:
        ids = pl.read_parquet(io.BytesIO(data), columns=[column]).to_series()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise SeqDistillError(f"{file} cannot be read as parquet; restore it") from error
    if ids.dtype != pl.String or len(ids) != rows or ids.null_count():
        raise SeqDistillError(f"{file} holds no {rows:,} texts in its column {column!r}; restore it")
    if int(ids.str.len_bytes().sum()) > weight.bytes or ids.n_unique() != rows:
        raise SeqDistillError(f"{file} holds the same id twice; it was altered")
    return ids


def _weigh(data: memoryview, column: str) -> Weight:
    """What the footer and the headers of all pages add up to.

    Raises:
        MalformedError, KeyError, TypeError, IndexError, AttributeError, ValueError: they do not, or are none.
    """
    if len(data) < 12 or bytes(data[:4]) != MAGIC or bytes(data[-4:]) != MAGIC:
        raise MalformedError("it does not begin and end as parquet does")
    length = int.from_bytes(data[-8:-4], "little")
    if length > min(MAX_FOOTER_BYTES, len(data) - 12):
        raise MalformedError(f"its footer would have {length:,} bytes")
    body = data[: len(data) - 8 - length]
    footer = Reader(data[len(body) : -8]).struct()
    _check_schema(footer[2], column)
    groups = cast("list[Fields]", footer[4])
    chunks = [_weigh_chunk(group, body, column) for group in groups]
    rows = sum(chunk.rows for chunk in chunks)
    if rows != footer[3]:
        raise MalformedError(f"{rows:,} rows in its groups, {footer[3]:,} in its footer")
    return Weight(sum(chunk.bytes for chunk in chunks), rows)


def _check_schema(schema: list[Fields], column: str) -> None:
    root, *columns = schema
    if root[5] != 1 or len(columns) != 1:
        raise MalformedError(f"it has {len(columns)} columns instead of one")
    (only,) = columns
    if only[4] != column.encode() or only[1] != BYTE_ARRAY or only.get(3) == REPEATED or only.get(5):
        raise MalformedError(f"its column is not {column!r} of text")


def _weigh_chunk(group: Fields, body: memoryview, column: str) -> Weight:
    (chunk,) = cast("list[Fields]", group[1])
    about: Fields = chunk[3]
    if chunk.get(1) or about[1] != BYTE_ARRAY or about[3] != [column.encode()] or about[4] not in CODECS:
        raise MalformedError("it has pages of another column, of another file or with another compression")
    begin = min(about[9], about.get(11, about[9]))
    end = begin + about[7]
    if not 4 <= begin <= end <= len(body):
        raise MalformedError("its pages lie outside the file")
    weight = rows = 0
    for header, size in _pages(body[:end], begin):
        weight += size
        rows += _rows(header)
        if header[2] < 0 or header[3] < 0:
            raise MalformedError("a page of negative size")
    if not rows == about[5] == group[3]:
        raise MalformedError(f"{rows:,} rows in its pages, {group[3]:,} in its groups")
    return Weight(weight, rows)


def _pages(body: memoryview, begin: int) -> Iterator[tuple[Fields, int]]:
    """The header of each page, and what the page takes unpacked."""
    at = begin
    while at < len(body):
        reader = Reader(body, at)
        header = reader.struct()
        at = reader.at + header[3]
        if at > len(body) or at < reader.at:
            raise MalformedError("a page that is cut short")
        yield header, max(header[2], header[3])


def _rows(header: Fields) -> int:
    """Rows of a page; a dictionary has none."""
    kind: Any = header[1]
    about: Fields = header[{DATA: 5, DICTIONARY: 7, DATA_V2: 8}[kind]]
    encoding = about[4] if kind == DATA_V2 else about[2]
    if about[1] < 0 or encoding not in ENCODINGS or header[2] < 0:
        raise MalformedError("a page of an unknown kind")
    return 0 if kind == DICTIONARY else int(about[1])
