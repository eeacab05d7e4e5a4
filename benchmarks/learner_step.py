# pyright: basic
"""A training step of a learner on a few sequences, against one that forms its loss as an inner loop has to.

python -m benchmarks.learner_step --threads 1

`ours` is `fit_to_sequences`. `streamed` takes the loss that can be differentiated twice: mean embeddings of the targets
and a log-normaliser in tiles, whose scores are formed again for the gradient. Sequences are random, with soft targets;
what is read are items, as in real or generated sequences, or distributions, as in a summary. The set-up of a training
is part of its time.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.harness import Case, Row, Step, add_arguments, finish, measure, note, settings_of

if TYPE_CHECKING:
    from seqdistill.config import Regime

METHODS = ("ours", "streamed")
SIZES = (
    ("fresh", 1349, 20, "items"),
    ("fresh", 1349, 20, "distributions"),
    ("fresh", 1349, 80, "items"),
    ("shared", 1349, 20, "items"),
    ("fresh", 12_000, 50, "distributions"),
)
"""Regime, |V|, n, and what is read."""

LENGTH, BATCH, RATE = 50, 20, 1e-3


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learner_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dim", type=int, default=32, help="width of the item embedding (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="of a training (default: %(default)s)")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    rows: list[Row] = []
    for regime, items, num_sequences, reads in SIZES:
        note(f"{regime}, {items:,} items, {num_sequences} sequences that read {reads}")
        label = {"regime": regime, "items": items, "num_sequences": num_sequences, "reads": reads}
        words = {**label, "dim": arguments.dim, "steps": arguments.steps, "seed": arguments.seed}
        cases = [
            Case({"method": method, **label}, "benchmarks.learner_step:prepare", {"method": method, **words})
            for method in METHODS
        ]
        rows += [{**row, "steps": arguments.steps} for row in measure(cases, settings)]
    finish("learner_step", arguments, settings, rows)


def prepare(
    *, method: str, regime: "Regime", items: int, num_sequences: int, reads: str, dim: int, steps: int, seed: int
) -> Step:
    """A training of so many steps."""
    import torch

    from seqdistill.config import LearnerConfig
    from seqdistill.sequence_training import fit_to_sequences
    from seqdistill.sequences import Sequences
    from seqdistill.summary import Schedule

    rng = torch.Generator().manual_seed(seed)
    factor = torch.randn(items, dim, generator=rng)
    read = torch.randint(1, items + 1, (num_sequences, LENGTH), generator=rng)
    predict = 0.3 * torch.randn(num_sequences, LENGTH, dim, generator=rng)
    mask = torch.ones(num_sequences, LENGTH, dtype=torch.bool)
    given = Sequences(factor[read - 1] if reads == "distributions" else read, predict, mask, factor)
    train = fit_to_sequences if method == "ours" else streamed

    def step() -> Row:
        model = train(given, LearnerConfig(), regime, Schedule(RATE, steps), seed=seed, batch_size=BATCH)
        return {"norm": float(sum(p.detach().square().sum() for p in model.parameters()))}

    return step


def streamed(given, architecture, regime, schedule, *, seed: int, batch_size: int):  # noqa: ANN001, ANN201
    """The same training, its loss formed as in an inner loop."""
    import torch

    from seqdistill.attention import soft_cross_entropy
    from seqdistill.learners import Recommender, build_learner
    from seqdistill.soap import optimiser_of

    torch.manual_seed(seed)
    factor = given.item_factor
    learner = build_learner(architecture, dim=factor.shape[1], length=given.length)
    model = Recommender.shared(learner, factor) if regime == "shared" else Recommender.fresh(learner, len(factor))
    optimiser = optimiser_of(model, regime, schedule)
    wanted = (given.predict @ factor.T).softmax(-1)
    soft = (given.read @ factor.T).softmax(-1) if given.read.is_floating_point() else None
    means = wanted @ factor
    parts = -(-len(given.mask) // batch_size)
    for index in range(schedule.steps):
        if index % parts == 0:
            batches = torch.randperm(len(given.mask)).tensor_split(parts)
        rows = batches[index % parts] if parts > 1 else slice(None)
        read = model.embed(given.read[rows]) if soft is None else soft[rows] @ model.embedding
        mean = means[rows] if regime == "shared" else wanted[rows] @ model.embedding
        loss = soft_cross_entropy(learner(read, given.mask[rows]), mean, model.embedding).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


if __name__ == "__main__":
    main()
