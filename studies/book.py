"""All that is kept, as the page reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seqdistill.evaluation.report.document import Comparison, Row, read_comparison
from seqdistill.json_values import Json
from studies.keeping import STUDIES, is_current, read_kept
from studies.logs import LOGS
from studies.study import AblationStudy, CrossStudy, ScoreboardStudy, Study, base_of, read_studies

METRIC = "ndcg@10"
TEN = "-10"
"""Ends the name of a study of ten sequences."""
TUNED = "-tuned"
"""Ends the name of a study whose settings were sought by hand, on validation."""


def place_of(log: str) -> tuple[int, str]:
    """Where a log stands among the logs: those that are fetched before those that are brought."""
    known = list(LOGS)
    return (known.index(log) if log in known else -1, log)


@dataclass(frozen=True)
class Scoreboard:
    """A comparison that is kept.

    Attributes:
        study: of it.
        kept: the document.
        comparison: the same, as the report reads it.
    """

    study: ScoreboardStudy
    kept: Json
    comparison: Comparison

    def row(self, key: str) -> Row | None:
        """A row by key."""
        return next((row for row in self.comparison.rows if row.key == key), None)

    def percent(self, key: str, metric: str = METRIC) -> float | None:
        """A row's percentage of full data."""
        row = self.row(key)
        return None if row is None else row.percent_of_full.get(metric)

    def best_soft(self, regime: str) -> Row | None:
        """The best of as many sequences with the teacher's soft targets."""
        rows = [row for row in self.comparison.rows if (row.group, row.size, row.regime) == ("soft", "n", regime)]
        return max(rows, key=lambda row: row.mean(METRIC) or 0.0, default=None)


@dataclass(frozen=True)
class Book:
    """Studies, and what is kept of each; None of those that were not measured.

    Attributes:
        studies: all, by name.
        kept: name -> document.
    """

    studies: dict[str, Study]
    kept: dict[str, Json]

    @classmethod
    def open(cls, results: Path) -> "Book":
        """Read everything under a results folder."""
        studies = read_studies(results / STUDIES)
        found = {name: read_kept(results, study) for name, study in studies.items()}
        return cls(studies, {name: kept for name, kept in found.items() if kept is not None})

    @property
    def outdated(self) -> set[str]:
        """Names of the studies whose kept result is of other settings, or defaults, than the present ones."""
        return {name for name, kept in self.kept.items() if not is_current(kept, self.studies[name], self.studies)}

    @property
    def logs(self) -> list[str]:
        """Logs with a study of the default recipe, which is called after its log."""
        names = {study.data for study in self.studies.values() if isinstance(study, ScoreboardStudy)}
        return [name for name in sorted(names, key=place_of) if name in self.studies]

    def scoreboard(self, name: str) -> Scoreboard | None:
        """A comparison by the name of its study."""
        study, kept = self.studies.get(name), self.kept.get(name)
        if not isinstance(study, ScoreboardStudy) or kept is None:
            return None
        return Scoreboard(study, kept, read_comparison(kept))

    def scoreboards(self) -> Iterator[Scoreboard]:
        """All comparisons that are kept, those of one log together."""
        studies = [study for study in self.studies.values() if isinstance(study, ScoreboardStudy)]
        for study in sorted(studies, key=lambda study: (place_of(study.data), study.name)):
            found = self.scoreboard(study.name)
            if found is not None:
                yield found

    def crosses(self) -> list[CrossStudy]:
        """All cross studies, those of one log together."""
        studies = [study for study in self.studies.values() if isinstance(study, CrossStudy)]
        return sorted(studies, key=lambda study: (place_of(base_of(study, self.studies).data), study.name))

    def cross_of(self, base: str, learner: str) -> Json | None:
        """What one architecture makes of a study's summary, from the first cross study that has it."""
        for study in self.crosses():
            if study.of == base and study.name in self.kept and learner in self.kept[study.name]["learners"]:
                return self.kept[study.name]["learners"][learner]
        return None

    def ablations(self) -> list[AblationStudy]:
        """All ablations."""
        return [study for study in self.studies.values() if isinstance(study, AblationStudy)]
