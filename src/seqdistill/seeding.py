"""Randomness that depends on a seed alone, and leaves the caller's random state as it was."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Generator[None]:
    """Run a block under torch's global generators seeded with `seed`, and restore them afterwards."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def derive_seed(seed: int, *path: str | int) -> int:
    """An independent seed for each named use of one user-given seed, in 0..2^63 - 1.

    Adding a use never shifts the random numbers of another, as drawing from one stream would.
    """
    words = [ord(character) for part in path for character in f"{part}/"]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> np.uint64(1))
