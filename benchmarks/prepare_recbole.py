# pyright: basic
"""RecBole 1.2.1 builds its dataset, as a case; runs in the environment of recbole_env.sh, without seqdistill."""

from benchmarks.harness import Row, Step
from benchmarks.recbole import LEAVE_ONE_OUT, configure, load, versions


def prepare(*, folder: str, name: str, length: int, min_count: int) -> Step:
    """Read `folder/name/name.inter`, filter it to its core, make a row of every target, and split leave-one-out."""
    config = configure(
        folder,
        name,
        MAX_ITEM_LIST_LENGTH=length,
        user_inter_num_interval=f"[{min_count},inf)",
        item_inter_num_interval=f"[{min_count},inf)",
        eval_args=LEAVE_ONE_OUT,
    )
    create_dataset = load("recbole.data.utils").create_dataset
    told = versions("pandas")

    def step() -> Row:
        dataset = create_dataset(config)
        users, items = dataset.user_num - 1, dataset.item_num - 1  # without the padding
        parts = [len(part) for part in dataset.build()]
        return {
            "users": users,
            "items": items,
            **dict(zip(("training", "validation", "test"), parts, strict=True)),
            "versions": told,
        }

    return step
