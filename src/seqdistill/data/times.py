"""Times: whole or decimal numbers in the log's own unit, ISO text, or dates and datetimes with or without a zone.

Inside, times are int64 where all of them are whole and float64 otherwise, never rounded to make a tie. Text and
datetimes become epoch microseconds (or the datetimes' own unit) in UTC, which is also what no zone means.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Literal

import numpy as np
import polars as pl

from seqdistill.errors import SeqDistillError

Unit = Literal["s", "ms", "us", "ns"]
UNITS: Mapping[Unit, tuple[str, int]] = {
    "s": ("seconds", 1),
    "ms": ("milliseconds", 10**3),
    "us": ("microseconds", 10**6),
    "ns": ("nanoseconds", 10**9),
}
"""Unit -> its name, and how many of it make a second."""

_EPOCH_FROM = 10**8
"""Numbers below it (March 1973 in seconds) only count: positions, days, bins."""

_UNIT_BELOW: tuple[tuple[float, Unit], ...] = ((1e11, "s"), (1e14, "ms"), (1e17, "us"), (float("inf"), "ns"))

_NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z")


class TimeReader:
    """Reads the times of a log, block by block.

    The first value decides whether the column holds numbers or dates; one that is of the other kind later on, missing
    or unreadable becomes null.

    Attributes:
        unit: of the values; None before the first block, and where they are no times of day but plain numbers.
    """

    def __init__(self) -> None:
        self.unit: Unit | None = None
        self._kind: Literal["numbers", "text"] | None = None

    def read(self, raw: pl.Series) -> pl.Series:
        """Int64 or Float64 of the same length, null where there is no usable time."""
        if raw.dtype == pl.Date:
            raw = raw.cast(pl.Datetime("us"))
        if isinstance(raw.dtype, pl.Datetime):
            self.unit = raw.dtype.time_unit
            return raw.to_physical().cast(pl.Int64)
        if raw.dtype == pl.String:
            raw = raw.str.strip_chars()
            if self._kind is None:
                self._kind = _kind_of(raw)
            if self._kind == "text":
                self.unit = "us"
                return _read_text(raw)
        numbers = _read_numbers(raw)
        if self._kind is None or self.unit is None:
            self.unit = _guess_unit(numbers)
        self._kind = "numbers"
        return numbers


def _kind_of(raw: pl.Series) -> Literal["numbers", "text"] | None:
    first = raw.drop_nulls().filter(raw.drop_nulls() != "").head(1)
    if first.is_empty():
        return None
    # What is neither counts as a number, and is reported as a bad one.
    return "text" if not _read_text(first).has_nulls() else "numbers"


def _read_numbers(raw: pl.Series) -> pl.Series:
    if not raw.dtype.is_float():
        whole = raw.cast(pl.Int64, strict=False)
        if whole.null_count() == raw.null_count():
            return whole
    decimal = raw.cast(pl.Float64, strict=False)
    return decimal.to_frame("t").select(pl.when(pl.col("t").is_finite()).then("t")).to_series()


def _read_text(raw: pl.Series) -> pl.Series:
    """Epoch microseconds of ISO dates and times; formats are tried until all values are read."""
    text = pl.col("t")
    zoned = text.str.replace(r"\s*(UTC|GMT)$", "Z").str.replace(r"[,](\d+)", ".$1")
    attempts = [
        *(zoned.str.to_datetime(form, time_unit="us", strict=False) for form in _NAIVE),
        text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")),
        *(
            zoned.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
            for form in _ZONED
        ),
    ]
    frame = pl.DataFrame({"t": raw}).with_columns(found=pl.lit(None, pl.Datetime("us")))
    wanted = len(raw) - raw.null_count()
    for attempt in attempts:
        frame = frame.with_columns(found=pl.coalesce("found", attempt))
        if frame["found"].count() == wanted:
            break
    return frame["found"].to_physical()


def _guess_unit(numbers: pl.Series) -> Unit | None:
    middle = numbers.abs().median()
    if not isinstance(middle, int | float) or middle < _EPOCH_FROM:
        return None
    return next(unit for bound, unit in _UNIT_BELOW if middle < bound)


@dataclass(frozen=True)
class Clock:
    """What a number of the log's times means.

    Attributes:
        unit: None where they are plain numbers.
    """

    unit: Unit | None

    @property
    def title(self) -> str:
        """A few words for messages."""
        return "plain numbers" if self.unit is None else f"epoch {UNITS[self.unit][0]}"

    def number(self, moment: str | float, setting: str) -> float:
        """A date or number that the user gave, in the unit of the log.

        Raises:
            SeqDistillError: a date that is none, or a date for a log whose times are plain numbers.
        """
        if not isinstance(moment, str):
            return moment
        try:
            when = datetime.fromisoformat(moment.strip())
        except ValueError:
            if re.fullmatch(r"[-+]?\d+(\.\d+)?", moment.strip()):
                return float(moment)
            raise SeqDistillError(
                f"{setting} = {moment!r} is no date; write it as 2024-01-31, 2024-01-31T12:00 or a number of the log"
            ) from None
        if self.unit is None:
            raise SeqDistillError(f"{setting} = {moment!r}: the log's times are plain numbers; give a number")
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        since = when - datetime(1970, 1, 1, tzinfo=UTC)
        micros = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
        exact = Fraction(micros * UNITS[self.unit][1], 10**6)
        return exact.numerator if exact.denominator == 1 else float(exact)

    def text(self, number: float) -> str:
        """A time of the log for people: a date where it is one."""
        if self.unit is None:
            return f"{number:.15g}"
        try:
            when = datetime.fromtimestamp(number / UNITS[self.unit][1], UTC)
        except (ValueError, OverflowError, OSError):
            return f"{number:.15g}"
        return f"{when:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")


def whole_if_exact(values: np.ndarray) -> bool:
    """Whether float64 times are all whole numbers that a float holds exactly, and so might as well be int64."""
    return bool(np.all((values == np.floor(values)) & (np.abs(values) < 2**53)))
