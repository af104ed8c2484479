"""The loop's turns: when they end, and what is looked at in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

ev: Any = pytest.importorskip("mqbridge.loops.libevent")


def test_nothing_is_pending(base: Any) -> None:
    for flags in (0, ev.EVLOOP_ONCE, ev.EVLOOP_NONBLOCK, ev.EVLOOP_ONCE | ev.EVLOOP_NONBLOCK):
        assert base.loop(flags) == 1
    assert base.loop(ev.EVLOOP_NONBLOCK | ev.EVLOOP_NO_EXIT_ON_EMPTY) == 0


def test_loopexit_is_something_to_wait_for(base: Any) -> None:
    base.loopexit(0.001)
    assert (base.dispatch(), base.got_exit()) == (0, True)
    assert (base.dispatch(), base.got_exit()) == (1, False)
    base.loopexit()
    assert (base.dispatch(), base.got_exit()) == (0, True)


def test_loopbreak_before_a_loop_does_nothing(base: Any) -> None:
    base.loopbreak()
    assert (base.dispatch(), base.got_break()) == (1, False)


def test_once_waits_for_a_callback_not_for_a_wake(connect: Any, base: Any, scaled: Callable[[float], float]) -> None:
    """News of the descriptor that are none for the event do not end it, nor does what was posted."""
    left, right = connect(sndhwm=1, rcvhwm=1)
    calls: list[str] = []
    ev.Event(base, left, ev.EV_READ | ev.EV_PERSIST, lambda *_: calls.append("read")).add()
    ev.Event(base, None, 0, lambda *_: calls.append("timer")).add(scaled(0.05))
    while right.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        right.recv()
    left.send(b"news of room are made by reading this")
    right.recv()
    assert base.loop(ev.EVLOOP_ONCE) == 0
    assert calls == ["timer"]


def test_an_error_in_the_middle_of_the_machine_begins_it_anew(
    connect: Any, base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P37: a signal handler that raises while EVENTS is read."""
    push, pull = connect("PUSH", "PULL")
    calls: list[bytes] = []
    event = ev.Event(base, pull, ev.EV_READ | ev.EV_PERSIST, lambda *_: calls.append(pull.recv(zmq.DONTWAIT)))
    event.add()
    base.loop(ev.EVLOOP_NONBLOCK)
    for number in range(10):
        push.send(b"%d" % number)
        watched = event.watched
        before = watched.watch._events

        def interrupted(events: Any = before) -> int:
            events()
            raise KeyboardInterrupt

        watched.watch._events = interrupted
        with pytest.raises(KeyboardInterrupt):
            while True:
                base.loop(ev.EVLOOP_NONBLOCK)
        while len(calls) <= number:
            base.loop(ev.EVLOOP_ONCE)
    assert calls == [b"%d" % number for number in range(10)]


def test_libevents_way_to_wait_fails(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: Any = pytest.importorskip("mqbridge.loops.libevent.turns")

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return (lambda *_: -1) if name == "event_base_loop" else getattr(ev.base.lib, name)

    monkeypatch.setattr(turns, "lib", Failing())
    with pytest.raises(OSError, match="event_base_loop"):
        base.loop(ev.EVLOOP_NO_EXIT_ON_EMPTY)
