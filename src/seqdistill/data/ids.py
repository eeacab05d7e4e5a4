"""Ids: strings to the user, numbers inside.

While a log is read, each new id gets the next free code. When all of it has been read, the ids are put in order, whole
numbers by value and all else as text, and a code's place in that order becomes its number: so the numbering depends on
what the log holds and not on the order of its rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from seqdistill.data.spill import Column

Codes = npt.NDArray[np.uint32]

BYTES_PER_ID = 120
"""Memory an interned id takes on top of its text, with what putting it in order needs."""


class IdTable(Protocol):
    """The distinct ids of a log in order."""

    def __len__(self) -> int: ...

    def places(self, codes: Codes) -> Codes:
        """Where in the order the ids stand that these codes mean."""
        ...

    def texts(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """The ids at these places, as String."""
        ...

    def values(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """The ids at these places in the narrowest type that loses nothing of any id of the log."""
        ...


class IdCoder(Protocol):
    """Gives ids their codes."""

    @property
    def num_bytes(self) -> int:
        """About how much memory the ids so far take."""
        ...

    def add(self, ids: pl.Series) -> None:
        """The ids of more rows, without nulls."""
        ...

    def finish(self) -> tuple[Column, IdTable]:
        """The codes of all rows, uint32, and what they mean."""
        ...


@dataclass(frozen=True, eq=False)
class InternedIds:
    """An `IdTable` in memory.

    Attributes:
        ids: String, distinct, ascending.
        ranks: uint32 [number of ids]; code c stands for `ids[ranks[c]]`.
    """

    ids: pl.Series
    ranks: Codes

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, codes: Codes) -> Codes:
        """See `IdTable.places`."""
        return self.ranks[codes]

    def texts(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """See `IdTable.texts`."""
        return self.ids.gather(places)

    def values(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """See `IdTable.values`."""
        return self._values.gather(places)

    @cached_property
    def _values(self) -> pl.Series:
        return narrowest(self.ids)


class Interner:
    """An `IdCoder` that remembers every id in memory.

    Args:
        codes: an empty uint32 column.
    """

    def __init__(self, codes: Column) -> None:
        self._codes = codes
        self._type = pl.Categorical(pl.Categories.random())
        # The mapping lives as long as a series of its type does.
        self._alive = pl.Series([], dtype=self._type)
        self._count = 0
        self._text_bytes = 0

    @property
    def num_bytes(self) -> int:
        """See `IdCoder.num_bytes`."""
        return self._count * BYTES_PER_ID + self._text_bytes

    def add(self, ids: pl.Series) -> None:
        """See `IdCoder.add`."""
        codes = ids.cast(self._type).to_physical().cast(pl.UInt32).to_numpy()
        self._codes.append(codes)
        if len(codes) > 0 and int(codes.max()) >= self._count:
            before, self._count = self._count, int(codes.max()) + 1
            self._text_bytes += int(ids.str.len_bytes().sum()) * (self._count - before) // len(ids)

    def finish(self) -> tuple[Column, IdTable]:
        """See `IdCoder.finish`."""
        codes = pl.DataFrame({"code": np.arange(self._count, dtype=np.uint32)})
        ids = codes.select(pl.col("code").cat.to(self._type).cast(pl.String)).to_series()
        whole = as_whole(ids)
        order = (ids if whole is None else whole).arg_sort().to_numpy()
        ranks = np.empty(self._count, dtype=np.uint32)
        ranks[order] = np.arange(self._count, dtype=np.uint32)
        return self._codes, InternedIds(ids.gather(order), ranks)


def as_whole(column: pl.Series) -> pl.Series | None:
    """The column as Int64 if that loses nothing ("007" and "1.0" would lose their spelling), else None."""
    whole = column.cast(pl.Int64, strict=False)
    if whole.has_nulls() or not (whole.cast(column.dtype) == column).all():
        return None
    return whole


def narrowest(column: pl.Series) -> pl.Series:
    """The column in the smallest integer type that holds it exactly; as it is where none does."""
    whole = as_whole(column)
    return column if whole is None else whole.shrink_dtype()
