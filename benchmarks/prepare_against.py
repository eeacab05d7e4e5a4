# pyright: basic
"""From a log's file to what a sequential recommender trains and is tested on: this library against RecBole 1.2.1.

benchmarks/recbole_env.sh
python -m benchmarks.prepare_against --log PATH_OF_MOVIELENS_1M

Both read the same `.inter` file, filter it to its core (`--min-count`), number users and items, order each user's rows,
split leave-one-out, and make the training rows and the histories of the held-out items. RecBole makes a row of every
target, which is part of how it builds a dataset; ours are windows that hold every target once. The benchmark ends with
an error unless both have the same users, items, training targets and held-out items.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Case, Row, Step, add_arguments, finish, measure, note, settings_of
from benchmarks.recbole import add_recbole, interpreter, versions_in

COUNTS = ("users", "items", "training", "validation", "test")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prepare_against",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--log", default="ml-1m", help="name or path of a log (default: ml-1m)")
    add_recbole(parser)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--min-count", type=int, default=5)
    add_arguments(parser, rounds=3)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    python = interpreter(parser, arguments)
    source = str(Path(arguments.log).resolve()) if os.sep in arguments.log else arguments.log
    with tempfile.TemporaryDirectory() as folder:
        log = write_inter(source, folder)
        note(f"{log['dataset']}: {log['rows']:,} rows")
        words = {"folder": folder, "name": log["dataset"], "length": arguments.length, "min_count": arguments.min_count}
        cases = {
            "seqdistill": Case({"method": "seqdistill", **log}, "benchmarks.prepare_against:prepare", words),
            "recbole": Case({"method": "recbole", **log}, "benchmarks.prepare_recbole:prepare", words, python),
        }
        rows = measure([cases[method] for method in arguments.methods], settings)
    _check_counts(rows)
    finish("prepare_against", arguments, settings, rows, versions_in(rows))


def write_inter(source: str, folder: str) -> Row:
    """Write a whole log as RecBole's `folder/NAME/NAME.inter`; where it has no times, the order takes their place.

    Returns:
        The log's name and number of rows.
    """
    import numpy as np
    import polars as pl

    from seqdistill import load_dataset

    dataset = load_dataset(source, min_count=1)
    users = np.repeat(np.arange(dataset.num_users), np.diff(dataset.offsets))
    times = np.arange(dataset.num_interactions) if dataset.times is None else dataset.times
    columns = {
        "user_id:token": dataset.user_ids.gather(users),
        "item_id:token": dataset.item_ids.gather(dataset.items - 1),
        "timestamp:float": times,
    }
    path = Path(folder) / dataset.name / f"{dataset.name}.inter"
    path.parent.mkdir()
    # In an order of no use to anybody, as a log comes.
    shuffled = pl.DataFrame(columns).sample(fraction=1.0, shuffle=True, seed=0)
    shuffled.write_csv(path, separator="\t", quote_style="never")
    return {"dataset": dataset.name, "rows": dataset.num_interactions}


def prepare(*, folder: str, name: str, length: int, min_count: int) -> Step:
    """Our side."""
    from seqdistill import load_dataset

    path = Path(folder) / name / f"{name}.inter"

    def step() -> Row:
        dataset = load_dataset(path, min_count=min_count, filter="core")
        windows = dataset.training_windows(length)
        held_out = {part: len(dataset.held_out(part, length)[1]) for part in ("validation", "test")}
        targets = int((windows[:, 1:] > 0).sum())
        return {"users": dataset.num_users, "items": dataset.num_items, "training": targets, **held_out}

    return step


def _check_counts(rows: list[Row]) -> None:
    """Refuse to compare datasets of different content."""
    found = {row["method"]: [row["result"][key] for key in COUNTS] for row in rows if "failed" not in row}
    if len({tuple(counts) for counts in found.values()}) > 1:
        raise SystemExit(f"the datasets differ in their {', '.join(COUNTS)}: {found}")


if __name__ == "__main__":
    main()
