"""Whole users at a time: how arrays that may be longer than memory are walked through."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Times = Ints | Floats
Bools = npt.NDArray[np.bool_]

BLOCK_ROWS = 1 << 22
"""Rows looked at together."""


def user_blocks(offsets: Ints, rows: int = BLOCK_ROWS) -> Iterator[tuple[slice, slice]]:
    """Consecutive users who own at most `rows` rows together (or a single one), and their rows.

    Args:
        offsets: int64 [num_users + 1]; user u owns the rows `offsets[u]:offsets[u + 1]`.
        rows: bound of a block.
    """
    begin, last = 0, len(offsets) - 1
    while begin < last:
        end = int(np.searchsorted(offsets, int(offsets[begin]) + rows, side="right")) - 1
        end = min(max(end, begin + 1), last)
        yield slice(begin, end), slice(int(offsets[begin]), int(offsets[end]))
        begin = end


def owners(offsets: Ints, users: slice) -> Ints:
    """int64 [rows of these users]: the user of each row."""
    begin, end = int(users.start), int(users.stop)
    return np.repeat(np.arange(begin, end), np.diff(offsets[begin : end + 1]))
