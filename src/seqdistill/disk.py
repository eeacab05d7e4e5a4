"""Disks that refuse: one sentence for all the ways in which libraries say it."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from seqdistill.errors import SeqDistillError

FOREIGN = ("safetensors", "polars")
"""Libraries whose own exceptions carry the number of the system's error in their text only."""


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Within the block, a file or folder is written.

    Raises:
        SeqDistillError: naming it, and what the system said.
    """
    try:
        yield
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except Exception as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None or type(error).__module__.split(".")[0].lstrip("_") not in FOREIGN:
            raise
        raise _refused(path, os.strerror(int(found[1]))) from error


def _refused(path: Path, reason: str) -> SeqDistillError:
    return SeqDistillError(f"cannot write {path}: {reason}")
