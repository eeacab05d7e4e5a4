# pyright: basic
"""What RecBole's models score, for `tests/learners/test_reference.py` to compare ours with.

Run it with an interpreter that has RecBole (see `benchmarks/recbole_env.sh`):

    .venv-recbole/bin/python tools/recbole_reference.py tests/learners/reference

It draws small models with a fixed seed and leaves their weights, padded histories and scores in `recbole.npz`, and the
sizes and versions in `recbole.json`.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

SEED = 0
NUM_ITEMS, LENGTH, DIM, HIDDEN, FEED_FORWARD = 12, 6, 8, 10, 20
HISTORIES = [[3, 1, 4, 1, 5, 9], [2, 6, 5], [11], [12, 7, 8, 10, 2]]

COMMON = {"embedding_size": DIM, "hidden_size": DIM, "loss_type": "CE", "device": torch.device("cpu")}
TRANSFORMER = {
    "n_layers": 2,
    "n_heads": 2,
    "inner_size": FEED_FORWARD,
    "hidden_dropout_prob": 0.3,
    "attn_dropout_prob": 0.3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.3,
}
RECURRENT = {"hidden_size": HIDDEN, "num_layers": 2, "n_layers": 2, "dropout_prob": 0.3, "dropout_probs": [0.25, 0.5]}
CASES = {
    "sasrec": ("SASRec", TRANSFORMER),
    "gru4rec": ("GRU4Rec", RECURRENT),
    "narm": ("NARM", RECURRENT),
    "bert4rec": ("BERT4Rec", {**TRANSFORMER, "mask_ratio": 0.2}),
}


def reference() -> dict[str, torch.Tensor]:
    """Name -> tensor, for all models."""
    items = torch.zeros(len(HISTORIES), LENGTH, dtype=torch.long)
    for row, history in enumerate(HISTORIES):
        items[row, : len(history)] = torch.tensor(history)
    lengths = (items > 0).sum(1)
    tensors = {"items": items}
    for name, (cls, settings) in CASES.items():
        model = build(cls, settings).eval()
        with torch.no_grad():
            if name == "bert4rec":
                scores, asked = masked_scores(model, items, lengths)
                tensors[f"{name}/asked"] = asked
            else:
                states = model(items, lengths)
                scores = states @ model.item_embedding.weight[1:].T
        tensors[f"{name}/scores"] = scores
        tensors |= {f"{name}/weights/{key}": value for key, value in model.state_dict().items()}
    return tensors


def build(cls: str, settings: dict) -> Any:  # noqa: ANN401 - of a library that is not here
    """A model of RecBole, all of its parameters drawn at random."""
    module = __import__(f"recbole.model.sequential_recommender.{cls.lower()}", fromlist=[cls])
    # BERT4Rec is given a slot more, which the mask token after a full history takes.
    slots = LENGTH + (cls == "BERT4Rec")
    fields = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "LIST_SUFFIX": "_list", "NEG_PREFIX": "neg_"}
    fields |= {"ITEM_LIST_LENGTH_FIELD": "item_length", "MAX_ITEM_LIST_LENGTH": slots}
    config = dict.fromkeys(("MASK_ITEM_SEQ", "POS_ITEMS", "NEG_ITEMS", "MASK_INDEX"), "") | fields | COMMON | settings
    torch.manual_seed(SEED)
    model = getattr(module, cls)(config, SimpleNamespace(num=lambda _field: NUM_ITEMS + 1))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # Zeros and ones, as biases and gains start, would hide a mistake.
            parameter.add_(0.3 * torch.randn_like(parameter))
            if key == "item_embedding.weight":
                parameter[0] = 0.0
    return model


def masked_scores(
    model: Any,  # noqa: ANN401
    items: torch.Tensor,
    lengths: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores at two masked slots of every history: the one after its end, and the second one where there is one.

    Returns:
        Scores without the bias of the output, [histories, 2, items], and the positions before those slots, [histories,
        2].
    """
    asked = torch.stack([lengths - 1, torch.where(lengths > 1, 0, lengths - 1)], dim=1)
    padded = torch.nn.functional.pad(items, (0, 1))
    masked = padded.scatter(1, asked + 1, model.mask_token)
    output = model(masked)
    states = output.gather(1, (asked + 1)[..., None].expand(-1, -1, DIM))
    return states @ model.item_embedding.weight[1 : NUM_ITEMS + 1].T, asked


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {key: value.numpy() for key, value in reference().items()}
    np.savez_compressed(folder / "recbole.npz", **arrays)
    about = {
        "made_by": "tools/recbole_reference.py",
        "seed": SEED,
        "sizes": {"items": NUM_ITEMS, "length": LENGTH, "dim": DIM, "hidden": HIDDEN, "feed_forward": FEED_FORWARD},
        "versions": {name: version(name) for name in ("recbole", "torch")},
    }
    (folder / "recbole.json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
