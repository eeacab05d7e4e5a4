"""Processes that do tasks, or this process where one is enough.

Each works on one thread, opens what it needs itself, and ends with its parent. Results are the same for any number of
them.
"""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, cast

import torch

from seqdistill import memory
from seqdistill.config import Config
from seqdistill.data.dataset import Dataset
from seqdistill.data.prepared import PreparedDataset, open_prepared
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.lab import Lab, Outcome, Task
from seqdistill.evaluation.sources import Sources
from seqdistill.models import TrainedModel
from seqdistill.summary import Summary

MIB = 1 << 20


@dataclass(frozen=True, eq=False)
class Opening:
    """What a process needs to set up a lab.

    Attributes:
        dataset: the log, or its prepared folder, which each process maps for itself.
        config: all settings.
        summary: folder.
        teacher: folder of a model.
        paper: folder of a summary, if there is one.
        device: name.
        allow_code: the class of the user's own that the teacher may import.
    """

    dataset: Dataset | Path
    config: Config
    summary: Path
    teacher: Path
    paper: Path | None
    device: str
    allow_code: str | None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        config: Config,
        *,
        summary: Path,
        teacher: Path,
        paper: Path | None,
        device: torch.device,
        allow_code: str | None = None,
    ) -> "Opening":
        """With the folder of a prepared dataset in its place."""
        sent = dataset.folder if isinstance(dataset, PreparedDataset) else dataset
        return cls(sent, config, summary, teacher, paper, str(device), allow_code)

    def lab(self) -> Lab:
        """Open everything."""
        dataset = open_prepared(self.dataset) if isinstance(self.dataset, Path) else self.dataset
        paper = Summary.load(self.paper) if self.paper else None
        device = torch.device(self.device)
        teacher = TrainedModel.load(self.teacher, allow_code=self.allow_code).recommender.to(device)
        return Lab(dataset, self.config, Sources(dataset, Summary.load(self.summary), teacher, paper), device)


def default_workers() -> int:
    """One process a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Does tasks, several at a time.

    Args:
        opening: what tasks need.
        count: processes; 1 for this one alone.
    """

    def __init__(self, opening: Opening, count: int) -> None:
        self._opening = opening
        self._count = count
        self._peaks: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self._before = time.process_time()
        self._lab: Lab | None = None
        self._channels: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes, whatever they are at."""
        for channel in self._channels:
            channel.close()
        for process in self._processes:
            process.terminate()
            process.join()

    @property
    def peak_mib(self) -> float:
        """Peak memory of this process and of those that worked for it, summed."""
        return memory.peak() / MIB + sum(self._peaks.values())

    @property
    def processor_seconds(self) -> float:
        """Processor time of this process since it was given work, and of those that worked for it."""
        return time.process_time() - self._before + sum(self._seconds.values())

    def run(self, choose: Callable[[], Task | None], done: Callable[[Task, Outcome], None]) -> None:
        """Do tasks until there are none.

        Args:
            choose: the next task; None if none is ready, which ends the work where none is under way either.
            done: gets what came of each, as they end.

        Raises:
            SeqDistillError: as a task raised it, or a process died.
        """
        if self._count == 1:
            self._run_here(choose, done)
            return
        busy: dict[Connection, Task] = {}
        while True:
            for place in range(self._count):
                if (place >= len(self._channels) or self._channels[place] not in busy) and (task := choose()):
                    channel = self._channel(place)
                    channel.send(task)
                    busy[channel] = task
            if not busy:
                return
            for ready in wait(list(busy)):
                channel = cast("Connection", ready)
                outcome = self._received(channel)
                done(busy.pop(channel), outcome)

    def _channel(self, place: int) -> Connection:
        """To a process that is there, or to a new one."""
        if place >= len(self._channels):
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, self._opening), daemon=True)
            process.start()
            theirs.close()
            self._channels.append(ours)
            self._processes.append(process)
            return ours
        return self._channels[place]

    def _run_here(self, choose: Callable[[], Task | None], done: Callable[[Task, Outcome], None]) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            self._lab = self._lab or self._opening.lab()
            while (task := choose()) is not None:
                done(task, self._lab.perform(task))
        finally:
            torch.set_num_threads(threads)

    def _received(self, channel: Connection) -> Outcome:
        try:
            kind, value, peak, seconds = cast("tuple[str, Any, float, float]", channel.recv())
        except EOFError:
            raise SeqDistillError(
                "a process of the comparison died, perhaps for want of memory; lower compare.workers and ask again: "
                "the rows that are done are kept (in a script, call compare under `if __name__ == '__main__':`)"
            ) from None
        self._peaks[id(channel)], self._seconds[id(channel)] = peak, seconds
        if kind == "mend":
            raise SeqDistillError(value)
        if kind == "failed":
            raise RuntimeError(value)
        return cast("Outcome", value)


def _work(channel: Connection, opening: Opening) -> None:
    """The life of a process: a task in, an outcome out, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    lab: Lab | None = None
    while True:
        try:
            task = cast("Task", channel.recv())
        except EOFError:
            return
        try:
            lab = lab or opening.lab()
            answer: tuple[str, Any] = ("done", lab.perform(task))
        except SeqDistillError as error:
            answer = ("mend", str(error))
        except Exception:  # noqa: BLE001 - the parent raises it
            answer = ("failed", traceback.format_exc())
        try:
            channel.send((*answer, memory.peak() / MIB, time.process_time()))
        except BrokenPipeError:
            return


def _end_with_parent() -> None:
    """However the parent ends, and whatever this process is at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
