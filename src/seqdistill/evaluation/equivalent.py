"""The equivalent coreset: how many random real sequences give what the summary gives.

The metric of random sequences is measured at some numbers m_1 < m_2 < ...; what lies between is taken to rise linearly
in log m after an isotonic fit, so that it never falls. The interval is that of a bootstrap over users (the same for all
rows) and over the seeds of each row.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqdistill.evaluation.intervals import COVERAGE, resampled_means
from seqdistill.evaluation.metrics import Floats

Relation = Literal["equal", "more than", "less than"]


@dataclass(frozen=True)
class Equivalent:
    """A number of sequences.

    Attributes:
        relation: whether it was measured around it, or lies beyond the largest or below the smallest measured number.
        sequences: the number, or the largest or smallest one measured.
        low: lower end of the interval; None below the smallest.
        high: upper end; None beyond the largest.
    """

    relation: Relation
    sequences: float
    low: float | None
    high: float | None


def equivalent_coreset(sizes: list[int], rows: list[Floats], summary: Floats, count: int, seed: int) -> Equivalent:
    """Where the curve of random sequences reaches a summary's figure.

    Args:
        sizes: m, ascending.
        rows: of each, values of a metric, [seeds, users].
        summary: the same of the summary.
        count: resamples.
        seed: of the draws.
    """
    measured = np.array([[values.mean() for values in rows]])
    point = float(crossing(sizes, measured, np.array([summary.mean()]))[0])
    *resampled, of_summary = resampled_means([*rows, summary], count, seed)
    places = crossing(sizes, np.stack(resampled, axis=1), of_summary)
    # Not interpolated: some places are infinite.
    ends = np.quantile(places, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], method="inverted_cdf")
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    if point == np.inf:
        return Equivalent("more than", float(sizes[-1]), low or float(sizes[-1]), None)
    if point == -np.inf:
        return Equivalent("less than", float(sizes[0]), None, high or float(sizes[0]))
    return Equivalent("equal", point, low, high)


def crossing(sizes: list[int], curves: Floats, levels: Floats) -> Floats:
    """Where curves reach levels.

    Args:
        sizes: [k], ascending.
        curves: values at the sizes, [any, k].
        levels: [any].

    Returns:
        [any]; infinite beyond the last size, minus infinity below the first.
    """
    rising = isotonic(curves)
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    after = (rising < levels[:, None]).sum(1)
    inner = np.clip(after, 1, max(1, len(sizes) - 1))
    before = inner - 1
    rows = np.arange(len(levels))
    if len(sizes) == 1:
        places = np.full(len(levels), logs[0])
    else:
        low, high = rising[rows, before], rising[rows, inner]
        step = np.where(high > low, high - low, 1.0)
        share = np.clip((levels - low) / step, 0.0, 1.0)
        places = logs[before] + share * (logs[inner] - logs[before])
    beyond = np.where(after == len(sizes), np.inf, np.exp(places))
    return np.where((after == 0) & (levels < rising[:, 0]), -np.inf, beyond)


def isotonic(curves: Floats) -> Floats:
    """The nearest curves that never fall (least squares), by the min-max formula, [any, k]."""
    k = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    fitted = np.empty_like(curves)
    for place in range(k):
        lowest = [
            np.min([(sums[:, end] - sums[:, begin]) / (end - begin) for end in range(place + 1, k + 1)], axis=0)
            for begin in range(place + 1)
        ]
        fitted[:, place] = np.max(lowest, axis=0)
    return fitted
