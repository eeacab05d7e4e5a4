# pyright: basic
"""How fast this machine multiplies matrices, at the shapes an outer step is made of."""

import time
from collections.abc import Callable

import torch

from benchmarks.harness import Row, Step

TILES = (256, 1024, 4096, 16384)
"""Widths of the strips of the catalogue that are tried; the fastest counts."""
MAX_NUMBERS = 1 << 25
"""Largest product that is formed."""
MIN_SECONDS = 0.05


def prepare(*, shapes: dict[str, tuple[int, int, int]], seed: int) -> Step:
    """Measure the multiply-adds a second of [rows, inner] @ [inner, columns] for named shapes, in float32.

    A shape's columns may be a catalogue: they are cut into strips, and so may be the rows.
    """
    torch.manual_seed(seed)

    best = dict.fromkeys(shapes, 0.0)

    def step() -> Row:
        # The best of all rounds: a floor is not to be lifted by what else the machine did.
        for name, shape in shapes.items():
            best[name] = max(best[name], *(_rate(*tile) for tile in _tiled(*shape)))
        return best

    return step


def _tiled(rows: int, inner: int, columns: int) -> list[tuple[int, int, int]]:
    widths = sorted({min(columns, w) for w in (*TILES, columns)})
    heights = sorted({min(rows, h) for h in (*TILES, rows)})
    return [(h, inner, w) for h in heights for w in widths if h * w <= MAX_NUMBERS]


def _rate(rows: int, inner: int, columns: int) -> float:
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    out = torch.empty(rows, columns)
    weights, tall = torch.randn(rows, columns), torch.randn(columns, inner)
    # The two ways a catalogue is multiplied: to scores, and from weights back to rows.
    return (
        rows
        * inner
        * columns
        / min(_seconds(lambda: torch.mm(left, right, out=out)), _seconds(lambda: torch.mm(weights, tall, out=left)))
    )


def _seconds(multiply: Callable[[], object]) -> float:
    """Mean time of one product, the best of three spells."""
    multiply()
    best = float("inf")
    for _ in range(3):
        count, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < MIN_SECONDS / 3:
            multiply()
            count += 1
        best = min(best, spent / count)
    return best
