"""The context as pyzmq has it."""

from __future__ import annotations

import errno
import gc
import threading
import weakref
from typing import Any

import pytest


def test_attributes(zmq: Any) -> None:
    context = zmq.Context()
    assert context.closed is False and type(context.underlying) is int and context.underlying
    assert weakref.ref(context)() is context
    context.term()
    context.term()
    assert context.closed is True


def test_wrong_arguments(zmq: Any, context: Any) -> None:
    with pytest.raises(zmq.ZMQError) as error:
        zmq.Context(-1)
    assert error.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError) as error:
        context.set(4711, 1)
    assert error.value.errno == zmq.EINVAL
    with pytest.raises(TypeError):
        context.set(zmq.MAX_SOCKETS, "7")
    with pytest.raises(zmq.ZMQError) as error:
        context.get(4711)
    assert error.value.errno == zmq.EINVAL


def test_options(zmq: Any, context: Any) -> None:
    context.max_sockets = 2
    assert context.get(zmq.MAX_SOCKETS) == context.MAX_SOCKETS == 2
    with context.socket(zmq.PUSH), context.socket(zmq.PULL), pytest.raises(zmq.ZMQError) as error:
        context.socket(zmq.PAIR)
    assert error.value.errno == errno.EMFILE
    ended = zmq.Context()
    ended.term()
    for use in (lambda: ended.get(zmq.MAX_SOCKETS), lambda: ended.set(zmq.MAX_SOCKETS, 1)):
        with pytest.raises(RuntimeError):
            use()


def test_shadows(zmq: Any) -> None:
    context = zmq.Context()
    shadow = zmq.Context.shadow(context.underlying)
    assert shadow.underlying == context.underlying
    with shadow.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as two:
        one.bind("inproc://shadows")
        two.connect("inproc://shadows")
        two.send(b"by one engine")
        assert one.recv() == b"by one engine"
    del shadow
    gc.collect()
    assert not context.closed
    shadow = zmq.Context.shadow(context)
    context.term()
    with pytest.raises(zmq.ZMQError) as error:
        shadow.socket(zmq.PAIR)
    assert error.value.errno == zmq.EFAULT
    with pytest.raises(zmq.ZMQError):
        zmq.Context.shadow(12345)


def test_term_wakes_who_waits(zmq: Any) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.bind("inproc://nobody")
    waits = threading.Event()
    ends: list[Any] = []

    def wait() -> None:
        waits.set()
        try:
            socket.recv()
        except zmq.ContextTerminated as error:
            ends.append(error)
        with pytest.raises(zmq.ContextTerminated):
            socket.get(zmq.EVENTS)
        ends.append(socket.closed)
        socket.close()

    thread = threading.Thread(target=wait)
    thread.start()
    waits.wait()
    context.term()
    thread.join()
    assert ends[0].errno == zmq.ETERM and ends[1] is False and socket.closed is True


def test_a_context_that_was_never_made(zmq: Any) -> None:
    made = zmq.Context.__new__(zmq.Context)
    assert made.closed is True
    made.term()
