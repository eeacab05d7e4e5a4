# pyright: basic
"""Keep an artifact of every kind in its present format, so that later releases are tested to read it.

python -m tools.stored_artifacts    writes tests/artifacts/v<format version>/<kind>, where there is none yet

The log is synthetic: a Markov chain on 12 films in which each has one likely successor. Beside the folders,
`expected.json` says what they held when they were written, as told by the release that wrote them.
"""

import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from seqdistill import Config, api, load_config, models, prepare, recommend, summary
from seqdistill.data import layout
from seqdistill.data.prepared import PreparedDataset

STORED = Path(__file__).resolve().parents[1] / "tests" / "artifacts"
VERSIONS = {"summary": summary.FORMAT_VERSION, "model": models.FORMAT_VERSION, "dataset": layout.FORMAT_VERSION}

ITEMS, USERS, LENGTH = 12, 40, 9
SETTINGS = (
    "data.min_count=2",
    "teacher.dim=6",
    "teacher.epochs=4",
    "teacher.keep_epochs=[1, 2]",
    "distill.num_sequences=3",
    "distill.length=5",
    "distill.rank=[2, 4]",
    "distill.steps=2",
    "distill.inner_steps=4",
    "distill.window=2",
    "distill.learner_pool=2",
    "distill.validate_every=1",
    "evaluate.seeds=1",
    "evaluate.candidate_steps=[3]",
    "evaluate.candidate_rates=[0.01]",
)
HISTORY = ["film 3", "film 4"]


def main() -> None:
    """Run from the command line."""
    with tempfile.TemporaryDirectory() as folder:
        made, expected = make(Path(folder))
        for kind, path in made.items():
            target = STORED / f"v{VERSIONS[kind]}" / kind
            if target.exists():
                print(f"{target.relative_to(STORED)} is kept")
                continue
            shutil.copytree(path, target)
            file = target.parent / "expected.json"
            known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            file.write_text(json.dumps({**known, kind: expected[kind]}, indent=1) + "\n", encoding="utf-8")
            print(f"{target.relative_to(STORED)} is written")


def make(folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """An artifact of each kind, and what is in it."""
    config: Config = load_config(None, SETTINGS, seed=0)
    log = folder / "films.csv"
    log.write_text(_log(), encoding="utf-8")
    dataset = prepare(log, folder / "dataset", config=config.data)
    run = api.distill(folder / "dataset", out=folder / "run", config=config)
    paths = {"summary": folder / "run" / "summary", "model": folder / "run" / "teacher", "dataset": folder / "dataset"}
    expected = {
        "summary": {"fingerprint": run.summary.fingerprint, "item_ids": run.summary.item_ids.to_list()},
        "model": {
            "metrics": api.evaluate(paths["model"], dataset, config=config)["metrics"],
            "recommended": [item._asdict() for item in recommend(paths["model"], HISTORY, k=ITEMS).items],
        },
        "dataset": {"fingerprint": dataset.fingerprint, "sequences": _sequences(dataset)},
    }
    return paths, expected


def _log() -> str:
    rng = random.Random(0)
    rows = ["user_id,item_id,timestamp"]
    for user in range(USERS):
        film = rng.randrange(ITEMS)
        for time in range(LENGTH):
            rows.append(f"user {user},film {film},{time}")
            film = (film + 1) % ITEMS if rng.random() < 0.8 else rng.randrange(ITEMS)
    return "\n".join(rows) + "\n"


def _sequences(dataset: PreparedDataset) -> dict[str, list[str]]:
    ids = dataset.item_ids.to_list()
    return {
        user: [ids[item - 1] for item in dataset.items[begin:end].tolist()]
        for user, begin, end in zip(dataset.user_ids, dataset.offsets[:-1], dataset.offsets[1:], strict=True)
    }


if __name__ == "__main__":
    main()
