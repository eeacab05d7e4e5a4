"""Being asked to stop: by Ctrl-C (SIGINT) or by a scheduler (SIGTERM)."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The process has been asked to stop, and has put down what it was doing.

    Attributes:
        status: what a shell reports for a program that the signal ended.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number
        self.status = 128 + number


class Interruption:
    """What the signals of this process ask for.

    A signal raises `Interrupted` at once, so that temporary files are cleaned up on the way out; within `graceful`, the
    first one is only noted, and the work asks for it between two steps.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._graceful = False

    @contextmanager
    def listening(self) -> Generator["Interruption"]:
        """Handle the signals within the block; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        self.requested = None
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def graceful(self) -> Generator[None]:
        """Work that asks, between its steps, whether to stop."""
        self._graceful = True
        try:
            yield
        finally:
            self._graceful = False

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._graceful and self.requested is None:
            self.requested = number
            return
        # From now on a signal ends the process wherever it is, even inside a long operation.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)


INTERRUPTION = Interruption()
"""Of the command line, whose process has signals to itself."""
