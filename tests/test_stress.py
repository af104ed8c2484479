"""Many waits, nearly each of which really sleeps, and none sleeps on with work ready.

Two threads, and where there is one the caretaker, are in one socket at the same time: one thread waits for messages,
the other one sends, and sends again only when the answer was received, so nothing but the next wake-up can get things
going again. Without a caretaker one lost wake-up stops everything, and the watchdog tells who sleeps where.

MQBRIDGE_TEST_STRESS=10 makes each stress ten times as long.
"""

from __future__ import annotations

import faulthandler
import os
import select
import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest

import mqbridge
from mqbridge.constants import DONTWAIT, EVENTS, FD, LAST_ENDPOINT, PAIR, POLLIN, POLLOUT, PULL, PUSH
from mqbridge.loops.selectors import EVENT_READ, EVENT_WRITE, Selector

Scaled = Callable[[float], float]
Connect = Callable[..., tuple[mqbridge.Socket, mqbridge.Socket]]
Run = Callable[..., None]
Receive = Callable[[], bytes]
Send = Callable[[bytes], None]

STRESS = float(os.environ.get("MQBRIDGE_TEST_STRESS", "1"))
# Waits of each of the tests.
WAITS = int((4_000 if mqbridge.COMPILED else 1_000) * STRESS)
# Waits of each of the four that are closest to the engine; together 100,000 and 10,000.
MANY_WAITS = int((25_000 if mqbridge.COMPILED else 2_500) * STRESS)


class Overslept(Exception):
    """A wait has taken longer than the watchdog would have allowed; another thread's wait is the cause."""


# ---- the ways to wait: each object is for one thread and one socket


class Blocking:
    """The call itself waits."""

    def __init__(self, socket: mqbridge.Socket, flag: int, limit: float) -> None:
        self.socket = socket
        self.limit = limit
        self.flag = flag
        self.prepare()

    def prepare(self) -> None:
        self.socket.rcvtimeo = self.socket.sndtimeo = int(self.limit * 1000)

    def wait(self) -> None:
        """Return when the operation may succeed."""

    def receive(self) -> bytes:
        return self.socket.recv()

    def send(self, message: bytes) -> None:
        self.socket.send(message)

    def close(self) -> None:
        """Let go of what the waiting needed."""


class NotBlocking(Blocking):
    """Wait, then try."""

    def receive(self) -> bytes:
        while True:
            self.wait()
            try:
                return self.socket.recv(DONTWAIT)
            except mqbridge.Again:
                continue

    def send(self, message: bytes) -> None:
        while True:
            self.wait()
            try:
                return self.socket.send(message, DONTWAIT)
            except mqbridge.Again:
                continue


class ByPoller(NotBlocking):
    def prepare(self) -> None:
        self.poller = mqbridge.Poller()
        self.poller.register(self.socket, self.flag)

    def wait(self) -> None:
        if not self.poller.poll(self.limit * 1000):
            raise Overslept


class ByEdge(NotBlocking):
    """FD in an edge-triggered epoll, and EVENTS: the strictest of the hand-written loops."""

    def prepare(self) -> None:
        # A shadow has an FD of its own: the two threads do not read each other's edge.
        self.view = mqbridge.Socket.shadow(self.socket)
        self.epoll = select.epoll()
        self.epoll.register(self.view.getsockopt(FD), select.EPOLLIN | select.EPOLLET)

    def wait(self) -> None:
        while not self.view.getsockopt(EVENTS) & self.flag:
            if not self.epoll.poll(self.limit):
                raise Overslept

    def close(self) -> None:
        self.epoll.close()


class ByLevel(NotBlocking):
    def prepare(self) -> None:
        self.poll = select.poll()
        self.poll.register(self.socket.recv_fd if self.flag == POLLIN else self.socket.send_fd, select.POLLIN)

    def wait(self) -> None:
        if not self.poll.poll(self.limit * 1000):
            raise Overslept


class BySelector(NotBlocking):
    def prepare(self) -> None:
        self.selector = Selector()
        self.selector.register(self.socket, EVENT_READ if self.flag == POLLIN else EVENT_WRITE)

    def wait(self) -> None:
        if not self.selector.select(self.limit):
            raise Overslept

    def close(self) -> None:
        self.selector.close()


WAYS = {"blocking": Blocking, "Poller": ByPoller, "FD": ByEdge, "recv_fd": ByLevel, "Selector": BySelector}


# ---- fixtures


@pytest.fixture
def limit(scaled: Scaled) -> float:
    """How long nothing may happen before the watchdog barks."""
    return scaled(5)


@pytest.fixture(params=[0, 1], ids=["alone", "caretaker"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    """A context without a caretaker, and one with."""
    made = mqbridge.Context(io_threads=request.param)
    yield made
    made.term()


@pytest.fixture(params=["inproc", "tcp"])
def connect(request: pytest.FixtureRequest, context: mqbridge.Context) -> Iterator[Connect]:
    """A function that makes two connected sockets over which a message has gone: `connect(PUSH, PULL, hwm=1)`."""
    made: list[mqbridge.Socket] = []

    def connected(one: int, other: int, **options: int) -> tuple[mqbridge.Socket, mqbridge.Socket]:
        made.extend(context.socket(kind) for kind in (one, other))
        for socket in made:
            for name, value in options.items():
                setattr(socket, name, value)
        left, right = made
        left.bind("inproc://place" if request.param == "inproc" else "tcp://127.0.0.1:*")
        right.connect(left.get_string(LAST_ENDPOINT))
        while not left.poll(0, POLLOUT):
            right.poll(1)
        left.send(b"the first")
        assert right.recv() == b"the first"
        return left, right

    yield connected
    for socket in made:
        socket.close(0)


@pytest.fixture
def run(limit: float) -> Run:
    """A function that runs workers in threads until all have ended, and fails when nothing happens any more.

    `run({"name": function}, progress, sockets)`: `progress()` is anything that changes while things go on.
    """

    def run_all(
        workers: dict[str, Callable[[], None]], progress: Callable[[], object], sockets: tuple[mqbridge.Socket, ...]
    ) -> None:
        errors: dict[str, BaseException] = {}
        one_ended = threading.Semaphore(0)

        def work(name: str, worker: Callable[[], None]) -> None:
            try:
                worker()
            except BaseException as error:
                errors[name] = error
            finally:
                one_ended.release()

        threads = [threading.Thread(target=work, args=item, name=item[0], daemon=True) for item in workers.items()]
        for thread in threads:
            thread.start()
        seen = progress()
        left = len(threads)
        while left:
            if one_ended.acquire(timeout=limit):
                left -= 1
                if errors:
                    break
            elif progress() == seen:
                report = who_sleeps(sockets, errors)
                for socket in sockets:
                    # Those in recv and send get an error; the others have time limits of their own.
                    socket.close(0)
                pytest.fail(f"no wake-up within {limit} s at {seen}\n{report}")
            seen = progress()
        if errors:
            for socket in sockets:
                socket.close(0)
            for thread in threads:
                thread.join()
            name, error = next(iter(errors.items()))
            raise AssertionError(f"{name} failed at {progress()}") from error

    return run_all


def who_sleeps(sockets: tuple[mqbridge.Socket, ...], errors: dict[str, BaseException]) -> str:
    """Return every thread's stack, and what there is to do on the sockets: reading EVENTS comes last, for it wakes."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        stacks = file.read()
    drivers = [socket._driver for socket in sockets]
    states = [f"waiters {driver.waiters}, visits {driver.visits}, signal {driver.changed}" for driver in drivers]
    events = [socket.getsockopt(EVENTS) for socket in sockets]
    return f"{stacks}\n{states}\nEVENTS {events}, errors {errors}"


# ---- the stresses


def play(
    run: Run,
    limit: float,
    reads: str,
    writes: str,
    pair: tuple[mqbridge.Socket, mqbridge.Socket],
    rounds: int,
    in_step: bool,
) -> None:
    """Send through `pair` to an echo and back; with `in_step` the next one leaves when the last one is back."""
    ours, theirs = pair
    answered = threading.Semaphore(0)
    got = 0
    # Longer than the watchdog, so that no time-out looks like a wake-up.
    patience = 4 * limit

    def receiver() -> None:
        nonlocal got
        waiting = WAYS[reads](ours, POLLIN, patience)
        try:
            for number in range(rounds):
                assert waiting.receive() == b"%d" % number
                got += 1
                answered.release()
        finally:
            waiting.close()

    def sender() -> None:
        # In step there is always room, and the sender need not wait.
        waiting = WAYS["blocking" if in_step else writes](ours, POLLOUT, patience)
        try:
            for number in range(rounds):
                waiting.send(b"%d" % number)
                if in_step and not answered.acquire(timeout=patience):
                    raise Overslept
        finally:
            waiting.close()

    def echo() -> None:
        receiving, sending = WAYS[reads](theirs, POLLIN, patience), WAYS[writes](theirs, POLLOUT, patience)
        try:
            for _ in range(rounds):
                message = receiving.receive()
                if in_step:
                    theirs.send(message)
                else:
                    sending.send(message)
        finally:
            receiving.close()
            sending.close()

    run({"receiver": receiver, "sender": sender, "echo": echo}, lambda: got, pair)


@pytest.mark.parametrize("way", WAYS)
def test_p36_every_wait_sleeps_and_wakes(connect: Connect, run: Run, limit: float, way: str) -> None:
    """Each round is two waits: the echo's for the message, and the receiver's for the answer."""
    waits = MANY_WAITS if way == "blocking" else WAITS
    play(run, limit, way, way, connect(PAIR, PAIR), waits // 2, in_step=True)


# What one thread does for the socket, the other one, which waits in another way, must be told of.
MIXED = [
    ("blocking", "FD"),
    ("blocking", "Selector"),
    ("Poller", "Selector"),
    ("FD", "blocking"),
    ("recv_fd", "blocking"),
    ("Selector", "blocking"),
    ("Selector", "FD"),
]


@pytest.mark.parametrize("reads, writes", [(way, way) for way in WAYS] + MIXED)
def test_p06_p08_senders_that_wait_at_the_mark(
    connect: Connect, run: Run, limit: float, reads: str, writes: str
) -> None:
    """Nothing is in step: the sender waits for room all the time, and so does the echo."""
    play(run, limit, reads, writes, connect(PAIR, PAIR, sndhwm=1, rcvhwm=1), WAITS // 2, in_step=False)


@pytest.mark.parametrize("way", ["blocking", "Poller", "FD", "Selector"])
def test_p06_two_threads_wait_for_the_same_messages(connect: Connect, run: Run, limit: float, way: str) -> None:
    """Either may get each message; whoever does not sleeps on, and is still there for the next one."""
    push, pull = connect(PUSH, PULL)
    rounds = WAITS // 2
    taken = threading.Semaphore(0)
    got: list[bytes] = []
    patience = 4 * limit

    def receiver() -> None:
        waiting = WAYS[way](pull, POLLIN, patience)
        try:
            while waiting.receive() != b"end":
                got.append(b"one")
                taken.release()
        finally:
            waiting.close()

    def sender() -> None:
        for _ in range(rounds):
            push.send(b"one")
            if not taken.acquire(timeout=patience):
                raise Overslept
        push.send(b"end")
        push.send(b"end")

    run({"first": receiver, "second": receiver, "sender": sender}, lambda: len(got), (push, pull))
    assert len(got) == rounds
