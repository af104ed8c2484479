"""The socket as pyzmq has it; pyzmq's own tests say most about it (`make conformance`)."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mqbridge.options import PLAIN
from mqbridge.pyzmq.unused_options import UNUSED

Wait = Callable[..., None]


def test_attributes(zmq: Any, context: Any) -> None:
    socket = context.socket(zmq.REQ)
    assert socket.context is context and socket.copy_threshold == zmq.COPY_THRESHOLD
    assert socket.type == zmq.REQ and socket.closed is False and socket.underlying
    assert weakref.ref(socket)() is socket and len({socket, socket}) == 1
    assert "closed" not in repr(socket)
    socket.copy_threshold = 0
    socket.close()
    socket.close()
    assert socket.closed is True and "closed" in repr(socket)


def test_what_is_no_socket(zmq: Any, context: Any) -> None:
    for arguments in ((), (None, zmq.REQ), (context, -1)):
        with pytest.raises(TypeError):
            zmq.Socket(*arguments)
    with pytest.raises(zmq.ZMQError) as error:
        context.socket(4711)
    assert error.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError) as error:
        zmq.Socket.shadow(12345)
    assert error.value.errno == zmq.ENOTSOCK
    never = zmq.Socket.__new__(zmq.Socket)
    assert never.closed is True
    with pytest.raises(zmq.ZMQError):
        zmq.backend.Socket.__init__(never, context, 4711)
    assert never.closed is True
    never.close()
    for use in (lambda: zmq.backend.Socket.recv(never), lambda: zmq.backend.Socket.send(never, b"")):
        with pytest.raises(zmq.ZMQError) as error:
            use()
        assert error.value.errno == zmq.ENOTSOCK


@pytest.mark.parametrize("copy", [True, False])
def test_messages(pair: tuple[Any, Any], copy: bool) -> None:
    one, two = pair
    parts = [b"", b"x", b"y" * 100_000]
    one.send_multipart(parts, copy=copy)
    received = two.recv_multipart(copy=copy)
    assert [bytes(part) for part in received] == parts
    if not copy:
        assert [part.more for part in received] == [True, True, False]
    for part in (bytearray(b"abc"), memoryview(b"abc")):
        one.send(part, copy=copy)
        assert two.recv() == b"abc"


def test_what_is_no_part(zmq: Any, pair: tuple[Any, Any]) -> None:
    for part in ("text", 5, None):
        with pytest.raises(TypeError):
            pair[0].send(part)
    with pytest.raises(ValueError, match="not tracked"):
        pair[0].send(zmq.Frame(b"abc"), track=True)


def test_a_buffer_may_change_after_its_send(pair: tuple[Any, Any]) -> None:
    one, two = pair
    buffer = bytearray(b"before")
    one.send(buffer)
    buffer[:] = b"after!"
    assert two.recv() == b"before"


def test_trackers(zmq: Any, pair: tuple[Any, Any], wait_for: Wait) -> None:
    one, two = pair
    assert one.send(b"short", copy=False, track=True) is zmq._FINISHED_TRACKER
    assert one.send(b"x" * 100_000, copy=False) is None
    one.copy_threshold = 0
    tracker = one.send_multipart([b"a", b"b"], copy=False, track=True)
    frame = zmq.Frame(b"again", copy=False, track=True)
    assert one.send(frame) is one.send(frame) is frame.tracker
    assert not frame.tracker.done
    for _ in range(6):
        two.recv()
    tracker.wait(10)
    follows = frame.tracker
    del frame
    wait_for(lambda: follows.done)


def test_receiving_into_a_buffer(pair: tuple[Any, Any]) -> None:
    one, two = pair
    buffer = bytearray(4)
    one.send(b"too long")
    assert two.recv_into(buffer) == 8 and buffer == b"too "
    with pytest.raises(BufferError):
        two.recv_into(b"read-only")
    with pytest.raises(ValueError, match="nbytes"):
        two.recv_into(buffer, nbytes=5)


def test_errors_are_pyzmqs(zmq: Any, context: Any) -> None:
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    with pytest.raises(zmq.Again):
        pull.recv(zmq.DONTWAIT)
    with pytest.raises(zmq.Again):
        push.send(b"", zmq.DONTWAIT)
    cases: list[tuple[Callable[[], Any], int]] = [
        (lambda: pull.send(b""), zmq.ENOTSUP),
        (lambda: push.recv(), zmq.ENOTSUP),
        (lambda: push.bind("foo://x"), zmq.EPROTONOSUPPORT),
        (lambda: push.connect("tcp://x"), zmq.EINVAL),
        (lambda: push.unbind("inproc://x"), errno.ENOENT),
        (lambda: push.disconnect("inproc://x"), errno.ENOENT),
        (lambda: push.set(zmq.EVENTS, 1), zmq.EINVAL),
        (lambda: push.get(4711), zmq.EINVAL),
    ]
    for call, number in cases:
        with pytest.raises(zmq.ZMQError) as error:
            call()
        assert error.value.errno == number == zmq.zmq_errno()
    with pytest.raises(zmq.ZMQError, match=r"Invalid argument.*\(addr='tcp://x'\)"):
        push.bind("tcp://x")
    for wrong in (5, None):
        with pytest.raises(TypeError):
            zmq.backend.Socket.bind(push, wrong)
    push.close()
    pull.close()


def test_a_closed_socket_is_none(zmq: Any, context: Any) -> None:
    socket = context.socket(zmq.PAIR)
    assert socket.fd > 0
    socket.close()
    for call in (
        lambda: socket.get(zmq.FD),
        lambda: socket.get(zmq.EVENTS),
        lambda: socket.get(zmq.RCVMORE),
        lambda: socket.get(zmq.RATE),
        lambda: socket.set(zmq.RATE, 1),
        lambda: socket.set(zmq.LINGER, 0),
        lambda: socket.send(b""),
        lambda: socket.recv(),
        lambda: socket.recv(copy=False),
        lambda: socket.recv_into(bytearray(1)),
        lambda: socket.bind("inproc://x"),
        lambda: socket.connect("inproc://x"),
        lambda: socket.unbind("inproc://x"),
        lambda: socket.disconnect("inproc://x"),
    ):
        with pytest.raises(zmq.ZMQError) as error:
            call()
        assert error.value.errno == zmq.ENOTSOCK


def test_whoever_does_not_wait_is_told_that_nothing_is_there(zmq: Any, pair: tuple[Any, Any], wait_for: Wait) -> None:
    one, two = pair
    fd = two.fd
    for copy in (True, False):
        with pytest.raises(zmq.Again) as error:
            two.recv(zmq.DONTWAIT, copy=copy)
        assert error.value.errno == zmq.EAGAIN == zmq.zmq_errno()
        assert str(error.value) == "Resource temporarily unavailable"
    one.send_multipart([b"a", b"b"])
    assert two.poll(10_000) == zmq.POLLIN
    assert (two.recv(zmq.DONTWAIT), two.rcvmore) == (b"a", 1)
    assert (two.recv(zmq.DONTWAIT), two.rcvmore) == (b"b", 0)
    # That Again was the end of what is there: the next message makes an edge.
    with pytest.raises(zmq.Again):
        two.recv(zmq.DONTWAIT)
    one.send(b"c")
    wait_for(lambda: readable(fd))
    assert two.recv() == b"c"


def test_out_of_turn_is_told_before_that_nothing_is_there(zmq: Any, context: Any) -> None:
    with context.socket(zmq.REQ) as socket, pytest.raises(zmq.ZMQError) as error:
        socket.recv(zmq.DONTWAIT)
    assert error.value.errno == zmq.EFSM


@pytest.mark.parametrize("track", [True, False])
def test_a_large_buffer_is_lent_until_it_has_left(zmq: Any, context: Any, track: bool, wait_for: Wait) -> None:
    buffer = bytearray(b"x" * 200_000)
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        pull.rcvtimeo, push.linger = 10_000, 0
        pull.bind("tcp://127.0.0.1:*")
        # There is nobody yet, so that nothing is written.
        push.connect("tcp://127.0.0.1:1")
        tracker = push.send(buffer, copy=False, track=track)
        with pytest.raises(BufferError):
            buffer.append(0)
        if track:
            assert not tracker.done
        else:
            assert tracker is None
        buffer[0] = ord("y")
        push.disconnect("tcp://127.0.0.1:1")
        push.connect(pull.last_endpoint.decode())
        push.send(buffer, copy=False)
        assert pull.recv()[:2] == b"yx"
        if track:
            # What was sent there before is still to be written, should anybody come.
            assert not tracker.done
            push.close()
            wait_for(lambda: tracker.done, "the end of what was lent")


def test_a_buffer_whose_send_has_failed_is_given_back(zmq: Any, context: Any) -> None:
    buffer = bytearray(200_000)
    with context.socket(zmq.PUSH) as push:
        with pytest.raises(zmq.Again):
            push.send(buffer, zmq.DONTWAIT, copy=False)
        buffer.append(0)


def test_options_answered_at_once_are_those_of_the_socket(zmq: Any, context: Any) -> None:
    with context.socket(zmq.DEALER) as socket:
        inner = socket._made()
        assert zmq.LINGER in PLAIN and zmq.RCVTIMEO in PLAIN and zmq.EVENTS not in PLAIN
        for option in PLAIN:
            if option not in UNUSED:
                assert socket.get(option) == inner.get(option)
        socket.rcvtimeo = 5
        assert socket.rcvtimeo == inner.get(zmq.RCVTIMEO) == 5
    with pytest.raises(zmq.ZMQError) as error:
        socket.get(zmq.RCVTIMEO)
    assert error.value.errno == zmq.ENOTSOCK


def readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def test_the_edge(zmq: Any, pair: tuple[Any, Any], wait_for: Wait) -> None:
    one, two = pair
    fd = two.fd
    wait_for(lambda: two.get(zmq.EVENTS) == zmq.POLLOUT and not readable(fd))
    one.send(b"1")
    wait_for(lambda: readable(fd) and two.get(zmq.EVENTS) & zmq.POLLIN)
    two.recv()
    assert not two.get(zmq.EVENTS) & zmq.POLLIN
    one.send(b"2")
    wait_for(lambda: readable(fd) and two.get(zmq.EVENTS) & zmq.POLLIN)
    assert two.fd == fd


def test_a_shadow_has_its_own_edge(zmq: Any, pair: tuple[Any, Any], wait_for: Wait) -> None:
    one, two = pair
    shadow = zmq.Socket.shadow(two)
    assert shadow.underlying == two.underlying and shadow.context is two.context
    assert shadow.fd != two.fd
    one.send(b"1")
    wait_for(lambda: readable(two.fd) and two.get(zmq.EVENTS) & zmq.POLLIN)
    # The other one's reading has not taken it away.
    wait_for(lambda: readable(shadow.fd))
    assert shadow.recv() == b"1"


def test_a_shadows_watcher_hears_of_the_close(zmq: Any, context: Any) -> None:
    socket = context.socket(zmq.PULL)
    shadow = zmq.Socket.shadow(socket)
    fd = shadow.fd
    shadow.get(zmq.EVENTS)
    assert not readable(fd)
    socket.close()
    assert readable(fd) and shadow.closed is True
    with pytest.raises(zmq.ZMQError) as error:
        shadow.get(zmq.EVENTS)
    assert error.value.errno == zmq.ENOTSOCK
    # Once: a loop that goes on watching does not spin.
    assert not readable(fd)
    shadow.close()


def test_shadows_that_are_forgotten_let_go_of_their_descriptors(zmq: Any, context: Any) -> None:
    socket = context.socket(zmq.PULL)
    for _ in range(10):
        shadow = zmq.Socket.shadow(socket)
        assert shadow.fd > 0
        del shadow
    # The fixture of the context looks for descriptors.
    socket.close()


def test_unclosed_sockets_are_closed_with_a_warning(zmq: Any, context: Any) -> None:
    socket = context.socket(zmq.PULL)
    inner = socket._made()
    with pytest.warns(ResourceWarning, match="Unclosed socket"):
        del socket
    assert inner.closed


def test_a_close_wakes_the_thread_that_waits(zmq: Any, context: Any, wait_for: Wait) -> None:
    socket = context.socket(zmq.PULL)
    socket.bind("inproc://nobody")
    errors: list[Any] = []

    def wait() -> None:
        try:
            socket.recv()
        except zmq.ZMQError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: socket._made()._driver.waiters)
    socket.close()
    thread.join()
    assert [error.errno for error in errors] == [zmq.ENOTSOCK]


def test_linger_without_a_meaning_is_not_heeded(zmq: Any, context: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        socket = context.socket(zmq.PULL)
        socket.close(linger=-5)
        assert socket.closed


FORGETFUL = """
import zmq
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.bind("tcp://127.0.0.1:*")
pull.connect(push.LAST_ENDPOINT)
print(zmq.backend.Socket.__module__, pull.FD > 0)
"""


def test_a_program_that_closes_nothing_ends(scaled: Callable[[float], float]) -> None:
    """A thread of the engine may have a socket's lock at that moment: nobody gives it back any more."""
    environment = os.environ | {"PYZMQ_BACKEND": "mqbridge.pyzmq"}
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORGETFUL],
            env=environment,
            capture_output=True,
            text=True,
            timeout=scaled(30),
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "mqbridge.pyzmq.socket True\n", "")
