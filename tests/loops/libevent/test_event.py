"""Events: what libevent does for a file it does for a socket, in the same order; and what an Event refuses.

Most tests here are scripts that run twice, with a pair of the system's sockets and with a pair of ZeroMQ's. What they
note down must be the same.
"""

from __future__ import annotations

import errno
import os
import signal
import socket as system
from collections.abc import Callable
from typing import Any

import pytest
import zmq

ev: Any = pytest.importorskip("mqbridge.loops.libevent")

Channels = Callable[[str], Any]
Script = Callable[[Any, Callable[[], Any]], list[Any]]
Same = Callable[[Script], list[Any]]
READ, WRITE, TIMEOUT, PERSIST = ev.EV_READ, ev.EV_WRITE, ev.EV_TIMEOUT, ev.EV_PERSIST
ALL = READ | WRITE | TIMEOUT | ev.EV_SIGNAL


@pytest.fixture
def same(channel: Channels, method: str) -> Same:
    """A function that runs a script for files and for sockets, compares what they note, and returns it."""

    def run(kind: str, script: Script) -> list[Any]:
        channels = []

        def make() -> Any:
            channels.append(channel(kind))
            return channels[-1]

        with ev.EventBase() as base:
            assert base.method == method
            notes = script(base, make)
        for each in channels:
            each.close()
        return notes

    def compare(script: Script) -> list[Any]:
        notes = run("files", script)
        assert run("sockets", script) == notes
        return notes

    return compare


# ---- the same as libevent


def test_persistent_events_are_level_triggered(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((source is channel.source, what, arg, event.pending(ALL)))
            channel.read()
            if len(notes) == 5:
                base.loopexit()

        event = ev.Event(base, channel.source, READ | PERSIST, called, "arg")
        event.add()
        for _ in range(5):
            channel.write()
        notes.append(event.pending(ALL))
        notes.append(base.dispatch())
        notes.append(event.pending(ALL))
        return notes

    assert same(script) == [READ, *[(True, READ, "arg", READ)] * 4, 0, READ]


def test_what_is_not_read_is_told_again(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []
        event = ev.Event(base, channel.source, READ | PERSIST, lambda _, what, arg: notes.append(what))
        event.add()
        channel.write()
        for _ in range(5):
            notes.append(base.loop(ev.EVLOOP_ONCE))
        channel.read()
        notes.append(base.loop(ev.EVLOOP_NONBLOCK))
        return notes

    assert same(script) == [READ, 0] * 5 + [0]


def test_one_shot_events(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((what, event.pending()))
            channel.read()

        event = ev.Event(base, channel.source, READ, called)
        for _ in range(3):
            channel.write()
        for _ in range(2):
            event.add()
            notes.append(base.dispatch())
        notes.append((event.pending(), base.dispatch()))
        return notes

    assert same(script) == [(READ, 0), 1, (READ, 0), 1, (0, 1)]


def test_one_shot_events_added_again_by_their_callback(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((what, channel.read()))
            if len(notes) < 4:
                event.add()

        event = ev.Event(base, channel.source, READ, called)
        event.add()
        for _ in range(6):
            channel.write()
        notes.append(base.dispatch())
        return notes

    assert same(script) == [(READ, True)] * 4 + [1]


def test_reading_and_writing_in_one_call(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []
        event = ev.Event(base, channel.source, READ | WRITE | PERSIST, lambda _, what, arg: notes.append(what))
        event.add()
        notes.append(event.pending())
        base.loop(ev.EVLOOP_ONCE)
        channel.write()
        base.loop(ev.EVLOOP_ONCE)
        base.loop(ev.EVLOOP_ONCE)
        channel.read()
        base.loop(ev.EVLOOP_ONCE)
        return notes

    assert same(script) == [READ | WRITE, WRITE, READ | WRITE, READ | WRITE, WRITE]


def test_several_events_of_one_source(same: Same) -> None:
    """A reader, another one, and a writer: each is told."""

    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((arg, what))

        events = [
            ev.Event(base, channel.source, what, called, name)
            for name, what in (("a", READ), ("b", READ | PERSIST), ("c", WRITE), ("d", READ))
        ]
        for event in events[:3]:
            event.add()
        channel.write()
        base.loop(ev.EVLOOP_ONCE)
        events[3].add()
        base.loop(ev.EVLOOP_ONCE)
        events[1].delete()
        notes.sort()
        notes.append(base.dispatch())
        return notes

    assert same(script) == [("a", READ), ("b", READ), ("b", READ), ("c", WRITE), ("d", READ), 1]


def test_time_outs_of_one_shot_events(same: Same, scaled: Callable[[float], float]) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []
        event = ev.Event(base, channel.source, READ, lambda _, what, arg: notes.append((what, event.pending())))
        event.add(scaled(0.01))
        notes.append(event.pending())
        notes.append(base.dispatch())
        # It is over: what comes then is not told.
        channel.write()
        notes.append(base.dispatch())
        event.add(scaled(10))
        notes.append((event.pending(READ), event.pending(TIMEOUT), event.pending(WRITE)))
        notes.append(base.dispatch())
        return notes

    assert same(script) == [READ | TIMEOUT, (TIMEOUT, 0), 1, 1, (READ, TIMEOUT, 0), (READ, 0), 1]


def test_time_outs_of_persistent_events_begin_anew(same: Same, scaled: Callable[[float], float]) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((what, channel.read(), event.pending()))
            if len(notes) == 5:
                channel.write()
            elif len(notes) == 7:
                base.loopbreak()

        for _ in range(3):
            channel.write()
        event = ev.Event(base, channel.source, READ | PERSIST, called)
        event.add(scaled(0.15))
        notes.append(base.dispatch())
        event.remove_timer()
        notes.append(event.pending())
        return notes

    read, timed_out = (READ, True, READ | TIMEOUT), (TIMEOUT, False, READ | TIMEOUT)
    assert same(script) == [read] * 3 + [timed_out] * 2 + [read, timed_out, 0, READ]


def test_delete_by_itself_and_by_another_callback(same: Same) -> None:
    """Both are active; the first one to be called deletes both, and the other one is not called."""

    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channels, notes = [make(), make()], []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append(what)
            for event in events:
                event.delete()
                event.delete()
            notes.append([event.pending() for event in events])

        events = [ev.Event(base, each.source, READ | PERSIST, called) for each in channels]
        for each, event in zip(channels, events, strict=True):
            each.write()
            event.add()
        notes.append(base.dispatch())
        # What was not read is still there.
        events[0].add()
        notes.append(base.dispatch())
        return notes

    assert same(script) == [READ, [0, 0], 1, READ, [0, 0], 1]


def test_free_by_itself_and_by_another_callback(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channels, notes = [make(), make()], []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append(what)
            for event in events:
                event.free()
                event.free()

        events = [ev.Event(base, each.source, READ | PERSIST, called) for each in channels]
        for each, event in zip(channels, events, strict=True):
            each.write()
            event.add(100)
        notes.append(base.dispatch())
        return notes

    assert same(script) == [READ, 1]


def test_add_to_the_other_direction_in_a_callback(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def readable(source: Any, what: int, arg: Any) -> None:
            notes.append((what, channel.read()))
            writer.add()

        def writable(source: Any, what: int, arg: Any) -> None:
            notes.append(what)
            if len(notes) < 6:
                reader.add()

        reader = ev.Event(base, channel.source, READ, readable)
        writer = ev.Event(base, channel.source, WRITE, writable)
        for _ in range(3):
            channel.write()
        reader.add()
        notes.append(base.dispatch())
        return notes

    assert same(script) == [(READ, True), WRITE] * 3 + [1]


def test_made_active_by_hand(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []
        event = ev.Event(
            base, channel.source, READ | PERSIST, lambda _, what, arg: notes.append((what, event.pending()))
        )
        event.active(WRITE)
        notes.append(event.pending())
        notes.append(base.dispatch())
        event.add()
        event.active(TIMEOUT)
        event.active(READ)
        notes.append(event.pending())
        notes.append(base.loop(ev.EVLOOP_NONBLOCK))
        notes.append(event.pending())
        return notes

    both = READ | TIMEOUT
    assert same(script) == [WRITE, (WRITE, 0), 1, both, (both, READ), 0, READ]


@pytest.mark.parametrize("end", ["loopexit", "loopbreak"])
def test_the_order_of_an_end(same: Same, end: str) -> None:
    """loopexit lets what is active be called; after loopbreak it is called by the next loop."""

    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channels, notes = [make(), make()], []

        def called(source: Any, what: int, arg: Any) -> None:
            arg.read()
            notes.append(what)
            if len(notes) == 1:
                getattr(base, end)()

        events = [ev.Event(base, each.source, READ, called, each) for each in channels]
        for each, event in zip(channels, events, strict=True):
            each.write()
            event.add()
        for _ in range(2):
            notes.append((base.dispatch(), base.got_exit(), base.got_break()))
        return notes

    expected = {
        "loopexit": [READ, READ, (0, True, False), (1, False, False)],
        "loopbreak": [READ, (0, False, True), READ, (1, False, False)],
    }
    assert same(script) == expected[end]


def test_priorities(same: Same) -> None:
    """The urgent one is called alone, as long as it is active."""

    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        base.priority_init(3)
        notes: list[Any] = []

        def called(source: Any, what: int, arg: Any) -> None:
            arg[0].read()
            notes.append(arg[1])

        channels, events = [make() for _ in range(3)], []
        for number, each in enumerate(channels):
            for _ in range(3):
                each.write()
            events.append(ev.Event(base, each.source, READ | PERSIST, called, (each, 2 - number)))
            notes.append(events[-1].priority)
            events[-1].priority = 2 - number
            events[-1].add()
        base.loop(ev.EVLOOP_NONBLOCK)
        return [notes[:3], sorted(notes[3:]), notes[3:6]]

    assert same(script)[:2] == [[1, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2]]


def test_loop_once_and_not_blocking(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channel, notes = make(), []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((what, channel.read()))

        event = ev.Event(base, channel.source, READ | PERSIST, called)
        notes.append(base.loop(ev.EVLOOP_NONBLOCK))
        event.add()
        notes.append(base.loop(ev.EVLOOP_NONBLOCK))
        notes.append(base.loop(ev.EVLOOP_NONBLOCK | ev.EVLOOP_ONCE))
        for _ in range(3):
            channel.write()
        for flags in (ev.EVLOOP_ONCE, ev.EVLOOP_ONCE | ev.EVLOOP_NONBLOCK, ev.EVLOOP_NONBLOCK, ev.EVLOOP_NONBLOCK):
            notes.append(base.loop(flags))
        return notes

    called = (READ, True)
    assert same(script) == [1, 0, 0, called, 0, called, 0, called, 0, 0]


def test_what_a_callback_raises_comes_out_of_the_loop(same: Same) -> None:
    def script(base: Any, make: Callable[[], Any]) -> list[Any]:
        channels, notes = [make(), make()], []

        def called(source: Any, what: int, arg: Any) -> None:
            notes.append((what, arg.read()))
            raise LookupError("on purpose")

        for each in channels:
            each.write()
            each.event = ev.Event(base, each.source, READ, called, each)
            each.event.add()
        for _ in channels:
            with pytest.raises(LookupError, match="on purpose"):
                base.dispatch()
            notes.append([each.event.pending() for each in channels].count(READ))
        notes.append(base.dispatch())
        return notes

    assert same(script) == [(READ, True), 1, (READ, True), 0, 1]


# ---- edge-triggered


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_edge_triggered_once_for_each_arrival(pair: Any, base: Any, wait_for: Any) -> None:
    left, right = pair()
    calls: list[int] = []
    event = ev.Event(base, right, READ | PERSIST | ev.EV_ET, lambda _, what, arg: calls.append(what))
    event.add()
    left.send(b"1")
    wait_for(lambda: base.loop(ev.EVLOOP_NONBLOCK) == 0 and calls)
    for _ in range(20):
        base.loop(ev.EVLOOP_NONBLOCK)
    told = len(calls)
    assert told <= 2, "what is left is not told again"
    assert right.recv(zmq.DONTWAIT) == b"1"
    for number in range(2, 20):
        left.send(b"%d" % number)
        calls.clear()
        wait_for(lambda: base.loop(ev.EVLOOP_NONBLOCK) == 0 and calls)
        assert right.recv(zmq.DONTWAIT) == b"%d" % number
        assert right.poll(0) == 0
    # Deleted and added again, it is told of what is there.
    left.send(b"last")
    wait_for(lambda: right.poll(0))
    event.delete()
    calls.clear()
    event.add()
    base.loop(ev.EVLOOP_NONBLOCK)
    assert calls == [READ]


def test_edge_triggered_by_those_who_go_on_until_again(pair: Any, base: Any, zmq_like: Any) -> None:
    left, right = pair()
    got: list[bytes] = []

    def called(source: Any, what: int, arg: Any) -> None:
        try:
            while True:
                got.append(right.recv(zmq.DONTWAIT))
        except zmq_like.Again:
            if len(got) == 1000:
                base.loopexit()

    sent = iter(range(1000))

    def send(source: Any, what: int, arg: Any) -> None:
        for _ in range(7):
            number = next(sent, None)
            if number is not None:
                left.send(b"%d" % number)
                timer.add(0)

    ev.Event(base, right, READ | PERSIST | ev.EV_ET, called).add()
    timer = ev.Event(base, None, 0, send)
    timer.add(0)
    assert base.dispatch() == 0
    assert got == [b"%d" % number for number in range(1000)]


def test_edge_triggered_writing(connect: Any, base: Any) -> None:
    push, pull = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    calls: list[int] = []

    def fill(source: Any, what: int, arg: Any) -> None:
        calls.append(what)
        while push.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            push.send(bytes(1000), zmq.DONTWAIT)

    ev.Event(base, push, WRITE | PERSIST | ev.EV_ET, fill).add()
    for turn in range(1, 10):
        base.loop(ev.EVLOOP_NONBLOCK)
        assert len(calls) == turn
        while pull.poll(0):
            pull.recv()


# ---- timers and signals


def test_timers(base: Any, scaled: Callable[[float], float]) -> None:
    calls: list[Any] = []

    def called(source: Any, what: int, arg: Any) -> None:
        calls.append((source, what, arg))
        if arg == "often" and len(calls) > 5:
            often.delete()

    once = ev.Event(base, None, 0, called, "once")
    often = ev.Event(base, None, PERSIST, called, "often")
    once.add(0)
    often.add(scaled(0.01))
    assert (once.pending(), often.pending()) == (TIMEOUT, TIMEOUT)
    assert base.dispatch() == 1
    assert calls[0] == (None, TIMEOUT, "once")
    assert calls[1:] == [(None, TIMEOUT, "often")] * 5
    once.add(100)
    once.remove_timer()
    assert base.dispatch() == 1


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), 2**31])
def test_what_is_no_time_out(base: Any, timeout: float) -> None:
    timer = ev.Event(base, None, 0, print)
    with pytest.raises(ValueError, match="timeout"):
        timer.add(timeout)
    with pytest.raises(ValueError, match="timeout"):
        base.loopexit(timeout)
    assert timer.pending() == 0


def test_signals_and_pythons_handler_afterwards(base: Any) -> None:
    pythons, calls = [], []
    before = signal.signal(signal.SIGUSR1, lambda *_: pythons.append("python"))
    try:

        def called(source: Any, what: int, arg: Any) -> None:
            calls.append((source, what, arg))
            if len(calls) == 2:
                event.delete()
            else:
                os.kill(os.getpid(), signal.SIGUSR1)

        event = ev.Event(base, signal.SIGUSR1, ev.EV_SIGNAL | PERSIST, called, "arg")
        event.add()
        assert event.pending() == ev.EV_SIGNAL
        os.kill(os.getpid(), signal.SIGUSR1)
        assert base.dispatch() == 1
        assert calls == [(signal.SIGUSR1, ev.EV_SIGNAL, "arg")] * 2
        assert pythons == []
        os.kill(os.getpid(), signal.SIGUSR1)
        assert pythons == ["python"]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_signals_go_to_one_base(base: Any) -> None:
    with ev.EventBase() as other:
        one = ev.Event(base, signal.SIGUSR1, ev.EV_SIGNAL | PERSIST, print)
        two = ev.Event(other, signal.SIGUSR2, ev.EV_SIGNAL | PERSIST, print)
        one.add()
        with pytest.raises(RuntimeError, match="one base only"):
            two.add()
        one.delete()
        two.add()
        assert two.pending() == ev.EV_SIGNAL


# ---- what it refuses


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (None, READ),
        (-1, READ),
        ("text", READ),
        (object(), WRITE),
        (0, 0x1000),
        (0, -1),
        (0, ev.EV_SIGNAL),
        (signal.SIGKILL, ev.EV_SIGNAL),
        (100_000, ev.EV_SIGNAL),
        (signal.SIGUSR1, ev.EV_SIGNAL | READ),
        (None, ev.EV_SIGNAL),
    ],
)
def test_what_does_not_go_together(base: Any, source: Any, what: int) -> None:
    with pytest.raises(ValueError):
        ev.Event(base, source, what, print)


def test_p31_what_is_not_open(base: Any, pipe: tuple[int, int], caplog: Any) -> None:
    number = os.dup(pipe[0])
    event = ev.Event(base, number, READ, print)
    os.close(number)
    for call in (event.add, lambda: ev.Event(base, number, READ, print)):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EBADF
    one, other = system.socketpair()
    event = ev.Event(base, one, READ, print)
    one.close()
    other.close()
    with pytest.raises(OSError) as caught:
        event.add()
    assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        ev.Event(base, one, READ, print)
    assert base.dispatch() == 1
    assert caplog.records == []


def test_what_epoll_cannot_wait_for(base: Any, tmp_path: Any, caplog: Any) -> None:
    with open(tmp_path / "file", "w") as file:
        event = ev.Event(base, file, WRITE, print)
        with pytest.raises(PermissionError):
            event.add()
        assert event.pending() == 0
    assert [record.name for record in caplog.records] == ["mqbridge.loops.libevent"]
    assert "Operation not permitted" in caplog.text


def test_a_freed_event(base: Any) -> None:
    event = ev.Event(base, None, 0, print)
    event.free()
    event.delete()
    for call in (event.add, event.pending, event.touched, lambda: event.active(READ)):
        with pytest.raises(RuntimeError, match="freed"):
            call()


def test_active_and_priority_are_checked(base: Any) -> None:
    event = ev.Event(base, None, 0, print)
    with pytest.raises(ValueError):
        event.active(PERSIST)
    for priority in (-1, 1, 1000):
        with pytest.raises(ValueError, match="priority"):
            event.priority = priority
    assert event.priority == 0
    event.active(TIMEOUT)
    with pytest.raises(ValueError, match="active"):
        event.priority = 0


def test_a_closed_socket_cannot_be_added(make: Any, zmq_like: Any, base: Any) -> None:
    socket = make("PULL")
    event = ev.Event(base, socket, READ, print)
    socket.close()
    with pytest.raises(zmq_like.ZMQError) as caught:
        event.add()
    assert caught.value.errno == errno.ENOTSOCK
    assert (event.pending(), base.dispatch()) == (0, 1)


def test_it_says_what_it_is(base: Any) -> None:
    assert repr(ev.Event(base, 0, READ, print)) == "<Event 0x2 of 0>"
    assert "0 events pending" in repr(base)
