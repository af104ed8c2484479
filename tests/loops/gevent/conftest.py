"""What the tests of the gevent adapter share: sockets of both libraries, wrapped, and a limit for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import zmq

import mqbridge
from mqbridge.loops.gevent import Socket

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def limit(scaled: Callable[[float], float]) -> Iterator[None]:
    """What hangs, fails."""
    with gevent.Timeout(scaled(60)):
        yield


@pytest.fixture(params=["alone", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets are wrapped: mqbridge's, of a context without a caretaker, or stock pyzmq's."""
    name: str = request.param
    return name


@pytest.fixture
def context(library: str) -> Iterator[Any]:
    """The library's context; the test's sockets are closed before it ends. The hub keeps descriptors."""
    made: Any = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=0)
    yield made
    made.term()


@pytest.fixture
def make(make: Make) -> Iterator[Make]:
    """A function that makes a socket for greenlets: `make("PUSH", sndhwm=1)`."""
    made = []

    def make_one(kind: str, **options: int) -> Any:
        made.append(Socket(make(kind, **options)))
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)
    # Let the hub let go of them.
    gevent.sleep(0)
