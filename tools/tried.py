# pyright: basic
"""Fill docs/artifacts.md and docs/reliability.md with what was tried, from results/reliability.

python -m tools.tried

What stands between `<!-- tried:NAME -->` and `<!-- /tried:NAME -->` is replaced; a test holds the two together.
"""

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "reliability"
PAGES = [ROOT / "docs" / name for name in ("artifacts.md", "reliability.md")]
BLOCK = re.compile(r"(<!-- tried:(?P<name>\w+) -->\n).*?(<!-- /tried:(?P=name) -->)", re.DOTALL)


def main() -> None:
    """Run from the command line."""
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


def fill(page: str) -> str:
    """The page with the kept results between its markers."""
    return BLOCK.sub(lambda found: f"{found[1]}{SHOWN[found['name']]()}{found[3]}", page)


def loaders() -> str:
    """A table of what was loaded and refused."""
    fuzzed, hostile = _kept("fuzz"), _kept("hostile")
    lines = ["| fuzzed | executions | loaded | refused | reasons | crashes | slowest |", "|---|" + 6 * "---|"]
    for name, run in fuzzed.items():
        keys = ("executions", "loaded", "refused", "distinct_errors", "crashes")
        lines.append(f"| {name} | {' | '.join(f'{run[key]:,}' for key in keys)} | {run['slowest_ms']:,.0f} ms |")
    refused, limit = f"{hostile['refused']} of {hostile['of']} refused", f"{hostile['memory_limit_mib']} MiB"
    slowest = f"{hostile['slowest_seconds']:.2f} s"
    lines += ["", f"Made to do harm: {refused}, within {limit} more than before; the slowest took {slowest}."]
    return "".join(f"{line}\n" for line in lines)


def estimate() -> str:
    """A table of what a run was expected to take, and what it took."""
    kept = _kept("estimate")
    (row,) = kept["rows"]
    told, run = row["estimated"], row["run"]
    parts = {cost["part"]: cost for cost in told["costs"]}
    lines = ["| | estimated | at most | fact |", "|---|---|---|---|"]
    for name, cost, fact in (
        ("teacher", parts["teacher"], run["teacher_seconds"]),
        ("distillation", parts["distilling"], run["distill_seconds"]),
        ("the whole run", told, run["seconds"]),
    ):
        lines.append(f"| {name} | {cost['seconds']:,.0f} s | {cost['at_most']:,.0f} s | {fact:,.0f} s |")
    lines += [
        f"| memory | {told['memory_mib']:,.0f} MiB | | {run['peak_mib']:,.0f} MiB |",
        *_paragraph(
            f"`{kept['command']}`: the dry run took {row['dry_run']['seconds']:.0f} s; writing checkpoints took "
            f"{row['checkpoints']['percent_of_run']:.2f}% of the run."
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def stopping() -> str:
    """What became of runs that were killed, terminated, or met a full disk."""
    crashes, disk = _kept("crashes"), _kept("full_disk")
    ended = crashes["stage_when_ended"]
    lines = ["| ended by | processes | of them in |", "|---|---|---|"]
    for signal, number in (("SIGKILL", crashes["killed"]), ("SIGTERM", crashes["terminated"])):
        lines.append(f"| {signal} | {number} | {', '.join(f'{stage} {n}' for stage, n in ended[signal].items())} |")
    left, failed = len(crashes["left_behind_by_sigterm"]), len(crashes["failures"])
    lines += [
        *_paragraph(
            f"`{crashes['command']}`: {crashes['runs_completed']} runs came of these, with "
            f"{len(crashes['files_differing'])} files that differ from the run in peace; {failed} processes ended "
            f"otherwise than they should, and SIGTERM left {left} temporary files."
        ),
        *_paragraph(
            f"`{disk['command']}`: the disk was full {disk['times_full']} times; {len(disk['failures'])} of them ended "
            f"otherwise than with one line and whole checkpoints, and {len(disk['files_differing'])} files differ in "
            "the end."
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


SHOWN: dict[str, Callable[[], str]] = {"loaders": loaders, "estimate": estimate, "stopping": stopping}


def _paragraph(text: str) -> list[str]:
    return ["", *textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)]


def _kept(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
