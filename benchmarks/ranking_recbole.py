# pyright: basic
"""RecBole 1.2.1's full-sort evaluation of given scores, as a case; runs in its environment, without seqdistill."""

from pathlib import Path

import torch

from benchmarks.harness import Row, Step
from benchmarks.ranking import CUTOFFS, given
from benchmarks.recbole import LEAVE_ONE_OUT, configure, load, versions

NAME = "given-scores"


def prepare(*, folder: str, users: int, items: int, seed: int) -> Step:
    """Its trainer's evaluation of a model that hands out rows of the scores.

    The log is written so that RecBole, which numbers users and items as it meets them, gives every one its own number.

    Raises:
        ValueError: it did not.
    """
    scores, targets = given(users, items, seed)
    _write_log(Path(folder) / NAME / f"{NAME}.inter", users, items, targets.tolist())
    config = configure(
        folder,
        NAME,
        MAX_ITEM_LIST_LENGTH=5,
        hidden_size=8,
        n_layers=1,
        n_heads=1,
        metrics=["Hit", "NDCG", "MRR"],
        topk=list(CUTOFFS),
        valid_metric=f"NDCG@{CUTOFFS[0]}",
        eval_args=LEAVE_ONE_OUT,
        seed=seed,
    )
    data = load("recbole.data")
    dataset = data.create_dataset(config)
    train, _, test = data.data_preparation(config, dataset)
    if (dataset.user_num - 1, dataset.item_num - 1) != (users, items):
        raise ValueError(f"RecBole finds {dataset.user_num - 1} users and {dataset.item_num - 1} items")
    model = load("recbole.model.sequential_recommender.sasrec").SASRec(config, train.dataset)
    padded = torch.cat([torch.full((users, 1), -torch.inf), scores], dim=1)

    def full_sort_predict(interaction):  # noqa: ANN001, ANN202
        return padded[interaction["user_id"] - 1]

    model.full_sort_predict = full_sort_predict
    trainer = load("recbole.trainer").Trainer(config, model)

    told = versions("torch")

    def step() -> Row:
        found = trainer.evaluate(test, load_best_model=False, show_progress=False)
        names = {"hr": "hit", "ndcg": "ndcg", "mrr": "mrr"}
        metrics = {f"{ours}@{k}": float(found[f"{theirs}@{k}"]) for ours, theirs in names.items() for k in CUTOFFS}
        return {**metrics, "versions": told}

    return step


def _write_log(path: Path, users: int, items: int, targets: list[int]) -> None:
    """Every user and item in order first; at last, each user's tested item."""
    path.parent.mkdir()
    rows = max(users, items)
    first = [(place % users + 1, place % items + 1, place // users) for place in range(rows)]
    later = [(user, user % items + 1, rows) for user in range(1, users + 1)]
    later += [(user, (user + 1) % items + 1, rows + 1) for user in range(1, users + 1)]
    tested = [(user, target, rows + 2) for user, target in enumerate(targets, start=1)]
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        file.writelines(f"{user}\t{item}\t{time}\n" for user, item, time in (*first, *later, *tested))
