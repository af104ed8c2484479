"""Long streams both ways, and subscriptions that come and go in thousands, with stock pyzmq in another process."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
peer_churn = importlib.import_module("peer_churn")
peer_messages = importlib.import_module("peer_messages")
peer_process = importlib.import_module("peer_process")
difference, message = peer_messages.difference, peer_messages.message

ANYWHERE = "tcp://127.0.0.1:*"
MANY = 100_000
ROUNDS = 4

Start = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def make() -> Iterator[Callable[..., mqbridge.Socket]]:
    """A function that makes a socket, `make(mqbridge.DEALER, sndhwm=10)`, which is closed at the end of the test."""
    context = mqbridge.Context()
    made = []

    def make_one(kind: int, **options: int) -> mqbridge.Socket:
        made.append(context.socket(kind))
        for name, value in {"linger": 0, "sndtimeo": 30_000, "rcvtimeo": 30_000, **options}.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)
    context.term()


@pytest.fixture
def join() -> Iterator[Callable[..., Any]]:
    """A function that starts a pyzmq process and connects it: `join(socket, we_bind, "dealer", last=10)`."""
    started = []

    def start(socket: mqbridge.Socket, we_bind: bool, role: str, **settings: Any) -> Any:
        if we_bind:
            socket.bind(ANYWHERE)
            settings["connect"] = [socket.get_string(mqbridge.LAST_ENDPOINT)]
        else:
            settings["bind"] = [ANYWHERE]
        started.append(peer_process.Peer("peer_roles.py", role, library="zmq", **settings))
        if not we_bind:
            socket.connect(started[-1].hear("endpoint"))
        return started[-1]

    yield start
    for one in started:
        one.close()


both_bind = pytest.mark.parametrize("we_bind", [True, False], ids=["bound", "connected"])


def both_ways(socket: mqbridge.Socket, envelope: list[bytes]) -> None:
    """Send all messages in a thread, and receive exactly these meanwhile."""

    def send() -> None:
        for number in range(MANY):
            socket.send_multipart([*envelope, *message(number)])

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for number in range(MANY):
        found = socket.recv_multipart()
        assert found[: len(envelope)] == envelope
        wrong = difference(number, found[len(envelope) :])
        assert not wrong, wrong
    sender.join(30)
    assert not sender.is_alive()


@both_bind
def test_our_dealer_and_a_router_of_pyzmq(make: Any, join: Start, we_bind: bool) -> None:
    socket = make(mqbridge.DEALER)
    other = join(socket, we_bind, "router", last=MANY, options={"ROUTER_MANDATORY": 1})
    socket.send(b"hello")
    both_ways(socket, [])
    assert other.hear("verdict") == ""


@both_bind
def test_our_router_and_a_dealer_of_pyzmq(make: Any, join: Start, we_bind: bool) -> None:
    socket = make(mqbridge.ROUTER, router_mandatory=1)
    other = join(socket, we_bind, "dealer", last=MANY, options={"ROUTING_ID": "the dealer"})
    assert socket.recv_multipart() == [b"the dealer", b"hello"]
    both_ways(socket, [b"the dealer"])
    assert other.hear("verdict") == ""


@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
@both_bind
def test_subscriptions_of_pyzmq_come_and_go(make: Any, join: Start, we_bind: bool, kind: str) -> None:
    socket = make(getattr(mqbridge, kind), sndhwm=0)
    other = join(socket, we_bind, "churn", rounds=ROUNDS, options={"RCVHWM": 0, "SNDHWM": 0})
    peer_churn.publish(socket, ROUNDS, lambda number: not other.is_silent() and heard(other, number))
    assert other.hear("verdict") == ""


def heard(other: Any, number: int) -> bool:
    """Return whether the subscriber has heard of a round."""
    said = other.next()
    assert "verdict" not in said, said
    return bool(said.get("round") == number)


@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
@both_bind
def test_subscriptions_of_ours_come_and_go(make: Any, join: Start, we_bind: bool, kind: str) -> None:
    socket = make(mqbridge.SUB, rcvhwm=0)
    # libzmq drops subscriptions above its RCVHWM.
    options = {"RCVHWM": 0, "SNDHWM": 0}
    other = join(socket, we_bind, f"churn_{kind.lower()}", rounds=ROUNDS, options=options)
    assert peer_churn.subscribe(socket, ROUNDS, lambda number: other.tell(round=number)) == ""
    assert other.hear("published")
