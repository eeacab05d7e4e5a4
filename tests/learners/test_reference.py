"""The same weights give the scores of RecBole's models.

`reference/` was made by tools/recbole_reference.py; where RecBole's environment is here, it is made again and compared.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqdistill.config import LearnerConfig
from seqdistill.learners import Recommender, build_learner

Tensors = dict[str, Tensor]

ROOT = Path(__file__).parents[2]
STORED = Path(__file__).parent / "reference"
SIZES = json.loads((STORED / "recbole.json").read_text())["sizes"]
LAYERS = 2


def load(folder: Path) -> Tensors:
    with np.load(folder / "recbole.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def sasrec(theirs: Tensors) -> Tensors:
    renamed = {"position": "position_embedding", "norm": "LayerNorm"}
    return {**rename(theirs, renamed), **blocks(theirs)}


def bert4rec(theirs: Tensors) -> Tensors:
    renamed = {"position": "position_embedding", "norm": "LayerNorm", "dense": "output_ffn", "output_norm": "output_ln"}
    return {**rename(theirs, renamed), **blocks(theirs), "mask_vector": theirs["item_embedding.weight"][-1]}


def gru4rec(theirs: Tensors) -> Tensors:
    return {**recurrent(theirs, "gru_layers"), **rename(theirs, {"dense": "dense"})}


def narm(theirs: Tensors) -> Tensors:
    maps = rename(theirs, {"by_end": "a_2", "by_position": "a_1", "weigh": "v_t"})
    of_local, of_global = theirs["b.weight"].chunk(2, dim=1)
    return {**recurrent(theirs, "gru"), **maps, "decode.weight": torch.cat([of_global, of_local], dim=1)}


def recurrent(theirs: Tensors, name: str) -> Tensors:
    return {
        f"recurrent.{ours}.{layer}": theirs[f"{name}.weight_{kind}_l{layer}"]
        for layer in range(LAYERS)
        for ours, kind in (("input_weights", "ih"), ("state_weights", "hh"))
    }


def blocks(theirs: Tensors) -> Tensors:
    ours: Tensors = {}
    for layer in range(LAYERS):
        attention = f"trm_encoder.layer.{layer}.multi_head_attention"
        forward = f"trm_encoder.layer.{layer}.feed_forward"
        names = {
            "query": f"{attention}.query",
            "project": f"{attention}.dense",
            "attention_norm": f"{attention}.LayerNorm",
            "expand": f"{forward}.dense_1",
            "contract": f"{forward}.dense_2",
            "feed_forward_norm": f"{forward}.LayerNorm",
        }
        ours |= {f"blocks.{layer}.{name}": value for name, value in rename(theirs, names).items()}
        both = [theirs[f"{attention}.{role}.weight"] for role in ("key", "value")]
        ours[f"blocks.{layer}.key_value.weight"] = torch.cat(both)
        # Ours has no bias of the values: it reaches the output through the map that follows.
        carried = theirs[f"{attention}.dense.weight"] @ theirs[f"{attention}.value.bias"]
        ours[f"blocks.{layer}.project.bias"] = ours[f"blocks.{layer}.project.bias"] + carried
    return ours


def rename(theirs: Tensors, names: dict[str, str]) -> Tensors:
    ours: Tensors = {}
    for new, old in names.items():
        ours |= {f"{new}.{part}": theirs[f"{old}.{part}"] for part in ("weight", "bias") if f"{old}.{part}" in theirs}
    if "position.weight" in ours:
        ours["position"] = ours.pop("position.weight")
    return ours


COPY: dict[str, Callable[[Tensors], Tensors]] = {
    "sasrec": sasrec,
    "gru4rec": gru4rec,
    "narm": narm,
    "bert4rec": bert4rec,
}


@pytest.mark.parametrize("name", COPY)
def test_the_same_weights_give_the_same_scores(name: str) -> None:
    tensors = load(STORED)
    prefix = f"{name}/weights/"
    theirs = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    attention, items = name in ("sasrec", "bert4rec"), tensors["items"]
    sizes = {"heads": 2, "feed_forward": SIZES["feed_forward"]} if attention else {"hidden": SIZES["hidden"]}
    config = LearnerConfig.model_validate({"learner": name, "layers": LAYERS, **sizes})
    learner = build_learner(config, dim=SIZES["dim"], length=SIZES["length"])
    model = Recommender(learner, theirs["item_embedding.weight"][1 : SIZES["items"] + 1]).eval()
    learner.load_state_dict(COPY[name](theirs))
    with torch.no_grad():
        if name == "bert4rec":
            states = learner(model.embed(items), items > 0, tensors["bert4rec/asked"])
            torch.testing.assert_close(model.last_states(items[1:2]), learner_at_end(model, items[1:2]))
        else:
            states = model.last_states(items)
        scores = model.scores(states)
    torch.testing.assert_close(scores, tensors[f"{name}/scores"], rtol=1e-5, atol=1e-5)


def learner_at_end(model: Recommender, items: Tensor) -> Tensor:
    """The last state of one history without its padding."""
    history = items[items > 0][None]
    return model.learner(model.embed(history), history > 0, torch.tensor([[history.shape[1] - 1]]))[:, 0]


def test_what_is_stored_is_what_recbole_says(tmp_path: Path) -> None:
    python = ROOT / ".venv-recbole" / "bin" / "python"
    if not python.exists():
        pytest.skip("RecBole is not here; see benchmarks/recbole_env.sh")
    command = [str(python), str(ROOT / "tools" / "recbole_reference.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    stored, made = load(STORED), load(tmp_path)
    assert stored.keys() == made.keys()
    for name, tensor in stored.items():
        torch.testing.assert_close(made[name], tensor)
