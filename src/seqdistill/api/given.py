"""What verbs are given, made sure of: a device, a log, a summary; and how a result says what they were."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from seqdistill.config import Config
from seqdistill.data import Dataset, load_dataset
from seqdistill.data.dataset import HeldOut
from seqdistill.errors import SeqDistillError
from seqdistill.progress import SILENT, Progress
from seqdistill.runs import summary_folder
from seqdistill.summary import Summary

Notify = Callable[[str], None]


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one.

    Raises:
        SeqDistillError: if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SeqDistillError(f"--device {name}: unknown; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SeqDistillError(f"--device {name}: not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SeqDistillError(f"--device {name}: {torch.cuda.device_count()} CUDA devices here; use auto or cpu")
    return device


def usable_log(
    data: str | Path | Dataset, config: Config, notify: Notify | None, progress: Progress = SILENT
) -> Dataset:
    """A log that there is something to train on, to choose by and to test with, every file of it verified.

    Raises:
        SeqDistillError: bad data or settings, or a log too short for its split.
    """
    if not isinstance(data, Dataset):
        data = load_dataset(data, config=config.data, notify=notify, progress=progress, verify=True)
    for part in ("validation", "test"):
        if len(data.held_out_users(part)) > 0:
            continue
        if data.split.name == "leave-one-out":
            raise SeqDistillError(
                f"{data.name}: no user has 3 interactions left to split into training, validation and test; "
                "lower data.min_count or bring a longer log"
            )
        raise SeqDistillError(
            f"{data.name}: the split by {data.split.name} holds out no item to rank in the {part}; give that part more "
            f"with data.{part}_share or other cuts, or bring a longer log"
        )
    if (data.training_ends - data.offsets[:-1] < 2).all():
        raise SeqDistillError(
            f"{data.name}: no user has two interactions left to train on once the last two are held out; "
            "lower data.min_count or bring a longer log"
        )
    return data


def tell_notes(dataset: Dataset, notify: Notify | None) -> None:
    """What reading and filtering did, once it is clear that the work goes ahead."""
    if notify is not None:
        for note in dataset.provenance.notes:
            notify(f"{dataset.name}: {note}")


def as_summary(summary: str | Path | Summary) -> Summary:
    """A summary, or the one in a folder or in a run."""
    return summary if isinstance(summary, Summary) else Summary.load(summary_folder(Path(summary)))


def protocol(dataset: Dataset, config: Config, part: HeldOut) -> dict[str, Any]:
    """How the figures beside it were obtained."""
    return {
        "split": dataset.split.name,
        "part": part,
        "ranking": "full catalogue",
        "mask_seen": config.evaluate.mask_seen,
        "ties": "pessimistic",
        "length": config.distill.length,
        "min_count": dataset.provenance.settings.get("min_count", config.data.min_count),
        "users": len(dataset.held_out_users(part)),
        "items": dataset.num_items,
        "interactions": dataset.num_interactions,
    }


def described(dataset: Dataset) -> dict[str, Any]:
    """A log as requests and manifests name it."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "users": dataset.num_users,
        "items": dataset.num_items,
        "interactions": dataset.num_interactions,
    }
