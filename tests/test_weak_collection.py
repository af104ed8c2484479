"""Objects that are known and not held."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from mqbridge.weak_collection import WeakCollection


class Thing:
    """Equal to all others, as something that defines `__eq__` might be."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_it_knows_who_is_there_in_their_order() -> None:
    known: WeakCollection[Thing] = WeakCollection()
    things = [Thing() for _ in range(5)]
    for thing in things:
        known.add(thing)
    known.add(things[0])
    assert len(known) == 5
    assert all(mine is thing for mine, thing in zip(known, things, strict=True))
    assert things[3] in known
    assert Thing() not in known


def test_it_holds_nobody() -> None:
    known: WeakCollection[Thing] = WeakCollection()
    one, other = Thing(), Thing()
    known.add(one)
    known.add(other)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert [thing is other for thing in known] == [True]
    del other
    gc.collect()
    assert len(known) == 0


def test_who_goes_or_comes_while_it_is_gone_through() -> None:
    known: WeakCollection[Thing] = WeakCollection()
    things = [Thing() for _ in range(10)]
    for thing in things:
        known.add(thing)
    del thing
    seen = 0
    for _ in known:
        seen += 1
        if seen == 5:
            del things[7:]
            things.append(Thing())
            known.add(things[-1])
    assert seen == 7
    assert len(known) == 8


def test_a_weak_set_would_not_do() -> None:
    """Else there would be no need of this; `list(weak_set)`, too, is many steps of the interpreter's."""
    things = [object.__new__(type("Made", (), {})) for _ in range(3)]
    known = weakref.WeakSet(things[:2])
    with pytest.raises(RuntimeError, match="changed size"):
        for _ in known:
            known.add(things[2])


def test_threads_add_while_it_is_gone_through(eager_threads: None) -> None:
    known: WeakCollection[Thing] = WeakCollection()
    over = threading.Event()

    def add() -> None:
        things: list[Thing] = []
        while not over.is_set():
            things = [Thing() for _ in range(20)]
            for thing in things:
                known.add(thing)

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(3_000):
            assert all(type(each) is Thing for each in list(known))
    finally:
        over.set()
        thread.join()
    gc.collect()
    assert len(known) == 0
