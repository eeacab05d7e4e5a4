"""A gated recurrent unit with a second derivative on every device, shared by the recurrent architectures.

With x_t the input and h_t the state at position t, h_0 = 0,

    r_t = sigmoid(W_r x_t + U_r h_{t-1})
    z_t = sigmoid(W_z x_t + U_z h_{t-1})
    n_t = tanh(W_n x_t + r_t * (U_n h_{t-1}))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}.

The weights are laid out as those of `torch.nn.GRU` without biases, and the numbers are the same. It is written out
because cuDNN's kernels have no second derivative, and because on a CPU a second-order step takes less time like this.
"""

import math

import torch
from torch import Tensor, nn


class GRU(nn.Module):
    """Layers of gated recurrent units, without biases.

    Args:
        dim: width of the inputs.
        hidden: width of the states.
        layers: number of layers, each reading the states of the one below.
    """

    def __init__(self, dim: int, hidden: int, layers: int) -> None:
        super().__init__()
        widths = [dim, *[hidden] * (layers - 1)]
        self.input_weights = nn.ParameterList(torch.empty(3 * hidden, width) for width in widths)
        self.state_weights = nn.ParameterList(torch.empty(3 * hidden, hidden) for _ in widths)

    def forward(self, inputs: Tensor) -> Tensor:
        """[batch, positions, dim] -> states [batch, positions, hidden]."""
        for w, u in zip(self.input_weights, self.state_weights, strict=True):
            inputs = _layer(inputs, w, u)
        return inputs

    def reset_parameters(self) -> None:
        """Each gate's matrices uniform within sqrt(6 / (rows + columns)), as of GRU4Rec."""
        for weight in self.parameters():
            rows, columns = weight.shape[0] // 3, weight.shape[1]
            bound = math.sqrt(6 / (rows + columns))
            nn.init.uniform_(weight, -bound, bound)


def _layer(inputs: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """`w` [3 hidden, dim] and `u` [3 hidden, hidden] hold the reset gate's rows, the update gate's, the candidate's."""
    hidden = u.shape[1]
    sizes = [2 * hidden, hidden]
    gates, candidates = torch.split(inputs @ w.T, sizes, dim=-1)
    u_gates, u_candidate = torch.split(u, sizes)
    state = inputs.new_zeros(len(inputs), hidden)
    states: list[Tensor] = []
    for gate, candidate in zip(gates.unbind(1), candidates.unbind(1), strict=True):
        r, z = torch.addmm(gate, state, u_gates.T).sigmoid().chunk(2, dim=1)
        n = torch.addcmul(candidate, r, state @ u_candidate.T).tanh()
        state = torch.lerp(n, state, z)
        states.append(state)
    return torch.stack(states, dim=1)
