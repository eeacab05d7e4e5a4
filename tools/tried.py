# pyright: basic
"""Fill docs/artifacts.md with what was tried, from results/reliability.

python -m tools.tried
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "reliability"
PAGE = ROOT / "docs" / "artifacts.md"
BLOCK = re.compile(r"(<!-- tried -->\n).*?(<!-- /tried -->)", re.DOTALL)


def main() -> None:
    """Run from the command line."""
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def fill(page: str) -> str:
    """The page with the kept results between its markers."""
    return BLOCK.sub(lambda found: f"{found[1]}{shown()}{found[2]}", page)


def shown() -> str:
    """A table of both tools' results."""
    fuzzed = json.loads((RESULTS / "fuzz.json").read_text(encoding="utf-8"))
    hostile = json.loads((RESULTS / "hostile.json").read_text(encoding="utf-8"))
    lines = ["| fuzzed | executions | loaded | refused | reasons | crashes | slowest |", "|---|" + 6 * "---|"]
    for name, run in fuzzed.items():
        keys = ("executions", "loaded", "refused", "distinct_errors", "crashes")
        lines.append(f"| {name} | {' | '.join(f'{run[key]:,}' for key in keys)} | {run['slowest_ms']:,.0f} ms |")
    refused, limit = f"{hostile['refused']} of {hostile['of']} refused", f"{hostile['memory_limit_mib']} MiB"
    slowest = f"{hostile['slowest_seconds']:.2f} s"
    lines += ["", f"Made to do harm: {refused}, within {limit} more than before; the slowest took {slowest}."]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
