import pytest
import torch
from torch import Tensor

from seqdistill import attention
from seqdistill.attention import soft_cross_entropy, soft_embeddings
from seqdistill.learners import Recommender, SASRec

N, LENGTH, DIM, ITEMS = 4, 6, 8, 30


@pytest.fixture(params=["one tile", "many tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both with the whole catalogue in a tile and with tiles that cut rows and items unevenly."""
    if request.param == "many tiles":
        monkeypatch.setitem(attention.TILE_NUMBERS, "cpu", 5 * 7)
        monkeypatch.setitem(attention.MAX_TILE_ITEMS, "cpu", 7)


def draw(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in shapes]


def leaves(*tensors: Tensor) -> list[Tensor]:
    return [t.clone().requires_grad_() for t in tensors]


def plain_embeddings(queries: Tensor, factor: Tensor, embedding: Tensor) -> Tensor:
    return (queries @ factor.T).softmax(-1) @ embedding


def plain_cross_entropy(states: Tensor, targets: Tensor, embedding: Tensor) -> Tensor:
    return (states @ embedding.T).logsumexp(-1) - (states * targets).sum(-1)


@pytest.mark.usefixtures("tiles")
def test_soft_embeddings_and_their_gradients_are_those_of_the_materialised_distributions() -> None:
    queries, factor, embedding, weight = draw((N, LENGTH, 5), (ITEMS, 5), (ITEMS, DIM), (N, LENGTH, DIM))
    results: list[list[Tensor]] = []
    for function in (soft_embeddings, plain_embeddings):
        q, e = leaves(3 * queries, embedding)
        value = function(q, factor, e)
        results.append([value, *torch.autograd.grad((value * weight).sum(), (q, e))])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("embedding_is_trained", [False, True])
def test_cross_entropy_has_exact_first_and_second_derivatives(embedding_is_trained: bool) -> None:
    states, targets, embedding, direction, weight = draw(
        (N, LENGTH, DIM), (N, LENGTH, DIM), (ITEMS, DIM), (N, LENGTH, DIM), (N, LENGTH)
    )
    results: list[list[Tensor]] = []
    for function in (soft_cross_entropy, plain_cross_entropy):
        h, y, e = leaves(states, targets, embedding)
        wanted = [h, y, e] if embedding_is_trained else [h, y]
        value = function(h, y, e if embedding_is_trained else embedding)
        scalar = (value * weight).sum()
        first = torch.autograd.grad(scalar, wanted, retain_graph=True)
        (slope,) = torch.autograd.grad(scalar, h, create_graph=True)
        second = torch.autograd.grad((slope * direction).sum(), wanted)
        results.append([value, *first, *second])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("tiles")
def test_scores_far_beyond_the_range_of_exp_do_not_overflow() -> None:
    states, embedding = (x.float() for x in draw((N, DIM), (ITEMS, DIM)))
    value = soft_cross_entropy(1e4 * states, torch.zeros(N, DIM), embedding)
    torch.testing.assert_close(value, (1e4 * states @ embedding.T).amax(-1), rtol=1e-5, atol=1e-2)


@pytest.mark.usefixtures("tiles")
def test_inner_loss_is_the_divergence_up_to_the_targets_own_entropy() -> None:
    queries, states, factor, embedding = draw((N, LENGTH, 5), (N, LENGTH, DIM), (ITEMS, 5), (ITEMS, DIM))
    ours = soft_cross_entropy(states, soft_embeddings(queries, factor, embedding), embedding)

    p = (queries @ factor.T).softmax(-1)
    log_q = (states @ embedding.T).log_softmax(-1)
    divergence = (p * (p.log() - log_q)).sum(-1)
    entropy = -(p * p.log()).sum(-1)
    torch.testing.assert_close(ours, divergence + entropy, rtol=1e-12, atol=1e-12)


def test_hard_targets_are_one_hot_soft_targets() -> None:
    states, embedding = draw((11, DIM), (ITEMS, DIM))
    targets = torch.randint(ITEMS, (11,), generator=torch.Generator().manual_seed(1))
    ours = soft_cross_entropy(states, embedding[targets], embedding)
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(states @ embedding.T, targets, reduction="none"))


@pytest.mark.usefixtures("tiles")
def test_one_hot_queries_are_look_ups_and_give_the_states_of_the_hard_sequence() -> None:
    torch.manual_seed(0)
    (embedding,) = draw((ITEMS, DIM))
    model = Recommender(SASRec(DIM, LENGTH), embedding).double().eval()
    items = torch.randint(1, ITEMS + 1, (N, LENGTH))
    # With the identity as the item factor, a large multiple of a unit vector is as one-hot as float64 can be.
    queries = 1e4 * torch.nn.functional.one_hot(items - 1, ITEMS).double()
    soft = soft_embeddings(queries, torch.eye(ITEMS, dtype=torch.float64), model.embedding)
    torch.testing.assert_close(soft, model.embed(items), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(model.learner(soft, items > 0), model(items), rtol=1e-12, atol=1e-12)


def test_a_derivative_by_the_queries_that_is_not_formed_is_refused_and_not_wrong() -> None:
    queries, factor, embedding, weight = draw((N, 5), (ITEMS, 5), (ITEMS, DIM), (N, DIM))
    q, e = leaves(queries, embedding)
    (slope,) = torch.autograd.grad((soft_embeddings(q, factor, e) * weight).sum(), q, create_graph=True)
    assert slope.isnan().all()
