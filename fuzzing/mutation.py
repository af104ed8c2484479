"""A mutation fuzzer of our own, for where atheris is not: seeds, changed at random, the same each time."""

from __future__ import annotations

import random
from collections.abc import Sequence

# What parsers care about.
INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x01\x00",
    b"\x04",
    b"\x02" + b"\xff" * 8,
    b"\x02" + bytes(7) + b"\x10",
    b"\x7f" + b"\xff" * 7,
    bytes(8),
    b"\x07MESSAGE",
    b"\x05READY",
    b"\x05ERROR",
    b"\x09SUBSCRIBE",
    b"\x06CANCEL",
    b"\x04PING",
    b"Socket-Type",
    b"Identity",
)


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with some changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + int(rng.expovariate(0.5))):
        at = rng.randrange(len(data) + 1)
        size = min(len(data) - at, 1 << rng.randrange(7))
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = rng.randbytes(1 + rng.randrange(8))
            case 4:
                data[at:at] = data[at : at + size] * (1 + rng.randrange(4))
            case 5:
                data[at : at + rng.randrange(9)] = rng.choice(INTERESTING)
            case 6:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
            case 7:
                del data[at:]
    return bytes(data)
