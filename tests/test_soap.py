"""Trainings on few sequences by SOAP's steps."""

import polars as pl
import pytest
import torch
from torch import nn

from seqdistill.config import LearnerConfig, Optimiser
from seqdistill.errors import SeqDistillError
from seqdistill.learners import Learner
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.soap import BETAS, LARGEST_BASIS, Soap
from seqdistill.summary import Factors, Schedule, Summary

N, LENGTH, DIM, ITEMS, RATE, STEPS = 6, 10, 16, 60, 0.01, 300


def summary() -> Sequences:
    """Targets that a learner with the given item factor can predict well, as a teacher's are."""
    torch.manual_seed(0)
    item_factor = 0.5 * torch.randn(ITEMS, DIM)
    queries = torch.cat([20 * torch.randn(N, LENGTH, DIM), 2 * torch.randn(N, LENGTH, DIM)], dim=-1)
    factors = Factors(torch.eye(N), torch.eye(LENGTH), queries)
    return Summary(factors, item_factor, pl.Series([f"{v}" for v in range(ITEMS)]), "separate").sequences()


def excess(learner: str, optimiser: Optimiser) -> float:
    """Mean divergence of a learner's predictions from the targets in the end, nats."""
    sequences, schedule = summary(), Schedule(RATE, STEPS, optimiser)
    model = fit_to_sequences(sequences, LearnerConfig(learner=learner), "shared", schedule, seed=0)
    read = sequences.inputs()(model.embedding, slice(None))
    with torch.no_grad():
        log_q = model.scores(model.learner(read, sequences.mask)).log_softmax(-1)
        log_p = (sequences.predict @ sequences.item_factor.T).log_softmax(-1)
    return float((log_p.exp() * (log_p - log_q)).sum(-1).mean())


@pytest.mark.parametrize("learner", ["sasrec", "gru4rec"])
def test_learners_come_nearer_to_the_targets_than_by_as_many_steps_of_adam(learner: str) -> None:
    assert excess(learner, "soap") < 0.9 * excess(learner, "adam")


def test_a_matrix_moves_as_the_paper_says() -> None:
    """Against the definition: eigenvectors of the first gradient's products, Adam in their coordinates."""
    torch.manual_seed(3)
    matrix = nn.Parameter(torch.randn(5, 4, dtype=torch.float64))
    begin = matrix.detach().clone()
    optimiser = Soap([{"params": [matrix], "lr": RATE}])
    gradients = [torch.randn(5, 4, dtype=torch.float64) for _ in range(6)]
    for gradient in gradients:
        matrix.grad = gradient.clone()
        optimiser.step()
    left, right = (torch.linalg.eigh(products).eigenvectors for products in _products(gradients[0]))
    first = torch.zeros(5, 4, dtype=torch.float64)
    second = torch.zeros_like(first)
    expected = begin
    # The first gradient makes the basis, which six steps are too few to renew.
    for step, gradient in enumerate(gradients, start=1):
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * (left.T @ gradient @ right).square()
        unbiased = (1 - BETAS[1] ** step) ** 0.5 / (1 - BETAS[0] ** step)
        move = unbiased * (left.T @ first @ right) / (second.sqrt() + 1e-8)
        expected = expected - RATE * left @ move @ right.T
    torch.testing.assert_close(matrix.detach(), expected, rtol=0, atol=1e-9)


def _products(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return gradient @ gradient.T, gradient.T @ gradient


def test_a_side_that_is_too_large_gets_no_basis() -> None:
    torch.manual_seed(0)
    matrix = nn.Parameter(torch.randn(LARGEST_BASIS + 1, 8))
    optimiser = Soap([{"params": [matrix], "lr": RATE}])
    for _ in range(2):
        matrix.grad = torch.randn_like(matrix)
        optimiser.step()
    held = [tensor for state in optimiser.state.values() for tensor in _tensors(state)]
    assert max(tensor.numel() for tensor in held) == matrix.numel()


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


class Unbounded(Learner):
    """A learner whose gradient is not finite: the root of 0."""

    def __init__(self, dim: int, length: int, dropout: float = 0.0) -> None:
        super().__init__()
        del dropout
        self.dim, self.length = dim, length
        self.gain = nn.Parameter(torch.zeros(dim))

    def forward(self, embedded: torch.Tensor, mask: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        del mask, at
        return embedded * self.gain.sqrt()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gain)


def test_a_first_gradient_that_is_not_finite_is_named() -> None:
    architecture = LearnerConfig(learner=f"{__name__}:Unbounded")
    with pytest.raises(SeqDistillError, match=r"Unbounded cannot be trained.* gradient of learner\.gain is not finite"):
        fit_to_sequences(summary(), architecture, "shared", Schedule(RATE, 2, "soap"), seed=0)
