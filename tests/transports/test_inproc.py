"""The names of one context, and who waits for one."""

from __future__ import annotations

import pytest

from mqbridge.transports.inproc import Names


@pytest.fixture
def names() -> Names:
    return Names()


def test_a_name_has_one_owner(names: Names) -> None:
    first, second = object(), object()
    assert names.bind("x", first) == []
    assert names.bind("x", second) is None
    assert names.bind("x", first) is None
    assert names.bound == {"x": first}


def test_names_are_told_apart(names: Names) -> None:
    first, second = object(), object()
    assert names.bind("x", first) == []
    assert names.bind("X", second) == []
    assert names.bind("x ", second) == []
    assert names.bound["x"] is first


def test_a_freed_name_can_be_had_by_another(names: Names) -> None:
    first, second = object(), object()
    names.bind("x", first)
    assert names.unbind("x", first)
    assert names.bound == {}
    assert names.bind("x", second) == []
    assert names.bound["x"] is second


def test_only_the_owner_frees_its_name(names: Names) -> None:
    first, second = object(), object()
    names.bind("x", first)
    assert not names.unbind("x", second)
    assert not names.unbind("y", first)
    assert names.bound == {"x": first}
    assert names.unbind("x", first)
    assert not names.unbind("x", first)
    # Who had it before has lost it, also after it was given to another.
    names.bind("x", second)
    assert not names.unbind("x", first)
    assert names.bound == {"x": second}


class Owner:
    """An owner that is equal to any other: owners are told apart by identity."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def test_owners_are_told_apart_by_identity(names: Names) -> None:
    first, second = Owner(), Owner()
    names.bind("x", first)
    assert not names.unbind("x", second)
    assert names.unbind("x", first)


def test_who_waits_is_given_out_once_in_the_order_of_coming(names: Names) -> None:
    waiters = [object(), object(), object()]
    for waiter in waiters:
        names.wait("x", waiter)
    names.wait("y", object())
    owner = object()
    found = names.bind("x", owner)
    assert found is not None
    assert [id(waiter) for waiter in found] == [id(waiter) for waiter in waiters]
    names.unbind("x", owner)
    assert names.bind("x", owner) == []


def test_a_refused_bind_gives_out_nobody(names: Names) -> None:
    names.bind("x", object())
    waiter = object()
    # A connection that waits for a name that is taken: nobody does this, and it is not lost.
    names.wait("x", waiter)
    assert names.bind("x", object()) is None
    names.forget("x", waiter)


def test_who_is_forgotten_is_not_given_out(names: Names) -> None:
    stays, goes = object(), object()
    names.wait("x", goes)
    names.wait("x", stays)
    names.forget("x", goes)
    assert names.bind("x", object()) == [stays]


def test_the_last_one_forgotten_leaves_nothing(names: Names) -> None:
    first, second = object(), object()
    names.wait("x", first)
    names.wait("x", second)
    names.forget("x", first)
    names.forget("x", second)
    assert names.bind("x", object()) == []


def test_forgetting_one_that_does_not_wait_changes_nothing(names: Names) -> None:
    stays = object()
    names.forget("x", object())
    names.wait("x", stays)
    names.forget("x", object())
    names.forget("y", stays)
    assert names.bind("x", object()) == [stays]


def test_one_connection_waits_as_often_as_it_says(names: Names) -> None:
    waiter = object()
    names.wait("x", waiter)
    names.wait("x", waiter)
    names.forget("x", waiter)
    assert names.bind("x", object()) == [waiter]


def test_who_binds_or_waits_holds_the_lock_and_the_others_take_it(names: Names) -> None:
    owner, waiter = object(), object()
    with names.lock:
        # These would deadlock if they took it, too.
        names.wait("x", waiter)
        assert names.bind("x", owner) == [waiter]
        assert names.lock.locked()
    assert names.unbind("x", owner)
    names.wait("x", waiter)
    names.forget("x", waiter)
    assert not names.lock.locked()
    with pytest.raises(TypeError):
        names.unbind([], owner)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        names.forget([], owner)  # type: ignore[arg-type]
    assert not names.lock.locked()


def test_two_contexts_share_no_names() -> None:
    one, other = Names(), Names()
    assert one.bind("x", object()) == []
    assert other.bound == {}
    assert other.bind("x", object()) == []
