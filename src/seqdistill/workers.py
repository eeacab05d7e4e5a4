"""Processes that do tasks, or this process where one is enough.

Each opens what its tasks need itself, and ends with its parent. They are started as programs of their own, so that a
script which calls this library need not be one that can be imported.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar, cast

import torch

from seqdistill import memory
from seqdistill.errors import SeqDistillError
from seqdistill.interruption import SIGNALS

TaskT = TypeVar("TaskT")
OutcomeT = TypeVar("OutcomeT")
TaskT_contra = TypeVar("TaskT_contra", contravariant=True)
OutcomeT_co = TypeVar("OutcomeT_co", covariant=True)

MIB = 1 << 20
IDLE_SECONDS = 1.0
"""From one look at what else there is to do to the next, while processes work."""

MORE_MEMORY = (
    "with more of it free, --resume keeps what is done; begun anew with OMP_NUM_THREADS=1, one works at a time"
)
"""A remedy where as many work as there are threads. A run is resumed with the threads it was begun with."""

PROGRAM = "from seqdistill.workers import serve; serve()"

Tell = Callable[[Any], None]


@dataclass(frozen=True)
class Telling:
    """Progress that a performer tells: the note of every unit."""

    tell: Tell

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator["Telling"]:
        """See `Progress.task`."""
        del title, total, done
        yield self

    def advance(self, note: str = "", *, units: int = 1) -> None:
        """See `Task.advance`."""
        del units
        self.tell(note)


class Performer(Protocol[TaskT_contra, OutcomeT_co]):
    """Does tasks, with all that they need at hand."""

    def perform(self, task: TaskT_contra, tell: Tell) -> OutcomeT_co:
        """Do one; `tell` takes what there is to say on the way."""
        ...


class Opening(Protocol[TaskT_contra, OutcomeT_co]):
    """What a process needs to set up a performer; small enough to be sent there."""

    def open(self) -> Performer[TaskT_contra, OutcomeT_co]:
        """Set it up."""
        ...


def default_workers() -> int:
    """One process a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def computing_on(threads: int) -> Generator[None]:
    """Within the block, torch computes on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Workers(Generic[TaskT, OutcomeT]):
    """Does tasks, several at a time.

    Args:
        opening: what tasks need.
        count: processes; 1 for this one alone.
        threads: of each.
        remedy: what a user can do where a process dies.
    """

    def __init__(self, opening: Opening[TaskT, OutcomeT], count: int, *, threads: int = 1, remedy: str) -> None:
        self._opening = opening
        self._count, self._threads = count, threads
        self._remedy = remedy
        self._peaks: dict[_Process, float] = {}
        self._seconds: dict[_Process, float] = {}
        self._before = time.process_time()
        self._here: Performer[TaskT, OutcomeT] | None = None
        self._processes: list[_Process] = []
        self._said: queue.SimpleQueue[tuple[_Process, _Said]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes, whatever they are at."""
        for process in self._processes:
            process.end()

    @property
    def peak_mib(self) -> float:
        """Peak memory of this process and of those that worked for it, summed."""
        return memory.peak() / MIB + sum(self._peaks.values())

    @property
    def processor_seconds(self) -> float:
        """Processor time of this process since it was given work, and of those that worked for it."""
        return time.process_time() - self._before + sum(self._seconds.values())

    def run(
        self,
        choose: Callable[[], TaskT | None],
        done: Callable[[TaskT, OutcomeT], None],
        *,
        told: Callable[[TaskT, Any], None] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> None:
        """Do tasks until there are none.

        Args:
            choose: the next task; None if none is ready, which ends the work where none is under way either.
            done: gets what came of each, as they end.
            told: gets what tasks tell on the way.
            idle: called now and then while other processes work.

        Raises:
            SeqDistillError: as a task raised it, or a process died.
        """
        if self._count == 1:
            self._run_here(choose, done, told)
            return
        busy: dict[_Process, TaskT] = {}
        while True:
            for place in range(self._count):
                if (place >= len(self._processes) or self._processes[place] not in busy) and (task := choose()):
                    process = self._process(place)
                    process.send(task)
                    busy[process] = task
            if not busy:
                return
            try:
                process, said = self._said.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if idle is not None:
                    idle()
                continue
            if said[0] == "told":
                if told is not None:
                    told(busy[process], said[1])
            else:
                outcome = self._received(process, said)
                done(busy.pop(process), outcome)

    def _process(self, place: int) -> "_Process":
        """One that is there, or a new one."""
        if place >= len(self._processes):
            self._processes.append(_Process(self._said, self._opening, self._threads))
        return self._processes[place]

    def _run_here(
        self,
        choose: Callable[[], TaskT | None],
        done: Callable[[TaskT, OutcomeT], None],
        told: Callable[[TaskT, Any], None] | None,
    ) -> None:
        with computing_on(self._threads):
            self._here = self._here or self._opening.open()
            while (task := choose()) is not None:
                done(task, self._here.perform(task, _ignore if told is None else partial(told, task)))

    def _received(self, process: "_Process", said: "_Said") -> OutcomeT:
        kind, value, *figures = said
        if kind == "gone":
            raise SeqDistillError(f"a process died, perhaps for want of memory; {self._remedy}")
        self._peaks[process], self._seconds[process] = figures
        if kind == "mend":
            raise SeqDistillError(value)
        if kind == "failed":
            raise RuntimeError(value)
        return cast("OutcomeT", value)


_Said = tuple[Any, ...]
"""By a process: a kind and a value; with an outcome or an error, its peak memory in MiB and its processor seconds."""


class _Process:
    """A program that does tasks.

    Args:
        said: where what it says goes, with this object.
        opening: what tasks need.
        threads: that it computes on.
    """

    def __init__(
        self, said: "queue.SimpleQueue[tuple[_Process, _Said]]", opening: Opening[Any, Any], threads: int
    ) -> None:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._said = said
        # Threads of their own, so that nobody waits while it starts, or while it is told a large log.
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._post, self._listen)]
        for thread in self._threads:
            thread.start()
        self.send((opening, threads))

    def send(self, what: object) -> None:
        """Let it have an object; one that is gone will have said so."""
        self._outbox.put(pickle.dumps(what))

    def end(self) -> None:
        """End it, whatever it is at."""
        self._outbox.put(None)
        self._program.kill()
        self._program.wait()
        for thread in self._threads:
            thread.join()
        self._stdout.close()
        with contextlib.suppress(OSError):  # what it had not read
            self._stdin.close()

    @property
    def _stdin(self) -> BinaryIO:
        return cast("BinaryIO", self._program.stdin)

    @property
    def _stdout(self) -> BinaryIO:
        return cast("BinaryIO", self._program.stdout)

    def _post(self) -> None:
        with contextlib.suppress(OSError):
            while (packed := self._outbox.get()) is not None:
                self._stdin.write(packed)
                self._stdin.flush()

    def _listen(self) -> None:
        try:
            while True:
                self._said.put((self, pickle.load(self._stdout)))
        except (EOFError, OSError, pickle.UnpicklingError):
            self._said.put((self, ("gone", None)))


def serve() -> None:
    """The life of a process: a task in, an outcome out, until the parent is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent is told too, and ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not be taken for an answer
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(received,), daemon=True).start()

    def say(*what: object) -> None:
        pickle.dump(what, answers)
        answers.flush()

    opening, threads = cast("tuple[Opening[Any, Any], int]", received.get())
    torch.set_num_threads(threads)
    performer: Performer[Any, Any] | None = None
    while True:
        task = received.get()
        try:
            performer = performer or opening.open()
            answer: tuple[str, Any] = ("done", performer.perform(task, lambda what: say("told", what)))
        except SeqDistillError as error:
            answer = ("mend", str(error))
        except Exception:  # noqa: BLE001 - the parent raises it
            answer = ("failed", traceback.format_exc())
        say(*answer, memory.peak() / MIB, time.process_time())


def _receive(received: "queue.SimpleQueue[Any]") -> None:
    """What the parent sends, until it ends, however it does and whatever this process is at."""
    try:
        while True:
            received.put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)


def _ignore(_what: object) -> None:
    pass
