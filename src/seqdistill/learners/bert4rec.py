"""BERT4Rec: bidirectional self-attention over masked items (Sun et al., CIKM 2019, arXiv 1904.06690).

A history of n items fills the slots 0..n-1. To predict what follows position t is to fill slot t + 1, so wherever a
state is asked for, the item in the next slot, or the empty slot n after the last item, gives way to a learned mask
vector m:

    x_s   = m where s - 1 is asked for, else the embedded item         [dim]
    h^0   = LayerNorm(x + p)                                           p_s: learned position vectors, length + 1 of them
    h     = blocks of attention to all slots that hold something; see `transformer`
    s_t   = LayerNorm(gelu(W h_{t+1} + b))                             [dim]
    score = s^{last} E^T.

Published settings: 2 layers, 2 heads, a feed-forward width of 4 dim, and a mask ratio between 0.2 (MovieLens) and 0.6.

Departures: no bias per item at the output, as scores are products with the item embedding for every learner here; no
bias in keys and values (see `transformer.Block`); the first item of a sequence is never predicted; an item that ends a
training sequence is seen by nobody while it is not asked for. What training hides is told in `seqdistill.views`.
"""

import torch
from torch import Tensor, nn

from seqdistill.learners.base import Learner
from seqdistill.learners.dropout import Dropout
from seqdistill.learners.layer_norm import LayerNorm
from seqdistill.learners.transformer import LAYER_NORM_EPS, Block, reset_transformer


class BERT4Rec(Learner):
    """Self-attention in both directions, which fills the slots it is asked for.

    Args:
        dim: width of the item embedding and of every state it gives.
        length: most positions it reads.
        layers: number of attention blocks.
        heads: attention heads, a divisor of `dim`.
        feed_forward: hidden width of the position-wise network; four times `dim` when None.
        mask_ratio: share of the positions that training asks for at once.
        dropout: probability of dropping a feature after the input, the attention weights and both sub-layers.
    """

    view = "masked"

    def __init__(
        self,
        dim: int,
        length: int,
        *,
        layers: int = 2,
        heads: int = 2,
        feed_forward: int | None = None,
        mask_ratio: float = 0.2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.length = length
        self.mask_ratio = mask_ratio
        self.mask_vector = nn.Parameter(torch.empty(dim))
        self.position = nn.Parameter(torch.empty(length + 1, dim))
        self.norm = LayerNorm(dim, LAYER_NORM_EPS)
        self.dropout = Dropout(dropout)
        width = 4 * dim if feed_forward is None else feed_forward
        self.blocks = nn.ModuleList(Block(dim, heads, width, dropout) for _ in range(layers))
        self.dense = nn.Linear(dim, dim)
        self.output_norm = LayerNorm(dim, LAYER_NORM_EPS)
        self.reset_parameters()

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        if at is None:
            raise ValueError("a `masked` learner has states only at the positions it is asked for: give `at`")
        # Slot n, which follows the last position.
        inputs = nn.functional.pad(embedded, (0, 0, 0, 1))
        hides = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device).scatter(1, at + 1, value=True)
        inputs = torch.where(hides[..., None], self.mask_vector, inputs)
        visible = (nn.functional.pad(mask, (0, 1)) | hides)[:, None, None]
        hidden = self.dropout(self.norm(inputs + self.position[: inputs.shape[1]]))
        *lower, last = self.blocks
        for block in lower:
            hidden = block(hidden, visible)
        filled = last(hidden, visible, at + 1)
        return self.output_norm(nn.functional.gelu(self.dense(filled)))

    def reset_parameters(self) -> None:
        """Normal(0, 0.02) weights, zero biases, unit normalisation gains."""
        reset_transformer(self, self.mask_vector, self.position)
