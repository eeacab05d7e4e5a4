# pyright: basic
"""How far an outer step is from the operations it cannot do without.

The floor is the time of the matrix products alone, at the rate this machine reaches on them in float32, its best over
strips of several widths. It leaves out every exponential, sum, copy and call, so nothing can attain it.

Multiply-adds counted, with T the positions that have a target in an inner step (n times 1 + cuts, or n l):

- the catalogue in the inner loop, T |V| d each: 2 products forward (scores, and the mean embedding that is the
  gradient), 3 in the replay (scores again, the direction's scores, and their mean embedding);
- the catalogue outside it, 2 n l |V| d each (inputs and targets): 2 products forward, 3 backward;
- the learner, whose one layer is computed at the T positions only, M a pass: 1 forward and 2 for the gradient; in the
  replay 3 once more and 6 for the derivative of these.
"""

import argparse
from collections.abc import Sequence

from benchmarks.harness import Case, Row, add_arguments, finish, measure, note, settings_of
from benchmarks.hypergradient import add_problem_arguments, case

INNER_PRODUCTS = 2 + 3
OUTER_PRODUCTS = 2 + 3
LEARNER_PASSES = 1 + 2 + 3 + 6


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description="An outer step against its floor.")
    parser.add_argument("--items", type=int, nargs="+", default=[1_300, 12_000, 100_000])
    parser.add_argument("--dim", type=int, nargs="+", default=[32, 64])
    add_problem_arguments(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    if arguments.regime != "shared":
        parser.error("the operations are counted for the shared regime only")
    settings = settings_of(arguments)
    rows: list[Row] = []
    for items in arguments.items:
        for dim in arguments.dim:
            note(f"{items} items, dim {dim}")
            rows.append(_row(arguments, items, dim, settings))
    finish("floor", arguments, settings, rows)


def multiply_adds(
    *, items: int, dim: int, num_sequences: int, length: int, window: int, cuts: int | str
) -> dict[str, int]:
    """Multiply-adds of the products of one outer step, by part."""
    positions = num_sequences * length
    targets = positions if cuts == "all" else num_sequences * (1 + int(cuts))
    # Per target: queries, keys and values 3 d^2, projection d^2, feed-forward 2 d 2d; attention reads l positions twice
    # (the causal half is not made use of).
    learner = targets * (8 * dim * dim + 2 * length * dim)
    return {
        "inner": window * INNER_PRODUCTS * targets * items * dim,
        "outer": OUTER_PRODUCTS * 2 * positions * items * dim,
        "learner": window * LEARNER_PASSES * learner,
    }


def _row(arguments: argparse.Namespace, items: int, dim: int, settings) -> Row:  # noqa: ANN001
    n, length, cuts = arguments.num_sequences, arguments.length, arguments.cuts
    targets = n * length if cuts == "all" else n * (1 + cuts)
    shapes = {
        "inner": (targets, dim, items),
        "outer": (n * length, dim, items),
        "learner": (targets, dim, 3 * dim),
    }
    step, rates = measure(
        [
            case(arguments, "replay", items=items, dim=dim),
            Case({"case": "rates"}, "benchmarks.rates:prepare", {"shapes": shapes, "seed": arguments.seed}),
        ],
        settings,
    )
    row = {key: value for key, value in step.items() if key != "method"}
    if "failed" in step or "failed" in rates:
        return {**row, "failed": step.get("failed") or rates["failed"]}
    operations = multiply_adds(items=items, dim=dim, num_sequences=n, length=length, window=arguments.window, cuts=cuts)
    floors = {name: operations[name] / rates["result"][name] for name in operations}
    floor = sum(floors.values())
    return {
        **row,
        "multiply_adds": operations,
        "multiply_adds_per_second": rates["result"],
        "floor_seconds_by_part": floors,
        "floor_seconds": floor,
        "ratio": step["seconds_median"] / floor,
    }


if __name__ == "__main__":
    main()
