"""Proxies between the backend's sockets."""

from __future__ import annotations

import threading
from typing import Any

import pytest


def test_a_proxy_passes_messages_on_until_the_end(zmq: Any) -> None:
    context = zmq.Context()
    front, back, capture = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PUSH))
    ends: list[Any] = []

    def run() -> None:
        try:
            zmq.proxy(front, back, capture)
        except zmq.ContextTerminated as error:
            ends.append(error)
        for socket in (front, back, capture):
            socket.close(0)

    for socket, name in ((front, "front"), (back, "back"), (capture, "capture")):
        socket.bind(f"inproc://{name}")
    thread = threading.Thread(target=run)
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull, context.socket(zmq.PULL) as copies:
        push.connect("inproc://front")
        pull.connect("inproc://back")
        copies.connect("inproc://capture")
        thread.start()
        push.send_multipart([b"a", b"b"])
        assert pull.recv_multipart() == copies.recv_multipart() == [b"a", b"b"]
    context.term()
    thread.join()
    assert len(ends) == 1


def test_what_is_no_socket(zmq: Any, context: Any) -> None:
    with context.socket(zmq.PULL) as socket, pytest.raises((TypeError, AttributeError)):
        zmq.proxy(socket, 5)


def test_a_steerable_proxy_hears_its_control(zmq: Any, context: Any) -> None:
    front, back, control, steers = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PAIR, zmq.PAIR))
    front.bind("inproc://front")
    back.bind("inproc://back")
    control.bind("inproc://control")
    steers.connect("inproc://control")
    ends: list[int] = []
    thread = threading.Thread(target=lambda: ends.append(zmq.proxy_steerable(front, back, None, control)))
    thread.start()
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        push.connect("inproc://front")
        pull.connect("inproc://back")
        push.send(b"x")
        assert pull.recv() == b"x"
    steers.send(b"TERMINATE")
    thread.join()
    assert ends == [0]
    for socket in (front, back, control, steers):
        socket.close()
