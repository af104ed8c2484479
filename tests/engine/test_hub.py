"""A context's engine: how many sockets there may be, and how they all end."""

from __future__ import annotations

import errno
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT
from mqbridge.context_options import ContextOptions
from mqbridge.engine.hub import Hub, all_hubs

NOBODY = "tcp://127.0.0.1:1"


def test_max_sockets(no_descriptor_leak: None) -> None:
    context = mqbridge.Context(io_threads=0)
    context.set(mqbridge.MAX_SOCKETS, 3)
    made = [context.socket(mqbridge.PAIR) for _ in range(3)]
    with pytest.raises(mqbridge.ZMQError) as caught:
        context.socket(mqbridge.PAIR)
    assert caught.value.errno == errno.EMFILE
    assert str(caught.value) == "a context has 3 sockets at most (MAX_SOCKETS); close some"
    made.pop().close()
    made.append(context.socket(mqbridge.PAIR))
    for socket in made:
        socket.close()
    context.term()


def test_a_socket_too_many_leaves_nothing_behind(no_descriptor_leak: None) -> None:
    context = mqbridge.Context(io_threads=0)
    context.set(mqbridge.MAX_SOCKETS, 1)
    with warnings.catch_warnings():
        # What was never made is nobody's to close.
        warnings.simplefilter("error", ResourceWarning)
        with context.socket(mqbridge.PAIR):
            for _ in range(3):
                with pytest.raises(mqbridge.ZMQError):
                    context.socket(mqbridge.PAIR)
            gc.collect()
            assert len(context._hub.drivers) == 1
    context.term()


def test_a_socket_that_lingers_still_counts(no_descriptor_leak: None, wait_for: Callable[..., None]) -> None:
    context = mqbridge.Context(io_threads=0)
    context.set(mqbridge.MAX_SOCKETS, 1)
    push = context.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    push.send(b"x")
    driver = push._driver
    push.close(linger=30)
    with pytest.raises(mqbridge.ZMQError):
        context.socket(mqbridge.PAIR)
    wait_for(lambda: driver.pollset.fd < 0 or not driver.drive(), "the end of linger")
    context.socket(mqbridge.PAIR).close()
    context.term()


@pytest.mark.parametrize("io_threads", [-1, "1", 1.5, None])
def test_io_threads_is_a_number(io_threads: Any) -> None:
    with pytest.raises((mqbridge.ZMQError, TypeError), match="io_threads is 0 or a positive number") as caught:
        mqbridge.Context(io_threads)
    assert getattr(caught.value, "errno", None) == (mqbridge.EINVAL if io_threads == -1 else None)


@pytest.mark.parametrize(("io_threads", "flushes"), [(0, False), (1, True), (4, True)])
def test_who_writes_late_batches(no_descriptor_leak: None, io_threads: int, flushes: bool) -> None:
    from mqbridge import _sys

    hub = Hub(ContextOptions(io_threads))
    assert hub.flushes is (flushes or _sys.HAS_FLUSHER)
    assert not hub.forked
    hub.terminate()


def test_no_thread_without_io_threads(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], new_threads: Callable[[], set[str]]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
        assert not new_threads()


# ---- the end


def test_term_waits_for_the_last_socket(
    no_descriptor_leak: None, in_thread: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    context = mqbridge.Context()
    sockets = [context.socket(mqbridge.PAIR) for _ in range(3)]
    terminating = in_thread(context.term)
    wait_for(lambda: all(socket._driver.stopped for socket in sockets), "the end of the sockets")
    for socket in sockets:
        assert not terminating.done
        with pytest.raises(mqbridge.ContextTerminated):
            socket.recv(DONTWAIT)
        socket.close()
    terminating.result()
    assert context.closed
    context.term()


def test_a_terminated_context_makes_no_sockets(
    no_descriptor_leak: None, in_thread: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    context = mqbridge.Context()
    with context.socket(mqbridge.PAIR) as last:
        terminating = in_thread(context.term)
        wait_for(lambda: last._driver.stopped, "the end of the socket")
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            with pytest.raises(mqbridge.ZMQError) as caught:
                context.socket(mqbridge.PAIR)
            assert caught.value.errno == mqbridge.ETERM
            gc.collect()
    terminating.result()
    with pytest.raises(mqbridge.ZMQError, match="the context is terminated; make a new one") as caught:
        context.socket(mqbridge.PAIR)
    assert caught.value.errno == mqbridge.ENOTSUP


def test_without_a_caretaker_term_drives_what_lingers(
    no_descriptor_leak: None, peers: Any, in_thread: Callable[..., Any]
) -> None:
    places = [peers.listen(rcvbuf=4096) for _ in range(3)]
    context = mqbridge.Context(io_threads=0)
    context.linger = -1
    for place in places:
        push = context.socket(mqbridge.PUSH)
        push.connect(place.endpoint)
        for _ in range(3):
            push.send(bytes(1_000_000), DONTWAIT)
        push.close()
    terminating = in_thread(context.term)
    for place in places:
        # Connecting, shaking hands and writing are all term's work.
        assert place.accept("PULL").expect(3) == [bytes(1_000_000)] * 3
    terminating.result()


def test_with_a_caretaker_term_waits_for_what_lingers(
    no_descriptor_leak: None, peers: Any, in_thread: Callable[..., Any]
) -> None:
    place = peers.listen()
    context = mqbridge.Context()
    context.linger = -1
    push = context.socket(mqbridge.PUSH)
    push.connect(place.endpoint)
    push.send(b"x")
    push.close()
    terminating = in_thread(context.term)
    peer = place.accept("PULL")
    assert not terminating.done
    assert peer.expect(1) == [b"x"]
    terminating.result()


def test_term_without_sockets(no_descriptor_leak: None) -> None:
    for io_threads in (0, 1):
        mqbridge.Context(io_threads).term()


# ---- sockets that nobody closed


@pytest.mark.parametrize("io_threads", [0, 1])
def test_a_socket_that_was_collected_is_closed(
    no_descriptor_leak: None, wait_for: Callable[..., None], io_threads: int
) -> None:
    context = mqbridge.Context(io_threads)
    context.linger = 0
    socket = context.socket(mqbridge.PAIR)
    socket.bind("inproc://collected")
    driver = socket._driver
    with pytest.warns(ResourceWarning, match=r"unclosed socket <Socket\(PAIR\)"):
        del socket
        gc.collect()
    if io_threads:
        wait_for(lambda: not context._hub.drivers, "the close")
    else:
        # Nobody is there to do it; the next socket's making does.
        context.socket(mqbridge.PAIR).close()
    wait_for(lambda: driver.pollset.fd == -1, "the close of its descriptors")
    context.term()


def test_a_collected_socket_still_lingers(no_descriptor_leak: None, peers: Any, wait_for: Callable[..., None]) -> None:
    place = peers.listen()
    context = mqbridge.Context()
    socket = context.socket(mqbridge.PUSH)
    socket.connect(place.endpoint)
    socket.send(b"x")
    with pytest.warns(ResourceWarning):
        del socket
        gc.collect()
    assert place.accept("PULL").expect(1) == [b"x"]
    context.term()


@pytest.mark.parametrize("io_threads", [0, 1])
def test_a_collected_context_takes_its_sockets_along(
    no_descriptor_leak: None, wait_for: Callable[..., None], new_threads: Callable[[], set[str]], io_threads: int
) -> None:
    context = mqbridge.Context(io_threads)
    context.linger = 0
    sockets = [context.socket(mqbridge.PAIR) for _ in range(3)]
    for number, socket in enumerate(sockets):
        socket.bind(f"inproc://{number}")
        socket.bind("tcp://127.0.0.1:*")
        # A deadline, too, has a descriptor.
        socket.connect(NOBODY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del socket, sockets, context
        gc.collect()
    wait_for(lambda: not new_threads(), "the end of the thread")


def test_all_are_found_while_another_thread_makes_some(eager_threads: None, no_descriptor_leak: None) -> None:
    """A fork, the exit and inspection ask for them at any moment."""
    kept = [mqbridge.Context(io_threads=0) for _ in range(50)]
    over = threading.Event()

    def make() -> None:
        while not over.is_set():
            mqbridge.Context(io_threads=0).term()

    maker = threading.Thread(target=make)
    maker.start()
    try:
        for _ in range(2000):
            assert {context._hub for context in kept} <= set(all_hubs())
    finally:
        over.set()
        maker.join()
        for context in kept:
            context.term()
