"""ZeroMQ sockets in a base: told exactly while an operation would succeed, whatever was done, by whomever.

The naive counterparts are plain libevent events upon a stock socket's FD: they show that there is something to lose.
"""

from __future__ import annotations

import errno
import gc
import os
import random
import socket as system
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import zmq

import mqbridge

ev: Any = pytest.importorskip("mqbridge.loops.libevent")

Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]
WaitFor = Callable[..., None]
Scaled = Callable[[float], float]
READ, WRITE, TIMEOUT, PERSIST = ev.EV_READ, ev.EV_WRITE, ev.EV_TIMEOUT, ev.EV_PERSIST
BOTH = READ | WRITE


class Watcher:
    """A persistent event of a socket that notes down what it is told, and ends the loop."""

    def __init__(self, base: Any, socket: Any, what: int, flags: int = PERSIST) -> None:
        self.base = base
        self.told = 0
        self.calls = 0
        self.event = ev.Event(base, socket, what | flags, self.called)
        self.event.add()

    def called(self, source: Any, what: int, arg: Any) -> None:
        self.told |= what
        self.calls += 1
        self.base.loopbreak()

    def look(self, flags: int = ev.EVLOOP_NONBLOCK) -> int:
        """Return what one loop tells."""
        self.told = 0
        self.base.loop(flags)
        return self.told

    def wait(self, limit: float) -> int:
        """Return what the loop tells before a time limit, which it would not come to."""
        timer = ev.Event(self.base, None, 0, lambda *_: self.base.loopbreak())
        timer.add(limit)
        self.told = 0
        self.base.dispatch()
        timer.free()
        return self.told


def fill(socket: Any) -> None:
    while socket.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
        socket.send(bytes(100_000), zmq.DONTWAIT)


def readable(fd: int) -> bool:
    import select

    return bool(select.select([fd], [], [], 0)[0])


# ---- exactly while it would succeed


def test_p01_messages_before_the_event(pair: Pair, base: Any, limit: float) -> None:
    push, pull = pair("PUSH", "PULL")
    for number in range(10):
        push.send(b"%d" % number)
    watcher = Watcher(base, pull, READ)
    for number in range(10):
        assert watcher.wait(limit) == READ
        assert pull.recv(zmq.DONTWAIT) == b"%d" % number
    assert watcher.look() == 0


def test_p02_p03_p05_after_every_operation(pair: Pair, base: Any, wait_for: WaitFor) -> None:
    left, right = pair()
    watchers = [Watcher(base, socket, BOTH) for socket in (left, right)]
    # Each is to be told in the same loop.
    base.loopbreak = lambda: None

    def told() -> tuple[int, int]:
        for watcher in watchers:
            watcher.told = 0
        base.loop(ev.EVLOOP_ONCE | ev.EVLOOP_NONBLOCK)
        return watchers[0].told, watchers[1].told

    def settle(*expected: int) -> None:
        """What is on its way arrives; what is there stays, however often one asks."""
        wait_for(lambda: told() == expected)
        for _ in range(3):
            assert told() == expected

    settle(WRITE, WRITE)
    left.send(b"1")
    settle(WRITE, BOTH)
    left.send(b"2")
    settle(WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"1"
    settle(WRITE, BOTH)
    right.send(b"3")
    settle(BOTH, BOTH)
    wait_for(lambda: right.poll(0))
    assert right.recv(zmq.DONTWAIT) == b"2"
    settle(BOTH, WRITE)
    left.connect("inproc://another")
    assert left.recv(zmq.DONTWAIT) == b"3"
    settle(WRITE, WRITE)
    left.send_multipart([b"a", b"b"])
    settle(WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"a"
    settle(WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"b"
    settle(WRITE, WRITE)


@pytest.mark.parametrize("marks", [(1, 1), (4, 5)])
def test_p04_p08_calls_and_attempts_agree_on_a_random_walk(
    make: Make, zmq_like: Any, base: Any, marks: tuple[int, int]
) -> None:
    """Inproc, in one thread: what a loop has told is what attempts then find, at the mark and when empty."""
    sender, receiver = make("PUSH", sndhwm=marks[0]), make("PULL", rcvhwm=marks[1])
    sender.bind("inproc://walk")
    receiver.connect("inproc://walk")
    to_send, to_receive = Watcher(base, sender, WRITE), Watcher(base, receiver, READ)
    base.loopbreak = lambda: None
    dice = random.Random(0)
    sent = received = 0
    for step in range(1000):
        to_send.told = to_receive.told = 0
        base.loop(ev.EVLOOP_ONCE | ev.EVLOOP_NONBLOCK)
        if dice.random() < (0.7 if step // 50 % 2 else 0.3):
            if to_send.told:
                sender.send(b"%d" % sent, zmq.DONTWAIT)
                sent += 1
            else:
                with pytest.raises(zmq_like.Again):
                    sender.send(b"no room", zmq.DONTWAIT)
        elif to_receive.told:
            assert receiver.recv(zmq.DONTWAIT) == b"%d" % received
            received += 1
        else:
            with pytest.raises(zmq_like.Again):
                receiver.recv(zmq.DONTWAIT)
            assert received == sent


def test_p04_the_next_message_after_exactly_the_last(pair: Pair, base: Any, limit: float) -> None:
    push, pull = pair("PUSH", "PULL")
    watcher = Watcher(base, pull, READ)
    for _ in range(20):
        push.send(b"message")
        assert watcher.wait(limit) == READ
        assert pull.recv(zmq.DONTWAIT) == b"message"


def test_p07_writing_is_not_told_while_there_is_no_room(connect: Pair, base: Any) -> None:
    push, _ = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    watcher = Watcher(base, push, WRITE)
    assert watcher.look() == WRITE
    fill(push)
    for _ in range(5):
        assert watcher.look() == 0


def test_p08_room_at_the_mark_wakes_a_sleeping_loop(
    connect: Pair, base: Any, limit: float, pool: ThreadPoolExecutor
) -> None:
    push, pull = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    watcher = Watcher(base, push, WRITE)
    for _ in range(20):
        fill(push)
        assert watcher.look() == 0
        taken = pool.submit(lambda: [pull.recv() for _ in range(2)])
        assert watcher.wait(limit) == WRITE
        taken.result()


# ---- behind the base's back


@pytest.fixture
def waiting(library: str, pair: Pair, base: Any, wait_for: WaitFor) -> Iterator[tuple[Any, Watcher]]:
    """A watched PAIR socket with a message that came after the last loop, whose edge nobody has read."""
    left, right = pair(sndhwm=0, rcvhwm=0)
    watcher = Watcher(base, left, READ)
    assert watcher.look() == 0
    right.send(b"message")
    wait_for(lambda: readable(watcher.event.watched.view.fileno()))
    yield left, watcher


def eat(socket: Any, wait_for: WaitFor) -> None:
    """Send until the stock socket's FD has gone quiet (libzmq looks at its commands now and then only)."""

    def eaten() -> bool:
        socket.send(b"unrelated")
        return not readable(socket.getsockopt(zmq.FD))

    wait_for(eaten, "the send that eats the edge")


def test_p02_sends_before_the_loop(library: str, waiting: Any, wait_for: WaitFor, limit: float) -> None:
    socket, watcher = waiting
    if library == "pyzmq":
        eat(socket, wait_for)
    else:
        for _ in range(2000):
            socket.send(b"unrelated")
    assert watcher.wait(limit) == READ


@pytest.mark.parametrize("call", ["connect", "bind", "setsockopt", "poll"])
def test_p03_other_calls_before_the_loop(waiting: Any, limit: float, call: str) -> None:
    socket, watcher = waiting
    if call in ("connect", "bind"):
        getattr(socket, call)("inproc://another")
    elif call == "setsockopt":
        socket.setsockopt(zmq.LINGER, 0)
    else:
        socket.poll(0)
    assert watcher.wait(limit) == READ


@pytest.mark.parametrize("told", ["by touched", "not"])
def test_p02_p03_p06_what_other_callbacks_do(
    library: str, waiting: Any, zmq_like: Any, base: Any, wait_for: WaitFor, limit: float, told: str
) -> None:
    """In the same turn of the loop, and in other ones; also when nobody says so."""
    socket, watcher = waiting

    def use(source: Any, what: int, arg: Any) -> None:
        if library == "pyzmq":
            eat(socket, wait_for)
        assert zmq_like.Socket.shadow(socket).getsockopt(zmq.EVENTS) & zmq.POLLIN
        socket.connect("inproc://another")
        if told == "by touched":
            base.touched(socket)
            watcher.event.touched()

    timer = ev.Event(base, None, 0, use)
    timer.active(TIMEOUT)
    assert watcher.wait(limit) == READ


def test_p06_somebody_else_takes_the_message(waiting: Any) -> None:
    socket, watcher = waiting
    assert socket.recv() == b"message"
    assert watcher.look() == 0


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p06_another_thread_looks_while_the_loop_sleeps(
    pair: Pair, base: Any, pool: ThreadPoolExecutor, limit: float
) -> None:
    push, pull = pair("PUSH", "PULL")
    shadow = mqbridge.Socket.shadow(pull)

    def look() -> int:
        with ev.EventBase() as other:
            return Watcher(other, shadow, READ).wait(limit)

    watcher = Watcher(base, pull, READ)
    for _ in range(50):
        assert watcher.look() == 0
        others = [pool.submit(look), pool.submit(pull.poll, limit * 1000)]
        push.send(b"message")
        assert watcher.wait(limit) == READ
        assert all(each.result() for each in others)
        assert pull.recv(zmq.DONTWAIT) == b"message"


def test_p14_two_bases_watch_one_socket(connect: Pair, base: Any, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    with ev.EventBase() as other:
        watchers = [Watcher(base, pull, READ), Watcher(other, pull, READ)]
        for _ in range(10):
            assert [watcher.look() for watcher in watchers] == [0, 0]
            push.send(b"message")
            assert [watcher.wait(limit) for watcher in watchers] == [READ, READ]
            pull.recv()


def test_p13_p14_p25_many_events_share_a_watch(connect: Pair, base: Any) -> None:
    left, right = connect()
    calls: list[int] = []
    events = [
        ev.Event(base, right, READ | PERSIST, lambda _, what, number: calls.append(number), number)
        for number in range(10)
    ]
    before = len(os.listdir("/proc/self/fd"))
    for event in events:
        event.add()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    left.send(b"message")
    base.loop(ev.EVLOOP_ONCE)
    assert sorted(calls) == list(range(10))
    for event in events[:9]:
        event.delete()
    calls.clear()
    base.loop(ev.EVLOOP_ONCE)
    assert calls == [9]


def test_p15_the_users_own_events_of_fd(connect: Pair, base: Any, limit: float) -> None:
    """Who watches the raw descriptor too goes on doing so."""
    push, pull = connect("PUSH", "PULL")
    calls: list[int] = []
    raw = ev.Event(base, pull.getsockopt(zmq.FD), READ | PERSIST, lambda *_: calls.append(pull.getsockopt(zmq.EVENTS)))
    raw.add()
    watcher = Watcher(base, pull, READ)
    while watcher.look():
        pass
    for _ in range(5):
        calls.clear()
        push.send(b"message")
        assert watcher.wait(limit) == READ
        pull.recv()
        watcher.event.delete()
        watcher.event.add()
        watcher.look()
    push.send(b"message")
    watcher.event.delete()
    base.loop(ev.EVLOOP_ONCE)
    assert calls[-1] & zmq.POLLIN
    raw.free()


# ---- the end


@pytest.mark.parametrize("flags", [0, PERSIST, PERSIST | ev.EV_ET])
def test_p12_p30_closed_in_another_callback(pair: Pair, zmq_like: Any, base: Any, flags: int) -> None:
    """Each event is called once for all that it asked for, and is not pending then: the loop comes to its end."""
    left, _ = pair()
    calls = []

    def called(source: Any, what: int, arg: Any) -> None:
        if not left.closed:
            return
        with pytest.raises(zmq_like.ZMQError) as caught:
            source.recv(zmq.DONTWAIT)
        calls.append((arg, what, caught.value.errno))

    reader = ev.Event(base, left, READ | flags, called, "reader")
    two_ways = ev.Event(base, left, READ | PERSIST | ev.EV_ET, called, "other reader")
    for event in (reader, two_ways):
        event.add(1000)
    base.loop(ev.EVLOOP_NONBLOCK)
    timer = ev.Event(base, None, 0, lambda *_: left.close())
    timer.add(0)
    assert base.dispatch() == 1
    assert sorted(calls) == [("other reader", READ, errno.ENOTSOCK), ("reader", READ, errno.ENOTSOCK)]
    assert (reader.pending(), two_ways.pending()) == (0, 0)
    with pytest.raises(zmq_like.ZMQError):
        reader.add()


def test_p30_closed_before_the_loop(pair: Pair, base: Any, limit: float) -> None:
    left, _ = pair()
    watcher = Watcher(base, left, BOTH)
    watcher.look()
    left.close()
    assert watcher.wait(limit) == BOTH
    assert base.dispatch() == 1


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p30_closed_by_another_thread_while_the_loop_sleeps(pair: Pair, base: Any, pool: ThreadPoolExecutor) -> None:
    for _ in range(10):
        push, pull = pair("PUSH", "PULL")
        watcher = Watcher(base, pull, READ)
        watcher.look()
        closing = threading.Event()
        base.post(closing.set)
        closed = pool.submit(lambda event, socket: (event.wait(), socket.close()), closing, pull)
        assert watcher.look(0) == READ
        closed.result()
        assert base.dispatch() == 1
        push.close(0)


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p33_the_context_ends_while_the_loop_sleeps(
    context: Any, pair: Pair, base: Any, pool: ThreadPoolExecutor
) -> None:
    sockets = pair()
    watchers = [Watcher(base, socket, READ) for socket in sockets]
    base.loopbreak = lambda: None
    base.loop(ev.EVLOOP_NONBLOCK)
    ending = threading.Event()
    base.post(ending.set)
    ended = pool.submit(lambda: (ending.wait(), context.term()))
    assert base.dispatch() == 1
    assert [(watcher.told, watcher.calls) for watcher in watchers] == [(READ, 1)] * 2
    for socket in sockets:
        with pytest.raises(mqbridge.ContextTerminated):
            socket.recv(zmq.DONTWAIT)
        socket.close()
    ended.result()


@pytest.mark.parametrize("library", ["pyzmq"], indirect=True)
def test_p33_a_stock_context_ends(context: Any, pair: Pair, base: Any, pool: ThreadPoolExecutor) -> None:
    left, right = pair()
    right.close()
    watcher = Watcher(base, left, READ)
    ended = pool.submit(context.term)
    assert watcher.look(0) == READ
    with pytest.raises(zmq.ContextTerminated):
        left.recv(zmq.DONTWAIT)
    left.close()
    ended.result()


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p24_p28_a_closed_sockets_number_is_not_given_away(
    pair: Pair, base: Any, pipe: tuple[int, int], limit: float
) -> None:
    """It stays the base's own until it has let go of it; then its next owner has it for itself."""
    left, _ = pair()
    watcher = Watcher(base, left, READ)
    fd = watcher.event.watched.view.fileno()
    kept = os.dup(fd)
    left.close()
    os.fstat(fd)
    assert watcher.wait(limit) == READ
    with pytest.raises(OSError):
        os.fstat(fd)
    os.dup2(pipe[0], fd)
    try:
        follower = Watcher(base, fd, READ)
        assert follower.look() == 0
        os.write(pipe[1], b"x")
        assert follower.wait(limit) == READ
        watcher.event.free()
        assert follower.wait(limit) == READ
        follower.event.free()
    finally:
        os.close(fd)
        os.close(kept)


@pytest.mark.parametrize("library", ["pyzmq"], indirect=True)
@pytest.mark.parametrize("looked", [False, True])
def test_p24_a_stock_sockets_number_serves_another_file(
    pair: Pair, base: Any, pipe: tuple[int, int], wait_for: WaitFor, limit: float, looked: bool
) -> None:
    """libzmq closes its descriptor whenever it likes; the file that then has the number can be watched."""
    left, right = pair()
    watcher = Watcher(base, left, READ)
    fd = left.getsockopt(zmq.FD)
    watcher.look()
    left.close()
    right.close()
    wait_for(lambda: not os.path.exists(f"/proc/self/fd/{fd}"), "libzmq's close")
    if looked:
        watcher.look()
    os.dup2(pipe[0], fd)
    try:
        follower = Watcher(base, fd, READ)
        assert follower.look() == 0
        assert watcher.event.pending() == 0
        os.write(pipe[1], b"x")
        assert follower.wait(limit) == READ
        watcher.event.free()
        assert follower.wait(limit) == READ
        follower.event.free()
    finally:
        os.close(fd)


def test_p24_a_closed_files_number_serves_another_file(base: Any, pipe: tuple[int, int], limit: float) -> None:
    """Nobody deleted the closed file's event; libevent itself would never wait for the new one."""
    one, other = system.socketpair()
    fd = one.fileno()
    stale = ev.Event(base, one, READ | PERSIST, print)
    stale.add()
    one.close()
    other.close()
    os.dup2(pipe[0], fd)
    try:
        follower = Watcher(base, fd, READ)
        os.write(pipe[1], b"x")
        assert follower.wait(limit) == READ
        assert stale.pending() == 0
        follower.event.free()
    finally:
        os.close(fd)


def test_p29_deleted_and_then_closed(connect: Pair, base: Any, limit: float) -> None:
    for _ in range(5):
        push, pull = connect("PUSH", "PULL")
        watcher = Watcher(base, pull, READ)
        push.send(b"message")
        assert watcher.wait(limit) == READ
        watcher.event.delete()
        pull.close()
        assert base.dispatch() == 1
        push.close(0)


@pytest.mark.parametrize("whose", ["its own", "the other's", "both"])
@pytest.mark.parametrize("how", ["close", "free and close", "close and free"])
def test_p32_a_callback_closes_sockets(connect: Pair, base: Any, limit: float, whose: str, how: str) -> None:
    """Both are ready in one turn; the loop goes on, and so do the sockets that are left."""
    pulls, events, calls = [], {}, []

    def called(pull: Any, what: int, arg: Any) -> None:
        calls.append(pull)
        for each in pulls:
            if (whose == "both" or (each is pull) == (whose == "its own")) and not each.closed:
                if how == "free and close":
                    events[each].free()
                each.close()
                if how == "close and free":
                    events[each].free()

    for _ in range(2):
        push, pull = connect("PUSH", "PULL")
        push.send(b"message")
        pulls.append(pull)
        events[pull] = ev.Event(base, pull, READ | PERSIST, called)
        events[pull].add()
    other_push, other = connect("PUSH", "PULL")
    watcher = Watcher(base, other, READ)
    for _ in range(5):
        base.loop(ev.EVLOOP_ONCE | ev.EVLOOP_NONBLOCK)
    assert calls
    if whose == "both":
        assert all(pull.closed for pull in pulls)
    other_push.send(b"message")
    assert watcher.wait(limit) == READ


def test_p32_a_callback_adds_and_deletes(connect: Pair, base: Any) -> None:
    left, right = connect()
    trail: list[str] = []

    def reading(source: Any, what: int, arg: Any) -> None:
        trail.append("read")
        reader.delete()
        writer.add()

    def writing(source: Any, what: int, arg: Any) -> None:
        trail.append("write")
        writer.delete()
        writer.add()
        reader.add()
        if len(trail) > 4:
            writer.free()
            reader.free()

    reader = ev.Event(base, left, READ | PERSIST, reading)
    writer = ev.Event(base, left, WRITE | PERSIST, writing)
    reader.add()
    right.send(b"message")
    assert base.dispatch() == 1
    assert trail[0] == "read" and "write" in trail


# ---- no spin, nothing that wakes by itself, nobody starves


def switches() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


@pytest.mark.parametrize("library", ["alone", "pyzmq"], indirect=True)
def test_p10_p22_an_idle_loop_sleeps(pair: Pair, make: Make, base: Any, scaled: Scaled, pipe: tuple[int, int]) -> None:
    """Two seconds with all kinds of events pending: the thread goes to sleep a few times, not more."""
    left, right = pair(sndhwm=1, rcvhwm=1)
    fill(left)
    right.send(b"unread by a socket that only wants to write")
    idle = make("PULL")
    idle.bind("tcp://127.0.0.1:*")
    calls: list[int] = []

    def more(source: Any, what: int, arg: Any) -> None:
        # By tcp there is room for a while.
        calls.append(what)
        fill(left)

    events = [
        ev.Event(base, left, WRITE | PERSIST, more),
        ev.Event(base, idle, READ | PERSIST, print),
        ev.Event(base, idle, READ | PERSIST | ev.EV_ET, print),
        ev.Event(base, pipe[0], READ | PERSIST, print),
    ]
    for event in events:
        event.add()
    before, used = switches(), time.thread_time()
    base.loopexit(scaled(2))
    assert base.dispatch() == 0
    # One for each sleep, and what the system itself does in between.
    assert switches() - before < 20 + 10 * len(calls)
    assert time.thread_time() - used < scaled(0.5)
    assert len(calls) < 200


def test_p21_timers_and_files_have_their_turn(connect: Pair, base: Any, pipe: tuple[int, int]) -> None:
    """A socket that is always ready, and one-shot events that are added again at once."""
    left, right = connect()
    right.send(b"never read")
    trail: list[str] = []

    def busy(source: Any, what: int, arg: Any) -> None:
        trail.append("busy")
        if not event.pending():
            event.add()
        assert len(trail) < 10_000, "nobody else has had a turn"

    event = ev.Event(base, left, READ, busy)
    events = [event, ev.Event(base, left, BOTH | PERSIST, lambda *_: trail.append("busy"))]
    for each in events:
        each.add()
    os.write(pipe[1], b"x")
    ev.Event(base, pipe[0], READ, lambda *_: trail.append("file")).add()
    ev.Event(base, None, 0, lambda *_: trail.append("timer")).add(0.001)
    while not {"file", "timer"} <= set(trail):
        base.loop(ev.EVLOOP_ONCE)


def test_an_urgent_file_does_not_starve_a_socket_for_ever(connect: Pair, base: Any, pipe: tuple[int, int]) -> None:
    """And what arrives all the time does not keep an event of lower priority from its call."""
    base.priority_init(2)
    left, right = connect(sndhwm=0, rcvhwm=0)
    calls: list[bytes] = []
    low = ev.Event(base, left, READ | PERSIST, lambda *_: calls.append(left.recv(zmq.DONTWAIT)))
    low.priority = 1
    low.add()

    def send(source: Any, what: int, arg: Any) -> None:
        right.send(b"message")
        timer.add(0.0001)

    timer = ev.Event(base, None, 0, send)
    timer.priority = 0
    timer.add(0)
    while len(calls) < 100:
        base.loop(ev.EVLOOP_ONCE)


# ---- the collector


def test_pending_events_stay_and_others_go(connect: Pair, base: Any, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    calls: list[int] = []
    ev.Event(base, pull, READ, lambda _, what, arg: calls.append(what)).add()
    for _ in range(10):
        ev.Event(base, pull, READ, print)
    gc.collect()
    push.send(b"message")
    assert base.dispatch() == 1
    assert calls == [READ]
    assert len(base._structures) <= 2
    assert (base.watched, base.idle, base.held) == ({}, {}, set())


# ---- what naive programs do


@pytest.mark.parametrize("library", ["pyzmq"], indirect=True)
@pytest.mark.parametrize("pitfall", ["p02", "p04", "p05", "p06"])
def test_naive_events_of_a_stock_fd_sleep_on(
    pair: Pair, base: Any, wait_for: WaitFor, scaled: Scaled, pitfall: str
) -> None:
    """The same loop with the descriptor for a source, one message a call: it sleeps with a message waiting."""
    left, right = pair(sndhwm=0, rcvhwm=0)
    calls: list[int] = []
    while left.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        left.recv()
    event = ev.Event(base, left.getsockopt(zmq.FD), READ | PERSIST, lambda *_: calls.append(1))
    right.send(b"message")
    wait_for(lambda: readable(left.getsockopt(zmq.FD)))
    if pitfall == "p02":
        eat(left, wait_for)
    elif pitfall == "p06":
        assert zmq.Socket.shadow(left).getsockopt(zmq.EVENTS) & zmq.POLLIN
    else:
        for _ in range(2 if pitfall == "p05" else 0):
            right.send(b"message")
        wait_for(lambda: left.getsockopt(zmq.EVENTS) & zmq.POLLIN)
        left.recv(zmq.DONTWAIT)
        if pitfall == "p04":
            right.send(b"next")
    event.add()
    base.loopexit(scaled(0.1))
    base.dispatch()
    assert calls == []
    assert left.getsockopt(zmq.EVENTS) & zmq.POLLIN
    event.delete()
    # And ours does not.
    assert Watcher(base, left, READ).wait(scaled(10)) == READ
