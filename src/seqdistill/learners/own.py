"""A user's own module as a learner.

Such a module needs no base class. Its class is constructed as `Class(dim, length, **options)`, and its
`forward(embedded, mask)` returns one state per position (see `Learner.forward`). Beyond that it may have

- a `view`, "causal" if there is none;
- a third argument `at` of `forward`; without it, the states asked for are gathered from all of them;
- an argument `dropout` of the constructor;
- an `item_rms`, a `late_starts` and an `output_scale` (see `Learner`), None, 0 and () if there are none;
- `reset_parameters`; without it, drawing the parameters anew means constructing the module anew.
"""

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from seqdistill.errors import SeqDistillError
from seqdistill.learners.base import VIEWS, Learner, View


class OwnLearner(Learner):
    """Wraps a module that is not a `Learner`.

    Args:
        module: the module, with attributes `dim` and `length` unless they are given.
        make: constructs another one with new parameters; None where there is no way to.
        dim: width of the embedded items and of the states.
        length: most positions the module reads.
    """

    def __init__(
        self,
        module: nn.Module,
        make: Callable[[], nn.Module] | None = None,
        *,
        dim: int | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self._make = make
        self.dim = _size(module, "dim", dim)
        self.length = _size(module, "length", length)
        self.view = _view(module)
        self.mask_ratio = getattr(module, "mask_ratio", Learner.mask_ratio)
        self.item_rms = _item_rms(module)
        self.late_starts = _late_starts(module)
        self.output_scale = tuple(f"module.{name}" for name in _output_scale(module))
        self._takes_at = "at" in inspect.signature(module.forward).parameters
        if self.view == "masked" and not self._takes_at:
            raise SeqDistillError(f"{_name(module)} has the view `masked`, so its forward must take `at`")

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        """See `Learner.forward`."""
        if self._takes_at:
            return self.module(embedded, mask, at=at)
        states: Tensor = self.module(embedded, mask)
        return states if at is None else states.take_along_dim(at[..., None], 1)

    def reset_parameters(self) -> None:
        """The module's own way to draw its parameters anew, or a new module's parameters."""
        own = getattr(self.module, "reset_parameters", None)
        if own is not None:
            own()
        elif self._make is not None:
            self.module.load_state_dict(self._make().state_dict())
        else:
            raise SeqDistillError(f"{_name(self.module)} needs a method reset_parameters to be trained more than once")


def as_learner(module: nn.Module) -> Learner:
    """A module as a learner: itself if it is one, else wrapped.

    Raises:
        SeqDistillError: if it lacks what a learner needs.
    """
    return module if isinstance(module, Learner) else OwnLearner(module)


def build_own(reference: str, *, dim: int, length: int, dropout: float, options: dict[str, Any]) -> Learner:
    """Construct the class that `package.module:Class` names.

    The module is looked for among installed packages and in the working directory.

    Raises:
        SeqDistillError: if there is no such class, or it cannot be constructed.
    """
    cls = _load(reference)
    keywords = dict(options)
    if "dropout" in inspect.signature(cls).parameters:
        keywords.setdefault("dropout", dropout)

    def make() -> nn.Module:
        try:
            return cls(dim, length, **keywords)
        except (TypeError, ValueError) as error:
            given = "".join(f", {name}={value!r}" for name, value in keywords.items())
            raise SeqDistillError(f"{reference} cannot be constructed as ({dim}, {length}{given}): {error}") from error

    module = make()
    return module if isinstance(module, Learner) else OwnLearner(module, make, dim=dim, length=length)


def _load(reference: str) -> type[nn.Module]:
    package, _, path = reference.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        found: object = importlib.import_module(package)
        for part in path.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise SeqDistillError(f"learner {reference}: cannot import {package}: {error}") from error
    except AttributeError as error:
        raise SeqDistillError(f"learner {reference}: {error}") from error
    finally:
        sys.path.remove(here)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise SeqDistillError(f"learner {reference} is no torch.nn.Module class")
    return found


def _size(module: nn.Module, name: str, given: int | None) -> int:
    value = getattr(module, name, given)
    if not isinstance(value, int):
        raise SeqDistillError(f"{_name(module)} needs an attribute `{name}`, a whole number")
    return value


def _view(module: nn.Module) -> View:
    view = getattr(module, "view", Learner.view)
    if view not in VIEWS:
        raise SeqDistillError(f"{_name(module)} has the view {view!r}; it must be one of {', '.join(VIEWS)}")
    return view


def _item_rms(module: nn.Module) -> float | None:
    wanted = getattr(module, "item_rms", Learner.item_rms)
    if wanted is not None and not (isinstance(wanted, int | float) and 0.0 < wanted < math.inf):
        raise SeqDistillError(f"{_name(module)} has the item_rms {wanted!r}; it must be a number above 0, or None")
    return wanted


def _late_starts(module: nn.Module) -> float:
    share = getattr(module, "late_starts", Learner.late_starts)
    if not (isinstance(share, int | float) and 0.0 <= share <= 1.0):
        raise SeqDistillError(f"{_name(module)} has the late_starts {share!r}; it must be a probability, in 0..1")
    return share


def _output_scale(module: nn.Module) -> tuple[str, ...]:
    names: object = getattr(module, "output_scale", Learner.output_scale)
    known = dict(module.named_parameters())
    if not isinstance(names, tuple | list):
        raise SeqDistillError(f"{_name(module)} has the output_scale {names!r}; it must be names of its parameters")
    for name in cast("Sequence[object]", names):
        if name not in known:
            raise SeqDistillError(
                f"{_name(module)} names {name!r} in output_scale, which is none of its parameters: {', '.join(known)}"
            )
    return tuple(cast("Sequence[str]", names))


def _name(module: nn.Module) -> str:
    return type(module).__name__
