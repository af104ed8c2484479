"""The proxy: both ways, with a capture, with a side that is full, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge


class Running:
    """A proxy in a thread."""

    def __init__(self, context: mqbridge.Context, front: int, back: int, capture: int | None = None) -> None:
        self.context = context
        self.front, self.back = context.socket(front), context.socket(back)
        self.capture = None if capture is None else context.socket(capture)
        self.error: BaseException | None = None
        self.front.bind("inproc://front")
        self.back.bind("inproc://back")
        if self.capture is not None:
            self.capture.bind("inproc://capture")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            mqbridge.proxy(self.front, self.back, self.capture)
        except BaseException as error:
            self.error = error
        for socket in (self.front, self.back, self.capture):
            if socket is not None:
                socket.close(0)


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    context = mqbridge.Context()
    yield context
    context.destroy(0)


Connected = Callable[[int, str], mqbridge.Socket]


@pytest.fixture
def proxied(context: mqbridge.Context) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(*types: int) -> Running:
        made.append(Running(context, *types))
        return made[-1]

    yield make
    # The sockets of `connected` are closed before that.
    context.term()
    for running in made:
        running.thread.join(10)
        assert isinstance(running.error, mqbridge.ContextTerminated)


@pytest.fixture
def connected(context: mqbridge.Context, proxied: Callable[..., Running]) -> Iterator[Connected]:
    made: list[mqbridge.Socket] = []

    def make(kind: int, endpoint: str) -> mqbridge.Socket:
        socket = context.socket(kind)
        socket.rcvtimeo = socket.sndtimeo = 10_000
        socket.connect(endpoint)
        made.append(socket)
        return socket

    yield make
    for socket in made:
        socket.close(0)


def test_requests_and_replies(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.ROUTER, mqbridge.DEALER)
    clients = [connected(mqbridge.REQ, "inproc://front") for _ in range(3)]
    workers = [connected(mqbridge.REP, "inproc://back") for _ in range(2)]
    for client_number, client in enumerate(clients):
        client.send_multipart([b"q", b"%d" % client_number])
    poller = mqbridge.Poller()
    for worker in workers:
        poller.register(worker, mqbridge.POLLIN)
    answered = 0
    while answered < len(clients):
        for worker, _ in poller.poll(10_000):
            worker.send_multipart([b"a", worker.recv_multipart()[1]])
            answered += 1
    for client_number, client in enumerate(clients):
        assert client.recv_multipart() == [b"a", b"%d" % client_number]


def test_a_stream_one_way_with_a_capture(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.PULL, mqbridge.PUSH, mqbridge.PUSH)
    push = connected(mqbridge.PUSH, "inproc://front")
    pull = connected(mqbridge.PULL, "inproc://back")
    copies = connected(mqbridge.PULL, "inproc://capture")
    messages = [[b"%d" % number] * (number % 3 + 1) for number in range(1000)]
    sender = threading.Thread(target=lambda: [push.send_multipart(message) for message in messages])
    sender.start()
    for message in messages:
        assert pull.recv_multipart() == message
        assert copies.recv_multipart() == message
    sender.join()


def test_subscriptions_travel_upstream(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.XSUB, mqbridge.XPUB)
    publisher = connected(mqbridge.XPUB, "inproc://front")
    subscriber = connected(mqbridge.SUB, "inproc://back")
    subscriber.subscribe(b"a")
    assert publisher.recv() == b"\x01a"
    publisher.send_multipart([b"b", b"no"])
    publisher.send_multipart([b"a", b"yes"])
    assert subscriber.recv_multipart() == [b"a", b"yes"]


def test_a_full_side_stops_what_is_meant_for_it_and_nothing_else(
    proxied: Callable[..., Running], connected: Connected
) -> None:
    running = proxied(mqbridge.PAIR, mqbridge.PAIR)
    one = connected(mqbridge.PAIR, "inproc://front")
    two = connected(mqbridge.PAIR, "inproc://back")
    one.sndtimeo = 200
    sent = 0
    with pytest.raises(mqbridge.Again):
        while sent < 100_000:
            one.send(b"%d" % sent)
            sent += 1
    assert sent >= 2000
    # The other way is as open as ever.
    two.send(b"back")
    assert one.recv() == b"back"
    for number in range(sent):
        assert two.recv() == b"%d" % number
    assert running.thread.is_alive()


def test_one_socket_for_both_sides(context: mqbridge.Context, connected: Connected) -> None:
    dealer = context.socket(mqbridge.DEALER)
    dealer.bind("inproc://echo")
    peer = connected(mqbridge.DEALER, "inproc://echo")

    def run() -> None:
        with pytest.raises(mqbridge.ContextTerminated):
            mqbridge.proxy(dealer, dealer)
        dealer.close(0)

    thread = threading.Thread(target=run)
    thread.start()
    peer.send_multipart([b"to", b"and fro"])
    assert peer.recv_multipart() == [b"to", b"and fro"]
    peer.close()
    context.term()
    thread.join(10)


def test_a_device_is_a_proxy_under_its_old_name(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.close()
        with pytest.raises(mqbridge.ZMQError) as closed:
            mqbridge.device(mqbridge.STREAMER, pull, push)
        assert closed.value.errno == mqbridge.ENOTSOCK
        with pytest.raises(mqbridge.ZMQError, match="QUEUE, FORWARDER or STREAMER"):
            mqbridge.device("streamer", pull, push)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 3, "socket"])
def test_what_is_no_socket(context: mqbridge.Context, wrong: Any) -> None:
    with context.socket(mqbridge.PULL) as pull:
        with pytest.raises(TypeError, match="backend"):
            mqbridge.proxy(pull, wrong)
        with pytest.raises(TypeError, match="frontend"):
            mqbridge.proxy(wrong, pull)
