"""What the architectures with attention have in common: a block of attention and a position-wise network.

Attention is written out because the fused kernels have no second derivative.
"""

import math

import torch
from torch import Tensor, nn

from seqdistill.learners.dropout import Dropout
from seqdistill.learners.layer_norm import LayerNorm

INITIAL_STD = 0.02
LAYER_NORM_EPS = 1e-12


def reset_transformer(module: nn.Module, *tables: nn.Parameter) -> None:
    """Normal(0, 0.02) weights and tables, zero biases, unit normalisation gains."""
    for table in tables:
        nn.init.normal_(table, std=INITIAL_STD)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=INITIAL_STD)
            for bias in (b for name, b in layer.named_parameters() if name == "bias"):
                nn.init.zeros_(bias)
        elif isinstance(layer, nn.LayerNorm):
            layer.reset_parameters()


class Block(nn.Module):
    """Attention and a position-wise network, each with a residual sum and a normalisation.

    Keys and values have no bias. That of the keys would add the same to all scores of a query, which the softmax
    cancels: its gradient is rounding, which Adam and weight decay blow up, and the hypergradient with them. That of the
    values would pass through the softmax unchanged and merge with the bias of the map that follows.
    """

    def __init__(self, dim: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.project = nn.Linear(dim, dim)
        self.attention_norm = LayerNorm(dim, LAYER_NORM_EPS)
        self.expand = nn.Linear(dim, feed_forward)
        self.contract = nn.Linear(feed_forward, dim)
        self.feed_forward_norm = LayerNorm(dim, LAYER_NORM_EPS)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, visible: Tensor, at: Tensor | None = None) -> Tensor:
        """[batch, positions, dim] -> the same, or [batch, k, dim] for the positions `at`, [batch, k].

        `visible` is True where a row, one of the positions asked for, may read a column, one of all positions; it
        broadcasts to [batch, heads, rows, columns].
        """
        asking = hidden if at is None else hidden.take_along_dim(at[..., None], 1)
        query = self._by_head(self.query(asking)) / math.sqrt(hidden.shape[-1] // self.heads)
        read = self._read if at is None else self._read_few
        mixed = read(query, hidden, visible).transpose(1, 2).reshape(asking.shape)
        asking = self.attention_norm(asking + self.dropout(self.project(mixed)))
        update = self.contract(nn.functional.gelu(self.expand(asking)))
        return self.feed_forward_norm(asking + self.dropout(update))

    def _read(self, query: Tensor, hidden: Tensor, visible: Tensor) -> Tensor:
        """Attention: what queries [batch, heads, positions, dim / heads] read, in the same shape."""
        key, value = (self._by_head(x) for x in self.key_value(hidden).chunk(2, dim=-1))
        return self._weights(query @ key.mT, visible) @ value

    def _read_few(self, query: Tensor, hidden: Tensor, visible: Tensor) -> Tensor:
        """The same for k queries a sequence, [batch, heads, k, dim / heads].

        As (W_k x) . q = x . (W_k^T q), and likewise for the values, it is the few that go through the maps and not
        every position.
        """
        batch, heads, few, _ = query.shape
        key_map, value_map = self.key_value.weight.view(2, heads, -1, hidden.shape[-1])
        carried = torch.einsum("bhke,hed->bhkd", query, key_map).flatten(1, 2)
        # In this order the gradient comes in the layout of `hidden`.
        scores = (hidden @ carried.mT).mT.view(batch, heads, few, -1)
        weights = self._weights(scores, visible)
        read = (weights.flatten(1, 2) @ hidden).view(batch, heads, few, -1)
        return torch.einsum("bhkd,hed->bhke", read, value_map)

    def _weights(self, scores: Tensor, visible: Tensor) -> Tensor:
        return self.dropout(scores.masked_fill(~visible, -torch.inf).softmax(-1))

    def _by_head(self, features: Tensor) -> Tensor:
        """[batch, positions, dim] -> [batch, heads, positions, dim / heads]."""
        batch, positions, dim = features.shape
        return features.view(batch, positions, self.heads, dim // self.heads).transpose(1, 2)
