"""A learner as a function of one flat parameter vector."""

import torch
from torch import Tensor
from torch.func import functional_call

from seqdistill.learners.base import Learner


class FlatLearner:
    """Applies a learner with parameters given as a vector, so that an optimiser step is a handful of operations.

    Args:
        learner: gives the structure; it is put into evaluation mode (dropout would only add noise to a hypergradient)
            and its own parameters stay untouched.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner.eval()
        parameters = dict(learner.named_parameters())
        self._names = list(parameters)
        self._shapes = [p.shape for p in parameters.values()]
        self._sizes = [p.numel() for p in parameters.values()]

    def __call__(self, theta: Tensor, embedded: Tensor, mask: Tensor) -> Tensor:
        """States, [batch, positions, dim]; see `Learner.forward`."""
        pieces = torch.split(theta, self._sizes)
        parameters = {n: p.view(s) for n, p, s in zip(self._names, pieces, self._shapes, strict=True)}
        return functional_call(self._learner, parameters, (embedded, mask))

    def draw(self, generator: torch.Generator) -> Tensor:
        """A newly initialised parameter vector, [p]."""
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._learner.reset_parameters()
        return self.flatten(dict(self._learner.named_parameters()))

    def flatten(self, parameters: dict[str, Tensor]) -> Tensor:
        """Named parameters of such a learner as one vector, [p]."""
        return torch.cat([parameters[n].detach().reshape(-1) for n in self._names])
