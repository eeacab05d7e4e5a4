"""A learner joined to an item embedding: the model that ranks items."""

from typing import cast

import torch
from torch import Tensor, nn

from seqdistill.learners.base import Learner
from seqdistill.learners.scale import scale_for

INITIAL_EMBEDDING_STD = 0.02

Svd = tuple[Tensor, Tensor, Tensor]


def embed_items(items: Tensor, embedding: Tensor) -> Tensor:
    """Rows of an embedding [num_items, dim], for ids [...] with 0 as padding; the rows of padding are arbitrary."""
    return nn.functional.embedding((items - 1).clamp(min=0), embedding)


def initial_projection(item_factor: Tensor, dim: int) -> Tensor:
    """A map A [d3, dim] to another width that keeps what it can of the item factor V [num_items, d3].

    To a smaller width, the first right singular vectors of V, so that V A A^T is the best approximation of V of that
    rank (least squares); to a larger one, a random A with A A^T = I, which keeps every product between items.
    """
    width = item_factor.shape[1]
    if dim <= width:
        directions = cast("Svd", torch.linalg.svd(item_factor.detach(), full_matrices=False))[2]
        return directions[:dim].T
    return nn.init.orthogonal_(torch.empty(width, dim))


class Recommender(nn.Module):
    """Scores every item after a history.

    Args:
        learner: the body.
        embedding: E, [num_items, dim]; row v - 1 is item v. Copied.
        frozen: whether the embedding is a constant (the `shared` regime) or a parameter.
        projection: A, [width of the embedding, dim], where that width is not the learner's: items are embedded as
            E A. Copied, and a parameter in any case.
    """

    def __init__(
        self, learner: Learner, embedding: Tensor, *, frozen: bool = False, projection: Tensor | None = None
    ) -> None:
        super().__init__()
        width = (embedding if projection is None else projection).shape[1]
        if width != learner.dim:
            raise ValueError(f"embedding width {width} differs from the learner's width {learner.dim}")
        self.learner = learner
        self.embedding = nn.Parameter(embedding.detach().clone(), requires_grad=not frozen)
        self.projection = None if projection is None else nn.Parameter(projection.detach().clone())

    @classmethod
    def fresh(cls, learner: Learner, num_items: int) -> "Recommender":
        """Join a learner to a random embedding, normal with standard deviation 0.02."""
        return cls(learner, torch.randn(num_items, learner.dim) * INITIAL_EMBEDDING_STD)

    @classmethod
    def shared(cls, learner: Learner, item_factor: Tensor) -> "Recommender":
        """Join a learner to a frozen item factor V, through a trained projection where the widths differ.

        The embedding is V times the power of two that the learner wants (`Learner.item_rms`).
        """
        same = item_factor.shape[1] == learner.dim
        projection = None if same else initial_projection(item_factor, learner.dim)
        scale = scale_for(learner, item_factor)
        # No second copy of a large catalogue where it is wanted as it is.
        given = item_factor if scale == 1.0 else item_factor * scale
        return cls(learner, given, frozen=True, projection=projection)

    @property
    def item_embedding(self) -> Tensor:
        """E, or E A: the embedding at the learner's width, [num_items, dim]."""
        return self.project(self.embedding)

    def project(self, embedded: Tensor) -> Tensor:
        """Rows of the embedding, or mixtures of them, at the learner's width, [..., dim]."""
        return embedded if self.projection is None else embedded @ self.projection

    def embed(self, items: Tensor) -> Tensor:
        """Look items up, [...] of ids with 0 as padding -> [..., dim]; the rows of padding are arbitrary."""
        return self.project(embed_items(items, self.embedding))

    def forward(self, items: Tensor) -> Tensor:
        """Histories padded on the right, [batch, positions] -> states, [batch, positions, dim].

        The state at a position is that of a history which ends there. A causal learner gives all in one pass; another
        one takes as many passes as there are positions.
        """
        embedded, mask = self.embed(items), items > 0
        if self.learner.view == "causal":
            return self.learner(embedded, mask)
        states = [
            self.learner(embedded[:, : t + 1], mask[:, : t + 1], torch.full_like(items[:, :1], t))
            for t in range(items.shape[1])
        ]
        return torch.cat(states, dim=1)

    def last_states(self, items: Tensor) -> Tensor:
        """State at the last real position of each history, [batch, positions] -> [batch, dim]."""
        last = (items > 0).sum(1, keepdim=True).clamp(min=1) - 1
        return self.learner(self.embed(items), items > 0, last).squeeze(1)

    def scores(self, states: Tensor) -> Tensor:
        """States [..., dim] -> scores of all items, [..., num_items]; column v - 1 is item v."""
        return states @ self.item_embedding.T
