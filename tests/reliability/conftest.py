from pathlib import Path

import numpy as np
import pytest

from reliability.stopping import stopped_at
from seqdistill.api import distill
from seqdistill.config import Config, load_config
from seqdistill.data import Dataset

QUICK = (
    "teacher.dim=8",
    "teacher.members=2",
    "teacher.epochs=3",
    "teacher.batch_size=64",
    "distill.num_sequences=4",
    "distill.length=8",
    "distill.steps=6",
    "distill.inner_steps=6",
    "distill.window=2",
    "distill.learner_pool=3",
    "distill.validate_every=3",
    "distill.validation_learners=1",
    "evaluate.candidate_steps=[2]",
    "evaluate.candidate_rates=[0.01]",
    "evaluate.seeds=1",
)


@pytest.fixture(scope="session")
def quick() -> Config:
    """Everything runs, and nothing is learned."""
    return load_config(None, QUICK)


@pytest.fixture(scope="session")
def uninterrupted(planted: tuple[Dataset, np.ndarray], quick: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished quick run."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    distill(planted[0], out=out, config=quick)
    return out


@pytest.fixture
def half(planted: tuple[Dataset, np.ndarray], quick: Config, tmp_path: Path) -> Path:
    """A quick run that was stopped after its 3rd outer step, and again after its 4th."""
    out = tmp_path / "half"
    stopped_at(("distilling", 3), planted[0], quick, out)
    stopped_at(("distilling", 4), planted[0], quick, out, resume=True)
    return out
