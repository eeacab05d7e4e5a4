"""SASRec: self-attentive sequential recommendation (Kang and McAuley, ICDM 2018, arXiv 1808.09781).

With x_t the embedded item at position t and p_t a learned position vector,

    h^0   = LayerNorm(x + p)
    a     = LayerNorm(h + Attention(h))         Attention: causal, softmax(Q K^T / sqrt(d_head)) V, then a linear map
    h'    = LayerNorm(a + W_2 gelu(W_1 a))
    score = h^{last} E^T.

Departures from the paper, which later implementations (RecBole among them) share and which the TD3 authors build on:
layer normalisation after each residual sum instead of before each block, on the input as well; gelu instead of ReLU; a
feed-forward width of its own; no scaling of the item embedding by sqrt(d). Our own: no bias in keys and values (see
`transformer.Block`).
"""

import numpy as np
import torch
from torch import Tensor, nn

from seqdistill.learners.base import Learner
from seqdistill.learners.dropout import Dropout
from seqdistill.learners.layer_norm import LayerNorm
from seqdistill.learners.transformer import LAYER_NORM_EPS, Block, reset_transformer


class SASRec(Learner):
    """Causal self-attention over the history.

    Args:
        dim: width of the item embedding and of every state.
        length: most positions it reads.
        layers: number of attention blocks.
        heads: attention heads, a divisor of `dim`.
        feed_forward: hidden width of the position-wise network.
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
        feed_forward: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.length = length
        self.position = nn.Parameter(torch.empty(length, dim))
        self.norm = LayerNorm(dim, LAYER_NORM_EPS)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, feed_forward, dropout) for _ in range(layers))
        # By numpy: torch takes a second to learn how to do it without memory, which is how a stored model is checked.
        self.register_buffer("causal", torch.from_numpy(np.tri(length, dtype=np.bool_)), persistent=False)
        self.causal: Tensor
        self.output_scale = tuple(f"blocks.{layers - 1}.feed_forward_norm.{name}" for name in ("weight", "bias"))
        self.reset_parameters()

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        del mask  # Padding lies to the right, where the causal mask hides it.
        positions = embedded.shape[1]
        visible = self.causal[:positions, :positions]
        hidden = self.dropout(self.norm(embedded + self.position[:positions]))
        *lower, last = self.blocks
        for block in lower:
            hidden = block(hidden, visible)
        return last(hidden, visible if at is None else visible[at][:, None], at)

    def reset_parameters(self) -> None:
        """Normal(0, 0.02) weights, zero biases, unit normalisation gains."""
        reset_transformer(self, self.position)
