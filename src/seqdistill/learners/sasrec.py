"""SASRec: self-attentive sequential recommendation (Kang and McAuley, ICDM 2018, arXiv 1808.09781).

With x_t the embedded item at position t and p_t a learned position vector,

    h^0   = LayerNorm(x + p)
    a     = LayerNorm(h + Attention(h))         Attention: causal, softmax(Q K^T / sqrt(d_head)) V, then a linear map
    h'    = LayerNorm(a + W_2 gelu(W_1 a))
    score = h^{last} E^T.

Departures from the paper, which later implementations (RecBole among them) share and which the TD3 authors build on:
layer normalisation after each residual sum instead of before each block, on the input as well; gelu instead of ReLU; a
feed-forward width of its own; no scaling of the item embedding by sqrt(d). The attention is written out because
the fused kernels have no second derivative.
"""

import math

import torch
from torch import Tensor, nn

from seqdistill.learners.base import Learner

INITIAL_STD = 0.02
LAYER_NORM_EPS = 1e-12


class SASRec(Learner):
    """Causal self-attention over the history.

    Args:
        dim: width of the item embedding and of every state.
        length: most positions it reads.
        layers: number of attention blocks.
        heads: attention heads, a divisor of `dim`.
        feed_forward: hidden width of the position-wise network; twice `dim` when None.
        dropout: probability of dropping a feature after the input, the attention weights and both sub-layers, in [0,
            1).
    """

    def __init__(
        self,
        dim: int,
        length: int,
        *,
        layers: int = 1,
        heads: int = 1,
        feed_forward: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.length = length
        self.position = nn.Parameter(torch.empty(length, dim))
        self.norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        width = 2 * dim if feed_forward is None else feed_forward
        self.blocks = nn.ModuleList(Block(dim, heads, width, dropout) for _ in range(layers))
        self.register_buffer("causal", torch.ones(length, length, dtype=torch.bool).tril(), persistent=False)
        self.causal: Tensor
        self.reset_parameters()

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        del mask  # Padding lies to the right, where the causal mask hides it.
        positions = embedded.shape[1]
        visible = self.causal[:positions, :positions]
        hidden = self.dropout(self.norm(embedded + self.position[:positions]))
        for depth, block in enumerate(self.blocks, 1):
            hidden = block(hidden, visible, at if depth == len(self.blocks) else None)
        return hidden

    def reset_parameters(self) -> None:
        """Normal(0, 0.02) weights, zero biases, unit normalisation gains."""
        nn.init.normal_(self.position, std=INITIAL_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INITIAL_STD)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()


class Block(nn.Module):
    """Attention and a position-wise network, each with a residual sum and a normalisation."""

    def __init__(self, dim: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        self.attention_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.expand = nn.Linear(dim, feed_forward)
        self.contract = nn.Linear(feed_forward, dim)
        self.feed_forward_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, visible: Tensor, at: Tensor | None = None) -> Tensor:
        """[batch, positions, dim] -> the same, or [batch, k, dim] for the positions `at`, [batch, k].

        `visible` [positions, positions] is True where a row may read a column.
        """
        asking = hidden
        if at is not None:
            asking = hidden.take_along_dim(at[..., None], 1)
            visible = visible[at][:, None]
        query = self._by_head(self.query(asking))
        key, value = (self._by_head(x) for x in self.key_value(hidden).chunk(2, dim=-1))
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        weights = self.dropout(scores.masked_fill(~visible, -torch.inf).softmax(-1))
        mixed = (weights @ value).transpose(1, 2).reshape(asking.shape)
        asking = self.attention_norm(asking + self.dropout(self.project(mixed)))
        update = self.contract(nn.functional.gelu(self.expand(asking)))
        return self.feed_forward_norm(asking + self.dropout(update))

    def _by_head(self, features: Tensor) -> Tensor:
        """[batch, positions, dim] -> [batch, heads, positions, dim / heads]."""
        batch, positions, dim = features.shape
        return features.view(batch, positions, self.heads, dim // self.heads).transpose(1, 2)
