"""Float32 tensors in safetensors files, in a byte a number where that loses nothing.

A tensor `name` is F32; or its codes are I8 under that name, and the exponents of its blocks I8 under `name.exponents`
(`block_floats`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqdistill.artifacts.manifest import TensorEntry
from seqdistill.artifacts.tensors import Shapes
from seqdistill.errors import SeqDistillError

if TYPE_CHECKING:
    from torch import Tensor

EXPONENTS = ".exponents"


def compacted(tensors: "Mapping[str, Tensor]", blocks: Mapping[str, int] | None = None) -> "dict[str, Tensor]":
    """What a file is to hold.

    Args:
        tensors: float32.
        blocks: by name, into how many the last axis is cut; one where it is not said.
    """
    from seqdistill.block_floats import encoded_exactly  # noqa: PLC0415 - see `tensors.read_data`

    held: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        encoded = encoded_exactly(tensor, (blocks or {}).get(name, 1))
        held |= {name: tensor} if encoded is None else {name: encoded.codes, name + EXPONENTS: encoded.exponents}
    return held


def compact_shapes(entries: Mapping[str, TensorEntry], file: Path) -> Shapes:
    """Name -> shape of the tensors that a file holds, before any is read.

    Raises:
        SeqDistillError: if elements are of another type, or exponents do not fit their codes.
    """
    shapes: Shapes = {}
    left = dict(entries)
    for name, entry in entries.items():
        if name.endswith(EXPONENTS):
            continue
        del left[name]
        shape, exponents = tuple(entry.shape), left.pop(name + EXPONENTS, None)
        if exponents is not None and (entry.dtype, exponents.dtype) == ("I8", "I8"):
            _check(shape, tuple(exponents.shape), name, file)
        elif exponents is not None or entry.dtype != "F32":
            held = entry.dtype if exponents is None else f"{entry.dtype} with exponents of {exponents.dtype}"
            raise SeqDistillError(f"{file} holds {held} where F32, or I8 with exponents, must be; it was altered")
        shapes[name] = shape
    if left:
        raise SeqDistillError(f"{file} holds {sorted(left)[0][:80]!r} without what it belongs to; it was altered")
    return shapes


def restored(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Float32 tensors, from what a file of right shapes holds."""
    from seqdistill.block_floats import Blocks, decode  # noqa: PLC0415 - see `tensors.read_data`

    names = [name for name in tensors if not name.endswith(EXPONENTS)]
    return {
        name: decode(Blocks(tensors[name], tensors[name + EXPONENTS])) if name + EXPONENTS in tensors else tensors[name]
        for name in names
    }


def _check(shape: tuple[int, ...], exponents: tuple[int, ...], name: str, file: Path) -> None:
    same_rows = bool(shape) and len(shape) == len(exponents) and shape[:-1] == exponents[:-1]
    if not same_rows or exponents[-1] < 1 or shape[-1] % exponents[-1]:
        raise SeqDistillError(f"{file}: the exponents of {name[:80]!r} do not fit its shape; it was altered")
