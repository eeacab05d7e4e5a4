"""Which rows a comparison has: what each trains on, how many sequences, and what that weighs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from seqdistill.config import REGIMES, CompareConfig, Precision, Regime
from seqdistill.evaluation.precision import PRECISIONS, row_bytes

Group = Literal["reference", "control", "hard", "soft", "distilled", "precision", "size"]
"""Heading of a row; `precision` and `size` are measured for other tables than the main one."""

Source = Literal[
    "full",
    "teacher",
    "popularity",
    "markov",
    "untrained",
    "noise",
    "random",
    "longest",
    "recent",
    "k-center",
    "every",
    "generated",
    "distilled",
    "decoded",
    "paper",
]
HardOrSoft = Literal["hard", "soft"]

NAMES: dict[Source, str] = {
    "random": "random sequences",
    "longest": "longest sequences",
    "recent": "most recent sequences",
    "k-center": "k-center sequences",
    "every": "every training sequence",
    "generated": "generated sequences",
}

UNTRAINED: tuple[Source, ...] = ("teacher", "popularity", "markov")
"""Rows for which no learner is trained."""

UNSEARCHED: tuple[Source, ...] = (*UNTRAINED, "untrained")
"""Rows without a schedule: nothing is trained."""

COUNT_BYTES = 4
"""Of how often an item comes."""


def item_bytes(num_items: int) -> int:
    """Bytes of an item in a stored sequence: those of the smallest integer that tells all items and padding apart."""
    return next(size for size in (1, 2, 4, 8) if num_items < 256**size)


@dataclass(frozen=True)
class RowSpec:
    """What a row is, before anything is trained.

    Attributes:
        key: unique, stable.
        name: without targets, regime and number.
        group: heading.
        source: what it trains on.
        regime: how the item embedding is treated; None where there is no item factor to take.
        targets: of its sequences.
        sequences: how many.
        size: which of the sizes that is.
        num_bytes: of what it trains on.
        precision: of the item factor; None for that of the summary.
        schedule_of: key of the row whose schedule it takes instead of searching for its own.
    """

    key: str
    name: str
    group: Group
    source: Source
    regime: Regime | None = None
    targets: HardOrSoft | None = None
    sequences: int | None = None
    size: str | None = None
    num_bytes: int = 0
    precision: Precision | None = None
    schedule_of: str | None = None

    @property
    def learns(self) -> bool:
        """Whether a learner is trained."""
        return self.source not in UNTRAINED

    @property
    def searched(self) -> bool:
        """Whether its schedule is chosen on validation."""
        return self.source not in UNSEARCHED


@dataclass(frozen=True)
class Sizes:
    """The sizes that rows are measured in.

    Attributes:
        num_sequences: n.
        summary: bytes of the summary, by part and in total.
        precision: of its numbers, and of soft targets that go with its item factor.
        windows: training windows the log has.
        items_per_window: of a real sequence, on average.
        length: positions of a generated sequence.
        num_items: size of the catalogue.
        dim: numbers of a soft target.
        log: bytes of the log.
        has_times: whether the most recent sequences can be told.
    """

    num_sequences: int
    summary: dict[str, int]
    precision: Precision
    windows: int
    items_per_window: float
    length: int
    num_items: int
    dim: int
    log: int
    has_times: bool

    def fixed(self, regime: Regime, targets: HardOrSoft) -> int:
        """Bytes that go with real sequences: ids, and the item factor where it is the embedding or explains targets."""
        with_factor = regime == "shared" or targets == "soft"
        return self.summary["item_ids"] + (self.summary["item_factor"] if with_factor else 0)

    def per_sequence(self, targets: HardOrSoft, *, generated: bool = False) -> float:
        """Bytes of one sequence: its items and, where targets are soft, a state for each item that is read."""
        items = float(self.length) if generated else self.items_per_window
        if targets == "hard":
            return self.item_bytes * items
        read = items if generated else items - 1
        return (self.item_bytes + row_bytes(self.dim, self.precision)) * read

    @property
    def item_bytes(self) -> int:
        """Of an item in a sequence."""
        return item_bytes(self.num_items)

    def weight(self, count: int, regime: Regime, targets: HardOrSoft, *, generated: bool = False) -> int:
        """Bytes of so many sequences with what goes with them."""
        return self.fixed(regime, targets) + round(count * self.per_sequence(targets, generated=generated))

    def of_equal_bytes(self, regime: Regime, targets: HardOrSoft, *, generated: bool = False) -> int:
        """As many sequences as weigh what the summary weighs, at least one."""
        left = self.summary["total"] - self.fixed(regime, targets)
        return max(1, int(left / self.per_sequence(targets, generated=generated)))


def planned_rows(sizes: Sizes, config: CompareConfig, *, paper: tuple[int, int] | None = None) -> list[RowSpec]:
    """The rows that are wanted, in the order to show them, those of the precisions last.

    Args:
        sizes: of the summary and the log.
        config: kinds of real sequences and their numbers, and whether all rows are wanted.
        paper: number of sequences and bytes of the summary distilled as the paper does; None where there is none.
    """
    rows = list(_references(sizes))
    for kind in config.hard:
        if kind != "recent" or sizes.has_times:
            rows += [row for r in REGIMES for row in sequence_rows(sizes, kind, r, "hard", config.hard_sizes)]
    for kind in config.soft:
        rows += [row for r in REGIMES for row in sequence_rows(sizes, kind, r, "soft", config.soft_sizes)]
    rows += _distilled(sizes, paper)
    unique: dict[str, RowSpec] = {}
    for row in rows:
        if config.rows == "all" or _essential(row):
            unique.setdefault(row.key, row)
    return list(unique.values())


def _essential(row: RowSpec) -> bool:
    """Whether a row is of those that say what a summary is worth to one more architecture."""
    if row.group == "soft":
        return row.size == "n"
    return row.key == "full/fresh" or row.source in UNSEARCHED or (row.group, row.source) == ("distilled", "distilled")


def sequence_rows(
    sizes: Sizes, kind: Source, regime: Regime, targets: HardOrSoft, multiples: tuple[int, ...]
) -> Iterator[RowSpec]:
    """A kind of sequences in all its sizes."""
    generated = kind == "generated"
    for multiple in multiples:
        label = "n" if multiple == 1 else f"{multiple}n"
        yield sequence_row(sizes, kind, regime, targets, multiple * sizes.num_sequences, label)
    count = sizes.of_equal_bytes(regime, targets, generated=generated)
    yield sequence_row(sizes, kind, regime, targets, count, "equal bytes")


def sequence_row(
    sizes: Sizes,
    kind: Source,
    regime: Regime,
    targets: HardOrSoft,
    count: int,
    size: str | None,
    group: Group | None = None,
) -> RowSpec:
    """Sequences of one kind and number; from as many as the log has, all kinds of real ones are the same row."""
    generated = kind == "generated"
    if not generated and count >= sizes.windows:
        kind, count = "every", sizes.windows
    weight = sizes.weight(count, regime, targets, generated=generated)
    key = f"{kind}/{targets}/{regime}/{count}"
    return RowSpec(key, NAMES[kind], group or targets, kind, regime, targets, count, size, weight)


def _references(sizes: Sizes) -> Iterator[RowSpec]:
    yield RowSpec("full/fresh", "full data", "reference", "full", num_bytes=sizes.log)
    with_factor = sizes.log + sizes.summary["item_factor"]
    yield RowSpec("full/shared", "full data, item factor", "reference", "full", "shared", num_bytes=with_factor)
    yield RowSpec("teacher", "the teacher itself", "reference", "teacher", num_bytes=sizes.log)
    factor_only = sizes.fixed("shared", "hard")
    counts = sizes.summary["item_ids"] + COUNT_BYTES * sizes.num_items
    yield RowSpec("popularity", "popularity", "control", "popularity", num_bytes=counts)
    yield RowSpec("markov", "first-order Markov", "control", "markov", num_bytes=sizes.log)
    yield RowSpec("untrained/shared", "item factor, untrained", "control", "untrained", "shared", num_bytes=factor_only)
    yield RowSpec(
        "noise/shared",
        "item factor, random factors",
        "control",
        "noise",
        "shared",
        "soft",
        sizes.num_sequences,
        "n",
        sizes.summary["total"],
    )


def _distilled(sizes: Sizes, paper: tuple[int, int] | None) -> Iterator[RowSpec]:
    n, total = sizes.num_sequences, sizes.summary["total"]
    for regime in REGIMES:
        yield RowSpec(
            f"distilled/{regime}", "distilled", "distilled", "distilled", regime, "soft", n, "n", num_bytes=total
        )
    for regime in REGIMES:
        weight = sizes.fixed(regime, "hard") + sizes.item_bytes * n * sizes.length
        key = f"decoded/{regime}"
        yield RowSpec(key, "distilled, hard-decoded", "distilled", "decoded", regime, "hard", n, "n", weight)
    if paper is not None:
        name, count, weight = "distilled as in the paper", *paper
        for regime in REGIMES:
            size = "n" if count == n else None
            yield RowSpec(f"paper/{regime}", name, "distilled", "paper", regime, "soft", count, size, weight)
    for precision in PRECISIONS:
        for regime in REGIMES if precision != sizes.precision else ():
            yield RowSpec(
                f"precision/{precision}/{regime}",
                "distilled",
                "precision",
                "distilled",
                regime,
                "soft",
                n,
                None,
                precision=precision,
                schedule_of=f"distilled/{regime}",
            )


def as_json(row: RowSpec) -> dict[str, Any]:
    """The part of a row's JSON that is known beforehand."""
    return {
        "key": row.key,
        "name": row.name,
        "group": row.group,
        "regime": row.regime,
        "targets": row.targets,
        "sequences": row.sequences,
        "size": row.size,
        "bytes": row.num_bytes,
    }
