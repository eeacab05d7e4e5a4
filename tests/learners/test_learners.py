"""What every architecture promises."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from planted import planted_dataset
from seqdistill.config import PUBLISHED, LearnerConfig, Regime, TeacherConfig
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.errors import SeqDistillError
from seqdistill.learners import LEARNERS, Learner, Recommender, build_learner
from seqdistill.models import TrainedModel
from seqdistill.sequence_training import fit_to_sequences
from seqdistill.sequences import Sequences
from seqdistill.summary import Schedule
from seqdistill.training import fit_to_log

NAMES = list(LEARNERS)
CAUSAL = [name for name in NAMES if LEARNERS[name].view == "causal"]
DIM, LENGTH = 8, 6
SMALL: dict[str, dict[str, Any]] = {
    "sasrec": {"layers": 2, "heads": 2},
    "gru4rec": {"hidden": 5, "layers": 2},
    "narm": {"hidden": 5},
    "bert4rec": {},
}


def config_of(name: str) -> LearnerConfig:
    return LearnerConfig.model_validate({"learner": name, **SMALL[name]})


def make(name: str, dtype: torch.dtype = torch.float32) -> Learner:
    torch.manual_seed(3)
    learner = build_learner(config_of(name), dim=DIM, length=LENGTH).to(dtype).eval()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return learner


def states_at(learner: Learner, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
    if at is None and learner.view == "masked":
        at = torch.tensor([[1, 3]]).expand(len(embedded), 2)
    return learner(embedded, mask, at)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_state_of_a_causal_learner_depends_on_nothing_to_its_right(name: str) -> None:
    embedded = torch.randn(2, LENGTH, DIM, requires_grad=True)
    states = make(name)(embedded, torch.ones(2, LENGTH, dtype=torch.bool))
    for t in range(LENGTH):
        (gradient,) = torch.autograd.grad(states[:, t].square().sum(), embedded, retain_graph=True)
        reads = gradient.abs().sum((0, 2)) > 0
        assert reads.tolist() == [position <= t for position in range(LENGTH)]


def test_a_masked_learner_reads_both_sides_but_not_what_it_has_to_predict() -> None:
    embedded = torch.randn(2, LENGTH, DIM, requires_grad=True)
    states = make("bert4rec")(embedded, torch.ones(2, LENGTH, dtype=torch.bool), torch.tensor([[2, 4], [0, 5]]))
    (gradient,) = torch.autograd.grad(states.square().sum(), embedded)
    reads = gradient.abs().sum(2) > 0
    assert reads.tolist() == [[t not in (3, 5) for t in range(LENGTH)], [t != 1 for t in range(LENGTH)]]


def test_a_masked_learner_says_that_it_must_be_asked() -> None:
    with pytest.raises(ValueError, match="give `at`"):
        make("bert4rec")(torch.randn(1, LENGTH, DIM), torch.ones(1, LENGTH, dtype=torch.bool))


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name: str) -> None:
    learner = make(name)
    embedded = torch.randn(2, LENGTH, DIM)
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    at = torch.tensor([[1, 3]] * 2)
    other = torch.where(mask[..., None], embedded, torch.randn_like(embedded) * 9)
    padded = learner(embedded, mask, at)
    torch.testing.assert_close(learner(other, mask, at), padded)
    torch.testing.assert_close(learner(embedded[:, :4], mask[:, :4], at), padded)


@pytest.mark.parametrize("name", CAUSAL)
def test_states_at_some_positions_are_those_among_all(name: str) -> None:
    learner = make(name)
    embedded, mask = torch.randn(3, LENGTH, DIM), torch.ones(3, LENGTH, dtype=torch.bool)
    at = torch.tensor([[5, 2], [0, 0], [3, 5]])
    expected = learner(embedded, mask).take_along_dim(at[..., None], 1)
    torch.testing.assert_close(learner(embedded, mask, at), expected)


@pytest.mark.parametrize("name", NAMES)
def test_all_states_of_a_recommender_are_those_of_histories_that_end_there(name: str) -> None:
    model = Recommender.fresh(make(name), 20)
    items = torch.randint(1, 21, (3, LENGTH))
    states = model(items)
    for t in range(LENGTH):
        torch.testing.assert_close(states[:, t], model.last_states(items[:, : t + 1]))


@pytest.mark.parametrize("name", NAMES)
def test_first_and_second_derivatives_are_right(name: str) -> None:
    learner = make(name, torch.float64)
    model = FlatRecommender(learner, torch.randn(9, DIM, dtype=torch.float64), "shared")
    theta = model.flatten(dict(learner.named_parameters()))
    embedded = torch.randn(2, LENGTH, DIM, dtype=torch.float64, requires_grad=True)
    mask, at = torch.ones(2, LENGTH, dtype=torch.bool), torch.tensor([[4, 1], [5, 5]])
    line = torch.randn_like(theta)

    def along(step: Tensor, embedded: Tensor) -> Tensor:
        return model.states(theta + step * line, embedded, mask, at)

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(along, (step, embedded))
    assert torch.autograd.gradgradcheck(along, (step, embedded))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_given_from_outside_are_the_ones_used(name: str) -> None:
    one, other = make(name), build_learner(config_of(name), dim=DIM, length=LENGTH).eval()
    model = FlatRecommender(other, torch.randn(9, DIM), "shared")
    embedded, mask, at = torch.randn(2, LENGTH, DIM), torch.ones(2, LENGTH, dtype=torch.bool), torch.tensor([[2], [5]])
    theta = model.flatten(dict(one.named_parameters()))
    torch.testing.assert_close(model.states(theta, embedded, mask, at), one(embedded, mask, at))


@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_in_training_only(name: str) -> None:
    learner = build_learner(config_of(name), dim=DIM, length=LENGTH, dropout=0.4)
    embedded, mask = torch.randn(2, LENGTH, DIM), torch.ones(2, LENGTH, dtype=torch.bool)
    assert not torch.equal(states_at(learner, embedded, mask), states_at(learner, embedded, mask))
    learner.eval()
    assert torch.equal(states_at(learner, embedded, mask), states_at(learner, embedded, mask))


@pytest.mark.parametrize("name", NAMES)
def test_all_parameters_are_drawn_anew_from_the_seed(name: str) -> None:
    def drawn(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        learner.reset_parameters()
        return [p.detach().clone() for p in learner.parameters()]

    learner = make(name)
    changed = make(name).state_dict()
    first = drawn(1)
    assert all(torch.equal(a, b) for a, b in zip(first, drawn(1), strict=True))
    again = drawn(2)
    for parameter, a, b in zip(changed.values(), first, again, strict=True):
        assert not torch.equal(a, parameter)
        assert not torch.equal(a, b) or len(a.unique()) == 1  # Biases and gains start alike.


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_are_the_published_ones_unless_given(name: str) -> None:
    published = {key: value for key, value in PUBLISHED[name].items() if value is not None}
    config = LearnerConfig(learner=name)
    assert config.keywords() == published
    by_config, by_class = build_learner(config, dim=DIM, length=LENGTH), LEARNERS[name](DIM, LENGTH)  # type: ignore[call-arg]
    assert [p.shape for p in by_config.parameters()] == [p.shape for p in by_class.parameters()]
    assert by_config.mask_ratio == by_class.mask_ratio


def chain(num_items: int, length: int, rng: np.random.Generator) -> Tensor:
    """Windows of a cycle through the items, in which item v is followed by v + 1."""
    starts = torch.from_numpy(rng.permutation(num_items))[:, None]
    return (starts + torch.arange(length + 1)) % num_items + 1


@pytest.mark.parametrize("regime", ["shared", "fresh"])
@pytest.mark.parametrize("soft", [False, True], ids=["items", "queries"])
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_learns_a_chain(name: str, soft: bool, regime: Regime) -> None:
    num_items, length = 12, 8
    rng = torch.Generator().manual_seed(0)
    factor = torch.randn(num_items, DIM, generator=rng)
    factor = factor / factor.norm(dim=1, keepdim=True) * 4
    windows = chain(num_items, length, np.random.default_rng(0))
    sequences = Sequences.from_windows(windows, factor)
    if soft:
        # Queries along the item itself: nearly the hard sequences.
        read, predict = (factor[part - 1] for part in (windows[:, :-1], windows[:, 1:]))
        sequences = Sequences(read, predict, sequences.mask, factor)
    schedule = Schedule(0.01, 400 if name == "bert4rec" else 100)
    model = fit_to_sequences(sequences, LearnerConfig(learner=name), regime, schedule, seed=0)
    histories = (torch.arange(num_items)[:, None] + torch.arange(3)) % num_items + 1
    with torch.no_grad():
        top = model.scores(model.last_states(histories)).argmax(1) + 1
    assert float((top == histories[:, -1] % num_items + 1).float().mean()) >= 0.9


@pytest.mark.parametrize("dim", [4, 12])
def test_a_shared_factor_of_another_width_is_projected_and_stays_as_it_is(dim: int) -> None:
    factor = torch.randn(10, DIM)
    windows = chain(10, 5, np.random.default_rng(0))
    model = fit_to_sequences(
        Sequences.from_windows(windows, factor), LearnerConfig(), "shared", Schedule(0.01, 3), seed=0, dim=dim
    )
    assert torch.equal(model.embedding, factor)
    assert model.item_embedding.shape == (10, dim)
    items = torch.tensor([[3, 1, 2]])
    torch.testing.assert_close(model.embed(items), model.item_embedding[items - 1])
    torch.testing.assert_close(
        model.scores(model.last_states(items)), model.last_states(items) @ model.item_embedding.T
    )


def test_the_projection_starts_as_the_best_of_its_rank_or_keeps_all_products() -> None:
    factor = torch.randn(10, DIM)

    def start(dim: int) -> Tensor:
        model = Recommender.shared(build_learner(LearnerConfig(), dim=dim, length=LENGTH), factor)
        assert model.projection is not None
        return model.projection.detach()

    narrow = start(4)
    left, values, right = np.linalg.svd(factor.numpy(), full_matrices=False)
    best = torch.from_numpy(left[:, :4] * values[:4] @ right[:4])
    torch.testing.assert_close(factor @ narrow @ narrow.T, best, rtol=1e-4, atol=1e-5)
    wide = factor @ start(12)
    torch.testing.assert_close(wide @ wide.T, factor @ factor.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [None, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_folder_gives_back_the_same_scores(name: str, dim: int | None, tmp_path: Path) -> None:
    factor = torch.randn(10, DIM)
    windows = chain(10, 5, np.random.default_rng(0))
    config = config_of(name)
    recommender = fit_to_sequences(
        Sequences.from_windows(windows, factor), config, "shared", Schedule(0.01, 2), seed=0, dim=dim
    )
    ids = pl.Series([f"i{v}" for v in range(10)])
    TrainedModel(recommender, config, 5, ids).save(tmp_path / "model")
    loaded = TrainedModel.load(tmp_path / "model")
    assert loaded.architecture == config
    items = torch.tensor([[3, 1, 2, 0, 0], [7, 0, 0, 0, 0]])
    with torch.no_grad():
        expected = recommender.scores(recommender.last_states(items))
        assert torch.equal(loaded.recommender.scores(loaded.recommender.last_states(items)), expected)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"learner": "gru4rc"}, "did you mean gru4rec"),
        ({"learner": "lstm"}, "sasrec, gru4rec, narm, bert4rec"),
        ({"learner": "gru4rec", "heads": 2}, "heads = 2 means nothing to gru4rec, which takes layers, hidden"),
        ({"learner": "sasrec", "options": {"a": 1}}, "options are for classes of your own"),
        ({"learner": "my.module:Class", "layers": 2}, "layers = 2 means nothing to my.module:Class"),
    ],
)
def test_settings_that_mean_nothing_to_an_architecture_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LearnerConfig.model_validate(values)


@pytest.mark.parametrize("name", ["sasrec", "bert4rec"])
def test_heads_that_do_not_divide_the_width_are_refused(name: str) -> None:
    with pytest.raises(SeqDistillError, match="3 attention heads do not divide a width of 8"):
        build_learner(LearnerConfig(learner=name, heads=3), dim=8, length=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_log_teaches_every_architecture(name: str) -> None:
    # Longer than what is read, so that every slot of a masked learner is met in training.
    dataset, successor = planted_dataset(100, length=40)
    config = TeacherConfig(learner=name, dim=16, epochs=24, learning_rate=0.003, dropout=0.1, batch_size=32)
    fitted = fit_to_log(dataset, config, length=10, seed=0)
    assert fitted.validation["hr@10"] > 0.9
    with torch.no_grad():
        histories = torch.from_numpy(dataset.held_out("test", 10)[0])
        top = fitted.model.scores(fitted.model.last_states(histories)).argmax(1) + 1
    assert float((top.numpy() == successor[histories[:, -1]]).mean()) >= 0.8
