"""Each benchmark runs, at sizes too small to mean anything."""

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import epoch, floor, growth, harness, hypergradient, our_epoch, ranking, recommend, render

TINY = ["--num-sequences", "3", "--length", "5", "--window", "2", "--rounds", "2", "--threads", "1"]


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result records the command it came from, which here is pytest's."""
    monkeypatch.setattr(sys, "argv", ["benchmarks"])


def run(main: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def settings(*, rounds: int = 2, timeout: float = 60.0) -> harness.Settings:
    return harness.Settings(rounds, threads=1, timeout=timeout, memory=2 * harness.GIB)


def case_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> harness.Case:
    """A case whose step has the given body."""
    body = textwrap.indent(body, " " * 8)
    source = f"import os, time, torch\n\ndef prepare():\n    def step():\n{body}\n    return step\n"
    (tmp_path / "made_up_case.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return harness.Case({"method": "made up"}, "made_up_case:prepare", {})


def test_hypergradient_rows(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--items", "40", "--dim", "4", "--methods", "replay", "checkpoint", *TINY]
    result = run(hypergradient.main, capsys, *words)
    assert [(r["method"], r["items"], r["dim"]) for r in result["rows"]] == [
        ("replay", 40, 4),
        ("checkpoint", 40, 4),
    ]
    for row in result["rows"]:
        assert 0 < row["seconds_min"] <= row["seconds_median"] <= row["seconds_max"]
        assert row["peak_mib"] > 0
        assert row["rounds"] == 2
    assert result["versions"]["torch"]
    assert result["machine"]["threads"] == 1


def test_floor_is_below_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run(floor.main, capsys, "--items", "50", "--dim", "4", *TINY)["rows"]
    assert row["ratio"] > 1
    assert row["floor_seconds"] == pytest.approx(sum(row["floor_seconds_by_part"].values()))


def test_multiply_adds_of_the_floor() -> None:
    counted = floor.multiply_adds(items=10, dim=3, num_sequences=2, length=4, window=5, cuts=1)
    assert counted["inner"] == 5 * 5 * (2 * 2) * 10 * 3
    assert counted["outer"] == 5 * 2 * (2 * 4) * 10 * 3
    every = floor.multiply_adds(items=10, dim=3, num_sequences=2, length=4, window=5, cuts="all")
    assert every["inner"] == 2 * counted["inner"]
    assert every["learner"] == 2 * counted["learner"]


def test_growth_doubles_one_size_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--axes", "window", "users", "--doublings", "1", "--items", "200", "--dim", "4", "--users", "20"]
    rows = run(growth.main, capsys, *words, "--log-items", "30", *TINY)["rows"]
    assert [(r["axis"], r["value"]) for r in rows] == [("window", 2), ("window", 4), ("users", 20), ("users", 40)]
    assert not [r for r in rows if "failed" in r]


def write_log(path: Path) -> list[list[int]]:
    """A log of a line per user, whose item 99 is every user's last and so never in training; its users' items."""
    log = our_epoch.synthetic_log(users=12, items=15, seed=1)
    users = [[*log.items[log.offsets[u] : log.offsets[u + 1]].tolist(), 99] for u in range(log.num_users)]
    path.write_text("\n".join(" ".join(map(str, [u, *items])) for u, items in enumerate(users)), encoding="utf-8")
    return users


def test_epoch_meets_every_target_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.txt"
    write_log(path)
    words = ["--datasets", str(path), "--methods", "seqdistill", "--dim", "4", "--length", "7", "--rounds", "1"]
    result = run(epoch.main, capsys, *words, "--threads", "1")
    assert str(tmp_path) not in json.dumps(result)
    (row,) = result["rows"]
    assert row["result"]["targets"] == row["targets"]


def test_training_part_for_recbole(tmp_path: Path) -> None:
    path = tmp_path / "tiny.txt"
    lengths = [len(items) for items in write_log(path)]
    sizes = epoch.write_training_part(str(path), str(tmp_path))
    header, *written = (tmp_path / epoch.RECBOLE_NAME / f"{epoch.RECBOLE_NAME}.inter").read_text("utf-8").splitlines()
    assert header == "user_id:token\titem_id:token\ttimestamp:float"
    rows = [line.split("\t") for line in written]
    # RecBole makes a target of every row but each user's first.
    assert len(rows) - len({user for user, _, _ in rows}) == sizes["targets"] == sum(lengths) - 3 * len(lengths)
    assert len({item for _, item, _ in rows}) == sizes["items"]
    assert sizes["users"] == len(lengths)


def test_recbole_meets_the_same_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (harness.ROOT / ".venv-recbole" / "bin" / "python").exists():
        pytest.skip("no .venv-recbole")
    # RecBole would read a log of its own for this name.
    path = tmp_path / "ml-100k.txt"
    write_log(path)
    words = ["--datasets", str(path), "--dim", "4", "--length", "7", "--rounds", "2", "--recbole-rounds", "1"]
    ours, theirs = run(epoch.main, capsys, *words, "--threads", "1")["rows"]
    assert (ours["method"], ours["rounds"], theirs["method"], theirs["rounds"]) == ("seqdistill", 2, "recbole", 1)
    assert theirs["dataset"] == "ml-100k"
    assert theirs["result"]["targets"] == ours["result"]["targets"] == ours["targets"]


def test_epochs_of_other_targets_are_refused() -> None:
    row = {"dataset": "log", "method": "recbole", "targets": 5, "result": {"targets": 6}}
    with pytest.raises(SystemExit, match="log: recbole met 6 targets, of 5"):
        epoch.check_targets([row])


def test_recommend_answers_every_history(capsys: pytest.CaptureFixture[str]) -> None:
    recommend.main(["--items", "200", "--dim", "8", "--users", "40", "--learners", "sasrec", "--rounds", "1", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["result"] == {"answered": 40, "recommended": 400}


def test_ranking_agrees_with_recbole_on_the_same_scores(capsys: pytest.CaptureFixture[str]) -> None:
    if not (harness.ROOT / ".venv-recbole" / "bin" / "python").exists():
        pytest.skip("no .venv-recbole")
    words = ["--users", "70", "--items", "40", "--rounds", "1", "--threads", "1"]
    ours, theirs = run(ranking.main, capsys, *words)["rows"]
    assert ours["result"] == pytest.approx(theirs["result"], abs=1.5e-4)


def test_rankings_of_other_outcomes_are_refused() -> None:
    rows = [{"method": name, "result": {"hr@10": value}} for name, value in (("seqdistill", 0.5), ("recbole", 0.6))]
    with pytest.raises(SystemExit, match="the metrics differ"):
        ranking.check_metrics(rows)


def test_synthetic_log_is_a_valid_dataset() -> None:
    log = our_epoch.synthetic_log(users=9, items=20, seed=0)
    assert log.num_users == 9
    assert log.items.min() >= 1
    assert log.items.max() <= 20
    assert np.diff(log.offsets).min() >= 3


def test_too_little_memory_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tmp_path, monkeypatch, "torch.zeros(1 << 31)")
    (row,) = harness.measure([case], settings())
    assert row["failed"] == "out of memory; its limit is 2.0 GiB of memory"


def test_too_little_time_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tmp_path, monkeypatch, "time.sleep(60)")
    (row,) = harness.measure([case], settings(timeout=1.0))
    assert row["failed"] == "no step within 1 s"


def test_time_running_out_leaves_fewer_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tmp_path, monkeypatch, "time.sleep(1.5)")
    (row,) = harness.measure([case], settings(rounds=20, timeout=6.6))
    assert 1 <= row["rounds"] < 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [("raise ValueError('no such thing')", "ValueError: no such thing"), ("os.abort()", "ended with SIGABRT")],
)
def test_an_error_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str) -> None:
    (row,) = harness.measure([case_of(tmp_path, monkeypatch, body)], settings())
    assert reason in row["failed"]


def test_peak_memory_is_of_the_step_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tmp_path, monkeypatch, "torch.ones(64 << 18)\nreturn {'printed': print('not an answer')}")
    (row,) = harness.measure([case], settings())
    assert row["peak_mib"] == pytest.approx(64, abs=4)
    assert row["result"] == {"printed": None}


def test_result_is_written_and_rendered(tmp_path: Path) -> None:
    out = tmp_path / "results" / "hypergradient.json"
    words = ["--items", "40", "--dim", "4", "--methods", "replay", "unroll", "--out", str(out)]
    hypergradient.main([*words, *TINY])
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- bench:hypergradient -->\nold\n<!-- /bench:hypergradient -->\n"
        "<!-- bench:floor -->\nkept\n<!-- /bench:floor -->\n",
        encoding="utf-8",
    )
    render.main(["--results", str(out.parent), "--page", str(page)])
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert "kept" in text
    assert "| replay | 40 | 4 |" in text
    assert str(tmp_path) not in out.read_text(encoding="utf-8") + text
    render.main(["--results", str(out.parent), "--page", str(page)])
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["hypergradient", "floor", "epoch", "growth", "ranking", "recommend"])
def test_tables_show_measured_and_failed_rows(name: str) -> None:
    labels = {"method": "replay", "items": 5, "users": 7, "dim": 2, "axis": "items", "value": 5, "dataset": "log"}
    labels["learner"] = "sasrec"
    measured = {
        **labels,
        "seconds_median": 1.5,
        "seconds_min": 1.25,
        "seconds_max": 2000.0,
        "peak_mib": 10.0,
        "rounds": 5,
        "multiply_adds": {"inner": 10**9},
        "multiply_adds_per_second": dict.fromkeys(floor_parts(), 10**9),
        "floor_seconds": 0.5,
        "ratio": 3.0,
        "result": {"targets": 99},
    }
    failed = {**labels, "method": "textbook", "failed": "out of memory"}
    result = {
        "benchmark": name,
        "command": "python -m benchmarks.x",
        "date": "today",
        "seed": 0,
        "versions": {"torch": "2", "higher": None},
        "machine": {"cpu": "fast", "cores": 2, "threads": 2, "memory_gib": 24.0},
        "rows": [measured, failed],
    }
    lines = render.render(result).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "1.25 to 2,000" in table[2]
    assert "out of memory" in table[3]


def floor_parts() -> tuple[str, ...]:
    return ("inner", "outer", "learner")
