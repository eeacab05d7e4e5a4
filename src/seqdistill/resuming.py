"""Long work that can be put down between two steps and taken up again, exactly.

A piece of work tells all that decides its next step as a `Snapshot`, and goes on from one. It offers its state to a
`Keeper` after every step. What is done with it (written now and then, written because the process has been asked to
stop, or nothing) is the keeper's affair, and what is in it is the work's.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that decides the next step of a piece of work.

    Attributes:
        tensors: by name; no two share memory.
        values: the rest, as JSON values.
        where: how far it is, in words: "outer step 12".
        score: of the best result so far, the higher the better; None where there is none.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    values: Json = field(default_factory=dict[str, Any])
    where: str = ""
    score: float | None = None

    @property
    def finished(self) -> bool:
        """Whether it is the outcome of the work, as `Keeper.finish` got it."""
        return self.values.get("finished") is True


class Resumable(Protocol):
    """Work that can be put down and taken up."""

    def state(self) -> Snapshot:
        """All that decides the next step. Tensors may be the work's own: they are copied before it goes on."""
        ...

    def restore(self, kept: Snapshot) -> None:
        """Go on from a state that the same work, set up alike, told."""
        ...


class Keeper(Protocol):
    """Where one piece of work keeps its state."""

    def kept(self) -> Snapshot | None:
        """The state to go on from; None for work that begins."""
        ...

    def offer(self, state: Callable[[], Snapshot]) -> None:
        """Between two steps: the state may be kept.

        Raises:
            Interrupted: after keeping it, if the process has been asked to stop.
            SeqDistillError: if it cannot be written.
        """
        ...

    def finish(self, outcome: Snapshot) -> None:
        """The work is done: keep what it came to, in place of its state.

        Raises:
            Interrupted: as `offer`.
            SeqDistillError: if it cannot be written.
        """
        ...

    def last(self) -> str:
        """Where the last kept state is and what it holds, for messages."""
        ...


class KeepNothing:
    """For work that starts over."""

    def kept(self) -> Snapshot | None:
        """See `Keeper.kept`."""
        return None

    def offer(self, state: Callable[[], Snapshot]) -> None:
        """See `Keeper.offer`."""
        del state

    def finish(self, outcome: Snapshot) -> None:
        """See `Keeper.finish`."""
        del outcome

    def last(self) -> str:
        """See `Keeper.last`."""
        return "no checkpoint was kept"


KEEP_NOTHING = KeepNothing()


class Parts:
    """Pieces of work, one after another, kept together as one larger piece.

    Args:
        keeper: of the larger piece.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._parts: dict[str, Snapshot] = {}
        if (kept := keeper.kept()) is not None:
            with fitting():
                self._parts = {name: part_of(kept, name) for name in kept.values}

    def part(self, name: str) -> Keeper:
        """Where a piece keeps its state, and in the end its outcome."""
        return _Part(self, name)

    def offer(self) -> None:
        """Within a piece that starts over if it is put down: what has been kept may be written; see `Keeper.offer`."""
        self._keeper.offer(self.state)

    def kept(self, name: str) -> Snapshot | None:
        """Where a piece stands."""
        return self._parts.get(name)

    def has(self, name: str) -> bool:
        """Whether a piece is done."""
        kept = self.kept(name)
        return kept is not None and kept.finished

    def keep(self, name: str, state: Callable[[], Snapshot]) -> None:
        """See `Keeper.offer`."""

        def whole() -> Snapshot:
            self._parts[name] = state()
            return self.state()

        self._keeper.offer(whole)

    def finish(self, name: str, outcome: Snapshot) -> None:
        """See `Keeper.finish`."""
        self._parts[name] = outcome
        self._keeper.offer(self.state)

    def state(self) -> Snapshot:
        """All pieces so far."""
        latest = next(reversed(self._parts.items()), None)
        where = "" if latest is None else ", ".join(filter(None, [latest[0], latest[1].where]))
        return dataclasses.replace(with_parts(Snapshot(), self._parts), where=where)

    def last(self) -> str:
        """See `Keeper.last`."""
        return self._keeper.last()


@dataclass(frozen=True)
class _Part:
    """See `Parts.part`."""

    parts: Parts
    name: str

    def kept(self) -> Snapshot | None:
        return self.parts.kept(self.name)

    def offer(self, state: Callable[[], Snapshot]) -> None:
        self.parts.keep(self.name, state)

    def finish(self, outcome: Snapshot) -> None:
        self.parts.finish(self.name, outcome)

    def last(self) -> str:
        return self.parts.last()


def resume(work: Resumable, kept: Snapshot) -> None:
    """`work.restore`, in words where the state is not one of such work.

    Raises:
        SeqDistillError: if it does not fit.
    """
    with fitting():
        work.restore(kept)


@contextmanager
def fitting() -> Generator[None]:
    """Within the block, a state is read.

    Raises:
        SeqDistillError: if it is whole and yet not one of the work at hand.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SeqDistillError(
            f"the checkpoint does not fit this run ({reason}); start over with --overwrite"
        ) from error


def with_parts(whole: Snapshot, parts: Mapping[str, Snapshot]) -> Snapshot:
    """A snapshot with those of its parts in it."""
    tensors = {f"{name}/{key}": t for name, part in parts.items() for key, t in part.tensors.items()}
    values = {name: part.values for name, part in parts.items()}
    return dataclasses.replace(whole, tensors={**whole.tensors, **tensors}, values={**whole.values, **values})


def part_of(whole: Snapshot, name: str) -> Snapshot:
    """The snapshot of a part; see `with_parts`."""
    return Snapshot(under(whole.tensors, name), whole.values[name])


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix/`, without it."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under `prefix/`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and step counts, named by the number of their parameter."""
    state = cast("dict[int, dict[str, Tensor]]", optimiser.state_dict()["state"])
    return {f"{index}/{name}": tensor for index, entry in state.items() for name, tensor in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take moments and step counts over; the optimiser keeps its own constants."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def numpy_state(rng: np.random.Generator) -> Json:
    """The state of a numpy generator as JSON values."""
    return cast("Json", rng.bit_generator.state)


class TorchRandom(NamedTuple):
    """The state of torch's global generators.

    Attributes:
        cpu: uint8.
        cuda: uint8, of the device at work; empty on the CPU.
    """

    cpu: Tensor
    cuda: Tensor

    @classmethod
    def now(cls, device: torch.device) -> "TorchRandom":
        """As it is."""
        on_gpu = device.type == "cuda"
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_gpu else torch.empty(0).byte())

    def restore(self, device: torch.device) -> None:
        """Make it so."""
        torch.set_rng_state(self.cpu)
        if device.type == "cuda" and len(self.cuda) > 0:
            torch.cuda.set_rng_state(self.cuda, device)
