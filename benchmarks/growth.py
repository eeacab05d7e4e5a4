# pyright: basic
"""How time and memory grow as one size doubles: |V|, n, l and W of an outer step, and the users of a training epoch."""

import argparse
from collections.abc import Sequence

from benchmarks.harness import Case, Row, add_arguments, finish, measure, note, settings_of
from benchmarks.hypergradient import add_problem_arguments, case

AXES = ("items", "num_sequences", "length", "window", "users")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--doublings", type=int, default=3, help="of each size (default: 3)")
    parser.add_argument("--items", type=int, default=12_000, help="|V| of the base case (default: 12000)")
    parser.add_argument("--dim", type=int, default=32, help="width (default: 32)")
    parser.add_argument("--users", type=int, default=1_000, help="users of the base case (default: 1000)")
    parser.add_argument("--log-items", type=int, default=3_000, help="|V| of the synthetic log (default: 3000)")
    add_problem_arguments(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    rows: list[Row] = []
    for axis in arguments.axes:
        values = [getattr(arguments, axis) << k for k in range(arguments.doublings + 1)]
        note(f"{axis}: {', '.join(map(str, values))}")
        # The sizes of one axis take turns, so that its ratios are free of drift.
        rows += measure([_case(arguments, axis, value) for value in values], settings)
    finish("growth", arguments, settings, rows)


def _case(arguments: argparse.Namespace, axis: str, value: int) -> Case:
    label: Row = {"axis": axis, "value": value}
    if axis == "users":
        sizes = {"users": value, "items": arguments.log_items, "dim": arguments.dim, "length": arguments.length}
        return Case(label, "benchmarks.our_epoch:prepare_synthetic", {**sizes, "seed": arguments.seed})
    items, changes = (value, {}) if axis == "items" else (arguments.items, {axis: value})
    step = case(arguments, "eager", items=items, dim=arguments.dim, **changes)
    return Case(label, step.factory, step.arguments)


if __name__ == "__main__":
    main()
