"""FD with EVENTS, recv_fd and send_fd, waited for by hand-written loops: nothing is lost, and nothing spins.

The loops follow the manual (zmq_getsockopt, ZMQ_FD): wait until FD is readable, read EVENTS, and go on with recv and
EVENTS until there is no POLLIN. `Context(io_threads=0)` has no thread that could paper over a lost edge, so there a
lost one is a wait that times out. `test_naive_pyzmq.py` shows what these tests would see if an edge were lost.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import select
import socket as system
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import mqbridge
from mqbridge.constants import DONTWAIT, EVENTS, FD, LAST_ENDPOINT, PAIR, POLLIN, POLLOUT, PULL, PUSH
from mqbridge.loops.selectors import EVENT_READ, EVENT_WRITE, Selector

Scaled = Callable[[float], float]
WaitFor = Callable[..., None]
Make = Callable[..., mqbridge.Socket]
Join = Callable[..., str]
Settle = Callable[[mqbridge.Socket, mqbridge.Socket], None]
Pair = Callable[..., tuple[mqbridge.Socket, mqbridge.Socket]]

TRANSPORTS = ("inproc", "tcp")
# Who binds, and who comes first.
ORDERS = ("push binds", "pull binds", "pull connects first", "push connects first")


# ---- the ways to wait for a descriptor


class Wait:
    """Waits for a socket's FD. `wait` returns whether it became readable in time."""

    def __init__(self, socket: mqbridge.Socket) -> None:
        self.fd: int = socket.getsockopt(FD)

    def wait(self, timeout: float) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the waiting needed."""


class BySelect(Wait):
    def wait(self, timeout: float) -> bool:
        return bool(select.select([self.fd], [], [], timeout)[0])


class ByPoll(Wait):
    def wait(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


class ByEpoll(Wait):
    mask = select.EPOLLIN

    def __init__(self, socket: mqbridge.Socket) -> None:
        super().__init__(socket)
        self.epoll = select.epoll()
        self.epoll.register(self.fd, self.mask)

    def wait(self, timeout: float) -> bool:
        return bool(self.epoll.poll(timeout))

    def close(self) -> None:
        self.epoll.close()


class ByEdge(ByEpoll):
    mask = select.EPOLLIN | select.EPOLLET


class BySelector(Wait):
    def __init__(self, socket: mqbridge.Socket) -> None:
        self.selector = Selector()
        self.selector.register(socket, self.events(socket))

    @staticmethod
    def events(socket: mqbridge.Socket) -> int:
        return EVENT_WRITE if socket.socket_type == PUSH else EVENT_READ

    def wait(self, timeout: float) -> bool:
        return bool(self.selector.select(timeout))

    def close(self) -> None:
        self.selector.close()


WAYS = {"select": BySelect, "poll": ByPoll, "epoll": ByEpoll, "epoll, edge": ByEdge, "Selector": BySelector}


def readable(fd: int, timeout: float = 0) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def read_by_hand(socket: mqbridge.Socket, way: str, count: int, limit: float) -> list[bytes]:
    """The manual's loop. Each wait may take `limit` seconds; only a lost edge takes so long."""
    waiter = WAYS[way](socket)
    got: list[bytes] = []
    try:
        while len(got) < count:
            if not waiter.wait(limit):
                raise AssertionError(f"asleep after {len(got)} of {count}; EVENTS says {socket.getsockopt(EVENTS)}")
            while len(got) < count and socket.getsockopt(EVENTS) & POLLIN:
                got.append(socket.recv(DONTWAIT))
    finally:
        waiter.close()
    return got


def write_by_hand(socket: mqbridge.Socket, way: str, messages: list[bytes], limit: float) -> None:
    """The manual's loop for sending."""
    waiter = WAYS[way](socket)
    sent = 0
    try:
        while sent < len(messages):
            if not waiter.wait(limit):
                raise AssertionError(f"asleep after {sent}; EVENTS says {socket.getsockopt(EVENTS)}")
            while sent < len(messages) and socket.getsockopt(EVENTS) & POLLOUT:
                socket.send(messages[sent], DONTWAIT)
                sent += 1
    finally:
        waiter.close()


def quiet(socket: mqbridge.Socket) -> int:
    """Read EVENTS until FD is not readable, as a drained loop would have it; return EVENTS."""
    events: int = socket.getsockopt(EVENTS)
    while readable(socket.getsockopt(FD)):
        events = socket.getsockopt(EVENTS)
    return events


# ---- fixtures


@pytest.fixture(params=[0, 1], ids=["alone", "caretaker"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    """A context without a caretaker, and one with."""
    made = mqbridge.Context(io_threads=request.param)
    yield made
    made.destroy(linger=0)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """The transport."""
    name: str = request.param
    return name


@pytest.fixture
def limit(scaled: Scaled) -> float:
    """How long a wait may take that should take no time."""
    return scaled(10)


@pytest.fixture
def make(context: mqbridge.Context, limit: float) -> Iterator[Make]:
    """A function that makes a socket whose blocking calls end after `limit`: `make(PUSH, sndhwm=1)`."""
    made = []

    def make_one(kind: int, **options: int) -> mqbridge.Socket:
        made.append(context.socket(kind))
        options = {"sndtimeo": int(limit * 1000), "rcvtimeo": int(limit * 1000), "reconnect_ivl": 10, **options}
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(linger=0)


@pytest.fixture
def join(wait_for: WaitFor) -> Join:
    """A function that connects two sockets, in either order, and waits until the sender has its peer."""
    names = itertools.count()

    def connect(transport: str, binder: mqbridge.Socket, other: mqbridge.Socket, connect_first: bool = False) -> str:
        place = f"inproc://place-{next(names)}"
        if transport == "inproc":
            first, second = (other.connect, binder.bind) if connect_first else (binder.bind, other.connect)
            first(place)
            second(place)
        elif connect_first:
            with system.socket() as reserved:
                # Bound but not listening: nobody else gets the port, and the binder still does.
                reserved.setsockopt(system.SOL_SOCKET, system.SO_REUSEADDR, 1)
                reserved.bind(("127.0.0.1", 0))
                place = f"tcp://127.0.0.1:{reserved.getsockname()[1]}"
                other.connect(place)
                binder.bind(place)
        else:
            binder.bind("tcp://127.0.0.1:*")
            place = binder.get_string(LAST_ENDPOINT)
            other.connect(place)
        return place

    return connect


@pytest.fixture
def settle(wait_for: WaitFor) -> Settle:
    """A function that drives two sockets by `poll`, in which no view takes part, until a message has crossed."""

    def until_connected(sender: mqbridge.Socket, receiver: mqbridge.Socket) -> None:
        wait_for(lambda: receiver.poll(0) & 0 or sender.poll(0, POLLOUT), "a peer")
        sender.send(b"the first")
        wait_for(lambda: sender.poll(0) | receiver.poll(0), "the first message")
        assert receiver.recv(DONTWAIT) == b"the first"

    return until_connected


@pytest.fixture
def pair(make: Make, join: Join, settle: Settle, transport: str) -> Pair:
    """A function that makes two connected sockets: `pair(PUSH, PULL, sndhwm=1)`, PAIRs if no type is given."""

    def connected(
        one: int = PAIR, other: int = PAIR, over: str = "", **options: int
    ) -> tuple[mqbridge.Socket, mqbridge.Socket]:
        left, right = make(one, **options), make(other, **options)
        join(over or transport, left, right)
        settle(left, right)
        if one == PAIR:
            settle(right, left)
        return left, right

    return connected


MESSAGES = [b"%d" % number for number in range(100)]


# ---- P1: readable before the watch starts


@pytest.fixture(params=ORDERS)
def ordered(request: pytest.FixtureRequest, make: Make, join: Join, transport: str) -> tuple[Any, Any]:
    """A PUSH and a PULL, connected in each of the four orders."""
    push, pull = make(PUSH), make(PULL)
    order: str = request.param
    pull_binds = order in ("pull binds", "push connects first")
    join(transport, pull if pull_binds else push, push if pull_binds else pull, order.endswith("first"))
    return push, pull


@pytest.mark.parametrize("way", WAYS)
def test_p01_messages_that_came_before_the_wait(
    ordered: tuple[Any, Any], settle: Settle, pool: ThreadPoolExecutor, limit: float, way: str
) -> None:
    push, pull = ordered
    settle(push, pull)
    for message in MESSAGES:
        push.send(message)
    assert pool.submit(read_by_hand, pull, way, len(MESSAGES), limit).result() == MESSAGES


@pytest.mark.parametrize("way", ["epoll", "epoll, edge"])
def test_p01_with_fd_asked_for_before_the_messages(
    ordered: tuple[Any, Any], settle: Settle, pool: ThreadPoolExecutor, limit: float, way: str
) -> None:
    push, pull = ordered
    pull.getsockopt(FD)
    settle(push, pull)
    quiet(pull)
    for message in MESSAGES:
        push.send(message)
    assert pool.submit(read_by_hand, pull, way, len(MESSAGES), limit).result() == MESSAGES


@pytest.mark.parametrize("way", ["poll", "epoll, edge", "Selector"])
def test_p01_p08_both_sides_by_hand_from_the_start(
    ordered: tuple[Any, Any], pool: ThreadPoolExecutor, limit: float, way: str
) -> None:
    """Nothing but the two loops drives these sockets: connecting and the handshake show on FD, too."""
    push, pull = ordered
    writing = pool.submit(write_by_hand, push, way, MESSAGES, limit)
    reading = pool.submit(read_by_hand, pull, way, len(MESSAGES), limit)
    writing.result()
    # What waits for a connection to write to is driven by whoever sent it.
    while not reading.done():
        push.poll(1, POLLIN)
    assert reading.result() == MESSAGES


def test_p01_bind_to_a_name_with_messages_waiting(make: Make, limit: float, pool: ThreadPoolExecutor) -> None:
    """The sender has connected and sent before there is anybody; the reader watched before it bound."""
    push, pull = make(PUSH), make(PULL)
    quiet(pull)
    push.connect("inproc://later")
    for message in MESSAGES:
        push.send(message)
    reading = pool.submit(read_by_hand, pull, "epoll, edge", len(MESSAGES), limit)
    pull.bind("inproc://later")
    assert reading.result() == MESSAGES


def test_p01_a_later_view_begins_readable(pair: Pair, limit: float) -> None:
    """Also when other views have read EVENTS since the message came."""
    push, pull = pair(PUSH, PULL)
    push.send(b"before")
    assert pull.poll(limit * 1000)
    assert quiet(pull) == POLLIN
    view = pull.view()
    assert readable(view.fileno())
    assert view.events() == POLLIN
    assert readable(mqbridge.Socket.shadow(pull).getsockopt(FD))
    view.close()


# ---- P2, P3: what else happens to the socket between the edge and the wait


@pytest.mark.parametrize("seen", [False, True])
def test_p02_a_send_leaves_the_read_edge(pair: Pair, limit: float, seen: bool) -> None:
    """Also when somebody who is no view has done the input (`seen`): then the edge is this view's own."""
    left, right = pair()
    quiet(left)
    right.send(b"answer")
    if seen:
        assert left.poll(limit * 1000)
    assert readable(left.getsockopt(FD), limit)
    left.send(b"unrelated")
    assert readable(left.getsockopt(FD), limit)
    assert left.getsockopt(EVENTS) & POLLIN


def test_p02_many_sends_that_look_at_the_network_leave_it(pair: Pair, limit: float) -> None:
    left, right = pair(sndhwm=0, rcvhwm=0)
    quiet(left)
    right.send(b"answer")
    assert readable(left.getsockopt(FD), limit)
    for _ in range(3000):
        left.send(b"unrelated")
    assert readable(left.getsockopt(FD), limit)
    assert left.getsockopt(EVENTS) & POLLIN


@pytest.mark.parametrize("seen", [False, True])
def test_p02_a_recv_leaves_the_read_edge(pair: Pair, limit: float, seen: bool) -> None:
    """It took one of two messages, in another thread perhaps."""
    left, right = pair()
    quiet(left)
    right.send(b"1")
    right.send(b"2")
    if seen:
        assert left.poll(limit * 1000)
    assert left.recv() == b"1"
    assert readable(left.getsockopt(FD), limit)
    while not left.getsockopt(EVENTS) & POLLIN:
        assert readable(left.getsockopt(FD), limit)


@pytest.mark.parametrize("seen", [False, True])
def test_p02_a_recv_leaves_the_write_edge(pair: Pair, limit: float, seen: bool) -> None:
    left, right = pair(sndhwm=1, rcvhwm=1, over="inproc")
    right.send(b"to be received")
    while left.poll(0, POLLOUT):
        left.send(b"full")
    assert not quiet(left) & POLLOUT
    while right.poll(0):
        right.recv()
    if seen:
        assert left.poll(limit * 1000, POLLOUT)
    assert readable(left.getsockopt(FD), limit)
    assert left.recv() == b"to be received"
    assert readable(left.getsockopt(FD))
    assert left.getsockopt(EVENTS) & POLLOUT


@pytest.mark.parametrize("seen", [False, True])
def test_p02_a_send_that_raises_again_leaves_the_read_edge(
    make: Make, scaled: Scaled, limit: float, seen: bool
) -> None:
    """One thread sends without waiting, another one waits for messages: the same object, and the same FD."""
    left, right = make(PAIR, sndhwm=1), make(PAIR, rcvhwm=1)
    left.bind("inproc://pair")
    right.connect("inproc://pair")
    while left.poll(0, POLLOUT):
        left.send(b"full")
    quiet(left)
    right.send(b"answer")
    assert readable(left.getsockopt(FD), limit)
    if seen:
        # Somebody else has done the input that was due: the edge is now only this view's own.
        left.poll(0)
    with pytest.raises(mqbridge.Again):
        left.send(b"unrelated", DONTWAIT)
    assert readable(left.getsockopt(FD), scaled(10))
    assert left.getsockopt(EVENTS) & POLLIN


OPERATIONS: dict[str, Callable[[mqbridge.Socket], object]] = {
    "disconnect": lambda socket: socket.connect("inproc://nobody").__exit__(),
    "unbind": lambda socket: socket.bind("inproc://another").__exit__(),
    "connect": lambda socket: socket.connect("inproc://nobody"),
    "connect by tcp": lambda socket: socket.connect("tcp://127.0.0.1:1"),
    "bind": lambda socket: socket.bind("inproc://another"),
    "bind by tcp": lambda socket: socket.bind("tcp://127.0.0.1:*"),
    "setsockopt": lambda socket: socket.setsockopt(mqbridge.LINGER, 0),
    "getsockopt": lambda socket: socket.getsockopt(LAST_ENDPOINT),
    "poll": lambda socket: socket.poll(0),
    "EVENTS of another object": lambda socket: mqbridge.Socket.shadow(socket).getsockopt(EVENTS),
    "nothing": lambda socket: None,
}


@pytest.mark.parametrize("seen", [False, True])
def test_p03_other_calls_leave_the_edge(pair: Pair, limit: float, seen: bool) -> None:
    push, pull = pair(PUSH, PULL)
    fd = pull.getsockopt(FD)
    for name, operation in OPERATIONS.items():
        quiet(pull)
        push.send(b"message")
        if seen:
            assert pull.poll(limit * 1000)
        assert readable(fd, limit)
        operation(pull)
        assert readable(fd, limit), name
        while not pull.getsockopt(EVENTS) & POLLIN:
            # That edge was a dial's. The message makes its own.
            assert readable(fd, limit), name
        assert pull.recv(DONTWAIT) == b"message"


# ---- P4, P5: stopping before empty


@pytest.mark.parametrize("way", WAYS)
def test_p04_reading_stops_at_exactly_the_last_message(pair: Pair, limit: float, way: str) -> None:
    """The reader counts, stops at the last one and, as the manual wants it, looks once more before it waits again."""
    push, pull = pair(PUSH, PULL)
    for count in (1, 2, 3, 5):
        for message in MESSAGES[:count]:
            push.send(message)
        assert read_by_hand(pull, way, count, limit) == MESSAGES[:count]
        assert pull.getsockopt(EVENTS) == 0


@pytest.mark.parametrize("count", [1, 3])
def test_p04_a_message_into_an_empty_queue_makes_an_edge(pair: Pair, scaled: Scaled, limit: float, count: int) -> None:
    """Also for a reader who has not looked since the last message: what is there is new to it."""
    push, pull = pair(PUSH, PULL)
    for message in MESSAGES[:count]:
        push.send(message)
    assert read_by_hand(pull, "poll", count, limit) == MESSAGES[:count]
    fd = pull.getsockopt(FD)
    if readable(fd):
        # Not a look at an empty queue, if this can be helped.
        pytest.skip("an edge that was on its way")
    push.send(b"next")
    assert readable(fd, scaled(10))
    assert pull.poll(limit * 1000)
    assert pull.recv(DONTWAIT) == b"next"


def test_p04_room_in_a_full_queue_makes_an_edge(make: Make, scaled: Scaled) -> None:
    """Also for a writer who stopped at exactly the last room, and has not met Again."""
    push, pull = make(PUSH, sndhwm=2), make(PULL, rcvhwm=2)
    push.bind("inproc://place")
    pull.connect("inproc://place")
    assert quiet(push) == POLLOUT
    for message in MESSAGES[:4]:
        push.send(message, DONTWAIT)
    assert not readable(push.getsockopt(FD))
    for message in MESSAGES[:4]:
        assert pull.recv(DONTWAIT) == message
    assert readable(push.getsockopt(FD), scaled(10))


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_p04_p05_levels_need_no_look_at_empty(pair: Pair, limit: float, stop_after: int) -> None:
    """`recv_fd` is readable for what is left, silent after exactly the last, and readable for the next."""
    push, pull = pair(PUSH, PULL)
    level = pull.recv_fd
    for message in MESSAGES[:3]:
        push.send(message)
    for _ in range(stop_after):
        assert readable(level, limit)
        pull.recv()
    for _ in range(3 - stop_after):
        assert readable(level, limit)
        pull.recv()
    if pull.poll(0) == 0:
        assert not readable(level)
    push.send(b"next")
    assert readable(level, limit)
    assert pull.recv(DONTWAIT) == b"next"


def test_p05_selector_reports_what_is_left(pair: Pair, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    for message in MESSAGES:
        push.send(message)
    with Selector() as selector:
        selector.register(pull, EVENT_READ)
        got = []
        while len(got) < len(MESSAGES):
            assert selector.select(limit)
            got.append(pull.recv(DONTWAIT))
        assert got == MESSAGES
        assert selector.select(0) == []
        push.send(b"next")
        assert selector.select(limit)


def test_p05_events_says_what_is_left_although_fd_is_quiet(pair: Pair, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    for message in MESSAGES:
        push.send(message)
    pull.recv()
    for _ in MESSAGES[1:]:
        # The last ones may still be on their way.
        assert pull.poll(limit * 1000) == POLLIN
        assert quiet(pull) == POLLIN
        pull.recv(DONTWAIT)
    assert quiet(pull) == 0


# ---- P6: several views


def views_of(socket: mqbridge.Socket) -> list[tuple[Callable[[], int], Callable[[], int], Callable[[], None]]]:
    """The ways to see one socket: fileno, events and close of its own FD, a shadow's, and two loops' views."""
    shadow = mqbridge.Socket.shadow(socket)
    found: list[Any] = [
        (item.fileno, lambda item=item: item.getsockopt(EVENTS), lambda: None) for item in (socket, shadow)
    ]
    for _ in range(2):
        view = socket.view()
        found.append((view.fileno, view.events, view.close))
    for fileno, _, _ in found:
        # A socket object's own view is made when FD is first asked for.
        assert fileno() >= 0
    return found


def test_p06_no_view_takes_the_wake_up_of_another(pair: Pair, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    views = views_of(pull)
    for turn in range(2 * len(views)):
        assert [events() for _, events, _ in views] == [0] * len(views)
        assert not any(readable(fileno()) for fileno, _, _ in views)
        push.send(b"message")
        order = views[turn % len(views) :] + views[: turn % len(views)]
        for fileno, events, _ in order:
            assert readable(fileno(), limit)
            assert events() == POLLIN
            # The Poller is no view, and takes nothing either.
            assert pull.poll(0) == POLLIN
        assert pull.recv(DONTWAIT) == b"message"
    for _, _, close in views:
        close()


def test_p06_a_message_taken_by_one_view_still_wakes_the_others(pair: Pair, limit: float) -> None:
    """They find nothing, which they learn by a look, not by sleeping on."""
    push, pull = pair(PUSH, PULL)
    shadow = mqbridge.Socket.shadow(pull)
    quiet(pull)
    quiet(shadow)
    push.send(b"message")
    assert readable(pull.getsockopt(FD), limit)
    assert pull.getsockopt(EVENTS) == POLLIN
    assert pull.recv(DONTWAIT) == b"message"
    assert readable(shadow.getsockopt(FD), limit)
    assert shadow.getsockopt(EVENTS) == 0
    quiet(shadow)
    push.send(b"next")
    assert readable(shadow.getsockopt(FD), limit)
    assert shadow.getsockopt(EVENTS) == POLLIN


@pytest.mark.parametrize("way", ["epoll", "epoll, edge", "Selector"])
def test_p06_waiting_threads_on_all_views_wake(pair: Pair, pool: ThreadPoolExecutor, limit: float, way: str) -> None:
    """Two objects, the Poller and a blocking poll wait in four threads: one message wakes them all."""
    push, pull = pair(PUSH, PULL)
    shadow = mqbridge.Socket.shadow(pull)
    barrier = threading.Barrier(5)
    rounds = 30

    def by_fd(socket: mqbridge.Socket) -> int:
        waiter = WAYS[way](socket)
        woken = 0
        try:
            for _ in range(rounds):
                barrier.wait(limit)
                while waiter.wait(limit):
                    if socket.getsockopt(EVENTS) & POLLIN:
                        woken += 1
                        break
                barrier.wait(limit)
                barrier.wait(limit)
        finally:
            waiter.close()
        return woken

    def by_poll(poll: Callable[[float], Any]) -> int:
        woken = 0
        for _ in range(rounds):
            barrier.wait(limit)
            woken += bool(poll(limit * 1000))
            barrier.wait(limit)
            barrier.wait(limit)
        return woken

    poller = mqbridge.Poller()
    poller.register(pull, POLLIN)
    waiting = [
        pool.submit(by_fd, pull),
        pool.submit(by_fd, shadow),
        pool.submit(by_poll, poller.poll),
        pool.submit(by_poll, shadow.poll),
    ]
    try:
        for _ in range(rounds):
            quiet(pull)
            quiet(shadow)
            barrier.wait(limit)
            push.send(b"message")
            barrier.wait(2 * limit)
            assert pull.recv(DONTWAIT) == b"message"
            barrier.wait(limit)
    except BaseException:
        barrier.abort()
        raise
    assert [each.result() for each in waiting] == [rounds] * 4


# ---- P7, P8: writing


def test_p07_fd_is_never_writable_and_does_not_flood(pair: Pair, limit: float) -> None:
    """Writability, too, shows as a readable FD, once; it stays quiet while POLLOUT stays."""
    left, _ = pair()
    assert quiet(left) == POLLOUT
    fd = left.getsockopt(FD)
    assert select.select([fd], [fd], [fd], 0) == ([], [], [])
    epoll = select.epoll()
    epoll.register(fd, select.EPOLLIN | select.EPOLLOUT)
    assert epoll.poll(0) == []
    epoll.close()


def test_p08_room_at_the_mark_shows_on_fd(make: Make, join: Join, limit: float, wait_for: WaitFor) -> None:
    push, pull = make(PUSH, sndhwm=1), make(PULL, rcvhwm=1)
    join("inproc", push, pull)
    for _ in range(20):
        while quiet(push) & POLLOUT:
            push.send(b"message", DONTWAIT)
        with pytest.raises(mqbridge.Again):
            push.send(b"one too many", DONTWAIT)
        assert not readable(push.getsockopt(FD))
        while pull.poll(0):
            pull.recv(DONTWAIT)
        assert readable(push.getsockopt(FD), limit)
        assert push.getsockopt(EVENTS) == POLLOUT


@pytest.mark.parametrize("way", ["poll", "epoll, edge", "Selector"])
@pytest.mark.parametrize("mark", [1, 10])
def test_p08_two_loops_at_the_mark(pair: Pair, pool: ThreadPoolExecutor, limit: float, way: str, mark: int) -> None:
    """Writer and reader stop for each other all the time."""
    push, pull = pair(PUSH, PULL, sndhwm=mark, rcvhwm=mark)
    messages = [b"%d" % number for number in range(300)]
    writing = pool.submit(write_by_hand, push, way, messages, limit)
    assert pool.submit(read_by_hand, pull, way, len(messages), limit).result() == messages
    writing.result()


def test_p08_big_messages_fill_the_connection(pair: Pair, pool: ThreadPoolExecutor, limit: float) -> None:
    """The kernel's buffers are full, too: what makes room is the network, not the queue."""
    push, pull = pair(PUSH, PULL, over="tcp", sndhwm=1, rcvhwm=1)
    messages = [bytes([number]) * 300_000 for number in range(30)]
    writing = pool.submit(write_by_hand, push, "epoll, edge", messages, limit)
    reading = pool.submit(read_by_hand, pull, "epoll, edge", len(messages), limit)
    writing.result()
    while not reading.done():
        push.poll(1, POLLIN)
    assert reading.result() == messages


def test_p08_a_peer_that_comes_or_goes_shows_on_fd(
    make: Make, join: Join, transport: str, limit: float, pool: ThreadPoolExecutor
) -> None:
    push, pull = make(PUSH), make(PULL)
    fd = push.getsockopt(FD)
    assert quiet(push) == 0
    join(transport, push, pull)
    driving = pool.submit(pull.poll, limit * 1000)
    while not push.getsockopt(EVENTS) & POLLOUT:
        assert readable(fd, limit)
    quiet(push)
    while not pull._driver.waiters:
        time.sleep(0)
    pull.close(0)
    while push.getsockopt(EVENTS) & POLLOUT:
        assert readable(fd, limit)
    assert isinstance(driving.exception(), mqbridge.ZMQError)


# ---- P10: wakes are counted


def wakes(fd: int, duration: float, handle: Callable[[], object]) -> int:
    """Count how often a level-triggered loop wakes in `duration` seconds."""
    count = 0
    until = time.monotonic() + duration
    while (left := until - time.monotonic()) > 0:
        if readable(fd, left):
            count += 1
            handle()
    return count


def test_p10_a_drained_view_is_quiet_with_messages_unread(pair: Pair, scaled: Scaled, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    undrained = mqbridge.Socket.shadow(pull)
    undrained.getsockopt(FD)
    for message in MESSAGES:
        push.send(message)
    assert readable(pull.getsockopt(FD), limit)
    # A few are the messages still arriving.
    assert wakes(pull.getsockopt(FD), scaled(0.1), lambda: pull.getsockopt(EVENTS)) < 100
    assert readable(undrained.getsockopt(FD))


@pytest.mark.parametrize("end", ["left", "right"])
def test_p10_connecting_does_not_spin(make: Make, join: Join, transport: str, scaled: Scaled, end: str) -> None:
    """A loop that only reads EVENTS when told to gets through the handshake and then rests."""
    left, right = make(PAIR), make(PAIR)
    join(transport, left, right)
    one, other = (left, right) if end == "left" else (right, left)
    assert wakes(one.getsockopt(FD), scaled(0.1), lambda: one.getsockopt(EVENTS) | other.getsockopt(EVENTS)) < 100


def test_p10_a_view_that_nobody_drains_burns_no_core(pair: Pair, scaled: Scaled, limit: float) -> None:
    """Neither the caretaker nor the peer goes round because somebody does not read EVENTS."""
    push, pull = pair(PUSH, PULL)
    undrained = pull.view()
    for message in MESSAGES:
        push.send(message)
    assert readable(undrained.fileno(), limit)
    started, visits = time.process_time(), pull._driver.visits
    duration = scaled(0.3)
    select.select([], [], [], duration)
    assert time.process_time() - started < duration / 3
    assert pull._driver.visits - visits < 20
    undrained.close()


def test_p10_an_attempt_that_raises_again_quiets_fd(pair: Pair, limit: float) -> None:
    """A loop without EVENTS, wait and try, does not spin."""
    push, pull = pair(PUSH, PULL)
    fd = pull.getsockopt(FD)
    for message in MESSAGES[:5]:
        push.send(message)
    got = []
    failures = 0
    while len(got) < 5:
        assert readable(fd, limit)
        try:
            while True:
                got.append(pull.recv(DONTWAIT))
        except mqbridge.Again:
            failures += 1
    assert got == MESSAGES[:5]
    assert failures <= 10
    with pytest.raises(mqbridge.Again):
        pull.recv(DONTWAIT)
    assert not readable(fd)


def test_p10_a_sender_that_only_tries_does_not_spin(make: Make, scaled: Scaled) -> None:
    """It waits for FD and tries again, at the mark, with a message unread that it does not care for."""
    left, right = make(PAIR, sndhwm=1), make(PAIR, rcvhwm=1)
    left.bind("inproc://pair")
    right.connect("inproc://pair")
    right.send(b"unread")
    while left.poll(0, POLLOUT):
        left.send(b"full")

    def attempt() -> None:
        with pytest.raises(mqbridge.Again):
            left.send(b"no room", DONTWAIT)

    assert wakes(left.getsockopt(FD), scaled(0.1), attempt) < 100


# ---- the end: P24, P27, P28, P29, P32


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        assert error.errno == errno.EBADF
        return False
    return True


def test_p27_descriptors_close_at_once(pair: Pair) -> None:
    _, pull = pair(PUSH, PULL)
    shadow = mqbridge.Socket.shadow(pull)
    descriptors = [pull.getsockopt(FD), shadow.getsockopt(FD), pull.recv_fd]
    assert all(map(is_open, descriptors))
    pull.close()
    assert not any(map(is_open, descriptors))
    assert shadow.closed


LINGERING = """
import os, sys, mqbridge
context = mqbridge.Context(io_threads=int(sys.argv[1]))
push = context.socket(mqbridge.PUSH)
push.connect("tcp://127.0.0.1:1")
push.send(b"never taken")
descriptors = [push.getsockopt(mqbridge.FD), push.send_fd]
push.close(linger=100)
for fd in descriptors:
    try:
        os.fstat(fd)
    except OSError:
        continue
    sys.exit("a descriptor is still open")
context.term()
"""


@pytest.mark.parametrize("io_threads", [0, 1])
def test_p27_also_while_messages_linger(io_threads: int, limit: float) -> None:
    """In a process of its own: a lingering that does not end would hold up the tests for ever."""
    program = [sys.executable, "-c", LINGERING, str(io_threads)]
    assert subprocess.run(program, timeout=limit, check=False, capture_output=True).returncode == 0


def test_p27_a_loops_view_outlives_the_socket(pair: Pair) -> None:
    """It turns readable, says why, and its number stays its own until the loop has let go of it."""
    _, pull = pair(PUSH, PULL)
    view = pull.view()
    while readable(view.fileno()):
        view.events()
    pull.close()
    assert readable(view.fileno())
    with pytest.raises(mqbridge.ZMQError) as caught:
        view.events()
    assert caught.value.errno == errno.ENOTSOCK
    fd = view.fileno()
    assert is_open(fd)
    view.close()
    assert not is_open(fd)
    assert view.fileno() == -1
    view.close()


@pytest.mark.parametrize("mask", [select.EPOLLIN, select.EPOLLIN | select.EPOLLET], ids=["level", "edge"])
def test_p24_the_number_serves_another_file(pair: Pair, limit: float, mask: int) -> None:
    """Closed while an epoll watches it: the number's next owner has its own watch, and only its own events."""
    # Before, lest they get the number by themselves.
    ends = os.pipe()
    push, pull = pair(PUSH, PULL)
    push.send(b"unread")
    fd = pull.getsockopt(FD)
    epoll = select.epoll()
    epoll.register(fd, mask)
    assert epoll.poll(limit)
    pull.close()
    assert epoll.poll(0) == []
    reused = os.dup2(ends[0], fd)
    try:
        epoll.register(reused, mask)
        assert epoll.poll(0) == []
        os.write(ends[1], b"x")
        assert epoll.poll(limit) == [(fd, select.EPOLLIN)]
    finally:
        epoll.close()
        for each in (*ends, reused):
            os.close(each)


def test_p24_closing_again_leaves_the_numbers_new_owner_alone(pair: Pair, pipe: tuple[int, int]) -> None:
    _, pull = pair(PUSH, PULL)
    shadow = mqbridge.Socket.shadow(pull)
    descriptors = [pull.getsockopt(FD), shadow.getsockopt(FD), pull.recv_fd]
    pull.close()
    for fd in descriptors:
        os.dup2(pipe[0], fd)
    shadow.close()
    pull.close()
    assert all(map(is_open, descriptors))
    for fd in descriptors:
        os.close(fd)


def test_p28_a_copied_descriptor_is_silent_after_close(pair: Pair, limit: float) -> None:
    """The kernel keeps the watch of a copied descriptor; nothing is behind it that could fire."""
    push, pull = pair(PUSH, PULL)
    push.send(b"unread")
    copies = [os.dup(fd) for fd in (pull.getsockopt(FD), pull.recv_fd)]
    epoll = select.epoll()
    for fd in copies:
        epoll.register(fd, select.EPOLLIN)
    assert epoll.poll(limit)
    pull.close()
    assert epoll.poll(0) == []
    push.close(0)
    assert epoll.poll(0) == []
    epoll.close()
    for fd in copies:
        os.close(fd)


def test_p29_paused_and_then_closed(pair: Pair, limit: float) -> None:
    """Taken out of the loop, closed, and its number given to the next socket, which is heard."""
    with select.epoll() as epoll:
        for _ in range(5):
            push, pull = pair(PUSH, PULL)
            fd = pull.getsockopt(FD)
            epoll.register(fd, select.EPOLLIN)
            epoll.unregister(fd)
            pull.close()
            assert epoll.poll(0) == []
            push.close(0)
        push, pull = pair(PUSH, PULL)
        epoll.register(pull.getsockopt(FD), select.EPOLLIN)
        push.send(b"message")
        while True:
            assert epoll.poll(limit)
            if pull.getsockopt(EVENTS):
                break


@pytest.mark.parametrize("whose", ["its own", "the other's"])
def test_p32_a_handler_closes_a_socket(pair: Pair, limit: float, whose: str) -> None:
    """Both are in one batch of events; the second handler of the batch meets the error, or does not run."""
    sockets = {}
    senders = []
    with select.epoll() as epoll:
        for _ in range(2):
            push, pull = pair(PUSH, PULL)
            push.send(b"message")
            assert pull.poll(limit * 1000)
            sockets[pull.getsockopt(FD)] = pull
            senders.append(push)
            epoll.register(pull.getsockopt(FD), select.EPOLLIN)
        batch = epoll.poll(limit)
        assert len(batch) == 2
        done = []
        for fd, _ in batch:
            socket = sockets[fd]
            try:
                if socket.getsockopt(EVENTS):
                    done.append(socket.recv(DONTWAIT))
            except mqbridge.ZMQError as error:
                done.append(error.errno)
            for at in sockets:
                if (at == fd) == (whose == "its own"):
                    sockets[at].close()
        assert done == ([b"message"] * 2 if whose == "its own" else [b"message", errno.ENOTSOCK])
        assert not any(map(is_open, sockets)) or whose == "the other's"


def test_p28_closing_ends_the_waits_of_other_threads(pair: Pair, pool: ThreadPoolExecutor, limit: float) -> None:
    """Whoever blocks in recv, poll or on a loop's view gets ENOTSOCK."""
    _, pull = pair(PUSH, PULL)
    view = pull.view()
    while readable(view.fileno()):
        view.events()
    started = threading.Barrier(4)

    def by_view() -> int:
        started.wait(limit)
        assert readable(view.fileno(), limit)
        return view.events()

    def by_recv() -> object:
        started.wait(limit)
        return pull.recv()

    def by_poll() -> object:
        started.wait(limit)
        return pull.poll(limit * 1000)

    waiting = [pool.submit(call) for call in (by_view, by_recv, by_poll)]
    started.wait(limit)
    while pull._driver.waiters < 2:
        time.sleep(0)
    pull.close()
    for each in waiting:
        error = each.exception()
        assert isinstance(error, mqbridge.ZMQError)
        assert error.errno == errno.ENOTSOCK
    view.close()


# ---- recv_fd and send_fd: readable exactly when recv, or send, would succeed


def by_select(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def by_epoll(fd: int) -> bool:
    with select.epoll() as epoll:
        epoll.register(fd, select.EPOLLIN)
        return bool(epoll.poll(0))


LOOKS = {"select": by_select, "poll": readable, "epoll": by_epoll}


@pytest.mark.parametrize("look", LOOKS)
def test_levels_after_each_operation(pair: Pair, transport: str, wait_for: WaitFor, look: str) -> None:
    ready = LOOKS[look]
    left, right = pair()
    in_left, out_left, in_right, out_right = left.recv_fd, left.send_fd, right.recv_fd, right.send_fd

    def settled(*expected: bool) -> None:
        """What is on its way may still arrive; what should not be ready is not, once that has been seen to."""
        for fd, is_ready in zip((in_left, out_left, in_right, out_right), expected, strict=True):
            wait_for(lambda fd=fd, is_ready=is_ready: ready(fd) == is_ready or left.poll(0) & right.poll(0) & 0)

    settled(False, True, False, True)
    left.send(b"1")
    settled(False, True, True, True)
    left.send(b"2")
    settled(False, True, True, True)
    wait_for(lambda: right.poll(0))
    assert right.recv(DONTWAIT) == b"1"
    settled(False, True, True, True)
    right.send(b"3")
    settled(True, True, True, True)
    assert right.recv(DONTWAIT) == b"2"
    settled(True, True, False, True)
    assert left.recv(DONTWAIT) == b"3"
    settled(False, True, False, True)
    left.send_multipart([b"a", b"b"])
    settled(False, True, True, True)
    assert right.recv(DONTWAIT) == b"a"
    settled(False, True, True, True)
    assert right.recv(DONTWAIT) == b"b"
    settled(False, True, False, True)
    left.send(b"first part", mqbridge.SNDMORE)
    settled(False, True, False, True)
    left.send(b"last part")
    settled(False, True, True, True)
    assert right.recv_multipart(DONTWAIT) == [b"first part", b"last part"]
    settled(False, True, False, True)
    if transport == "inproc":
        # By tcp messages would wait for the peer to come back.
        left.close()
        assert right.poll(0) == 0
        assert not ready(in_right)
        assert not ready(out_right)


@pytest.mark.parametrize("marks", [(1, 1), (2, 3), (5, 5)])
@pytest.mark.parametrize("kinds", [(PUSH, PULL), (PAIR, PAIR)], ids=["push-pull", "pair"])
def test_levels_and_attempts_agree_on_a_random_walk(make: Make, kinds: tuple[int, int], marks: tuple[int, int]) -> None:
    """Inproc, in one thread: after every operation the descriptors say what an attempt then finds."""
    sender, receiver = make(kinds[0], sndhwm=marks[0]), make(kinds[1], rcvhwm=marks[1])
    sender.bind("inproc://walk")
    receiver.connect("inproc://walk")
    # Asked for once: asking is an operation, too.
    out, into = sender.send_fd, receiver.recv_fd
    dice = random.Random(0)
    sent = received = 0
    for step in range(1000):
        can_send, can_receive = readable(out), readable(into)
        assert can_receive or received == sent, f"step {step}: {sent - received} messages unseen"
        if dice.random() < (0.7 if step // 50 % 2 else 0.3):
            try:
                sender.send(b"%d" % sent, DONTWAIT)
                # Never silent while a send succeeds.
                assert can_send, f"step {step}: send_fd was silent with {sent - received} of {sum(marks)}"
                sent += 1
            except mqbridge.Again:
                assert not readable(out)
        else:
            try:
                assert receiver.recv(DONTWAIT) == b"%d" % received
                received += 1
            except mqbridge.Again:
                assert received == sent
                assert not readable(into)


@pytest.mark.parametrize("way", ["select", "epoll"])
def test_levels_by_themselves_carry_a_stream(pair: Pair, pool: ThreadPoolExecutor, limit: float, way: str) -> None:
    """Wait, try, wait: no EVENTS and no FD anywhere, at the high-water mark."""
    push, pull = pair(PUSH, PULL, sndhwm=1, rcvhwm=1)
    messages = [b"%d" % number for number in range(300)]
    out, into = push.send_fd, pull.recv_fd

    def wait(fd: int) -> None:
        if way == "select":
            assert select.select([fd], [], [], limit)[0]
        else:
            with select.epoll() as epoll:
                epoll.register(fd, select.EPOLLIN)
                assert epoll.poll(limit)

    def write() -> None:
        for message in messages:
            while True:
                wait(out)
                try:
                    push.send(message, DONTWAIT)
                    break
                except mqbridge.Again:
                    continue

    def read() -> list[bytes]:
        got = []
        while len(got) < len(messages):
            wait(into)
            try:
                got.append(pull.recv(DONTWAIT))
            except mqbridge.Again:
                continue
        return got

    writing = pool.submit(write)
    reading = pool.submit(read)
    writing.result()
    while not reading.done():
        push.poll(1, POLLIN)
    assert reading.result() == messages


def test_levels_of_a_socket_that_is_ready_when_first_asked(pair: Pair, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    push.send(b"message")
    assert pull.poll(limit * 1000)
    assert readable(pull.recv_fd)
    assert readable(push.send_fd)
    assert pull.recv_fd == pull.recv_fd
    assert pull.recv_fd != pull.send_fd


def test_levels_see_what_another_object_does(pair: Pair, limit: float) -> None:
    push, pull = pair(PUSH, PULL)
    shadow = mqbridge.Socket.shadow(pull)
    level = pull.recv_fd
    push.send(b"message")
    assert readable(level, limit)
    assert shadow.recv() == b"message"
    assert shadow.poll(0) == 0
    assert not readable(level)


def test_p32_levels_close_with_their_socket(pair: Pair) -> None:
    left, _ = pair()
    descriptors = [left.recv_fd, left.send_fd]
    left.close()
    assert not any(map(is_open, descriptors))
    with pytest.raises(mqbridge.ZMQError) as caught:
        _ = left.recv_fd
    assert caught.value.errno == errno.ENOTSOCK
