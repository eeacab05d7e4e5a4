import numpy as np
import pytest
import torch

from planted import planted_dataset
from seqdistill.api import Run, distill
from seqdistill.config import Config, load_config
from seqdistill.data import Dataset

SMALL = (
    "teacher.dim=16",
    "teacher.members=1",
    "teacher.epochs=25",
    "teacher.learning_rate=0.01",
    "teacher.batch_size=32",
    "distill.num_sequences=6",
    "distill.length=10",
    "distill.steps=12",
    "distill.inner_steps=40",
    "distill.window=8",
    "distill.learner_pool=3",
    "distill.validate_every=6",
    "distill.validation_learners=1",
    "evaluate.candidate_steps=[20, 60]",
    "evaluate.candidate_rates=[0.01]",
    "evaluate.seeds=2",
)


# Tiny problems run faster on one thread, and sums of floats depend on the number of threads.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_config() -> Config:
    return load_config(None, SMALL, seed=0)


@pytest.fixture(scope="session")
def planted() -> tuple[Dataset, np.ndarray]:
    return planted_dataset()


@pytest.fixture(scope="session")
def planted_run(
    planted: tuple[Dataset, np.ndarray], small_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, str]:
    """A finished run on the planted log, and its folder."""
    out = tmp_path_factory.mktemp("planted") / "run"
    return distill(planted[0], out=out, config=small_config, paper=True), str(out)
