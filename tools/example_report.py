"""The example report of the documentation.

python -m tools.example_report                          of what is kept, or of a made-up comparison
python -m tools.example_report COMPARISON [INSPECTION]  of a comparison.json and of `seqdistill inspect --json`

A comparison that is given is kept beside the other results, without the names of the users that sequences resemble, so
that the example can be made again and a test can hold the two together.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from seqdistill.evaluation.report import render_report

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "results" / "comparison" / "example.json"
PAGE = ROOT / "docs" / "example-report.html"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.example_report", description="Make the example report.")
    parser.add_argument("comparison", nargs="?", type=Path)
    parser.add_argument("inspection", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.comparison is not None:
        kept = {"comparison": _read(arguments.comparison), "inspection": None}
        if arguments.inspection is not None:
            kept["inspection"] = _nameless(_read(arguments.inspection))
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The report of the comparison that is kept or, until there is one, of a made-up one."""
    if KEPT.exists():
        kept = _read(KEPT)
        return render_report(kept["comparison"], kept["inspection"])
    from tests.comparisons import comparison, inspection

    document = comparison("made-up figures")
    document["verdict"].insert(0, "An example of the report's form: every figure in it is made up.")
    return render_report(document, inspection(("The First Film", "A Second One", "Third Time Lucky")))


def _nameless(inspection: dict[str, Any]) -> dict[str, Any]:
    resemblance: dict[str, Any] = inspection["resemblance"] or {"sequences": []}
    for found in resemblance["sequences"]:
        for part in ("nearest", "copied"):
            if found[part] is not None:
                del found[part]["user"]
    return inspection


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
