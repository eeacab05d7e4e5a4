"""The verbs `inspect` and `export`: what a summary says, and its sequences as files."""

from pathlib import Path
from typing import Any

from seqdistill.api.given import Notify, as_summary
from seqdistill.config import Config, parse_config
from seqdistill.data import Dataset, load_dataset
from seqdistill.errors import SeqDistillError
from seqdistill.exporting import (
    ITEM,
    ExportFormat,
    choose_target,
    hard_sequences,
    interactions,
    soft_targets,
    write_interactions,
    write_targets,
)
from seqdistill.inspection import describe
from seqdistill.progress import SILENT, Progress
from seqdistill.summary import Summary
from seqdistill.titles import ItemTable, read_titles


def inspect(
    summary: str | Path | Summary,
    *,
    data: str | Path | Dataset | None = None,
    items: str | Path | ItemTable | None = None,
    sequences: int = 3,
    top: int = 3,
    config: Config | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    notify: Notify | None = None,
) -> dict[str, Any]:
    """What a summary holds, weighs and says, and whether it copies anyone; see `seqdistill.inspection.describe`.

    Args:
        summary: a summary, its folder, or the run directory it is in.
        data: the log it was made from, to compare its sequences with real histories.
        items: a table with titles of the items; see `seqdistill.titles.ItemTable`.
        sequences: how many of the first sequences to spell out.
        top: items named at each of their positions.
        config: how to read the log; by default with the settings the summary was made with.
        seed: draws the real and the random sequences that the summary's are set beside.
        progress: where to report.
        notify: gets lines a user should see once.

    Raises:
        SeqDistillError: a damaged summary, a table without titles of its items, or a log without its items.
    """
    held = as_summary(summary)
    titles = None
    if items is not None:
        titles = read_titles(items if isinstance(items, ItemTable) else ItemTable(Path(items)), held.item_ids)
    if data is not None and not isinstance(data, Dataset):
        made_with: dict[str, Any] = held.details.get("config") or {}
        settings = config or parse_config({"data": made_with.get("data") or {}})
        data = load_dataset(data, config=settings.data, progress=progress, notify=notify)
    return describe(held, sequences=sequences, top=top, titles=titles, dataset=data, seed=seed)


def export(
    summary: str | Path | Summary,
    out: str | Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - what it is called everywhere
    sample: int | None = None,
    targets: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the sequences of a summary as a log of hard items, for other libraries.

    Args:
        summary: a summary, its folder, or the run directory it is in.
        out: a file, whose ending says the format, or a folder, see `seqdistill.exporting.choose_target`.
        format: inter (RecBole), csv, tsv, parquet, jsonl, or lines (`user item item ...`).
        sample: draw so many users from each sequence's distributions; None takes the likeliest items.
        targets: also write this many of the likeliest items to be predicted after each position, with their mass.
        seed: decides what is drawn.
        overwrite: replace files that are there.

    Returns:
        {"out", "format", "targets_out", "sequences", "users", "length", "interactions", "distinct_items"}.

    Raises:
        SeqDistillError: a damaged summary, a file that is there or cannot be written, an unknown format, or an id that
            the format cannot hold.
    """
    if sample is not None and sample < 1:
        raise SeqDistillError(f"sample = {sample}: draw at least one user from each sequence")
    if targets is not None and targets < 1:
        raise SeqDistillError(f"targets = {targets}: write at least one item for each position")
    target = choose_target(Path(out), format)
    files = [target.sequences, *([target.targets] if targets is not None else [])]
    for file in files:
        if file.exists() and not overwrite:
            raise SeqDistillError(f"{file} exists; choose another name, or replace it with --overwrite")
    held = as_summary(summary)
    items = hard_sequences(held, draws=sample, seed=seed)
    table = interactions(items, held.item_ids)
    write_interactions(table, target)
    if targets is not None:
        write_targets(soft_targets(held, targets, draws=sample or 1), target)
    return {
        "out": str(target.sequences),
        "format": target.format,
        "targets_out": str(target.targets) if targets is not None else None,
        "sequences": held.num_sequences,
        "users": len(items),
        "length": held.length,
        "interactions": len(table),
        "distinct_items": table[ITEM].n_unique(),
    }
