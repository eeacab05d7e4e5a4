"""Small logs for tests, and what comes out of them in their own ids."""

from pathlib import Path

import pytest

from seqdistill.config import parse_config
from seqdistill.data import Dataset, load_dataset
from seqdistill.errors import SeqDistillError

Rows = list[tuple[str, str, float]]


def write(path: Path, content: bytes | str) -> Path:
    """The file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_csv(path: Path, *rows: str) -> Path:
    """A CSV of user, item and time."""
    return write(path, "user,item,time\n" + "".join(row + "\n" for row in rows))


def load_all(source: object, **settings: object) -> Dataset:
    """A log with nothing filtered away, unless the settings say so."""
    return load_dataset(source, config=parse_config({"data": {"min_count": 1, **settings}}).data)


def sequences(dataset: Dataset) -> dict[str, list[str]]:
    """Each user's items, oldest first, in the log's own ids."""
    ids = dataset.item_ids.to_list()
    return {
        user: [ids[item - 1] for item in dataset.items[dataset.offsets[u] : dataset.offsets[u + 1]]]
        for u, user in enumerate(dataset.user_ids)
    }


def rows_of(dataset: Dataset) -> Rows:
    """All rows with their times, user after user."""
    assert dataset.times is not None
    flat = [(user, item) for user, items in sequences(dataset).items() for item in items]
    return [(user, item, time) for (user, item), time in zip(flat, dataset.times.tolist(), strict=True)]


def refusal(source: object, **settings: object) -> str:
    """The one line that says why a log cannot be used."""
    with pytest.raises(SeqDistillError) as caught:
        load_all(source, **settings)
    text = str(caught.value)
    assert "\n" not in text
    return text
