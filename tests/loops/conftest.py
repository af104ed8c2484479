"""What the tests of all adapters share: sockets of both libraries, and files. Some adapters' tests wrap them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]

HERE = Path(__file__).resolve().parent


# The compiled modules are there: `make test` runs all of it with them first.
BUILT = any((HERE.parent.parent / "mqbridge").glob("_sys.*.so"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Interpreted, where both are tested, leave stock pyzmq sockets out: nothing compiled has a part in them."""
    if mqbridge.COMPILED or not BUILT:
        return
    left = {item for item in items if HERE in item.path.parents and _is_of_pyzmq(item)}
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_of_pyzmq(item: pytest.Item) -> bool:
    return "pyzmq" in getattr(getattr(item, "callspec", None), "id", "").split("-")


@pytest.fixture(params=["mqbridge", "alone", "pyzmq"])
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets: mqbridge's, those of a context without a caretaker, or stock pyzmq's."""
    name: str = request.param
    return name


@pytest.fixture
def zmq_like(library: str) -> ModuleType:
    """The library's module, with its errors."""
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
    """As `connect`, over both transports; with tcp a message has gone before."""
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


@pytest.fixture
def limit(scaled: Callable[[float], float]) -> float:
    """How many seconds a wait may take that should take no time."""
    return scaled(10)
