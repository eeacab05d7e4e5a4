"""The item factor in fewer bits: what it weighs, and what comes back."""

from typing import Literal

import torch
from torch import Tensor

from seqdistill.summary import Summary

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")

LARGEST_INT8 = 127


def rounded(item_factor: Tensor, precision: Precision) -> Tensor:
    """The item factor [num_items, d3] after storing it, in float32.

    int8 keeps a float32 scale an item, the largest of its entries by size over 127.
    """
    if precision == "float32":
        return item_factor
    if precision == "float16":
        return item_factor.to(torch.float16).to(item_factor.dtype)
    scale = (item_factor.abs().amax(1, keepdim=True) / LARGEST_INT8).clamp(min=torch.finfo(item_factor.dtype).tiny)
    return (item_factor / scale).round() * scale


def item_factor_bytes(item_factor: Tensor, precision: Precision) -> int:
    """Bytes it takes, scales included."""
    numbers, items = item_factor.numel(), len(item_factor)
    return {"float32": 4 * numbers, "float16": 2 * numbers, "int8": numbers + 4 * items}[precision]


def summary_bytes(summary: Summary, precision: Precision = "float32") -> dict[str, int]:
    """Bytes of each part of a summary and in total: user, time and core in float32, item factor and item ids."""
    parts = {name: factor.numel() * factor.element_size() for name, factor in summary.factors._asdict().items()}
    parts["item_factor"] = item_factor_bytes(summary.item_factor, precision)
    parts["item_ids"] = int(summary.item_ids.str.len_bytes().sum())
    return {**parts, "total": sum(parts.values())}
