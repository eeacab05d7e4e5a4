"""The first sentence of a comparison says of each regime what holds there."""

import pytest

from comparisons import comparison
from seqdistill.evaluation.verdict import verdict

MORE, LEVEL, LESS = (0.001, 0.004), (-0.001, 0.002), (-0.004, -0.001)
Interval = tuple[float, float]


@pytest.mark.parametrize(
    ("shared", "fresh", "others"),
    [
        ([LEVEL, MORE], [MORE, MORE], "are not told apart (shared) and reach less (fresh)"),
        ([MORE, LESS], [LEVEL], "reach more (shared) and are not told apart (fresh)"),
        ([MORE], [MORE, MORE], "reach less (shared, fresh)"),
        ([LEVEL], [], "are not told apart (shared)"),
    ],
)
def test_soft_targets_are_held_against_the_summary_in_each_regime(
    shared: list[Interval], fresh: list[Interval], others: str
) -> None:
    document = comparison("films")
    untrained = next(row for row in document["rows"] if row["key"] == "item-factor")
    document["rows"].append({**untrained, "key": "untrained/shared"})
    soft = {
        regime: [
            row["key"]
            for row in document["rows"]
            if (row["targets"], row["size"]) == ("soft", "n") and (row["group"], row["regime"]) == ("soft", regime)
        ]
        for regime in ("shared", "fresh")
    }
    document["contests"] = [
        {
            "key": f"distilled/{regime}",
            "against": against,
            "metric": "ndcg@10",
            "mean": sum(found) / 2,
            "low": found[0],
            "high": found[1],
        }
        for regime, intervals in (("shared", shared), ("fresh", fresh))
        for against, found in zip(soft[regime], intervals, strict=False)
    ]
    first = verdict(document)[0]
    assert first.startswith("Learners trained on the summary reach ")
    assert first.endswith(f"; as many sequences with nothing but the teacher's soft targets {others}.")
