"""Thrift's compact protocol, as far as parquet's metadata need it, within bounds.

A structure becomes field number -> value; lists become lists, and what has no number in parquet's own description is
never asked for. (Thrift compact protocol specification; parquet-format, `parquet.thrift`.)
"""

from typing import Any

STOP, TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
WHOLE = range(BYTE + 1, DOUBLE)
"""16, 32 and 64 bits."""

MAX_DEPTH = 12
MAX_VARINT_BYTES = 10

Fields = dict[int, Any]


class MalformedError(ValueError):
    """The bytes are no such structure."""


class Reader:
    """Reads structures from bytes.

    Args:
        data: the bytes; nothing beyond them is touched.
        at: where to begin.
    """

    def __init__(self, data: memoryview, at: int = 0) -> None:
        self.data = data
        self.at = at

    def struct(self, depth: int = 0) -> Fields:
        """The structure that begins here.

        Raises:
            MalformedError: if there is none.
        """
        if depth > MAX_DEPTH:
            raise MalformedError("nested too deep")
        fields: Fields = {}
        number = 0
        while (head := self._byte()) != STOP:
            kind, delta = head & 15, head >> 4
            number = number + delta if delta else self._zigzag()
            if number in fields:
                raise MalformedError(f"field {number} stands twice")
            fields[number] = kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:  # noqa: ANN401 - as the bytes have it
        if kind in WHOLE:
            return self._zigzag()
        if kind == BINARY:
            return self.take(self.varint())
        if kind in (LIST, SET):
            return self._list(depth)
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (BYTE, TRUE, FALSE):
            return self._byte()
        if kind == DOUBLE:
            return self.take(8)
        raise MalformedError(f"a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise MalformedError("nested too deep")
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self.varint()
        if count > len(self.data) - self.at:
            raise MalformedError("a list longer than its bytes")
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise MalformedError("it ends early")
        value = self.data[self.at]
        self.at += 1
        return value

    def varint(self) -> int:
        """A whole number in groups of seven bits, the lowest first."""
        value = 0
        for place in range(MAX_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                return value
        raise MalformedError("a number without an end")

    def _zigzag(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.data) - self.at:
            raise MalformedError("it ends early")
        self.at += count
        return bytes(self.data[self.at - count : self.at])
