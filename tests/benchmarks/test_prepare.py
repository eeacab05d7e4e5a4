"""The benchmarks of preparing a log, at sizes that a test can afford."""

import json
from pathlib import Path

import pytest

from benchmarks import prepare, prepare_against, render
from benchmarks.harness import ROOT

FOUR_GIB = 4 << 10
"""In MiB."""


def run(main: object, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[dict[str, object]]]:
    main([*words, "--json"])  # type: ignore[operator]
    result = json.loads(capsys.readouterr().out)
    render.render(result)
    return result


def test_ten_million_events_fit_in_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of the log that docs/performance.md has."""
    words = ("--events", "10000000", "--folder", str(tmp_path), "--timeout", "600")
    (row,) = run(prepare.main, capsys, *words)["rows"]
    assert "failed" not in row
    result = row["result"]
    assert isinstance(result, dict)
    assert 9_000_000 < result["interactions"] <= 10_000_000
    assert result["peak total mib"] < FOUR_GIB
    assert list(tmp_path.iterdir()) == []


def write_log(path: Path) -> Path:
    lines = (" ".join(str((user * 7 + step) % 9) for step in range(6)) for user in range(12))
    path.write_text("\n".join(f"u{user} {items}" for user, items in enumerate(lines)))
    return path


def test_both_build_the_same_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (ROOT / ".venv-recbole" / ".installed").exists():
        pytest.skip("no environment of RecBole; make bench-recbole makes it")
    log = write_log(tmp_path / "log.txt")
    words = ("--log", str(log), "--min-count", "2", "--length", "4", "--rounds", "1", "--threads", "1")
    ours, theirs = run(prepare_against.main, capsys, *words)["rows"]
    assert "failed" not in ours
    assert "failed" not in theirs


def test_different_datasets_are_not_compared() -> None:
    counts = dict.fromkeys(prepare_against.COUNTS, 3)
    rows = [{"method": "a", "result": counts}, {"method": "b", "result": {**counts, "items": 4}}]
    with pytest.raises(SystemExit, match="differ"):
        prepare_against._check_counts(rows)
