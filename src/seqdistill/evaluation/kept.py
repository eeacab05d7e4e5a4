"""Rows of a table that are made once, however often the work on the table is put down and taken up."""

from collections.abc import Callable
from dataclasses import asdict, replace

from seqdistill.config import Regime
from seqdistill.evaluation.table import Evaluator, Row, SequencesOf, Spread
from seqdistill.json_values import Json
from seqdistill.resuming import Keeper, Parts, Snapshot, fitting
from seqdistill.summary import Schedule


class KeptRows:
    """An evaluator that keeps each row it finishes and, of the row of full data, each training under way.

    Args:
        evaluator: makes the rows; its `between_steps` should be `parts.offer`.
        parts: where rows are kept, by name and regime.
    """

    def __init__(self, evaluator: Evaluator, parts: Parts) -> None:
        self._evaluator = evaluator
        self._parts = parts

    def full_data(self) -> Row:
        """See `Evaluator.full_data`."""
        return self._once("full data", lambda keeper: self._evaluator.full_data(Parts(keeper)))

    def sequences(self, name: str, regime: Regime, sequences_of: SequencesOf, num_bytes: int) -> Row:
        """See `Evaluator.sequences`."""
        return self._once(
            title_of(name, regime), lambda _: self._evaluator.sequences(name, regime, sequences_of, num_bytes)
        )

    def keep(self, row: Row) -> None:
        """Take a row of sequences over that was made elsewhere."""
        assert row.regime is not None
        _finish(self._parts.part(title_of(row.name, row.regime)), row)

    def has(self, name: str, regime: Regime) -> bool:
        """Whether a row of sequences is kept."""
        return self._parts.has(title_of(name, regime))

    def _once(self, name: str, make: Callable[[Keeper], Row]) -> Row:
        keeper = self._parts.part(name)
        kept = keeper.kept()
        if kept is not None and kept.finished:
            with fitting():
                return _row(kept.values["row"])
        row = make(keeper)
        _finish(keeper, row)
        return row


def title_of(name: str, regime: Regime) -> str:
    """Of a row of sequences."""
    return f"{name}, {regime}"


def _finish(keeper: Keeper, row: Row) -> None:
    keeper.finish(Snapshot({}, {"finished": True, "row": asdict(row)}, "done"))


def _row(values: Json) -> Row:
    row = Row(**values)
    metrics = {name: Spread(*spread) for name, spread in values["metrics"].items()}
    schedule = None if values["schedule"] is None else Schedule(**values["schedule"])
    return replace(row, metrics=metrics, schedule=schedule)
