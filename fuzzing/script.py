"""A script: bytes that are read from the front to make choices, and what is left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

NO_LIMIT = 1 << 30


class Script:
    """Reads choices from bytes; where they end, everything is 0 or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """Return the next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def choice(self, options: Sequence[T]) -> T:
        """Return one of them."""
        return options[self.byte() % len(options)]

    def piece(self) -> bytes:
        """Return some bytes, whose number, up to 255, comes first."""
        size = self.byte()
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """Return what is left."""
        start, self._at = self._at, len(self._data)
        return self._data[start:]

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)


def packed(*choices: int | bytes) -> bytes:
    """Return the script of choices (numbers) and pieces (bytes)."""
    return b"".join(bytes((each,)) if isinstance(each, int) else bytes((len(each),)) + each for each in choices)


def pieces(data: bytes, how: int) -> list[bytes]:
    """Cut bytes into what arrives at once: 0 all, 1 byte by byte, else in pieces of sizes that follow from `how`."""
    if how == 0:
        return [data]
    if how == 1:
        return [data[at : at + 1] for at in range(len(data))]
    found = []
    at = 0
    while at < len(data):
        size = 1 + (at * 7919 + how * 104729) % (how * 3)
        found.append(data[at : at + size])
        at += size
    return found


def dice(name: str) -> Callable[[int], bytes]:
    """Return a source of numbers that only look random: the same for the same name, so that a run can be repeated."""
    rolled = 0

    def roll(size: int) -> bytes:
        nonlocal rolled
        rolled += 1
        return hashlib.sha512(f"{name} {rolled}".encode()).digest()[:size]

    return roll
