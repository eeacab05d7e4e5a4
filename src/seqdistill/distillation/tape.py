"""The states of a window, last in first out, in memory as far as they fit and on disk beyond."""

import tempfile
import weakref
from typing import IO

import numpy as np
import torch

from seqdistill.distillation.adam import AdamState
from seqdistill.errors import SeqDistillError

STEP_STATES = 6
"""States that take as much memory as a step of the window and its adjoint work with, item factor included, where the
embedding of a large catalogue is part of a state: measured at 1,000,000 items."""


class StateTape:
    """Remembers inner states for the way back.

    A state is three vectors of the length of theta: a few hundred kB while the embedding is the item factor, gigabytes
    when the embedding of a large catalogue is trained along.

    Args:
        memory: bytes that the window may hold in all. States get at most half of it, and what is left beside a step's
            own work; what comes later goes to a temporary file without a name.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._held: list[AdamState] = []
        self._file: IO[bytes] | None = None
        self._spilled = 0
        self._like, self._length = torch.empty(0), 0

    def push(self, state: AdamState) -> None:
        """Remember a state; it must not be changed afterwards.

        Raises:
            SeqDistillError: if it has to go to disk and cannot.
        """
        size = sum(t.numel() * t.element_size() for t in state)
        room = min(self._memory // 2, self._memory - STEP_STATES * size)
        if self._spilled == 0 and (len(self._held) + 1) * size <= room:
            self._held.append(state)
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="seqdistill-")  # noqa: SIM115 - closed with the tape
                weakref.finalize(self, self._file.close)
            self._like, self._length = state.theta.new_empty(0), len(state.theta)
            for tensor in state:
                tensor.cpu().numpy().tofile(self._file)
        except OSError as error:
            raise SeqDistillError(
                f"the states of the window do not fit into memory, nor into {tempfile.gettempdir()}: {error.strerror}; "
                "raise distill.memory, lower distill.window, or point TMPDIR to a larger disk"
            ) from error
        self._spilled += 1

    def pop(self) -> AdamState:
        """The most recent state not yet taken back."""
        if self._spilled == 0:
            return self._held.pop()
        assert self._file is not None
        self._spilled -= 1
        count, kind = self._length, self._like.cpu().numpy().dtype
        self._file.seek(self._spilled * 3 * count * kind.itemsize)
        vectors = (np.fromfile(self._file, dtype=kind, count=count) for _ in range(3))
        return AdamState(*(torch.from_numpy(v).to(self._like.device) for v in vectors))
