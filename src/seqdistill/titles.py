"""Titles of items, from a table that a user gives."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from seqdistill.data.columns import GUESSES, plain
from seqdistill.data.files import UnreadableError, one_line, open_bytes, quoted, split_suffixes
from seqdistill.data.text import POLARS_ERRORS
from seqdistill.errors import SeqDistillError

ITEM_NAMES = (*GUESSES["item"], "id")
TITLE_NAMES = (
    *("title", "movie_title", "item_title", "product_title", "book_title", "track_title", "name", "item_name"),
    *("product_name", "track_name", "track", "business_name", "headline", "label", "description"),
)
"""Column names, in lower case, taken for titles when none is given; an earlier one wins."""

_TABLES = (".csv", ".tsv", ".txt", ".item", ".dat")
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class ItemTable:
    """Where titles are found.

    Attributes:
        path: a table with a header (CSV with `,` `;` `|` or tabs, RecBole's `.item`), parquet or JSON lines; text may
            be compressed with gzip or zstd.
        item_column: name of the column with the ids; None: guessed.
        title_column: name of the column with the titles; None: guessed.
    """

    path: Path
    item_column: str | None = None
    title_column: str | None = None


def read_titles(where: ItemTable, item_ids: pl.Series) -> dict[str, str]:
    """Titles of the items of a catalogue.

    Args:
        where: the table. Of two rows for one item the first counts.
        item_ids: the catalogue; other rows of the table are left aside.

    Returns:
        id -> title, for the items that have one.

    Raises:
        SeqDistillError: the table cannot be read, has no such columns, or has no item of the catalogue.
    """
    path = where.path
    try:
        table = _read(path)
        item = _choose(table.columns, where.item_column, ITEM_NAMES, "item ids", "--item-column")
        title = _choose(table.columns, where.title_column, TITLE_NAMES, "titles", "--title-column")
        pairs = table.select(item=pl.col(item).cast(pl.String), title=pl.col(title).cast(pl.String))
    except UnreadableError as error:
        raise SeqDistillError(f"{path}: {error}") from error
    except (*POLARS_ERRORS, OSError) as error:
        raise SeqDistillError(f"{path}: cannot be read as a table of items ({one_line(error)})") from error
    known = pairs.drop_nulls("item").unique("item", keep="first", maintain_order=True)
    known = known.filter(pl.col("item").is_in(item_ids.implode()))
    if known.is_empty():
        example = quoted(str(pairs["item"][0])) if len(pairs) else "nothing"
        raise SeqDistillError(
            f"{path}: column {quoted(item)} names no item of the summary: it has {example}, the summary"
            f" {quoted(item_ids[0])}; name another column with --item-column"
        )
    titled = known.filter(pl.col("title").str.strip_chars() != "")
    return dict(zip(titled["item"].to_list(), titled["title"].to_list(), strict=True))


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise UnreadableError("no such file; give a table of items")
    suffix = split_suffixes(path)[1]
    if suffix == ".parquet":
        return pl.read_parquet(path)
    if suffix not in (*_TABLES, *_JSON_LINES):
        raise UnreadableError(f"a table of items ends in one of {', '.join(('.parquet', *_TABLES, *_JSON_LINES))}")
    with open_bytes(path) as stream:
        content = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableError(f"line {line} is not UTF-8 text; save the file as UTF-8") from error
    if suffix in _JSON_LINES:
        return pl.read_ndjson(content, infer_schema_length=None)
    header = content.partition(b"\n")[0].decode().rstrip("\r")
    delimiter = max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark))))
    # RecBole's atomic files know no quotes.
    quote = None if suffix == ".item" else '"'
    return pl.read_csv(content, separator=delimiter, quote_char=quote, infer_schema=False)


def _choose(names: Sequence[str], given: str | None, guesses: Sequence[str], what: str, option: str) -> str:
    """The column that was named or, failing that, the one whose name is the earliest guess."""
    if given is not None:
        matches = [name for name in names if given in (name, name.partition(":")[0])]
    else:
        ranks = {guess: rank for rank, guess in enumerate(guesses)}
        matches = sorted((name for name in names if plain(name) in ranks), key=lambda name: ranks[plain(name)])
    if not matches:
        lacks = f"has no column {quoted(given)}" if given is not None else f"no column looks like {what}"
        shown = ", ".join(quoted(name) for name in names[:12])
        raise UnreadableError(f"{lacks}; its columns are {shown}; name one with {option}")
    return matches[0]
