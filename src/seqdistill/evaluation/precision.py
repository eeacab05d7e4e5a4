"""The item factor in more or fewer bits: what it weighs, and what comes back."""

from torch import Tensor

from seqdistill import block_floats
from seqdistill.config import Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")


def rounded(item_factor: Tensor, precision: Precision) -> Tensor:
    """The item factor [num_items, d3] after storing it, in float32."""
    if precision == "float16":
        return item_factor.half().float()
    return item_factor if precision == "float32" else block_floats.rounded(item_factor)


def row_bytes(width: int, precision: Precision) -> int:
    """Bytes of so many numbers that share the power of two of `block_floats`, if that is how they are stored."""
    return {"float32": 4 * width, "float16": 2 * width, "int8": width + 1}[precision]
