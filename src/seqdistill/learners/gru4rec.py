"""GRU4Rec: session-based recommendation with recurrent networks (Hidasi et al., ICLR 2016, arXiv 1511.06939).

With x_t the embedded item at position t [dim],

    h_t   = GRU(x_t, h_{t-1})                     [hidden]; see `recurrent`
    s_t   = W h_t + b                             [dim]
    score = s^{last} E^T.

Published settings: one layer of 100 units. Departures: inputs are embedded instead of one-hot, and scores are products
with that embedding instead of an output matrix of its own, as in Tan et al. (DLRS 2016) and in RecBole, hence the
dense map from the state to the embedding's width; the reset gate multiplies U_n h instead of h, as in most
libraries' GRU; trained by full cross-entropy over whole sequences instead of a ranking loss over sampled items.
"""

from torch import Tensor, nn

from seqdistill.learners.base import Learner
from seqdistill.learners.dropout import Dropout
from seqdistill.learners.recurrent import GRU, ITEM_RMS, LATE_STARTS


class GRU4Rec(Learner):
    """A recurrent network over the history.

    Args:
        dim: width of the item embedding and of every state it gives.
        length: most positions it reads.
        layers: of the recurrent network.
        hidden: width of the recurrent state.
        dropout: probability of dropping a feature of an embedded item.
    """

    item_rms = ITEM_RMS
    late_starts = LATE_STARTS

    def __init__(self, dim: int, length: int, *, layers: int = 1, hidden: int = 100, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.length = length
        self.dropout = Dropout(dropout)
        self.recurrent = GRU(dim, hidden, layers)
        self.dense = nn.Linear(hidden, dim)
        self.reset_parameters()

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        del mask  # Padding lies to the right, after every state that is looked at.
        hidden = self.recurrent(self.dropout(embedded))
        return self.dense(hidden if at is None else hidden.take_along_dim(at[..., None], 1))

    def reset_parameters(self) -> None:
        """See `GRU.reset_parameters`; torch's default for the dense map."""
        self.recurrent.reset_parameters()
        self.dense.reset_parameters()
