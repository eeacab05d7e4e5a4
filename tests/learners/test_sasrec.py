import torch

from seqdistill.learners import Recommender, SASRec
from seqdistill.learners.transformer import Block


def make(length: int = 7) -> Recommender:
    torch.manual_seed(1)
    return Recommender.fresh(SASRec(16, length, layers=2, heads=2), 40).eval()


def test_a_state_depends_on_nothing_to_its_right() -> None:
    model = make()
    items = torch.randint(1, 41, (3, 7))
    changed = items.clone()
    changed[:, 4:] = torch.randint(1, 41, (3, 3))
    torch.testing.assert_close(model(items)[:, :4], model(changed)[:, :4])
    assert not torch.allclose(model(items)[:, 4:], model(changed)[:, 4:])


def test_padding_does_not_change_the_last_state() -> None:
    model = make()
    history = torch.tensor([[5, 9, 2]])
    padded = torch.tensor([[5, 9, 2, 0, 0, 0, 0]])
    torch.testing.assert_close(model.last_states(history), model.last_states(padded))


def test_against_attention_written_out_position_by_position() -> None:
    model = make()
    learner = model.learner
    assert isinstance(learner, SASRec)
    items = torch.tensor([3, 8, 8, 1])

    def norm(x: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
        centred = x - x.mean()
        return centred / centred.square().mean().sqrt() * layer.weight + layer.bias

    hidden = [norm(model.embedding[i - 1] + learner.position[t], learner.norm) for t, i in enumerate(items.tolist())]
    for block in learner.blocks:
        assert isinstance(block, Block)
        projected = [(block.query(h), *block.key_value(h).split(16)) for h in hidden]
        following: list[torch.Tensor] = []
        for t, (query, _, _) in enumerate(projected):
            heads: list[torch.Tensor] = []
            for part in (slice(0, 8), slice(8, 16)):
                scores = torch.stack([query[part] @ key[part] / 8**0.5 for _, key, _ in projected[: t + 1]])
                values = torch.stack([value[part] for _, _, value in projected[: t + 1]])
                heads.append(scores.softmax(0) @ values)
            attended = norm(hidden[t] + block.project(torch.cat(heads)), block.attention_norm)
            update = block.contract(torch.nn.functional.gelu(block.expand(attended)))
            following.append(norm(attended + update, block.feed_forward_norm))
        hidden = following
    torch.testing.assert_close(model(items[None])[0], torch.stack(hidden), rtol=1e-4, atol=1e-5)


def test_states_at_some_positions_are_those_among_all() -> None:
    model = make()
    items = torch.randint(1, 41, (3, 7))
    at = torch.tensor([[6, 2], [0, 0], [3, 6]])
    embedded, mask = model.embed(items), items > 0
    expected = model.learner(embedded, mask).take_along_dim(at[..., None], 1)
    torch.testing.assert_close(model.learner(embedded, mask, at), expected)
