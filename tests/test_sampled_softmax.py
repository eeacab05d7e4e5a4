import numpy as np
import pytest
import torch

from seqdistill.config import TeacherConfig
from seqdistill.data import Dataset
from seqdistill.sampled_softmax import sampled_cross_entropy
from seqdistill.training import fit_to_log


def exact(states: torch.Tensor, targets: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(states @ embedding.T, targets - 1, reduction="none")


def test_a_large_sample_gives_the_full_cross_entropy_and_its_gradient() -> None:
    rng = torch.Generator().manual_seed(0)
    embedding = torch.randn(40, 6, generator=rng, dtype=torch.float64).requires_grad_()
    states = torch.randn(9, 6, generator=rng, dtype=torch.float64).requires_grad_()
    targets = torch.randint(1, 41, (9,), generator=rng)
    torch.manual_seed(1)
    found = sampled_cross_entropy(states, targets, embedding, negatives=400_000)
    wanted = exact(states, targets, embedding)
    torch.testing.assert_close(found, wanted, rtol=0.01, atol=0.01)
    for mine, theirs in zip(
        torch.autograd.grad(found.sum(), (states, embedding)),
        torch.autograd.grad(wanted.sum(), (states, embedding)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=0.05, atol=0.03)


def test_scores_that_are_all_alike_have_the_entropy_of_the_catalogue_whatever_the_sample() -> None:
    states, embedding = torch.zeros(50, 3), torch.ones(20, 3)
    torch.manual_seed(0)
    targets = torch.arange(50) % 20 + 1
    losses = sampled_cross_entropy(states, targets, embedding, negatives=5)
    torch.testing.assert_close(losses, torch.full((50,), 20.0).log())


def test_a_sample_of_nothing_but_the_target_gives_no_infinity_and_no_gradient() -> None:
    met: set[bool] = set()
    for seed in range(10):
        states, embedding = torch.ones(4, 2), torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
        torch.manual_seed(seed)
        losses = sampled_cross_entropy(states, torch.ones(4, dtype=torch.int64), embedding, negatives=1)
        (gradient,) = torch.autograd.grad(losses.sum(), embedding)
        assert torch.isfinite(gradient).all()
        met.add(bool((losses == 0).all() and (gradient == 0).all()))
    assert met == {True, False}


def test_training_against_a_few_items_finds_the_law_of_a_log(planted: tuple[Dataset, np.ndarray]) -> None:
    dataset, _ = planted
    config = TeacherConfig(dim=16, negatives=8, epochs=20, patience=20)
    fitted = fit_to_log(dataset, config, length=10, seed=0)
    assert fitted.validation["hr@10"] > 0.8


@pytest.mark.parametrize(
    ("negatives", "num_items", "drawn"),
    [("auto", 20_000, None), ("auto", 20_001, 4096), ("all", 10**6, None), (8, 100, 8), (100, 100, None)],
)
def test_when_items_are_drawn(negatives: object, num_items: int, drawn: int | None) -> None:
    assert TeacherConfig.model_validate({"negatives": negatives}).negatives_among(num_items) == drawn
