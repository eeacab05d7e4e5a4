"""The table at the end of a distillation is the same from any number of processes, stopped on the way or not."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from seqdistill.api import Run
from seqdistill.config import Config
from seqdistill.data import Dataset
from seqdistill.distillation.loop import Distilled
from seqdistill.evaluation.short import only_schedules, short_evaluation
from seqdistill.resuming import KeepNothing, Snapshot
from seqdistill.summary import Factors

Planted = tuple[Dataset, np.ndarray]
Rows = list[dict[str, Any]]


@contextmanager
def threads(count: int) -> Generator[None]:
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(1)


class StoppedError(Exception):
    """Somebody asked the work to stop."""


class StopsAfter(KeepNothing):
    """Asks to stop when so many rows of sequences are done, and has what was kept by then."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.state: Snapshot | None = None

    def kept(self) -> Snapshot | None:
        return self.state

    def offer(self, state: Callable[[], Snapshot]) -> None:
        self.state = state()
        if len(self.state.values) - ("full data" in self.state.values) >= self.rows:
            raise StoppedError


@pytest.fixture(scope="module")
def distilled(planted_run: tuple[Run, str]) -> Distilled:
    summary = planted_run[0].summary
    user, time, core = summary.factors
    start = replace(summary, factors=Factors(user, time, 0.5 * core))
    return Distilled(summary, start, 0, {}, 0.0)


@pytest.fixture(scope="module")
def alone(planted: Planted, small_config: Config, distilled: Distilled) -> Rows:
    """The rows as one process makes them on one thread."""
    return untimed(short_evaluation(planted[0], small_config, distilled).rows)


def untimed(rows: Rows) -> Rows:
    return [{name: value for name, value in row.items() if name != "seconds_train"} for row in rows]


def test_two_processes_make_the_rows_that_one_makes(
    planted: Planted, small_config: Config, distilled: Distilled, alone: Rows
) -> None:
    with threads(2):
        table = short_evaluation(planted[0], small_config, distilled)
        assert torch.get_num_threads() == 2
    assert untimed(table.rows) == alone
    assert [row["name"] for row in alone][:3] == ["full data", "item factor only", "random sequences"]
    assert len({(row["name"], row["regime"]) for row in alone}) == 7
    assert set(table.schedules) == {"shared", "fresh"}


@pytest.mark.parametrize("rows", [1, 5])
def test_what_was_done_when_they_were_stopped_is_not_done_again(
    planted: Planted, small_config: Config, distilled: Distilled, alone: Rows, rows: int
) -> None:
    keeper = StopsAfter(rows)
    with threads(2):
        with pytest.raises(StoppedError):
            short_evaluation(planted[0], small_config, distilled, keeper=keeper)
        keeper.rows = 100
        before = dict(keeper.state.values) if keeper.state else {}
        table = short_evaluation(planted[0], small_config, distilled, keeper=keeper)
    assert untimed(table.rows) == alone
    took = {(row["name"], row["regime"]): row["seconds_train"] for row in table.rows}
    kept = [part["row"] for part in before.values()]
    assert len(kept) == rows + 1
    assert all(took[row["name"], row["regime"]] == row["seconds_train"] for row in kept)


def test_schedules_alone_are_those_of_the_table(
    planted: Planted, small_config: Config, distilled: Distilled, alone: Rows
) -> None:
    found = only_schedules(planted[0], small_config, distilled)
    assert found.rows == []
    for row in alone:
        if row["name"] == "distilled":
            chosen = found.schedules[row["regime"]]
            assert row["schedule"] == asdict(chosen)
