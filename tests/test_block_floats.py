"""Numbers in a byte each: what comes back, and what is left as it was."""

import pytest
import torch

from seqdistill.block_floats import Blocks, decode, encode, encoded_exactly, rounded


def numbers(*shape: int) -> torch.Tensor:
    """Normal ones whose rows lie between 1e-6 and 1e6."""
    rng = torch.Generator().manual_seed(0)
    scales = 10 ** (12 * torch.rand(*shape[:-1], 1, generator=rng) - 6)
    return scales * torch.randn(*shape, generator=rng)


@pytest.mark.parametrize("blocks", [1, 2, 8])
def test_what_comes_back_is_near_and_of_the_nearest_that_can(blocks: int) -> None:
    tensor = numbers(5, 7, 24)
    encoded = encode(tensor, blocks)
    assert (encoded.codes.dtype, encoded.codes.shape) == (torch.int8, tensor.shape)
    assert (encoded.exponents.dtype, encoded.exponents.shape) == (torch.int8, (5, 7, blocks))
    back = decode(encoded).view(5, 7, blocks, -1)
    cut = tensor.view(back.shape)
    largest = cut.abs().amax(-1, keepdim=True)
    assert ((back - cut).abs() <= largest / 64).all()
    # No neighbouring code would have been nearer, but for one that is cut off at the end of the range.
    step = 2.0 ** encoded.exponents.float()[..., None]
    inside = encoded.codes.view(back.shape).abs() < 127
    assert ((back - cut).abs()[inside] <= (step / 2).expand_as(cut)[inside]).all()
    assert ((cut.abs() - back.abs())[~inside] >= -(step / 2).expand_as(cut)[~inside]).all()


def test_by_hand() -> None:
    encoded = encode(torch.tensor([1.0, -0.25, 0.013, 100.0, 64.0, -1.0]), blocks=2)
    assert encoded.exponents.tolist() == [-6, 0]
    assert encoded.codes.tolist() == [64, -16, 1, 100, 64, -1]
    assert decode(encoded).tolist() == [1.0, -0.25, 1 / 64, 100.0, 64.0, -1.0]


def test_the_top_of_the_range_is_cut_off() -> None:
    # 127.9 / 128 would be 128 steps of 1 / 128.
    encoded = encode(torch.tensor([127.9 / 128]))
    assert (encoded.codes.tolist(), encoded.exponents.tolist()) == ([127], [-7])


@pytest.mark.parametrize("blocks", [1, 3])
def test_what_was_rounded_stays_as_it_is_at_every_scale(blocks: int) -> None:
    tensor = numbers(50, 12)
    once = rounded(tensor, blocks)
    assert not torch.equal(once, tensor)
    assert torch.equal(rounded(once, blocks), once)
    for scale in (2.0**-9, 0.5, 2.0, 2.0**11):
        assert torch.equal(rounded(scale * tensor, blocks), scale * once)


def test_zeros_and_the_ends_of_float32_come_back() -> None:
    ends = torch.tensor([[0.0, 0.0], [torch.finfo(torch.float32).max, -1.0], [1e-44, 1e-40]])
    back = rounded(ends)
    assert back.isfinite().all()
    assert torch.equal(back[0], ends[0])
    assert torch.equal(back[2], torch.zeros(2))
    assert float(back[1, 0]) == pytest.approx(float(ends[1, 0]), rel=1 / 64)


def test_blocks_are_told_from_what_they_would_round() -> None:
    exact = torch.tensor([[3.0, -5.0, 0.0], [0.125, 8.0, 1.5]])
    held = encoded_exactly(exact)
    assert held is not None
    assert torch.equal(decode(held), exact)
    assert encoded_exactly(torch.tensor([[1000.0, 1.0]])) is None
    # Each on its own it can.
    assert encoded_exactly(torch.tensor([[1000.0, 1.0]]), blocks=2) is not None


def test_no_code_with_any_exponent_is_not_a_number() -> None:
    codes = torch.arange(-128, 128, dtype=torch.int8)
    exponents = torch.arange(-128, 128, dtype=torch.int8)[:, None]
    assert not decode(Blocks(codes.expand(256, 256), exponents)).isnan().any()
