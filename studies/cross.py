"""Several architectures trained on one summary, each beside its own full-data figure."""

from seqdistill.config import Config
from seqdistill.json_values import Json
from studies import scoreboard
from studies.keeping import current
from studies.study import CrossStudy, ScoreboardStudy, base_of
from studies.surroundings import Surroundings

KEPT = ("machine", "seed", "seeds", "config", "rows", "contests", "costs", "curves", "command")
"""Of each architecture's comparison."""


def measure(study: CrossStudy, around: Surroundings) -> Json:
    """The comparisons of all architectures, with the rows that an architecture needs."""
    base = base_of(study, around.studies)
    dataset, run = scoreboard.distilled(base, around)
    documents: dict[str, Json] = {}
    for learner in study.learners:
        config = study.trained(base, learner)
        around.tell(f"{study.name}: {learner}")
        documents[learner] = _same_learner(base, config, around) or scoreboard.compared(
            base, around, dataset, run, config, around.folder(study) / learner
        )
    keys: list[set[str]] = [{row["key"] for row in found["rows"]} for found in documents.values()]
    wanted = set[str].intersection(*keys)
    first = next(iter(documents.values()))
    shared = {key: first[key] for key in ("versions", "machine", "seed", "seeds", "dataset", "protocol", "summary")}
    learners = {learner: _needed(found, wanted) for learner, found in documents.items()}
    return {"format": "seqdistill/cross-comparison", "of": base.name, **shared, "learners": learners}


def _same_learner(base: ScoreboardStudy, config: Config, around: Surroundings) -> Json | None:
    """What is kept of the base, where it was measured by the same settings and has all that is asked here."""
    kept = current(around.results, base, around.studies)
    own = base.distillation
    same = config.model_copy(update={"compare": own.compare}) == own and config.compare.seeds == own.compare.seeds
    return kept if same else None


def _needed(document: Json, wanted: set[str]) -> Json:
    found = {key: document[key] for key in KEPT if key in document}
    found["rows"] = [row for row in document["rows"] if row["key"] in wanted]
    found["contests"] = [one for one in document["contests"] if one["against"] in wanted]
    found["curves"] = [curve for curve in document["curves"] if curve["key"] in wanted]
    found["costs"] = {name: value for name, value in document["costs"].items() if name != "precisions"}
    return found
