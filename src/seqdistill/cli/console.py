"""Who writes where: results on stdout, everything else on stderr, and progress as bars or as sparse lines."""

import json
import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import rich.progress
import typer
from rich.console import Console
from rich.table import Column
from rich.text import Text

from seqdistill.json_values import finite
from seqdistill.progress import SILENT, Progress, Task
from seqdistill.readable import duration

PIPED_WIDTH = 1000
"""Columns of output that no terminal limits; nothing is wrapped or left out there."""

LINE_SECONDS = 10.0
"""Least time between two lines about the same work where there is no terminal."""

Clock = Callable[[], float]


class Terminal:
    """Where one run of a verb writes.

    Args:
        as_json: the result is one JSON document instead of text.
        quiet: neither progress nor notes.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._stderr = stderr_console()
        self.progress: Progress = SILENT if quiet else RichProgress(self._stderr)

    def notify(self, line: str) -> None:
        """Tell something that is not the result."""
        if not self._quiet:
            print_line(self._stderr, line)

    def show(self, document: object, render: Callable[[Console], None]) -> None:
        """Print the result: the document under `--json`, else what `render` makes of it."""
        if self._as_json:
            # ASCII, so that no locale can spoil it.
            typer.echo(json.dumps(finite(document), indent=2, allow_nan=False))
        else:
            render(stdout_console())


def stdout_console() -> Console:
    """For results; as wide as the terminal, or without limit when piped."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def stderr_console() -> Console:
    """For notes, progress and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_line(console: Console, line: str | Text) -> None:
    """Print one logical line as it is; a narrow terminal breaks it, a file does not."""
    console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def print_error(message: str) -> None:
    """The one line that an error the user can mend comes down to."""
    print_line(stderr_console(), Text.assemble(("error:", "bold red"), " ", " ".join(message.split())))


class Pace:
    """Seconds that a unit of work takes, the recent ones counting most, and what that means for the rest.

    An exponential mean whose first values are a plain mean. Its memory of about 50 units spans several of the slow
    ones that come at regular distances (validations), so that the time left does not jump with each. The first unit
    does not count: it warms up, or is of another kind (a search before the repetitions).

    Args:
        total: units of the work.
        clock: gives seconds.
    """

    SMOOTHING = 0.02

    def __init__(self, total: int, clock: Clock = time.monotonic) -> None:
        self.total = total
        self.done = 0
        self._unmeasured = 0
        self._clock = clock
        self._started = self._last = clock()
        self._mean = 0.0

    def advance(self, units: int = 1) -> None:
        """So many more units are done; those done together count as alike."""
        if units == 0:
            return
        now = self._clock()
        if self.done > 0:
            measured = self.done - self._unmeasured + units
            share = max(1 - (1 - self.SMOOTHING) ** units, units / measured)
            self._mean += share * ((now - self._last) / units - self._mean)
        else:
            self._unmeasured = units
        self.done += units
        self._last = now

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    @property
    def left(self) -> float | None:
        """Seconds to the end at this pace; None before the second unit is done.

        The unit under way is credited with the time it has had, up to all of its own: waiting longer than usual does
        not make the rest shorter.
        """
        remaining = self.total - self.done
        if remaining <= 0:
            return 0.0
        if self.done == self._unmeasured:
            return None
        return remaining * self._mean - min(self._clock() - self._last, self._mean)


@dataclass
class Work:
    """A task under way, with what both ways of showing it need."""

    title: str
    pace: Pace
    note: str = ""
    before: int = 0

    @property
    def position(self) -> str:
        """`38/100`."""
        return f"{self.before + self.pace.done}/{self.before + self.pace.total}"

    @property
    def time_left(self) -> str:
        """`42 s left`, or nothing while it cannot be told."""
        left = self.pace.left
        # Tenths of a second would only flicker.
        return "" if left is None else f"{duration(left) if left >= 10 else f'{math.ceil(left)} s'} left"

    def closing_line(self, verdict: str) -> str:
        """How it went, once it is over."""
        return _joined(f"{self.title}: {verdict} {duration(self.pace.elapsed)} ({self.position})", self.note)


class RichProgress:
    """Bars on a terminal, and on anything else a line at the start, one every now and then, and one at the end.

    Args:
        console: where to; usually stderr.
        clock: gives seconds.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bars: rich.progress.Progress | None = None

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator[Task]:
        """See `Progress.task`. Tasks may lie inside each other."""
        work = Work(title, Pace(total - done, self._clock), before=done)
        shown = self._bar(work) if self._console.is_interactive else self._lines(work)
        try:
            with shown as task:
                yield task
        except BaseException:
            print_line(self._console, work.closing_line("stopped after"))
            raise
        # Early stopping ends work before its total, and is no less done.
        print_line(self._console, work.closing_line("done in"))

    @contextmanager
    def _bar(self, work: Work) -> Generator[Task]:
        outermost = self._bars is None
        bars = self._bars = self._bars or _new_bars(self._console)
        if outermost:
            bars.start()
        identity = bars.add_task(work.title, total=work.before + work.pace.total, completed=work.before, work=work)
        try:
            yield _BarTask(work, bars, identity)
        finally:
            bars.remove_task(identity)
            if outermost:
                bars.stop()
                self._bars = None

    @contextmanager
    def _lines(self, work: Work) -> Generator[Task]:
        print_line(self._console, f"{work.title}: {work.position}")
        yield _LineTask(work, self._console, self._clock)


@dataclass
class _BarTask:
    work: Work
    bars: rich.progress.Progress
    identity: rich.progress.TaskID

    def advance(self, note: str = "", *, units: int = 1) -> None:
        self.work.pace.advance(units)
        self.work.note = note or self.work.note
        self.bars.advance(self.identity, units)


class _LineTask:
    def __init__(self, work: Work, console: Console, clock: Clock) -> None:
        self._work = work
        self._console = console
        self._clock = clock
        self._spoke = clock()

    def advance(self, note: str = "", *, units: int = 1) -> None:
        work = self._work
        work.pace.advance(units)
        work.note = note or work.note
        if self._clock() - self._spoke >= LINE_SECONDS and work.pace.done < work.pace.total:
            self._spoke = self._clock()
            print_line(self._console, _joined(f"{work.title}: {work.position}", work.time_left, work.note))


class _WorkColumn(rich.progress.ProgressColumn):
    """Shows something of the `Work` behind a bar."""

    def __init__(self, what: Callable[[Work], str], style: str, column: Column) -> None:
        super().__init__(column)
        self._what = what
        self._style = style

    def render(self, task: rich.progress.Task) -> Text:
        return Text(self._what(cast("Work", task.fields["work"])), self._style)


def _new_bars(console: Console) -> rich.progress.Progress:
    def column(ratio: int | None = None) -> Column:
        return Column(no_wrap=True, overflow="ellipsis", ratio=ratio)

    return rich.progress.Progress(
        _WorkColumn(lambda work: work.title, "", column()),
        rich.progress.BarColumn(bar_width=20),
        _WorkColumn(lambda work: work.position, "progress.download", column()),
        _WorkColumn(lambda work: work.time_left, "progress.remaining", column()),
        _WorkColumn(lambda work: work.note, "dim", column(ratio=1)),
        console=console,
        refresh_per_second=4,  # the work needs the cores
        transient=True,  # the closing line takes the bar's place
        redirect_stdout=False,  # stdout is for the result, and may go elsewhere
        expand=True,
    )


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
