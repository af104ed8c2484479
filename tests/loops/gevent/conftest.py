"""What the tests of the gevent adapter share: sockets of both libraries, wrapped, and a limit for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import gevent
import pytest
import zmq

import mqbridge
from mqbridge.loops.gevent import Socket

Make = Callable[..., Any]


@pytest.fixture(params=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets are wrapped: mqbridge's, of a context without a caretaker, or stock pyzmq's."""
    name: str = request.param
    return name


@pytest.fixture
def zmq_like(library: str) -> ModuleType:
    """The library's module, with its errors."""
    return zmq if library == "pyzmq" else mqbridge


@pytest.fixture(autouse=True)
def limit(scaled: Callable[[float], float]) -> Iterator[None]:
    """What hangs, fails."""
    with gevent.Timeout(scaled(60)):
        yield


@pytest.fixture
def context(library: str) -> Iterator[Any]:
    """The library's context; the test's sockets are closed before it ends."""
    made: Any = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=0)
    yield made
    made.term()


@pytest.fixture
def make(context: Any) -> Iterator[Make]:
    """A function that makes a socket for greenlets: `make("PUSH", sndhwm=1)`."""
    made = []

    def make_one(kind: str, **options: int) -> Any:
        made.append(Socket(context.socket(getattr(zmq, kind))))
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)
    # Let the hub let go of them.
    gevent.sleep(0)


@pytest.fixture
def connect(make: Make) -> Make:
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
def pair(request: pytest.FixtureRequest, make: Make, connect: Make) -> Make:
    """As `connect`, over both transports; with tcp a message has gone before."""
    if request.param == "inproc":
        return connect

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = make(one, **options), make(other, **options)
        left.bind("tcp://127.0.0.1:*")
        right.connect(left.getsockopt_string(zmq.LAST_ENDPOINT))
        left.send(b"the first")
        assert right.recv() == b"the first"
        return left, right

    return connected
