"""Making a split before a log is written: moments cut, users drawn, items unseen in training dropped."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqdistill.config import DataConfig
from seqdistill.data.blocks import BLOCK_ROWS, Bools, Ints, Times, user_blocks
from seqdistill.data.filters import count, drop_items
from seqdistill.data.ordering import OrderedLog
from seqdistill.data.spill import Column
from seqdistill.data.splits import TRAINS, Roles, Split, by_time, by_user, draw_users, leave_one_out
from seqdistill.data.times import Clock
from seqdistill.errors import SeqDistillError

HISTOGRAM_BINS = 1 << 16
"""A cut by share falls on a bound between so many equal parts of the time the log spans."""


@dataclass(frozen=True, eq=False)
class Holdout:
    """How a log will be split.

    Attributes:
        cuts: moments from which rows are validation and test, of a split by time.
        roles: of the log's users, of a split by user.
        details: what was counted on the way.
    """

    cuts: tuple[float, float] | None
    roles: Roles | None
    details: Mapping[str, Any]

    def split(self, offsets: Ints, times: Times | None, users: Ints) -> Split:
        """The split of what was kept.

        Args:
            offsets: of the kept users.
            times: of the kept rows.
            users: the kept users' numbers in the log.
        """
        if self.cuts is not None and times is not None:
            made = by_time(offsets, times, validation_from=self.cuts[0], test_from=self.cuts[1])
        elif self.roles is not None:
            made = by_user(offsets, self.roles[users])
        else:
            made = leave_one_out(offsets)
        return Split(made.name, made.training_ends, made.validation, made.test, {**made.details, **self.details})


def plan_holdout(log: OrderedLog, keep: Bools, config: DataConfig, clock: Clock) -> Holdout:
    """Decide what trains, and drop the held-out rows of items that training never sees: no model can rank them.

    Leave-one-out drops none: there a new item stays in the catalogue, as in the literature.

    Args:
        log: the log.
        keep: bool [rows]; narrowed in place.
        config: which split.
        clock: what the log's times mean.

    Raises:
        SeqDistillError: a split by time of a log without times, or cuts that leave nothing to train on.
    """
    if config.split == "leave-one-out":
        return Holdout(None, None, {})
    if config.split == "time":
        cuts, roles = _cuts(log, keep, config, clock), None
        trains = _before(log, keep, cuts[0])
        named = {"validation_from": clock.text(cuts[0]), "test_from": clock.text(cuts[1])}
    else:
        cuts, named = None, dict[str, str]()
        roles = _roles(log, keep, config)
        trains = _of_training_users(log, keep, roles)
    if not trains.any():
        where = f" before {named['validation_from']}" if named else ""
        raise SeqDistillError(
            f"no row is left to train on{where}; choose other cuts with data.validation_from or shares"
        )
    before = count(log, keep).sizes
    drop_items(log, keep, count(log, trains).items > 0)
    left = count(log, keep).sizes
    unseen = {
        "items_unseen_in_training": before[2] - left[2],
        "dropped_rows_of_unseen_items": before[0] - left[0],
    }
    return Holdout(cuts, roles, {**unseen, **named})


def _roles(log: OrderedLog, keep: Bools, config: DataConfig) -> Roles:
    kept = count(log, keep).users > 0
    roles = np.full(log.num_users, TRAINS, dtype=np.int8)
    roles[kept] = draw_users(
        int(kept.sum()),
        validation_share=config.validation_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    return roles


def _of_training_users(log: OrderedLog, keep: Bools, roles: Roles) -> Bools:
    trains = keep.copy()
    for users, rows in user_blocks(log.offsets):
        lengths = np.diff(log.offsets[users.start : users.stop + 1])
        trains[rows] &= np.repeat(roles[users] == TRAINS, lengths)
    return trains


def _before(log: OrderedLog, keep: Bools, moment: float) -> Bools:
    assert log.times is not None
    trains = keep.copy()
    for begin, times in log.times.blocks(BLOCK_ROWS):
        trains[begin : begin + len(times)] &= times < moment
    return trains


def _cuts(log: OrderedLog, keep: Bools, config: DataConfig, clock: Clock) -> tuple[float, float]:
    if log.times is None:
        raise SeqDistillError("data.split = time, and the log has no times; choose leave-one-out or user")
    if config.validation_from is not None and config.test_from is not None:
        first = clock.number(config.validation_from, "data.validation_from")
        second = clock.number(config.test_from, "data.test_from")
    else:
        first, second = _quantiles(log, keep, 1 - config.validation_share - config.test_share, 1 - config.test_share)
    if first >= second:
        raise SeqDistillError(
            f"the validation would begin at {clock.text(first)} and the test at {clock.text(second)}, which is not"
            " later; set data.validation_from and data.test_from to two moments of the log"
        )
    return first, second


def _quantiles(log: OrderedLog, keep: Bools, *shares: float) -> list[float]:
    """Moments before which about these shares of the kept rows lie; found in two passes, without sorting."""
    if log.times is None or not keep.any():
        raise SeqDistillError("data.split = time needs rows with times")
    low, high = np.inf, -np.inf
    for times in _kept_blocks(log.times, keep):
        low, high = min(low, float(times.min())), max(high, float(times.max()))
    span = (low, high if high > low else low + 1)
    counts = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    for times in _kept_blocks(log.times, keep):
        counts += np.histogram(times, HISTOGRAM_BINS, span)[0]
    cumulative = np.cumsum(counts) / counts.sum()
    edges = np.linspace(*span, HISTOGRAM_BINS + 1)
    moments = [float(edges[int(np.searchsorted(cumulative, share)) + 1]) for share in shares]
    whole = log.times.dtype.kind == "i"
    return [float(np.ceil(moment)) if whole else moment for moment in moments]


def _kept_blocks(times: Column, keep: Bools) -> Iterator[Times]:
    for begin, block in times.blocks(BLOCK_ROWS):
        kept = block[keep[begin : begin + len(block)]]
        if len(kept) > 0:
            yield kept
