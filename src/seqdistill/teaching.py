"""The teacher: one recommender trained on the log, or the student of several.

A log is a sample, and a recommender fits its noise as well as its law; several trained from different seeds fit
different noise, and several of different architectures miss different parts of the law, so their mean prediction is
better than that of any (an ensemble), and one trained on that mean keeps most of the gain in the size of one
(distillation: Hinton et al., 2015). It goes on from the best of its own architecture, at that one's learning rate. A
summary needs one teacher, whose item embedding becomes the item factor and whose states become targets; the better it
is, the better what comes from it.
"""

import dataclasses
from collections.abc import Sequence

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
"""Share of the best member's validation NDCG@100 that a member must reach to be learned from: on some logs one
architecture ranks far worse than another, and would only blur what that one has to say."""


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
    members = {
        f"teacher {index + 1} of {count}": Member(f"member {index + 1}", own, derive_seed(seed, "member", index))
        for index, own in enumerate(config.of_members(count))
    }
    fitted = fit_members(
        members,
        dataset,
        length=length,
        device=device,
        parts=parts,
        progress=progress,
        title="recommenders for the teacher",
    )
    its_own = [
        (one, member.config.rate)
        for one, member in zip(fitted, members.values(), strict=True)
        if member.config.learner == config.learner
    ]
    first, rate = max(its_own, key=lambda own: own[0].validation[SELECTION], default=(None, config.rate))
    student = fit_to_log(
        dataset,
        config.of_student().at_rate(rate),
        length=length,
        seed=derive_seed(seed, "student"),
        device=device,
        guides=[member.model for member in worth_learning_from(fitted)],
        start=None if first is None else first.model,
        progress=progress,
        title="teacher, learning from them",
        keeper=parts.part("student"),
    )
    seconds = time_taken([member.seconds for member in fitted], processes_for(count, config, device))
    return dataclasses.replace(student, seconds=student.seconds + seconds)


def worth_learning_from(members: Sequence[FittedToLog]) -> list[FittedToLog]:
    """Those whose validation NDCG@100 is at least `WORTH` of the best one's."""
    best = max(member.validation[SELECTION] for member in members)
    return [member for member in members if member.validation[SELECTION] >= WORTH * best]
