"""Id maps: parquet files of one column of distinct strings, whose claims are checked before they are decoded.

A parquet file ends with a footer that says where each column's pages lie and how many rows they hold; a page has a
header with its size before and after compression. All of it is read here, with what it adds up to, before any of it is
given memory. What is decoded is what we write and no more: general decoders are made for files from friends, and panic
on others. (parquet-format: `parquet.thrift`, `README.md`.)
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import polars as pl

from seqdistill.artifacts.strings import PageError, dictionary_indices, plain_strings, refuse_nulls, unpacked
from seqdistill.artifacts.thrift import Fields, MalformedError, Reader
from seqdistill.errors import SeqDistillError

MAGIC = b"PAR1"
MAX_FOOTER_BYTES = 4 << 20

MAX_RATIO = 256
SLACK_BYTES = 64 << 10
"""What is compressed may become so many times larger, and this much more; ids that count up reach 60."""

BYTE_ARRAY = 6
CODECS = {0: False, 6: True}
"""None, and zstd, which is what we write."""
PLAIN, BY_DICTIONARY = (0,), (2, 8)
"""Encodings; the second has two names."""
RLE = 3
DATA, DICTIONARY = 0, 2
REQUIRED, OPTIONAL = 0, 1


class Page(NamedTuple):
    """A page that has been looked at and not unpacked.

    Attributes:
        body: its bytes as they are in the file.
        zstd: whether they are compressed.
        bytes: what it unpacks to.
        dictionary: whether it is a dictionary, and no rows.
        rows: of the page, or entries of the dictionary.
        by_dictionary: whether its rows are places in the dictionary before it.
        levels: whether it says of each row if there is a value.
    """

    body: memoryview
    zstd: bool
    bytes: int
    dictionary: bool
    rows: int
    by_dictionary: bool
    levels: bool


def write_ids(ids: pl.Series, column: str, file: Path) -> None:
    """Write an id map.

    Raises:
        SeqDistillError: the ids are none that can be read again: of no text, or not distinct.
        OSError: if it cannot be written.
    """
    if ids.null_count() or ids.n_unique() != len(ids):
        raise SeqDistillError(f"cannot write {file.name}: some ids are missing, or not distinct")
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
        pages = _pages(memoryview(data), column)
        found = sum(page.rows for page in pages if not page.dictionary)
        if found != rows:
            raise SeqDistillError(f"{file} says that it holds {found:,} ids, and there must be {rows:,}; restore it")
        size = sum(page.bytes for page in pages)
        if size > MAX_RATIO * len(data) + SLACK_BYTES:
            raise SeqDistillError(
                f"{file} would unpack to {size:,} bytes, which {len(data):,} bytes of ids never do; it was not unpacked"
            )
        # An id takes four bytes at least: those with its length.
        if 4 * rows > size:
            raise SeqDistillError(f"{file} has no room for {rows:,} different ids; it was altered")
        ids = pl.Series(column, _decoded(pages), dtype=pl.String)
    except (PageError, MalformedError) as error:
        raise SeqDistillError(f"{file} is no id map: {error}; restore it") from error
    if ids.n_unique() != rows:
        raise SeqDistillError(f"{file} holds the same id twice; it was altered")
    return ids


def _decoded(pages: list[Page]) -> list[str]:
    ids: list[str] = []
    entries: list[str] = []
    for page in pages:
        content = unpacked(page.body, page.bytes, zstd=page.zstd)
        if page.dictionary:
            entries = plain_strings(content, page.rows)
            continue
        if page.levels:
            content = refuse_nulls(content, page.rows)
        if page.by_dictionary:
            # Distinct ids are no more than the entries, so that no entry is multiplied.
            if page.rows > len(entries):
                raise PageError("more rows than its dictionary has entries")
            ids += [entries[place] for place in dictionary_indices(content, page.rows, len(entries))]
        else:
            ids += plain_strings(content, page.rows)
    return ids


def _pages(data: memoryview, column: str) -> list[Page]:
    """All pages, in order, once everything that is said about them adds up.

    Raises:
        MalformedError: it does not.
    """
    if len(data) < 12 or bytes(data[:4]) != MAGIC or bytes(data[-4:]) != MAGIC:
        raise MalformedError("it does not begin and end as parquet does")
    length = int.from_bytes(data[-8:-4], "little")
    if length > min(MAX_FOOTER_BYTES, len(data) - 12):
        raise MalformedError(f"its footer would have {length:,} bytes")
    body = data[: len(data) - 8 - length]
    footer = Reader(data[len(body) : -8]).struct()
    levels = _has_levels(_structs(footer, 2), column)
    groups = [_group_pages(group, body, column, levels=levels) for group in _structs(footer, 4)]
    pages = [page for group in groups for page in group]
    if sum(page.rows for page in pages if not page.dictionary) != _number(footer, 3):
        raise MalformedError("its footer says another number of rows than its groups")
    return pages


def _has_levels(schema: list[Fields], column: str) -> bool:
    """Whether rows of the only column could be without a value."""
    if len(schema) != 2 or _number(schema[0], 5) != 1:
        raise MalformedError(f"it has {len(schema) - 1} columns instead of one")
    only = schema[1]
    repetition = _number(only, 3)
    if only.get(4) != column.encode() or _number(only, 1) != BYTE_ARRAY or repetition not in (REQUIRED, OPTIONAL):
        raise MalformedError(f"its column is not {column!r} of text")
    return repetition == OPTIONAL


def _group_pages(group: Fields, body: memoryview, column: str, *, levels: bool) -> list[Page]:
    chunks = _structs(group, 1)
    if len(chunks) != 1 or 1 in chunks[0]:
        raise MalformedError("its pages lie in another file")
    about = _struct(chunks[0], 3)
    codec = _number(about, 4)
    if about.get(3) != [column.encode()] or _number(about, 1) != BYTE_ARRAY or codec not in CODECS:
        raise MalformedError("its pages are of another column, or compressed otherwise")
    first = _number(about, 9)
    begin = min(first, _number(about, 11)) if 11 in about else first
    end = begin + _number(about, 7)
    if not 4 <= begin <= end <= len(body):
        raise MalformedError("its pages lie outside the file")
    pages = list(_walk(body[:end], begin, zstd=CODECS[codec], levels=levels))
    if any(page.dictionary for page in pages[1:]):
        raise MalformedError("a dictionary that does not come first")
    rows = sum(page.rows for page in pages if not page.dictionary)
    if not rows == _number(about, 5) == _number(group, 3):
        raise MalformedError("a group says another number of rows than its pages")
    return pages


def _walk(body: memoryview, at: int, *, zstd: bool, levels: bool) -> Iterator[Page]:
    while at < len(body):
        reader = Reader(body, at)
        header = reader.struct()
        kind, size, packed = (_number(header, number) for number in (1, 2, 3))
        if kind not in (DATA, DICTIONARY) or size < 0 or not 0 <= packed <= len(body) - reader.at:
            raise MalformedError("a page of another kind, or one that is cut short")
        about = _struct(header, 5 if kind == DATA else 7)
        rows, encoding = _number(about, 1), _number(about, 2)
        if rows < 0 or encoding not in PLAIN + BY_DICTIONARY or (kind == DATA and _number(about, 3) != RLE):
            raise MalformedError("a page in an unknown encoding")
        at = reader.at + packed
        by_dictionary = kind == DATA and encoding in BY_DICTIONARY
        yield Page(body[reader.at : at], zstd, size, kind == DICTIONARY, rows, by_dictionary, levels)


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if type(value) is not int:
        raise MalformedError(f"no number in field {number}")
    return value


def _struct(fields: Fields, number: int) -> Fields:
    value = fields.get(number)
    if not isinstance(value, dict):
        raise MalformedError(f"nothing in field {number}")
    return cast("Fields", value)


def _structs(fields: Fields, number: int) -> list[Fields]:
    value: object = fields.get(number)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast("list[object]", value)):
        raise MalformedError(f"no list in field {number}")
    return cast("list[Fields]", value)
