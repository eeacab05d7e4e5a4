"""What a comparison says, in plain sentences made from its figures."""

from collections.abc import Iterator

from seqdistill.config import REGIMES
from seqdistill.json_values import Json


def verdict(comparison: Json) -> list[str]:
    """Sentences: the whole in one, then what holds, what does not, and where distillation does not pay."""
    rows = {row["key"]: row for row in comparison["rows"]}
    sentences = [*_against_full(comparison, rows), *_contests(comparison, rows), *_coresets(comparison)]
    return [_headline(comparison, rows), *sentences, *_break_even(comparison), *_weight(comparison, rows)]


def _headline(comparison: Json, rows: dict[str, Json]) -> str:
    metric = comparison["headline_metric"]
    shares = [f"{rows[f'distilled/{regime}']['percent_of_full'][metric]:.0f}% ({regime})" for regime in REGIMES]
    reached = f"Learners trained on the summary reach {' and '.join(shares)} of full data's {metric.upper()}"
    relations: dict[str, list[str]] = {}
    for regime in REGIMES:
        if relation := _soft_targets(comparison, rows, regime):
            relations.setdefault(relation, []).append(regime)
    if not relations:
        return f"{reached}."
    others = " and ".join(f"{relation} ({', '.join(regimes)})" for relation, regimes in relations.items())
    return f"{reached}; as many sequences with nothing but the teacher's soft targets {others}."


def _soft_targets(comparison: Json, rows: dict[str, Json], regime: str) -> str | None:
    """What the strongest opponents do beside the summary in a regime; None where there are none."""
    against = {key for key, row in rows.items() if (row["targets"], row["size"]) == ("soft", "n")}
    contests = [
        one for one in comparison["contests"] if one["against"] in against and rows[one["key"]]["regime"] == regime
    ]
    if not contests:
        return None
    if any(one["high"] < 0 for one in contests):
        return "reach more"
    return "reach less" if all(one["low"] > 0 for one in contests) else "are not told apart"


def _against_full(comparison: Json, rows: dict[str, Json]) -> Iterator[str]:
    metric = comparison["headline_metric"]
    for regime in REGIMES:
        row = rows[f"distilled/{regime}"]
        difference = row["difference"][metric]
        if difference["high"] < 0:
            relation = "less than full data"
        elif difference["low"] > 0:
            relation = "more than full data"
        else:
            relation = "not told apart from full data"
        yield (
            f"Distilled, {regime}: {metric.upper()} {_figure(row['metrics'][metric]['mean'])}, "
            f"{row['percent_of_full'][metric]:.1f}% of full data; the difference of {_signed(difference['mean'])} "
            f"({_interval(difference)}) is {relation}."
        )
    simple = max((rows[key] for key in ("popularity", "markov")), key=lambda row: row["metrics"][metric]["mean"])
    floor = rows["untrained/shared"]["metrics"][metric]["mean"]
    yield (
        f"Without any learner, {simple['name']} reaches {simple['percent_of_full'][metric]:.1f}% of full data; "
        f"the item factor with an untrained learner {_figure(floor)}."
    )


def _contests(comparison: Json, rows: dict[str, Json]) -> Iterator[str]:
    for contest in comparison["contests"]:
        row, other = rows[contest["key"]], rows[contest["against"]]
        if contest["low"] > 0:
            relation = "beats"
        elif contest["high"] < 0:
            relation = "loses to"
        else:
            relation = "does not beat"
        targets = "the teacher's soft targets" if other["targets"] == "soft" else "hard targets"
        number = "" if other["name"].startswith("every") else f"{other['sequences']:,} "
        weigh = ", which weigh no more" if other["size"] == "equal bytes" else ""
        yield (
            f"In the {row['regime']} regime the summary {relation} {number}{other['name']} with "
            f"{targets}{weigh}: {_signed(contest['mean'])} {contest['metric'].upper()} ({_interval(contest)})."
        )


def _coresets(comparison: Json) -> Iterator[str]:
    for found in comparison["equivalent_coresets"]:
        if found["metric"] != comparison["headline_metric"]:
            continue
        targets = "the teacher's soft targets" if found["targets"] == "soft" else "hard targets"
        number = {"equal": "about ", "more than": "more than ", "less than": "fewer than "}[found["relation"]]
        low = "below the smallest measured" if found["low"] is None else f"{found['low']:,.0f}"
        high = "beyond the largest measured" if found["high"] is None else f"{found['high']:,.0f}"
        factor = "the same item factor" if found["regime"] == "shared" else "a fresh embedding"
        yield (
            f"In the {found['regime']} regime it gives what {number}{found['sequences']:,.0f} random sequences with "
            f"{targets} and {factor} give ({found['times_n']:.1f} times its own number; 95% interval {low} to {high})."
        )


def _break_even(comparison: Json) -> Iterator[str]:
    costs = comparison["costs"]
    seconds = costs["seconds"]
    if seconds["distill"] is None or seconds["teacher"] is None:
        yield "What the distillation cost is not known, so neither is the number of trainings it takes to pay."
        return
    spent = seconds["teacher"] + seconds["distill"]
    for regime in REGIMES:
        trainings = costs["break_even_trainings"][regime]
        each = f"{seconds['train_summary'][regime]:.1f} s instead of {seconds['train_full']:.1f} s"
        if trainings is None:
            yield f"In the {regime} regime training on the summary saves no time ({each}): it never pays."
            continue
        caution = "; for one training only, train on the log" if trainings > 1 else ""
        yield (
            f"In the {regime} regime a training takes {each}; teacher and distillation took {spent:.0f} s, which pays "
            f"from {trainings:,} trainings on{caution}."
        )


def _weight(comparison: Json, rows: dict[str, Json]) -> Iterator[str]:
    total, log = comparison["summary"]["bytes"]["total"], comparison["dataset"]["log_parquet_bytes"]
    if log <= 0:
        return
    share = 100 * total / log
    if total >= log:
        yield f"The summary is not smaller than the log: {total:,} bytes, {share:.0f}% of the log as zstd parquet."
    else:
        yield f"The summary weighs {total:,} bytes, {share:.0f}% of the log as zstd parquet."
    equal = [row for row in rows.values() if row["size"] == "equal bytes" and row["key"].startswith("every/hard")]
    if equal:
        yield "For as many bytes the log's training sequences can be kept whole: on a log this small, keep the log."


def _interval(difference: Json) -> str:
    return f"95% interval {_signed(difference['low'])} to {_signed(difference['high'])}"


def _figure(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{_figure(abs(value))}"
