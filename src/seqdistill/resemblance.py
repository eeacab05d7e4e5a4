"""Whether sequences resemble somebody's history: whose history holds most of their items, and what they copy of it.

Two figures say so. The *share* of a sequence in a history is how many of its distinct items occur there at all, in any
order; the nearest user is the one with the largest. A *run* is a stretch of the sequence that stands in a history item
by item; the longest is looked for among all users. Both are exact, and the log passes through in blocks of whole users.
"""

from dataclasses import dataclass

import numpy as np

from seqdistill.data.blocks import Bools, Floats, Ints, owners, user_blocks
from seqdistill.data.dataset import Dataset

MAX_COUNTS = 1 << 22
"""Shared items counted at once, one count for each pair of user and sequence."""

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Resemblance:
    """What n sequences have in common with the histories of a log; users and positions count from 0.

    Attributes:
        distinct: int64 [n], distinct items of each sequence.
        shared: int64 [n], how many of them the nearest user's history holds.
        nearest: int64 [n], the first user with so many; `NOBODY` where no history holds any.
        run: int64 [n], items of the longest run.
        run_user: int64 [n], the first user with it; `NOBODY` where no two items in a row are in any history.
        run_start: int64 [n], where it begins in the sequence.
    """

    distinct: Ints
    shared: Ints
    nearest: Ints
    run: Ints
    run_user: Ints
    run_start: Ints

    @property
    def share(self) -> Floats:
        """float64 [n], share of a sequence's distinct items in the nearest user's history."""
        return self.shared / np.maximum(self.distinct, 1)


def resemblance(sequences: Ints, dataset: Dataset, besides: Ints | None = None) -> Resemblance:
    """Compare sequences with all histories of a log, held-out items included.

    Args:
        sequences: int64 [n, length], items in the log's numbering, padded with 0 on the right. A number above
            `dataset.num_items` stands for an item the log does not have.
        dataset: the log.
        besides: int64 [n], a user who is not compared with each sequence, such as the one it comes from.
    """
    count = len(sequences)
    besides = np.full(count, NOBODY) if besides is None else besides
    occurrences = _Index.of_items(sequences, dataset.num_items)
    pairs = _Index.of_pairs(sequences, dataset.num_items)
    distinct = np.bincount(occurrences.sequence, minlength=count)
    found = Resemblance(distinct, *(np.full(count, start) for start in (0, NOBODY, 0, NOBODY, 0)))
    for users, rows in user_blocks(dataset.offsets, max(1, MAX_COUNTS // max(count, 1))):
        block = _Block(
            np.asarray(dataset.items[rows]), owners(dataset.offsets, users), int(users.start), int(users.stop)
        )
        _compare_items(block, occurrences, besides, found)
        _compare_runs(block, pairs, sequences, besides, found)
    found.run[(found.run == 0) & (found.shared > 0)] = 1
    return found


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows of the users begin..end - 1, and the user of each row."""

    items: Ints
    users: Ints
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class _Index:
    """Where keys occur in sequences: key `keys[i]` at the entries `starts[i]:starts[i + 1]` of the other two."""

    keys: Ints
    starts: Ints
    sequence: Ints
    position: Ints
    base: int

    @classmethod
    def of_items(cls, sequences: Ints, num_items: int) -> "_Index":
        """The first occurrence of each item in each sequence."""
        sequence, position = np.nonzero(sequences)
        base = num_items + 2
        _, first = np.unique(sequence * base + sequences[sequence, position], return_index=True)
        sequence, position = sequence[first], position[first]
        return cls._of(sequences[sequence, position], sequence, position, base)

    @classmethod
    def of_pairs(cls, sequences: Ints, num_items: int) -> "_Index":
        """All occurrences of two items in a row."""
        sequence, position = np.nonzero(sequences[:, 1:])
        base = num_items + 2
        keys = sequences[sequence, position] * base + sequences[sequence, position + 1]
        return cls._of(keys, sequence, position, base)

    @classmethod
    def _of(cls, keys: Ints, sequence: Ints, position: Ints, base: int) -> "_Index":
        order = np.argsort(keys, kind="stable")
        distinct, counts = np.unique(keys, return_counts=True)
        return cls(distinct, np.concatenate([[0], np.cumsum(counts)]), sequence[order], position[order], base)

    def look_up(self, keys: Ints) -> tuple[Ints, Ints]:
        """All matches: places in `keys`, and entries of the index."""
        if not len(self.keys):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        places = np.flatnonzero(self.keys[at] == keys)
        at = at[places]
        counts = self.starts[at + 1] - self.starts[at]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(places, counts), np.repeat(self.starts[at], counts) + within


def _compare_items(block: _Block, index: _Index, besides: Ints, found: Resemblance) -> None:
    """Count the distinct items that each user of the block shares with each sequence."""
    rows, _ = index.look_up(block.items)
    # A row is there once for each sequence that has its item, and a user may have met an item before.
    keys = np.unique((block.users[rows] - block.begin) * index.base + block.items[rows])
    places, entries = index.look_up(keys % index.base)
    num_users, count = block.end - block.begin, len(besides)
    cells = keys[places] // index.base * count + index.sequence[entries]
    counts = np.bincount(cells, minlength=num_users * count).reshape(num_users, count)
    here = np.flatnonzero((besides >= block.begin) & (besides < block.end))
    counts[besides[here] - block.begin, here] = 0
    best = counts.argmax(0)
    shared = counts[best, np.arange(count)]
    better = shared > found.shared
    found.shared[better] = shared[better]
    found.nearest[better] = block.begin + best[better]


def _compare_runs(block: _Block, index: _Index, sequences: Ints, besides: Ints, found: Resemblance) -> None:
    """Start from all pairs in common and lengthen what still agrees, an item at a time."""
    items, users = block.items, block.users
    rows, entries = index.look_up(items[:-1] * index.base + items[1:])
    sequence, position = index.sequence[entries], index.position[entries]
    alive = (users[rows] == users[rows + 1]) & (users[rows] != besides[sequence])
    for length in range(2, sequences.shape[1] + 1):
        rows, sequence, position = rows[alive], sequence[alive], position[alive]
        if not len(rows):
            return
        longer = length > found.run[sequence]
        which, first = np.unique(sequence[longer], return_index=True)
        found.run[which] = length
        found.run_user[which] = users[rows[longer][first]]
        found.run_start[which] = position[longer][first]
        alive = _still_agree(items, users, sequences, rows + length, sequence, position + length)


def _still_agree(items: Ints, users: Ints, sequences: Ints, rows: Ints, sequence: Ints, position: Ints) -> Bools:
    inside = (rows < len(items)) & (position < sequences.shape[1])
    row, place = np.where(inside, rows, 0), np.where(inside, position, 0)
    same_user = users[row] == users[np.maximum(rows - 1, 0)]
    return inside & same_user & (items[row] == sequences[sequence, place])
