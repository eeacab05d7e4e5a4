"""The tables of architectures trained on one summary."""

from seqdistill.config import REGIMES
from seqdistill.json_values import Json
from seqdistill.readable import duration, metric_value
from studies.book import METRIC, Book
from studies.markdown import table
from studies.study import CrossStudy, title_of
from studies.tables import kept_and_missing, source

QUALITY, FASTER = 0.95, 20
"""Share of full data whose time of training is compared, and how many times less it has to be."""

IN_A_ROW = 3
"""Points of a curve, or all that are left of it, that have to reach the share: a learner that has hardly begun may pass
it by accident and fall again."""

LEAST, LEAST_OF_SASREC = 90, 98
"""Percent of full data demanded of every architecture in its better regime, and of SASRec in the shared one."""


def cross_tables(book: Book) -> str:
    """A table for each study that is kept, and the names of the others."""
    return kept_and_missing(book, book.crosses(), _table)


def _table(study: CrossStudy, kept: Json) -> str:
    header = ["learner", "full data, NDCG@10", "its training", "distilled, shared", "distilled, fresh"]
    header += ["best soft targets at n, shared", "fresh", "item factor, untrained", f"to {QUALITY:.0%} of full data"]
    lines = [_line(learner, found) for learner, found in kept["learners"].items()]
    seconds = kept["learners"][next(iter(kept["learners"]))]["costs"]["seconds"]
    spent = ", ".join(f"{name} {duration(seconds[name])}" for name in ("teacher", "distill") if seconds[name])
    facts = (
        f"In % of the same learner's full data, NDCG@10; {kept['seeds']} seeds a row; {spent}.  \n{source(study, kept)}"
    )
    demands = " ".join(demanded(kept["learners"]))
    parts = [f"### {study.name}", study.about, table(header, lines).rstrip(), demands, study.conclusion, facts]
    return "\n\n".join(part for part in parts if part)


def _line(learner: str, found: Json) -> list[str]:
    rows = {row["key"]: row for row in found["rows"]}
    full = rows["full/fresh"]
    return [
        title_of(learner),
        _figure(full),
        duration(full["seconds_train"]),
        *(_percent(rows[f"distilled/{regime}"]) for regime in REGIMES),
        *(_best_soft(found["rows"], regime) for regime in REGIMES),
        _percent(rows["untrained/shared"]),
        _speed(found, full),
    ]


def _figure(row: Json) -> str:
    spread = row["metrics"][METRIC]
    return f"{metric_value(METRIC, spread['mean'])} ± {metric_value(METRIC, spread['std'])}"


def _percent(row: Json) -> str:
    share = row["percent_of_full"].get(METRIC)
    return "" if share is None else f"{share:.1f}"


def _best_soft(rows: list[Json], regime: str) -> str:
    soft = [row for row in rows if (row["group"], row["size"], row["regime"]) == ("soft", "n", regime)]
    return _percent(max(soft, key=lambda row: row["metrics"][METRIC]["mean"])) if soft else ""


def demanded(learners: dict[str, Json]) -> list[str]:
    """Whether the table has what was demanded of it, in sentences."""
    rows = {learner: {row["key"]: row for row in found["rows"]} for learner, found in learners.items()}
    better = {
        learner: max(of[f"distilled/{regime}"]["percent_of_full"][METRIC] for regime in REGIMES)
        for learner, of in rows.items()
    }
    times = {
        learner: 0.0
        if (reached := _fastest(found)) is None
        else rows[learner]["full/fresh"]["seconds_train"] / reached[0]
        for learner, found in learners.items()
    }
    said = [
        _held(f"At least {LEAST}% in the better regime", {n: (f"{v:.1f}%", v >= LEAST) for n, v in better.items()}),
        _held(f"{FASTER} times faster to {QUALITY:.0%}", {n: (f"{v:,.1f}x", v >= FASTER) for n, v in times.items()}),
    ]
    if "sasrec" in rows:
        share = rows["sasrec"]["distilled/shared"]["percent_of_full"][METRIC]
        held = {"sasrec": (f"{share:.1f}%", share >= LEAST_OF_SASREC)}
        said.append(_held(f"At least {LEAST_OF_SASREC}% by SASRec, shared", held))
    return said


def _held(demand: str, found: dict[str, tuple[str, bool]]) -> str:
    short = [f"{title_of(learner)} ({text})" for learner, (text, met) in found.items() if not met]
    return f"{demand}: not met by {', '.join(short)}." if short else f"{demand}: met."


def _speed(found: Json, full: Json) -> str:
    reached = _fastest(found)
    if reached is None:
        return "not reached"
    seconds, regime = reached
    return f"{duration(seconds)} ({regime}), {full['seconds_train'] / seconds:,.0f}x faster"


def _fastest(found: Json) -> tuple[float, str] | None:
    """The least seconds in which a learner on the summary reached the share (see `IN_A_ROW`), and its regime."""
    full = next(row for row in found["rows"] if row["key"] == "full/fresh")
    level = QUALITY * full["metrics"][METRIC]["mean"]
    reached: list[tuple[float, str]] = []
    for curve in found["curves"]:
        source, _, regime = curve["key"].rpartition("/")
        if source != "distilled":
            continue
        points = curve["points"]
        high = [point[METRIC] >= level for point in points]
        reached += [(point["seconds"], regime) for at, point in enumerate(points) if all(high[at : at + IN_A_ROW])]
    return min(reached, default=None)
