"""An inner step compiled: free of autograd's and the interpreter's cost, its small operations fused.

`torch.compile` refuses to differentiate twice. But an inner step and its adjoint are pure functions of tensors, and
traced once with their derivatives in them they are plain graphs of operations, which it takes like any other. The loops
over the catalogue stay operations of their own (see `attention`). What is fused rounds differently, so a compiled run
and an uncompiled one agree as two orders of summation do.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from seqdistill.attention import Memo
from seqdistill.distillation.adam import AdamState
from seqdistill.distillation.inner import Draw, Inputs
from seqdistill.distillation.step import InnerStep, Step
from seqdistill.errors import SeqDistillError

WORTHWHILE_STEPS = 10_000
"""Differentiated inner steps from which on generated code has won back the time it took to generate."""

MAX_OPERATIONS = 5_000
"""Longest trace that `auto` generates code for, which takes the longer the longer the trace is."""

Function = Callable[..., list[Tensor]]


def compile_step(step: InnerStep, *, steps: int, wish: Literal["auto", "always", "never"]) -> Step:
    """A compiled step, where that is wished for, or worthwhile and possible.

    Args:
        step: to be compiled.
        steps: differentiated inner steps it will be used for.
        wish: "auto" leaves the step as it is if it does not pay or does not work.

    Raises:
        SeqDistillError: if it must be compiled and cannot.
    """
    objective = step.objective
    if wish == "never" or (wish == "auto" and steps < WORTHWHILE_STEPS):
        return step
    rng = torch.Generator().manual_seed(0)
    item_factor = objective.model.item_factor
    width = item_factor.shape[1]
    inputs = tuple(item_factor.new_ones(objective.num_sequences, objective.positions, width) for _ in range(2))
    try:
        limit = MAX_OPERATIONS if wish == "auto" else None
        return CompiledStep(step, AdamState.start(objective.model.draw(rng)), inputs, objective.draw(rng), limit=limit)
    except Exception as error:  # Whatever a compiler, or the tracing of a user's module, may say.
        if wish == "auto":
            return step
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SeqDistillError(
            f"the inner step cannot be compiled ({reason}); install a C++ compiler or set distill.compile = never"
        ) from error


class CompiledStep:
    """An `InnerStep` for arguments of fixed shapes; see `step.Step`.

    Args:
        step: to be compiled.
        state: of the shapes to compile for, as the others; values do not matter.
        inputs: the summary.
        draw: as all draws of an objective, it has a shape of its own.
        fuse: whether to generate code, which takes a minute the first time and needs a C++ compiler (on a GPU, Triton);
            if not, the traced operations run one by one.
        limit: most operations a trace may have.

    Raises:
        RuntimeError: if a trace is longer.
    """

    def __init__(
        self,
        step: InnerStep,
        state: AdamState,
        inputs: Inputs,
        draw: Draw,
        *,
        fuse: bool = True,
        limit: int | None = None,
    ) -> None:
        self._step = step
        self._structure = draw
        self._corrections: dict[int, tuple[Tensor, Tensor]] = {}
        _, memo = step.advance(state, 1, inputs, draw)
        self._memo_names = list(memo)
        example = self._arguments(state, 1, inputs, draw)
        self._advance = _compile(self._trace_advance(len(inputs)), example, fuse=fuse, limit=limit)
        # Tracing tells arguments apart by identity, so no tensor may stand for two.
        bar = [torch.ones_like(t) for t in state]
        self._pull_back = _compile(
            self._trace_pull_back(len(inputs)), [*example, *_flat(memo), *bar], fuse=fuse, limit=limit
        )

    def advance(self, state: AdamState, number: int, inputs: Inputs, draw: Draw) -> tuple[AdamState, Memo]:
        """See `Step.advance`."""
        with torch.no_grad():
            after = self._advance(*self._arguments(state, number, inputs, draw))
        return AdamState(*after[:3]), self._memo(after[3:])

    def pull_back(
        self, state: AdamState, number: int, inputs: Inputs, draw: Draw, memo: Memo, bar: AdamState
    ) -> tuple[AdamState, Inputs]:
        """See `Step.pull_back`."""
        with torch.no_grad():
            bars = self._pull_back(*self._arguments(state, number, inputs, draw), *_flat(memo), *bar)
        return AdamState(*bars[:3]), tuple(bars[3:])

    def _trace_advance(self, num_inputs: int) -> Function:
        def advance(*flat: Tensor) -> list[Tensor]:
            state, corrections, inputs, draw, _ = self._structured(flat, num_inputs)
            after, memo = self._step.advance_corrected(state, corrections, inputs, draw)
            return [*after, *_flat(memo)]

        return advance

    def _trace_pull_back(self, num_inputs: int) -> Function:
        def pull_back(*flat: Tensor) -> list[Tensor]:
            state, corrections, inputs, draw, rest = self._structured(flat, num_inputs)
            memo, bar = self._memo(rest[:-3]), AdamState(*rest[-3:])
            before, through_step = self._step.pull_back_corrected(state, corrections, inputs, draw, memo, bar)
            return [*before, *through_step]

        return pull_back

    def _arguments(self, state: AdamState, number: int, inputs: Inputs, draw: Draw) -> list[Tensor]:
        if number not in self._corrections:
            one, two = (state.theta.new_tensor(c) for c in self._step.rule.corrections(number))
            self._corrections[number] = one, two
        return [*state, *self._corrections[number], *inputs, *(t for t in draw if t is not None)]

    def _structured(
        self, flat: Sequence[Tensor], num_inputs: int
    ) -> tuple[AdamState, tuple[Tensor, Tensor], Inputs, Draw, Sequence[Tensor]]:
        rest = iter(flat)
        state, corrections = AdamState(next(rest), next(rest), next(rest)), (next(rest), next(rest))
        inputs = tuple(next(rest) for _ in range(num_inputs))
        draw = Draw(*(cast("Any", None if t is None else next(rest)) for t in self._structure))
        return state, corrections, inputs, draw, list(rest)

    def _memo(self, flat: Sequence[Tensor]) -> Memo:
        return dict(zip(self._memo_names, zip(flat[::2], flat[1::2], strict=True), strict=True))


def _flat(memo: Memo) -> list[Tensor]:
    return [tensor for pair in memo.values() for tensor in pair]


def _compile(function: Function, example: list[Tensor], *, fuse: bool, limit: int | None) -> Function:
    graph = make_fx(function)(*example)
    if limit is not None and len(graph.graph.nodes) > limit:
        raise RuntimeError(f"{len(graph.graph.nodes)} operations are more than {limit}")
    if not fuse:
        return cast("Function", graph)
    compiled = cast("Function", torch.compile(graph, dynamic=False, fullgraph=True))
    with torch.no_grad():
        compiled(*example)
    return compiled
