# pyright: basic
"""RecBole 1.2.1, which lives in an environment of its own (recbole_env.sh), where seqdistill is not.

The first half is for the commands that set it beside ours, the second for the cases that run in its environment.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Row, version

METHODS = ("seqdistill", "recbole")
LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}


def add_recbole(parser: argparse.ArgumentParser) -> None:
    """Options that say whom to measure, and where RecBole is."""
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--recbole", type=Path, default=Path(".venv-recbole"), help="RecBole's environment")


def interpreter(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """RecBole's Python; where it is wanted and not there, the command ends with a line that says how to get it."""
    # Not resolved: the interpreter of a virtual environment is a link, and known by its place.
    python = ROOT / arguments.recbole / "bin" / "python"
    if "recbole" in arguments.methods and not python.exists():
        parser.error(f"no {arguments.recbole}; run benchmarks/recbole_env.sh or say --methods seqdistill")
    return str(python)


def versions_in(rows: list[Row]) -> dict[str, str | None] | None:
    """The versions that RecBole's cases told, taken out of their results; None where it was not measured."""
    told = [row["result"].pop("versions") for row in rows if row["method"] == "recbole" and "failed" not in row]
    return told[0] if told else None


def configure(folder: str, name: str, **settings: object):  # noqa: ANN201
    """Its settings for SASRec with full cross-entropy on `folder/name/name.inter`, which is not filtered by default."""
    os.chdir(folder)  # It writes logs where it stands.
    sys.argv = sys.argv[:1]  # It reads the command line too.
    common: dict[str, Any] = {
        "data_path": folder,
        "checkpoint_dir": str(Path(folder) / "saved"),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "TIME_FIELD": "timestamp",
        "user_inter_num_interval": None,
        "item_inter_num_interval": None,
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "use_gpu": False,
        "state": "ERROR",
        "show_progress": False,
    }
    return load("recbole.config").Config(model="SASRec", dataset=name, config_dict={**common, **settings})


def load(name: str):  # noqa: ANN201
    """One of its modules; it is not installed where this file is checked."""
    return importlib.import_module(name)


def versions(package: str) -> dict[str, str | None]:
    """Of RecBole, and of a package beside it, for the result of a case."""
    return {"recbole": version("recbole"), f"{package} beside recbole": version(package)}
