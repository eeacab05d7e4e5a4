# pyright: basic
"""Keep the result of a comparison, and write the README's claims from those that are kept.

python -m tools.claims comparisons/ml-100k    after `seqdistill compare`: keep its comparison.json, then fill the README
python -m tools.claims                        fill the README from the comparisons that are kept

What stands between the README's claims markers is the verdict of every `results/compare/NAME.json`, word for word, with
where it comes from; a test holds the two together.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from seqdistill.evaluation.verdict import verdict

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "results" / "compare"
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)
DIGITS = 6


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.claims", description="Keep and claim what was compared.")
    parser.add_argument("comparison", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.comparison is not None:
        found = json.loads((arguments.comparison / "comparison.json").read_text(encoding="utf-8"))
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = shortened(found)
        text = json.dumps({**kept, "verdict": verdict(kept)}, indent=1)
        (KEPT / f"{found['dataset']['name']}.json").write_text(text + "\n", encoding="utf-8")
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")


def fill(readme: str) -> str:
    """The README with the claims of the kept comparisons between its markers; as it is where none is kept."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))]
    text = "".join(f"\n{claims(one)}\n" for one in kept)
    return BLOCK.sub(lambda found: f"{found[1]}{text}\n{found[2]}", readme) if kept else readme


def claims(kept: dict[str, Any]) -> str:
    """The verdict of one comparison as a list, and its source."""
    dataset, versions, summary = kept["dataset"], kept["versions"], kept["summary"]
    minutes, processors = (kept["costs"]["seconds"][name] / 60 for name in ("compare", "compare_processors"))
    name = f"results/compare/{dataset['name']}.json"
    head = (
        f"On {dataset['name']} ({dataset['users']:,} users, {dataset['items']:,} items, {dataset['interactions']:,} "
        f"interactions; {kept['config']['train']['learner']}, {kept['seeds']} seeds a row, "
        f"{summary['num_sequences']} sequences of {summary['length']} positions):"
    )
    source = [
        f"`{summary['command']}`  ",
        f"`{kept['command']}`  ",
        f"in {minutes:.0f} min, {processors:.0f} min of processor time, on {kept['machine']}; "
        f"python {versions['python']}, torch {versions['torch']}, seqdistill {versions['seqdistill']}; "
        f"seed {kept['seed']}; [{name}]({name})",
    ]
    return "\n".join([head, "", *(f"- {sentence}" for sentence in kept["verdict"]), "", *source])


def shortened(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same with figures of six digits."""
    if isinstance(value, dict):
        return {key: shortened(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shortened(entry) for entry in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
