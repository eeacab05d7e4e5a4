# pyright: basic
"""Time and memory of one outer step, its outer loss on real data left out, by several methods (see `methods`).

python -m benchmarks.hypergradient --items 12000 --dim 32 --rounds 5 --json

With --rounds 0 the first step is timed and no other follows, for cases whose step takes an hour.
"""

import argparse
from collections.abc import Sequence

from benchmarks.harness import GIB, Case, Row, add_arguments, finish, measure, note, settings_of, version

METHODS = ("replay", "textbook", "unroll", "checkpoint")
ALL_METHODS = (*METHODS, "eager")

RESERVED = GIB // 2
"""Bytes of a process's limit that an outer step may not count on: of Python, torch and the scratch memory of tiles."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hypergradient", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[12_000], help="|V| (default: 12000)")
    parser.add_argument("--dim", type=int, nargs="+", default=[32], help="width of the item factor (default: 32)")
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(METHODS))
    add_problem_arguments(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments, least_rounds=0)
    rows: list[Row] = []
    for items in arguments.items:
        for dim in arguments.dim:
            note(f"{items} items, dim {dim}")
            cases = [case(arguments, method, items=items, dim=dim) for method in arguments.methods]
            rows += measure(cases, settings)
    finish("hypergradient", arguments, settings, rows, {"higher": version("higher")})


def add_problem_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say what an outer step is."""
    parser.add_argument("--num-sequences", type=int, default=50, help="n (default: 50)")
    parser.add_argument("--length", type=int, default=50, help="l (default: 50)")
    parser.add_argument("--window", type=int, default=40, help="W, differentiated steps (default: 40)")
    parser.add_argument("--cuts", type=_cuts, default=1, help="random positions beside the last, or all (default: 1)")
    parser.add_argument("--regime", choices=("shared", "fresh"), default="shared")


def case(arguments: argparse.Namespace, method: str, *, items: int, dim: int, **changes: int) -> Case:
    """One outer step by a method.

    Args:
        arguments: with the options of `add_problem_arguments`, and the seed.
        method: one of `ALL_METHODS`.
        items: |V|.
        dim: width.
        changes: `num_sequences`, `length` or `window` other than the options say.
    """
    sizes = {
        "num_sequences": arguments.num_sequences,
        "length": arguments.length,
        "window": arguments.window,
        "cuts": arguments.cuts,
        "regime": arguments.regime,
        "seed": arguments.seed,
        **({} if arguments.memory is None else {"memory": int(arguments.memory * GIB) - RESERVED}),
        **changes,
    }
    return Case(
        {"method": method, "items": items, "dim": dim},
        "benchmarks.methods:prepare",
        {"method": method, "items": items, "dim": dim, **sizes},
    )


def _cuts(text: str) -> int | str:
    return "all" if text == "all" else int(text)


if __name__ == "__main__":
    main()
