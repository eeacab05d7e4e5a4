"""Progress of what is large enough to take a while: bytes in hundredths of the whole, and stages of work."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from seqdistill.progress import Progress, Task

QUIET_BYTES = 64 << 20
"""What has fewer bytes goes too quickly to report on."""


@contextmanager
def reporting(progress: Progress, title: str) -> Generator[Callable[[int, int], None]]:
    """Gives a function to be told how many bytes have been done, of how many.

    The report begins with its first call and ends with the last byte, or with the block.
    """
    with ExitStack() as stack:
        task: Task | None = None
        shown = 0

        def on_bytes(done: int, total: int) -> None:
            nonlocal task, shown
            if total < QUIET_BYTES or shown == 100:
                return
            if task is None:
                task = stack.enter_context(progress.task(title, 100))
            while shown < min(100, 100 * done // total):
                shown += 1
                task.advance(f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")
            if shown == 100:
                stack.close()

        yield on_bytes


@contextmanager
def stages(progress: Progress, title: str, number: int, num_bytes: int) -> Generator[Callable[[str], None]]:
    """Gives a function to be told when a stage of work on so many bytes has been done, and what the next one is."""
    with ExitStack() as stack:
        task: Task | None = None

        def on_stage(following: str) -> None:
            nonlocal task
            if num_bytes < QUIET_BYTES:
                return
            if task is None:
                task = stack.enter_context(progress.task(title, number))
                return
            task.advance(following)

        yield on_stage
