"""The Poller and `select`: the same tests for mqbridge's and for pyzmq's, which set the example."""

from __future__ import annotations

import errno
import os
import signal
import socket as system
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import zmq

import mqbridge

Scaled = Callable[[float], float]
WaitFor = Callable[..., None]
Pair = Callable[..., tuple[Any, Any]]
Pipe = tuple[int, int]

POLLIN, POLLOUT, POLLERR, POLLPRI = zmq.POLLIN, zmq.POLLOUT, zmq.POLLERR, zmq.POLLPRI

only_ours = pytest.mark.parametrize("library", ["mqbridge", "alone"], indirect=True)


@pytest.fixture(params=["mqbridge", "alone", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets and Poller: mqbridge's, with or without a caretaker, or pyzmq's."""
    name: str = request.param
    return name


@pytest.fixture
def zmq_like(library: str) -> Any:
    """The library's module."""
    return zmq if library == "pyzmq" else mqbridge


@pytest.fixture
def context(library: str, no_descriptor_leak: None) -> Iterator[Any]:
    """The library's context."""
    made: Any = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=library != "alone")
    yield made
    made.term()


@pytest.fixture(params=["inproc", "tcp"])
def pair(request: pytest.FixtureRequest, context: Any) -> Iterator[Pair]:
    """A function that makes two connected sockets: `pair(zmq.PUSH, zmq.PULL, sndhwm=1)`, PAIRs without types."""
    made: list[Any] = []

    def connected(one: int = zmq.PAIR, other: int = zmq.PAIR, **options: int) -> tuple[Any, Any]:
        left, right = context.socket(one), context.socket(other)
        made.extend((left, right))
        for socket in (left, right):
            for name, value in options.items():
                setattr(socket, name, value)
        left.bind(f"inproc://place-{len(made)}" if request.param == "inproc" else "tcp://127.0.0.1:*")
        right.connect(left.getsockopt_string(zmq.LAST_ENDPOINT))
        while not left.poll(0, POLLOUT):
            right.poll(1)
        left.send(b"the first")
        assert right.recv() == b"the first"
        return left, right

    yield connected
    for socket in made:
        socket.close(0)


@pytest.fixture
def pull(context: Any) -> Iterator[Any]:
    """A socket that is never ready."""
    with context.socket(zmq.PULL) as made:
        yield made


@pytest.fixture
def poller(zmq_like: Any) -> Any:
    """The library's Poller."""
    return zmq_like.Poller()


@pytest.fixture
def ms(scaled: Scaled) -> int:
    """How long a poll may take that should take no time, in milliseconds."""
    return int(scaled(10) * 1000)


# ---- what is registered


def test_register_and_contains(poller: Any, pull: Any, pipe: Pipe) -> None:
    for item in (pull, pipe[0]):
        assert item not in poller
        poller.register(item, POLLIN)
        assert item in poller
    assert poller.sockets == [(pull, POLLIN), (pipe[0], POLLIN)]


def test_register_again_changes_the_flags(poller: Any, pair: Pair, ms: int) -> None:
    left, _ = pair()
    poller.register(left, POLLIN)
    assert poller.poll(0) == []
    poller.register(left, POLLOUT)
    assert poller.poll(ms) == [(left, POLLOUT)]
    poller.modify(left, POLLIN)
    assert poller.poll(0) == []
    assert len(poller.sockets) == 1


def test_both_directions_are_the_default(poller: Any, pair: Pair, ms: int) -> None:
    left, right = pair()
    poller.register(left)
    assert poller.poll(ms) == [(left, POLLOUT)]
    right.send(b"message")
    assert left.poll(ms) == POLLIN
    assert poller.poll(ms) == [(left, POLLIN | POLLOUT)]


def test_no_flags_take_it_out(poller: Any, pull: Any, pipe: Pipe) -> None:
    poller.register(pull, POLLIN)
    poller.register(pull, 0)
    assert pull not in poller
    poller.register(pipe[0], 0)
    assert pipe[0] not in poller
    poller.register(pull, POLLIN)
    poller.modify(pull, 0)
    assert poller.sockets == []


def test_unregister(poller: Any, pull: Any, pipe: Pipe, ms: int) -> None:
    """Those behind it move up, and are still found."""
    poller.register(pull, POLLIN)
    poller.register(pipe[0], POLLIN)
    poller.register(pipe[1], POLLOUT)
    poller.unregister(pull)
    assert pull not in poller
    poller.modify(pipe[1], POLLIN)
    poller.modify(pipe[1], POLLOUT)
    assert poller.sockets == [(pipe[0], POLLIN), (pipe[1], POLLOUT)]
    assert poller.poll(ms) == [(pipe[1], POLLOUT)]
    with pytest.raises(KeyError):
        poller.unregister(pull)


@only_ours
@pytest.mark.parametrize("item", [-1, 3.5, "text", None])
def test_register_what_is_neither(poller: Any, item: object) -> None:
    with pytest.raises(mqbridge.ZMQError if item == -1 else TypeError, match=r"is not a socket|is neither a socket"):
        poller.register(item, POLLIN)
    assert poller.sockets == []


# ---- polling


def test_sockets_become_ready(poller: Any, pair: Pair, ms: int) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    poller.register(pull, POLLIN)
    poller.register(push, POLLOUT)
    assert poller.poll(ms) == [(push, POLLOUT)]
    push.send(b"message")
    poller.modify(push, POLLIN)
    for _ in range(3):
        assert poller.poll(ms) == [(pull, POLLIN)]
    assert pull.recv(zmq.DONTWAIT) == b"message"
    assert poller.poll(0) == []


def test_files_and_sockets_side_by_side(poller: Any, pair: Pair, pipe: Pipe, wait_for: WaitFor, ms: int) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    poller.register(pull, POLLIN)
    poller.register(pipe[0], POLLIN)
    assert poller.poll(0) == []
    os.write(pipe[1], b"x")
    assert poller.poll(ms) == [(pipe[0], POLLIN)]
    push.send(b"message")
    wait_for(lambda: dict(poller.poll(ms)) == {pull: POLLIN, pipe[0]: POLLIN})
    os.read(pipe[0], 1)
    assert poller.poll(ms) == [(pull, POLLIN)]


def test_objects_with_a_fileno(poller: Any, ms: int) -> None:
    one, other = system.socketpair()
    with one, other:
        poller.register(one, POLLIN | POLLOUT)
        # pyzmq, too, returns the descriptor's object as it was registered, or its number.
        assert [events for _, events in poller.poll(ms)] == [POLLOUT]
        other.send(b"x")
        assert [events for _, events in poller.poll(ms)] == [POLLIN | POLLOUT]


def test_a_file_that_hangs_up_is_an_error(poller: Any, ms: int) -> None:
    reading, writing = os.pipe()
    poller.register(writing, POLLOUT)
    os.close(reading)
    assert dict(poller.poll(ms))[writing] & POLLERR
    os.close(writing)


@only_ours
def test_p31_a_file_that_was_closed(poller: Any, pull: Any) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    poller.register(pull, POLLIN)
    poller.register(reading, POLLIN)
    os.close(reading)
    with pytest.raises(mqbridge.ZMQError) as caught:
        poller.poll(0)
    assert caught.value.errno == errno.EBADF
    poller.unregister(reading)
    # The socket is not taken for waiting still.
    assert pull._driver.waiters == 0
    assert poller.poll(0) == []


@pytest.mark.parametrize("timeout", [0, 50, 50.5, 1])
def test_timeouts_are_milliseconds(poller: Any, pull: Any, scaled: Scaled, timeout: float) -> None:
    poller.register(pull, POLLIN)
    timeout = timeout if timeout == 0 else scaled(timeout)
    began = time.monotonic()
    assert poller.poll(timeout) == []
    took = (time.monotonic() - began) * 1000
    assert int(timeout) * 0.95 <= took < timeout + scaled(2000)


@pytest.mark.parametrize("timeout", [None, -1, -5.5])
def test_no_timeout_waits_until_something_comes(
    poller: Any, pair: Pair, pool: ThreadPoolExecutor, timeout: float | None
) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    poller.register(pull, POLLIN)
    for _ in range(20):
        waiting = pool.submit(poller.poll, timeout)
        push.send(b"message")
        assert waiting.result() == [(pull, POLLIN)]
        pull.recv()


@only_ours
def test_nothing_registered(poller: Any, scaled: Scaled) -> None:
    assert poller.poll(0) == []
    began = time.monotonic()
    assert poller.poll(scaled(20)) == []
    assert time.monotonic() - began >= scaled(0.018)


def test_p01_messages_before_the_poll(poller: Any, pair: Pair, ms: int) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    for number in range(10):
        push.send(b"%d" % number)
    poller.register(pull, POLLIN)
    for number in range(10):
        assert poller.poll(ms) == [(pull, POLLIN)]
        assert pull.recv(zmq.DONTWAIT) == b"%d" % number
    assert poller.poll(0) == []


def test_p08_room_at_the_mark_wakes_a_sleeping_poll(
    poller: Any, context: Any, pool: ThreadPoolExecutor, ms: int
) -> None:
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        push.sndhwm = pull.rcvhwm = 1
        push.bind("inproc://place")
        pull.connect("inproc://place")
        poller.register(push, POLLOUT)
        for _ in range(20):
            while push.getsockopt(zmq.EVENTS) & POLLOUT:
                push.send(b"message", zmq.DONTWAIT)
            assert poller.poll(0) == []
            waiting = pool.submit(poller.poll, ms)
            pull.recv()
            pull.recv()
            assert waiting.result() == [(push, POLLOUT)]
        push.linger = 0


@only_ours
def test_p06_two_pollers_and_a_recv_on_one_socket(pair: Pair, pool: ThreadPoolExecutor, ms: int) -> None:
    """All sleep; a message wakes them all, one takes it, and the pollers say so."""
    push, pull = pair(zmq.PUSH, zmq.PULL)
    pollers = [mqbridge.Poller(), mqbridge.Poller()]
    for each in pollers:
        each.register(pull, POLLIN)
    for _ in range(50):
        polling = [pool.submit(each.poll, ms) for each in pollers]
        push.send(b"message")
        assert [each.result() for each in polling] == [[(pull, POLLIN)]] * 2
        assert pull.recv(zmq.DONTWAIT) == b"message"
    receiving = pool.submit(pull.recv)
    push.send(b"message")
    assert receiving.result() == b"message"


@only_ours
def test_p10_a_poll_leaves_no_waiter_behind(poller: Any, pair: Pair, pipe: Pipe) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    poller.register(pull, POLLIN)
    poller.register(push, POLLIN)
    poller.register(pipe[1], POLLOUT)
    for _ in range(3):
        assert poller.poll(0) == [(pipe[1], POLLOUT)]
    assert pull._driver.waiters == push._driver.waiters == 0


# ---- the end of sockets


@only_ours
def test_a_closed_socket(poller: Any, pair: Pair) -> None:
    """pyzmq sees a socket that was closed just now as one without events."""
    _, right = pair()
    poller.register(right, POLLIN)
    right.close()
    with pytest.raises(mqbridge.ZMQError) as caught:
        poller.poll(0)
    assert caught.value.errno == errno.ENOTSOCK
    poller.unregister(right)
    assert poller.poll(0) == []


@only_ours
def test_p30_closed_while_a_poll_sleeps(poller: Any, pair: Pair, pool: ThreadPoolExecutor, wait_for: WaitFor) -> None:
    left, right = pair()
    poller.register(left, POLLIN)
    poller.register(right, POLLIN)
    waiting = pool.submit(poller.poll, None)
    wait_for(lambda: right._driver.waiters)
    right.close()
    error = waiting.exception()
    assert isinstance(error, mqbridge.ZMQError)
    assert error.errno == errno.ENOTSOCK
    assert left._driver.waiters == 0
    poller.unregister(right)
    assert poller.poll(0) == []


@only_ours
def test_p33_the_context_ends_while_a_poll_sleeps(
    poller: Any, context: Any, pair: Pair, pool: ThreadPoolExecutor, wait_for: WaitFor
) -> None:
    left, right = pair()
    poller.register(left, POLLIN)
    poller.register(right, POLLIN)
    waiting = pool.submit(poller.poll, None)
    wait_for(lambda: right._driver.waiters)
    ending = pool.submit(context.term)
    assert isinstance(waiting.exception(), mqbridge.ContextTerminated)
    left.close()
    right.close()
    ending.result()


@only_ours
def test_p37_a_signal_leaves_the_deadline(poller: Any, pull: Any, scaled: Scaled) -> None:
    """pyzmq's poll comes back with the signal now and then."""
    calls = []
    before = signal.signal(signal.SIGUSR1, lambda *_: calls.append(1))
    try:
        poller.register(pull, POLLIN)
        timer = threading.Timer(scaled(0.05), os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        began = time.monotonic()
        assert poller.poll(scaled(200)) == []
        took = time.monotonic() - began
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert calls == [1]
    assert scaled(0.18) <= took < scaled(20)


def test_p37_keyboard_interrupt_arrives(poller: Any, pull: Any, scaled: Scaled, library: str) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        poller.register(pull, POLLIN)
        timer = threading.Timer(scaled(0.05), os.kill, (os.getpid(), signal.SIGUSR1))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            poller.poll(None)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    if library != "pyzmq":
        assert pull._driver.waiters == 0
    assert poller.poll(0) == []


# ---- Socket.poll and select


def test_socket_poll(pair: Pair, ms: int) -> None:
    left, right = pair()
    assert left.poll(0) == 0
    assert left.poll(0, POLLIN | POLLOUT) == POLLOUT
    right.send(b"message")
    assert left.poll(ms) == POLLIN
    assert left.poll(ms, POLLIN | POLLOUT) == POLLIN | POLLOUT
    left.recv()
    assert left.poll(1) == 0


def test_select(zmq_like: Any, pair: Pair, pipe: Pipe, ms: int) -> None:
    left, right = pair()
    assert zmq_like.select([left, pipe[0]], [], [], 0) == ([], [], [])
    assert zmq_like.select([left], [left], [left], ms / 1000) == ([], [left], [])
    right.send(b"message")
    assert zmq_like.select([left, right], [], [], ms / 1000) == ([left], [], [])
    os.write(pipe[1], b"x")
    found = zmq_like.select([left, pipe[0]], [right, pipe[1]], [left], ms / 1000)
    assert [set(group) for group in found] == [{left, pipe[0]}, {right, pipe[1]}, set()]


def test_select_takes_seconds(zmq_like: Any, pull: Any, scaled: Scaled) -> None:
    began = time.monotonic()
    assert zmq_like.select([pull], [], [], scaled(0.05)) == ([], [], [])
    assert scaled(0.045) <= time.monotonic() - began < scaled(20)


def test_select_without_a_timeout(zmq_like: Any, pair: Pair, pool: ThreadPoolExecutor) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    waiting = pool.submit(zmq_like.select, [pull], [], [])
    push.send(b"message")
    assert waiting.result() == ([pull], [], [])
