"""Parameters that the scale of a learner's states hangs on move faster, where items are given."""

import polars as pl
import pytest
import torch

from seqdistill.config import LearnerConfig, Regime
from seqdistill.learners import Learner, Recommender, SASRec, build_learner
from seqdistill.learners.paces import OUTPUT_PACE, pace_vector
from seqdistill.learners.scale import Rescaled, rms
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Factors, Schedule, Summary

N, LENGTH, DIM, ITEMS, RATE = 4, 6, 16, 40, 0.01
SHARP = 5.0


def summary() -> Sequences:
    """Small items, read sharply, and targets that only large states predict."""
    torch.manual_seed(0)
    item_factor = 0.06 * torch.randn(ITEMS, DIM)
    queries = torch.cat([20 * torch.randn(N, LENGTH, DIM), SHARP * torch.randn(N, LENGTH, DIM)], dim=-1)
    factors = Factors(torch.eye(N), torch.eye(LENGTH), queries)
    return Summary(factors, item_factor, pl.Series([f"{v}" for v in range(ITEMS)]), "separate").sequences()


def fitted(regime: Regime, steps: int, learner: str = "sasrec") -> tuple[dict[str, torch.Tensor], Recommender]:
    """Parameters before the first step, and what comes out."""
    before: dict[str, torch.Tensor] = {}

    def watch(step: int, model: Recommender) -> None:
        if step == 0:
            before.update({name: p.detach().clone() for name, p in model.named_parameters()})

    config = LearnerConfig(learner=learner)
    model = fit_to_sequences(summary(), config, regime, Schedule(RATE, steps, "soap"), seed=0, on_step=watch)
    return before, model


@pytest.mark.parametrize("layers", [1, 2])
def test_sasrec_names_the_normalisation_that_gives_its_states(layers: int) -> None:
    learner = SASRec(DIM, LENGTH, layers=layers).eval()
    items = torch.randn(2, LENGTH, DIM)
    mask = torch.ones(2, LENGTH, dtype=torch.bool)
    states = learner(items, mask)
    with torch.no_grad():
        for name in learner.output_scale:
            learner.get_parameter(name).mul_(3)
    torch.testing.assert_close(learner(items, mask), 3 * states)


def test_where_items_are_given_a_first_step_moves_the_output_scale_by_its_pace_times_the_rate() -> None:
    before, model = fitted("shared", 1)
    quick = {f"learner.{name}" for name in model.learner.output_scale}
    for name, parameter in model.learner.named_parameters(prefix="learner"):
        pace = OUTPUT_PACE if name in quick else 1.0
        move = parameter.detach() - before[name]
        if move.dim() == 1:
            # Less than the rate where a gradient is no larger than the optimiser's epsilon.
            assert 0.9 * pace * RATE < float(move.abs().max()) < 1.001 * pace * RATE
        else:
            # Turned out of an eigenbasis a move is as long as in it, but not as even; a side of lower rank has less.
            assert 0 < rms(move) < 1.001 * pace * RATE


@pytest.mark.parametrize(("regime", "learner"), [("fresh", "sasrec"), ("shared", "bert4rec"), ("shared", "gru4rec")])
def test_elsewhere_all_parameters_move_at_the_rate(regime: Regime, learner: str) -> None:
    before, model = fitted(regime, 1, learner)
    for name, parameter in model.named_parameters():
        move = parameter.detach() - before[name]
        assert (rms(move) if regime == "shared" else float(move.abs().max())) < 1.01 * RATE
    assert pace_vector(model.learner, regime) is None


def test_predictions_become_as_sharp_as_the_targets_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def excess() -> float:
        """Mean divergence of predictions from targets, nats."""
        sequences = summary()
        _, model = fitted("shared", 60)
        read = sequences.inputs()(model.embedding, slice(None))
        with torch.no_grad():
            log_q = model.scores(model.learner(read, sequences.mask)).log_softmax(-1)
            log_p = (sequences.predict @ sequences.item_factor.T).log_softmax(-1)
        return float((log_p.exp() * (log_p - log_q)).sum(-1).mean())

    paced = excess()
    monkeypatch.setattr("seqdistill.learners.paces.OUTPUT_PACE", 1.0)
    assert paced < 0.6 * excess()


def test_the_paces_of_a_learner_are_in_the_order_of_its_parameters() -> None:
    learner: Learner = Rescaled(build_learner(LearnerConfig(), dim=DIM, length=LENGTH), 0.5)
    found = pace_vector(learner, "shared")
    assert found is not None
    names, sizes = zip(*((name, p.numel()) for name, p in learner.named_parameters()), strict=True)
    by_name = dict(zip(names, found.split(sizes), strict=True))
    assert {n for n, part in by_name.items() if (part == OUTPUT_PACE).all()} == set(learner.output_scale)
    assert all((part == 1.0).all() for n, part in by_name.items() if n not in learner.output_scale)
