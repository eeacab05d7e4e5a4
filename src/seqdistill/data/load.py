"""The one call that turns what a user has, a name or a file, into a `Dataset`."""

from collections.abc import Callable
from pathlib import Path

from seqdistill.data.build import build_dataset
from seqdistill.data.dataset import Dataset
from seqdistill.data.named import NAMED_DATASETS, fetch, suggest_names
from seqdistill.data.readers import Columns, read_log, split_suffixes
from seqdistill.errors import SeqDistillError


def load_dataset(
    source: str | Path,
    *,
    min_count: int = 5,
    columns: Columns | None = None,
    cache_dir: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
) -> Dataset:
    """Load a named dataset or a log file.

    A known name wins over a file called the same; `./ml-100k`, or a `Path`, always means the file.

    Args:
        source: a name of `NAMED_DATASETS`, or the path of a log (see `seqdistill.data.readers.FORMATS`).
        min_count: items and users with fewer rows are dropped, in one pass; 1 or less keeps all.
        columns: names of the log's columns, where they cannot be guessed.
        cache_dir: where named datasets are kept; by default the user's cache folder.
        notify: gets the licence note of a named dataset when it is first fetched; by default it is logged.

    Raises:
        SeqDistillError: neither a known name nor a file, or the log cannot be used; one line that says why.
    """
    if isinstance(source, str) and source in NAMED_DATASETS:
        name, path = source, fetch(source, cache_dir, notify)
    else:
        path = Path(source)
        name = split_suffixes(path)[0]
        if isinstance(source, str) and not path.exists():
            raise SeqDistillError(f"{source}: no such file, and no dataset is called that; {suggest_names(source)}")
    return build_dataset(read_log(path, columns), name=name, source=str(source), min_count=min_count)
