"""Objects known as long as somebody else holds them, also while several threads make new ones."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class WeakCollection(Generic[T]):
    """What a WeakSet is for, but it may be gone through while other threads add to it; then a WeakSet raises.

    Objects are told apart by identity.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[int, T] = weakref.WeakValueDictionary()

    def add(self, known: T) -> None:
        """Know this one from now on."""
        self._known[id(known)] = known

    def __contains__(self, wanted: object) -> bool:
        return self._known.get(id(wanted)) is wanted

    def __iter__(self) -> Iterator[T]:
        """Go through those that are there now, in the order in which they came."""
        # One step of the interpreter's, which no other thread gets in between.
        for reference in self._known.valuerefs():
            known = reference()
            if known is not None:
                yield known

    def __len__(self) -> int:
        return sum(1 for _ in self)
