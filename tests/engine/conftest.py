"""What the tests of the engine share: contexts, raw ZMTP peers over plain TCP, and a record of events."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.zmtp.connection import Connection

# On slow machines every duration is longer; see the other conftest.
SCALE = float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))
PATIENCE = 10 * SCALE
# Between two looks: there is nothing to sleep on, since the other side moves only when it is driven.
TICK = 0.0005

MORE, LONG, COMMAND = 1, 2, 4


def frame(body: bytes, flags: int = 0) -> bytes:
    """Return a ZMTP 3 frame (RFC 37)."""
    if len(body) > 255:
        return struct.pack(">BQ", flags | LONG, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def encoded(message: Any) -> bytes:
    """Return a message, bytes or a sequence of them, as frames."""
    if isinstance(message, bytes):
        return frame(message)
    return b"".join(frame(part, MORE) for part in message[:-1]) + frame(message[-1])


class Peer:
    """The other end of a TCP connection, without an engine: it reads and writes only when it is told to.

    `drive` is called while the peer waits; for a context without a thread it reads EVENTS of the socket under test.
    """

    def __init__(self, handle: socket.socket, socket_type: str, drive: Callable[[], object]) -> None:
        self.handle = handle
        self.connection = Connection(socket_type)
        self.drive = drive
        # What came and was not asked for yet.
        self.messages: list[Any] = []
        self.over = False
        # Says nothing by itself.
        self.mute = False
        handle.setblocking(False)
        # What is written is there at once.
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Drive the other side and read, until the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come"
            self.drive()
            if not self.read():
                time.sleep(TICK)

    def read(self, most: int = 1 << 20) -> bool:
        """Read once; return whether anything came."""
        self._send_due()
        if self.over:
            return False
        try:
            data = self.handle.recv(most)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self.over = True
            return True
        self.connection.receive_data(data)
        self.messages += self.connection.messages(1 << 30)
        self._send_due()
        return True

    def drain(self, link: Any) -> None:
        """Read all that `link` at the other side has written, without driving anybody."""
        drive, self.drive = self.drive, lambda: None
        self.until(
            lambda: not self.read() and not unacknowledged(link.stream.fd) and not self.read(), "what was written"
        )
        self.drive = drive

    def shake_hands(self) -> Peer:
        """Complete the handshake."""
        self.until(lambda: self.connection.ready, "the handshake")
        # Our last word is on its way; who is driven reads it now.
        self.read()
        self.drive()
        return self

    def expect(self, count: int) -> list[Any]:
        """Return the next `count` messages."""
        self.until(lambda: len(self.messages) >= count, f"{count} messages")
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def expect_end(self) -> None:
        """The other side closes the connection."""
        self.until(lambda: self.over, "the end of the connection")

    def write(self, data: bytes) -> None:
        """Write bytes as they are; while they do not go, the other side is driven."""
        deadline = time.monotonic() + PATIENCE
        view = memoryview(data)
        while view:
            try:
                view = view[self.handle.send(view) :]
            except BlockingIOError:
                assert time.monotonic() < deadline, f"{len(view)} bytes could not be written"
                self.drive()
                time.sleep(TICK)

    def send(self, *messages: Any) -> None:
        """Send messages."""
        self.write(b"".join(encoded(message) for message in messages))

    def arrived(self) -> bool:
        """Return whether all that was sent is at the other side's kernel."""
        return not unacknowledged(self.handle.fileno())

    def command(self, name: bytes, data: bytes) -> None:
        """Send a command."""
        self.write(frame(bytes((len(name),)) + name + data, COMMAND))

    def ping(self, context: bytes) -> None:
        """Send a PING."""
        self.command(b"PING", b"\0\0" + context)

    def close(self) -> None:
        """Close the connection."""
        self.over = True
        self.handle.close()

    def reset(self) -> None:
        """Close the connection in such a way that the other side cannot write any more."""
        self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def _send_due(self) -> None:
        data = b"" if self.mute else self.connection.data_to_send()
        if data and not self.over:
            with contextlib.suppress(ConnectionError):
                self.handle.send(data)


class Peers:
    """Makes peers and places where they listen, and closes them all."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def connect(
        self, endpoint: bytes | str, socket_type: str, drive: Callable[[], object] = lambda: None, rcvbuf: int = 0
    ) -> Peer:
        """Connect to a socket; the handshake is still to come."""
        handle = socket.socket()
        self._open.append(handle)
        handle.settimeout(PATIENCE)
        if rcvbuf:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        handle.connect(("127.0.0.1", port_of(endpoint)))
        return Peer(handle, socket_type, drive)

    def listen(self, rcvbuf: int = 0) -> Place:
        """Listen somewhere."""
        handle = socket.socket()
        self._open.append(handle)
        if rcvbuf:
            # Before listen, so that accepted connections have it from the beginning.
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        handle.bind(("127.0.0.1", 0))
        handle.listen()
        return Place(self, handle)

    def adopt(self, handle: socket.socket) -> None:
        """Close this one, too."""
        self._open.append(handle)

    def close(self) -> None:
        """Close everything."""
        for handle in self._open:
            handle.close()


class Place:
    """Where peers accept connections."""

    def __init__(self, peers: Peers, handle: socket.socket) -> None:
        self._peers = peers
        self.handle = handle
        self.port: int = handle.getsockname()[1]
        self.endpoint = f"tcp://127.0.0.1:{self.port}"

    def accept(self, socket_type: str, drive: Callable[[], object] = lambda: None) -> Peer:
        """Wait for a connection."""
        self.handle.setblocking(False)
        deadline = time.monotonic() + PATIENCE
        while True:
            drive()
            try:
                handle, _ = self.handle.accept()
            except BlockingIOError:
                assert time.monotonic() < deadline, "no connection came"
                time.sleep(TICK)
            else:
                self._peers.adopt(handle)
                return Peer(handle, socket_type, drive)

    def empty(self) -> bool:
        """Return whether nobody has connected."""
        self.handle.setblocking(False)
        try:
            handle, _ = self.handle.accept()
        except BlockingIOError:
            return True
        self._peers.adopt(handle)
        return False


class Record:
    """What a socket reports of its connections, as (event, value) in order."""

    def __init__(self, driver: Any) -> None:
        self.all: list[tuple[Event, Any]] = []
        driver.sinks.append(self)

    def told(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> None:
        """Take an event; its cause says more than libzmq's value, where it has one."""
        self.all.append((Event(event), value if event == Event.CONNECT_RETRIED else cause or value))

    def last(self) -> None:
        """The socket is closed."""

    def of(self, event: Event) -> list[Any]:
        """Return the values of one kind."""
        return [value for kind, value in self.all if kind == event]


def unacknowledged(fd: int) -> int:
    """Return how many bytes written to a socket its peer's kernel has not got yet."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0])


def port_of(endpoint: bytes | str) -> int:
    """Return the port of an endpoint's text."""
    text = endpoint.decode() if isinstance(endpoint, bytes) else endpoint
    return int(text.rpartition(":")[2])


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Peers without an engine: `peers.connect(endpoint, "PULL")`, `peers.listen().accept("PULL")`."""
    made = Peers()
    yield made
    made.close()


def end(context: mqbridge.Context) -> None:
    """Destroy a context; what never ends fails the test, and does not stop all others."""
    ending = Running(context.destroy, (0,))
    ending.result()


@pytest.fixture
def context(no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    """A context with a caretaker; its sockets do not linger, and wait for long but not for ever."""
    made = mqbridge.Context()
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = int(PATIENCE * 1000)
    yield made
    end(made)


@pytest.fixture
def quiet(no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    """A context without a thread: nothing happens unless the test itself is in a socket."""
    made = mqbridge.Context(io_threads=0)
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = int(PATIENCE * 1000)
    yield made
    end(made)


@pytest.fixture
def driving() -> Callable[..., Callable[[], object]]:
    """A function that gives a function which drives sockets once: `driving(push, pull)`."""

    def make(*sockets: Any) -> Callable[[], object]:
        return lambda: [each.get(mqbridge.EVENTS) for each in sockets]

    return make


@pytest.fixture
def record() -> Callable[[Any], Record]:
    """A function that begins a record of a socket's events."""
    return lambda socket: Record(socket._driver)


@pytest.fixture
def burst() -> Callable[..., None]:
    """A function that sends messages as if each came right after the one before: they gather in a batch."""

    def send(socket: Any, *messages: bytes) -> None:
        driver = socket._driver
        # Without a caretaker nor a flusher a socket would not gather, since nobody would write late batches.
        driver.gathers = True
        for message in messages:
            driver.last_write = _sys.clock() + 10**9
            socket.send(message, mqbridge.DONTWAIT)

    return send


@pytest.fixture
def in_thread() -> Iterator[Callable[..., Running]]:
    """A function that runs a call in a thread; `result()` waits for it. Each must have ended when the test does."""
    started: list[Running] = []

    def start(function: Callable[..., Any], *arguments: Any) -> Running:
        running = Running(function, arguments)
        started.append(running)
        return running

    yield start
    for running in started:
        running.thread.join(PATIENCE)
        assert not running.thread.is_alive(), f"{running.function} goes on"


class Running:
    """A call in a thread."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self._arguments = arguments
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self.function(*self._arguments)
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return not self.thread.is_alive()

    def result(self) -> Any:
        """Wait for the call, and return or raise what it did."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), f"{self.function} did not end"
        if self._error is not None:
            raise self._error
        return self._outcome


@pytest.fixture
def asleep(wait_for: Callable[..., None]) -> Callable[..., None]:
    """A function that waits until so many threads sleep in a socket."""

    def wait(socket: Any, count: int = 1) -> None:
        wait_for(lambda: socket._driver.waiters == count, f"{count} threads asleep in {socket!r}")

    return wait


@pytest.fixture
def black_hole(peers: Peers) -> int:
    """A port to which connections neither succeed nor fail: its backlog is full."""
    handle = socket.socket()
    peers.adopt(handle)
    handle.bind(("127.0.0.1", 0))
    handle.listen(0)
    for _ in range(8):
        caller = socket.socket()
        peers.adopt(caller)
        caller.setblocking(False)
        caller.connect_ex(handle.getsockname())
    port: int = handle.getsockname()[1]
    return port


@pytest.fixture
def push(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PUSH socket that only the test drives."""
    with quiet.socket(mqbridge.PUSH) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def pull(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PULL socket that only the test drives."""
    with quiet.socket(mqbridge.PULL) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def pair(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PAIR socket that only the test drives."""
    with quiet.socket(mqbridge.PAIR) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def joined(peers: Any, driving: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives a peer which has shaken hands with a socket."""

    def join(socket: Any, socket_type: str, rcvbuf: int = 0) -> Any:
        peer = peers.connect(socket.last_endpoint, socket_type, driving(socket), rcvbuf).shake_hands()
        assert len(socket._driver.pipes) == 1
        return peer

    return join


@pytest.fixture
def inproc_pair(quiet: mqbridge.Context) -> Iterator[tuple[Any, Any]]:
    """Two PAIR sockets joined by inproc, both aware of each other."""
    with quiet.socket(mqbridge.PAIR) as one, quiet.socket(mqbridge.PAIR) as other:
        one.bind("inproc://pair")
        other.connect("inproc://pair")
        one.get(mqbridge.EVENTS)
        other.get(mqbridge.EVENTS)
        yield one, other
