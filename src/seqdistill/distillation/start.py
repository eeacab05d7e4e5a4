"""Where the factors start: sequences a teacher generates, users' own sequences, or noise.

Of the sequences that a teacher generates, those are kept that bring it nearest to where users bring it: a few dozen
drawn at random leave out much of what users do, and an embedding learned anew misses it most.

A summary that starts at a sequence reads (nearly) its items and predicts what the teacher predicts after each of them:
the query of an input is fitted until the item has most of the mass, and the query of a target is the teacher's state,
since the teacher's prediction is softmax(h V^T).
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from seqdistill.config import DistillConfig
from seqdistill.covering import nearest_in_the_mean
from seqdistill.data.dataset import Dataset
from seqdistill.learners import Recommender
from seqdistill.summary import Factors

SHARPEN_STEPS = 500
SHARPEN_RATE = 0.05
"""Adam's step relative to the root mean square of the queries it starts from."""
MAX_LOGITS = 16_000_000
SEQUENCES_AT_ONCE = 256
DRAWN_FOR_EACH = 50
"""Sequences that are generated for each one that is kept, where the catalogue is not too large."""
MAX_DRAWN_FROM = 2_000_000_000
"""Probabilities that generating may form in all, a minute's work."""
POSITIONS_TO_COVER = 2_000
"""Positions of the log, drawn at random, that the kept sequences are to come near."""
RANDOM_QUERY_STD = 1.0


def start_factors(dataset: Dataset, teacher: Recommender, config: DistillConfig, seed: int) -> Factors:
    """Factors before the first outer step."""
    item_factor = teacher.embedding.detach()
    rng = torch.Generator().manual_seed(seed)
    n, length, separate = config.n, config.length, config.targets == "separate"
    if config.start == "random":
        width = item_factor.shape[1] * (2 if separate else 1)
        return random_factors(n, length, width, config.ranks, item_factor, rng)
    draw = real_sequences if config.start == "real" else covering_sequences
    items = draw(dataset, teacher, num_sequences=n, length=length, rng=rng)
    read = sharp_queries(items, item_factor, config.sharpness)
    if separate:
        with torch.no_grad():
            read = torch.cat([read, teacher(items)], dim=-1)
    return decompose(read, config.ranks)


def covering_sequences(
    dataset: Dataset, teacher: Recommender, *, num_sequences: int, length: int, rng: torch.Generator
) -> Tensor:
    """Of `DRAWN_FOR_EACH` times as many generated sequences (fewer for a large catalogue), those that cover the log.

    What is covered are the teacher's predictions at positions of the log: the sequences are chosen for the least mean,
    over these, of the squared difference in logits to the nearest position of the chosen ones (`nearest_in_the_mean`).

    Args:
        dataset: the log, see `generate_sequences`.
        teacher: in evaluation mode.
        num_sequences: n.
        length: l.
        rng: on the CPU.

    Returns:
        int64 [n, l] ids.
    """
    affordable = MAX_DRAWN_FROM // (length * dataset.num_items)
    drawn = num_sequences * max(1, min(DRAWN_FOR_EACH, affordable // num_sequences))
    generated = generate_sequences(dataset, teacher, num_sequences=drawn, length=length, rng=rng)
    to_logits = logit_metric(teacher.item_embedding.detach())
    points = states_of_users(dataset, teacher, POSITIONS_TO_COVER, length, rng) @ to_logits
    parts = torch.split(generated, max(1, MAX_LOGITS // (length * POSITIONS_TO_COVER)))
    with torch.no_grad():
        distances = torch.cat([_to_nearest_position(points, teacher(part) @ to_logits) for part in parts])
    return generated[torch.from_numpy(nearest_in_the_mean(distances, num_sequences))]


def logit_metric(item_embedding: Tensor) -> Tensor:
    """A matrix M in which distances of states are those of their predictions.

    |h M - h' M|^2 is the variance over the catalogue of the difference of logits (h - h') V^T: what all items share
    makes no difference to a softmax.

    Args:
        item_embedding: V, [num_items, dim].

    Returns:
        [dim, dim].
    """
    covariance = torch.cov(item_embedding.T, correction=0)
    spread, axes = cast("tuple[Tensor, Tensor]", torch.linalg.eigh(covariance))
    return axes * spread.clamp(min=0).sqrt()


@torch.no_grad()
def states_of_users(dataset: Dataset, teacher: Recommender, count: int, length: int, rng: torch.Generator) -> Tensor:
    """The teacher's states at training positions of a log drawn at random, each after its latest `length` items.

    Returns:
        [count, dim].
    """
    begins, ends = dataset.offsets[:-1], dataset.training_ends
    last = np.cumsum(ends - begins)
    drawn = torch.randint(int(last[-1]), (count,), generator=rng).numpy()
    user = np.searchsorted(last, drawn, side="right")
    end = ends[user] - (last[user] - 1 - drawn)
    histories = torch.from_numpy(dataset.gather(np.maximum(begins[user], end - length), end, width=length))
    device = teacher.embedding.device
    return torch.cat([teacher.last_states(part.to(device)) for part in torch.split(histories, SEQUENCES_AT_ONCE)])


def _to_nearest_position(points: Tensor, states: Tensor) -> Tensor:
    """Squared distance of each point to the nearest position of each sequence: [p, d], [k, l, d] -> [k, p]."""
    squares = states.square().sum(-1)[..., None] - 2 * (states @ points.T)
    return squares.amin(1) + points.square().sum(-1)


@torch.no_grad()
def generate_sequences(
    dataset: Dataset, teacher: Recommender, *, num_sequences: int, length: int, rng: torch.Generator
) -> Tensor:
    """Sample sequences step by step from a teacher's predictions; they are nobody's history.

    They begin as users' do. An item comes twice in one only if the log has such users, or fewer items than `length`.

    Args:
        dataset: the log.
        teacher: in evaluation mode.
        num_sequences: how many.
        length: their items.
        rng: on the CPU.

    Returns:
        int64 [num_sequences, length] ids.
    """
    trained = dataset.training_ends > dataset.offsets[:-1]
    first_items = torch.from_numpy(dataset.items[dataset.offsets[:-1][trained]])
    begun = first_items[torch.randint(len(first_items), (num_sequences, 1), generator=rng)]
    at_once = min(SEQUENCES_AT_ONCE, max(1, MAX_LOGITS // dataset.num_items))
    parts = [begin.to(teacher.embedding.device) for begin in torch.split(begun, at_once)]
    repeats = dataset.has_repeats or dataset.num_items < length
    return torch.cat([_gone_on_with(part, teacher, length, rng, repeats=repeats) for part in parts])


def _gone_on_with(drawn: Tensor, teacher: Recommender, length: int, rng: torch.Generator, *, repeats: bool) -> Tensor:
    while drawn.shape[1] < length:
        scores = teacher.scores(teacher.last_states(drawn))
        if not repeats:
            scores = scores.scatter(1, drawn - 1, -torch.inf)
        following = torch.multinomial(scores.softmax(-1).cpu(), 1, generator=rng) + 1
        drawn = torch.cat([drawn, following.to(drawn.device)], dim=1)
    return drawn


def real_sequences(
    dataset: Dataset, teacher: Recommender, *, num_sequences: int, length: int, rng: torch.Generator
) -> Tensor:
    """Training sequences of randomly drawn users, the most recent items of each; short ones are joined up to `length`.

    The arguments are those of `covering_sequences`.

    Returns:
        int64 [n, l] ids.
    """
    wanted = num_sequences * length
    kept: list[Tensor] = []
    while wanted > 0:
        order = torch.randperm(dataset.num_users, generator=rng).numpy()
        for user in order:
            end = int(dataset.training_ends[user])
            begin = max(int(dataset.offsets[user]), end - length)
            kept.append(torch.from_numpy(dataset.items[begin:end])[:wanted])
            wanted -= len(kept[-1])
            if wanted == 0:
                break
    return torch.cat(kept).view(num_sequences, length).to(teacher.embedding.device)


def sharp_queries(items: Tensor, item_factor: Tensor, sharpness: float) -> Tensor:
    """Queries whose distributions sit on given items: argmax over H of log softmax(H V^T)[item], stopped early.

    Args:
        items: int64 [...] ids.
        item_factor: V, [num_items, d3].
        sharpness: mean probability of the item at which to stop, in (0, 1). Where it cannot be reached (an item inside
            the convex hull of others), the sharpest queries after a fixed number of steps.

    Returns:
        [..., d3].
    """
    flat = items.reshape(-1)
    chunk = max(1, MAX_LOGITS // len(item_factor))
    fitted = [_sharpen(item_factor[part - 1], part, item_factor, sharpness) for part in torch.split(flat, chunk)]
    return torch.cat(fitted).view(*items.shape, -1)


def _sharpen(own: Tensor, items: Tensor, item_factor: Tensor, sharpness: float) -> Tensor:
    # At the start every item's own logit is the same few times the log of the catalogue.
    scale = 2 * torch.log(torch.tensor(float(len(item_factor) + 1)))
    queries = (scale * own / own.square().sum(-1, keepdim=True).clamp(min=1e-12)).requires_grad_()
    optimiser = torch.optim.Adam([queries], lr=SHARPEN_RATE * float(queries.detach().square().mean().sqrt()))
    for _ in range(SHARPEN_STEPS):
        log_mass = (queries @ item_factor.T).log_softmax(-1).gather(-1, (items - 1)[:, None])
        if float(log_mass.detach().exp().mean()) >= sharpness:
            break
        optimiser.zero_grad()
        (-log_mass.sum()).backward()
        optimiser.step()
    return queries.detach()


def decompose(queries: Tensor, ranks: tuple[int, int], *, sweeps: int = 10) -> Factors:
    """Tucker factors of a tensor, by higher-order orthogonal iteration (De Lathauwer et al., 2000).

    At full ranks U and T are identities and the core is the tensor: nothing is lost and every entry is free. Below
    them, U and T have orthonormal columns and the error is (locally) least.

    Args:
        queries: H, [n, l, c].
        ranks: (d1, d2), at most (n, l).
        sweeps: alternations between U and T.
    """
    n, length, _ = queries.shape
    eye_n, eye_l = (torch.eye(size, dtype=queries.dtype, device=queries.device) for size in (n, length))
    if ranks == (n, length):
        return Factors(eye_n, eye_l, queries.clone())
    user, time = eye_n, _leading(queries.transpose(0, 1), ranks[1])
    for _ in range(sweeps):
        user = _leading(torch.einsum("nlc,lb->nbc", queries, time), ranks[0])
        time = _leading(torch.einsum("nlc,na->lac", queries, user), ranks[1])
    return Factors(user, time, torch.einsum("nlc,na,lb->abc", queries, user, time))


def _leading(unfolded: Tensor, rank: int) -> Tensor:
    """Leading left singular vectors of a tensor unfolded along its first axis, [size, rank]."""
    left = cast("Tensor", torch.linalg.svd(unfolded.reshape(len(unfolded), -1))[0])
    return left[:, :rank].contiguous()


def random_factors(
    num_sequences: int, length: int, width: int, ranks: tuple[int, int], item_factor: Tensor, rng: torch.Generator
) -> Factors:
    """Independent normal factors, scaled so that the logits H V^T have about unit variance.

    Args:
        num_sequences: n.
        length: l.
        width: last dimension of the core, d3 or 2 d3.
        ranks: (d1, d2).
        item_factor: V, [num_items, d3].
        rng: on the CPU.
    """
    d1, d2 = ranks
    rms = float(item_factor.square().sum(-1).mean().sqrt())
    user = torch.randn(num_sequences, d1, generator=rng) / d1**0.5
    time = torch.randn(length, d2, generator=rng) / d2**0.5
    core = torch.randn(d1, d2, width, generator=rng) * (RANDOM_QUERY_STD / rms)
    return Factors(*(t.to(item_factor.device) for t in (user, time, core)))
