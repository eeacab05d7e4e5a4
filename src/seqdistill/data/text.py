"""Text logs, a block at a time: whole lines are cut from the stream, parsed, and named by their line numbers."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from seqdistill.data.columns import Batch
from seqdistill.data.files import Meter, UnreadableError, one_line, open_bytes
from seqdistill.data.recognise import Layout, again, is_literal, json_object

BLOCK_BYTES = 32 << 20
MAX_LINE_BYTES = 1 << 30
"""Longest line that is read; beyond it, a file is taken for something else than it seems to be."""

POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What polars raises on damaged data; a panic is no Exception."""

_SEPARATOR = "\x1f"
"""Stands for a delimiter of more than one character, which polars does not take."""


@dataclass(frozen=True)
class Block:
    """Whole lines of a file, and the number of the first, from 1."""

    content: bytes
    first: int


@dataclass
class LineTally:
    """What tells `user item item ...` lines from sessions once all of them have been read."""

    lines: int = 0
    longest: int = 0

    def add(self, lines: int, longest: object) -> None:
        """So many more lines, the longest of that many words."""
        self.lines += lines
        self.longest = max(self.longest, longest if isinstance(longest, int) else 0)

    def check(self, num_users: int) -> None:
        """Refuse lines that start with the same word though they hold more than a user and an item.

        Raises:
            UnreadableError: they do.
        """
        if self.longest > 2 and self.lines > num_users:
            raise UnreadableError(again(f"{self.lines:,} lines start with only {num_users:,} different words"))


def text_batches(
    path: Path, layout: Layout, columns: Mapping[str, str], names: list[str], meter: Meter, tally: LineTally
) -> Iterator[Batch]:
    """The rows of a text file.

    Args:
        path: the file.
        layout: how it is laid out.
        columns: role -> name, as chosen for the first file of the log.
        names: the header of that file; this one's must be the same.
        meter: counts the bytes.
        tally: counts lines, and numbers the sessions of all files of a log on.

    Raises:
        UnreadableError: naming the line that cannot be read.
    """
    with open_bytes(path, meter) as stream:
        blocks = cut_blocks(stream, layout.quote if layout.kind == "csv" else None)
        if layout.kind in ("inter", "csv"):
            yield from _separated(blocks, layout, columns, names, str(path))
            return
        offset = tally.lines
        for block in blocks:
            if layout.kind == "jsonl":
                yield Batch(_parse_json(block, columns), block.first, str(path), "line")
            elif layout.kind == "sessions":
                lines = _parse_words(block)
                tally.lines = offset + block.first + block.content.count(b"\n")
                numbered = (pl.col("line") + offset).cast(pl.String).alias("user"), pl.col("items").alias("item")
                yield Batch(_explode(lines.select(*numbered), "item"), block.first, str(path))
            else:
                lines = _parse_words(block)
                tally.add(int((lines["words"] > 1).sum()), lines["words"].max())
                users = pl.col("items").list.first().alias("user"), pl.col("items").list.slice(1).alias("item")
                yield Batch(_explode(lines.select(*users), "item"), block.first, str(path))


def read_header(path: Path, layout: Layout) -> list[str]:
    """The names of the columns of a file of fields; those given, where it has no header.

    Raises:
        UnreadableError: it has no lines.
    """
    if layout.columns is not None:
        return list(layout.columns)
    with open_bytes(path) as stream:
        for block in cut_blocks(stream, layout.quote if layout.kind == "csv" else None, 1 << 18):
            return _split_header(block, layout)[0]
    raise UnreadableError("is empty; give a log with a header and at least one row")


def cut_blocks(stream: IO[bytes], quote: str | None, num_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a stream into blocks of whole lines; a line end inside quotes ends no line.

    Raises:
        UnreadableError: a line, or what is between two quotes, is too long to be one.
    """
    rest, line, begun = b"", 1, False
    while data := stream.read(num_bytes):
        rest += data
        if not begun:
            rest, begun = rest.removeprefix(b"\xef\xbb\xbf"), True
        cut = _last_line_end(rest, quote)
        if cut == 0:
            if len(rest) > MAX_LINE_BYTES or (b"\n" in rest and len(rest) > 4 * num_bytes):
                raise UnreadableError(_endless(rest, line, quote))
            continue
        yield Block(rest[:cut], line)
        line += rest.count(b"\n", 0, cut)
        rest = rest[cut:]
    if rest.strip():
        yield Block(rest, line)


def _last_line_end(data: bytes, quote: str | None) -> int:
    """Where the last line that is not inside quotes ends; 0 if none does."""
    end = data.rfind(b"\n") + 1
    if quote is None or end == 0:
        return end
    mark = quote.encode()
    quotes = data.count(mark, 0, end)
    while end > 0 and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(mark, before, end)
        end = before
    return end


def _endless(data: bytes, line: int, quote: str | None) -> str:
    if quote is None or b"\n" not in data:
        return f"line {line} is longer than {len(data) >> 20} MiB; this is no log of lines"
    at = line + data.count(b"\n", 0, data.find(quote.encode()))
    return f"the quote in line {at} is not closed; close it or, if quotes mean nothing here, say --set data.quote=none"


def _separated(
    blocks: Iterator[Block], layout: Layout, columns: Mapping[str, str], names: list[str], where: str
) -> Iterator[Batch]:
    places = {role: str(names.index(name)) for role, name in columns.items()}
    for index, block in enumerate(blocks):
        body = block
        if index == 0 and layout.columns is None:
            header, body = _split_header(block, layout)
            if header != names:
                raise UnreadableError(
                    f"its header ({', '.join(header)}) differs from the first file's; give them alone"
                )
        if body.content.strip():
            frame = _parse_fields(body, layout, len(names))
            yield Batch(
                frame.select(**{role: pl.col(place) for role, place in places.items()}), body.first, where, "line"
            )


def _split_header(block: Block, layout: Layout) -> tuple[list[str], Block]:
    """The names in the first line that is not blank, and what follows it."""
    stripped = block.content.lstrip(b"\r\n")
    skipped = len(block.content) - len(stripped)
    first = block.first + block.content.count(b"\n", 0, skipped)
    line, _, rest = stripped.partition(b"\n")
    try:
        text = line.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise UnreadableError(f"line {first} is not UTF-8 text; save the file as UTF-8") from None
    if layout.quote is None or len(layout.delimiter) > 1:
        names = text.split(layout.delimiter)
    else:
        names = next(csv.reader([text], delimiter=layout.delimiter, quotechar=layout.quote), [""])
    if layout.kind == "inter":
        # RecBole's atomic files name the type with the column.
        names = [name.partition(":")[0] for name in names]
    return names, Block(rest, first + 1)


def _parse_fields(block: Block, layout: Layout, width: int) -> pl.DataFrame:
    content, separator = block.content, layout.delimiter
    if len(separator) > 1:
        content, separator = content.replace(separator.encode(), _SEPARATOR.encode()), _SEPARATOR
    quote = layout.quote if layout.kind == "csv" else None
    try:
        # All columns are read, though three are needed: with a projection polars would let a row with too many
        # fields pass, and its values would be those of the wrong columns.
        return pl.read_csv(
            content,
            has_header=False,
            separator=separator,
            quote_char=quote,
            schema={str(place): pl.String for place in range(width)},
            infer_schema=False,
            # A short row has nulls in the fields it lacks, the first of a block too.
            missing_columns="insert",
        )
    except POLARS_ERRORS as error:
        raise UnreadableError(_explain(block, layout, quote, width) or f"damaged ({one_line(error)})") from error


def _explain(block: Block, layout: Layout, quote: str | None, width: int) -> str:
    """Find the line polars stumbled over, which its message does not name; empty if there is none to be found."""
    text = _decoded(block)
    quotes = 0
    for number, line in enumerate(text.split("\n"), start=block.first):
        if quote is not None and quote in line:
            quotes += line.count(quote)
            odd = number if quotes % 2 and line.count(quote) % 2 else 0
            if odd and text.count(quote) % 2:
                return (
                    f"the quote in line {odd} is not closed; close it or, if quotes mean nothing here, say"
                    " --set data.quote=none"
                )
            continue
        found = line.count(layout.delimiter) + 1
        if quotes % 2 == 0 and found > width:
            whose = "columns given" if layout.columns else "header"
            return f"line {number} has {found} fields and the {whose} {width}; quote or remove the extra delimiter"
    if quotes:
        return "quotes are neither around whole fields nor doubled; mend them, or say --set data.quote=none"
    return ""


def _decoded(block: Block) -> str:
    try:
        return block.content.decode()
    except UnicodeDecodeError as error:
        line = block.first + block.content.count(b"\n", 0, error.start)
        raise UnreadableError(f"line {line} is not UTF-8 text; save the file as UTF-8") from error


def _parse_json(block: Block, columns: Mapping[str, str]) -> pl.DataFrame:
    if is_literal(block.content[:100]):
        return _parse_literals(block, columns)
    try:
        frame = pl.read_ndjson(block.content, schema=dict.fromkeys(columns.values(), pl.String()))
    except POLARS_ERRORS as error:
        for number, line in enumerate(_decoded(block).split("\n"), start=block.first):
            if line.strip():
                json_object(line, number)
        raise UnreadableError(f"damaged ({one_line(error)})") from error
    return frame.select(**{role: pl.col(name) for role, name in columns.items()})


def _parse_literals(block: Block, columns: Mapping[str, str]) -> pl.DataFrame:
    values: dict[str, list[str | None]] = {role: [] for role in columns}
    for number, line in enumerate(_decoded(block).split("\n"), start=block.first):
        row = json_object(line.strip(), number) if line.strip() else {}
        for role, name in columns.items():
            value = row.get(name)
            values[role].append(None if value is None else str(value))
    return pl.DataFrame(values, schema=dict.fromkeys(columns, pl.String()))


def _parse_words(block: Block) -> pl.DataFrame:
    """The lines that are not blank: their number `line`, their words `items` and how many `words` there are."""
    try:
        text = pl.read_lines(io.BytesIO(block.content)).to_series()
    except POLARS_ERRORS as error:
        _decoded(block)
        raise UnreadableError(f"damaged ({one_line(error)})") from error
    lines = pl.DataFrame({"items": text.str.extract_all(r"\S+")}).with_row_index("line", offset=block.first)
    return lines.with_columns(words=pl.col("items").list.len()).filter(pl.col("words") > 0)


def _explode(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return rows.filter(pl.col(column).list.len() > 0).explode(column)
