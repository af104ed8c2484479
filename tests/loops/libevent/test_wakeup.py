"""A loop that sleeps in C hears of Python's signals, and of what other threads ask for."""

from __future__ import annotations

import os
import signal
import socket as system
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ev: Any = pytest.importorskip("mqbridge.loops.libevent")

OnSignal = Callable[[Callable[[], object]], None]
FOR_EVER = ev.EVLOOP_NO_EXIT_ON_EMPTY


@pytest.fixture
def on_signal() -> Iterator[OnSignal]:
    """A function that sets what happens on SIGUSR1."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, lambda *_: handler()) and None
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def asleep(base: Any, scaled: Callable[[float], float]) -> Iterator[Callable[[], None]]:
    """A function that sends SIGUSR1 to this process as soon as the loop runs, and most likely sleeps."""
    timers = []

    def interrupt_soon() -> None:
        timers.append(threading.Timer(scaled(0.02), os.kill, (os.getpid(), signal.SIGUSR1)))
        base.post(timers[-1].start)

    yield interrupt_soon
    for timer in timers:
        timer.join()


def test_p37_keyboard_interrupt_arrives(base: Any, asleep: Callable[[], None], on_signal: OnSignal) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    on_signal(interrupt)
    for _ in range(3):
        asleep()
        with pytest.raises(KeyboardInterrupt):
            base.loop(FOR_EVER)


def test_p37_a_handler_runs_and_the_loop_sleeps_on(
    base: Any, asleep: Callable[[], None], on_signal: OnSignal, scaled: Callable[[float], float]
) -> None:
    calls: list[str] = []
    on_signal(lambda: calls.append("signal"))
    asleep()
    timer = ev.Event(base, None, 0, lambda *_: calls.append("timer"))
    timer.add(scaled(2))
    assert base.dispatch() == 1
    assert calls == ["signal", "timer"]


@pytest.mark.parametrize("end", ["loopbreak", "loopexit"])
def test_a_handler_ends_the_loop(base: Any, asleep: Callable[[], None], on_signal: OnSignal, end: str) -> None:
    on_signal(getattr(base, end))
    asleep()
    assert base.loop(FOR_EVER) == 0
    assert (base.got_break(), base.got_exit()) == (end == "loopbreak", end == "loopexit")


def test_the_users_own_wakeup_descriptor(base: Any, asleep: Callable[[], None], on_signal: OnSignal) -> None:
    """It gets its bytes, and is there again after the loop."""
    on_signal(base.loopexit)
    one, other = system.socketpair()
    with one, other:
        for each in (one, other):
            each.setblocking(False)
        before = signal.set_wakeup_fd(other.fileno())
        try:
            asleep()
            assert base.loop(FOR_EVER) == 0
            assert one.recv(10) == bytes([signal.SIGUSR1])
            os.kill(os.getpid(), signal.SIGUSR1)
            assert one.recv(10) == bytes([signal.SIGUSR1])
        finally:
            assert signal.set_wakeup_fd(before) == other.fileno()


def test_a_wakeup_descriptor_set_meanwhile_stays(base: Any) -> None:
    one, other = system.socketpair()
    with one, other:
        other.setblocking(False)
        before = signal.set_wakeup_fd(-1)
        try:
            base.post(signal.set_wakeup_fd, other.fileno())
            base.post(base.loopexit)
            base.loop(FOR_EVER)
            assert signal.set_wakeup_fd(-1) == other.fileno()
        finally:
            signal.set_wakeup_fd(before)


def test_a_loop_within_a_loop(base: Any, on_signal: OnSignal) -> None:
    calls: list[str] = []
    on_signal(lambda: calls.append("signal"))

    def within() -> None:
        with ev.EventBase() as other:
            other.post(os.kill, os.getpid(), signal.SIGUSR1)
            other.post(other.loopexit)
            other.loop(FOR_EVER)
        with pytest.raises(RuntimeError, match="runs already"):
            base.dispatch()

    base.post(within)
    base.post(os.kill, os.getpid(), signal.SIGUSR1)
    base.post(base.loopexit)
    base.loop(FOR_EVER)
    assert calls == ["signal"] * 2
    assert signal.set_wakeup_fd(-1) == -1


def test_p36_posts_of_other_threads_arrive_in_order(base: Any) -> None:
    calls: list[tuple[int, int, int]] = []

    def post(thread: int) -> None:
        for number in range(1000):
            base.post(lambda *what: calls.append((*what, threading.get_ident())), thread, number)
        base.post(ended.append, thread)
        base.post(lambda: len(ended) == 4 and base.loopbreak())

    ended: list[int] = []
    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    base.loop(FOR_EVER)
    for thread in threads:
        thread.join()
    assert {ident for *_, ident in calls} == {threading.get_ident()}
    for thread in range(4):
        assert [number for who, number, _ in calls if who == thread] == list(range(1000))


@pytest.mark.parametrize("end", ["loopbreak", "loopexit"])
def test_p36_other_threads_end_the_loop(base: Any, end: str) -> None:
    threads = [threading.Thread(target=getattr(base, end))]
    base.post(threads[0].start)
    assert base.loop(FOR_EVER) == 0
    threads[0].join()


def test_what_was_posted_before_is_called_by_a_loop_with_nothing_else(base: Any) -> None:
    calls: list[int] = []
    base.post(calls.append, 1)
    assert (base.dispatch(), calls, base.dispatch()) == (1, [1], 1)


def test_a_posted_call_that_raises(base: Any) -> None:
    calls: list[int] = []
    base.post(lambda: [][0])
    base.post(calls.append, 2)
    with pytest.raises(IndexError):
        base.dispatch()
    assert (base.dispatch(), calls) == (1, [2])


def test_p21_calls_that_post_calls_let_others_have_their_turn(base: Any) -> None:
    done: list[int] = []

    def again() -> None:
        if not done:
            base.post(again)

    base.post(again)
    ev.Event(base, None, 0, lambda *_: done.append(1)).add(0.001)
    assert base.dispatch() == 1
