"""Several architectures trained on one summary, each beside its own full-data figure."""

from seqdistill.config import Config
from seqdistill.evaluation.store import Store
from seqdistill.json_values import Json
from studies import scoreboard
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
        documents[learner] = _of_the_base(base, config, around) or scoreboard.compared(
            base, around, dataset, run, config, around.folder(study) / learner
        )
    keys: list[set[str]] = [{row["key"] for row in found["rows"]} for found in documents.values()]
    wanted = set[str].intersection(*keys)
    first = next(iter(documents.values()))
    shared = {key: first[key] for key in ("versions", "machine", "seed", "seeds", "dataset", "protocol", "summary")}
    learners = {learner: _needed(found, wanted) for learner, found in documents.items()}
    return {"format": "seqdistill/cross-comparison", "of": base.name, **shared, "learners": learners}


def _of_the_base(base: ScoreboardStudy, config: Config, around: Surroundings) -> Json | None:
    """The base's own comparison of this very run, where it has the same settings and all that is asked here.

    What is kept of the base elsewhere may be of another summary, as another machine rounds otherwise.
    """
    own = base.distillation
    same = config.model_copy(update={"compare": own.compare}) == own and config.compare.seeds == own.compare.seeds
    return Store(scoreboard.comparison_of(base, around)).result if same else None


def _needed(document: Json, wanted: set[str]) -> Json:
    found = {key: document[key] for key in KEPT if key in document}
    found["rows"] = [row for row in document["rows"] if row["key"] in wanted]
    found["contests"] = [one for one in document["contests"] if one["against"] in wanted]
    found["curves"] = [curve for curve in document["curves"] if curve["key"] in wanted]
    found["costs"] = {name: value for name, value in document["costs"].items() if name != "precisions"}
    return found
