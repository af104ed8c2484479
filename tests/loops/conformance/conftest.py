"""What the suite runs over: every rig that can be imported, the libraries' sockets, and the transports."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge

from .rigs import RIGS, Declared, Rig

#: Contexts: without a thread that could make up for a lost edge, with the caretaker, and libzmq's.
LIBRARIES = ("alone", "caretaker", "pyzmq")
TRANSPORTS = ("inproc", "ipc", "tcp")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*features): only in rigs that have all of these features")
    config.addinivalue_line("markers", "libraries(*names): only with these libraries' sockets")
    config.addinivalue_line("markers", "transports(*names): only over these transports")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs in all rigs that have what it needs."""

    def marked(name: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        marker = metafunc.definition.get_closest_marker(name)
        return otherwise if marker is None else marker.args

    if "declared" in metafunc.fixturenames:
        needed = frozenset(marked("needs", ()))
        rigs = [rig for rig in RIGS if needed <= rig.features]
        metafunc.parametrize("declared", rigs, ids=lambda rig: rig.name, indirect=True)
    if "library" in metafunc.fixturenames:
        metafunc.parametrize("library", marked("libraries", LIBRARIES), indirect=True)
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", marked("transports", TRANSPORTS), indirect=True)


@pytest.fixture
def declared(request: pytest.FixtureRequest) -> Declared:
    """What is known of the rig."""
    rig: Declared = request.param
    missing = rig.missing()
    if missing is not None:
        pytest.skip(missing)
    return rig


@pytest.fixture
def rig(declared: Declared, scaled: Callable[[float], float]) -> Rig:
    """The rig."""
    made = declared.make()
    made.limit = scaled(10)
    return made


@pytest.fixture
def library(request: pytest.FixtureRequest) -> str:
    """Whose sockets."""
    name: str = request.param
    return name


@pytest.fixture
def stock(library: str) -> bool:
    """Whether they are stock pyzmq's."""
    return library == "pyzmq"


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """The transport."""
    name: str = request.param
    return name


@pytest.fixture
def context(library: str) -> Iterator[Any]:
    """The library's context."""
    made: Any = zmq.Context() if library == "pyzmq" else mqbridge.Context(io_threads=int(library != "alone"))
    yield made
    made.destroy(linger=0)


@pytest.fixture
def make(context: Any) -> Iterator[Callable[..., Any]]:
    """A function that makes a socket: `make("PUSH", sndhwm=1)`. All are closed in the end."""
    made = []

    def make_one(kind: str, **options: int) -> Any:
        made.append(context.socket(getattr(zmq, kind)))
        for name, value in {"linger": 0, **options}.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., None]:
    """A function that connects two sockets: `join(one, other, "tcp")`, and waits until each can send that ever can."""
    numbers = itertools.count()

    def connected(one: Any, other: Any, transport: str) -> None:
        name = f"place-{next(numbers)}"
        place = {"inproc": f"inproc://{name}", "ipc": f"ipc://{tmp_path / name}", "tcp": "tcp://127.0.0.1:*"}[transport]
        one.bind(place)
        other.connect(one.getsockopt_string(zmq.LAST_ENDPOINT))
        for socket, peer in ((one, other), (other, one)):
            while socket.getsockopt(zmq.TYPE) in (zmq.PUSH, zmq.PAIR, zmq.DEALER) and not socket.poll(0, zmq.POLLOUT):
                peer.poll(1, zmq.POLLIN)

    return connected


@pytest.fixture
def pair(make: Callable[..., Any], join: Callable[..., None], transport: str) -> Callable[..., tuple[Any, Any]]:
    """A function that makes two connected sockets: `pair("PUSH", "PULL", sndhwm=1)`, PAIRs without types."""

    def connected(one: str = "PAIR", other: str = "PAIR", **options: int) -> tuple[Any, Any]:
        left, right = make(one, **options), make(other, **options)
        join(left, right, transport)
        return left, right

    return connected
