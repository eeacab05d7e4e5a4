# pyright: basic
"""The example report of the documentation: that of a comparison which is kept among the results.

python -m tools.example_report
"""

import json
from pathlib import Path

from seqdistill.evaluation.report import render_report

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "results" / "compare" / "ml-100k.json"
PAGE = ROOT / "docs" / "example-report.html"


def main() -> None:
    """Run from the command line."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The report; what the summary's sequences say is left out, as it would name items of the log."""
    return render_report(json.loads(KEPT.read_text(encoding="utf-8")), None)


if __name__ == "__main__":
    main()
