"""Interaction logs of several formats, read into one shape: a user, an item and perhaps a time for each row.

The suffix names the format (`FORMATS`); a `.gz`, `.zst` or `.zstd` after it names the compression. A format's reader
only turns bytes into a table; which columns count, and whether their values can be used, is settled in one place.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl
import polars.selectors as cs

from seqdistill.errors import SeqDistillError

GUESSES: Mapping[str, tuple[str, ...]] = {
    "user": ("user_id", "uid", "user", "userid", "reviewer_id", "reviewerid", "customer_id", "visitor_id", "visitorid"),
    "item": ("item_id", "iid", "parent_asin", "item", "itemid", "asin", "movie_id", "movieid", "product_id", "sku"),
    "time": ("timestamp", "datetime", "time", "ts", "unix_review_time", "unixreviewtime"),
}
"""Column names, in lower case, that are taken for a role when none is given; an earlier name wins over a later one."""

_COMPRESSIONS = (".gz", ".zst", ".zstd")

_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises on damaged data: OSError for zstd, and a panic, which is no Exception, for some parquet files."""


@dataclass(frozen=True)
class Columns:
    """Names of the log's columns; None leaves a role to `GUESSES`."""

    user: str | None = None
    item: str | None = None
    time: str | None = None


@dataclass(frozen=True, eq=False)
class LogFrame:
    """A log as it was read, nothing removed and nothing reordered.

    Attributes:
        rows: columns user (String), item (String) and, if the log has times, time (Int64 or Float64, no nulls), in the
            file's order.
        sha256: digest of the file's bytes, compressed as they lie on the disk.
        notes: one line each for what was decided while reading.
    """

    rows: pl.DataFrame
    sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Table:
    """What a format's reader returns: every column under its plain name, and how an editor counts the first row."""

    frame: pl.DataFrame
    first_line: int
    unit: str = "line"


@dataclass(frozen=True)
class _Format:
    title: str
    read: Callable[[bytes], _Table]


class _UnreadableError(Exception):
    """Why a table cannot be read, without the file's name, which only `read_log` knows."""


def read_log(path: str | Path, columns: Columns | None = None) -> LogFrame:
    """Read one log file.

    Args:
        path: a file whose suffix is one of `FORMATS`, optionally followed by `.gz`, `.zst` or `.zstd`.
        columns: names of the columns where they cannot be guessed, or where the guess would be wrong.

    Raises:
        SeqDistillError: the file is missing, empty, of an unknown format, damaged, lacks a column, or has a row that
            cannot be used.
    """
    path = Path(path)
    _, suffix, compression = split_suffixes(path)
    file_format = FORMATS.get(suffix)
    if not path.is_file():
        problem = "is a folder; give the log file in it" if path.is_dir() else "no such file; check the path"
        raise SeqDistillError(f"{path}: {problem}")
    if file_format is None:
        raise SeqDistillError(
            f"{path}: cannot tell the format from the name; rename it to end in one of {', '.join(FORMATS)}"
            f" (.gz or .zst may follow)"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SeqDistillError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    try:
        if not content:
            raise _UnreadableError("is empty; give a log with at least one row")
        table = file_format.read(_decompress(content, compression))
        rows, used = _choose_columns(table, columns or Columns())
    except _UnreadableError as error:
        raise SeqDistillError(f"{path}: {error}") from error

    note = f"read {path.name} as {file_format.title}: " + ", ".join(f"{role} = {name}" for role, name in used.items())
    notes = [note]
    if "time" not in used:
        notes.append("the log has no times: each user's rows are taken in the file's order")
    return LogFrame(rows, hashlib.sha256(content).hexdigest(), tuple(notes))


def split_suffixes(path: Path) -> tuple[str, str, str]:
    """Split a log's file name: `("beauty", ".txt", ".gz")` for `beauty.txt.gz`; the suffixes in lower case."""
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSIONS else ""
    bare = Path(path.stem) if compression else Path(path.name)
    return bare.stem, bare.suffix.lower(), compression


def _decompress(content: bytes, compression: str) -> bytes:
    """Undo gzip here; zstd is left to polars, as Python has it in its standard library only from 3.14 on."""
    if compression != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _UnreadableError(f"the gzip data is damaged ({_one_line(error)}); fetch or compress it again") from error


def _read_separated(content: bytes, separator: str, quote: str | None = '"') -> _Table:
    try:
        # All columns are read, though three are needed: with a projection polars would let a row with too many
        # fields pass, and its values would be those of the wrong columns.
        frame = pl.read_csv(content, separator=separator, quote_char=quote, infer_schema=False)
    except pl.exceptions.NoDataError as error:
        raise _UnreadableError("is empty; give a log with a header and at least one row") from error
    except _POLARS_ERRORS as error:
        raise _UnreadableError(_explain(content, separator, quote) or f"damaged ({_one_line(error)})") from error
    return _Table(frame, first_line=2)


def _read_inter(content: bytes) -> _Table:
    """RecBole's atomic file: tab-separated, no quoting, a header of `name:type`."""
    table = _read_separated(content, "\t", quote=None)
    names = [name.partition(":")[0] for name in table.frame.columns]
    if len(set(names)) < len(names):
        raise _UnreadableError(f"the header names a column twice ({', '.join(names)}); rename one")
    return _Table(table.frame.rename(dict(zip(table.frame.columns, names, strict=True))), table.first_line)


def _read_csv(content: bytes) -> _Table:
    return _read_separated(content, ",")


def _read_tsv(content: bytes) -> _Table:
    return _read_separated(content, "\t")


def _read_parquet(content: bytes) -> _Table:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except _POLARS_ERRORS as error:
        raise _UnreadableError(f"not a whole parquet file ({_one_line(error)}); write or fetch it again") from error
    return _Table(frame, first_line=1, unit="row")


def _read_lines(content: bytes) -> _Table:
    """`user item item ...`: a line for each user, oldest item first. `user item`, a line for each row, reads too."""
    try:
        text = pl.read_lines(io.BytesIO(content)).to_series()
    except _POLARS_ERRORS as error:
        raise _UnreadableError(_explain(content, None, None) or f"damaged ({_one_line(error)})") from error
    lines = pl.DataFrame({"words": text.str.extract_all(r"\S+")}).with_row_index("line", offset=1)
    lines = lines.filter(pl.col("words").list.len() > 0).with_columns(
        user=pl.col("words").list.first(), item=pl.col("words").list.slice(1)
    )
    # Sessions without a user id look the same, save that what would be the user comes again and again.
    if lines["item"].list.len().max() != 1:
        again = lines.filter(pl.col("user").is_duplicated())
        if len(again) > 0:
            first, second = again.filter(pl.col("user") == again["user"][0])["line"].head(2)
            raise _UnreadableError(
                f"line {second} starts with the same user as line {first} ({_quoted(again['user'][0])}); start each"
                f" line with its own user id, or, if these are sessions without users, put the line's number in front"
            )
    frame = lines.filter(pl.col("item").list.len() > 0).select("user", "item").explode("item")
    return _Table(frame, first_line=1)


FORMATS: Mapping[str, _Format] = {
    ".inter": _Format("RecBole .inter", _read_inter),
    ".csv": _Format("CSV", _read_csv),
    ".tsv": _Format("TSV", _read_tsv),
    ".parquet": _Format("parquet", _read_parquet),
    ".txt": _Format("`user item item ...` lines", _read_lines),
}
"""Suffix -> format. A new format is one function from bytes to a table and one line here."""


def _choose_columns(table: _Table, columns: Columns) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows under the names user, item, time, and the table's own name for each role it fills."""
    used: dict[str, str] = {}
    for role in (field.name for field in fields(columns)):
        name = _find_column(table.frame.columns, role, getattr(columns, role))
        if name is not None:
            used[role] = name
    rows = table.frame.select(**{role: pl.col(name) for role, name in used.items()})
    rows = rows.with_row_index("_row", offset=table.first_line)
    if table.unit == "line":
        # polars reads a blank line as a row of nulls.
        rows = rows.filter(~pl.all_horizontal(cs.exclude("_row").is_null()))
    if rows.is_empty():
        raise _UnreadableError("has no rows; give a log with at least one interaction")
    for role in ("user", "item"):
        rows = _as_ids(rows, role, used[role], table.unit)
    if "time" in used:
        rows = _as_numbers(rows, used["time"], table.unit)
    return rows.drop("_row"), used


def _find_column(names: list[str], role: str, given: str | None) -> str | None:
    if given is not None:
        # A `.inter` column may be given with its type, as the header shows it.
        matches = [name for name in names if name in (given, given.partition(":")[0])]
    else:
        ranks = {guess: rank for rank, guess in enumerate(GUESSES[role])}
        matches = sorted((n for n in names if n.strip().lower() in ranks), key=lambda n: ranks[n.strip().lower()])
    if matches:
        return matches[0]
    found = f"its columns are {', '.join(_quoted(name) for name in names)}"
    if given is not None:
        raise _UnreadableError(f"has no column {_quoted(given)}; {found}")
    if role == "time":
        return None
    raise _UnreadableError(f"no column looks like the {role} id; {found}; name it, or rename it to {role}_id")


def _as_ids(rows: pl.DataFrame, role: str, name: str, unit: str) -> pl.DataFrame:
    try:
        rows = rows.with_columns(pl.col(role).cast(pl.String))
    except pl.exceptions.PolarsError as error:
        found = f"column {_quoted(name)} holds {rows.schema[role]}, not ids"
        raise _UnreadableError(f"{found}; cast it to text or whole numbers") from error
    bad = rows.filter(pl.col(role).is_null() | (pl.col(role) == ""))
    if not bad.is_empty():
        raise _UnreadableError(
            f"{unit} {bad['_row'][0]} has no value in column {_quoted(name)}; fill it in or remove the row"
        )
    return rows


def _as_numbers(rows: pl.DataFrame, name: str, unit: str) -> pl.DataFrame:
    """Times as Int64 where all of them are whole numbers, else as Float64: never a rounding that makes a tie."""
    raw = rows["time"]
    if raw.dtype.is_temporal():
        raw = raw.to_physical()
    whole = raw.cast(pl.Int64, strict=False) if not raw.dtype.is_float() else None
    if whole is not None and not whole.has_nulls():
        return rows.with_columns(time=whole)
    decimal = raw.cast(pl.Float64, strict=False)
    bad = rows.filter(~decimal.is_finite().fill_null(value=False))
    if not bad.is_empty():
        value = bad["time"][0]
        what = "no value" if value is None else _quoted(str(value)) + ", which is not a number,"
        raise _UnreadableError(
            f"{unit} {bad['_row'][0]} has {what} in column {_quoted(name)}; times must be numbers such as epoch seconds"
        )
    return rows.with_columns(time=decimal)


def _explain(content: bytes, separator: str | None, quote: str | None) -> str:
    """Find the line polars stumbled over, which its message does not name; empty if there is none to be found."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if content.startswith(b"\x28\xb5\x2f\xfd"):  # still zstd: nothing more to be seen from here
            return ""
        line = content.count(b"\n", 0, error.start) + 1
        return f"line {line} is not UTF-8 text; save the file as UTF-8"
    if separator is None:
        return ""
    expected = None
    for number, line in enumerate(text.split("\n"), start=1):
        if quote is not None and quote in line:
            continue
        found = line.count(separator) + 1
        if expected is None:
            expected = found
        elif found > expected:
            return f"line {number} has {found} fields and the header {expected}; quote or remove the extra separator"
    return ""


def _one_line(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:120]


def _quoted(value: str) -> str:
    """A value of the log, fit for a one-line message: control characters escaped, long ones cut."""
    return repr(value if len(value) <= 40 else value[:37] + "...")
