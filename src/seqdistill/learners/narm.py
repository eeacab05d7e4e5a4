"""NARM: neural attentive session-based recommendation (Li et al., CIKM 2017, arXiv 1711.04725).

With x_t the embedded item at position t [dim],

    h_t     = GRU(x_t, h_{t-1})                                        [hidden]; see `recurrent`
    a_{tj}  = v . sigmoid(A_1 h_t + A_2 h_j),   j <= t                 how much h_j says about the purpose at t
    c_t     = [h_t ; sum_{j <= t} a_{tj} h_j]                          [2 hidden], global and local
    s_t     = B c_t                                                    [dim]
    score   = s^{last} E^T,

where B is the paper's bilinear decoder. The weights a_{tj} are not normalised, as in the paper. Published settings: one
layer of 100 units, dropout 0.25 on the embedded items and 0.5 on c.

Departures: the paper trains on prefixes, one row each. The state at t depends on positions up to t alone, so here the
states of all prefixes come from one pass (see `agreement`). The recurrent network is that of `recurrent`.
"""

import torch
from torch import Tensor, nn

from seqdistill.learners.agreement import agreement
from seqdistill.learners.base import Learner
from seqdistill.learners.dropout import Dropout
from seqdistill.learners.recurrent import GRU, ITEM_RMS, LATE_STARTS

MOST_OUTPUT_DROPOUT = 0.5


class NARM(Learner):
    """A recurrent network whose states are read again by attention from the last of them.

    Args:
        dim: width of the item embedding and of every state it gives.
        length: most positions it reads.
        layers: of the recurrent network.
        hidden: width of the recurrent state and of the attention.
        dropout: probability of dropping a feature of an embedded item.
        output_dropout: the same for c; None for twice `dropout`, the published ratio, and at most 0.5.
    """

    item_rms = ITEM_RMS
    late_starts = LATE_STARTS

    def __init__(
        self,
        dim: int,
        length: int,
        *,
        layers: int = 1,
        hidden: int = 100,
        dropout: float = 0.0,
        output_dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.length = length
        self.dropout = Dropout(dropout)
        self.output_dropout = Dropout(
            min(2 * dropout, MOST_OUTPUT_DROPOUT) if output_dropout is None else output_dropout
        )
        self.recurrent = GRU(dim, hidden, layers)
        self.by_end = nn.Linear(hidden, hidden, bias=False)
        self.by_position = nn.Linear(hidden, hidden, bias=False)
        self.weigh = nn.Linear(hidden, 1, bias=False)
        self.decode = nn.Linear(2 * hidden, dim, bias=False)
        self.reset_parameters()

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        del mask  # Padding lies to the right, after every position that a state reads.
        hidden = self.recurrent(self.dropout(embedded))
        end = hidden if at is None else hidden.take_along_dim(at[..., None], 1)
        weights = agreement(self.by_end(end), self.by_position(hidden), self.weigh.weight.squeeze(0), causal=at is None)
        if at is not None:
            weights = weights * (torch.arange(hidden.shape[1], device=hidden.device) <= at[..., None])
        return self.decode(self.output_dropout(torch.cat([end, weights @ hidden], dim=-1)))

    def reset_parameters(self) -> None:
        """See `GRU.reset_parameters`; Glorot's normal for the linear maps."""
        self.recurrent.reset_parameters()
        for layer in (self.by_end, self.by_position, self.weigh, self.decode):
            nn.init.xavier_normal_(layer.weight)
