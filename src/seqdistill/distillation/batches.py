"""The real windows an outer step looks at."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset
from seqdistill.json_values import Json
from seqdistill.resuming import numpy_state


class WindowBatches(Iterator[Tensor]):
    """Endless batches of training windows, int64 [batch, length + 1], cut and shuffled anew at every pass over the log.

    Args:
        dataset: the log.
        length: positions of a learner.
        batch_size: windows in a batch; the last one of a pass may have fewer.
        rng: draws cuts and order.
    """

    def __init__(self, dataset: Dataset, length: int, batch_size: int, rng: np.random.Generator) -> None:
        self._dataset, self._length, self._batch_size, self._rng = dataset, length, batch_size, rng
        self._begin_pass()

    def __next__(self) -> Tensor:
        if self._next >= len(self._order):
            self._begin_pass()
        rows = self._order[self._next : self._next + self._batch_size]
        self._next += self._batch_size
        return torch.from_numpy(self._dataset.gather(self._begins[rows], self._ends[rows], width=self._length + 1))

    def state(self) -> Json:
        """Where it is: the generator before the pass under way, and how much of the pass is done."""
        return {"random": self._drawn_from, "next": self._next}

    def restore(self, state: Json) -> None:
        """Go on from there; the pass is drawn again."""
        self._rng.bit_generator.state = state["random"]
        self._begin_pass()
        self._next = int(state["next"])

    def _begin_pass(self) -> None:
        self._drawn_from = numpy_state(self._rng)
        self._begins, self._ends = self._dataset.window_bounds(self._length, self._rng)
        self._order: Ints = self._rng.permutation(len(self._begins))
        self._next = 0
