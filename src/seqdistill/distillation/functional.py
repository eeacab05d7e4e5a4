"""A recommender as a function of one flat parameter vector."""

import torch
from torch import Tensor
from torch.func import functional_call

from seqdistill.config import Regime
from seqdistill.learners import INITIAL_EMBEDDING_STD, Learner


class FlatRecommender:
    """A recommender with its trained parameters given as a vector, so that an optimiser step is a few operations.

    In the `shared` regime theta holds the learner's parameters, and the embedding is the item factor. In the `fresh`
    regime the embedding follows them in theta.

    Args:
        learner: gives the structure, at the width of the item factor. It is put into evaluation mode (dropout would
            only add noise to a hypergradient), and its own parameters are overwritten by `draw`.
        item_factor: V, [num_items, dim]; a constant.
        regime: whether the embedding is V or a part of theta.
    """

    def __init__(self, learner: Learner, item_factor: Tensor, regime: Regime) -> None:
        self.item_factor = item_factor
        self.regime: Regime = regime
        self.learner = learner.eval()
        parameters = dict(learner.named_parameters())
        self._names = list(parameters)
        self._shapes = [p.shape for p in parameters.values()]
        self._sizes = [p.numel() for p in parameters.values()]

    def split(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The learner's parameters, [p], and the embedding, [num_items, dim]."""
        if self.regime == "shared":
            return theta, self.item_factor
        body, embedding = torch.split(theta, [sum(self._sizes), self.item_factor.numel()])
        return body, embedding.view_as(self.item_factor)

    def states(self, body: Tensor, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """The learner's states, from its part of theta; see `Learner.forward`."""
        pieces = torch.split(body, self._sizes)
        parameters = {n: p.view(s) for n, p, s in zip(self._names, pieces, self._shapes, strict=True)}
        # The recurrent kernels of cuDNN, which a user's module may call, have no second derivative.
        with torch.backends.cudnn.flags(enabled=False):
            return functional_call(self.learner, parameters, (embedded, mask, at))

    def draw(self, generator: torch.Generator) -> Tensor:
        """A newly initialised theta."""
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.learner.reset_parameters()
            body = self.flatten(dict(self.learner.named_parameters()))
            if self.regime == "shared":
                return body
            return torch.cat([body, torch.randn_like(self.item_factor).view(-1) * INITIAL_EMBEDDING_STD])

    def flatten(self, parameters: dict[str, Tensor]) -> Tensor:
        """Named parameters of such a learner as one vector."""
        return torch.cat([parameters[n].detach().reshape(-1) for n in self._names])
