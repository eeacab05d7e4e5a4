"""The scoreboard: measures every row, and makes one JSON document of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seqdistill.config import REGIMES, Config
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.agenda import PROGRESS_UNITS, Agenda, Scale
from seqdistill.evaluation.breakdown import Bucket, by_history, by_popularity
from seqdistill.evaluation.intervals import mean_intervals
from seqdistill.evaluation.lab import Outcome, Point, Task
from seqdistill.evaluation.metrics import Floats
from seqdistill.evaluation.precision import PRECISIONS, row_bytes
from seqdistill.evaluation.random_sequences import RandomSequences
from seqdistill.evaluation.rows import RowSpec, Sizes, as_json, planned_rows
from seqdistill.evaluation.store import Measured, Store
from seqdistill.evaluation.table import spread_of
from seqdistill.json_values import Json
from seqdistill.progress import Progress
from seqdistill.workers import Workers

HEADLINE = "ndcg@10"
ROUNDS = 3
"""Times that further sizes are measured around what the summary reaches."""

FULL = "full/fresh"
BLOCK_NUMBERS = 64_000_000
"""Per-user figures of several rows held at once."""


@dataclass(frozen=True, eq=False)
class Scoreboard:
    """One comparison under way.

    Attributes:
        dataset: the log.
        config: all settings.
        paper: number of sequences and bytes of a summary distilled as the paper does, if there is one.
        sizes: of both.
        scale: of the work.
        store: keeps rows.
        workers: measure rows.
        progress: where to report.
    """

    dataset: Dataset
    config: Config
    paper: tuple[int, int] | None
    sizes: Sizes
    scale: Scale
    store: Store
    workers: Workers[Task, Outcome]
    progress: Progress

    def measure(self) -> None:
        """Measure all rows that are not kept yet, then further sizes where the equivalent coreset wants them."""
        self._work_through(self.rows, self.curve_keys, "comparing")
        for turn in range(ROUNDS if self.complete else 0):
            further = [row for row in self.random.wanted(refine=turn == 0) if self.store.row(row.key) is None]
            if not further:
                break
            self._work_through(further, frozenset(), f"further sizes for the equivalent coreset, {turn + 1}")

    @cached_property
    def rows(self) -> list[RowSpec]:
        """Those of the table, and those of the precisions."""
        return planned_rows(self.sizes, self.config.compare, paper=self.paper)

    @property
    def complete(self) -> bool:
        """Whether all rows are wanted, and what is worked out from them."""
        return self.config.compare.rows == "all"

    @cached_property
    def random(self) -> RandomSequences:
        """How many random sequences give what the summary gives."""
        return RandomSequences(self.sizes, self.rows, self.config, HEADLINE, self._kept_values)

    @property
    def curve_keys(self) -> frozenset[str]:
        """Rows whose quality is followed over time."""
        n = self.sizes.num_sequences
        wanted = {"distilled/shared", "distilled/fresh"}
        largest = max(self.config.compare.hard_sizes) * n
        wanted |= {f"random/hard/{regime}/{count}" for regime in REGIMES for count in (n, largest)}
        return frozenset(wanted & {row.key for row in self.rows})

    def shown(self) -> list[RowSpec]:
        """Rows of the table."""
        return [row for row in self.rows if row.group != "precision"]

    def rows_json(self) -> tuple[list[Json], Json]:
        """The rows, and the breakdown of their quality."""
        full = {name: v.mean(0) for name, v in self._values(FULL).items()}
        means_of_full = {name: float(values.mean()) for name, values in full.items()}
        buckets = {"history_length": by_history(self.dataset), "popularity": by_popularity(self.dataset)}
        split: dict[str, list[dict[str, dict[str, float]]]] = {name: [{} for _ in b] for name, b in buckets.items()}
        coverage: dict[str, float] = {}
        rows: list[Json] = []
        for block in self._blocks(len(full)):
            differences: list[Floats] = []
            for row in block:
                measured = self._row(row.key)
                values = measured.values(self.config.evaluate.cutoffs)
                differences += [values[name].mean(0) - full[name] for name in full]
                rows.append(self._row_json(row, measured, values, means_of_full))
                for name, parts in buckets.items():
                    for bucket, found in zip(parts, split[name], strict=True):
                        found[row.key] = bucket.means(values)
                coverage[row.key] = float(np.mean([_share(s.shown) for s in measured.scores]))
            low, high = self._intervals(np.stack(differences, axis=1))
            for place, json_row in enumerate(rows[-len(block) :]):
                own = slice(place * len(full), (place + 1) * len(full))
                means = [float(d.mean()) for d in differences[own]]
                json_row["difference"] = None if json_row["key"] == FULL else _named(full, means, low[own], high[own])
        breakdown: Json = {
            name: [_bucket_json(b, found) for b, found in zip(parts, split[name], strict=True)]
            for name, parts in buckets.items()
        }
        return rows, {**breakdown, "coverage": coverage}

    def contests(self) -> list[Json]:
        """The summary against random, k-center and generated sequences of its number, and random ones of its bytes.

        Paired differences in the headline, with their intervals.
        """
        wanted = [
            (source, targets, "n")
            for source, targets in (("random", "hard"), ("random", "soft"), ("k-center", "soft"), ("generated", "soft"))
        ]
        wanted += [(source, targets, "equal bytes") for source in ("random", "every") for targets in ("hard", "soft")]
        pairs = [
            (f"distilled/{regime}", row.key)
            for regime in REGIMES
            for one in wanted
            for row in self.rows
            if row.regime == regime and (row.source, row.targets, row.size) == one
        ]
        if not pairs:
            return []
        differences = [self._mean_users(key) - self._mean_users(other) for key, other in pairs]
        low, high = self._intervals(np.stack(differences, axis=1))
        return [
            {
                "key": key,
                "against": other,
                "metric": HEADLINE,
                "mean": float(difference.mean()),
                "low": float(low[place]),
                "high": float(high[place]),
            }
            for place, ((key, other), difference) in enumerate(zip(pairs, differences, strict=True))
        ]

    def precisions_json(self) -> list[Json]:
        """What item factors of more or fewer bits weigh, and what they keep."""
        entries: list[Json] = []
        for precision in PRECISIONS if self.complete else ():
            held, num_items = self.sizes.summary, self.sizes.num_items
            weight = held["total"] - held["item_factor"] + num_items * row_bytes(self.sizes.dim, precision)
            for regime in REGIMES:
                key = f"distilled/{regime}" if precision == self.sizes.precision else f"precision/{precision}/{regime}"
                values = self._values(key)
                metrics = {name: spread_of([float(m) for m in v.mean(1)])._asdict() for name, v in values.items()}
                entries.append({"item_factor": precision, "bytes": weight, "regime": regime, "metrics": metrics})
        return entries

    def equivalents_json(self) -> list[Json]:
        """How many random sequences give what the summary gives."""
        return self.random.as_json() if self.complete else []

    def curves_json(self) -> list[Json]:
        """Test metrics over seconds of training."""
        full = {"key": FULL, "label": "full data", "points": list(self._row(FULL).points)}
        curves = [
            {"key": row.key, "label": curve_label(row), "points": self.store.curve(row.key) or []}
            for row in self.rows
            if row.key in self.curve_keys
        ]
        return [full, *curves]

    def seconds_of(self, key: str) -> float:
        """Mean seconds of training a learner of a row."""
        return float(np.mean(self._row(key).seconds))

    def _work_through(self, rows: Sequence[RowSpec], curves: frozenset[str], title: str) -> None:
        def keep(row: RowSpec, measured: Measured) -> None:
            self.store.keep(row.key, measured)

        def keep_curve(row: RowSpec, points: list[Point]) -> None:
            self.store.keep_curve(row.key, points)

        kept = {row.key: measured for row in rows if (measured := self.store.row(row.key)) is not None}
        missing = [row for row in rows if row.key not in kept]
        schedules = {key: measured.schedule for key, measured in kept.items() if measured.schedule is not None}
        agenda = Agenda(missing, curves, self.config, self.scale, keep, keep_curve, schedules)
        for row in rows:
            schedule = kept[row.key].schedule if row.key in kept else None
            if row.key in curves and schedule is not None and self.store.curve(row.key) is None:
                agenda.add_curve(row, schedule)
        if not agenda.empty:
            with self.progress.task(title, PROGRESS_UNITS) as task:
                agenda.report_to(task)
                self.workers.run(agenda.choose, agenda.done)

    def _row_json(self, row: RowSpec, measured: Measured, values: dict[str, Floats], full: dict[str, float]) -> Json:
        spreads = {name: spread_of([float(m) for m in v.mean(1)]) for name, v in values.items()}
        percent = {
            name: 100 * spread.mean / full[name]
            for name, spread in spreads.items()
            if name != "log_likelihood" and full[name] > 0
        }
        return {
            **as_json(row),
            "learner": self.config.train.learner if row.learns else None,
            "seeds": len(measured.scores),
            "metrics": {name: spread._asdict() for name, spread in spreads.items()},
            "percent_of_full": percent,
            "difference": None,
            "ties": float(np.mean([0.0 if s.ties is None else s.ties.mean() for s in measured.scores])),
            "seconds_train": float(np.mean(measured.seconds)),
            "schedule": None if measured.schedule is None else dict(vars(measured.schedule)),
        }

    def _blocks(self, num_metrics: int) -> Iterator[list[RowSpec]]:
        rows = self.shown()
        users = len(self.dataset.held_out_users("test"))
        step = max(1, BLOCK_NUMBERS // (users * num_metrics))
        for begin in range(0, len(rows), step):
            yield rows[begin : begin + step]

    def _intervals(self, values: Floats) -> tuple[Floats, Floats]:
        return mean_intervals(values, self.config.compare.resamples, self.config.seed)

    def _mean_users(self, key: str) -> Floats:
        return self._values(key)[HEADLINE].mean(0)

    def _values(self, key: str) -> dict[str, Floats]:
        return self._row(key).values(self.config.evaluate.cutoffs)

    def _kept_values(self, key: str) -> dict[str, Floats] | None:
        measured = self.store.row(key)
        return None if measured is None else measured.values(self.config.evaluate.cutoffs)

    def _row(self, key: str) -> Measured:
        measured = self.store.row(key)
        assert measured is not None, key
        return measured


def curve_label(row: RowSpec) -> str:
    """`random sequences, shared, 80`."""
    number = f", {row.sequences}" if row.source != "distilled" else ""
    return f"{row.name}, {row.regime}{number}"


def _share(shown: Any) -> float:  # noqa: ANN401 - an array, or none
    return 0.0 if shown is None else float(shown.mean())


def _named(names: dict[str, Any], means: Sequence[float], low: Floats, high: Floats) -> Json:
    return {
        name: {"mean": mean, "low": float(one), "high": float(other)}
        for name, mean, one, other in zip(names, means, low, high, strict=True)
    }


def _bucket_json(bucket: Bucket, metrics: dict[str, dict[str, float]]) -> Json:
    return {"label": bucket.label, "users": int(bucket.users.sum()), "metrics": metrics}
