"""Safetensors files, whose claims are checked before memory is given to them.

A file is 8 bytes with the length of a header, little end first; the header, JSON that names each tensor's element
type, shape and range of bytes; and the bytes, without gaps.
"""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NamedTuple, Protocol, cast

from pydantic import Field

from seqdistill.artifacts.documents import MAX_DOCUMENT_BYTES, parse_json
from seqdistill.artifacts.manifest import MAX_NAME, MAX_TOTAL_BYTES, Strict, TensorEntry, validated
from seqdistill.errors import SeqDistillError

if TYPE_CHECKING:
    from torch import Tensor

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8}
ITEM_BYTES.update({"U32": 4, "U16": 2, "U8": 1, "BOOL": 1})
TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""How a pickle begins, and the zip archive in which `torch.save` puts one."""

Shapes = dict[str, tuple[int, ...]]


class Digest(Protocol):
    """What `hashlib` gives."""

    def update(self, data: memoryview | bytes, /) -> None:
        """More bytes."""
        ...


class _Placed(TensorEntry):
    """A tensor as the header has it."""

    data_offsets: Annotated[list[Annotated[int, Field(ge=0, le=MAX_TOTAL_BYTES)]], Field(min_length=2, max_length=2)]


class _Header(Strict):
    tensors: dict[Annotated[str, Field(max_length=MAX_NAME)], _Placed]
    metadata: dict[str, str]


class Header(NamedTuple):
    """The beginning of a safetensors file.

    Attributes:
        raw: its bytes, with the length.
        tensors: name -> element type and shape, in the order in which they lie in the file.
    """

    raw: bytes
    tensors: dict[str, TensorEntry]


def read_header(stream: BinaryIO, size: int, file: Path) -> Header:
    """The header of a safetensors file of `size` bytes, true to itself and to that size.

    Raises:
        SeqDistillError: if it is none, or claims what cannot be.
    """
    start = _exactly(stream, min(8, size), file)
    length = int.from_bytes(start, "little")
    # As a length, the beginning of a pickle may be a small number, but then zeros follow.
    if start.startswith(PICKLES) and (len(start) < 8 or length > min(size - 8, MAX_DOCUMENT_BYTES)):
        raise SeqDistillError(
            f"{file} is a pickle, such as torch.save writes, and reading one may run code; it was not opened:"
            " artifacts hold safetensors only"
        )
    if len(start) < 8 or length > size - 8:
        raise SeqDistillError(f"{file} is no safetensors file, or was cut short; restore it")
    if length > MAX_DOCUMENT_BYTES:
        raise SeqDistillError(f"{file} has a header of {length:,} bytes, more than {MAX_DOCUMENT_BYTES:,}; restore it")
    raw = _exactly(stream, length, file)
    content = parse_json(raw, file)
    if not isinstance(content, dict):
        raise SeqDistillError(f"{file} is no safetensors file: its header is no object; restore it")
    tensors = cast("dict[str, Any]", content)
    metadata = tensors.pop("__metadata__", {})
    header = validated(_Header, {"tensors": tensors, "metadata": metadata}, file)
    placed = sorted(header.tensors.items(), key=lambda pair: pair[1].data_offsets)
    reached = 0
    for name, entry in placed:
        begin, end = entry.data_offsets
        item = ITEM_BYTES[entry.dtype]
        if begin != reached or end - begin != math.prod(entry.shape) * item or begin % item:
            raise SeqDistillError(f"{file}: the bytes of tensor {name[:80]!r} do not fit its shape or its neighbours")
        reached = end
    if reached != size - 8 - length:
        raise SeqDistillError(f"{file}: its tensors take {reached:,} bytes, and it has {size - 8 - length:,} for them")
    return Header(start + raw, {name: TensorEntry(dtype=entry.dtype, shape=entry.shape) for name, entry in placed})


def read_data(stream: BinaryIO, header: Header, digest: Digest, file: Path) -> "dict[str, Tensor]":
    """The tensors behind a header; the digest is told all bytes of the file.

    Each has memory of its own, where torch would have put it: sums of floats depend on where in memory they begin.

    Raises:
        SeqDistillError: if the file ends early, or the tensors do not fit into memory.
    """
    # Not at the top: a folder of other files, such as a prepared log, is read without waiting for torch.
    import torch  # noqa: PLC0415

    digest.update(header.raw)
    tensors: dict[str, Tensor] = {}
    for name, entry in header.tensors.items():
        dtype: torch.dtype = getattr(torch, TORCH_NAMES[entry.dtype])
        try:
            tensor = torch.empty(entry.shape, dtype=dtype)
        except RuntimeError as error:
            raise SeqDistillError(f"{file}: no memory for a tensor of {entry.shape}; free some") from error
        if tensor.numel() > 0:
            target = memoryview(cast("Any", tensor.view(-1).view(torch.uint8).numpy()))
            _fill(stream, target, file)
            digest.update(target)
        tensors[name] = tensor
    return tensors


def not_finite(tensors: "Mapping[str, Tensor]") -> str | None:
    """The name of a tensor with a number that is not finite; None where there is none."""
    for name, tensor in tensors.items():
        # NaN and both infinities show in the extremes, which take no memory.
        if (
            tensor.is_floating_point()
            and tensor.numel() > 0
            and not all(bool(extreme.isfinite()) for extreme in tensor.aminmax())
        ):
            return name
    return None


def declared(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:
    """What a manifest says about the tensors of a file."""
    names = {torch_name: name for name, torch_name in TORCH_NAMES.items()}
    return {
        name: {"dtype": names[str(tensor.dtype).removeprefix("torch.")], "shape": list(tensor.shape)}
        for name, tensor in sorted(tensors.items())
    }


def write_tensors(tensors: "Mapping[str, Tensor]", file: Path) -> None:
    """Write a safetensors file.

    Raises:
        OSError: if it cannot be written.
    """
    import safetensors.torch  # noqa: PLC0415

    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    try:
        safetensors.torch.save_file(plain, file)
    except safetensors.SafetensorError as error:
        raise OSError(str(error)) from error


def _exactly(stream: BinaryIO, count: int, file: Path) -> bytes:
    data = bytearray(count)
    _fill(stream, memoryview(data), file)
    return bytes(data)


def _fill(stream: BinaryIO, target: memoryview, file: Path) -> None:
    done = 0
    while done < len(target):
        try:
            # A single call reads at most 2 GiB.
            count: int = cast("io.RawIOBase", stream).readinto(target[done : done + (1 << 30)]) or 0
        except OSError as error:
            raise SeqDistillError(f"cannot read {file}: {error.strerror}") from error
        if not count:
            raise SeqDistillError(f"{file} ends early; restore it")
        done += count
