# pyright: basic
"""One training epoch of SASRec on a log: this library against RecBole 1.2.1, same targets, same sizes.

benchmarks/recbole_env.sh
python -m benchmarks.epoch --datasets ml-100k PATH_OF_A_LOG

Both learn to predict every item of the training part from the at most `--length` items before it, once an epoch, by
cross-entropy over the catalogue, with SASRec of one layer, one head and the same widths and dropout. RecBole reads a
file of the training part that is written here and filters nothing; that both meet the same number of targets and items
is checked. Its batches hold `--targets-per-step` targets, ours as many windows as hold that many on average. Neither
epoch includes reading the log or validation.

Before the timed rounds come a whole epoch of ours and a few batches of RecBole's; `warm_up` of each result says so. Its
epoch may take many minutes: `--recbole-rounds 1` times one, after all rounds of ours.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Case, Row, Settings, add_arguments, finish, measure, note, settings_of
from benchmarks.recbole import add_recbole, interpreter, versions_in

RECBOLE_NAME = "training-part"
"""What RecBole is told the log is called. Not its own name: given "ml-100k", RecBole reads the unfiltered example that
it ships, wherever `data_path` points."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.epoch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["ml-100k"], help="names or paths of logs (default: ml-100k)")
    add_recbole(parser)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--targets-per-step", type=int, default=2048)
    parser.add_argument("--recbole-rounds", type=int, default=None, help="if other than --rounds; then not in turn")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    if arguments.recbole_rounds is not None and arguments.recbole_rounds < 1:
        parser.error("--recbole-rounds must be at least 1")
    python = interpreter(parser, arguments)
    rows: list[Row] = []
    for source in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            rows += _measure(_cases(arguments, source, folder, python), settings, arguments.recbole_rounds)
    check_targets(rows)
    finish("epoch", arguments, settings, rows, versions_in(rows))


def write_training_part(source: str, folder: str) -> Row:
    """Write the training part of a log as RecBole's `.inter` file, with the order as time.

    An item that training never meets still belongs to the catalogue: it gets a row with a user of its own, which
    RecBole makes no target of, as nothing is before it.

    Returns:
        The log's name and sizes.
    """
    from seqdistill import load_dataset

    dataset = load_dataset(source)
    path = Path(folder) / RECBOLE_NAME / f"{RECBOLE_NAME}.inter"
    path.parent.mkdir()
    targets = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for user in range(dataset.num_users):
            items = dataset.items[dataset.offsets[user] : dataset.training_ends[user]].tolist()
            file.writelines(f"{user}\t{item}\t{place}\n" for place, item in enumerate(items))
            targets += max(len(items) - 1, 0)
        unmet = (item for item, count in enumerate(dataset.item_counts.tolist()) if item > 0 and count == 0)
        file.writelines(f"unmet {item}\t{item}\t0\n" for item in unmet)
    return {"dataset": dataset.name, "users": dataset.num_users, "items": dataset.num_items, "targets": targets}


def check_targets(rows: list[Row]) -> None:
    """Refuse to compare epochs of other targets than the log's."""
    for row in rows:
        if "failed" not in row and row["result"]["targets"] != row["targets"]:
            raise SystemExit(
                f"{row['dataset']}: {row['method']} met {row['result']['targets']:,} targets, of {row['targets']:,}"
            )


def _cases(arguments: argparse.Namespace, source: str, folder: str, python: str) -> list[Case]:
    from seqdistill.config import TeacherConfig

    if os.sep in source:
        source = str(Path(source).resolve())
    log = write_training_part(source, folder)
    note(f"{log['dataset']}: {log['users']:,} users, {log['items']:,} items, {log['targets']:,} targets an epoch")
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
            {
                "folder": folder,
                "name": RECBOLE_NAME,
                "items": log["items"],
                "targets": log["targets"],
                "feed_forward": TeacherConfig().feed_forward,
                **shared,
            },
            python,
        ),
    }
    return [cases[method] for method in arguments.methods]


def _measure(cases: list[Case], settings: Settings, recbole_rounds: int | None) -> list[Row]:
    if recbole_rounds in {None, settings.rounds}:
        return measure(cases, settings)
    rows: list[Row] = []
    for case in cases:
        theirs = case.label["method"] == "recbole"
        rows += measure([case], replace(settings, rounds=recbole_rounds) if theirs else settings)
    return rows


if __name__ == "__main__":
    main()
