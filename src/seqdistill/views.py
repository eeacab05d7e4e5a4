"""What a training step shows a learner of its sequences, and what it asks: which parts, the states of which positions.

Every loss is the same, the cross-entropy between the state at a position and what follows it; architectures differ in
how many positions one pass over a sequence can answer for (see `seqdistill.learners.base.VIEWS`).

- A causal learner is asked for all positions, and there is nothing to draw.
- A learner of prefixes gets each sequence cut at a random place and is asked for the end, as NARM's paper does.
- A masked learner gets one of two views: the whole sequence, with a random share of the positions asked for (what
  follows those is hidden), or a random prefix with only its end asked for, which is what a recommendation asks. The
  paper mixes the same two, its second view being the end of the whole sequence. A log is shown in both, each with
  probability 1/2. Few sequences are shown as prefixes only: with what follows in sight, a learner recognises the
  sequence instead of reading the history, and what a summary predicts at a position is what follows its past.

Some learners also want a few sequences to begin late at times, so that they do not learn them by heart (`begin_late`).

Nothing here looks at what is read or predicted, so soft sequences and real ones are drawn alike.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from seqdistill.config import Regime
from seqdistill.learners import Learner

PASSES = 5
"""Times an epoch shows each window of a log to a learner that answers for few of its positions at once."""

WHOLE_IN_A_LOG = 0.5
"""Probability that a masked learner sees a sequence of a log whole."""

POSITIONS_A_MOVE = 256
"""Positions of a few sequences after which a learner that trains its embedding moves. It has the embedding to find as
well, which takes many moves, and soft targets are so free of noise that a part of them tells nearly as much as all."""

ROWS = 128
"""Views a step on few sequences draws of them together; fewer would make its loss noisy."""


def sequences_a_move(learner: Learner, regime: Regime, positions: int) -> int | None:
    """Of few sequences, how many a learner reads before it moves; None for all of them.

    Args:
        learner: one that answers for few positions at once has read enough of all in a move.
        regime: with items given, learners move after all as well.
        positions: of a sequence.
    """
    in_parts = regime == "fresh" and learner.view == "causal"
    return max(1, POSITIONS_A_MOVE // positions) if in_parts else None


class Begun(NamedTuple):
    """Sequences as a step shows them, some without their first positions.

    Attributes:
        places: int64 [rows, positions], which position of its sequence stands there; anything where none does.
        present: bool [rows, positions], where one does.
    """

    places: Tensor
    present: Tensor

    def of(self, values: Tensor) -> Tensor:
        """Values at all positions, [rows, positions, ...], as they stand now."""
        return at_places(values, self.places)


def begin_late(present: Tensor, share: float, rng: torch.Generator | None = None) -> Begun:
    """Let some sequences begin at a random position, as a history does of which only the newest part is read.

    Args:
        present: bool [rows, positions], True at positions followed by something to predict, which are the first ones
            of each row and at least one.
        share: probability that a sequence begins late. Its first position is then uniform.
        rng: on the CPU; torch's global one if None.
    """
    lengths = present.sum(1).cpu()
    late, where = torch.rand(2, len(lengths), generator=rng)
    first = torch.where(late < share, (where * lengths).long(), 0)
    places = torch.arange(present.shape[1]) + first[:, None]
    inside = places < lengths[:, None]
    return Begun(torch.where(inside, places, 0).to(present.device), inside.to(present.device))


def late_share(learner: Learner, regime: Regime) -> float:
    """How often a step on few sequences begins one of them late; see `Learner.late_starts`.

    An embedding that is learned from the sequences wants each target after the history that it is right for.
    """
    return learner.late_starts if regime == "shared" else 0.0


def at_places(values: Tensor, places: Tensor) -> Tensor:
    """Of values at all positions, [rows, positions, ...], those at some places of each row, int64 [rows, k]."""
    return values.take_along_dim(places.view(*places.shape, *(1 for _ in values.shape[2:])), 1)


class Asked(NamedTuple):
    """What is asked of a batch of sequences.

    Attributes:
        mask: bool [rows, positions], the positions that may be read.
        at: int64 [rows, k], the positions whose states are wanted; None for all.
        counted: bool [rows, k or positions], which of the states have a loss.
    """

    mask: Tensor
    at: Tensor | None
    counted: Tensor

    def select(self, values: Tensor) -> Tensor:
        """Of values at all positions, [rows, positions, ...], those with a loss: [losses, ...]."""
        if self.at is None:
            return values[self.counted]
        rows, columns = self.counted.nonzero(as_tuple=True)
        return values[rows, self.at[rows, columns]]


def ask(learner: Learner, present: Tensor, rng: torch.Generator | None = None, *, whole: float = 0.0) -> Asked:
    """Draw what a step asks.

    Args:
        learner: tells its view.
        present: bool [rows, positions], True at positions followed by something to predict, which are the first ones
            of each row and at least one.
        rng: on the CPU; torch's global one if None.
        whole: probability that a masked learner sees a sequence whole; else it sees a prefix. 0 for few sequences,
            WHOLE_IN_A_LOG for a log.
    """
    if learner.view == "causal":
        return Asked(present, None, present)
    rows = present.cpu()
    if learner.view == "prefix" or whole == 0:
        mask, at, counted = _prefixes(rows, rng)
    else:
        mask, at, counted = _masked(rows, learner.mask_ratio, whole, rng)
    device = present.device
    return Asked(mask.to(device), at.to(device), counted.to(device))


def draws_per_sequence(learner: Learner, num_sequences: int) -> int:
    """How often a step on so few sequences should see each, every time in another view."""
    return 1 if learner.view == "causal" else max(1, round(ROWS / num_sequences))


def passes_per_epoch(learner: Learner) -> int:
    """How often an epoch should show each window of a log."""
    return 1 if learner.view == "causal" else PASSES


def _prefixes(present: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
    lengths = present.sum(1)
    cuts = 1 + (torch.rand(len(lengths), generator=rng) * lengths).long()
    mask = torch.arange(present.shape[1]) < cuts[:, None]
    return mask, cuts[:, None] - 1, torch.ones(len(cuts), 1, dtype=torch.bool)


def _masked(present: Tensor, ratio: float, whole: float, rng: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
    prefix, end, _ = _prefixes(present, rng)
    of_prefix = torch.rand(len(present), 1, generator=rng) >= whole
    wanted = (present.sum(1, keepdim=True) * ratio).round().long().clamp(min=1)
    wanted = torch.where(of_prefix, 1, wanted)
    # The first positions of a random order; padding comes last in it.
    keys = torch.rand(present.shape, generator=rng).masked_fill(~present, 2.0)
    drawn = keys.argsort(1)[:, : int(wanted.max())]
    counted = torch.arange(drawn.shape[1]) < wanted
    # A place without a loss repeats the first one, so that it hides nothing.
    at = torch.where(of_prefix, end, torch.where(counted, drawn, drawn[:, :1]))
    return torch.where(of_prefix, prefix, present), at, counted
