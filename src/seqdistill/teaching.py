"""The teacher: one recommender trained on the log, or the student of several.

A log is a sample, and a recommender fits its noise as well as its law; several trained from different seeds fit
different noise, and several of different architectures miss different parts of the law, so their mean prediction is
better than that of any (an ensemble), and one trained on that mean keeps most of the gain in the size of one
(distillation: Hinton et al., 2015). How high a learning rate should be depends on the log and the architecture, and a
member at the wrong one blurs what the others have to say: so one of each architecture is trained at every rate, and
the others are of the architectures that rank well, at their better rates. The student goes on from the best of its own
architecture, at that one's learning rate. A summary needs one teacher, whose item embedding becomes the item factor
and whose states become targets; the better it is, the better what comes from it.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import torch

from seqdistill.config import TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.metrics import SELECTION
from seqdistill.members import Member, fit_members, processes_for, time_taken
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import KEEP_NOTHING, Keeper, Parts
from seqdistill.seeding import derive_seed
from seqdistill.training import FittedToLog, fit_to_log

WORTH = 0.9
"""Share of the best member's validation NDCG@100 that an architecture must reach to be learned from: on some logs one
ranks far worse than another, and would only blur what that one has to say."""


class Trained(NamedTuple):
    """A member and what it was trained by."""

    config: TeacherConfig
    fitted: FittedToLog

    @property
    def score(self) -> float:
        """How well it ranks the validation items."""
        return self.fitted.validation[SELECTION]


def fit_teacher(
    dataset: Dataset,
    config: TeacherConfig,
    *,
    length: int,
    seed: int,
    device: torch.device,
    progress: Progress = SILENT,
    keeper: Keeper = KEEP_NOTHING,
) -> FittedToLog:
    """Train the teacher of a summary.

    Args:
        dataset: the log.
        config: optimiser settings, width, and how many members the ensemble has; with one there is no student.
        length: positions the teacher reads.
        seed: decides everything random.
        device: where to train.
        progress: where to report.
        keeper: gets the state after every batch.

    Returns:
        The teacher; its seconds are those of the members too.

    Raises:
        SeqDistillError: if a loss stops being finite.
    """
    count = config.members_for(dataset.num_interactions, dataset.num_items)
    if count == 1:
        return fit_to_log(
            dataset, config, length=length, seed=seed, device=device, progress=progress, title="teacher", keeper=keeper
        )
    parts = Parts(keeper)

    def train(settings: Sequence[TeacherConfig], number: int, title: str) -> tuple[list[Trained], float]:
        """Members side by side, numbered from there on, and how long they took."""
        members = {
            f"recommender {index} ({own.learner} at {own.rate:g})": Member(
                f"recommender {index}", own, derive_seed(seed, "member", index - 1)
            )
            for index, own in enumerate(settings, start=number)
        }
        if not members:
            return [], 0.0
        fitted = fit_members(
            members, dataset, length=length, device=device, parts=parts, progress=progress, title=title
        )
        seconds = time_taken([one.seconds for one in fitted], processes_for(len(members), config, device))
        return [Trained(*one) for one in zip(settings, fitted, strict=True)], seconds

    tried, seconds_tried = train(config.of_trials(count), 1, "recommenders for the teacher")
    good = worth_learning_from(tried)
    missing = config.of_more(count, [one.config for one in good])
    more, seconds_more = train(missing, len(tried) + 1, "more of those that rank well")
    own = [one for one in (*tried, *more) if one.config.learner == config.learner]
    first = max(own, key=lambda one: one.score, default=None)
    student = fit_to_log(
        dataset,
        config.of_student().at_rate(config.rate if first is None else first.config.rate),
        length=length,
        seed=derive_seed(seed, "student"),
        device=device,
        guides=[one.fitted.model for one in (*good, *more)],
        start=None if first is None else first.fitted.model,
        progress=progress,
        title="teacher, learning from them",
        keeper=parts.part("student"),
    )
    return dataclasses.replace(student, seconds=seconds_tried + seconds_more + student.seconds)


def worth_learning_from(tried: Sequence[Trained]) -> list[Trained]:
    """Of each architecture the best that was tried, if it reaches `WORTH` of the best of all."""
    best: dict[str, Trained] = {}
    for one in tried:
        best[one.config.learner] = max(best.get(one.config.learner, one), one, key=lambda each: each.score)
    least = WORTH * max(one.score for one in tried)
    return [one for one in best.values() if one.score >= least]
