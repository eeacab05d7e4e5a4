"""What rows train on, beside a summary stored in bytes."""

from pathlib import Path

import numpy as np
import torch

from seqdistill.api import Run
from seqdistill.block_floats import rounded
from seqdistill.config import CompareConfig
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.rows import RowSpec, Sizes, planned_rows
from seqdistill.evaluation.sources import Sources
from seqdistill.item_scale import at_scale_of
from seqdistill.models import TrainedModel


def opened(planted: tuple[Dataset, np.ndarray], run: tuple[Run, str]) -> tuple[Sources, dict[str, RowSpec]]:
    dataset, summary = planted[0], run[0].summary
    teacher = at_scale_of(summary.item_factor, TrainedModel.load(Path(run[1]) / "teacher").recommender)
    n, length = summary.num_sequences, summary.length
    sizes = Sizes(
        n, summary.bytes_by_part(), summary.precision, 10**6, 9.0, length, summary.num_items, summary.dim, 1, False
    )
    rows = planned_rows(sizes, CompareConfig())
    return Sources(dataset, summary, teacher), {row.key: row for row in rows}


def test_soft_rows_hold_what_their_bytes_can(planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str]) -> None:
    sources, rows = opened(planted, planted_run)
    summary = planted_run[0].summary
    assert summary.precision == "int8"
    for kind in ("random", "generated"):
        sequences = sources.of(rows[f"{kind}/soft/fresh/{summary.num_sequences}"])(0)
        assert torch.equal(sequences.item_factor, summary.item_factor)
        assert torch.equal(rounded(sequences.predict), sequences.predict)
        with torch.no_grad():
            states = sources.teacher(sequences.read)
        assert not torch.equal(sequences.predict, states)
        assert ((sequences.predict - states).abs() <= states.abs().amax(-1, keepdim=True) / 64).all()


def test_more_bits_of_the_item_factor_are_the_teachers(
    planted: tuple[Dataset, np.ndarray], planted_run: tuple[Run, str]
) -> None:
    sources, rows = opened(planted, planted_run)
    summary, embedding = planted_run[0].summary, sources.teacher.embedding.detach()
    held = {
        name: sources.of(rows[key])(0).item_factor
        for name, key in (
            ("int8", "distilled/fresh"),
            ("float16", "precision/float16/fresh"),
            ("float32", "precision/float32/fresh"),
        )
    }
    assert torch.equal(held["int8"], summary.item_factor)
    assert torch.equal(held["float32"], embedding)
    errors = {name: float((factor - embedding).abs().max()) for name, factor in held.items()}
    assert 0.0 == errors["float32"] < errors["float16"] < errors["int8"]
