"""Random sequences in as many numbers as it takes to say how many of them give what the summary gives."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from seqdistill.config import REGIMES, Config, Regime
from seqdistill.evaluation.equivalent import Equivalent, equivalent_coreset
from seqdistill.evaluation.metrics import Floats
from seqdistill.evaluation.rows import HardOrSoft, RowSpec, Sizes, sequence_row
from seqdistill.evaluation.table import spread_of
from seqdistill.json_values import Json

TARGETS: tuple[HardOrSoft, ...] = ("hard", "soft")

LADDER = (0.125, 0.25, 0.5, 1, 2, 4, 10, 20, 50, 100, 200, 500, 1000)
"""Multiples of n that random sequences may be measured at."""

SECOND_METRIC = "ndcg@100"
"""Metric in which the equivalent is worked out too, beside the one that sizes are measured for."""


@dataclass(frozen=True, eq=False)
class RandomSequences:
    """What was measured of random sequences, and what that says of the summary.

    Attributes:
        sizes: of summary and log.
        rows: of the table.
        config: all settings.
        metric: that further sizes are measured for.
        values: every metric of a row, [learners, users]; None for one that is not measured.
    """

    sizes: Sizes
    rows: Sequence[RowSpec]
    config: Config
    metric: str
    values: Callable[[str], dict[str, Floats] | None]

    def wanted(self, *, refine: bool) -> Iterator[RowSpec]:
        """The next row to measure in each regime and with each kind of targets, where one would tell more.

        Args:
            refine: whether to measure once more between two sizes.
        """
        ladder = [*(size for size in self._ladder if size < self.sizes.windows), self.sizes.windows]
        for regime in REGIMES:
            for targets in TARGETS:
                measured = self._measured(regime, targets)
                found = self._equivalent(measured, regime, self.metric)
                size = next_size(sorted(measured), found, ladder, refine=refine)
                if size is not None:
                    yield self._row(regime, targets, size)

    def as_json(self) -> list[Json]:
        """The equivalent numbers, by regime, targets and metric."""
        entries: list[Json] = []
        for regime in REGIMES:
            for targets in TARGETS:
                measured = self._measured(regime, targets)
                entries += [
                    {
                        "regime": regime,
                        "targets": targets,
                        "metric": metric,
                        **vars(found),
                        "times_n": found.sequences / self.sizes.num_sequences,
                        "measured": [{"sequences": n, **_spread(v[metric])} for n, v in sorted(measured.items())],
                        "summary": _spread(self._summary(regime)[metric]),
                    }
                    for metric in (self.metric, SECOND_METRIC)
                    for found in [self._equivalent(measured, regime, metric)]
                ]
        return entries

    @property
    def _ladder(self) -> list[int]:
        return sorted({max(1, round(multiple * self.sizes.num_sequences)) for multiple in LADDER})

    def _measured(self, regime: Regime, targets: HardOrSoft) -> dict[int, dict[str, Floats]]:
        """Number -> metrics, of all that was measured."""
        of_table = [
            row
            for row in self.rows
            if row.source in ("random", "every") and (row.regime, row.targets) == (regime, targets)
        ]
        further = [self._row(regime, targets, size) for size in (*self._ladder, self.sizes.windows)]
        found = {row.sequences or 0: self.values(row.key) for row in (*further, *of_table)}
        return {number: values for number, values in found.items() if values is not None}

    def _row(self, regime: Regime, targets: HardOrSoft, size: int) -> RowSpec:
        return sequence_row(self.sizes, "random", regime, targets, size, None, "size")

    def _equivalent(self, measured: dict[int, dict[str, Floats]], regime: Regime, metric: str) -> Equivalent:
        numbers = sorted(measured)
        return equivalent_coreset(
            numbers,
            [measured[number][metric] for number in numbers],
            self._summary(regime)[metric],
            self.config.compare.resamples,
            self.config.seed,
        )

    def _summary(self, regime: Regime) -> dict[str, Floats]:
        values = self.values(f"distilled/{regime}")
        assert values is not None
        return values


def next_size(sizes: Sequence[int], found: Equivalent, ladder: Sequence[int], *, refine: bool) -> int | None:
    """The number of sequences to measure next; None where that would tell no more.

    Args:
        sizes: measured, ascending.
        found: from them.
        ladder: numbers that may be measured, ascending.
        refine: whether to measure once more between the two sizes around what was found.
    """
    if found.relation == "more than":
        return next((size for size in ladder if size > sizes[-1]), None)
    if found.relation == "less than":
        return next((size for size in reversed(ladder) if size < sizes[0]), None)
    below = max((size for size in sizes if size <= found.sequences), default=sizes[0])
    above = min((size for size in sizes if size > below), default=below)
    between = [size for size in ladder if below < size < above]
    return between[len(between) // 2] if refine and between else None


def _spread(values: Floats) -> Json:
    return spread_of([float(mean) for mean in values.mean(1)])._asdict()
