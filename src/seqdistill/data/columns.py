"""Which columns of a log count, and whether the values in them can be used."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from seqdistill.config import DataConfig
from seqdistill.data.files import UnreadableError, quoted
from seqdistill.data.times import TimeReader

GUESSES: Mapping[str, tuple[str, ...]] = {
    "user": (
        *("user_id", "uid", "user", "userid", "reviewer_id", "reviewerid", "customer_id", "customerid"),
        *("visitor_id", "visitorid", "session_id", "sessionid", "session"),
    ),
    "item": (
        *("item_id", "iid", "parent_asin", "item", "itemid", "asin", "movie_id", "movieid", "product_id", "productid"),
        *("business_id", "article_id", "track_id", "song_id", "venue_id", "location_id", "sku"),
    ),
    "time": (
        *("timestamp", "datetime", "time", "ts", "unix_review_time", "unixreviewtime", "event_time", "created_at"),
        *("date", "eventdate"),
    ),
    "rating": ("rating", "overall", "stars", "score"),
}
"""Column names, in lower case, that are taken for a role when none is given; an earlier name wins over a later one."""

ROLES = tuple(GUESSES)
REQUIRED = ("user", "item")


def choose_columns(names: Sequence[str], config: DataConfig) -> dict[str, str]:
    """The column for each role that a log fills: role -> name as in the log.

    Args:
        names: of the log's columns.
        config: names given for a role win over the guesses; the rating is looked for only where it is needed.

    Raises:
        UnreadableError: a column that was given is not there or there twice, or no column looks like an id.
    """
    used: dict[str, str] = {}
    for role in ROLES:
        given: str | None = getattr(config, role)
        unwanted = (role == "time" and config.order == "file") or (role == "rating" and config.min_rating is None)
        if unwanted and given is None:
            continue
        name = _find(names, role, given)
        if name is None and role == "rating":
            raise UnreadableError(f"has no column that looks like a rating; {_found(names)}; name it with data.rating")
        if name is not None:
            used[role] = name
    return used


def looks_like_header(names: Sequence[str]) -> bool:
    """Whether field values are names that would be guessed to be a user and an item column."""
    lower = {plain(name) for name in names}
    return all(lower & set(GUESSES[role]) for role in REQUIRED)


def plain(name: str) -> str:
    """A column's name for comparison; a `.inter` header adds a type to it."""
    return name.partition(":")[0].strip().lower()


def _find(names: Sequence[str], role: str, given: str | None) -> str | None:
    if given is not None:
        matches = [name for name in names if name in (given, given.partition(":")[0])]
        if not matches:
            near = difflib.get_close_matches(given, names, n=1)
            hint = f"did you mean {quoted(near[0])}? " if near else ""
            raise UnreadableError(f"has no column {quoted(given)}; {hint}{_found(names)}")
    else:
        ranks = {guess: rank for rank, guess in enumerate(GUESSES[role])}
        matches = sorted((n for n in names if plain(n) in ranks), key=lambda n: ranks[plain(n)])
    if matches:
        if names.count(matches[0]) > 1:
            raise UnreadableError(f"the header names column {quoted(matches[0])} twice ({_found(names)}); rename one")
        return matches[0]
    if role not in REQUIRED:
        return None
    if any(_is_number(name) for name in names):
        raise UnreadableError(
            f"the first line is no header ({', '.join(quoted(name) for name in names[:8])}); name the columns in their"
            " order, such as --set data.columns=user,item,rating,time"
        )
    raise UnreadableError(
        f"no column looks like the {role} id; {_found(names)}; name it with --set data.{role}=NAME, or set"
        " data.delimiter if these are several columns"
    )


def _found(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")
    return f"its columns are {shown}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a log as they were read.

    Attributes:
        frame: a column for each role, of whatever type.
        first: how an editor counts the first row.
        where: the file, for messages.
        unit: "line" or "row".
    """

    frame: pl.DataFrame
    first: int
    where: str
    unit: str = "row"


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows that can be used: String ids, Int64 or Float64 times and Float64 ratings, nothing null."""

    users: pl.Series
    items: pl.Series
    times: pl.Series | None
    ratings: pl.Series | None


@dataclass
class Checker:
    """Turns batches into usable rows, and stops at the first that is not, or drops and counts them.

    Attributes:
        names: role -> column, for messages.
        drop: drop instead of stopping.
        dropped: rows dropped so far.
        clock: reads the times.
    """

    names: Mapping[str, str]
    drop: bool = False
    dropped: int = 0
    clock: TimeReader = field(default_factory=TimeReader)

    def check(self, batch: Batch) -> Rows:
        """The usable rows of a batch.

        Raises:
            UnreadableError: naming the first row that cannot be used, and why.
        """
        frame = batch.frame.with_row_index("_row", offset=batch.first)
        if batch.unit == "line":
            # A blank line is read as a row of nulls.
            frame = frame.filter(~pl.all_horizontal(pl.exclude("_row").is_null()))
        for role in REQUIRED:
            frame = self._ids(frame, role, batch)
        for role in ("time", "rating"):
            if role in frame.columns:
                frame = self._numbers(frame, role, batch)
        optional = [frame[role] if role in frame.columns else None for role in ("time", "rating")]
        return Rows(frame["user"], frame["item"], *optional)

    def _ids(self, frame: pl.DataFrame, role: str, batch: Batch) -> pl.DataFrame:
        if frame.schema[role].is_nested() or frame.schema[role] == pl.Object:
            found = f"column {quoted(self.names[role])} holds {frame.schema[role]}, not ids"
            raise UnreadableError(f"{found}; cast it to text or whole numbers")
        if frame.schema[role] == pl.Binary:
            found = f"column {quoted(self.names[role])} holds bytes, not ids"
            raise UnreadableError(f"{found}; cast it to text")
        frame = frame.with_columns(pl.col(role).cast(pl.String))
        bad = frame[role].is_null() | (frame[role] == "")
        return self._without(frame, bad.fill_null(value=True), role, batch, "fill it in")

    def _numbers(self, frame: pl.DataFrame, role: str, batch: Batch) -> pl.DataFrame:
        if role == "time":
            values = self.clock.read(frame[role])
            mend = "times are numbers such as epoch seconds, or dates such as 2024-01-31 12:00:00; mend it"
        else:
            values = frame[role].cast(pl.Float64, strict=False)
            mend = "ratings are numbers; mend it"
        frame = self._without(frame.with_columns(_read=values), values.is_null(), role, batch, mend)
        return frame.with_columns(pl.col("_read").alias(role)).drop("_read")

    def _without(self, frame: pl.DataFrame, bad: pl.Series, role: str, batch: Batch, mend: str) -> pl.DataFrame:
        if not bad.any():
            return frame
        if self.drop:
            self.dropped += int(bad.sum())
            return frame.filter(~bad)
        row = frame.filter(bad).row(0, named=True)
        value = row[role]
        column = quoted(self.names[role])
        what = f"no value in column {column}" if value in (None, "") else f"{quoted(str(value))} in column {column}"
        order = ", or leave the times aside with --set data.order=file" if role == "time" else ""
        raise UnreadableError(
            f"{batch.unit} {row['_row']} has {what}; {mend}, or drop such rows with --set data.bad_rows=drop{order}"
        )
