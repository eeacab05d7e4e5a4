"""Our dropout drops what it should, at the stated rate, and otherwise does what torch's does."""

import pytest
import torch
from torch import Tensor

from seqdistill.learners.dropout import Dropout

COUNT = 200_003  # no multiple of what one draw decides


def dropped(p: float, seed: int = 0) -> Tensor:
    """[COUNT] True where a one was dropped."""
    torch.manual_seed(seed)
    return Dropout(p).train()(torch.ones(COUNT)) == 0


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.999, 0.9999999])
def test_the_stated_share_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(1)
    out = Dropout(p).train()(torch.ones(COUNT))
    step = 1 / 65_536
    stays = max(1 - p, step)
    assert abs((out != 0).double().mean().item() - stays) < 5 * (p * (1 - p) / COUNT) ** 0.5 + step
    kept = out[out != 0]
    assert (kept == kept[0]).all()
    assert 1 / kept[0].item() == pytest.approx(stays, abs=step / 2)


@pytest.mark.parametrize("apart", [1, 2, 3, 4, 5, 64])
def test_features_are_dropped_independently_of_their_neighbours(apart: int) -> None:
    mask = dropped(0.3).double() - 0.3
    correlation = (mask[apart:] * mask[:-apart]).mean().item() / (0.3 * 0.7)
    assert abs(correlation) < 5 / COUNT**0.5


def test_the_seed_decides_the_mask_and_every_call_draws_anew() -> None:
    assert torch.equal(dropped(0.5), dropped(0.5))
    assert not torch.equal(dropped(0.5), dropped(0.5, seed=1))
    layer = Dropout(0.5).train()
    torch.manual_seed(0)
    assert not torch.equal(layer(torch.ones(100)), layer(torch.ones(100)))


@pytest.mark.parametrize("shape", [(), (1,), (0, 4), (3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_is_kept_is_scaled_and_so_is_its_gradient(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.rand(shape, dtype=dtype).add_(1).requires_grad_()
    out = Dropout(0.5).train()(x)
    assert out.shape == shape
    assert out.dtype == dtype
    (slope,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(slope, torch.where(out == 0, 0.0, 2.0).to(dtype))
    assert torch.equal(out, x * slope)


def test_nothing_happens_in_evaluation_or_at_rate_0() -> None:
    x = torch.rand(50)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)
