import random
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seqdistill.cli import app

Invoke = Callable[..., Result]

TINY = [
    f"--set={setting}"
    for setting in (
        "teacher.epochs=3",
        "teacher.dim=8",
        "teacher.members=2",
        "distill.num_sequences=4",
        "distill.length=8",
        "distill.steps=3",
        "distill.inner_steps=4",
        "distill.window=2",
        "distill.learner_pool=2",
        "distill.validate_every=2",
        "evaluate.seeds=2",
        "evaluate.candidate_steps=[5]",
    )
]
"""Settings under which everything runs and nothing is learned."""


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    return TINY


@pytest.fixture(scope="session")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Invoke:
    """Runs the command line in this process, with an empty cache and no terminal."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {"SEQDISTILL_CACHE": str(cache), "FORCE_COLOR": None, "TTY_COMPATIBLE": None, "COLUMNS": None}
    runner = CliRunner(env=environment)
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 users who mostly go from film i to film i + 1, of 30."""
    rng = random.Random(0)
    rows = ["user_id,item_id,timestamp"]
    for user in range(60):
        film = rng.randrange(30)
        for time in range(12):
            rows.append(f"u{user},film {film},{time}")
            film = (film + 1) % 30 if rng.random() < 0.8 else rng.randrange(30)
    path = tmp_path_factory.mktemp("log") / "films.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def finished(invoke: Invoke, log: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A finished run, and what the command said while it made it."""
    run = tmp_path_factory.mktemp("runs") / "films"
    result = invoke("distill", log, "--out", run, *TINY)
    assert result.exit_code == 0, result.output
    return run, result
