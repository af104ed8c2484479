"""Message n of the numbered stream, made from n alone, so that both ends of a connection can make it and compare.

Most messages are small, some large, a few of 5 MiB; some have several parts, empty ones among them. Each carries its
number and a checksum, except the empty ones, which have only their place in the order.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

LARGEST = 5 * 1024 * 1024
_POOL = random.Random(20240229).randbytes(LARGEST)
_VIEW = memoryview(_POOL)


def size_of(number: int) -> int:
    """Return how many bytes the body of a message has."""
    mixed = (number * 2654435761 + 97) & 0xFFFFFFFF
    if number % 25_000 == 7_777:
        return LARGEST - 8
    if number % 2_500 == 1_300:
        return 60_000 + mixed % 500_000
    if number % 100 == 50:
        return 200 + mixed % 20_000
    return mixed % 120


def message(number: int) -> list[bytes]:
    """Return the parts of a message."""
    if number % 50 == 49:
        return [b""]
    size = size_of(number)
    start = (number * 7919) % (LARGEST - size)
    body = _VIEW[start : start + size]
    head = number.to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")
    kind = number % 9
    if kind == 3:
        return [head, b"", bytes(body)]
    if kind == 5:
        return [b"", head + body, b""]
    if kind == 7:
        return [head, *(b"%d" % part for part in range(number % 5)), bytes(body)]
    return [b"".join((head, body))]


def difference(number: int, found: Sequence[bytes]) -> str:
    """Say how a message differs from what message `number` should be, in few words; nothing if it does not."""
    wanted = message(number)
    if list(found) == wanted:
        return ""
    sizes = [len(part) for part in found], [len(part) for part in wanted]
    claims = [int.from_bytes(part[:4], "big") for part in found if len(part) >= 8][:1]
    return f"message {number}: parts of {sizes[0]} bytes where {sizes[1]} were due; it says it is number {claims}"


def number_of(found: Sequence[bytes]) -> int:
    """Return the number in a message that has one and is what it should be."""
    number = next(int.from_bytes(part[:4], "big") for part in found if len(part) >= 8)
    wrong = difference(number, found)
    if wrong:
        raise AssertionError(wrong)
    return number
