# pyright: basic
"""Where the time of an outer step goes: its four phases, and in each the loops over the catalogue.

python -m benchmarks.profile --items 1300 12000 --dim 32

Times are taken under torch's profiler, which makes small operations look a little dearer than they are.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import Case, Row, Step, add_arguments, finish, measure, note, settings_of
from benchmarks.hypergradient import add_problem_arguments, case
from benchmarks.methods import make_problem
from seqdistill.attention import soft_embeddings
from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.replay import replay, run_window

T = TypeVar("T")
CATALOGUE = "seqdistill::"
"""How the loops over the catalogue are called among torch's operations."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[1_300, 12_000], help="|V| (default: 1300 12000)")
    parser.add_argument("--dim", type=int, nargs="+", default=[32], help="width of the item factor (default: 32)")
    add_problem_arguments(parser)
    add_arguments(parser, rounds=3)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    rows: list[Row] = []
    for items in arguments.items:
        for dim in arguments.dim:
            note(f"{items} items, dim {dim}")
            cases = [case(arguments, method, items=items, dim=dim) for method in ("replay", "eager")]
            rows += measure([Case(c.label, "benchmarks.profile:prepare", c.arguments) for c in cases], settings)
    finish("profile", arguments, settings, rows)


def prepare(*, method: str, **sizes: int | str) -> Step:
    """A case for `harness.measure`: one outer step by `replay` or `eager`, in pieces."""
    problem = make_problem(**sizes)  # type: ignore[arg-type]
    step = problem.compiled_step if method == "replay" else problem.step
    factor, queries = problem.item_factor, problem.queries

    def run() -> Row:
        phases: Row = {}

        def timed(name: str, work: Callable[[], T]) -> T:
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                started = time.perf_counter()
                result = work()
                seconds = time.perf_counter() - started
            catalogue = sum(e.cpu_time_total for e in profiler.key_averages() if e.key.startswith(CATALOGUE)) / 1e6
            phases[name] = {"seconds": seconds, "catalogue": catalogue}
            return result

        summary = timed("embed", lambda: tuple(soft_embeddings(q, factor, factor) for q in queries))
        inputs = tuple(part.detach() for part in summary)
        rng = torch.Generator().manual_seed(problem.seed)
        draws = [problem.step.objective.draw(rng) for _ in problem.positions]
        _, window = timed("window", lambda: run_window(step, AdamState.start(problem.theta), draws, inputs))
        bars = timed("replay", lambda: replay(step, window, inputs, problem.direction))
        timed("embed adjoint", lambda: torch.autograd.grad(summary, queries, bars))
        return phases

    return run


if __name__ == "__main__":
    main()
