# pyright: basic
"""Keep the result of a demo run, and show it in the README.

python -m tools.demo_result runs/demo    after `make demo`: keep its result.json, then fill the README
python -m tools.demo_result              fill the README from the result that is kept

What is kept says by which command and on what machine it came about, and what stands between the README's demo markers
is what `seqdistill distill` prints for it; a test holds the two together.
"""

import argparse
import io
import json
import re
from pathlib import Path

from rich.console import Console

from benchmarks.harness import describe_machine
from seqdistill.cli.table import print_result
from seqdistill.readable import duration

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "results" / "demo" / "ml-100k.json"
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- demo -->\n).*?(<!-- /demo -->)", re.DOTALL)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_result", description="Keep and show a demo's result.")
    parser.add_argument("run", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.run is not None:
        result = json.loads((arguments.run / "result.json").read_text(encoding="utf-8"))
        begun_with = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))["environment"]
        kept = {"command": "make demo", "machine": describe_machine(), "threads": begun_with["threads"], **result}
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")


def fill(readme: str) -> str:
    """The README with the kept result between its demo markers."""
    return BLOCK.sub(lambda found: f"{found[1]}\n```text\n{shown()}```\n\n{found[2]}", readme)


def shown() -> str:
    """What `seqdistill distill` prints for the kept result."""
    result = json.loads(KEPT.read_text(encoding="utf-8"))
    page = io.StringIO()
    console = Console(file=page, width=120, color_system=None)
    print_result(console, result)
    seconds = result["seconds"]
    console.print()
    console.print(f"teacher {duration(seconds['teacher'])}, distillation {duration(seconds['distill'])}")
    return "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())


if __name__ == "__main__":
    main()
