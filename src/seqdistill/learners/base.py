"""What a sequential recommender must be to learn from a summary.

A learner is everything *after* the item embedding: it turns embedded sequences into states, and a state scores the
items that may follow by its product with the item embedding. Hard sequences (rows of the embedding) and soft ones
(mixtures of rows) therefore share every line of it, and its parameters do not depend on the catalogue.
"""

from abc import ABC, abstractmethod
from typing import Literal, get_args

from torch import Tensor, nn

View = Literal["causal", "prefix", "masked"]
VIEWS: tuple[View, ...] = get_args(View)
"""How a learner looks at a sequence, which decides how training asks it (`seqdistill.views`).

- `causal`: the state at a position depends on nothing to its right, so one pass gives the states of all positions.
- `prefix`: only the state at the last real position means anything, so training cuts sequences short.
- `masked`: it reads both ways; asked for some positions, it hides the items that follow them, and only the states at
  these positions mean anything.
"""


class Learner(nn.Module, ABC):
    """The body of a sequential recommender.

    Attributes:
        dim: width of the embedded items it reads and of the states it gives.
        length: most positions it can read.
        view: how it looks at a sequence.
        mask_ratio: share of the positions that training asks a `masked` learner for at once.
        item_rms: root mean square of the items it trains well with where they are given to it and stay as they are
            (the `shared` regime), greater than 0; they are brought near it. None to have them as they come.
        late_starts: probability, in [0, 1], that a step on few sequences shows one of them from a random position on
            where items are given. It keeps a learner from taking a few histories for all there are.
        output_scale: names of the parameters that the scale of its states hangs on and nothing else, as the gain and
            the bias of a normalisation that comes last. Where items are given, they move faster than the others in
            training on few sequences (`paces.OUTPUT_PACE`).
    """

    dim: int
    length: int
    view: View = "causal"
    mask_ratio: float = 0.2
    item_rms: float | None = None
    late_starts: float = 0.0
    output_scale: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """Encode sequences; the state at a position scores what follows it.

        Every operation needs a second derivative, or the summary cannot be differentiated through its training.

        Args:
            embedded: [batch, positions, dim], padded on the right; the values at padded positions are arbitrary.
            mask: bool [batch, positions], True at real positions.
            at: int64 [batch, k], the positions whose states are wanted, repeats allowed. None for all of a causal
                learner; the other views are always asked.

        Returns:
            States, [batch, positions or k, dim]; those at padded positions have no meaning.
        """

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draw all parameters anew from torch's global generator."""
