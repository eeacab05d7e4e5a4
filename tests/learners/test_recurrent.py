"""The recurrent network is torch's GRU, and what torch's GRU would be differentiated twice."""

import pytest
import torch
from torch import Tensor, nn

from derivatives import up_to_second
from seqdistill.learners import recurrent
from seqdistill.learners.recurrent import GRU

BATCH, POSITIONS, DIM, HIDDEN = 3, 7, 4, 5


def network(layers: int) -> GRU:
    torch.manual_seed(0)
    gru = GRU(DIM, HIDDEN, layers).double()
    gru.reset_parameters()
    return gru


def leaves_of(gru: GRU) -> list[Tensor]:
    inputs = torch.randn(BATCH, POSITIONS, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return [inputs.requires_grad_(), *gru.parameters()]


def step_by_step(inputs: Tensor, *weights: Tensor) -> Tensor:
    """The equations of the page, one position after another, for autograd to differentiate."""
    half = len(weights) // 2
    for w, u in zip(weights[:half], weights[half:], strict=True):
        (w_r, w_z, w_n), (u_r, u_z, u_n) = w.chunk(3), u.chunk(3)
        state = torch.zeros(len(inputs), HIDDEN, dtype=inputs.dtype)
        states: list[Tensor] = []
        for x in inputs.unbind(1):
            r = torch.sigmoid(x @ w_r.T + state @ u_r.T)
            z = torch.sigmoid(x @ w_z.T + state @ u_z.T)
            n = torch.tanh(x @ w_n.T + r * (state @ u_n.T))
            state = (1 - z) * n + z * state
            states.append(state)
        inputs = torch.stack(states, dim=1)
    return inputs


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("block", [1, 2 * BATCH * HIDDEN, 1 << 20], ids=["of one", "of two", "of all"])
def test_values_and_both_derivatives_are_those_of_its_equations(
    layers: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "BLOCK_NUMBERS", {"cpu": block})
    gru = network(layers)
    leaves = leaves_of(gru)
    with_parameters = [*gru.input_weights, *gru.state_weights]
    ours = up_to_second(lambda inputs, *_: gru(inputs), [leaves[0], *with_parameters])
    theirs = up_to_second(step_by_step, [leaves[0], *with_parameters])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_numbers_are_those_of_torchs_gru(layers: int) -> None:
    gru = network(layers)
    theirs = nn.GRU(DIM, HIDDEN, layers, bias=False, batch_first=True).double()
    theirs.load_state_dict(
        {
            f"weight_{kind}h_l{layer}": weights[layer].detach()
            for kind, weights in (("i", gru.input_weights), ("h", gru.state_weights))
            for layer in range(layers)
        }
    )
    inputs = leaves_of(gru)[0].detach()
    torch.testing.assert_close(gru(inputs), theirs(inputs)[0], rtol=1e-12, atol=1e-13)


def test_what_does_not_need_a_gradient_gets_none() -> None:
    gru = network(1).requires_grad_(requires_grad=False)
    inputs = leaves_of(gru)[0]
    (by_inputs,) = torch.autograd.grad(gru(inputs).sum(), inputs)
    assert by_inputs.shape == inputs.shape
    assert not gru(inputs.detach()).requires_grad
