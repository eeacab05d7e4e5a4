# pyright: basic
"""Mutations of files: of their bytes, of the words in them, and of JSON values in their places."""

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

EXTREMES = [0, 1, 127, 128, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]

WORDS = [
    *(str(number).encode() for number in EXTREMES),
    *(b"-1", b"-0", b"1e400", b"1e-400", b"NaN", b"Infinity", b"0x" + b"f" * 5000, b"9" * 5000, b"0.1", b"1_0"),
    *(b"null", b"true", b"none", b"[]", b"{}", b'""', b"[[[[", b"[" * 3000, b'{"a":' * 2000, b"a." * 3000 + b"b=1\n"),
    *(b'"../../etc/passwd"', b'"/"', b'"\\u0000"', b'"\\ud800"', b"\xff\xfe", b"\x1b[2J", b"1979-05-27T07:32:00Z"),
    *(b'"F32"', b'"F64"', b'"BOOL"', b'"__metadata__"', b'"files"', b'"os:system"', b'"4GiB"', b'"inf"'),
]

NASTY: list[Any] = [
    *EXTREMES,
    *(
        -1,
        -(2**63),
        0.5,
        1e300,
        -0.0,
        True,
        False,
        None,
        "",
        " ",
        "0",
        "-1",
        "NaN",
        "\0",
        "\ud800",
        "\x1b[2J",
        "a" * 3000,
    ),
    *("..", "../x", "/etc/passwd", "a/b", ".hidden", "manifest.json", "item_ids.parquet", "con", "x" * 200),
    *([], {}, [[]], [None], [-1], [1, 2, 3], [2**62, 2**62], {"": {}}, {"name": None}, "F64", "os:system", "gru4rec"),
]

WORD = re.compile(rb"[A-Za-z0-9_.+-]+|\"[^\"]*\"")


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """One to four small changes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        choice = rng.randrange(7)
        if choice == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif choice == 1:
            del changed[at : at + rng.choice([1, 2, 8, 64])]
        elif choice == 2:
            changed[at:at] = rng.randbytes(rng.choice([1, 2, 8]))
        elif choice == 3:
            size = rng.choice([1, 2, 4, 8])
            changed[at : at + size] = (rng.choice(EXTREMES) % 256**size).to_bytes(size, "little")
        elif choice == 4:
            begin = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[begin : begin + rng.randint(1, 40)]
        elif choice == 5:
            del changed[at:]
        else:
            changed = bytearray(_other_word(bytes(changed), rng))
    return bytes(changed)


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """One to three values of a document replaced, removed, renamed or moved."""
    document: Any = json.loads(data)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(document))
        if not places:
            break
        holder, key = rng.choice(places)
        choice = rng.randrange(6)
        if choice <= 2:
            holder[key] = copy.deepcopy(rng.choice(NASTY))
        elif choice == 3:
            del holder[key]
        elif choice == 4:
            other, there = rng.choice(places)
            holder[key] = json.loads(json.dumps(other.get(there) if isinstance(other, dict) else None))
        elif isinstance(holder, dict):
            holder[str(rng.choice(NASTY))[:300]] = holder[key]
    return json.dumps(document).encode()


def splice(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    one, other = rng.choice(seeds), rng.choice(seeds)
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]


def _other_word(data: bytes, rng: random.Random) -> bytes:
    found = list(WORD.finditer(data))
    if not found:
        return data + rng.choice(WORDS)
    word = rng.choice(found)
    return data[: word.start()] + rng.choice(WORDS) + data[word.end() :]


def _places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Every container with each of its keys, all the way down."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]
