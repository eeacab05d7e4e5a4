import json
from collections.abc import Iterator

from tools import claims
from tools.demo_result import KEPT, README, fill


def test_the_table_in_the_readme_is_the_committed_result() -> None:
    readme = README.read_text(encoding="utf-8")
    assert "<!-- demo -->" in readme
    assert fill(readme) == readme


def test_the_committed_result_says_where_it_comes_from() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert kept["command"] == "make demo"
    assert kept["versions"].keys() >= {"seqdistill", "torch"}
    assert kept["config"]["seed"] == 0
    assert kept["machine"]


def test_the_claims_in_the_readme_are_the_verdicts_of_the_committed_comparisons() -> None:
    readme = README.read_text(encoding="utf-8")
    assert "<!-- claims -->" in readme
    assert claims.fill(readme) == readme
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in claims.KEPT.glob("*.json")]
    assert kept
    for comparison in kept:
        assert comparison["verdict"] == claims.verdict(comparison)
        assert all(sentence in readme for sentence in comparison["verdict"])


def test_a_committed_comparison_says_where_it_comes_from_and_names_no_item() -> None:
    for path in claims.KEPT.glob("*.json"):
        comparison = json.loads(path.read_text(encoding="utf-8"))
        assert comparison["command"].startswith("seqdistill compare ")
        assert comparison["versions"].keys() >= {"seqdistill", "torch", "python"}
        assert comparison["config"]["seed"] == comparison["seed"]
        assert comparison["machine"]
        # No list is as long as the log has users or items.
        assert max(map(len, lists_of(comparison))) < min(comparison["dataset"]["users"], comparison["dataset"]["items"])


def lists_of(value: object) -> Iterator[list[object]]:
    if isinstance(value, list):
        yield value
    if isinstance(value, (list, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from lists_of(entry)
