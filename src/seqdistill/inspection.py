"""What a summary holds and weighs: how sharp its distributions are, which items they name, and whom they resemble."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from seqdistill.data.blocks import Ints
from seqdistill.data.dataset import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.resemblance import NOBODY, Resemblance, resemblance
from seqdistill.summary import Summary

MAX_PROBABILITIES = 4_000_000
"""Probabilities held at once (16 MiB in float32); more positions are looked at in chunks."""

COPY = 5
"""Items in a row of one history that make a copy of it."""


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
    for chunk in query_chunks(queries, len(item_factor)):
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
    parts = [(chunk @ item_factor.T).softmax(-1).topk(k) for chunk in query_chunks(queries, len(item_factor))]
    shape = (*queries.shape[:-1], k)
    return torch.cat([p.values for p in parts]).reshape(shape), torch.cat([p.indices for p in parts]).reshape(shape)


def describe(
    summary: Summary,
    *,
    sequences: int = 3,
    top: int = 3,
    titles: Mapping[str, str] | None = None,
    dataset: Dataset | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """All that `seqdistill inspect` shows, as JSON values.

    The effective number of items of a distribution is exp(entropy): 1 where one item has all the mass, num_items where
    all have the same. Over several distributions it is exp of the mean entropy.

    Args:
        summary: what to look at.
        sequences: how many of the first sequences to spell out.
        top: items named at each of their positions.
        titles: item id -> title, for items that have one.
        dataset: a log to compare all sequences with, as by `compare_with_log`.
        seed: draws what the comparison is set against.

    Returns:
        Sizes and shapes of the parts; under `inputs` and `targets` the mean sharpness, overall and by position, and the
        distinct likeliest items; under `examples` the first sequences in the log's own ids, for each position the
        items of either role with their mass, entropy and effective items. A mass is a probability. Under `resemblance`
        what the sequences share with the log, None without one.

    Raises:
        SeqDistillError: the log has no item of the summary.
    """
    read, predict = summary.factors.query_pairs(summary.targets)
    parts = {**summary.factors._asdict(), "item_factor": summary.item_factor}
    titles = titles or {}
    return {
        "dataset": summary.details.get("dataset"),
        "num_sequences": summary.num_sequences,
        "length": summary.length,
        "num_items": summary.num_items,
        "titles": len(titles),
        "dim": summary.dim,
        "rank": [summary.factors.user.shape[1], summary.factors.time.shape[1]],
        "target_mode": summary.targets,
        "schedules": {regime: asdict(schedule) for regime, schedule in summary.schedules.items()},
        "shapes": {**{name: list(tensor.shape) for name, tensor in parts.items()}, "item_ids": [summary.num_items]},
        "bytes": summary.bytes_by_part(),
        "inputs": _describe_role(read, summary.item_factor),
        "targets": _describe_role(predict, summary.item_factor),
        "examples": _examples(summary, read[:sequences], predict[:sequences], top, titles),
        "resemblance": None if dataset is None else compare_with_log(summary, dataset, titles=titles, seed=seed),
    }


@torch.no_grad()
def likeliest_items(summary: Summary) -> Tensor:
    """Hard decoding: the likeliest item read at each position, int64 [n, l], values 1..num_items."""
    return sharpness(summary.queries(), summary.item_factor).top_item + 1


def compare_with_log(
    summary: Summary, dataset: Dataset, *, titles: Mapping[str, str] | None = None, seed: int = 0
) -> dict[str, Any]:
    """What the hard-decoded sequences of a summary share with the histories of a log, beside what others share.

    A figure says little by itself: in a log of popular items everybody shares much with somebody. So the same figures
    are given for as many histories of real users, each compared with everybody else, and for as many sequences of items
    drawn by their popularity alone.

    Args:
        summary: whose sequences are decoded by `likeliest_items`.
        dataset: the log, with the ids of the summary's items.
        titles: item id -> title.
        seed: draws the real users and the items.

    Raises:
        SeqDistillError: the log has no item of the summary.
    """
    places = pl.DataFrame({"id": summary.item_ids}).join(
        pl.DataFrame({"id": dataset.item_ids, "item": np.arange(1, dataset.num_items + 1)}),
        on="id",
        how="left",
        maintain_order="left",
    )
    numbering = places["item"].fill_null(dataset.num_items + 1).to_numpy()
    if (numbering > dataset.num_items).all():
        raise SeqDistillError(f"{dataset.name} has no item of the summary; give the log that it was made from")
    decoded = likeliest_items(summary).numpy()
    rng = np.random.default_rng(seed)
    count, length = summary.num_sequences, summary.length
    windows, whose = _real_windows(dataset, count, length, rng)
    ours = resemblance(numbering[decoded - 1], dataset)
    real = resemblance(windows, dataset, besides=whose)
    chance = resemblance(_popular_items(dataset, count, length, rng), dataset)
    return {
        "dataset": {"name": dataset.name, "users": dataset.num_users, "fingerprint": dataset.fingerprint},
        "items_not_in_log": int((numbering[np.unique(decoded) - 1] > dataset.num_items).sum()),
        "sequences": [
            {
                "distinct_items": int(ours.distinct[row]),
                "nearest": _nearest(ours, row, dataset),
                "run": int(ours.run[row]),
                "copied": _copied(ours, row, dataset, summary.item_ids.gather(decoded[row] - 1), titles or {}),
            }
            for row in range(count)
        ],
        "levels": {"summary": _level(ours), "real users": _level(real), "chance": _level(chance)},
        "copies": np.flatnonzero(ours.run >= COPY).tolist(),
        "copy_length": COPY,
    }


def _nearest(found: Resemblance, row: int, dataset: Dataset) -> dict[str, Any] | None:
    user = int(found.nearest[row])
    if user == NOBODY:
        return None
    return {
        "user": str(dataset.user_ids[user]),
        "shared": int(found.shared[row]),
        "share": float(found.share[row]),
        "history": int(dataset.offsets[user + 1] - dataset.offsets[user]),
    }


def _copied(
    found: Resemblance, row: int, dataset: Dataset, decoded: pl.Series, titles: Mapping[str, str]
) -> dict[str, Any] | None:
    user, start = int(found.run_user[row]), int(found.run_start[row])
    if user == NOBODY:
        return None
    items = decoded.slice(start, int(found.run[row])).to_list()
    return {
        "user": str(dataset.user_ids[user]),
        "position": start + 1,
        "items": [_named(item, titles) for item in items],
    }


def _level(found: Resemblance) -> dict[str, Any]:
    return {
        "sequences": len(found.run),
        "share": float(found.share.mean()),
        "run": float(found.run.mean()),
        "longest_run": int(found.run.max()),
        "copies": int((found.run >= COPY).sum()),
    }


def _real_windows(dataset: Dataset, count: int, length: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The last `length` items of users drawn among those with so many, else of those with the most; and whose."""
    lengths = np.diff(dataset.offsets)
    long = np.flatnonzero(lengths >= length)
    if len(long) < min(count, len(lengths)):
        long = np.sort(np.argsort(-lengths, kind="stable")[:count])
    users = np.sort(rng.permutation(long)[:count])
    ends = dataset.offsets[users + 1]
    return dataset.gather(np.maximum(dataset.offsets[users], ends - length), ends, width=length), users


def _popular_items(dataset: Dataset, count: int, length: int, rng: np.random.Generator) -> Ints:
    """Items drawn independently, each as often as it occurs in the log: int64 [count, length]."""
    return np.asarray(dataset.items[rng.integers(0, dataset.num_interactions, size=(count, length))])


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


def _examples(
    summary: Summary, read: Tensor, predict: Tensor, top: int, titles: Mapping[str, str]
) -> list[list[dict[str, Any]]]:
    """For each sequence, for each position, the top items of either role and how sharp they are."""
    if not len(read):
        return []
    roles = {"reads": read, "predicts": predict}
    named = {role: _named_items(summary, queries, top, titles) for role, queries in roles.items()}
    entropy = {role: sharpness(queries, summary.item_factor).entropy.double() for role, queries in roles.items()}

    def position_of(sequence: int, position: int) -> dict[str, Any]:
        of_role = {role: float(entropy[role][sequence, position]) for role in roles}
        return {
            **{role: named[role][sequence][position] for role in roles},
            "entropy": of_role,
            "effective_items": {role: math.exp(value) for role, value in of_role.items()},
        }

    return [[position_of(sequence, position) for position in range(read.shape[1])] for sequence in range(len(read))]


def _named_items(
    summary: Summary, queries: Tensor, top: int, titles: Mapping[str, str]
) -> list[list[list[dict[str, Any]]]]:
    masses, rows = top_items(queries, summary.item_factor, top)
    ids = summary.item_ids.to_list()
    mass_list, row_list = cast("list[list[list[float]]]", masses.tolist()), cast("list[list[list[int]]]", rows.tolist())
    return [
        [
            [{**_named(ids[row], titles), "mass": mass} for mass, row in zip(*position, strict=True)]
            for position in zip(*sequence, strict=True)
        ]
        for sequence in zip(mass_list, row_list, strict=True)
    ]


def _named(item: str, titles: Mapping[str, str]) -> dict[str, Any]:
    return {"item": item, "title": titles[item]} if item in titles else {"item": item}


def query_chunks(queries: Tensor, num_items: int) -> tuple[Tensor, ...]:
    """Queries [..., d3] in chunks [some, d3] whose scores over a catalogue are at most `MAX_PROBABILITIES`."""
    return cast("tuple[Tensor, ...]", queries.flatten(0, -2).split(max(1, MAX_PROBABILITIES // num_items)))
