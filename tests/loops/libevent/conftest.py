"""What the tests of libevent share: sockets of each library, channels to compare with a descriptor's, bases."""

from __future__ import annotations

import socket as system
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

Make = Callable[..., Any]
Pair = Callable[..., tuple[Any, Any]]


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
