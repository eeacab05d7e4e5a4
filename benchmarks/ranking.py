# pyright: basic
"""Full ranking of held-out items from given scores: this library against RecBole 1.2.1, same scores, same metrics.

benchmarks/recbole_env.sh
python -m benchmarks.ranking --users 6040 --items 3416

Both are given the same score of every item for every user, and work out HR, NDCG and MRR at 10 and 20. Making scores
is left out of both: they are drawn before, and a model of RecBole's hands out its rows. Its evaluation is the trainer's
own, `Trainer.evaluate` on the full-sort loader of the test part; ours is `rank_scores` on chunks of users and the
metrics of their ranks. The benchmark ends with an error unless all metrics agree to the four
digits that RecBole rounds to.
"""

import argparse
import tempfile
from collections.abc import Sequence

from benchmarks.harness import Case, Row, Step, add_arguments, finish, measure, note, settings_of
from benchmarks.recbole import add_recbole, interpreter, versions_in

CUTOFFS = (10, 20)
DIGITS = 4


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ranking", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--items", type=int, default=3416)
    add_recbole(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    python = interpreter(parser, arguments)
    sizes = {"users": arguments.users, "items": arguments.items}
    words = {**sizes, "seed": arguments.seed}
    note(f"{arguments.users:,} users, {arguments.items:,} items")
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "seqdistill": Case({"method": "seqdistill", **sizes}, "benchmarks.ranking:prepare", words),
            "recbole": Case(
                {"method": "recbole", **sizes},
                "benchmarks.ranking_recbole:prepare",
                {"folder": folder, **words},
                python,
            ),
        }
        rows = measure([cases[method] for method in arguments.methods], settings)
    check_metrics(rows)
    finish("ranking", arguments, settings, rows, versions_in(rows))


def given(users: int, items: int, seed: int):  # noqa: ANN201 - tensors, and torch is not imported here
    """Scores [users, items], and the item each user is tested on, int64 [users] of ids."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    scores = torch.randn(users, items, generator=rng)
    return scores, 1 + torch.randint(items, (users,), generator=rng)


def prepare(*, users: int, items: int, seed: int) -> Step:
    """Our side."""
    import torch

    from seqdistill.evaluation.metrics import UserScores, summarise
    from seqdistill.evaluation.ranking import MAX_SCORES, rank_scores

    scores, targets = given(users, items, seed)
    chunk = max(1, MAX_SCORES // items)

    def step() -> Row:
        parts = [rank_scores(s, t, ties=False) for s, t in zip(scores.split(chunk), targets.split(chunk), strict=True)]
        ranks = torch.cat([part.ranks for part in parts]).numpy()
        means = summarise(UserScores(ranks, 0.0 * ranks), CUTOFFS)
        return {f"{name}@{k}": round(means[f"{name}@{k}"], DIGITS) for name in ("hr", "ndcg", "mrr") for k in CUTOFFS}

    return step


def check_metrics(rows: list[Row]) -> None:
    """Refuse to compare evaluations with different outcomes."""
    found = [{k: v for k, v in row["result"].items() if "@" in k} for row in rows if "failed" not in row]
    for other in found[1:]:
        # The last digit may be rounded the other way.
        if any(abs(other[name] - value) > 1.5 * 10**-DIGITS for name, value in found[0].items()):
            raise SystemExit(f"the metrics differ: {found[0]} and {other}")


if __name__ == "__main__":
    main()
