"""Passing messages on, both ways, with back-pressure, until the end."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import gevent
import pytest
import zmq

import mqbridge
from mqbridge.loops.gevent import QUEUE, Context, device, proxy, proxy_steerable

Make = Callable[..., Any]


def ended(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        function(*arguments)
    except Exception as error:
        return error


def fill(socket: Any) -> int:
    count = 0
    with contextlib.suppress(mqbridge.Again, zmq.Again):
        while True:
            socket.send(b"%d" % count, timeout=50)
            count += 1
    return count


@pytest.mark.parametrize("way", ["proxy", "device"])
def test_requests_and_replies_pass_both_ways(make: Make, way: str) -> None:
    front, back, clients, worker = make("ROUTER"), make("DEALER"), [make("REQ") for _ in range(3)], make("REP")
    front.bind("inproc://front")
    back.bind("inproc://back")
    for client in clients:
        client.connect("inproc://front")
    worker.connect("inproc://back")
    running = (
        gevent.spawn(ended, proxy, front, back) if way == "proxy" else gevent.spawn(ended, device, QUEUE, front, back)
    )

    def work() -> None:
        for _ in range(300):
            worker.send_multipart([part.upper() for part in worker.recv_multipart()])

    def ask(client: Any, name: bytes) -> None:
        for number in range(100):
            client.send_multipart([name, b"%d" % number])
            assert client.recv_multipart() == [name.upper(), b"%d" % number]

    greenlets = [gevent.spawn(work)] + [
        gevent.spawn(ask, client, b"abc"[i : i + 1]) for i, client in enumerate(clients)
    ]
    gevent.joinall(greenlets, raise_error=True)
    front.close()
    assert running.get().errno == errno.ENOTSOCK


def test_one_way_with_a_capture(make: Make) -> None:
    pull, push, source, sink, capture, log = (make(kind) for kind in ("PULL", "PUSH", "PUSH", "PULL", "PUSH", "PULL"))
    for bound, connected, name in ((pull, source, "in"), (sink, push, "out"), (log, capture, "log")):
        bound.bind(f"inproc://{name}")
        connected.connect(f"inproc://{name}")
    running = gevent.spawn(ended, proxy, pull, push, capture)
    for number in range(300):
        source.send_multipart([b"%d" % number, b"x"])
    expected = [[b"%d" % number, b"x"] for number in range(300)]
    assert [sink.recv_multipart() for _ in range(300)] == expected
    assert [log.recv_multipart() for _ in range(300)] == expected
    running.kill()


def test_who_is_full_is_not_read_for(make: Make) -> None:
    """Nobody takes the messages: the proxy stops reading, and the source meets its high-water mark."""
    marks = {"sndhwm": 5, "rcvhwm": 5}
    pull, push, source, sink = (make(kind, **marks) for kind in ("PULL", "PUSH", "PUSH", "PULL"))
    pull.bind("inproc://in")
    source.connect("inproc://in")
    sink.bind("inproc://out")
    push.connect("inproc://out")
    running = gevent.spawn(ended, proxy, pull, push)
    count = fill(source)
    assert 10 <= count <= 50
    assert [int(sink.recv()) for _ in range(count)] == list(range(count))
    running.kill()


def test_p33_term_ends_it(context: Any, make: Make, zmq_like: ModuleType) -> None:
    front, back = make("ROUTER"), make("DEALER")
    front.bind("inproc://front")
    back.bind("inproc://back")
    running = gevent.spawn(ended, proxy, front, back)
    gevent.sleep(0.01)
    terminating = threading.Thread(target=context.term)
    terminating.start()
    assert isinstance(running.get(), zmq_like.ContextTerminated)
    front.close()
    back.close()
    terminating.join()


def test_a_device_of_one_socket_sends_back(make: Make) -> None:
    echo, client = make("DEALER"), make("DEALER")
    echo.bind("inproc://echo")
    client.connect("inproc://echo")
    running = gevent.spawn(ended, device, QUEUE, echo, -1)
    client.send_multipart([b"a", b"b"])
    assert client.recv_multipart() == [b"a", b"b"]
    running.kill()


def test_a_steerable_one_lets_greenlets_run_and_ends() -> None:
    with Context() as context, contextlib.ExitStack() as stack:
        kinds = (zmq.PULL, zmq.PUSH, zmq.PUSH, zmq.PAIR), (zmq.PUSH, zmq.PULL, zmq.PULL, zmq.PAIR)
        sides, peers = ([stack.enter_context(context.socket(kind)) for kind in four] for four in kinds)
        for number, (socket, peer) in enumerate(zip(sides, peers, strict=True)):
            socket.bind(f"inproc://steered-{number}")
            peer.connect(f"inproc://steered-{number}")
        running = gevent.spawn(proxy_steerable, *sides)
        sender, receiver, copies, steering = peers
        sender.send(b"message")
        assert receiver.recv(timeout=10_000) == copies.recv(timeout=10_000) == b"message"
        steering.send(b"TERMINATE")
        assert running.get(timeout=10) == 0
