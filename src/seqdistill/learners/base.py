"""What a sequential recommender must be to learn from a summary.

A learner is everything *after* the item embedding: it turns embedded sequences into one state per position, and a state
scores the items by its product with the item embedding. Hard sequences (rows of the embedding) and soft ones (mixtures
of rows) therefore share every line of it, and its parameters do not depend on the catalogue.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Learner(nn.Module, ABC):
    """The body of a sequential recommender.

    Attributes:
        dim: width of the embedded items it reads and of the states it gives.
        length: most positions it can read.
    """

    dim: int
    length: int

    @abstractmethod
    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """Encode sequences causally: the state at a position depends on nothing to the right of it.

        Every operation needs a second derivative, or the summary cannot be differentiated through its training.

        Args:
            embedded: [batch, positions, dim], padded on the right; the values at padded positions are arbitrary.
            mask: bool [batch, positions], True at real positions.
            at: int64 [batch, k], the positions whose states are wanted; None for all. Where a loss needs few of them,
                the last layer need not compute the others.

        Returns:
            States, [batch, positions or k, dim]; those at padded positions have no meaning.
        """

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draw all parameters anew from torch's global generator."""
