import torch

from seqdistill.attention import soft_cross_entropy, soft_embeddings
from seqdistill.learners import Recommender, SASRec

N, LENGTH, DIM, ITEMS = 4, 6, 8, 30


def test_inner_loss_is_the_divergence_up_to_the_targets_own_entropy() -> None:
    rng = torch.Generator().manual_seed(0)
    queries, states, factor, embedding = (
        torch.randn(*shape, generator=rng, dtype=torch.float64)
        for shape in ((N, LENGTH, 5), (N, LENGTH, DIM), (ITEMS, 5), (ITEMS, DIM))
    )
    ours = soft_cross_entropy(states, soft_embeddings(queries, factor, embedding), embedding)

    p = (queries @ factor.T).softmax(-1)
    log_q = (states @ embedding.T).log_softmax(-1)
    divergence = (p * (p.log() - log_q)).sum(-1)
    entropy = -(p * p.log()).sum(-1)
    torch.testing.assert_close(ours, divergence + entropy, rtol=1e-12, atol=1e-12)


def test_one_hot_queries_are_look_ups_and_give_the_states_of_the_hard_sequence() -> None:
    torch.manual_seed(0)
    embedding = torch.randn(ITEMS, DIM, dtype=torch.float64)
    model = Recommender(SASRec(DIM, LENGTH), embedding).double().eval()
    items = torch.randint(1, ITEMS + 1, (N, LENGTH))
    # With the identity as the item factor, a large multiple of a unit vector is as one-hot as float64 can be.
    queries = 1e4 * torch.nn.functional.one_hot(items - 1, ITEMS).double()
    soft = soft_embeddings(queries, torch.eye(ITEMS, dtype=torch.float64), model.embedding)
    torch.testing.assert_close(soft, model.embed(items), rtol=0, atol=0)
    torch.testing.assert_close(model.learner(soft, items > 0), model(items), rtol=0, atol=0)
