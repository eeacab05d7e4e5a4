"""The logs of the studies: where their files are, and who gives them."""

import os
from dataclasses import dataclass
from pathlib import Path

from seqdistill.config import DataConfig
from seqdistill.data import Dataset, load_dataset
from seqdistill.errors import SeqDistillError
from seqdistill.progress import Progress

VARIABLE = "SEQDISTILL_LOGS"
"""Environment variable with the folder of the files."""


@dataclass(frozen=True)
class Brought:
    """A log whose file the user brings.

    Attributes:
        file: its place in the folder.
        rows: what the file holds.
        owner: who gives it.
    """

    file: str
    rows: str
    owner: str


LOGS = {
    "ml-1m": Brought(
        "ml-1m/ml-1m.seq.txt.gz",
        "a line `user item item ...` for each user, oldest first",
        "https://grouplens.org/datasets/movielens/1m/",
    ),
    "magazine": Brought(
        "magazine/Magazine_Subscriptions_2018.inter.gz",
        "the ratings of Amazon's Magazine Subscriptions, 2018, as RecBole `.inter`",
        "https://nijianmo.github.io/amazon/",
    ),
    "beauty": Brought(
        "s3rec/Beauty.txt.gz",
        "a line `user item item ...` for each user, 5-core, as S3-Rec's authors give it",
        "https://github.com/RUCAIBox/CIKM2020-S3Rec",
    ),
    "retailrocket": Brought(
        "sessions/retailrocket.train.txt.gz",
        "a line of items for each session of RetailRocket's events",
        "https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
    ),
}
"""Logs by name. Others are obtained by the library itself."""


class AbsentLogError(SeqDistillError):
    """The file of a log is not there."""


def logs_folder(given: Path | None) -> Path | None:
    """The folder of the files: given, or that of the environment."""
    named = os.environ.get(VARIABLE)
    return given or (Path(named) if named else None)


def open_log(name: str, folder: Path | None, config: DataConfig, progress: Progress) -> Dataset:
    """A log by name.

    Args:
        name: of `LOGS`, or one that the library obtains.
        folder: of the files, if there is one.
        config: how to read, filter and split it.
        progress: where to report.

    Raises:
        AbsentLogError: naming the file and who gives it.
        SeqDistillError: the log cannot be used.
    """
    brought = LOGS.get(name)
    if brought is None:
        return load_dataset(name, config=config, progress=progress)
    file = None if folder is None else folder / brought.file
    if file is None or not file.is_file():
        place = f"{brought.file} in the folder of --logs or {VARIABLE}" if file is None else str(file)
        raise AbsentLogError(f"{name}: {place} is not there; it holds {brought.rows}, from {brought.owner}")
    return load_dataset(file, name=name, config=config, progress=progress)
