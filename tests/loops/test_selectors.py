"""The Selector: the standard library's contract for files and for sockets, mqbridge's and stock pyzmq's.

A socket is reported readable exactly while a recv would succeed and writable while a send would, whatever was done to
it since, by whomever.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import selectors
import signal
import socket as system
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.selectors import EVENT_READ, EVENT_WRITE, Selector

Scaled = Callable[[float], float]
WaitFor = Callable[..., None]
Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]
Pipe = tuple[int, int]

BOTH = EVENT_READ | EVENT_WRITE


class Watched(selectors.DefaultSelector):
    """The platform's selector, which remembers the time-outs it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.timeouts.append(timeout)
        return super().select(timeout)


# ---- fixtures


@pytest.fixture
def selector() -> Iterator[Selector]:
    """A Selector."""
    with Selector() as made:
        yield made


def reported(selector: Selector, fileobj: Any, timeout: float | None = 0) -> int:
    """Return what a select says of this one."""
    return {key.fileobj: events for key, events in selector.select(timeout)}.get(fileobj, 0)


def fill(socket: Any) -> None:
    while socket.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
        socket.send(bytes(100_000), zmq.DONTWAIT)


# ---- the standard library's contract


def test_it_is_a_selector(selector: Selector) -> None:
    assert isinstance(selector, selectors.BaseSelector)
    assert (EVENT_READ, EVENT_WRITE) == (selectors.EVENT_READ, selectors.EVENT_WRITE)


def test_register_returns_the_key(make: Make, selector: Selector) -> None:
    socket, data = make("PULL"), object()
    key = selector.register(socket, EVENT_READ, data)
    assert isinstance(key, selectors.SelectorKey)
    assert (key.fileobj, key.events, key.data) == (socket, EVENT_READ, data)
    assert key.fd >= 0
    assert selector.get_key(socket) == key


def test_register_a_file_returns_the_key(pipe: Pipe, selector: Selector) -> None:
    key = selector.register(pipe[0], EVENT_READ, "data")
    assert (key.fileobj, key.fd, key.events, key.data) == (pipe[0], pipe[0], EVENT_READ, "data")
    assert selector.get_key(pipe[0]) == key


def test_register_with_wrong_events(make: Make, selector: Selector, pipe: Pipe) -> None:
    for fileobj, events in itertools.product((make("PULL"), pipe[0]), (0, 4, 999_999, -1)):
        with pytest.raises(ValueError):
            selector.register(fileobj, events)
    assert len(selector.get_map()) == 0


@pytest.mark.parametrize("fileobj", [-10, "text", object()])
def test_register_what_is_neither(selector: Selector, fileobj: object) -> None:
    with pytest.raises(ValueError):
        selector.register(fileobj, EVENT_READ)


def test_register_twice(make: Make, selector: Selector, pipe: Pipe) -> None:
    for fileobj in (make("PULL"), pipe[0]):
        selector.register(fileobj, EVENT_READ)
        with pytest.raises(KeyError):
            selector.register(fileobj, EVENT_READ)
    assert len(selector.get_map()) == 2


def test_register_a_closed_socket(make: Make, zmq_like: ModuleType, selector: Selector) -> None:
    socket = make("PULL")
    socket.close()
    with pytest.raises(zmq_like.ZMQError) as caught:
        selector.register(socket, EVENT_READ)
    assert caught.value.errno == errno.ENOTSOCK
    assert len(selector.get_map()) == 0


def test_unregister(make: Make, selector: Selector, pipe: Pipe) -> None:
    for fileobj in (make("PULL"), pipe[0]):
        key = selector.register(fileobj, EVENT_READ)
        assert selector.unregister(fileobj) == key
        assert fileobj not in selector.get_map()
        with pytest.raises(KeyError):
            selector.get_key(fileobj)
        with pytest.raises(KeyError):
            selector.unregister(fileobj)
        # And again.
        selector.register(fileobj, EVENT_READ)
        selector.unregister(fileobj)


def test_unregister_by_descriptor(connect: Pair, selector: Selector, pipe: Pipe) -> None:
    """As with files, a key's descriptor names what was registered."""
    push, pull = connect("PUSH", "PULL")
    for fileobj in (pull, pipe[0]):
        key = selector.register(fileobj, EVENT_READ)
        assert selector.unregister(key.fd) == key
        assert fileobj not in selector.get_map()
    push.send(b"unseen")
    assert selector.select(0) == []


def test_modify_by_descriptor(connect: Pair, selector: Selector) -> None:
    left, _ = connect()
    key = selector.register(left, EVENT_READ)
    assert selector.modify(key.fd, EVENT_WRITE, "data")._replace(fd=key.fd) == (left, key.fd, EVENT_WRITE, "data")
    assert reported(selector, left) == EVENT_WRITE


def test_unregister_a_file_that_was_closed(selector: Selector) -> None:
    one, other = system.socketpair()
    with one, other:
        selector.register(one, EVENT_READ)
        one.close()
        selector.unregister(one)


def test_unregister_a_socket_that_was_closed(make: Make, selector: Selector) -> None:
    socket = make("PULL")
    key = selector.register(socket, EVENT_READ)
    socket.close()
    assert selector.unregister(socket) == key
    assert selector.select(0) == []


def test_modify(connect: Pair, selector: Selector, pipe: Pipe) -> None:
    left, right = connect()
    data, more = object(), object()
    selector.register(left, EVENT_READ, data)
    assert reported(selector, left) == 0
    key = selector.modify(left, BOTH, data)
    assert key == selector.get_key(left)
    assert (key.events, key.data) == (BOTH, data)
    assert reported(selector, left) == EVENT_WRITE
    right.send(b"message")
    assert reported(selector, left) == BOTH
    assert selector.modify(left, EVENT_READ, more).data is more
    assert selector.select(0) == [(selector.get_key(left), EVENT_READ)]
    # The same again is fine, and leaves out the data.
    assert selector.modify(left, EVENT_READ).data is None
    assert selector.select(0) == [(selector.get_key(left), EVENT_READ)]
    assert left.recv() == b"message"
    assert reported(selector, left) == 0
    selector.register(pipe[1], EVENT_READ)
    selector.modify(pipe[1], EVENT_WRITE)
    assert reported(selector, pipe[1]) == EVENT_WRITE


def test_modify_wrongly(make: Make, selector: Selector, pipe: Pipe) -> None:
    for fileobj in (make("PULL"), pipe[0]):
        with pytest.raises(KeyError):
            selector.modify(fileobj, EVENT_READ)
    socket = make("PULL")
    key = selector.register(socket, EVENT_READ, "data")
    with pytest.raises(ValueError):
        selector.modify(socket, 8)
    assert selector.get_key(socket) == key


def test_get_map(make: Make, selector: Selector, pipe: Pipe) -> None:
    socket = make("PULL")
    mapping = selector.get_map()
    assert (len(mapping), list(mapping)) == (0, [])
    keys = {selector.register(socket, EVENT_READ, "socket"), selector.register(pipe[0], EVENT_READ, "pipe")}
    assert len(mapping) == 2
    assert set(mapping.values()) == keys
    assert set(mapping) == {key.fd for key in keys}
    for key in keys:
        assert mapping[key.fileobj] == mapping[key.fd] == key
        assert key.fileobj in mapping
        assert key.fd in mapping
    other = make("PULL")
    assert other not in mapping
    assert pipe[1] not in mapping
    for absent in (other, pipe[1]):
        with pytest.raises(KeyError):
            mapping[absent]
        assert mapping.get(absent) is None
    with pytest.raises(TypeError):
        del mapping[socket]  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        mapping[socket] = None  # type: ignore[index]


def test_close(make: Make, pipe: Pipe) -> None:
    socket = make("PULL")
    selector = Selector()
    selector.register(socket, EVENT_READ)
    selector.register(pipe[0], EVENT_READ)
    selector.close()
    selector.close()
    assert not socket.closed
    os.fstat(pipe[0])
    for fileobj in (socket, pipe[0]):
        with pytest.raises(RuntimeError):
            selector.get_key(fileobj)
    # As the standard library's.
    assert selector.get_map() is None


def test_close_and_register_elsewhere(connect: Pair, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    for _ in range(3):
        with Selector() as selector:
            selector.register(pull, EVENT_READ)
            push.send(b"message")
            assert reported(selector, pull, limit) == EVENT_READ
            assert pull.recv() == b"message"


def test_two_selectors_watch_one_socket(connect: Pair, selector: Selector, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    with Selector() as other:
        for _ in range(10):
            for each in (selector, other):
                if pull not in each.get_map():
                    each.register(pull, EVENT_READ)
                assert each.select(0) == []
            push.send(b"message")
            assert reported(selector, pull, limit) == EVENT_READ
            assert reported(other, pull, limit) == EVENT_READ
            pull.recv()


def test_timeouts(make: Make, selector: Selector, scaled: Scaled) -> None:
    selector.register(make("PULL"), EVENT_READ)
    for timeout, least in ((0, 0.0), (-1, 0.0), (scaled(0.05), scaled(0.05))):
        began = time.monotonic()
        assert selector.select(timeout) == []
        took = time.monotonic() - began
        assert least * 0.9 <= took < least + scaled(20)


def test_a_timeout_does_not_wait_for_what_is_ready(connect: Pair, selector: Selector, scaled: Scaled) -> None:
    left, _ = connect()
    selector.register(left, BOTH)
    began = time.monotonic()
    assert reported(selector, left, scaled(30)) == EVENT_WRITE
    assert reported(selector, left, None) == EVENT_WRITE
    assert time.monotonic() - began < scaled(20)


def test_files_and_sockets_side_by_side(connect: Pair, selector: Selector, pipe: Pipe, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    selector.register(pull, EVENT_READ, "socket")
    selector.register(pipe[0], EVENT_READ, "pipe")
    selector.register(pipe[1], EVENT_WRITE, "other end")
    assert {key.data for key, _ in selector.select(limit)} == {"other end"}
    push.send(b"message")
    os.write(pipe[1], b"x")
    assert sorted((key.data, events) for key, events in selector.select(limit)) == [
        ("other end", EVENT_WRITE),
        ("pipe", EVENT_READ),
        ("socket", EVENT_READ),
    ]
    os.read(pipe[0], 1)
    assert {key.data for key, _ in selector.select(0)} == {"socket", "other end"}
    pull.recv()
    assert {key.data for key, _ in selector.select(0)} == {"other end"}


def test_a_ready_file_does_not_hide_a_ready_socket(connect: Pair, selector: Selector, pipe: Pipe) -> None:
    push, pull = connect("PUSH", "PULL")
    selector.register(pipe[1], EVENT_WRITE)
    selector.register(pull, EVENT_READ)
    push.send(b"message")
    for _ in range(5):
        assert {key.fileobj for key, _ in selector.select()} == {pull, pipe[1]}


# ---- exactly while it would succeed


def test_p02_p05_after_every_operation(pair: Pair, selector: Selector, wait_for: WaitFor) -> None:
    left, right = pair()
    for socket in (left, right):
        selector.register(socket, BOTH)

    def settle(of_left: int, of_right: int) -> None:
        """What is on its way arrives; what is there stays, however often one asks."""
        expected = {socket: mask for socket, mask in ((left, of_left), (right, of_right)) if mask}
        wait_for(lambda: {key.fileobj: events for key, events in selector.select(0)} == expected)
        for _ in range(3):
            assert {key.fileobj: events for key, events in selector.select(0)} == expected

    settle(EVENT_WRITE, EVENT_WRITE)
    left.send(b"1")
    settle(EVENT_WRITE, BOTH)
    left.send(b"2")
    settle(EVENT_WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"1"
    settle(EVENT_WRITE, BOTH)
    right.send(b"3")
    settle(BOTH, BOTH)
    wait_for(lambda: right.poll(0))
    assert right.recv(zmq.DONTWAIT) == b"2"
    settle(BOTH, EVENT_WRITE)
    assert left.recv(zmq.DONTWAIT) == b"3"
    settle(EVENT_WRITE, EVENT_WRITE)
    left.send_multipart([b"a", b"b"])
    settle(EVENT_WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"a"
    settle(EVENT_WRITE, BOTH)
    assert right.recv(zmq.DONTWAIT) == b"b"
    settle(EVENT_WRITE, EVENT_WRITE)


@pytest.mark.parametrize("kinds", [("PUSH", "PULL"), ("PAIR", "PAIR")], ids=["push-pull", "pair"])
@pytest.mark.parametrize("marks", [(1, 1), (4, 5)])
def test_p04_p08_reports_and_attempts_agree_on_a_random_walk(
    make: Make, zmq_like: ModuleType, selector: Selector, kinds: tuple[str, str], marks: tuple[int, int]
) -> None:
    """Inproc, in one thread: what a select has reported is what attempts then find, at the mark and when empty."""
    sender, receiver = make(kinds[0], sndhwm=marks[0]), make(kinds[1], rcvhwm=marks[1])
    sender.bind("inproc://walk")
    receiver.connect("inproc://walk")
    selector.register(sender, EVENT_WRITE)
    selector.register(receiver, EVENT_READ)
    dice = random.Random(0)
    sent = received = 0
    for step in range(1000):
        found = {key.fileobj for key, _ in selector.select(0)}
        # Whether there was a report or not, the operation may come.
        if dice.random() < (0.7 if step // 50 % 2 else 0.3):
            if sender in found:
                sender.send(b"%d" % sent, zmq.DONTWAIT)
                sent += 1
            else:
                with pytest.raises(zmq_like.Again):
                    sender.send(b"no room", zmq.DONTWAIT)
        elif receiver in found:
            assert receiver.recv(zmq.DONTWAIT) == b"%d" % received
            received += 1
        else:
            with pytest.raises(zmq_like.Again):
                receiver.recv(zmq.DONTWAIT)
            assert received == sent


def test_p01_messages_before_the_registration(pair: Pair, selector: Selector, limit: float) -> None:
    push, pull = pair("PUSH", "PULL")
    for number in range(10):
        push.send(b"%d" % number)
    selector.register(pull, EVENT_READ)
    for number in range(10):
        assert reported(selector, pull, limit) == EVENT_READ
        assert pull.recv(zmq.DONTWAIT) == b"%d" % number
    assert selector.select(0) == []


def test_p04_the_next_message_after_exactly_the_last(pair: Pair, selector: Selector, limit: float) -> None:
    push, pull = pair("PUSH", "PULL")
    selector.register(pull, EVENT_READ)
    for _ in range(20):
        push.send(b"message")
        assert reported(selector, pull, limit) == EVENT_READ
        assert pull.recv(zmq.DONTWAIT) == b"message"


def test_p08_room_at_the_mark_wakes_a_sleeping_select(
    connect: Pair, selector: Selector, pool: ThreadPoolExecutor, limit: float
) -> None:
    push, pull = connect("PUSH", "PULL", sndhwm=1, rcvhwm=1)
    selector.register(push, EVENT_WRITE)
    for _ in range(20):
        fill(push)
        assert selector.select(0) == []
        sleeping = pool.submit(reported, selector, push, limit)
        pull.recv()
        pull.recv()
        assert sleeping.result() == EVENT_WRITE


# ---- behind the selector's back


def readable(fd: int) -> bool:
    with selectors.DefaultSelector() as plain:
        plain.register(fd, EVENT_READ)
        return bool(plain.select(0))


def eats_the_edge(socket: Any, call: Callable[[], object]) -> Callable[[], bool]:
    """Return a function that makes the call, and tells whether the stock socket's FD has gone quiet."""

    def eaten() -> bool:
        call()
        return not readable(socket.getsockopt(zmq.FD))

    return eaten


@pytest.fixture
def waiting(library: str, pair: Pair, selector: Selector, wait_for: WaitFor) -> Iterator[Any]:
    """A registered PAIR socket with a message that came after the last select, whose edge nobody has read."""
    left, right = pair(sndhwm=0, rcvhwm=0)
    selector.register(left, EVENT_READ)
    assert selector.select(0) == []
    right.send(b"message")
    wait_for(lambda: readable(selector.get_key(left).fd))
    yield left


def test_p02_sends_between(library: str, waiting: Any, selector: Selector, wait_for: WaitFor, limit: float) -> None:
    def send() -> None:
        waiting.send(b"unrelated")

    if library == "pyzmq":
        wait_for(eats_the_edge(waiting, send), "the send that eats the edge")
    else:
        for _ in range(2000):
            send()
    assert reported(selector, waiting, limit) == EVENT_READ


@pytest.mark.parametrize("call", ["connect", "bind", "setsockopt", "poll"])
def test_p03_other_calls_between(waiting: Any, selector: Selector, limit: float, call: str) -> None:
    if call in ("connect", "bind"):
        getattr(waiting, call)("inproc://another")
    elif call == "setsockopt":
        waiting.setsockopt(zmq.LINGER, 0)
    else:
        waiting.poll(0)
    assert reported(selector, waiting, limit) == EVENT_READ


def test_p06_somebody_else_reads_events(waiting: Any, zmq_like: ModuleType, selector: Selector, limit: float) -> None:
    assert waiting.getsockopt(zmq.EVENTS) & zmq.POLLIN
    assert zmq_like.Socket.shadow(waiting).getsockopt(zmq.EVENTS) & zmq.POLLIN
    assert reported(selector, waiting, limit) == EVENT_READ


def test_p06_somebody_else_takes_the_message(
    waiting: Any, selector: Selector, pool: ThreadPoolExecutor, limit: float
) -> None:
    """Then there is nothing to report, and the next message is."""
    assert waiting.recv() == b"message"
    assert selector.select(0) == []


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p06_another_thread_looks_while_select_sleeps(
    pair: Pair, selector: Selector, pool: ThreadPoolExecutor, limit: float
) -> None:
    """Every round both wake; with stock sockets the one FD makes that impossible (test_naive_pyzmq.py)."""
    push, pull = pair("PUSH", "PULL")
    shadow = mqbridge.Socket.shadow(pull)
    selector.register(pull, EVENT_READ)

    def look() -> bool:
        with Selector() as other:
            other.register(shadow, EVENT_READ)
            return bool(other.select(limit))

    for _ in range(50):
        assert selector.select(0) == []
        sleeping = [pool.submit(selector.select, limit), pool.submit(look), pool.submit(pull.poll, limit * 1000)]
        push.send(b"message")
        assert all(each.result() for each in sleeping)
        assert pull.recv(zmq.DONTWAIT) == b"message"


# ---- the end


def test_closed_before_the_select(pair: Pair, zmq_like: ModuleType, selector: Selector, limit: float) -> None:
    """Reported once for all that was asked, so that the handler meets the error; then silent."""
    left, _ = pair()
    key = selector.register(left, BOTH)
    selector.select(0)
    left.close()
    assert selector.select(limit) == [(key, BOTH)]
    with pytest.raises(zmq_like.ZMQError) as caught:
        left.recv(zmq.DONTWAIT)
    assert caught.value.errno == errno.ENOTSOCK
    for _ in range(3):
        assert selector.select(0) == []
    assert selector.get_key(left) == key
    assert selector.modify(left, EVENT_READ).events == EVENT_READ
    assert selector.select(0) == []
    selector.unregister(left)
    assert left not in selector.get_map()


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p30_closed_by_another_thread_while_select_sleeps(
    pair: Pair, selector: Selector, pool: ThreadPoolExecutor
) -> None:
    for _ in range(10):
        push, pull = pair("PUSH", "PULL")
        key = selector.register(pull, EVENT_READ)
        selector.select(0)
        asleep = threading.Event()
        sleeping = pool.submit(lambda event: (event.set(), selector.select(None))[1], asleep)
        asleep.wait()
        pull.close()
        assert sleeping.result() == [(key, EVENT_READ)]
        selector.unregister(pull)
        push.close(0)


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p33_the_context_ends_while_select_sleeps(
    context: Any, pair: Pair, selector: Selector, pool: ThreadPoolExecutor
) -> None:
    left, right = pair()
    keys = [selector.register(socket, EVENT_READ) for socket in (left, right)]
    selector.select(0)
    sleeping = pool.submit(selector.select, None)
    ending = pool.submit(context.term)
    found = sleeping.result()
    if len(found) < 2:
        found += selector.select(None)
    assert {key.fileobj: events for key, events in found} == {key.fileobj: EVENT_READ for key in keys}
    assert selector.select(0) == []
    for socket in (left, right):
        with pytest.raises(mqbridge.ContextTerminated):
            socket.recv(zmq.DONTWAIT)
        selector.unregister(socket)
        socket.close()
    ending.result()


@pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)
def test_p24_a_closed_sockets_number_is_not_given_away(
    pair: Pair, selector: Selector, pipe: Pipe, limit: float
) -> None:
    """It stays the selector's own until it has let go of it; then its next owner has it for itself."""
    left, _ = pair()
    fd = selector.register(left, BOTH).fd
    left.close()
    os.fstat(fd)
    selector.select(0)
    with pytest.raises(OSError):
        os.fstat(fd)
    os.dup2(pipe[0], fd)
    try:
        selector.register(fd, EVENT_READ)
        assert selector.select(0) == []
        os.write(pipe[1], b"x")
        assert reported(selector, fd, limit) == EVENT_READ
        selector.unregister(left)
        assert reported(selector, fd, limit) == EVENT_READ
        selector.unregister(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("library", ["pyzmq"], indirect=True)
@pytest.mark.parametrize("selected", [False, True])
def test_p24_a_stock_sockets_number_serves_another_file(
    pair: Pair, selector: Selector, pipe: Pipe, wait_for: WaitFor, limit: float, selected: bool
) -> None:
    """libzmq closes its descriptor whenever it likes; the file that then has the number can be registered."""
    left, right = pair()
    selector.register(left, EVENT_READ)
    fd = left.getsockopt(zmq.FD)
    left.close()
    right.close()

    def gone() -> bool:
        try:
            os.fstat(fd)
        except OSError:
            return True
        return False

    wait_for(gone, "libzmq's close")
    if selected:
        selector.select(0)
    os.dup2(pipe[0], fd)
    try:
        selector.register(fd, EVENT_READ)
        os.write(pipe[1], b"x")
        assert reported(selector, fd, limit) == EVENT_READ
        assert reported(selector, fd, limit) == EVENT_READ
        selector.unregister(left)
        assert reported(selector, fd, limit) == EVENT_READ
        selector.unregister(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("whose", ["its own", "the other's", "both"])
def test_p32_a_handler_closes_sockets(
    connect: Pair, zmq_like: ModuleType, selector: Selector, limit: float, whose: str
) -> None:
    """Both are in one batch; the selector goes on, and so do the sockets that are left."""
    pulls = []
    for _ in range(2):
        push, pull = connect("PUSH", "PULL")
        push.send(b"message")
        pulls.append(pull)
        selector.register(pull, EVENT_READ)
    other_push, other = connect("PUSH", "PULL")
    selector.register(other, EVENT_READ)
    batch = selector.select(limit)
    assert {key.fileobj for key, _ in batch} == set(pulls)
    errors = 0
    for key, _ in batch:
        try:
            assert key.fileobj.recv(zmq.DONTWAIT) == b"message"
        except zmq_like.ZMQError as error:
            assert error.errno == errno.ENOTSOCK
            errors += 1
        for pull in pulls:
            if whose == "both" or (pull is key.fileobj) == (whose == "its own"):
                if pull in selector.get_map():
                    selector.unregister(pull)
                pull.close()
    assert errors == (0 if whose == "its own" else 1)
    assert selector.select(0) == []
    other_push.send(b"message")
    assert reported(selector, other, limit) == EVENT_READ


def test_p32_a_handler_registers_and_modifies(connect: Pair, selector: Selector, limit: float) -> None:
    """Between a report and the next select anything may happen to what is registered."""
    left, right = connect()
    selector.register(left, EVENT_READ)
    right.send(b"message")
    assert reported(selector, left, limit) == EVENT_READ
    selector.unregister(left)
    selector.register(left, EVENT_WRITE)
    selector.register(right, BOTH)
    assert {key.fileobj: events for key, events in selector.select(limit)} == {left: EVENT_WRITE, right: EVENT_WRITE}
    selector.modify(left, EVENT_READ)
    selector.modify(left, BOTH)
    selector.modify(right, EVENT_READ)
    assert {key.fileobj: events for key, events in selector.select(limit)} == {left: BOTH}


def test_p29_unregistered_and_then_closed(connect: Pair, selector: Selector, limit: float) -> None:
    for _ in range(5):
        push, pull = connect("PUSH", "PULL")
        selector.register(pull, EVENT_READ)
        push.send(b"message")
        assert reported(selector, pull, limit) == EVENT_READ
        selector.unregister(pull)
        pull.close()
        assert selector.select(0) == []
        push.close(0)
    assert len(selector.get_map()) == 0


# ---- P10, P22: no spin, and nothing that wakes by itself


def test_p22_an_idle_select_sleeps_without_a_timeout(
    connect: Pair, pipe: Pipe, pool: ThreadPoolExecutor, wait_for: WaitFor
) -> None:
    inner = Watched()
    push, pull = connect("PUSH", "PULL")
    with Selector(inner) as selector:
        selector.register(pull, EVENT_READ)
        selector.register(push, EVENT_READ)
        selector.register(pipe[0], EVENT_READ)
        selector.select(0)
        inner.timeouts.clear()
        sleeping = pool.submit(selector.select, None)
        wait_for(lambda: inner.timeouts)
        assert not sleeping.done()
        os.write(pipe[1], b"x")
        assert [key.fileobj for key, _ in sleeping.result()] == [pipe[0]]
        assert set(inner.timeouts) == {None}
        # More than one only for wakes that were nothing but the news of the connection.
        assert len(inner.timeouts) < 5


def test_p10_p22_registered_sockets_do_not_wake_an_idle_select(pair: Pair, pipe: Pipe, scaled: Scaled) -> None:
    """For a while nothing happens, with messages unread by a socket that only wants to write."""
    inner = Watched()
    left, right = pair(sndhwm=1, rcvhwm=1)
    fill(left)
    right.send(b"unread")
    with Selector(inner) as selector:
        selector.register(left, EVENT_WRITE)
        deadline = time.monotonic() + scaled(0.2)
        reports = 0
        while time.monotonic() < deadline:
            for key, _ in selector.select(scaled(0.2)):
                # By tcp there is room for a while.
                key.fileobj.send(bytes(100_000), zmq.DONTWAIT)
                reports += 1
    # Two for each report: the sleep that it ended, and the look before it that found nothing.
    assert len(inner.timeouts) < 2 * reports + 50


# ---- P37: signals


@pytest.fixture
def on_signal() -> Iterator[Callable[[Callable[[], object]], None]]:
    """A function that sets what happens on SIGUSR1."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, lambda *_: handler()) and None
    signal.signal(signal.SIGUSR1, before)


def interrupt_soon(duration: float) -> threading.Timer:
    timer = threading.Timer(duration, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    return timer


def test_p37_a_signal_leaves_the_deadline(
    make: Make, selector: Selector, scaled: Scaled, on_signal: Callable[..., None]
) -> None:
    calls = []
    on_signal(lambda: calls.append(time.monotonic()))
    selector.register(make("PULL"), EVENT_READ)
    began = time.monotonic()
    timer = interrupt_soon(scaled(0.05))
    assert selector.select(scaled(1)) == []
    ended = time.monotonic()
    timer.join()
    assert len(calls) == 1
    assert calls[0] < ended
    assert scaled(0.98) <= ended - began < scaled(20)


def test_p37_keyboard_interrupt_arrives_and_nothing_is_lost(
    connect: Pair, selector: Selector, scaled: Scaled, limit: float, on_signal: Callable[..., None]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    on_signal(interrupt)
    push, pull = connect("PUSH", "PULL")
    selector.register(pull, EVENT_READ)
    with pytest.raises(KeyboardInterrupt):
        timer = interrupt_soon(scaled(0.05))
        selector.select(None)
    timer.join()
    push.send(b"message")
    assert reported(selector, pull, limit) == EVENT_READ


# ---- what else is public


def test_touched_asks_for_a_look(connect: Pair, selector: Selector, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    selector.register(pull, EVENT_READ)
    assert selector.select(0) == []
    selector.touched(pull)
    assert selector.select(0) == []
    push.send(b"message")
    selector.touched(pull)
    assert reported(selector, pull, limit) == EVENT_READ


def test_both_libraries_in_one_selector(no_descriptor_leak: None, selector: Selector, limit: float) -> None:
    with mqbridge.Context(io_threads=0) as ours, zmq.Context() as stock:
        for context in (ours, stock):
            with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
                push.bind("inproc://place")
                pull.connect("inproc://place")
                selector.register(pull, EVENT_READ)
                push.send(b"message")
                assert reported(selector, pull, limit) == EVENT_READ
                selector.unregister(pull)


def test_the_inner_selector_can_be_chosen(connect: Pair, limit: float) -> None:
    push, pull = connect("PUSH", "PULL")
    for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector):
        with Selector(kind()) as selector:
            selector.register(pull, EVENT_READ)
            push.send(b"message")
            assert reported(selector, pull, limit) == EVENT_READ
            pull.recv()
            assert selector.select(0) == []
