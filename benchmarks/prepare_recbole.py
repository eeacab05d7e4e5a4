# pyright: basic
"""RecBole 1.2.1 builds its dataset, as a case; runs in the environment of recbole_env.sh, without seqdistill."""

import importlib
import os
import sys

from benchmarks.harness import Row, Step, version


def prepare(*, folder: str, name: str, length: int, min_count: int) -> Step:
    """Read `folder/name/name.inter`, filter it to its core, make a row of every target, and split leave-one-out."""
    os.chdir(folder)  # It writes logs where it stands.
    sys.argv = sys.argv[:1]  # RecBole reads the command line too.
    config = _load("recbole.config").Config(
        model="SASRec",
        dataset=name,
        config_dict={
            "data_path": folder,
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "USER_ID_FIELD": "user_id",
            "ITEM_ID_FIELD": "item_id",
            "TIME_FIELD": "timestamp",
            "MAX_ITEM_LIST_LENGTH": length,
            "user_inter_num_interval": f"[{min_count},inf)",
            "item_inter_num_interval": f"[{min_count},inf)",
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
            "loss_type": "CE",
            "train_neg_sample_args": None,
            "use_gpu": False,
            "state": "ERROR",
            "show_progress": False,
        },
    )
    create_dataset = _load("recbole.data.utils").create_dataset
    versions = {"recbole": version("recbole"), "pandas beside recbole": version("pandas")}

    def step() -> Row:
        dataset = create_dataset(config)
        users, items = dataset.user_num - 1, dataset.item_num - 1  # without the padding
        parts = [len(part) for part in dataset.build()]
        return {
            "users": users,
            "items": items,
            **dict(zip(("training", "validation", "test"), parts, strict=True)),
            "versions": versions,
        }

    return step


def _load(name: str):  # noqa: ANN202
    """RecBole is not installed where this file is checked."""
    return importlib.import_module(name)
