"""Running out of memory, said in terms of the settings that ask for it.

What a stage holds is told from shapes: the parameters of its learners, counted, and what one row of a batch leaves for
its way back, measured on a few rows. That is right to some tens of per cent, which is enough to choose by.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seqdistill import memory
from seqdistill.config import Config, LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners import Learner, build_learner
from seqdistill.seeding import seeded
from seqdistill.views import ask

Stage = Literal["teacher", "distill", "evaluate"]
FLOAT = 4
BACKWARD = 1.5
"""Peak of a reverse pass, as a multiple of what the forward pass left for it."""

SECOND_ORDER = 4.0
"""The same of the reverse pass through a gradient's own graph."""

ADAM = 4
"""Vectors of the length of the parameters: themselves, gradient and two moments."""

SAID_SO = re.compile(r"DefaultCPUAllocator|not enough memory|out of memory|bad_alloc|[Cc]annot allocate memory")


class Demand(NamedTuple):
    """What a setting asks for.

    Attributes:
        setting: `section.key`.
        value: as it is.
        num_bytes: grows in proportion to it.
    """

    setting: str
    value: int
    num_bytes: int


@contextmanager
def explained(stage: Stage, config: Config, num_items: int, device: torch.device) -> Generator[None]:
    """Within the block a stage runs.

    Raises:
        SeqDistillError: if the memory does not suffice, naming the setting that asks for most of it and about how much
            of that would fit.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not SAID_SO.search(str(error)):
            raise
        most, others = _largest(demands(stage, config, num_items))
        free = memory.free(device)
        fitting = max(1, int((free - others) * most.value / most.num_bytes))
        about = (
            f"about {fitting} would fit in the {free / 2**30:.1f} GiB that are free"
            if fitting < most.value
            else f"the {free / 2**30:.1f} GiB that are free would do for it alone: also end other processes"
        )
        raise SeqDistillError(
            f"out of memory in stage {stage}: lower {most.setting}, now {most.value}; {about}"
        ) from error


def demands(stage: Stage, config: Config, num_items: int) -> list[Demand]:
    """What the settings of a stage ask for, in bytes.

    Args:
        stage: of a distillation.
        config: all settings.
        num_items: size of the catalogue.
    """
    distill, dim, length = config.distill, config.teacher.dim, config.distill.length
    table = num_items * dim * FLOAT
    architecture = config.teacher if stage == "teacher" else config.train
    parameters, row = _learner_bytes(architecture, dim, length)
    on_log = Demand("teacher.batch_size", config.teacher.batch_size, int(config.teacher.batch_size * row * BACKWARD))
    embedding = Demand("teacher.dim", dim, ADAM * (table + parameters))
    if stage == "teacher":
        return [on_log, embedding]
    n = distill.n
    if stage == "evaluate":
        return [on_log, embedding, Demand("distill.num_sequences", n, int(n * row * BACKWARD))]
    state = 3 * (parameters + (table if "fresh" in distill.regimes else 0))
    window = min(distill.window * state, distill.memory // 2)
    return [
        Demand("distill.outer_batch_size", distill.outer_batch_size, int(distill.outer_batch_size * row * BACKWARD)),
        Demand("distill.num_sequences", n, int(min(n, distill.inner_batch_size or n) * row * SECOND_ORDER)),
        Demand("distill.learner_pool", distill.learner_pool, distill.learner_pool * state),
        Demand("distill.memory", int(distill.memory), window),
    ]


def _largest(asked: list[Demand]) -> tuple[Demand, int]:
    """The largest demand that there is a value to lower of, and the bytes of the others."""
    most = max((demand for demand in asked if demand.value > 1), key=lambda d: d.num_bytes, default=asked[0])
    return most, sum(demand.num_bytes for demand in asked if demand is not most)


def _learner_bytes(architecture: LearnerConfig, dim: int, length: int) -> tuple[int, int]:
    """Of a learner's parameters, and of what a row leaves for the way back."""
    with seeded(0):
        learner = build_learner(architecture, dim=dim, length=length)
        parameters = sum(p.numel() * p.element_size() for p in learner.parameters())
        # What does not grow with the rows is the same for two as for one.
        left = [_left_for_backward(learner, rows, dim, length) for rows in (1, 2)]
    return parameters, left[1] - left[0]


def _left_for_backward(learner: Learner, rows: int, dim: int, length: int) -> int:
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    present = torch.ones(rows, length, dtype=torch.bool)
    asked = ask(learner, present)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        states = learner(torch.ones(rows, length, dim, requires_grad=True), asked.mask, asked.at)
    del states
    return sum(held.values())
