# pyright: basic
"""Recommendations for a file of histories: how many a minute, from reading the file to writing the answers.

python -m benchmarks.recommend --items 12000 --users 20000

The models are untrained and the histories random, which costs the same as trained ones and real ones: each user has
between 5 and 50 items, ranked over the whole catalogue with the seen ones left out.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Case, Row, Step, add_arguments, finish, measure, note, settings_of

LEARNERS = ("sasrec", "gru4rec", "narm", "bert4rec")
SHORTEST, LENGTH = 5, 50


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recommend", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=12_000, help="|V| (default: %(default)s)")
    parser.add_argument("--dim", type=int, default=32, help="width of the item embedding (default: %(default)s)")
    parser.add_argument("--users", type=int, default=20_000, help="histories (default: %(default)s)")
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), choices=LEARNERS)
    add_arguments(parser, rounds=3)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    sizes: Row = {"items": arguments.items, "dim": arguments.dim, "users": arguments.users}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for learner in arguments.learners:
            note(learner)
            words = {**sizes, "learner": learner, "folder": folder, "seed": arguments.seed}
            rows += measure([Case({"learner": learner, **sizes}, "benchmarks.recommend:prepare", words)], settings)
    finish("recommend", arguments, settings, rows)


def prepare(*, learner: str, items: int, dim: int, users: int, folder: str, seed: int) -> Step:
    """A case for `harness.measure`: the whole of `recommend --histories`, the model loaded beforehand."""
    import numpy as np
    import polars as pl
    import torch

    from seqdistill.api import recommend_file
    from seqdistill.config import LearnerConfig
    from seqdistill.learners import Recommender, build_learner
    from seqdistill.models import TrainedModel

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    architecture = LearnerConfig(learner=learner)
    recommender = Recommender.fresh(build_learner(architecture, dim=dim, length=LENGTH), items).eval()
    ids = pl.Series([f"item-{number}" for number in range(items)])
    model = TrainedModel(recommender, architecture, LENGTH, ids)
    asked, answered = Path(folder) / "histories.parquet", Path(folder) / "answers.parquet"
    histories = [ids.gather(rng.integers(items, size=size)) for size in rng.integers(SHORTEST, LENGTH + 1, size=users)]
    pl.DataFrame({"user": np.arange(users), "history": histories}).write_parquet(asked)

    def step() -> Row:
        found = recommend_file(model, asked, answered, k=10)
        return {"answered": len(found.table), "recommended": int(found.table["items"].list.len().sum())}

    return step


if __name__ == "__main__":
    main()
