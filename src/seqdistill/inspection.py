"""What a summary holds and what it weighs: how sharp its distributions are, and which items they name."""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from seqdistill.summary import Summary

MAX_PROBABILITIES = 4_000_000
"""Probabilities held at once (16 MiB in float32); more positions are looked at in chunks."""


class Sharpness(NamedTuple):
    """Figures of each distribution.

    Attributes:
        entropy: float32 [...], nats.
        top_mass: float32 [...], probability of the likeliest item.
        top_item: int64 [...], row of the likeliest item in the item factor.
    """

    entropy: Tensor
    top_mass: Tensor
    top_item: Tensor


@torch.no_grad()
def sharpness(queries: Tensor, item_factor: Tensor) -> Sharpness:
    """Entropy and likeliest item of softmax(H V^T), with a bounded number of probabilities at a time.

    Args:
        queries: H, [..., d3].
        item_factor: V, [num_items, d3].
    """
    parts: list[Sharpness] = []
    for chunk in _chunks(queries.flatten(0, -2), len(item_factor)):
        log_probabilities = (chunk @ item_factor.T).log_softmax(-1)
        top, item = log_probabilities.max(-1)
        parts.append(Sharpness(-(log_probabilities.exp() * log_probabilities).sum(-1), top.exp(), item))
    shape = queries.shape[:-1]
    return Sharpness(
        torch.cat([part.entropy for part in parts]).reshape(shape),
        torch.cat([part.top_mass for part in parts]).reshape(shape),
        torch.cat([part.top_item for part in parts]).reshape(shape),
    )


@torch.no_grad()
def top_items(queries: Tensor, item_factor: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Probabilities and rows of the k likeliest items of each distribution, both [..., min(k, num_items)]."""
    k = min(k, len(item_factor))
    parts = [(chunk @ item_factor.T).softmax(-1).topk(k) for chunk in _chunks(queries.flatten(0, -2), len(item_factor))]
    shape = (*queries.shape[:-1], k)
    return torch.cat([p.values for p in parts]).reshape(shape), torch.cat([p.indices for p in parts]).reshape(shape)


def describe(summary: Summary, *, sequences: int = 3, top: int = 3) -> dict[str, Any]:
    """All that `seqdistill inspect` shows, as JSON values.

    The effective number of items of a distribution is exp(entropy): 1 where one item has all the mass, num_items where
    all have the same. Over several distributions it is exp of the mean entropy.

    Args:
        summary: what to look at.
        sequences: how many of the first sequences to spell out.
        top: items named at each of their positions.

    Returns:
        Sizes and shapes of the parts; under `inputs` and `targets` the mean sharpness, overall and by position, and the
        distinct likeliest items; under `examples` the first sequences in the log's own ids. A mass is a probability.
    """
    read, predict = summary.factors.query_pairs(summary.targets)
    parts = {**summary.factors._asdict(), "item_factor": summary.item_factor}
    sizes = {name: tensor.numel() * tensor.element_size() for name, tensor in parts.items()}
    sizes["item_ids"] = int(summary.item_ids.str.len_bytes().sum())
    return {
        "dataset": summary.details.get("dataset"),
        "num_sequences": summary.num_sequences,
        "length": summary.length,
        "num_items": summary.num_items,
        "dim": summary.dim,
        "rank": [summary.factors.user.shape[1], summary.factors.time.shape[1]],
        "target_mode": summary.targets,
        "schedules": {
            regime: {"learning_rate": s.learning_rate, "steps": s.steps} for regime, s in summary.schedules.items()
        },
        "shapes": {**{name: list(tensor.shape) for name, tensor in parts.items()}, "item_ids": [summary.num_items]},
        "bytes": {**sizes, "total": summary.size_bytes()},
        "inputs": _describe_role(read, summary.item_factor),
        "targets": _describe_role(predict, summary.item_factor),
        "examples": _examples(summary, read[:sequences], predict[:sequences], top),
    }


def _describe_role(queries: Tensor, item_factor: Tensor) -> dict[str, Any]:
    sharp = sharpness(queries, item_factor)
    by_position = sharp.entropy.double().mean(0)
    distinct = len(cast("Tensor", sharp.top_item.unique()))
    return {
        "entropy": float(by_position.mean()),
        "effective_items": math.exp(by_position.mean()),
        "top_mass": float(sharp.top_mass.double().mean()),
        "distinct_top_items": distinct,
        "catalogue_coverage": distinct / len(item_factor),
        "by_position": {
            "entropy": by_position.tolist(),
            "effective_items": by_position.exp().tolist(),
            "top_mass": sharp.top_mass.double().mean(0).tolist(),
        },
    }


def _examples(summary: Summary, read: Tensor, predict: Tensor, top: int) -> list[list[dict[str, Any]]]:
    """For each sequence, for each position, the top items of either role."""
    if not len(read):
        return []
    roles = {"reads": read, "predicts": predict}
    named = {role: _named_items(summary, queries, top) for role, queries in roles.items()}
    return [
        [{role: named[role][sequence][position] for role in roles} for position in range(read.shape[1])]
        for sequence in range(len(read))
    ]


def _named_items(summary: Summary, queries: Tensor, top: int) -> list[list[list[dict[str, Any]]]]:
    masses, rows = top_items(queries, summary.item_factor, top)
    ids = summary.item_ids.to_list()
    mass_list, row_list = cast("list[list[list[float]]]", masses.tolist()), cast("list[list[list[int]]]", rows.tolist())
    return [
        [
            [{"item": ids[row], "mass": mass} for mass, row in zip(*position, strict=True)]
            for position in zip(*sequence, strict=True)
        ]
        for sequence in zip(mass_list, row_list, strict=True)
    ]


def _chunks(rows: Tensor, num_items: int) -> tuple[Tensor, ...]:
    return cast("tuple[Tensor, ...]", rows.split(max(1, MAX_PROBABILITIES // num_items)))
