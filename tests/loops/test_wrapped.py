"""A wrapped socket passes on what cannot block, and follows operations on stock sockets with a look."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.wrapped import WrappedSocket


@pytest.fixture(params=[mqbridge, zmq], ids=["mqbridge", "pyzmq"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def wrapped(library: Any) -> Iterator[WrappedSocket]:
    with library.Context() as context:
        socket = WrappedSocket(context.socket(library.PULL))
        yield socket
        socket.close(0)


def test_options_and_methods_are_the_ordinary_sockets(wrapped: WrappedSocket) -> None:
    wrapped.linger = 250
    assert wrapped.socket.linger == wrapped.linger == wrapped.getsockopt(mqbridge.LINGER) == 250
    wrapped.set(mqbridge.RCVHWM, 7)
    assert wrapped.socket.get(mqbridge.RCVHWM) == 7
    assert wrapped.getsockopt(mqbridge.TYPE) == mqbridge.PULL
    with pytest.raises(AttributeError):
        wrapped.no_such_name  # noqa: B018


def test_bind_and_connect_undo_themselves(wrapped: WrappedSocket, library: Any) -> None:
    with wrapped.bind("tcp://127.0.0.1:*") as bound:
        assert bound is wrapped
        endpoint = wrapped.LAST_ENDPOINT.decode().rstrip("\0")
        with wrapped.context.socket(library.PULL) as other, pytest.raises(library.ZMQError) as taken:
            other.bind(endpoint)
        assert taken.value.errno == errno.EADDRINUSE
    with pytest.raises(library.ZMQError) as unknown:
        wrapped.unbind(endpoint)
    assert unknown.value.errno == errno.ENOENT
    with wrapped.connect("tcp://127.0.0.1:9"):
        pass
    with pytest.raises(library.ZMQError):
        wrapped.disconnect("tcp://127.0.0.1:9")


def test_closing_either_of_two_closes_the_socket(wrapped: WrappedSocket) -> None:
    other = WrappedSocket.shadow(wrapped)
    assert other.socket is wrapped.socket and other.context is wrapped.context
    other.close()
    assert wrapped.closed
    wrapped.close()
