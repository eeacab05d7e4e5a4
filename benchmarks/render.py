# pyright: basic
"""Fill the tables of docs/performance.md from the results.

python -m benchmarks.render

What stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` is replaced by the table of
`results/bench/NAME.json`, with the command, the machine and the date under it; where there is no such file, it stays.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness import RESULTS, ROOT, Row, note

PAGE = ROOT / "docs" / "performance.md"
PHASES = ("embed", "window", "replay", "embed adjoint")
BLOCK = re.compile(r"(<!-- bench:(?P<name>[\w-]+) -->\n).*?(<!-- /bench:(?P=name) -->)", re.DOTALL)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render", description="Fill docs/performance.md.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args(argv)
    text = arguments.page.read_text(encoding="utf-8")
    arguments.page.write_text(render_page(text, arguments.results), encoding="utf-8")


def render_page(text: str, results: Path) -> str:
    """The page with every block filled whose result is there."""

    def fill(block: re.Match[str]) -> str:
        path = results / f"{block['name']}.json"
        if not path.exists():
            note(f"no {path.name}: that table stays as it is")
            return block[0]
        return f"{block[1]}\n{render(json.loads(path.read_text(encoding='utf-8')))}\n{block[3]}"

    return BLOCK.sub(fill, text)


def render(result: Row) -> str:
    """A table with its source, as Markdown."""
    header, rows = TABLES[result["benchmark"]](result["rows"])
    lines = [_line(header), _line(["---"] + ["---:"] * (len(header) - 1)), *map(_line, rows), ""]
    machine, versions = result["machine"], result["versions"]
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lines += [
        f"`{result['command']}`  ",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, {machine['memory_gib']:g} GiB; "
        f"{known}; {result['date']}; seed {result['seed']}",
        "",
    ]
    return "\n".join(lines)


def _hypergradient(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    ours = {(r["items"], r["dim"]): r for r in rows if r["method"] == "replay"}
    lines: list[list[str]] = []
    for row in rows:
        base = ours.get((row["items"], row["dim"]), {})
        cells = [row["method"], f"{row['items']:,}", str(row["dim"])]
        lines.append([*cells, *(_failure(row, 4) or _against(row, base))])
    return ["method", "items", "d", "seconds", "range", "peak MiB", "time to ours", "memory to ours"], lines


def _against(row: Row, base: Row) -> list[str]:
    cells = _figures(row)
    for key in ("seconds_median", "peak_mib"):
        comparable = row is not base and base.get(key)
        cells.append(f"{row[key] / base[key]:.1f}x" if comparable else "")
    return cells


def _floor(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines: list[list[str]] = []
    for row in rows:
        cells = [f"{row['items']:,}", str(row["dim"])]
        if failure := _failure(row, 5):
            lines.append([*cells, *failure])
            continue
        rates = row["multiply_adds_per_second"]
        lines.append(
            [
                *cells,
                *_figures(row)[:2],
                f"{sum(row['multiply_adds'].values()) / 1e9:.1f}",
                f"{rates['inner'] / 1e9:.0f} / {rates['outer'] / 1e9:.0f} / {rates['learner'] / 1e9:.0f}",
                _seconds(row["floor_seconds"]),
                f"{row['ratio']:.1f}",
            ]
        )
    rate = "10^9/s (inner / outer / learner)"
    return ["items", "d", "seconds", "range", "10^9 multiply-adds", rate, "floor, seconds", "ratio"], lines


def _epoch(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    ours = {r["dataset"]: r for r in rows if r["method"] == "seqdistill"}
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["dataset"], row["method"]]
        failure = _failure(row, 5)
        lines.append(
            [*cells, *failure]
            if failure
            else [
                *cells,
                f"{row['result']['targets']:,}",
                *_against(row, ours.get(row["dataset"], {})),
            ]
        )
    return ["log", "method", "targets", "seconds", "range", "peak MiB", "time to ours", "memory to ours"], lines


def _profile(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["method"], f"{row['items']:,}", str(row["dim"])]
        if failure := _failure(row, 1 + len(PHASES)):
            lines.append([*cells, *failure])
            continue
        phases = [row["result"][name] for name in PHASES]
        parts = [f"{p['seconds'] * 1e3:.0f} ({100 * p['catalogue'] / p['seconds']:.0f}%)" for p in phases]
        lines.append([*cells, f"{sum(p['seconds'] for p in phases) * 1e3:.0f}", *parts])
    return ["method", "items", "d", "ms", *(f"{name} (of it over the catalogue)" for name in PHASES)], lines


def _growth(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines: list[list[str]] = []
    before: Row = {}
    for row in rows:
        cells = [row["axis"], f"{row['value']:,}"]
        failure = _failure(row, 4)
        doubled = before.get("axis") == row["axis"] and "failed" not in before
        lines.append([*cells, *(failure or _against(row, before if doubled else {}))])
        before = row
    return ["size", "value", "seconds", "range", "peak MiB", "time to the row above", "memory to it"], lines


def _prepare(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines: list[list[str]] = []
    for row in rows:
        cells = [f"{row[key]:,}" for key in ("events", "users", "items")]
        if failure := _failure(row, 4):
            lines.append([*cells, row["budget"], *failure])
            continue
        result = row["result"]
        rate = row["events"] / row["seconds_median"]
        seconds = _seconds(row["seconds_median"])
        lines.append([*cells, row["budget"], seconds, f"{rate:,.0f}", f"{result['peak total mib']:,.0f}"])
    return ["events", "users", "items", "--memory", "seconds", "events a second", "peak MiB, all of the process"], lines


def _prepare_against(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    ours = {r["dataset"]: r for r in rows if r["method"] == "seqdistill"}
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["dataset"], row["method"], f"{row['rows']:,}"]
        lines.append([*cells, *(_failure(row, 4) or _against(row, ours.get(row["dataset"], {})))])
    return ["log", "method", "rows", "seconds", "range", "peak MiB", "time to ours", "memory to ours"], lines


def _recommend(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["learner"], f"{row['items']:,}", str(row["dim"]), f"{row['users']:,}"]
        failure = _failure(row, 3)
        lines.append([*cells, *(failure or [*_figures(row), f"{60 * row['users'] / row['seconds_median']:,.0f}"])])
    return ["learner", "items", "d", "users", "seconds", "range", "peak MiB", "users a minute"], lines


def _learner_step(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    def size(row: Row) -> tuple[object, ...]:
        return row["regime"], row["items"], row["num_sequences"], row["reads"]

    ours = {size(r): r for r in rows if r["method"] == "ours"}
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["method"], row["regime"], f"{row['items']:,}", f"{row['num_sequences']:,}", row["reads"]]
        if failure := _failure(row, 4):
            lines.append([*cells, *failure])
            continue
        each = 1000 / row["steps"]
        spread = f"{_seconds(each * row['seconds_min'])} to {_seconds(each * row['seconds_max'])}"
        against = _against(row, ours.get(size(row), {}))
        lines.append([*cells, _seconds(each * row["seconds_median"]), spread, *against[2:4]])
    return ["method", "regime", "items", "n", "reads", "ms a step", "range", "peak MiB", "time to ours"], lines


def _ranking(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    ours = next((r for r in rows if r["method"] == "seqdistill"), {})
    lines: list[list[str]] = []
    for row in rows:
        cells = [row["method"], f"{row['users']:,}", f"{row['items']:,}"]
        lines.append([*cells, *(_failure(row, 4) or _against(row, ours))])
    return ["method", "users", "items", "seconds", "range", "peak MiB", "time to ours", "memory to ours"], lines


TABLES: dict[str, Callable[[list[Row]], tuple[list[str], list[list[str]]]]] = {
    "hypergradient": _hypergradient,
    "floor": _floor,
    "epoch": _epoch,
    "growth": _growth,
    "profile": _profile,
    "ranking": _ranking,
    "learner_step": _learner_step,
    "prepare": _prepare,
    "prepare_against": _prepare_against,
    "recommend": _recommend,
}


def _failure(row: Row, empty: int) -> list[str]:
    """Cells of a case that failed, the rest of its line empty; nothing for one that did not."""
    return [row["failed"], *[""] * empty] if "failed" in row else []


def _figures(row: Row) -> list[str]:
    spread = f"{_seconds(row['seconds_min'])} to {_seconds(row['seconds_max'])}"
    return [_seconds(row["seconds_median"]), spread, f"{row['peak_mib']:,.0f}"]


def _seconds(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
