# pyright: basic
"""One training epoch of SASRec on a log: this library against RecBole 1.2.1, same targets, same sizes.

benchmarks/recbole_env.sh
python -m benchmarks.epoch --datasets ml-100k PATH_OF_A_LOG

Both learn to predict every item of the training part from the at most `--length` items before it, once an epoch, by
cross-entropy over the catalogue, with SASRec of one layer, one head and the same widths and dropout. RecBole reads a
file of the training part that is written here; its batches hold `--targets-per-step` targets, ours as many windows as
hold that many on average. Neither epoch includes reading the log or validation.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, Case, Row, add_arguments, finish, measure, note, settings_of

METHODS = ("seqdistill", "recbole")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.epoch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["ml-100k"], help="names or paths of logs (default: ml-100k)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--recbole", type=Path, default=Path(".venv-recbole"), help="RecBole's environment")
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--targets-per-step", type=int, default=2048)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    # Not resolved: the interpreter of a virtual environment is a link, and known by its place.
    python = ROOT / arguments.recbole / "bin" / "python"
    if "recbole" in arguments.methods and not python.exists():
        parser.error(f"no {arguments.recbole}; run benchmarks/recbole_env.sh or say --methods seqdistill")
    rows: list[Row] = []
    for source in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(_cases(arguments, source, folder, str(python)), settings)
    _check_targets(rows)
    theirs = [r["result"]["versions"] for r in rows if r["method"] == "recbole" and "failed" not in r]
    finish("epoch", arguments, settings, rows, theirs[0] if theirs else None)


def write_training_part(source: str, folder: str) -> Row:
    """Write the training part of a log as RecBole's `folder/NAME/NAME.inter`, with the order as time.

    Returns:
        The log's name and sizes.
    """
    from seqdistill import load_dataset

    dataset = load_dataset(source)
    name = dataset.name
    path = Path(folder) / name / f"{name}.inter"
    path.parent.mkdir()
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for user in range(dataset.num_users):
            for place, at in enumerate(range(dataset.offsets[user], dataset.training_ends[user])):
                file.write(f"{user}\t{dataset.items[at]}\t{place}\n")
    return {"dataset": name, "users": dataset.num_users, "items": dataset.num_items}


def _cases(arguments: argparse.Namespace, source: str, folder: str, python: str) -> list[Case]:
    if os.sep in source:
        source = str(Path(source).resolve())
    log = write_training_part(source, folder)
    note(f"{log['dataset']}: {log['users']} users, {log['items']} items")
    shared = {
        "dim": arguments.dim,
        "length": arguments.length,
        "targets_per_step": arguments.targets_per_step,
        "seed": arguments.seed,
    }
    cases = {
        "seqdistill": Case(
            {"method": "seqdistill", **log}, "benchmarks.our_epoch:prepare", {"source": source, **shared}
        ),
        "recbole": Case(
            {"method": "recbole", **log},
            "benchmarks.recbole_epoch:prepare",
            {"folder": folder, "name": log["dataset"], "feed_forward": 2 * arguments.dim, **shared},
            python,
        ),
    }
    return [cases[method] for method in arguments.methods]


def _check_targets(rows: list[Row]) -> None:
    """Refuse to compare epochs of different targets."""
    for name in {row["dataset"] for row in rows}:
        counts = {r["result"]["targets"] for r in rows if r["dataset"] == name and "failed" not in r}
        if len(counts) > 1:
            raise SystemExit(f"{name}: the epochs differ in their number of targets: {sorted(counts)}")


if __name__ == "__main__":
    main()
