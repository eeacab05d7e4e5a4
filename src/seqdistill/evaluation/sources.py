"""What the learners of a row are trained on, by seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from seqdistill.data.dataset import Dataset
from seqdistill.distillation.start import generate_sequences, random_factors
from seqdistill.evaluation.coresets import Choice, RealSequences, last_states
from seqdistill.evaluation.precision import rounded
from seqdistill.evaluation.rows import RowSpec
from seqdistill.inspection import sharpness
from seqdistill.item_scale import holds
from seqdistill.learners import Recommender
from seqdistill.seeding import derive_seed
from seqdistill.sequences import Sequences
from seqdistill.summary import Summary

SequencesOf = Callable[[int], Sequences]
"""Training sequences for a seed; the same ones for every seed where nothing about them is random."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Makes the training sequences of every kind of row.

    Attributes:
        dataset: the log.
        summary: in question.
        teacher: whose predictions are soft targets, and whose states tell real sequences apart.
        paper: a summary distilled as the paper does, if there is one.
    """

    dataset: Dataset
    summary: Summary
    teacher: Recommender
    paper: Summary | None = None

    @cached_property
    def real(self) -> RealSequences:
        """The log's training windows."""
        return RealSequences(self.dataset, self.summary.length, last_states(self.teacher))

    def of(self, row: RowSpec) -> SequencesOf:
        """The sequences of a row."""
        if row.source in ("distilled", "decoded", "paper"):
            sequences = self._of_summary(row)
            return lambda _seed: sequences
        if row.source in ("untrained", "noise"):
            return lambda seed: noise(self.summary, seed)
        count = row.sequences
        assert count is not None
        if row.source == "generated":
            return lambda seed: self._soft(self._generated(count, seed))
        choice = cast("Choice", "random" if row.source == "every" else row.source)
        if row.targets == "soft":
            return lambda seed: self._soft(self.real.choose(choice, count, seed)[:, :-1])
        return lambda seed: Sequences.from_windows(self.real.choose(choice, count, seed), self.summary.item_factor)

    def _of_summary(self, row: RowSpec) -> Sequences:
        if row.source == "paper":
            assert self.paper is not None
            return self.paper.sequences()
        if row.source == "decoded":
            return Sequences.from_windows(decoded(self.summary), self.summary.item_factor)
        if row.precision is not None:
            return replace(self.summary, item_factor=rounded(self._item_factor, row.precision)).sequences()
        return self.summary.sequences()

    @property
    def _item_factor(self) -> Tensor:
        """V in all its bits, where the teacher has it."""
        embedding, stored = self.teacher.embedding.detach().cpu(), self.summary.item_factor
        return embedding if embedding.shape == stored.shape and holds(stored, embedding) else stored

    @torch.no_grad()
    def _soft(self, items: Tensor) -> Sequences:
        """The teacher's prediction after every item, stored as the summary is; its state is the query of one."""
        items = items.to(self.teacher.embedding.device)
        states = torch.cat([self.teacher(chunk) for chunk in torch.split(items, 256)])
        precision = self.summary.precision
        item_factor = rounded(self.teacher.embedding.detach(), precision)
        return Sequences(items, rounded(states, precision), items > 0, item_factor)

    def _generated(self, count: int, seed: int) -> Tensor:
        """Sequences sampled from the teacher, as they come."""
        rng = torch.Generator().manual_seed(derive_seed(seed, "generated"))
        return generate_sequences(self.dataset, self.teacher, num_sequences=count, length=self.summary.length, rng=rng)


def noise(summary: Summary, seed: int) -> Sequences:
    """A summary of the same shape whose factors are noise: what the item factor alone gives."""
    rng = torch.Generator().manual_seed(derive_seed(seed, "untrained"))
    user, time, core = summary.factors
    ranks = (user.shape[1], time.shape[1])
    factors = random_factors(summary.num_sequences, summary.length, core.shape[2], ranks, summary.item_factor, rng)
    return replace(summary, factors=factors).sequences()


def decoded(summary: Summary) -> Tensor:
    """The likeliest item of every synthetic position, int64 [n, l] of ids."""
    return sharpness(summary.queries(), summary.item_factor).top_item + 1
