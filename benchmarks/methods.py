# pyright: basic
"""Ways to one hypergradient, on one problem.

The problem: a 1-layer SASRec learns a random summary with separate targets for W steps of Adam, from its
initialisation; the scalar is the product of its final parameters with a fixed vector; wanted is the gradient of the
scalar with respect to the queries (H_in, H_out) of the summary. That is an outer step less its outer loss on real
data, which all ways share.

- `replay`: this library, called as the outer loop of a long run calls it, its inner step compiled beforehand.
- `eager`: the same without compiling, as in a short run.
- `textbook`: what is published. `higher` 0.2.1 (the authors' choice) keeps the graph of all steps, and every step
  forms P = softmax(H_in V^T), [n, l, |V|], anew. Targets are formed at the drawn positions only, so that separate
  targets cost it no second tensor of that size: about what the tied targets of the paper cost.
- `unroll`: autograd through all steps, but with the soft embeddings computed once and no P in the loss. In the `fresh`
  regime, where E moves, they are formed at every step.
- `checkpoint`: the same with `torch.utils.checkpoint` around each inner step.

The losses and the Adam of the last three are written out here, so that the agreement of all (see
tests/benchmarks) is one of independent programs. Only the learner and, for `unroll` and `checkpoint`, the soft
embeddings are the library's.
"""

import copy
import dataclasses
import importlib
import math
import time
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from benchmarks.harness import Row
from benchmarks.harness import Step as TimedStep
from seqdistill.attention import soft_embeddings
from seqdistill.config import Regime
from seqdistill.distillation.adam import AdamRule, AdamState
from seqdistill.distillation.compiled import WORTHWHILE_STEPS, CompiledStep, compile_step
from seqdistill.distillation.functional import FlatRecommender
from seqdistill.distillation.inner import InnerObjective
from seqdistill.distillation.replay import DEFAULT_MEMORY, replay, run_window
from seqdistill.distillation.step import InnerStep, Step
from seqdistill.learners import INITIAL_EMBEDDING_STD, SASRec
from seqdistill.seeding import seeded

Cuts = int | Literal["all"]

RULE = AdamRule(learning_rate=0.01)
QUERY_SCALE = 0.5
"""Standard deviation of the entries of the queries; those of the item factor have 1."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method gets.

    Attributes:
        item_factor: V, [num_items, dim].
        queries: H_in and H_out, leaves, both [n, l, dim].
        learner: gives the structure.
        theta: initial flat parameters, [p]; in the `fresh` regime followed by the rows of E.
        direction: the scalar is its product with the final parameters, [p].
        cuts: random positions beside the last, or "all".
        positions: for each step the positions with a target, int64 [n, 1 + cuts, 1], or None for all.
        seed: of the generator the positions were drawn from.
        regime: "shared" or "fresh".
        memory: bytes that a window of the library may hold.
    """

    item_factor: Tensor
    queries: tuple[Tensor, Tensor]
    learner: SASRec
    theta: Tensor
    direction: Tensor
    cuts: Cuts
    positions: list[Tensor | None]
    seed: int
    regime: Regime
    memory: int = DEFAULT_MEMORY

    @cached_property
    def step(self) -> InnerStep:
        """The library's inner step."""
        n, length, _ = self.queries[0].shape
        model = FlatRecommender(self.learner, self.item_factor, self.regime)
        return InnerStep(InnerObjective(model, n, length, n, self.cuts), RULE)

    @cached_property
    def compiled_step(self) -> Step:
        """The same compiled, or as it is where there is no compiler."""
        return compile_step(self.step, steps=WORTHWHILE_STEPS, wish="auto")

    @property
    def mask(self) -> Tensor:
        """All positions are real."""
        return torch.ones(self.queries[0].shape[:2], dtype=torch.bool, device=self.item_factor.device)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Problem":
        """The same problem elsewhere, or in another precision."""
        read, predict = (q.detach().to(device, dtype).requires_grad_() for q in self.queries)
        return dataclasses.replace(
            self,
            item_factor=self.item_factor.to(device, dtype),
            queries=(read, predict),
            learner=copy.deepcopy(self.learner).to(device, dtype),
            theta=self.theta.to(device, dtype),
            direction=self.direction.to(device, dtype),
            positions=[None if at is None else at.to(device) for at in self.positions],
        )


def make_problem(
    *,
    items: int,
    dim: int,
    num_sequences: int,
    length: int,
    window: int,
    cuts: Cuts,
    regime: Regime,
    seed: int,
    memory: int = DEFAULT_MEMORY,
) -> Problem:
    """Draw a problem; the same arguments give the same problem."""
    rng = torch.Generator().manual_seed(seed)
    item_factor = torch.randn(items, dim, generator=rng)
    read, predict = (torch.randn(num_sequences, length, dim, generator=rng) * QUERY_SCALE for _ in range(2))
    with seeded(seed):
        learner = SASRec(dim, length, layers=1, heads=1, feed_forward=2 * dim).eval()
    theta = torch.cat([p.detach().reshape(-1) for p in learner.parameters()])
    if regime == "fresh":
        embedding = torch.randn(items, dim, generator=rng) * INITIAL_EMBEDDING_STD
        theta = torch.cat([theta, embedding.reshape(-1)])
    direction = torch.randn(theta.shape, generator=rng)
    positions: list[Tensor | None] = [None] * window
    if cuts != "all":
        # As InnerObjective draws them when a step takes all sequences.
        draws = torch.Generator().manual_seed(seed)
        last = torch.full((num_sequences, 1), length - 1)
        for step in range(window):
            drawn = (torch.rand(num_sequences, cuts, generator=draws) * length).long()
            positions[step] = torch.cat([last, drawn], dim=1)[..., None]
    queries = (read.requires_grad_(), predict.requires_grad_())
    return Problem(item_factor, queries, learner, theta, direction, cuts, positions, seed, regime, memory)


def by_replay(problem: Problem) -> tuple[Tensor, ...]:
    """This library, compiled."""
    return _by_library(problem, problem.compiled_step)


def by_eager(problem: Problem) -> tuple[Tensor, ...]:
    """This library, not compiled."""
    return _by_library(problem, problem.step)


def by_textbook(problem: Problem) -> tuple[Tensor, ...]:
    """`higher`, with the distributions formed at every step.

    Two things are done to `higher` from outside. Its Adam adds eps to sqrt(v) where torch's adds it to
    sqrt(v / (1 - beta_2^t)); passing eps sqrt(1 - beta_2^t) at each step makes it torch's. And it gets a copy of the
    learner under a class that is not abstract (see `_Body`).
    """
    higher = import_higher()
    factor, (read, predict) = problem.item_factor, problem.queries
    model = _Model(problem)
    mask = problem.mask
    optimiser = torch.optim.Adam(
        model.parameters(), lr=RULE.learning_rate, betas=(RULE.beta1, RULE.beta2), eps=RULE.eps
    )
    with higher.innerloop_ctx(model, optimiser) as (functional, differentiable):
        for step, at in enumerate(problem.positions, start=1):
            read_probabilities = (read @ factor.T).softmax(-1)
            embedding = factor if problem.regime == "shared" else functional.embedding
            states = functional(read_probabilities @ embedding, mask)
            target_queries = predict
            if at is not None:
                states, target_queries = states.take_along_dim(at, 1), predict.take_along_dim(at, 1)
            target_probabilities = (target_queries @ factor.T).softmax(-1)
            log_predictions = (states @ embedding.T).log_softmax(-1)
            loss = -(target_probabilities * log_predictions).sum(-1).mean()
            differentiable.step(loss, override={"eps": [RULE.eps * math.sqrt(1 - RULE.beta2**step)]})
        final = list(functional.parameters())
        if problem.regime == "fresh":
            final = [*final[1:], final[0]]  # A module's own parameters come before its children's.
        scalar = torch.cat([p.reshape(-1) for p in final]) @ problem.direction
        return torch.autograd.grad(scalar, problem.queries)


def by_unroll(problem: Problem) -> tuple[Tensor, ...]:
    """Plain autograd through all steps."""
    state, inputs = _start(problem)
    for step in range(1, len(problem.positions) + 1):
        state = _adam_step(problem, step, *state, *inputs)
    return torch.autograd.grad(state[0] @ problem.direction, problem.queries)


def by_checkpoint(problem: Problem) -> tuple[Tensor, ...]:
    """Autograd through all steps, each recomputed when its turn comes."""
    state, inputs = _start(problem)
    for step in range(1, len(problem.positions) + 1):
        state = checkpoint(_adam_step, problem, step, *state, *inputs, use_reentrant=False, preserve_rng_state=False)
    return torch.autograd.grad(state[0] @ problem.direction, problem.queries)


METHODS = {
    "replay": by_replay,
    "eager": by_eager,
    "textbook": by_textbook,
    "unroll": by_unroll,
    "checkpoint": by_checkpoint,
}


def prepare(*, method: str, **sizes: int | str) -> TimedStep:
    """A case for `harness.measure`: one outer step by a method."""
    problem = make_problem(**sizes)  # type: ignore[arg-type]
    find = METHODS[method]
    result = None
    if method == "replay":
        started = time.perf_counter()
        compiled = isinstance(problem.compiled_step, CompiledStep)
        result = {"compiled": compiled, "compile_seconds": time.perf_counter() - started}

    def step() -> Row | None:
        find(problem)
        return result

    return step


def import_higher() -> ModuleType:
    """`higher`, which only benchmarks use.

    Raises:
        ModuleNotFoundError: saying how to get it.
    """
    try:
        return importlib.import_module("higher")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the textbook needs higher 0.2.1; install the extra `bench`") from error


class _Body(nn.Module):
    """A copy of a learner for `higher`, whose patched classes cannot derive from an abstract one such as `Learner`."""

    forward = SASRec.forward

    def __init__(self, learner: SASRec) -> None:
        super().__init__()
        self.__dict__.update(copy.deepcopy(learner).__dict__)


class _Model(nn.Module):
    """A learner with the problem's parameters, and E beside it where it is trained; for `higher`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        parameters, embedding = _split(problem, problem.theta)
        self.learner = _Body(problem.learner)
        self.learner.load_state_dict(parameters)
        if problem.regime == "fresh":
            self.embedding = nn.Parameter(embedding.clone())

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """States."""
        return self.learner(embedded, mask)


def _by_library(problem: Problem, step: InnerStep | Step) -> tuple[Tensor, ...]:
    """As `loop.hypergradient` goes about it."""
    factor, queries = problem.item_factor, problem.queries
    summary: tuple[Tensor, ...] = queries
    if problem.regime == "shared":
        summary = tuple(soft_embeddings(q, factor, factor) for q in queries)
    inputs = tuple(part.detach() for part in summary)
    rng = torch.Generator().manual_seed(problem.seed)
    draws = [problem.step.objective.draw(rng) for _ in problem.positions]
    # The state after the window is nobody's here, and large.
    window = run_window(step, AdamState.start(problem.theta), draws, inputs, memory=problem.memory)[1]
    bars = replay(step, window, inputs, problem.direction)
    return torch.autograd.grad(summary, queries, bars)


def _split(problem: Problem, theta: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Named parameters of the learner, and E."""
    named = dict(problem.learner.named_parameters())
    size = sum(p.numel() for p in named.values())
    body, rest = theta.split([size, theta.numel() - size])
    pieces = body.split([p.numel() for p in named.values()])
    parameters = {name: piece.view(p.shape) for (name, p), piece in zip(named.items(), pieces, strict=True)}
    return parameters, problem.item_factor if problem.regime == "shared" else rest.view_as(problem.item_factor)


def _start(problem: Problem) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, ...]]:
    """Adam's state before the first step, and what the loss reads: embedded sequences, or queries if E moves."""
    theta = problem.theta.clone().requires_grad_()
    factor, queries = problem.item_factor, problem.queries
    inputs = queries if problem.regime == "fresh" else tuple(soft_embeddings(q, factor, factor) for q in queries)
    return (theta, torch.zeros_like(theta), torch.zeros_like(theta)), inputs


def _loss(problem: Problem, step: int, theta: Tensor, read: Tensor, predict: Tensor) -> Tensor:
    """Soft cross-entropy without P: logsumexp(h E^T) - h . (P E)."""
    parameters, embedding = _split(problem, theta)
    at = problem.positions[step - 1]
    targets = predict if at is None else predict.take_along_dim(at, 1)
    if problem.regime == "fresh":
        # Written out: the library's attention leaves out the derivatives that only an unrolled graph would need.
        read, targets = ((q @ problem.item_factor.T).softmax(-1) @ embedding for q in (read, targets))
    states = functional_call(problem.learner, parameters, (read, problem.mask))
    states = states if at is None else states.take_along_dim(at, 1)
    return ((states @ embedding.T).logsumexp(-1) - (states * targets).sum(-1)).mean()


def _adam_step(
    problem: Problem, step: int, theta: Tensor, m: Tensor, v: Tensor, read: Tensor, predict: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One inner step, with a graph."""
    (gradient,) = torch.autograd.grad(_loss(problem, step, theta, read, predict), theta, create_graph=True)
    m = RULE.beta1 * m + (1 - RULE.beta1) * gradient
    v = RULE.beta2 * v + (1 - RULE.beta2) * gradient.square()
    # The square root has no derivative at 0; a parameter that never had a gradient takes 0 there.
    moved = v > 0
    root = torch.where(moved, torch.where(moved, v / (1 - RULE.beta2**step), 1.0).sqrt(), 0.0)
    return theta - RULE.learning_rate / (1 - RULE.beta1**step) * m / (root + RULE.eps), m, v
