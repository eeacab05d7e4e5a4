"""A teacher that learns from several others."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from planted import planted_dataset
from seqdistill import members, teaching
from seqdistill.config import CAUSAL, MIXED, PUBLISHED, LearnerConfig, TeacherConfig, parse_config
from seqdistill.data import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.learners import LEARNERS, Recommender, build_learner
from seqdistill.members import time_taken
from seqdistill.seeding import seeded
from seqdistill.teaching import Trained, fit_teacher, worth_learning_from
from seqdistill.training import Epoch, FittedToLog, fit_to_log

CPU = torch.device("cpu")
LENGTH = 6


def recommender(seed: int, *, num_items: int, learner: str = "sasrec") -> Recommender:
    with seeded(seed):
        body = build_learner(LearnerConfig(learner=learner), dim=8, length=LENGTH, dropout=0.0)
        return Recommender(body, torch.randn(num_items, 8)).double().eval()


@pytest.mark.parametrize("count", [1, 3])
def test_the_loss_is_the_cross_entropy_to_what_the_guides_predict(count: int) -> None:
    # Users short enough for one window each: no cut is drawn.
    dataset, _ = planted_dataset(num_users=12, length=LENGTH + 2)
    guides = [recommender(seed, num_items=dataset.num_items) for seed in range(count)]
    model = recommender(10, num_items=dataset.num_items)
    config = TeacherConfig(dim=8, batch_size=12)
    epoch = Epoch(model, dataset, config, length=LENGTH, rng=np.random.default_rng(0), guides=guides)
    rows = epoch.batches[0]
    windows = torch.from_numpy(dataset.training_windows(LENGTH))[rows]
    read = windows[:, :-1]
    own = model.scores(model(read)).log_softmax(-1).detach()
    expected = []
    for row in range(len(rows)):
        guide = guides[row % count]
        predicted = guide.scores(guide(read[row : row + 1]))[0].softmax(-1).detach()
        expected.append(-(predicted * own[row]).sum(-1)[windows[row, 1:] > 0])

    loss = epoch.step(torch.optim.SGD(model.parameters(), lr=0.0), rows)

    assert loss == pytest.approx(float(torch.cat(expected).mean()), rel=1e-12)


@pytest.mark.parametrize("learner", ["gru4rec", "narm", "bert4rec"])
def test_a_guide_is_asked_what_the_student_is_asked(learner: str) -> None:
    """So a student that is its guide has nothing to learn: the cross-entropy is least, and its gradient is zero."""
    dataset, _ = planted_dataset(num_users=12, length=9)
    guide = recommender(0, num_items=dataset.num_items, learner=learner)
    student = recommender(0, num_items=dataset.num_items, learner=learner)
    student.learner.eval()
    config = TeacherConfig(learner=learner, dim=8, dropout=0.0, batch_size=12)
    epoch = Epoch(student, dataset, config, length=LENGTH, rng=np.random.default_rng(0), guides=[guide])
    with seeded(0):
        epoch.step(torch.optim.SGD(student.parameters(), lr=0.0), epoch.batches[0])
    for name, parameter in student.learner.named_parameters():
        assert parameter.grad is None or float(parameter.grad.abs().max()) < 1e-12, name


def test_the_student_is_better_than_those_it_learns_from_are_on_average() -> None:
    dataset, _ = planted_dataset(num_users=60, length=10)
    config = TeacherConfig(dim=8, epochs=40, patience=6, dropout=0.1, batch_size=32, members=3)
    teacher = fit_teacher(dataset, config, length=LENGTH, seed=0, device=CPU)
    alone = [fit_to_log(dataset, config, length=LENGTH, seed=seed) for seed in range(3)]
    assert teacher.validation["log_likelihood"] > np.mean([one.validation["log_likelihood"] for one in alone])


def test_members_trained_by_two_processes_are_those_that_one_trains() -> None:
    dataset, _ = planted_dataset(num_users=30, length=10)
    config = TeacherConfig(dim=8, epochs=4, batch_size=16, members=3)

    def teacher() -> FittedToLog:
        return fit_teacher(dataset, config, length=LENGTH, seed=0, device=CPU)

    one = teacher()
    torch.set_num_threads(2)
    try:
        # The student has two threads, whose sums differ from one's in the last digit.
        two = teacher()
    finally:
        torch.set_num_threads(1)
    assert two.best_epoch == one.best_epoch
    assert two.seconds > 0
    torch.testing.assert_close(two.model.state_dict(), one.model.state_dict(), rtol=1e-3, atol=1e-4)


def test_a_member_that_fails_in_another_process_says_why() -> None:
    dataset, _ = planted_dataset(num_users=30, length=10)
    config = TeacherConfig(dim=8, epochs=3, members=2, learning_rate=1e30)
    torch.set_num_threads(2)
    try:
        with pytest.raises(SeqDistillError, match=r"the loss of epoch \d.* lower teacher.learning_rate"):
            fit_teacher(dataset, config, length=LENGTH, seed=0, device=CPU)
    finally:
        torch.set_num_threads(1)


def test_time_is_that_of_processes_which_take_the_next_member_when_they_are_free() -> None:
    assert time_taken([4.0, 1.0, 2.0, 3.0], 1) == 10.0
    # 4, then nothing; 1, 2 and 3.
    assert time_taken([4.0, 1.0, 2.0, 3.0], 2) == 6.0
    assert time_taken([4.0, 1.0], 3) == 4.0


def test_one_member_is_the_teacher_itself() -> None:
    dataset, _ = planted_dataset(num_users=20, length=8)
    config = TeacherConfig(dim=4, epochs=2, members=1)
    teacher = fit_teacher(dataset, config, length=LENGTH, seed=3, device=CPU)
    alone = fit_to_log(dataset, config, length=LENGTH, seed=3)
    assert torch.equal(teacher.model.embedding, alone.model.embedding)


def test_the_default_number_of_members_follows_from_the_log() -> None:
    config = TeacherConfig()
    assert config.members_for(100_000, 1_349) == 6
    assert config.members_for(1_000_000, 3_416) == 4
    assert config.members_for(10_000_000, 1_349) == 1
    assert config.members_for(200_000, 100_000) == 1
    assert TeacherConfig(members=2).members_for(10_000_000, 1_349) == 2


def settings_of(**given: object) -> TeacherConfig:
    return parse_config({"teacher": given}).teacher


def test_each_architecture_is_tried_at_each_rate_unless_one_is_given() -> None:
    def tried(count: int, **given: object) -> list[tuple[str, float]]:
        return [(member.learner, member.rate) for member in settings_of(**given).of_trials(count)]

    assert tried(4) == [("sasrec", 0.01), ("gru4rec", 0.01), ("sasrec", 0.003), ("gru4rec", 0.003)]
    assert tried(8, learning_rate=0.02) == [("sasrec", 0.02), ("gru4rec", 0.02)]
    assert tried(2, learner="gru4rec", learning_rate=0.02) == [("gru4rec", 0.02), ("sasrec", 0.02)]
    assert tried(3, learning_rate=0.02, ensemble="sasrec,narm") == [("sasrec", 0.02), ("narm", 0.02)]
    assert tried(3, ensemble="sasrec") == [("sasrec", 0.01), ("sasrec", 0.003)]
    assert [name for name, _ in tried(3, learner="narm")] == ["narm", "narm"]
    assert [name for name, _ in tried(3, learner="bert4rec")] == ["bert4rec", "bert4rec"]
    # No more architectures than there are to be members.
    assert tried(1, learning_rate=0.02) == [("sasrec", 0.02)]


def test_the_other_members_are_of_the_good_architectures_by_turns_at_their_rates() -> None:
    def more(count: int, good: dict[str, float], ensemble: str = "auto") -> list[tuple[str, float]]:
        settings = settings_of(ensemble=ensemble)
        found = settings.of_more(count, [TeacherConfig(learner=name, learning_rate=good[name]) for name in good])
        return [(member.learner, member.rate) for member in found]

    both = {"sasrec": 0.01, "gru4rec": 0.003}
    assert sorted(more(4, both)) == [("gru4rec", 0.003), ("sasrec", 0.01)]
    assert more(3, both) == [("sasrec", 0.01)]
    assert more(2, both) == []
    assert more(4, {"sasrec": 0.01}) == [("sasrec", 0.01)] * 3
    assert more(3, {"gru4rec": 0.01}) == [("gru4rec", 0.01)] * 2
    assert sorted(more(6, both, "sasrec,sasrec,gru4rec")) == [("gru4rec", 0.003)] + [("sasrec", 0.01)] * 3


def test_a_log_of_more_batches_is_passed_fewer_times_and_seen_more_often() -> None:
    config = TeacherConfig(batch_size=128)
    windows = [128 * batches for batches in (1, 6, 20, 190, 2_000, 20_000)]
    epochs = [config.epochs_for(count) for count in windows]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[2], epochs[3]) == (36, 16)
    assert all(1 <= each <= 100 for each in epochs)
    steps = [count * each for count, each in zip(windows, epochs, strict=True)]
    assert steps == sorted(steps)
    assert TeacherConfig(epochs=7).epochs_for(10**9) == 7


def test_the_learning_rate_rises_over_the_first_epoch_and_falls_to_nothing() -> None:
    dataset, _ = planted_dataset(num_users=60, length=10)
    config = TeacherConfig(dim=8, epochs=8, patience=8, batch_size=16, dropout=0.0, learning_rate=0.01)
    kept: list[torch.Tensor] = []
    fit_to_log(
        dataset,
        config,
        length=LENGTH,
        seed=0,
        on_epoch=lambda _epoch, model, _seconds: kept.append(model.embedding.detach().clone()),
    )
    moved = [float((after - before).abs().mean()) for before, after in pairwise(kept)]
    # Adam moves an entry by about its rate, so what an epoch moves is what the rate was in it.
    assert len(moved) == 8
    assert moved[0] < moved[1]
    assert moved[7] < moved[5] < moved[3]
    assert moved[7] < 0.1 * moved[1]


def test_the_student_learns_from_members_at_the_better_rates_and_goes_on_from_the_best_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, _ = planted_dataset(num_users=30, length=10)
    config = TeacherConfig(dim=8, epochs=3, batch_size=16, members=6)
    trained: list[Trained] = []
    asked: list[tuple[Sequence[Recommender], Recommender | None, float]] = []

    def watched(
        dataset: Dataset,
        config: TeacherConfig,
        *,
        guides: Sequence[Recommender] = (),
        start: Recommender | None = None,
        **options: Any,  # noqa: ANN401 - as they come
    ) -> FittedToLog:
        if guides:
            asked.append((guides, start, config.rate))
        fitted = fit_to_log(dataset, config, guides=guides, start=start, **options)
        trained.append(Trained(config, fitted))
        return fitted

    for module in (teaching, members):
        monkeypatch.setattr(module, "fit_to_log", watched)
    # In three epochs the architectures come to scores far apart.
    monkeypatch.setattr(teaching, "WORTH", 0.0)
    fit_teacher(dataset, config, length=LENGTH, seed=0, device=CPU)
    [(guides, start, rate)] = asked
    *others, _ = trained
    rates = {
        name: max((one for one in others[:4] if one.config.learner == name), key=lambda one: one.score).config.rate
        for name in MIXED
    }
    learned_from = [one for one in others if any(one.fitted.model is guide for guide in guides)]
    assert len(guides) == len(learned_from) == 6
    assert sorted(one.config.learner for one in learned_from) == ["gru4rec"] * 3 + ["sasrec"] * 3
    assert all(one.config.rate == rates[one.config.learner] for one in learned_from)
    best = max((one for one in others if one.config.learner == "sasrec"), key=lambda one: one.score)
    assert (start, rate) == (best.fitted.model, best.config.rate)


def test_a_member_of_another_architecture_has_the_same_training_and_its_own_published_shape() -> None:
    config = TeacherConfig(dim=16, dropout=0.4, learning_rate=1e-3, layers=3)
    own, other = config.of_trials(2)
    assert own == config
    assert (other.learner, other.hidden, other.feed_forward) == ("gru4rec", PUBLISHED["gru4rec"]["hidden"], None)
    assert (other.dim, other.dropout, other.learning_rate) == (16, 0.4, 1e-3)


def test_narm_may_be_among_those_that_sasrec_learns_from() -> None:
    dataset, _ = planted_dataset(num_users=30, length=10)
    config = TeacherConfig(dim=8, epochs=3, batch_size=16, members=2, ensemble=("sasrec", "narm"))
    teacher = fit_teacher(dataset, config, length=LENGTH, seed=0, device=CPU)
    assert type(teacher.model.learner) is LEARNERS["sasrec"]


def test_architectures_that_teach_each_other_answer_for_every_position() -> None:
    assert all(LEARNERS[name].view == "causal" for name in CAUSAL)
    assert set(MIXED) <= set(CAUSAL)


@pytest.mark.parametrize("ensemble", [("bert4rec",), ("sasrec", "bert4rec"), ()])
def test_an_ensemble_that_cannot_teach_is_refused(ensemble: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match=r"cannot teach it|names no architecture"):
        TeacherConfig(ensemble=ensemble)


def test_of_each_architecture_the_best_is_learned_from_unless_it_ranks_far_worse() -> None:
    def tried(learner: str, score: float) -> Trained:
        model = recommender(0, num_items=5)
        return Trained(TeacherConfig(learner=learner), FittedToLog(model, 1, {"ndcg@100": score}, 0.0))

    members = [tried("sasrec", 0.19), tried("gru4rec", 0.17), tried("narm", 0.15)]
    members += [tried("sasrec", 0.18), tried("gru4rec", 0.185), tried("narm", 0.17)]
    assert worth_learning_from(members) == [members[0], members[4]]
