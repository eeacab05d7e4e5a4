"""Pages of strings in parquet: unpacked, and decoded without belief in anything they say.

(parquet-format: `Encodings.md`; PLAIN, RLE_DICTIONARY and the RLE / bit-packing hybrid.)
"""

import struct
import sys
from itertools import pairwise

import numpy as np
import numpy.typing as npt

if sys.version_info >= (3, 14):
    from compression import zstd as zstandard
else:
    from backports import zstd as zstandard

from seqdistill.artifacts.thrift import MalformedError, Reader

MAX_WIDTH = 32

LENGTH = struct.Struct("<I")


class PageError(ValueError):
    """A page that does not hold what it should."""


def unpacked(body: memoryview, size: int, *, zstd: bool) -> memoryview:
    """The content of a page, which must take `size` bytes.

    Raises:
        PageError: if it takes another number, or cannot be unpacked.
    """
    if not zstd:
        content = body
    elif size == 0:
        content = memoryview(b"")
    else:
        try:
            content = memoryview(zstandard.ZstdDecompressor().decompress(body, max_length=size + 1))
        except (zstandard.ZstdError, EOFError) as error:
            raise PageError("a page that cannot be unpacked") from error
    if len(content) != size:
        raise PageError("a page of another size than it says")
    return content


def plain_strings(content: memoryview, count: int) -> list[str]:
    """Strings one after another, each behind the 4 bytes of its length.

    Raises:
        PageError: if they are not just so many, or no text.
    """
    if 4 * count > len(content):
        raise PageError("fewer strings than it says")
    data = bytes(content)
    bounds, at = [0], 0
    try:
        for _ in range(count):
            at += 4 + LENGTH.unpack_from(data, at)[0]
            bounds.append(at)
    except struct.error as error:
        raise PageError("strings of other lengths than it says") from error
    if at != len(data):
        raise PageError("strings of other lengths than it says")
    try:
        return [data[begin + 4 : end].decode() for begin, end in pairwise(bounds)]
    except UnicodeDecodeError as error:
        raise PageError("a string that is no text") from error


def refuse_nulls(content: memoryview, count: int) -> memoryview:
    """What follows the levels of a page, all of which must say that there is a value.

    Raises:
        PageError: if there is a row without one.
    """
    size = int.from_bytes(content[:4], "little")
    if len(content) < 4 or size > len(content) - 4:
        raise PageError("levels that are cut short")
    if not (_hybrid(content[4 : 4 + size], 1, count) == 1).all():
        raise PageError("a row without an id")
    return content[4 + size :]


def dictionary_indices(content: memoryview, count: int, entries: int) -> list[int]:
    """Places in a dictionary of so many entries.

    Raises:
        PageError: if one lies outside.
    """
    width = content[0] if len(content) else 0
    if width > MAX_WIDTH:
        raise PageError("places of too many bits")
    places = _hybrid(content[1:], width, count)
    if count and int(places.max()) >= entries:
        raise PageError("a place outside its dictionary")
    return places.tolist()


def _hybrid(content: memoryview, width: int, count: int) -> npt.NDArray[np.uint32]:
    """`count` numbers of `width` bits: runs of one number, and groups of eight packed ones."""
    values = np.zeros(count, dtype=np.uint32)
    done = 0
    reader = Reader(content)
    try:
        while done < count:
            head = reader.varint()
            if head & 1:
                packed = np.frombuffer(reader.take((head >> 1) * width), dtype=np.uint8)
                bits = np.unpackbits(packed, bitorder="little").reshape(-1, width) if width else np.zeros((count, 0))
                bits = bits[: count - done]
                for place in range(width):
                    values[done : done + len(bits)] |= bits[:, place].astype(np.uint32) << place
                step = len(bits)
            else:
                step = min(head >> 1, count - done)
                values[done : done + step] = int.from_bytes(reader.take((width + 7) // 8), "little") % 2**32
            if step == 0:
                raise PageError("a run of nothing")
            done += step
    except MalformedError as error:
        raise PageError("a page that is cut short") from error
    return values
