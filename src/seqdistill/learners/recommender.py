"""A learner joined to an item embedding: the model that ranks items."""

import torch
from torch import Tensor, nn

from seqdistill.learners.base import Learner

INITIAL_EMBEDDING_STD = 0.02


def embed_items(items: Tensor, embedding: Tensor) -> Tensor:
    """Rows of an embedding [num_items, dim], for ids [...] with 0 as padding; the rows of padding are arbitrary."""
    return nn.functional.embedding((items - 1).clamp(min=0), embedding)


class Recommender(nn.Module):
    """Scores every item after a history.

    Args:
        learner: the body.
        embedding: E, [num_items, dim]; row v - 1 is item v. Copied.
        frozen: whether the embedding is a constant (the `shared` regime) or a parameter.
    """

    def __init__(self, learner: Learner, embedding: Tensor, *, frozen: bool = False) -> None:
        super().__init__()
        if embedding.shape[1] != learner.dim:
            raise ValueError(f"embedding width {embedding.shape[1]} differs from the learner's width {learner.dim}")
        self.learner = learner
        self.embedding = nn.Parameter(embedding.detach().clone(), requires_grad=not frozen)

    @classmethod
    def fresh(cls, learner: Learner, num_items: int) -> "Recommender":
        """Join a learner to a random embedding, normal with standard deviation 0.02."""
        return cls(learner, torch.randn(num_items, learner.dim) * INITIAL_EMBEDDING_STD)

    def embed(self, items: Tensor) -> Tensor:
        """Look items up, [...] of ids with 0 as padding -> [..., dim]; the rows of padding are arbitrary."""
        return embed_items(items, self.embedding)

    def forward(self, items: Tensor) -> Tensor:
        """Histories padded on the right, [batch, positions] -> states, [batch, positions, dim]."""
        return self.learner(self.embed(items), items > 0)

    def last_states(self, items: Tensor) -> Tensor:
        """State at the last real position of each history, [batch, positions] -> [batch, dim]."""
        last = (items > 0).sum(1, keepdim=True).clamp(min=1) - 1
        return self.learner(self.embed(items), items > 0, last).squeeze(1)

    def scores(self, states: Tensor) -> Tensor:
        """States [..., dim] -> scores of all items, [..., num_items]; column v - 1 is item v."""
        return states @ self.embedding.T
