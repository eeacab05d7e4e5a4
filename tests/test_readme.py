import json

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
