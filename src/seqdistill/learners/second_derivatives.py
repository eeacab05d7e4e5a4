"""Whether a module has second derivatives, and if not, which of its layers lacks them.

They are compared with differences of first ones, because some operations have a wrong second derivative and say
nothing. Where one is missing or wrong, every submodule is tried on the inputs it got, and the innermost that fails is
named.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

STEP = 1e-3
TOLERANCE = 0.02
"""Relative error allowed to differences over STEP to both sides; wide enough for layers in single precision."""

HINTS = {
    "attention": "fused attention has none, so write it out: softmax(Q K^T / sqrt(d)) V",
    "trilinear": "fused attention has none, so write it out: softmax(Q K^T / sqrt(d)) V",
    "cudnn": "cuDNN's recurrent kernels have none",
    "rnn": "fused recurrent kernels have none on some devices, so write the recurrence out",
}


def find_fault(module: nn.Module, inputs: Sequence[Any], root: nn.Module) -> str | None:
    """The innermost layer without (right) second derivatives by its parameters and inputs, and why; None if none is.

    Args:
        module: in evaluation mode and double precision.
        inputs: what its forward is called with.
        root: the module as the user knows it, which may be inside.
    """
    fault = _fault(module, inputs, {})
    if fault is None:
        return None
    place = f"the forward of {type(root).__name__} itself"
    for name, layer, args, kwargs in _calls_inside(module, inputs):
        inner = _fault(layer, args, kwargs) if layer is not root else None
        if inner is not None:
            place, fault = f"layer {name} ({type(layer).__name__})", inner
            break
    hint = next((text for word, text in HINTS.items() if word in fault.lower()), "write it with other operations")
    return f"{place}: {fault}; {hint}"


Call = tuple[str, nn.Module, Sequence[Any], Mapping[str, Any]]


def _calls_inside(module: nn.Module, inputs: Sequence[Any]) -> list[Call]:
    """The first call of each submodule, the innermost submodules first."""
    calls: dict[str, Call] = {}
    inside = cast("list[tuple[str, nn.Module]]", [*module.named_modules()][1:])
    hooks: list[Any] = []
    for name, layer in inside:

        def remember(layer: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], name: str = name) -> None:
            calls.setdefault(name, (name.removeprefix("module."), layer, args, kwargs))

        hooks.append(layer.register_forward_pre_hook(remember, with_kwargs=True))
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return [calls[name] for name in sorted(calls, key=lambda name: -name.count("."))]


def _fault(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """What is wrong with the second derivative along a random direction; None if nothing."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    # Arguments come by position or by name, and only those of floating point vary.
    arguments: dict[int | str, Any] = {**dict(enumerate(args)), **kwargs}
    inputs: dict[int | str, Tensor] = {
        key: value.detach()
        for key, value in arguments.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    origin: list[Tensor] = [*parameters.values(), *inputs.values()]
    direction = [torch.randn_like(value) for value in origin]
    weights: list[Tensor] = []

    def loss(point: Sequence[Tensor]) -> Tensor:
        given = dict(zip(parameters, point[: len(parameters)], strict=True))
        passed = arguments | dict(zip(inputs, point[len(parameters) :], strict=True))
        by_position = tuple(passed[index] for index in range(len(args)))
        outputs = _tensors(functional_call(module, given, by_position, {name: passed[name] for name in kwargs}))
        if not weights:
            weights.extend(torch.randn_like(output) for output in outputs)
        # The square gives a second derivative to what is linear.
        return _sum([(w * output + output.square()).sum() for w, output in zip(weights, outputs, strict=True)])

    def gradient(step: float) -> list[Tensor]:
        point = [(value + step * d).requires_grad_() for value, d in zip(origin, direction, strict=True)]
        return _gradients(loss(point), point)

    point = [value.clone().requires_grad_() for value in origin]
    try:
        first = _gradients(loss(point), point, create_graph=True)
        second = _gradients(_sum([(g * d).sum() for g, d in zip(first, direction, strict=True)]), point)
    except (RuntimeError, NotImplementedError) as error:
        return str(error).strip().splitlines()[0].rstrip(".")
    measured = [(ahead - behind) / (2 * STEP) for ahead, behind in zip(gradient(STEP), gradient(-STEP), strict=True)]
    scale = max((_norm(m) for m in measured), default=0.0)
    wrong = [_norm(s - m) > TOLERANCE * scale for s, m in zip(second, measured, strict=True)]
    return "its second derivative is not the derivative of its first" if any(wrong) else None


def _gradients(loss: Tensor, point: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Gradients, zero where there is no path."""
    if not loss.requires_grad:
        return [torch.zeros_like(p) for p in point]
    found = cast(
        "tuple[Tensor | None, ...]",
        torch.autograd.grad(loss, tuple(point), create_graph=create_graph, allow_unused=True),
    )
    pairs = zip(found, point, strict=True)
    return [torch.zeros_like(where) if gradient is None else gradient for gradient, where in pairs]


def _norm(values: Tensor) -> float:
    return float(values.square().sum().sqrt())


def _sum(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum() if terms else torch.zeros(())


def _tensors(output: object) -> list[Tensor]:
    """The floating-point tensors of what a module returns."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, dict):
        output = tuple(cast("dict[object, object]", output).values())
    elif hasattr(output, "__dataclass_fields__"):
        output = tuple(vars(output).values())
    if isinstance(output, (tuple, list)):
        return [tensor for part in cast("tuple[object, ...]", output) for tensor in _tensors(part)]
    return []
