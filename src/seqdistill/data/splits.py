"""Splits: which rows train, and which single item of a user is to be ranked in validation and in test.

Every split has one shape. A user's rows lie in order of time; the first of them, up to `training_ends`, train. A
held-out target is one row of a user, ranked after all of the user's rows before it, whichever part they belong to: they
are known by then. No target, and no row after a target's part began, is ever trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seqdistill.data.blocks import Ints, Times, user_blocks

SplitName = Literal["leave-one-out", "time", "user"]

MIN_SPLIT_LENGTH = 3
"""Leave-one-out: a user needs one interaction each for training, validation and test."""


@dataclass(frozen=True, eq=False)
class Split:
    """What trains and what is held out.

    Attributes:
        name: how it was made.
        training_ends: int64 [num_users]; user u trains on `items[offsets[u]:training_ends[u]]`.
        validation: int64 [validation users], ascending: where in `items` the targets of the validation stand.
        test: the same for the test.
        details: how it was made in figures, as JSON values: cuts, and what was counted and left out.
    """

    name: SplitName
    training_ends: Ints
    validation: Ints
    test: Ints
    details: Mapping[str, Any]


def leave_one_out(offsets: Ints) -> Split:
    """Each user's last row is the test target and the second last the validation's; shorter users only train.

    Args:
        offsets: int64 [num_users + 1], as in `Dataset`.
    """
    ends = offsets[1:]
    long = np.diff(offsets) >= MIN_SPLIT_LENGTH
    details = {"users_too_short": int((~long).sum())}
    return Split("leave-one-out", ends - np.where(long, 2, 0), ends[long] - 2, ends[long] - 1, details)


TRAINS, VALIDATES, TESTS = 0, 1, 2
Roles = npt.NDArray[np.int8]


def draw_users(num_users: int, *, validation_share: float, test_share: float, seed: int) -> Roles:
    """int8 [num_users]: `TRAINS`, `VALIDATES` or `TESTS`; at least one user of either held-out kind."""
    counts = [max(1, round(share * num_users)) for share in (validation_share, test_share)]
    order = np.random.default_rng(seed).permutation(num_users)
    roles = np.full(num_users, TRAINS, dtype=np.int8)
    roles[order[: counts[0]]] = VALIDATES
    roles[order[counts[0] : sum(counts)]] = TESTS
    return roles


def by_user(offsets: Ints, roles: Roles) -> Split:
    """Some users train with all their rows; of others only the last row is asked for, and none of them trains.

    Args:
        offsets: int64 [num_users + 1].
        roles: of the users, see `draw_users`.
    """
    asked = np.diff(offsets) >= 2  # a target needs a row before it
    trains = roles == TRAINS
    details = {"training_users": int(trains.sum()), "held_out_users_without_history": int((~trains & ~asked).sum())}
    last = offsets[1:] - 1
    ends = np.where(trains, offsets[1:], offsets[:-1])
    return Split("user", ends, last[(roles == VALIDATES) & asked], last[(roles == TESTS) & asked], details)


def by_time(offsets: Ints, times: Times, *, validation_from: float, test_from: float) -> Split:
    """All before one moment trains; the next item of a user after it, and after a second one, is what is asked for.

    Args:
        offsets: int64 [num_users + 1].
        times: [interactions], ascending within a user.
        validation_from: rows of earlier times train; the first row of a user from here to `test_from` is a target.
        test_from: the first row of a user from here on is a target.

    A first row ever has no history to be ranked after: users who begin in a part are not asked in it, but counted.
    """
    training_ends, tests_from = (first_rows_from(offsets, times, cut) for cut in (validation_from, test_from))
    begins, ends = offsets[:-1], offsets[1:]

    def targets(first: Ints, stop: Ints) -> tuple[Ints, int]:
        there = first < stop
        known = there & (first > begins)
        return first[known], int((there & ~known).sum())

    validation, new_in_validation = targets(training_ends, tests_from)
    test, new_in_test = targets(tests_from, ends)
    details = {
        "users_unseen_in_training": int((training_ends == begins).sum()),
        "users_beginning_in_validation": new_in_validation,
        "users_beginning_in_test": new_in_test,
    }
    return Split("time", training_ends, validation, test, details)


def first_rows_from(offsets: Ints, times: Times, moment: float) -> Ints:
    """int64 [num_users]: where each user's first row at or after a moment stands; the user's end if there is none."""
    first = np.empty(len(offsets) - 1, dtype=np.int64)
    for users, rows in user_blocks(offsets):
        before = np.concatenate([[0], np.cumsum(times[rows] < moment)])
        begins = offsets[users.start : users.stop + 1] - rows.start
        first[users] = offsets[users] + np.diff(before[begins])
    return first
