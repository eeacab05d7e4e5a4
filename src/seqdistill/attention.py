"""The two catalogue-sized operations everything else is made of, computed in tiles.

A synthetic position is a distribution over items, P = softmax(H V^T), and nobody ever needs P itself: its mean
embedding P E is attention with query H, key V and value E, and since P sums to one, the cross-entropy from P to a
prediction q = softmax(h E^T) is

    -sum_v P_v log q_v = logsumexp(h E^T) - h . (P E).

So a learner needs P E once, and the log-normaliser of its own scores. Both run over tiles of rows x items with an
online softmax (Milakov and Gimelshein, arXiv 1805.02867), keep one normaliser a row, and recompute a tile where a
derivative needs it: memory is that of the rows plus one tile, whatever the size of the catalogue, and on a CPU the tile
stays in the cache.

Derivatives need nothing beyond attention. That of the log-normaliser is one: with p = softmax(h E^T),

    d logsumexp(h E^T) / dh = p E,        d logsumexp(h E^T) / de_v = p_v h,

and the forward pass gathers p E on its way. The inner loop differentiates these once more. The second is a transposed
attention, P^T w, and as <U, P^T w> = <w, P U>, its derivative in the direction U is again that of an attention. So
everything rests on three loops over tiles: `attend`, its adjoint, and `transposed`. They are operations of their own
to torch, which a trace of an inner step holds as one node each (see `distillation.compiled`).
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE_NUMBERS = {"cpu": 1 << 19, "cuda": 1 << 26}
"""Scores held at once, by device type: about the second-level cache of a core, and a part of a GPU's memory."""
MAX_TILE_ITEMS = {"cpu": 1 << 12, "cuda": 1 << 20}
"""Widest tile, so that its items and a fair number of rows stay in the cache; no online softmax up to this size."""

BITS_A_NAT = 1 / math.log(2)
"""Probabilities are powers of two here. A CPU takes twice as long for `exp`, and thirty times as long where it
underflows."""

Memo: TypeAlias = dict[str, tuple[Tensor, Tensor]]
"""Normalisers and means a first evaluation found, for a second one of the same function at the same place."""

Ctx: TypeAlias = Any
"""Autograd's context: what forward leaves for backward."""


def soft_embeddings(
    queries: Tensor, item_factor: Tensor, embedding: Tensor, *, memo: Memo | None = None, name: str = "mean"
) -> Tensor:
    """Mean embedding of each synthetic position, softmax(H V^T) E.

    Differentiable with respect to queries and embedding, and a second time where the first derivative is with respect
    to the embedding (what an inner loop that trains it needs). A first derivative with respect to the queries that is
    formed to be differentiated again (`create_graph`) is not a number.

    Args:
        queries: H, [..., d3].
        item_factor: V, [num_items, d3]; a constant.
        embedding: E, [num_items, dim].
        memo: remembers the result under `name`, or gives it if it is there.
        name: of this operation in the memo.

    Returns:
        [..., dim].
    """
    flat = queries.reshape(-1, queries.shape[-1])
    mean = _apply(_SoftEmbeddings, flat, item_factor, embedding, memo, name)
    return mean.view(*queries.shape[:-1], embedding.shape[1])


def soft_cross_entropy(
    states: Tensor, target_embeddings: Tensor, embedding: Tensor, *, memo: Memo | None = None
) -> Tensor:
    """Cross-entropy from target distributions to the learner's predictions, without either distribution.

    Differentiable twice, with respect to everything.

    Args:
        states: h, [..., dim].
        target_embeddings: P E, the mean embedding of each target distribution, [..., dim]. A row of E itself stands
            for a hard target, and the result is then its ordinary cross-entropy.
        embedding: E, [num_items, dim].
        memo: remembers the normalisers, or gives them if they are there.

    Returns:
        [...], in nats.
    """
    flat = states.reshape(-1, states.shape[-1])
    normaliser = _apply(_LogNormaliser, flat, embedding, memo)
    return normaliser.view(states.shape[:-1]) - (states * target_embeddings).sum(-1)


# pyright: reportIncompatibleMethodOverride=false
# Autograd functions name their arguments; the base class takes any.


class _SoftEmbeddings(torch.autograd.Function):
    """softmax(q K^T) V for q [rows, d], K a constant."""

    @staticmethod
    def forward(ctx: Ctx, queries: Tensor, keys: Tensor, values: Tensor, memo: Memo | None, name: str) -> Tensor:
        normaliser, mean = _remembered(memo, name, queries, keys, values)
        ctx.save_for_backward(queries, keys, values, normaliser, mean)
        # What is returned gets the graph, and with it the embedding, which the memo would keep for every step.
        return mean.view_as(mean)

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None, None, None]:
        queries, keys, values, normaliser, mean = ctx.saved_tensors
        wants_queries, _, wants_values, *_ = ctx.needs_input_grad
        if torch.is_grad_enabled():
            # Autograd does not tell which derivatives will be read, and that by the queries is three products.
            by_queries = queries.new_full((), torch.nan).expand_as(queries) if wants_queries else None
            by_values = _apply(_Transposed, queries, keys, grad, normaliser) if wants_values else None
        else:
            wants = (wants_queries, False, wants_values)
            by_queries, _, by_values = _adjoint(queries, keys, values, normaliser, mean, grad, wants)
        return by_queries, None, by_values, None, None


class _LogNormaliser(torch.autograd.Function):
    """logsumexp(h E^T) for h [rows, dim]."""

    @staticmethod
    def forward(ctx: Ctx, states: Tensor, embedding: Tensor, memo: Memo | None) -> Tensor:
        normaliser, mean = _remembered(memo, "normaliser", states, embedding, embedding)
        ctx.save_for_backward(states, embedding, normaliser, mean)
        return normaliser.view_as(normaliser)

    @staticmethod
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        states, embedding, normaliser, mean = ctx.saved_tensors
        weight = grad[:, None]
        by_states = weight * _apply(_KnownMean, states, embedding, normaliser, mean)
        if not ctx.needs_input_grad[1]:
            return by_states, None, None
        return by_states, _apply(_Transposed, states, embedding, weight * states, normaliser), None


class _KnownMean(torch.autograd.Function):
    """softmax(h E^T) E, whose value is known; only its derivatives are still to be computed."""

    @staticmethod
    def forward(ctx: Ctx, states: Tensor, embedding: Tensor, normaliser: Tensor, mean: Tensor) -> Tensor:
        ctx.save_for_backward(states, embedding, normaliser, mean)
        return mean.view_as(mean)

    @staticmethod
    @once_differentiable
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        states, embedding, normaliser, mean = ctx.saved_tensors
        wants = ctx.needs_input_grad[1]
        by_states, by_keys, by_values = _adjoint(
            states, embedding, embedding, normaliser, mean, grad, (True, wants, wants)
        )
        assert by_states is not None
        return by_states, _sum(by_keys, by_values), None, None


class _Transposed(torch.autograd.Function):
    """P^T w with P = softmax(q K^T) [rows, items]: what each item is given by the rows, [items, dim]."""

    @staticmethod
    def forward(ctx: Ctx, queries: Tensor, keys: Tensor, weights: Tensor, normaliser: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, weights, normaliser)
        return _transposed(queries, keys, weights, normaliser)

    @staticmethod
    @once_differentiable
    def backward(ctx: Ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor, None]:
        # <grad, P^T w> = <w, P grad>: an attention with values `grad`.
        queries, keys, weights, normaliser = ctx.saved_tensors
        _, mean = _attend(queries, keys, grad)
        wants = (*ctx.needs_input_grad[:2], False)
        by_queries, by_keys, _ = _adjoint(queries, keys, grad, normaliser, mean, weights, wants)
        return by_queries, by_keys, mean, None


def _apply(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    return cast("Tensor", function.apply(*arguments))


F = TypeVar("F", bound=Callable[..., Any])


def operation(name: str, fake: Callable[..., Any]) -> Callable[[F], F]:
    """Register a function as an operation of torch; `fake` says the shapes of its results."""

    def register(function: F) -> F:
        registered = torch.library.custom_op(f"seqdistill::{name}", torch.no_grad()(function), mutates_args=())
        registered.register_fake(fake)
        return cast("F", registered)

    return register


def _fake_attend(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    del keys
    return queries.new_empty(len(queries)), queries.new_empty(len(queries), values.shape[1])


@operation("attend", _fake_attend)
def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Row by row, logsumexp(q K^T) [rows] and softmax(q K^T) V [rows, dim].

    Here and below a tile is laid out as [items, rows]: on several threads the matrix library splits that product well,
    and the other way round, with few rows and a small inner dimension, up to five times worse.
    """
    normaliser = queries.new_empty(len(queries))
    mean = queries.new_empty(len(queries), values.shape[1])
    for rows, items in _tiles(queries, keys):
        scores = _bits(queries[rows], keys[items])
        highest = scores.amax(0)
        total = scores.sub_(highest).exp2_().sum(0)
        found = highest / BITS_A_NAT + total.log()
        tile_mean = (scores.T @ values[items]).div_(total[:, None])
        if items.start == 0:
            normaliser[rows], mean[rows] = found, tile_mean
        else:
            # Two parts of a softmax weigh as their normalisers do.
            combined = torch.logaddexp(normaliser[rows], found)
            mean[rows] = torch.lerp(mean[rows], tile_mean, (found - combined).exp()[:, None])
            normaliser[rows] = combined
    return normaliser, mean


def _adjoint(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    normaliser: Tensor,
    mean: Tensor,
    grad: Tensor,
    wants: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of <grad, softmax(q K^T) V> with respect to q, K and V, each where it is wanted."""
    found = iter(_wanted_adjoint(queries, keys, values, normaliser, mean, grad, wants))
    by_queries, by_keys, by_values = (next(found) if wanted else None for wanted in wants)
    return by_queries, by_keys, by_values


def _fake_adjoint(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    normaliser: Tensor,
    mean: Tensor,
    grad: Tensor,
    wants: Sequence[bool],
) -> list[Tensor]:
    del normaliser, mean, grad
    return [t.new_empty(t.shape) for t, wanted in zip((queries, keys, values), wants, strict=True) if wanted]


@operation("attend_adjoint", _fake_adjoint)
def _wanted_adjoint(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    normaliser: Tensor,
    mean: Tensor,
    grad: Tensor,
    wants: Sequence[bool],
) -> list[Tensor]:
    """The gradients that are wanted, in order.

    With s = q K^T and m = p V, the derivative by s_v is p_v (grad . v - grad . m).
    """
    results = [
        t.new_zeros(t.shape) if wanted else None for t, wanted in zip((queries, keys, values), wants, strict=True)
    ]
    for_queries, for_keys, for_values = results
    pull = (grad * mean).sum(-1)
    for rows, items in _tiles(queries, keys):
        p = _probabilities(queries[rows], keys[items], normaliser[rows])
        if for_values is not None:
            for_values[items].addmm_(p, grad[rows])
        if for_queries is None and for_keys is None:
            continue
        by_scores = _product(values[items], grad[rows], _SLOPES).sub_(pull[rows]).mul_(p)
        if for_queries is not None:
            for_queries[rows].addmm_(by_scores.T, keys[items])
        if for_keys is not None:
            for_keys[items].addmm_(by_scores, queries[rows])
    return [result for result in results if result is not None]


def _fake_transposed(queries: Tensor, keys: Tensor, weights: Tensor, normaliser: Tensor) -> Tensor:
    del queries, normaliser
    return weights.new_empty(len(keys), weights.shape[1])


@operation("transposed", _fake_transposed)
def _transposed(queries: Tensor, keys: Tensor, weights: Tensor, normaliser: Tensor) -> Tensor:
    given = weights.new_zeros(len(keys), weights.shape[1])
    for rows, items in _tiles(queries, keys):
        given[items].addmm_(_probabilities(queries[rows], keys[items], normaliser[rows]), weights[rows])
    return given


def _remembered(memo: Memo | None, name: str, queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    if memo is None:
        return _attend(queries, keys, values)
    if name not in memo:
        memo[name] = _attend(queries, keys, values)
    return memo[name]


def _probabilities(queries: Tensor, keys: Tensor, normaliser: Tensor) -> Tensor:
    """A tile of softmax(q K^T), transposed: [items, rows], the rows' normalisers being known."""
    return _bits(queries, keys).sub_(BITS_A_NAT * normaliser).exp2_()


def _bits(queries: Tensor, keys: Tensor) -> Tensor:
    """A tile of scores in bits, [items, rows], of which powers of two are taken."""
    return _product(keys, BITS_A_NAT * queries, _SCORES)


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else one.add_(other)


_SCORES, _SLOPES = "scores", "slopes"
_scratch = threading.local()


def _product(items: Tensor, rows: Tensor, name: str) -> Tensor:
    """Items rows^T, [items, rows], in scratch memory."""
    return torch.mm(items, rows.T, out=scratch(name, (len(items), len(rows)), rows))


def scratch(name: str, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Room for a tile of this type; on a CPU in memory that the next tile under this name takes over.

    A tile is megabytes, which a CPU's allocator returns and asks for again every time, and the system then clears.
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    held = cast("dict[tuple[str, torch.dtype], Tensor]", _scratch.__dict__)
    buffer = held.get((name, like.dtype))
    if buffer is None or buffer.numel() < shape[0] * shape[1]:
        held[name, like.dtype] = buffer = like.new_empty(shape[0] * shape[1])
    return buffer[: shape[0] * shape[1]].view(shape)


def _tiles(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of rows and items that cover all scores; those of the items change last, as they weigh most."""
    device = queries.device.type
    wide = min(len(keys), MAX_TILE_ITEMS[device])
    high = max(1, TILE_NUMBERS[device] // wide)
    for item in range(0, len(keys), wide):
        for row in range(0, len(queries), high):
            yield slice(row, min(row + high, len(queries))), slice(item, min(item + wide, len(keys)))
