"""Waiters in order, cancelled or not, with a loop made of lists."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.loops.readiness import POLLIN
from mqbridge.loops.waiters import BUDGET, Waiters


class Turns:
    """A loop whose turns the test makes by hand."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []
        self.watched: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, callback: Callable[[], None]) -> int:
        self.watched[fd] = callback
        return fd

    def unwatch(self, token: int) -> None:
        del self.watched[token]

    def soon(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return callback

    def cancel(self, token: Callable[[], None]) -> None:
        if token in self.callbacks:
            self.callbacks.remove(token)

    def turn(self) -> None:
        for callback in list(self.callbacks):
            callback()

    def edge(self) -> None:
        for callback in list(self.watched.values()):
            callback()


class Sleeper:
    def __init__(self) -> None:
        self.woken = 0
        self.error: Exception | None = None

    def wake(self) -> None:
        self.woken += 1

    def fail(self, error: Exception) -> None:
        self.error = error


@pytest.fixture
def loop() -> Turns:
    return Turns()


@pytest.fixture
def sockets() -> Iterator[tuple[Any, Any]]:
    with mqbridge.Context(0) as context, context.socket(mqbridge.PAIR) as one, context.socket(mqbridge.PAIR) as two:
        one.bind("inproc://waiters")
        two.connect("inproc://waiters")
        yield one, two


def two_wait(loop: Turns, socket: Any) -> tuple[Waiters, Sleeper, Sleeper]:
    """Return a socket's waiters, and two of them that sleep until there is a message."""
    waiters = Waiters(loop, socket)
    first, second = Sleeper(), Sleeper()
    waiters.enter(POLLIN, first)
    waiters.enter(POLLIN, second)
    loop.turn()
    return waiters, first, second


def test_p13_waiters_are_woken_one_by_one_in_their_order(loop: Turns, sockets: tuple[Any, Any]) -> None:
    one, two = sockets
    waiters, first, second = two_wait(loop, one)
    two.send(b"1")
    two.send(b"2")
    loop.edge()
    assert (first.woken, second.woken) == (1, 0)
    assert one.recv(mqbridge.DONTWAIT) == b"1"
    waiters.leave(POLLIN, first)
    loop.turn()
    assert (first.woken, second.woken) == (1, 1)
    waiters.leave(POLLIN, second)
    assert not waiters.waiting(POLLIN)
    waiters.close()
    assert not loop.watched and not loop.callbacks


def test_p17_a_waiter_that_is_woken_and_leaves_without_its_message_passes_the_wake_up_on(
    loop: Turns, sockets: tuple[Any, Any]
) -> None:
    one, two = sockets
    waiters, first, second = two_wait(loop, one)
    two.send(b"1")
    loop.edge()
    waiters.leave(POLLIN, first)
    loop.turn()
    assert second.woken == 1
    waiters.close()


def test_a_waiter_that_met_again_is_woken_again_and_first(loop: Turns, sockets: tuple[Any, Any]) -> None:
    one, two = sockets
    waiters, first, second = two_wait(loop, one)
    two.send(b"1")
    loop.edge()
    assert one.recv(mqbridge.DONTWAIT) == b"1"
    with pytest.raises(mqbridge.Again):
        one.recv(mqbridge.DONTWAIT)
    waiters.again(POLLIN)
    loop.turn()
    assert (first.woken, second.woken) == (1, 0)
    two.send(b"2")
    loop.edge()
    assert (first.woken, second.woken) == (2, 0)
    waiters.close()


def test_p30_all_waiters_fail_when_the_socket_is_closed(loop: Turns, sockets: tuple[Any, Any]) -> None:
    one, _ = sockets
    waiters, first, second = two_wait(loop, one)
    one.close()
    loop.edge()
    assert [sleeper.error.errno for sleeper in (first, second)] == [mqbridge.ENOTSOCK] * 2  # type: ignore[union-attr]
    assert waiters.closed and not loop.watched


def test_p10_a_socket_that_is_closed_while_nobody_waits_is_let_go_of(loop: Turns, sockets: tuple[Any, Any]) -> None:
    one, _ = sockets
    waiters = Waiters(loop, one)
    one.close()
    loop.edge()
    assert waiters.closed and not loop.watched


def test_close_tells_those_who_wait_and_may_be_called_again(loop: Turns, sockets: tuple[Any, Any]) -> None:
    waiters = Waiters(loop, sockets[0])
    sleeper = Sleeper()
    waiters.enter(POLLIN, sleeper)
    error = OSError(errno.ENOTSOCK, "closed")
    waiters.close(error)
    waiters.close(error)
    waiters.leave(POLLIN, sleeper)
    assert sleeper.error is error and not loop.callbacks


def test_p21_the_budget_of_operations_in_a_row(loop: Turns, sockets: tuple[Any, Any]) -> None:
    waiters = Waiters(loop, sockets[0])
    assert [waiters.exhausted() for _ in range(2 * BUDGET + 2)].count(True) == 2
    waiters.close()
