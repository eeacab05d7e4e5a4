import pytest
import torch

from seqdistill.distillation import adam
from seqdistill.distillation.adam import AdamRule, AdamState, adam_step, adam_step_adjoint


@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
def test_agrees_with_torch_over_fifty_steps(weight_decay: float) -> None:
    rng = torch.Generator().manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(30, dtype=torch.float64, generator=rng))
    rule = AdamRule(0.02, weight_decay=weight_decay)
    reference = torch.optim.Adam([parameter], lr=0.02, weight_decay=weight_decay)
    state = AdamState.start(parameter.detach().clone())
    for step in range(1, 51):
        gradient = torch.randn(30, dtype=torch.float64, generator=rng)
        gradient[:3] = 0.0
        parameter.grad = gradient.clone()
        reference.step()
        state = adam_step(rule, state, gradient, rule.corrections(step))
        torch.testing.assert_close(state.theta, parameter.detach(), rtol=1e-12, atol=1e-14)


def test_parameters_at_paces_of_their_own_move_as_torchs_groups_with_rates_of_their_own() -> None:
    rng = torch.Generator().manual_seed(0)
    plain, quick = (torch.nn.Parameter(torch.randn(size, dtype=torch.float64, generator=rng)) for size in (20, 10))
    rule = AdamRule(0.02, weight_decay=0.03, paces=torch.tensor([1.0] * 20 + [7.0] * 10, dtype=torch.float64))
    groups = [{"params": [plain]}, {"params": [quick], "lr": 7 * 0.02}]
    reference = torch.optim.Adam(groups, lr=0.02, weight_decay=0.03)
    state = AdamState.start(torch.cat([plain, quick]).detach())
    for step in range(1, 51):
        gradient = torch.randn(30, dtype=torch.float64, generator=rng)
        plain.grad, quick.grad = gradient[:20].clone(), gradient[20:].clone()
        reference.step()
        state = adam_step(rule, state, gradient, rule.corrections(step))
        torch.testing.assert_close(state.theta, torch.cat([plain, quick]).detach(), rtol=1e-12, atol=1e-14)


def test_a_parameter_that_never_has_a_gradient_stays_and_differentiates() -> None:
    theta = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    gradient = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
    rule = AdamRule(0.1)
    after = adam_step(rule, AdamState.start(theta), gradient, rule.corrections(1))
    assert after.theta[1] == 2.0
    slopes = torch.autograd.grad(after.theta.sum(), (theta, gradient))
    assert all(torch.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("paces", [None, torch.arange(1.0, 11.0)], ids=["one rate", "paces"])
def test_a_long_vector_is_updated_slice_by_slice_with_the_same_outcome(
    paces: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = torch.Generator().manual_seed(0)
    theta, m, v, gradient, *bars = (torch.randn(10, generator=rng) for _ in range(7))
    rule = AdamRule(0.1, weight_decay=0.01, paces=paces)
    state, bar = AdamState(theta, m, v.square()), AdamState(*bars)

    def both() -> tuple[torch.Tensor, ...]:
        corrections = rule.corrections(3)
        before, gradient_bar = adam_step_adjoint(rule, state, gradient, corrections, bar)
        return *adam_step(rule, state, gradient, corrections), *before, gradient_bar

    whole = both()
    monkeypatch.setattr(adam, "SLICE", 4)
    assert all(torch.equal(a, b) for a, b in zip(whole, both(), strict=True))
    before, gradient_bar = adam_step_adjoint(rule, state, gradient, rule.corrections(3), bar, overwrite=True)
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], (*before, gradient_bar), strict=True))
    assert [b.data_ptr() for b in before] == [b.data_ptr() for b in bar]
