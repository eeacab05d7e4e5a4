"""Next-item cross-entropy against a sample of the catalogue, for logs whose catalogue makes the full one too slow.

With s_v the score of item v, y the next item and S a uniform sample of k other items, the normaliser over all |V| items
is estimated by

    logaddexp(s_y, logsumexp_{v in S} s_v + log((|V| - 1) / k)),

which is importance sampling for a uniform proposal (Bengio and Senecal, 2008): unlike a loss against k negatives taken
at their face value, its scores keep the meaning of log-probabilities up to a constant, so that the trained model's
softmax over the whole catalogue can be used as it is.
"""

import math

import torch
from torch import Tensor


def sampled_cross_entropy(states: Tensor, targets: Tensor, embedding: Tensor, *, negatives: int) -> Tensor:
    """Estimated cross-entropy of each target, nats; one sample of items, from torch's generator, serves all rows.

    Args:
        states: [rows, dim].
        targets: int64 [rows] ids.
        embedding: E, [num_items, dim], of at least two items.
        negatives: k, items drawn (with replacement); for a row whose target is among them the rest count.

    Returns:
        [rows].
    """
    drawn = torch.randint(len(embedding), (negatives,), device=embedding.device)
    own = (states * torch.nn.functional.embedding(targets - 1, embedding)).sum(-1)
    others = states @ torch.nn.functional.embedding(drawn, embedding).T
    hit = drawn == (targets - 1)[:, None]
    counted = (negatives - hit.sum(-1)).clamp(min=1)
    rest = others.masked_fill(hit, -torch.inf).logsumexp(-1) + math.log(len(embedding) - 1) - counted.log()
    return torch.logaddexp(own, rest) - own
