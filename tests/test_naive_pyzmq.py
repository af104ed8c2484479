"""What naive loops on stock pyzmq sockets do: they sleep with messages waiting.

Each program here is one of `test_edges.py`, reduced to the moment where libzmq's edge is lost: FD is not readable, and
stays so, although EVENTS then says POLLIN. So those tests are known to be able to fail.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zmq

Scaled = Callable[[float], float]
WaitFor = Callable[..., None]
Make = Callable[..., "zmq.Socket[bytes]"]
Pair = Callable[..., "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]"]
Hangs = Callable[..., None]

# What a loop calls when it waits for a descriptor.
WAYS = ("select", "poll", "epoll", "epoll, edge")


@pytest.fixture
def make(no_descriptor_leak: None) -> Iterator[Make]:
    """A function that makes a stock socket: `make(zmq.PUSH, sndhwm=1)`."""
    context = zmq.Context()
    made = []

    def make_one(kind: int, **options: int) -> zmq.Socket[bytes]:
        made.append(context.socket(kind))
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(linger=0)
    context.term()


@pytest.fixture(params=["inproc", "tcp"])
def pair(request: pytest.FixtureRequest, make: Make) -> Pair:
    """A function that makes two connected stock sockets over which a message has gone."""

    def connected(one: int, other: int, **options: int) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        left, right = make(one, **options), make(other, **options)
        left.bind("inproc://place" if request.param == "inproc" else "tcp://127.0.0.1:*")
        right.connect(left.getsockopt_string(zmq.LAST_ENDPOINT))
        left.send(b"the first")
        assert right.recv() == b"the first"
        return left, right

    return connected


@pytest.fixture
def hangs(scaled: Scaled, wait_for: WaitFor) -> Hangs:
    """A function that shows that a loop which waits for a socket's FD sleeps, and that there is work for it."""

    def show(socket: zmq.Socket[bytes], wanted: int = zmq.POLLIN, way: str = "poll") -> None:
        assert not wait(socket.getsockopt(zmq.FD), scaled(0.1), way), "FD is readable: no edge was lost"
        wait_for(lambda: socket.getsockopt(zmq.EVENTS) & wanted, "what is there, while the loop sleeps")

    return show


def wait(fd: int, timeout: float, way: str = "poll") -> bool:
    if way == "select":
        return bool(select.select([fd], [], [], timeout)[0])
    if way == "poll":
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    with select.epoll() as epoll:
        epoll.register(fd, select.EPOLLIN | (select.EPOLLET if way == "epoll, edge" else 0))
        return bool(epoll.poll(timeout))


def drain(socket: zmq.Socket[bytes]) -> None:
    """Read what is there and the edge, as a loop does before it sleeps."""
    while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        socket.recv(zmq.DONTWAIT)
    assert not wait(socket.getsockopt(zmq.FD), 0)


@pytest.mark.parametrize("way", WAYS)
def test_p01_readable_before_the_watch_starts(make: Make, hangs: Hangs, way: str) -> None:
    """push binds, pull connects, messages are sent, then another thread starts to wait."""
    push, pull = make(zmq.PUSH), make(zmq.PULL)
    push.bind("inproc://place")
    pull.connect("inproc://place")
    for number in range(10):
        push.send(b"%d" % number)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hangs, pull, zmq.POLLIN, way).result()


def test_p02_a_send_eats_the_read_edge(pair: Pair, hangs: Hangs, wait_for: WaitFor) -> None:
    left, right = pair(zmq.PAIR, zmq.PAIR, sndhwm=0, rcvhwm=0)
    right.send(b"to left")
    drain_one = left.recv()
    assert drain_one == b"to left"
    drain(left)
    right.send(b"answer")
    wait_for(lambda: wait(left.getsockopt(zmq.FD), 0), "the edge")

    def eaten() -> bool:
        left.send(b"unrelated")
        return not wait(left.getsockopt(zmq.FD), 0)

    # libzmq looks at its commands now and then only.
    wait_for(eaten, "the send that eats the edge")
    hangs(left)


@pytest.mark.parametrize("call", ["connect", "bind"])
def test_p03_other_calls_eat_the_edge(pair: Pair, hangs: Hangs, wait_for: WaitFor, call: str) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    drain(pull)
    push.send(b"message")
    wait_for(lambda: wait(pull.getsockopt(zmq.FD), 0), "the edge")
    if call == "connect":
        pull.connect("inproc://nobody")
    else:
        pull.bind("inproc://another")
    hangs(pull)


def test_p04_stopping_at_exactly_the_last_message(pair: Pair, hangs: Hangs, wait_for: WaitFor) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    drain(pull)
    push.send(b"message")
    wait_for(lambda: pull.getsockopt(zmq.EVENTS) & zmq.POLLIN)
    # One was expected, one was read; the loop sleeps.
    assert pull.recv(zmq.DONTWAIT) == b"message"
    push.send(b"next")
    hangs(pull)


def test_p05_no_edge_for_what_is_left(pair: Pair, hangs: Hangs, wait_for: WaitFor) -> None:
    """One message for each wake: so do those who take FD for a level."""
    push, pull = pair(zmq.PUSH, zmq.PULL)
    drain(pull)
    for number in range(5):
        push.send(b"%d" % number)
    wait_for(lambda: pull.getsockopt(zmq.EVENTS) & zmq.POLLIN)
    assert pull.recv(zmq.DONTWAIT) == b"0"
    hangs(pull)
    push.send(b"one more makes no edge either")
    hangs(pull)


def test_p06_another_view_reads_events(pair: Pair, hangs: Hangs, wait_for: WaitFor, scaled: Scaled) -> None:
    """Two objects for one socket: what one has looked at, the other never hears of."""
    push, pull = pair(zmq.PUSH, zmq.PULL)
    drain(pull)
    shadow = zmq.Socket.shadow(pull)
    push.send(b"message")
    wait_for(lambda: wait(shadow.getsockopt(zmq.FD), 0), "the edge")
    assert shadow.getsockopt(zmq.EVENTS) & zmq.POLLIN
    hangs(pull)


def test_p06_a_thread_that_waits_for_fd_sleeps_on(pair: Pair, hangs: Hangs, wait_for: WaitFor, scaled: Scaled) -> None:
    """The waiting thread has not begun yet when somebody else looks."""
    push, pull = pair(zmq.PUSH, zmq.PULL)
    drain(pull)
    looked = threading.Event()
    fd = pull.getsockopt(zmq.FD)

    def waiting() -> bool:
        looked.wait(scaled(10))
        return wait(fd, scaled(0.2))

    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(waiting)
        push.send(b"message")
        wait_for(lambda: pull.getsockopt(zmq.EVENTS) & zmq.POLLIN)
        looked.set()
        assert not woken.result()
    hangs(pull)


def test_p08_the_unblock_at_the_mark(make: Make, hangs: Hangs) -> None:
    """Room is announced at the low-water mark only; and a send that fails eats what was announced."""
    push, pull = make(zmq.PUSH, sndhwm=5), make(zmq.PULL, rcvhwm=5)
    push.bind("inproc://place")
    pull.connect("inproc://place")
    while push.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
        push.send(b"message", zmq.DONTWAIT)
    for _ in range(10):
        pull.recv(zmq.DONTWAIT)
    assert wait(push.getsockopt(zmq.FD), 0)
    # Any call that looks at the commands: here one that has nothing to do with sending.
    push.bind("inproc://another")
    hangs(push, zmq.POLLOUT)
