# pyright: basic
"""One epoch of RecBole 1.2.1's SASRec, as a case; runs in the environment of recbole_env.sh, without seqdistill.

RecBole turns every target into a row of its own, the at most `length` items before it padded to `length`.
"""

from benchmarks.harness import Row, Step
from benchmarks.recbole import configure, load, versions

WARM_UP_STEPS = 3


def prepare(
    *,
    folder: str,
    name: str,
    items: int,
    targets: int,
    dim: int,
    length: int,
    targets_per_step: int,
    feed_forward: int,
    seed: int,
) -> Step:
    """An epoch on `folder/name/name.inter`, every row of which belongs to training.

    The first step is not an epoch but some batches: it is not timed, and an epoch would cost as much as a round.

    Raises:
        ValueError: RecBole finds other than `items` items and `targets` targets in the file.
    """
    config = configure(
        folder,
        name,
        rm_dup_inter=None,
        MAX_ITEM_LIST_LENGTH=length,
        n_layers=1,
        n_heads=1,
        hidden_size=dim,
        inner_size=feed_forward,
        hidden_dropout_prob=0.3,
        attn_dropout_prob=0.3,
        learning_rate=3e-3,
        train_batch_size=targets_per_step,
        seed=seed,
    )
    load("recbole.utils").init_seed(seed, reproducibility=True)
    data = load("recbole.data.utils")
    dataset = data.create_dataset(config)
    # What `dataset.build()` does before it splits: one row for each target.
    dataset._change_feat_format()
    # Its item_num counts the padding too.
    found = (dataset.item_num - 1, len(dataset))
    if found != (items, targets):
        raise ValueError(f"RecBole finds {found[0]} items and {found[1]} targets, not {items} and {targets}")
    loader = load("recbole.data.dataloader.general_dataloader").TrainDataLoader(config, dataset, None, shuffle=True)
    model = load("recbole.model.sequential_recommender.sasrec").SASRec(config, dataset).to(config["device"])
    trainer = load("recbole.trainer").Trainer(config, model)
    told = versions("torch")
    warm = False

    def step() -> Row | None:
        nonlocal warm
        if not warm:
            warm = True
            model.train()
            for index, batch in enumerate(loader):
                if index == WARM_UP_STEPS:
                    break
                trainer.optimizer.zero_grad()
                model.calculate_loss(batch).backward()
                trainer.optimizer.step()
            return None
        met = 0

        def calculate_loss(batch):  # noqa: ANN001, ANN202
            nonlocal met
            met += len(batch)
            return model.calculate_loss(batch)

        loss = trainer._train_epoch(loader, 0, calculate_loss, show_progress=False)
        return {
            "targets": met,
            "loss": float(loss) / len(loader),
            "warm_up": f"{WARM_UP_STEPS} batches",
            "versions": told,
        }

    return step
