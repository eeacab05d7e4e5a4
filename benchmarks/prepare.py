# pyright: basic
"""Prepare a generated log: how long it takes, and how much memory.

python -m benchmarks.prepare --events 100000000 --users 10000000 --items 1000000

The log is a CSV of user, item and time in the order of time, as a service would write it; few users and items have much
of it. It is written beforehand, a part at a time, and removed at the end. The timed step is what `seqdistill prepare`
does, reading included; `peak total` is that of the whole process, interpreter and libraries included.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import MIB, Case, Row, Step, add_arguments, finish, measure, note, peak_mib, settings_of

PART_EVENTS = 2_000_000
WARM_UP_EVENTS = 1000
SECONDS_PER_EVENT = 3
USER_SKEW, ITEM_SKEW = 1.3, 3.0


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=None, help="default: a tenth of the events")
    parser.add_argument("--items", type=int, default=None, help="default: a hundredth of the events")
    parser.add_argument("--budget", default="4GB", help="what preparing may hold (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=None, help="for the log and its outcome (default: TMPDIR)")
    add_arguments(parser, rounds=1)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    users, items = arguments.users or arguments.events // 10, arguments.items or arguments.events // 100
    label = {"events": arguments.events, "users": users, "items": items, "budget": arguments.budget}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        paths = [Path(folder) / name for name in ("warm.csv", "log.csv")]
        write_log(paths[0], events=WARM_UP_EVENTS, users=20, items=20, seed=arguments.seed)
        write_log(paths[1], events=arguments.events, users=users, items=items, seed=arguments.seed)
        note(f"{arguments.events:,} events in {paths[1].stat().st_size / MIB:,.0f} MiB")
        words = {"warm": str(paths[0]), "log": str(paths[1]), "folder": folder, "budget": arguments.budget}
        rows = measure([Case(label, "benchmarks.prepare:prepare", words)], settings)
    finish("prepare", arguments, settings, rows)


def write_log(path: Path, *, events: int, users: int, items: int, seed: int) -> None:
    """Write the log, a part at a time, so that no part depends on how many follow it."""
    import numpy as np
    import polars as pl

    with path.open("wb") as file:
        file.write(b"user_id,item_id,timestamp\n")
        for part, begin in enumerate(range(0, events, PART_EVENTS)):
            count = min(PART_EVENTS, events - begin)
            rng = np.random.default_rng([seed, part])
            rows = {
                "user_id": (users * rng.random(count) ** USER_SKEW).astype(np.int64) + 1,
                "item_id": (items * rng.random(count) ** ITEM_SKEW).astype(np.int64) + 1,
                "timestamp": 1_500_000_000 + (SECONDS_PER_EVENT * (begin + np.arange(count))),
            }
            pl.DataFrame(rows).write_csv(file, include_header=False)


def prepare(*, warm: str, log: str, folder: str, budget: str) -> Step:
    """Prepare a few rows first, then the log."""
    from seqdistill.data import prepare as prepare_log

    sources = iter([warm, log])
    out = Path(folder) / "prepared"

    def step() -> Row:
        shutil.rmtree(out, ignore_errors=True)
        source = next(sources, log)
        before = time.process_time()
        dataset = prepare_log(source, out, min_count=5, memory=budget)
        return {
            "interactions": dataset.num_interactions,
            "users kept": dataset.num_users,
            "items kept": dataset.num_items,
            "cpu seconds": time.process_time() - before,
            "peak total mib": round(peak_mib(), 1),
            "major faults": resource.getrusage(resource.RUSAGE_SELF).ru_majflt,
        }

    return step


if __name__ == "__main__":
    main()
