"""Progress of long work, kept apart from how it is shown."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, note: str = "", *, units: int = 1) -> None:
        """So many more units are done; `note` tells how it goes."""
        ...


class Progress(Protocol):
    """Where work reports to."""

    def task(self, title: str, total: int, *, done: int = 0) -> AbstractContextManager[Task]:
        """Begin a piece of work of `total` units; leaving the context ends it, complete or not.

        Args:
            title: what it is.
            total: units in all.
            done: of them, those done before.
        """
        ...


class _SilentTask:
    def advance(self, note: str = "", *, units: int = 1) -> None:
        del note, units


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator[Task]:
        """See `Progress.task`."""
        del title, total, done
        yield _SilentTask()


SILENT = SilentProgress()
