"""What an adapter sees of a socket: which things are sockets, and their views."""

from __future__ import annotations

import errno
import os
import select
import socket as system
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.sockets import StockView, is_socket, own_error, shares_its_edge, view_of

Scaled = Callable[[float], float]


@pytest.fixture(params=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    """The module whose sockets are looked at."""
    return mqbridge if request.param == "mqbridge" else zmq


@pytest.fixture
def sockets(library: Any, no_descriptor_leak: None) -> Iterator[tuple[Any, Any]]:
    """A connected PUSH and PULL."""
    with library.Context() as context:
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.bind("inproc://place")
        pull.connect("inproc://place")
        yield push, pull
        push.close(0)
        pull.close(0)


def readable(fd: int, timeout: float = 0) -> bool:
    return bool(select.select([fd], [], [], timeout)[0])


def test_sockets_of_both_libraries_are_sockets(sockets: tuple[Any, Any]) -> None:
    assert all(map(is_socket, sockets))


def test_a_closed_socket_is_still_one(sockets: tuple[Any, Any]) -> None:
    sockets[1].close()
    assert is_socket(sockets[1])


def test_files_are_none() -> None:
    one, other = system.socketpair()
    with one, other, open(os.devnull) as file:
        for thing in (one, file, file.fileno(), "text", None, object()):
            assert not is_socket(thing)


def test_only_stock_sockets_share_their_edge(library: Any, sockets: tuple[Any, Any]) -> None:
    assert shares_its_edge(sockets[1]) == (library is zmq)
    view = view_of(sockets[1])
    assert isinstance(view, StockView) == (library is zmq)
    view.close()


def test_a_view_has_the_edge_and_the_events(sockets: tuple[Any, Any], scaled: Scaled) -> None:
    push, pull = sockets
    view = view_of(pull)
    assert view.events() == 0
    while readable(view.fileno()):
        assert view.events() == 0
    push.send(b"message")
    assert readable(view.fileno(), scaled(10))
    assert view.events() == zmq.POLLIN
    assert not readable(view.fileno())
    assert pull.recv() == b"message"
    assert view.events() == 0
    view.close()
    assert not pull.closed


def test_a_view_sees_room_to_write(sockets: tuple[Any, Any]) -> None:
    view = view_of(sockets[0])
    assert view.events() == zmq.POLLOUT
    view.close()


def test_p14_each_view_has_a_descriptor_of_its_own(library: Any, sockets: tuple[Any, Any]) -> None:
    _, pull = sockets
    one, other = view_of(pull), view_of(pull)
    fd = pull.getsockopt(zmq.FD)
    assert len({one.fileno(), other.fileno(), fd}) == 3
    one.close()
    one.close()
    other.close()
    os.fstat(fd)


@pytest.mark.parametrize("number", [errno.EAGAIN, zmq.ETERM, errno.ENOTSOCK])
def test_errors_are_of_the_sockets_own_library(library: Any, sockets: tuple[Any, Any], number: int) -> None:
    classes = {errno.EAGAIN: library.Again, zmq.ETERM: library.ContextTerminated}
    error = own_error(sockets[0], number, "text")
    assert type(error) is classes.get(number, library.ZMQError)
    assert error.errno == number


def test_events_of_a_closed_socket_raise(library: Any, sockets: tuple[Any, Any]) -> None:
    _, pull = sockets
    view = view_of(pull)
    fd = view.fileno()
    pull.close()
    with pytest.raises(library.ZMQError) as caught:
        view.events()
    assert caught.value.errno == errno.ENOTSOCK
    # The number is still known, for taking it out of a loop.
    assert view.fileno() == fd
    view.close()


def test_a_view_of_a_closed_socket_raises(library: Any, sockets: tuple[Any, Any]) -> None:
    _, pull = sockets
    pull.close()
    with pytest.raises(library.ZMQError) as caught:
        view_of(pull)
    assert caught.value.errno == errno.ENOTSOCK
