"""Filters of a log in order. Each says what it removed, in rows, users and items.

A filter narrows `keep`, one bool a row; nothing is moved until all have run.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqdistill.config import DataConfig
from seqdistill.data.blocks import BLOCK_ROWS, Bools, Ints, owners, user_blocks
from seqdistill.data.ordering import OrderedLog
from seqdistill.data.times import Clock
from seqdistill.errors import SeqDistillError


@dataclass(frozen=True, eq=False)
class Counts:
    """Kept rows of each user and each item: int64 [users] and int64 [items]."""

    users: Ints
    items: Ints

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of rows, of users with any and of items with any."""
        return int(self.users.sum()), int(np.count_nonzero(self.users)), int(np.count_nonzero(self.items))


@dataclass(frozen=True)
class Applied:
    """What a filter did.

    Attributes:
        name: the settings that ask for it.
        rows: removed.
        users: left without a row.
        items: left without a row.
        left: rows, users and items left.
    """

    name: str
    rows: int
    users: int
    items: int
    left: tuple[int, int, int]

    @property
    def note(self) -> str:
        """One line."""
        before = (self.left[0] + self.rows, self.left[1] + self.users, self.left[2] + self.items)
        removed = zip((self.rows, self.users, self.items), before, ("rows", "users", "items"), strict=True)
        return f"{self.name}: {', '.join(f'{gone:,} of {all_:,} {what}' for gone, all_, what in removed)} removed"


Narrow = Callable[[OrderedLog, Bools], None]


def count(log: OrderedLog, keep: Bools) -> Counts:
    """Kept rows of each user and item."""
    users = np.zeros(log.num_users, dtype=np.int64)
    items = np.zeros(log.num_items, dtype=np.int64)
    for block, rows in user_blocks(log.offsets):
        kept = keep[rows]
        users[block] = np.bincount(owners(log.offsets, block)[kept] - block.start, minlength=block.stop - block.start)
        items += np.bincount(log.items.read(rows.start, rows.stop)[kept], minlength=log.num_items)
    return Counts(users, items)


def apply_filters(log: OrderedLog, keep: Bools, config: DataConfig, clock: Clock) -> list[Applied]:
    """Run the filters that the settings ask for, in the order: rating, time, repeats, counts, length.

    Args:
        log: the log.
        keep: bool [rows], narrowed in place.
        config: which filters.
        clock: what the log's times mean.

    Returns:
        What each did, those that removed nothing included.
    """
    applied: list[Applied] = []
    before = count(log, keep).sizes
    for name, narrow in _wanted(config, clock, has_times=log.times is not None):
        narrow(log, keep)
        left = count(log, keep).sizes
        gone = [had - has for had, has in zip(before, left, strict=True)]
        applied.append(Applied(name, gone[0], gone[1], gone[2], left))
        before = left
    return applied


def _wanted(config: DataConfig, clock: Clock, *, has_times: bool) -> list[tuple[str, Narrow]]:
    filters: list[tuple[str, Narrow]] = []
    if config.min_rating is not None:
        filters.append((f"ratings below {config.min_rating:g}", _unwanted))
    for setting, name, later in (("time_from", "before", True), ("time_until", "at or after", False)):
        moment: str | float | None = getattr(config, setting)
        if moment is not None:
            if not has_times:
                raise SeqDistillError(f"data.{setting} = {moment}: the log has no times; leave the setting out")
            number = clock.number(moment, f"data.{setting}")
            filters.append((f"times {name} {moment}", _outside(number, later=later)))
    if config.drop_repeats:
        filters.append(("consecutive repeats of an item", _repeats))
    users, items = config.min_counts
    if users > 1 or items > 1:
        least = f"{users} rows" if users == items else f"{users} and {items} rows"
        how = {"together": "in one pass", "items-first": "items first", "core": "until none is left"}[config.filter]
        filters.append((f"users and items with fewer than {least}, {how}", _rare(users, items, config.filter)))
    if config.min_length > 1:
        filters.append((f"users with fewer than {config.min_length} rows left", _short(config.min_length)))
    return filters


def _unwanted(log: OrderedLog, keep: Bools) -> None:
    assert log.wanted is not None
    for begin, wanted in log.wanted.blocks(BLOCK_ROWS):
        keep[begin : begin + len(wanted)] &= wanted


def _outside(moment: float, *, later: bool) -> Narrow:
    def narrow(log: OrderedLog, keep: Bools) -> None:
        assert log.times is not None
        for begin, times in log.times.blocks(BLOCK_ROWS):
            keep[begin : begin + len(times)] &= times >= moment if later else times < moment

    return narrow


def _repeats(log: OrderedLog, keep: Bools) -> None:
    """Of kept rows of one user and one item in a row, the first stays."""
    for block, rows in user_blocks(log.offsets):
        kept = np.flatnonzero(keep[rows])
        users, items = owners(log.offsets, block)[kept], log.items.read(rows.start, rows.stop)[kept]
        again = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
        keep[rows.start + kept[1:][again]] = False


def _rare(min_users: int, min_items: int, how: str) -> Narrow:
    def drop(log: OrderedLog, keep: Bools, *, users: bool, items: bool) -> bool:
        """Drop the rare users, items or both by one count; whether there were any."""
        counts = count(log, keep)
        rare_users = users and (counts.users > 0) & (counts.users < min_users)
        rare_items = items and (counts.items > 0) & (counts.items < min_items)
        if not (np.any(rare_users) or np.any(rare_items)):
            return False
        _drop(
            log,
            keep,
            users=counts.users >= min_users if users else None,
            items=counts.items >= min_items if items else None,
        )
        return True

    def narrow(log: OrderedLog, keep: Bools) -> None:
        if how == "together":
            drop(log, keep, users=True, items=True)
        elif how == "items-first":
            drop(log, keep, users=False, items=True)
            drop(log, keep, users=True, items=False)
        else:
            while drop(log, keep, users=True, items=True):
                pass

    return narrow


def _short(least: int) -> Narrow:
    def narrow(log: OrderedLog, keep: Bools) -> None:
        _drop(log, keep, users=count(log, keep).users >= least, items=None)

    return narrow


def _drop(log: OrderedLog, keep: Bools, *, users: Bools | None, items: Bools | None) -> None:
    """Keep the rows of these users and these items only."""
    for block, rows in user_blocks(log.offsets):
        if users is not None:
            keep[rows] &= users[owners(log.offsets, block)]
        if items is not None:
            keep[rows] &= items[log.items.read(rows.start, rows.stop)]


def drop_items(log: OrderedLog, keep: Bools, items: Bools) -> None:
    """Keep the rows of these items only: bool [items]."""
    _drop(log, keep, users=None, items=items)
