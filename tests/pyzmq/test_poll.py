"""Waiting for sockets and files, as pyzmq's Poller asks for it."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest


def test_sockets_and_files_in_their_order(zmq: Any, pair: tuple[Any, Any]) -> None:
    poll = zmq.backend.zmq_poll
    one, two = pair
    reading, writing = os.pipe()
    try:
        with open(writing, "wb", closefd=False) as file:
            assert poll([(reading, zmq.POLLIN)], 0) == []
            assert poll([(file, zmq.POLLOUT)], timeout=-1) == [(writing, zmq.POLLOUT)]
            os.write(writing, b"x")
            one.send(b"x")
            assert two.poll(10_000) == zmq.POLLIN
            items = [(reading, zmq.POLLIN), (two, zmq.POLLIN | zmq.POLLOUT), (file, zmq.POLLIN), (one, zmq.POLLIN)]
            assert poll(items, 0) == [(reading, zmq.POLLIN), (two, zmq.POLLIN | zmq.POLLOUT)]
            assert poll([(two, zmq.POLLOUT), (two, zmq.POLLIN)], 0) == [(two, zmq.POLLOUT), (two, zmq.POLLIN)]
    finally:
        os.close(reading)
        os.close(writing)


def test_a_poll_leaves_the_edge_to_the_loop(zmq: Any, pair: tuple[Any, Any]) -> None:
    one, two = pair
    fd = two.fd
    two.get(zmq.EVENTS)
    one.send(b"x")
    assert two.poll(10_000) == two.poll(0) == zmq.POLLIN
    assert select.select([fd], [], [], 10)[0]
    assert two.get(zmq.EVENTS) & zmq.POLLIN


def test_a_long_time_out_is_one(zmq: Any, pair: tuple[Any, Any]) -> None:
    one, two = pair
    one.send(b"x")
    # More than a C int has.
    assert zmq.backend.zmq_poll([(two, zmq.POLLIN)], 2**40) == [(two, zmq.POLLIN)]


def test_a_terminated_context_ends_a_look(zmq: Any) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    thread = threading.Thread(target=context.term)
    thread.start()
    try:
        with pytest.raises(zmq.ContextTerminated):
            while True:
                zmq.backend.zmq_poll([(socket, zmq.POLLIN)], 0)
    finally:
        socket.close()
        thread.join()


def test_nothing_to_wait_for(zmq: Any) -> None:
    assert zmq.backend.zmq_poll([]) == []


def test_wrong_items(zmq: Any, context: Any) -> None:
    class Wrong:
        def fileno(self) -> str:
            return "none"

    with pytest.raises(TypeError, match="fileno"):
        zmq.backend.zmq_poll([(object(), zmq.POLLIN)])
    with pytest.raises(ValueError, match="no descriptor"):
        zmq.backend.zmq_poll([(Wrong(), zmq.POLLIN)])
    closed = context.socket(zmq.PULL)
    closed.close()
    with pytest.raises(zmq.ZMQError) as error:
        zmq.backend.zmq_poll([(closed, zmq.POLLIN)])
    assert error.value.errno == zmq.ENOTSOCK


def test_a_signal_does_not_end_the_wait(zmq: Any, context: Any, scaled: Callable[[float], float]) -> None:
    seen: list[int] = []
    socket = context.socket(zmq.PULL)
    former = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, scaled(0.05))
        begin = time.monotonic()
        assert zmq.backend.zmq_poll([(socket, zmq.POLLIN)], int(scaled(0.2) * 1000)) == []
        assert seen and time.monotonic() - begin >= scaled(0.2)
    finally:
        signal.signal(signal.SIGALRM, former)
        socket.close()
