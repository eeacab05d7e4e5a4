"""Arrays in files: what may be longer than memory is appended to, and read again a block at a time.

Files are read and never mapped, so that what is in use is what was asked for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Column:
    """A growing one-dimensional array in a file of its own.

    Args:
        path: the file, which must not exist yet.
        dtype: of its values.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self.path = path
        self.dtype = np.dtype(dtype)
        self._length = 0
        path.touch(exist_ok=False)

    def __len__(self) -> int:
        return self._length

    def append(self, values: Array) -> None:
        """Add values at the end, in the column's type."""
        with self.path.open("ab") as file:
            np.ascontiguousarray(values, dtype=self.dtype).tofile(file)
        self._length += len(values)

    def read(self, begin: int = 0, end: int | None = None) -> Array:
        """The values in a range, all by default."""
        stop = self._length if end is None else min(end, self._length)
        return np.fromfile(self.path, self.dtype, max(stop - begin, 0), offset=begin * self.dtype.itemsize)

    def blocks(self, rows: int) -> Iterator[tuple[int, Array]]:
        """The values in blocks of `rows`, each with the place of its first."""
        for begin in range(0, self._length, rows):
            yield begin, self.read(begin, begin + rows)

    def cast(self, dtype: npt.DTypeLike, rows: int) -> "Column":
        """A column of the same values in another type, which takes this one's place."""
        other = Column(self.path.with_suffix(".cast"), dtype)
        for _, block in self.blocks(rows):
            other.append(block.astype(other.dtype))
        other.path = other.path.replace(self.path)
        return other

    def remove(self) -> None:
        """Free the disk."""
        self.path.unlink()
