"""The two catalogue-sized operations everything else is made of.

A synthetic position is a distribution over items, P = softmax(H V^T), and nobody ever needs P itself: its mean
embedding P E is attention with query H, key V and value E, and since P sums to one, the cross-entropy from P to a
prediction q = softmax(h E^T) is

    -sum_v P_v log q_v = logsumexp(h E^T) - h . (P E).

So a learner needs P E once, and the log-normaliser of its own scores.
"""

from torch import Tensor


def soft_embeddings(queries: Tensor, item_factor: Tensor, embedding: Tensor) -> Tensor:
    """Mean embedding of each synthetic position, softmax(H V^T) E.

    Args:
        queries: H, [..., d3].
        item_factor: V, [num_items, d3].
        embedding: E, [num_items, dim].

    Returns:
        [..., dim].
    """
    return (queries @ item_factor.T).softmax(-1) @ embedding


def soft_cross_entropy(states: Tensor, target_embeddings: Tensor, embedding: Tensor) -> Tensor:
    """Cross-entropy from target distributions to the learner's predictions, without either distribution.

    Args:
        states: h, [..., dim].
        target_embeddings: P E, the mean embedding of each target distribution, [..., dim]. A row of E itself stands for
            a hard target, and the result is then its ordinary cross-entropy.
        embedding: E, [num_items, dim].

    Returns:
        [...], in nats.
    """
    return (states @ embedding.T).logsumexp(-1) - (states * target_embeddings).sum(-1)
