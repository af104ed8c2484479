"""What the tests of libevent share: sockets of each library, channels to compare with a descriptor's, bases."""

from __future__ import annotations

import itertools
import os
import socket as system
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture(params=["mqbridge", "alone", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets: mqbridge's, those of a context without a caretaker, or stock pyzmq's."""
    name: str = request.param
    return name


@pytest.fixture
def zmq_like(library: str) -> ModuleType:
    """The library's module."""
    return zmq if library == "pyzmq" else mqbridge


@pytest.fixture
def context(library: str, no_descriptor_leak: None) -> Iterator[Any]:
    """The library's context; the test's sockets are closed before it ends."""
    made: Any = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=library != "alone")
    yield made
    made.term()


@pytest.fixture
def make(context: Any) -> Iterator[Make]:
    """A function that makes a socket: `make("PUSH", sndhwm=1)`."""
    made = []

    def make_one(kind: str, **options: int) -> Any:
        made.append(context.socket(getattr(zmq, kind)))
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)


@pytest.fixture
def connect(make: Make) -> Pair:
    """A function that makes two connected sockets over inproc: `connect("PUSH", "PULL")`, PAIRs without types."""
    names = itertools.count()

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = make(one, **options), make(other, **options)
        place = f"inproc://place-{next(names)}"
        left.bind(place)
        right.connect(place)
        return left, right

    return connected


@pytest.fixture(params=["inproc", "tcp"])
def pair(request: pytest.FixtureRequest, make: Make, connect: Pair) -> Pair:
    """As `connect`, over both transports."""
    if request.param == "inproc":
        return connect

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = make(one, **options), make(other, **options)
        left.bind("tcp://127.0.0.1:*")
        right.connect(left.getsockopt_string(zmq.LAST_ENDPOINT))
        while not left.poll(0, zmq.POLLOUT):
            right.poll(1)
        left.send(b"the first")
        assert right.recv() == b"the first"
        return left, right

    return connected


@pytest.fixture(params=["epoll", "poll", "select"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What libevent waits with."""
    name: str = request.param
    for other in {"epoll", "poll", "select"} - {name}:
        monkeypatch.setenv(f"EVENT_NO{other.upper()}", "1")
    return name


@pytest.fixture
def base(no_descriptor_leak: None) -> Iterator[Any]:
    """An EventBase."""
    with pytest.importorskip("mqbridge.loops.libevent").EventBase() as made:
        yield made


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """An ordinary pipe: the end to read from, and the one to write to."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class Files:
    """A pair of the system's sockets, as a channel: one end is watched."""

    def __init__(self) -> None:
        self.source, self._other = system.socketpair()
        for each in (self.source, self._other):
            each.setblocking(False)

    def write(self) -> None:
        self._other.send(b"x")

    def read(self) -> bool:
        try:
            return bool(self.source.recv(1))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.source.close()
        self._other.close()


class Sockets:
    """A pair of ZeroMQ sockets, as a channel."""

    def __init__(self, ends: tuple[Any, Any]) -> None:
        self.source, self._other = ends

    def write(self) -> None:
        self._other.send(b"x")

    def read(self) -> bool:
        try:
            return bool(self.source.recv(zmq.DONTWAIT))
        except Exception as error:
            assert getattr(error, "errno", 0) == zmq.EAGAIN
            return False

    def close(self) -> None:
        self.source.close(0)
        self._other.close(0)


Channels = Callable[[str], Any]


@pytest.fixture
def channel(connect: Pair) -> Channels:
    """A function that makes a channel, of files or of the library's sockets."""
    return lambda kind: Files() if kind == "files" else Sockets(connect())
